/**
 * Tunnels of kcptun's programs and of those of this repository, which are measured: each end is a
 * process of its own. This process plays the application and the target.
 *
 * @module
 */
import type { LinkOptions } from "../../transport/deno.ts";
import { commandOf } from "../interop/kcptun/programs.ts";
import { freeUdpPort } from "../interop/kcptun/tunnels.ts";
import { freeTcpPort } from "../examples/kcptun/tcp.ts";
import { cpuSeconds, type Measuring, residentBytes, startScript } from "./process.ts";

/** Who plays an end. */
export type Player = "ours" | "theirs";
/** The client and the server. */
export type Pair = readonly [client: Player, server: Player];

/** What both ends are told, besides addresses. */
const SHARED = ["--key", "a secret", "--smuxver", "2", "--quiet"];
/** How long (ms) a program may take to start. */
const START_TIMEOUT = 20_000;

/** A program that runs. */
interface Program {
  readonly pid: number;
  stop(): Promise<void>;
}

const PROGRAMS = new URL("../../examples/kcptun/", import.meta.url);

async function startProgram(
  side: "client" | "server",
  player: Player,
  args: readonly string[],
  flags: readonly string[],
): Promise<Program> {
  const script = new URL(`${side}.ts`, PROGRAMS).pathname;
  const command = player === "theirs"
    ? [commandOf(side)]
    : [Deno.execPath(), "run", "--no-lock", "--no-check", ...flags, "-A", script];
  const child = new Deno.Command(command[0], {
    args: [...command.slice(1), ...SHARED, ...args],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let log = "";
  let started = () => {};
  const listens = new Promise<void>((resolve) => started = resolve);
  const reading = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      log += text;
      if (/listening on/i.test(log)) started();
    }
    started();
  })();
  const timer = setTimeout(started, START_TIMEOUT);
  await listens;
  clearTimeout(timer);
  const program = {
    pid: child.pid,
    stop: async () => {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await child.status;
      await reading;
    },
  };
  if (!/listening on/i.test(log)) {
    await program.stop();
    throw new Error(`The ${side} (${player}) did not start:\n${log}`);
  }
  return program;
}

/** A tunnel that is measured. */
export class MeasuredTunnel implements AsyncDisposable {
  readonly #programs: Program[] = [];
  readonly #target = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  #proxy: Measuring | null = null;
  #port = 0;

  private constructor() {}

  /**
   * Starts both ends.
   *
   * @param settings Flags of both ends.
   * @param flags Flags of `deno run`.
   * @param link What happens to packets between the ends. Default: nothing.
   */
  static async start(
    [client, server]: Pair,
    settings: readonly string[],
    flags: readonly string[],
    link?: LinkOptions,
  ): Promise<MeasuredTunnel> {
    const tunnel = new MeasuredTunnel();
    try {
      const udp = freeUdpPort();
      const target = `127.0.0.1:${tunnel.#target.addr.port}`;
      const listen = ["-l", `127.0.0.1:${udp}`, "-t", target];
      tunnel.#programs.push(await startProgram("server", server, [...listen, ...settings], flags));
      let to = udp;
      if (link) {
        tunnel.#proxy = startScript("mux_proxy.ts", { port: udp, link }, flags, [
          "-A",
          "--unstable-net",
        ]);
        to = ((await tunnel.#proxy.lines.next()).value as { port: number }).port;
      }
      tunnel.#port = freeTcpPort();
      const dial = ["-l", `127.0.0.1:${tunnel.#port}`, "-r", `127.0.0.1:${to}`];
      tunnel.#programs.push(await startProgram("client", client, [...dial, ...settings], flags));
    } catch (error) {
      await tunnel[Symbol.asyncDispose]();
      throw error;
    }
    return tunnel;
  }

  /** The processes of both ends: the server, the client. */
  get pids(): number[] {
    return this.#programs.map(({ pid }) => pid);
  }

  /** CPU seconds that both ends have taken. */
  get cpu(): number {
    return this.pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  }

  /** Resident memory of the client and of the server in bytes. */
  get memory(): { client: number; server: number } {
    const [server, client] = this.pids.map(residentBytes);
    return { client, server };
  }

  /**
   * A connection through the tunnel.
   *
   * @param first What the application sends at once. Default: nothing.
   * @returns The end at the application, and the end at the target.
   */
  async connect(first = new Uint8Array()): Promise<[Deno.TcpConn, Deno.TcpConn]> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: this.#port });
    conn.setNoDelay();
    if (first.length > 0) await conn.write(first);
    return [conn, await this.#target.accept()];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#target.close();
    for (const program of this.#programs) await program.stop();
    await this.#proxy?.stop();
  }
}
