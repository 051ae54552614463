/**
 * Throughput between two processes over the loopback, for this library and for kcp-go.
 *
 * @module
 */
import type { Counted, EndTask } from "./end.ts";
import { jsonLines, startScript } from "./process.ts";

/** A load to measure. */
export type Load = Pick<EndTask, "mode" | "size" | "cipher" | "key" | "fec">;

/** A measurement of kcp-go: see bench.go in tests/interop/peer. */
export interface PeerJob {
  mode: Load["mode"] | "seal" | "open" | "crc" | "fec" | "encode";
  size: number;
  seconds: number;
  cipher?: string;
  key?: string;
  data?: number;
  parity?: number;
}

const TIMES = { warmup: 0.5, seconds: 2 };

/**
 * Measures this library: a listener and a client, each in a process of its own.
 *
 * @param flags Flags of `deno run`, in addition to permissions.
 * @returns Bytes per second, counted where they arrive.
 */
export async function measureOurs(
  load: Load,
  sockets: EndTask["sockets"],
  burst: number,
  flags: readonly string[],
): Promise<number> {
  const common = { ...load, ...TIMES, sockets, burst };
  const server = startScript("end.ts", { ...common, role: "server", port: 0 }, flags);
  const { port } = (await server.lines.next()).value as { port: number };
  const client = startScript("end.ts", { ...common, role: "client", port }, flags);
  const { value, done } = await (load.mode === "sink" ? server : client).lines.next();
  await Promise.all([server.stop(), client.stop()]);
  if (done) throw new Error(`The ${load.mode} of ${load.size} bytes ended without a count`);
  return rate(value as Counted);
}

/** kcp-go. Both ends run in one process, as in its own benchmarks. */
export class KcpGo {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: AsyncGenerator<unknown>;

  /** @param program The path of the peer that the interop tests use. */
  constructor(program: string) {
    this.#process = new Deno.Command(program, { args: ["bench"], stdin: "piped", stdout: "piped" })
      .spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#output = jsonLines(this.#process.stdout);
  }

  /** Returns bytes per second. The bytes of a network are counted where they arrive. */
  async measure(job: PeerJob): Promise<number> {
    const whole = { ...job, stream: true, warmup: job.seconds / 4 };
    await this.#input.write(new TextEncoder().encode(JSON.stringify(whole)));
    const { value, done } = await this.#output.next();
    if (done) throw new Error(`kcp-go gave no count for ${JSON.stringify(job)}`);
    return rate(value as Counted);
  }

  /** Ends the process. */
  async close(): Promise<void> {
    await this.#input.close();
    await this.#process.status;
  }
}

function rate({ bytes, seconds }: Counted): number {
  return bytes / seconds;
}
