import { type Connection, listen, type Listener } from "@lowlatency/kcp";
import type { MuxStream } from "@lowlatency/kcp/mux";
import {
  formatAddress,
  parsePortRange,
  parseStreamAddress,
  type PortRange,
  type StreamAddress,
} from "../addresses.ts";
import { Access } from "../proxy/access.ts";
import { Association } from "../proxy/association.ts";
import { openUdp } from "../proxy/udp.ts";
import { openDestination, type ProxyOptions } from "../proxy/serve.ts";
import type { ServerSettings } from "../settings/settings.ts";
import { ConnEnd, showAddress } from "./conn_end.ts";
import { configureSocket, kcpOptions } from "./kcp_options.ts";
import { EVERY_ADDRESS, lacksIPv6 } from "./listening.ts";
import type { Log } from "./log.ts";
import { pipe, type PipeEnd } from "./pipe.ts";
import { TunnelSession } from "./session.ts";
import { Traffic } from "./traffic.ts";

/** How long (ms) a client of the proxy may take for its request. */
const REQUEST_TIMEOUT = 30_000;
/** How long (ms) an attempt to reach a destination may take. */
const DIAL_TIMEOUT = 10_000;

/** Most associations of a session at one time. */
const MAX_ASSOCIATIONS = 64;

/** The server of a tunnel: it takes streams of clients, and carries them to the target. */
export class TunnelServer {
  /** What was carried. */
  readonly traffic = new Traffic();
  readonly #settings: ServerSettings;
  readonly #log: Log;
  readonly #listeners: readonly Listener[];
  /** Null for a proxy. */
  readonly #target: StreamAddress | null;
  readonly #proxy: ProxyOptions;
  readonly #sessions = new Set<TunnelSession>();
  #closed = false;

  private constructor(
    settings: ServerSettings,
    log: Log,
    listeners: readonly Listener[],
    target: StreamAddress | null,
    access: Access,
  ) {
    this.#settings = settings;
    this.#log = log;
    this.#listeners = listeners;
    this.#target = target;
    this.#proxy = {
      access,
      lookUp,
      dial,
      requestTimeout: REQUEST_TIMEOUT,
      dialTimeout: DIAL_TIMEOUT,
      later: (delay, run) => {
        const id = setTimeout(run, delay);
        return () => clearTimeout(id);
      },
    };
    for (const listener of listeners) this.#serve(listener);
  }

  /**
   * Starts a server: a listener for each port.
   *
   * @throws {RangeError} When an address or a rule can't be read.
   * @throws {Error} When it can't listen.
   */
  static async start(settings: ServerSettings, log: Log): Promise<TunnelServer> {
    const range = parsePortRange(settings.listen, { flag: "--listen", listens: true });
    const target = settings.target === "socks5"
      ? null
      : parseStreamAddress(settings.target, { flag: "--target", listens: false });
    const access = new Access(settings.allow, settings.deny);
    const listeners = await listenAll(range, settings);
    for (const listener of listeners) {
      configureSocket(listener, settings, log);
      log(`listening on: ${formatAddress(listener.addr.hostname, listener.addr.port)}/udp`);
    }
    return new TunnelServer(settings, log, listeners, target, access);
  }

  /** The addresses where it listens. */
  get addrs(): { hostname: string; port: number }[] {
    return this.#listeners.map(({ addr }) => addr);
  }

  /** Takes no more sessions, closes those that there are, and waits until they have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const session of this.#sessions) session.close();
    for (const listener of this.#listeners) listener.close();
    await Promise.all(this.#listeners.map(({ closed }) => closed));
  }

  async #serve(listener: Listener): Promise<void> {
    for await (const connection of listener) this.#take(connection);
  }

  /** Takes the streams of one session. */
  async #take(connection: Connection): Promise<void> {
    const { smuxver } = this.#settings;
    const from = showAddress(connection.remoteAddr);
    const session = new TunnelSession(connection, this.#settings, false);
    this.#sessions.add(session);
    this.#log(`smux version: ${smuxver} on connection: ${from}`);
    if (this.#closed) session.close();
    try {
      for await (const stream of session.mux) this.#carry(stream, session, from);
      await session.mux.closed;
      this.#log(`session closed: ${from}`);
    } catch (error) {
      this.#log(`session ended: ${from}: ${(error as Error).message}`);
    } finally {
      this.#sessions.delete(session);
    }
  }

  /** Where a stream goes, connected. Null if its client asked a proxy for nothing. */
  async #reach(
    stream: MuxStream,
    session: TunnelSession,
  ): Promise<{ end: PipeEnd; name: string } | null> {
    if (this.#target === null) {
      const { access, lookUp } = this.#proxy;
      const associate = () => {
        const hub = session.datagrams;
        if (hub.count >= MAX_ASSOCIATIONS) throw new Error("Too many associations");
        return new Association(stream.id, hub, { access, lookUp, openUdp });
      };
      const opened = await openDestination(stream, { ...this.#proxy, associate });
      if (!opened) return null;
      const { hostname, port } = opened.request;
      return { end: opened.end, name: formatAddress(hostname, port) };
    }
    const conn = this.#target.transport === "unix"
      ? await Deno.connect(this.#target)
      : await Deno.connect(this.#target);
    return { end: new ConnEnd(conn), name: this.#settings.target };
  }

  /** Carries one stream. */
  async #carry(stream: MuxStream, session: TunnelSession, peer: string): Promise<void> {
    const from = `${peer}(${stream.id})`;
    const { closewait, quiet } = this.#settings;
    const { traffic } = this;
    traffic.opened++;
    traffic.open++;
    try {
      const reached = await this.#reach(stream, session);
      if (!reached) return;
      const { end, name } = reached;
      if (!quiet) this.#log(`stream opened in: ${from} out: ${name}`);
      const { error } = await pipe(stream, end, {
        closeWait: 1000 * closewait,
        moved: (direction, count) => {
          if (direction === 0) traffic.upstream += count;
          else traffic.downstream += count;
        },
      });
      if (error !== null) traffic.failed++;
      const reason = error === null ? "" : `: ${(error as Error).message}`;
      if (!quiet) this.#log(`stream closed in: ${from} out: ${name}${reason}`);
    } catch (error) {
      traffic.failed++;
      this.#log(`no connection for ${from}: ${(error as Error).message}`);
      // The answer of a proxy is still to be delivered.
      stream.close();
    } finally {
      traffic.open--;
    }
  }
}

/** Listens on every port of a range. If one can't be had, none is kept. */
async function listenAll(range: PortRange, settings: ServerSettings): Promise<Listener[]> {
  const options = kcpOptions(settings);
  const listeners: Listener[] = [];
  let hostname = range.hostname || EVERY_ADDRESS;
  try {
    for (let port = range.first; port <= range.last; port++) {
      try {
        listeners.push(await listen({ hostname, port, ...options }));
      } catch (error) {
        if (range.hostname !== "" || hostname === "0.0.0.0" || !lacksIPv6(error)) throw error;
        hostname = "0.0.0.0";
        port--;
      }
    }
  } catch (error) {
    for (const listener of listeners) listener.close();
    throw error;
  }
  return listeners;
}

async function lookUp(name: string): Promise<string[]> {
  const { lookup } = await import("node:dns/promises");
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

async function dial(hostname: string, port: number) {
  const conn = await Deno.connect({ hostname, port });
  const local = conn.localAddr as Deno.NetAddr;
  return { end: new ConnEnd(conn), hostname: local.hostname, port: local.port };
}
