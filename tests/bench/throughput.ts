/**
 * Throughput between two processes over the loopback, and kcp-go's beside it.
 *
 * @module
 */
import type { Counted, EndTask } from "./end.ts";
import { jsonLines, startScript } from "./process.ts";

/** What is measured. */
export type Load = Pick<EndTask, "mode" | "size" | "cipher" | "key" | "fec">;

/** What kcp-go is to measure: see its `bench`. */
export interface PeerJob {
  mode: "sink" | "echo" | "seal" | "open" | "crc" | "fec" | "encode";
  size: number;
  seconds: number;
  cipher?: string;
  key?: string;
  data?: number;
  parity?: number;
}

const TIMES = { warmup: 0.5, seconds: 2 };

/**
 * Measures this library: a listener and a client, each in its own process.
 *
 * @param flags Flags of `deno run`, in addition to permissions.
 * @returns Bytes per second, counted at the receiver.
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

/** kcp-go, both ends in one process, as its own benchmarks have it. */
export class KcpGo {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: AsyncGenerator<unknown>;

  /** @param program The peer of the interop tests. */
  constructor(program: string) {
    this.#process = new Deno.Command(program, { args: ["bench"], stdin: "piped", stdout: "piped" })
      .spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#output = jsonLines(this.#process.stdout);
  }

  /** Bytes a second; those of a network are counted where they arrive. */
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
