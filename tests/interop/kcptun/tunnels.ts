/**
 * Tunnels between programs of kcptun and those of this repository.
 *
 * @module
 */
import { TunnelClient } from "../../../examples/kcptun/tunnel/client.ts";
import { TunnelServer } from "../../../examples/kcptun/tunnel/server.ts";
import { freeTcpPort, settingsOf } from "../../examples/kcptun/tcp.ts";
import { hasFlag, KcptunProgram } from "./programs.ts";

/** Who plays an end of a tunnel: a program of kcptun, or the code here. */
export type Player = "theirs" | "ours";

/** A tunnel, and how it is set. */
export interface TunnelOptions {
  readonly client: Player;
  readonly server: Player;
  /** The port of the target. */
  readonly target: number;
  /** Flags of both ends. */
  readonly flags?: readonly string[];
  readonly clientFlags?: readonly string[];
  readonly serverFlags?: readonly string[];
  /** The UDP port that the client is told, if it is not that of the server. */
  readonly via?: number;
  /** The UDP port of the server. Default: a free one. */
  readonly port?: number;
}

/** A UDP port that nobody uses. */
export function freeUdpPort(): number {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const { port } = socket.addr as Deno.NetAddr;
  socket.close();
  return port;
}

/** An end of a tunnel that runs. */
export interface TunnelEnd extends AsyncDisposable {
  /** The TCP port of a client. */
  readonly port: number;
  /** The lines that it has logged. */
  readonly log: string;
}

/** Flags of both ends. */
const SHARED = ["--key", "a secret", "--smuxver", "2"];

/** An end in this process. */
function endOf(port: number, lines: string[], tunnel: { close(): Promise<void> }): TunnelEnd {
  return {
    port,
    get log() {
      return lines.join("\n");
    },
    [Symbol.asyncDispose]: () => tunnel.close(),
  };
}

/** Starts a server. */
export async function startServer(
  player: Player,
  port: number,
  target: number | string,
  flags: readonly string[],
): Promise<TunnelEnd> {
  const to = typeof target === "number" ? `127.0.0.1:${target}` : target;
  const args = ["-l", `127.0.0.1:${port}`, "-t", to, ...SHARED, ...flags];
  if (player === "theirs") {
    // Where it has the flag, it would hold back the end of a connection for 30 s.
    const wait = hasFlag("server", "closewait") ? ["--closewait", "0"] : [];
    return Object.assign(await KcptunProgram.start("server", [...args, ...wait]), { port });
  }
  const lines: string[] = [];
  const server = await TunnelServer.start(settingsOf("server", args), (line) => lines.push(line));
  return endOf(port, lines, server);
}

/** Starts a client. */
export async function startClient(
  player: Player,
  server: number,
  flags: readonly string[],
): Promise<TunnelEnd> {
  const port = freeTcpPort();
  const args = ["-l", `127.0.0.1:${port}`, "-r", `127.0.0.1:${server}`, ...SHARED, ...flags];
  if (player === "theirs") {
    return Object.assign(await KcptunProgram.start("client", args), { port });
  }
  const lines: string[] = [];
  const client = await TunnelClient.start(settingsOf("client", args), (line) => lines.push(line));
  return endOf(port, lines, client);
}

/** Runs a test with a tunnel. If it fails, the logs of both ends are shown. */
export async function withTunnel(
  { client, server, target, flags = [], clientFlags = [], serverFlags = [], via, port }:
    TunnelOptions,
  test: (port: number, ends: { client: TunnelEnd; server: TunnelEnd }) => Promise<void>,
): Promise<void> {
  const udp = port ?? freeUdpPort();
  const far = await startServer(server, udp, target, [...flags, ...serverFlags]);
  const near = await startClient(client, via ?? udp, [...flags, ...clientFlags]);
  try {
    await test(near.port, { client: near, server: far });
  } catch (error) {
    console.log(`--- client (${client})\n${near.log}\n--- server (${server})\n${far.log}`);
    throw error;
  } finally {
    // Ours ends while theirs still answers: it would wait for a peer that was killed.
    const ends = client === "ours" ? [near, far] : [far, near];
    for (const end of ends) await end[Symbol.asyncDispose]();
  }
}
