/**
 * Latency against bytes, of this module and of kcp-go: `deno task frontier`, `--help` says how.
 *
 * @module
 */
import { hasGo } from "../interop/peer.ts";
import { type Arguments, parse, USAGE } from "./arguments.ts";
import { draw, footOf } from "./drawing.ts";
import { KCP_GO_VERSION } from "./kcp_go.ts";
import { measureReal } from "./real.ts";
import { Report } from "./report.ts";
import { measureVirtual } from "./virtual.ts";

/** Returns the exit code. */
async function main(args: readonly string[]): Promise<number> {
  let options: Arguments | null;
  try {
    options = parse(args);
  } catch (error) {
    console.error((error as Error).message);
    return 2;
  }
  if (!options) {
    console.log(USAGE);
    return 0;
  }
  if (!hasGo) {
    if (options.real) {
      console.error(
        "Cannot measure in real time: the proxy needs Go, and there is none on the PATH",
      );
      return 2;
    }
    if (options.theirs.length > 0) {
      console.error("kcp-go is not measured: there is no Go on the PATH");
      options = { ...options, theirs: [] };
    }
  }
  const { cells, configurations, theirs, seeds, seconds, real, json, svg } = options;
  const began = performance.now();
  const count = cells.length * (configurations.length + theirs.length);
  console.log(
    `${real ? "Real" : "Virtual"} time: ${cells.length} cells, ${count} points, ` +
      `each of ${seeds} sessions of ${seconds} s`,
  );
  const report = new Report(seconds);
  await (real ? measureReal : measureVirtual)(options, report);
  const minutes = Math.round(seeds * seconds / 6) / 10;
  report.summary(count, minutes, (performance.now() - began) / 1000);
  const head = {
    time: real ? "real" : "virtual",
    deno: Deno.version.deno,
    kcpGo: theirs.length > 0 ? `v${KCP_GO_VERSION}` : null,
    date: new Date().toISOString().slice(0, 10),
  };
  if (json) {
    const lines = [head, ...report.lines].map((line) => JSON.stringify(line));
    await Deno.writeTextFile(json, `${lines.join("\n")}\n`);
  }
  if (svg) await Deno.writeTextFile(svg, draw(report.lines, footOf(head, report.lines)));
  return report.failures > 0 ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
