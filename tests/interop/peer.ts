/**
 * The peer: a Go program around kcp-go. `tests/interop/peer` holds its source.
 *
 * @module
 */
import { AssertionError } from "@std/assert";
import { buildGo } from "./go_program.ts";
import { LineProcess } from "./line_process.ts";

export { hasGo, interopTest } from "./go_program.ts";

/** A version of kcp-go: its name, and the Go module file in `tests/interop/peer` that selects it. */
export interface PeerVersion {
  readonly name: string;
  readonly module: string;
}

/** The version that all tests and the benchmarks run against. */
export const KCP_GO: PeerVersion = await readVersion("go.mod");
/** An older version. Only the matrix runs against it. */
export const OLD_KCP_GO: PeerVersion = await readVersion("go-5.6.72.mod");

async function readVersion(module: string): Promise<PeerVersion> {
  const text = await Deno.readTextFile(new URL(`peer/${module}`, import.meta.url));
  const name = /kcp-go\/v5 v(\S+)/.exec(text)?.[1];
  if (!name) throw new AssertionError(`${module} does not name a version of kcp-go`);
  return { name, module };
}

/**
 * Builds the peer, once for each version.
 *
 * @returns The path of the program.
 */
export function buildPeer(version: PeerVersion = KCP_GO): Promise<string> {
  return buildGo("peer", version.module);
}

/** Settings of a session of kcp-go. */
export interface PeerSettings {
  /** The name of a cipher, or "" for no encryption. */
  cipher?: string;
  /** The key of the cipher, in hexadecimal. */
  key?: string;
  /** Data and parity shards; 0 and 0 for no error correction. */
  data?: number;
  parity?: number;
  /** Send and receive window in segments. Default: 1024 each. */
  windows?: [number, number];
  /** The arguments of kcp-go's SetNoDelay: nodelay, interval, resend, nc. Default: 1, 10, 2, 1. */
  nodelay?: [number, number, number, number];
  /** Bytes of a packet above UDP. Default: 1400. */
  mtu?: number;
  /** Whether small writes share segments. Default: false. */
  stream?: boolean;
  /** Whether writes wait for the next interval. Default: false. */
  writeDelay?: boolean;
  /** Whether each packet is acknowledged at once. Default: false. */
  ackNoDelay?: boolean;
}

/** A listener of kcp-go. */
export interface PeerListener extends PeerSettings {
  /** Default: "echo". A source answers the first bytes with a pattern. */
  mode?: "echo" | "sink" | "source";
  /** Length and seed of the pattern that a source sends. */
  bytes?: number;
  seed?: number;
}

/** What a session of kcp-go's server received. */
export interface ServedSession {
  bytes: number;
  sha256: string;
  datagrams: number;
  /** Packets that error correction restored, in all sessions of the process. */
  recovered: number;
  /** Bad packets that kcp-go has counted, in all sessions of the process. */
  errors: number;
}

/** A job for clients of kcp-go. */
export interface PeerJob extends PeerSettings {
  /** The address of our listener, such as `127.0.0.1:4000`. */
  address: string;
  /** Default: "echo". */
  mode?: "echo" | "datagrams";
  /** How many clients run at once. Client i has the seed `seed` + i. Default: 1. */
  clients?: number;
  seed: number;
  /** How many bytes each client sends and expects back. */
  bytes: number;
  /** Lengths of the writes, used in turn. Default: 65536. */
  writes?: readonly number[];
  /** Lengths of out-of-band packets. A client sends each one again until it comes back. */
  datagrams?: number[];
  /** In ms. Default: 60000. */
  timeout?: number;
}

/** What a client of kcp-go received. */
export interface PeerClient {
  conv: number;
  bytes: number;
  sha256: string;
  datagrams: number;
  error?: string;
}

/** What the clients of a job received. */
export interface PeerReport {
  clients: PeerClient[];
  /** Packets that error correction restored, in all sessions of the process. */
  recovered: number;
  /** Bad packets that kcp-go has counted, in all sessions of the process. */
  errors: number;
  /** Closes the sessions of the clients. */
  close(): Promise<void>;
}

/** A process with listeners of kcp-go. */
export class PeerServer extends LineProcess {
  /** The port of each listener. */
  readonly ports: number[] = [];

  /** Starts a process with these listeners. */
  static async start(listeners: PeerListener[], version = KCP_GO): Promise<PeerServer> {
    const server = new PeerServer(await buildPeer(version), "serve");
    const started = server.answer(0);
    await server.send(listeners);
    const { addresses } = await started as { addresses: string[] };
    server.ports.push(...addresses.map((address) => Number(address.split(":").at(-1))));
    return server;
  }

  /** Returns what a session has received. */
  look(listener: number, conv: number): Promise<ServedSession> {
    return this.#ask({ listener, conv, close: false });
  }

  /** Returns what a session has received, and closes the session. */
  finish(listener: number, conv: number): Promise<ServedSession> {
    return this.#ask({ listener, conv, close: true });
  }

  async #ask(command: { listener: number; conv: number; close: boolean }): Promise<ServedSession> {
    const id = this.nextId();
    const answer = this.answer(id);
    await this.send({ id, ...command });
    const { error, ...session } = await answer as ServedSession & { error?: string };
    if (error) throw new AssertionError(`The peer's server: ${error}`);
    return session;
  }
}

/** A process with clients of kcp-go. */
export class PeerDialer extends LineProcess {
  /** Starts a process. */
  static async start(version = KCP_GO): Promise<PeerDialer> {
    return new PeerDialer(await buildPeer(version), "dial");
  }

  /**
   * Runs the clients of a job.
   *
   * The sessions stay open: kcp-go's Close drops what is still queued. The caller closes them by
   * `close()` of the report, once our end has everything.
   */
  async run(job: PeerJob): Promise<PeerReport> {
    const id = this.nextId();
    const answer = this.answer(id);
    await this.send({ ...job, id });
    const { clients, recovered, errors } = await answer as PeerReport;
    for (const [i, { error }] of clients.entries()) {
      if (error) throw new AssertionError(`Client ${i} of the peer: ${error}`);
    }
    return { clients, recovered, errors, close: () => this.send({ close: id }) };
  }
}
