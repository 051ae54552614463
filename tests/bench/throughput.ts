/**
 * Throughput between two processes over the loopback, for this library and for others.
 *
 * @module
 */
import type { BareTask } from "./bare.ts";
import type { Counted } from "./counter.ts";
import type { EndTask } from "./end.ts";
import { jsonLines, type Start, startProgram, startScript } from "./process.ts";

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

/** The length of a packet on a bare socket: the default MTU of this library. */
export const BARE_PACKET = 1400;

/** Runs a server and a client, each in a process of its own. */
async function measurePair(
  start: Start,
  task: { mode: Load["mode"]; size?: number },
): Promise<Counted> {
  const common = { ...task, ...TIMES };
  const server = start({ ...common, role: "server", port: 0 });
  const { port } = (await server.lines.next()).value as { port: number };
  const client = start({ ...common, role: "client", port });
  const { value, done } = await (task.mode === "sink" ? server : client).lines.next();
  await Promise.all([server.stop(), client.stop()]);
  if (done) throw new Error(`A measurement ended without a count: ${JSON.stringify(common)}`);
  return value as Counted;
}

/**
 * Measures this library with settings for speed.
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
  const start: Start = (task) => startScript("end.ts", task, flags);
  return rate(await measurePair(start, { ...load, sockets, burst } as Load));
}

/**
 * Measures this library with nothing set but the cipher, the error correction, and the largest packet.
 *
 * @param flags Flags of `deno run`, in addition to permissions.
 * @param sockets `automatic` as `deno run -A` runs it, `deno` without the right to use others.
 * @param mtu The largest packet. Default: not set.
 * @returns Bytes per second, counted where they arrive.
 */
export async function measureDefaults(
  load: Load,
  flags: readonly string[],
  sockets: "automatic" | "deno" = "automatic",
  mtu?: number,
): Promise<number> {
  const permissions = sockets === "deno" ? undefined : ["-A"];
  const start: Start = (task) => startScript("end.ts", task, flags, permissions);
  const defaults = { ...load, sockets, mtu, defaults: true } as Load;
  return rate(await measurePair(start, defaults));
}

/**
 * Measures this library on Deno's own sockets, with packets of the size that bare sockets send.
 *
 * @returns Packets per second that arrive where the bytes are counted.
 */
export async function measurePackets(load: Load, flags: readonly string[]): Promise<number> {
  const start: Start = (task) => startScript("end.ts", task, flags);
  const defaults = { ...load, sockets: "deno", defaults: true, mtu: BARE_PACKET } as Load;
  return packetRate(await measurePair(start, defaults));
}

/**
 * Measures bare sockets of Deno under the same load: the packets that the payload takes.
 *
 * @returns Packets per second that arrive.
 */
export async function measureBare({ mode, size }: Load, flags: readonly string[]): Promise<number> {
  const start: Start = (task) => startScript("bare.ts", task, flags);
  const burst = Math.ceil(size / BARE_PACKET);
  const task: Pick<BareTask, "burst" | "packet"> = { burst, packet: BARE_PACKET };
  return packetRate(await measurePair(start, { mode, ...task }));
}

/**
 * Measures a program that takes the same tasks, with nothing set.
 *
 * @param command The program and its arguments.
 * @param sockets What our own program uses.
 * @param mtu The largest packet of our own program. Default: not set.
 * @returns Bytes per second, counted where they arrive.
 */
export async function measureProgram(
  load: Load,
  command: readonly string[],
  sockets: EndTask["sockets"] = "node",
  mtu?: number,
): Promise<number> {
  const defaults = { ...load, sockets, mtu, defaults: true } as Load;
  return rate(await measurePair((task) => startProgram(command, task), defaults));
}

/**
 * Measures kcp-go, with its fastest settings, each end in a process of its own.
 *
 * @param program The path of the peer that the interop tests use.
 * @returns Bytes per second, counted where they arrive.
 */
export async function measureKcpGo(load: Load, program: string): Promise<number> {
  const { fec, ...rest } = load;
  const task = { ...rest, data: fec?.dataShards, parity: fec?.parityShards, stream: true };
  return rate(await measurePair((task) => startProgram([program, "bench"], task), task));
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

function packetRate({ packets, seconds }: Counted): number {
  return packets / seconds;
}
