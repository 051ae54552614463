/**
 * Counters in the text format of Prometheus, version 0.0.4.
 *
 * @module
 */
import type { Totals } from "@lowlatency/kcp";

/** One metric without labels. */
export interface Metric {
  /** Letters, digits and `_`. The name of a counter ends with `_total`. */
  readonly name: string;
  readonly type: "counter" | "gauge";
  /** What it counts. */
  readonly help: string;
  readonly value: number;
}

/** The members of the totals that go up and down. All others are sums. */
const GAUGES = /^(?:open|maxOpen|present\..*)$/;

/** The numbers of a record and of those inside it, by their path. */
function numbersOf(record: object, path = ""): [path: string, value: number][] {
  return Object.entries(record).flatMap(([name, value]) =>
    typeof value === "number"
      ? [[path + name, value] as [string, number]]
      : numbersOf(value, `${path}${name}.`)
  );
}

/**
 * The totals of the library as metrics. Each has the path of its member as its name:
 * `connections.bytesOut` is `kcp_connections_bytes_out_total`.
 */
export function kcpMetrics(totals: Totals): Metric[] {
  return numbersOf(totals).map(([path, value]) => {
    const name = path.replaceAll(".", "_").replaceAll(/[A-Z]/g, (letter) => `_${letter}`);
    const gauge = GAUGES.test(path);
    return {
      name: `kcp_${name.toLowerCase()}${gauge ? "" : "_total"}`,
      type: gauge ? "gauge" : "counter",
      help: `${path} of processTotals() of @lowlatency/kcp`,
      value,
    };
  });
}

/** Media type of the text. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** The text that Prometheus reads. */
export function metricsText(metrics: readonly Metric[]): string {
  return metrics.map(({ name, type, help, value }) =>
    `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n` +
    `# TYPE ${name} ${type}\n${name} ${value}\n`
  ).join("");
}

/** Answers a request for the metrics: at `/metrics`, to GET and HEAD. */
export function answerMetrics(request: Request, collect: () => readonly Metric[]): Response {
  const { pathname } = new URL(request.url);
  if (pathname !== "/metrics") return new Response("See /metrics\n", { status: 404 });
  if (request.method !== "GET" && request.method !== "HEAD") {
    return new Response("Allowed are GET and HEAD\n", {
      status: 405,
      headers: { allow: "GET, HEAD" },
    });
  }
  const body = request.method === "HEAD" ? null : metricsText(collect());
  return new Response(body, { headers: { "content-type": METRICS_TYPE } });
}
