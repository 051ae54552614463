import { connect } from "@lowlatency/kcp";
import type { MuxStream } from "@lowlatency/kcp/mux";
import { drawPort, parsePortRange, parseStreamAddress, type PortRange } from "../addresses.ts";
import { enterProxy } from "../proxy/enter.ts";
import { openUdp } from "../proxy/udp.ts";
import type { ClientSettings } from "../settings/settings.ts";
import { ConnEnd, showAddress } from "./conn_end.ts";
import { configureSocket, kcpOptions } from "./kcp_options.ts";
import { acceptAll, listenStreams } from "./listening.ts";
import type { Log } from "./log.ts";
import { pipe } from "./pipe.ts";
import { TunnelSession } from "./session.ts";
import { SessionPool } from "./session_pool.ts";
import { Traffic } from "./traffic.ts";

/** How long (ms) to wait before the server is tried again. */
const RETRY = 1000;
/** Old sessions are looked after this often, in ms. */
const TICK = 1000;
/** Sessions that are tried for one connection. */
const ATTEMPTS = 3;

/** The client of a tunnel: it takes connections, and carries them to the server. */
export class TunnelClient {
  /** What was carried. */
  readonly traffic = new Traffic();
  readonly #settings: ClientSettings;
  readonly #log: Log;
  readonly #listener: Deno.Listener;
  readonly #remote: PortRange;
  readonly #options: ReturnType<typeof kcpOptions>;
  readonly #pool: SessionPool<TunnelSession>;
  readonly #ticker: ReturnType<typeof setInterval>;
  readonly #accepting: Promise<void>;
  #closed = false;

  private constructor(
    settings: ClientSettings,
    log: Log,
    listener: Deno.Listener,
    remote: PortRange,
  ) {
    this.#settings = settings;
    this.#log = log;
    this.#listener = listener;
    this.#remote = remote;
    // The key is derived once.
    this.#options = kcpOptions(settings);
    this.#pool = new SessionPool({
      count: settings.conn,
      autoExpire: 1000 * settings.autoexpire,
      ttl: 1000 * settings.scavengettl,
      open: () => this.#open(),
      now: () => performance.now(),
      log,
    });
    this.#ticker = setInterval(() => this.#pool.tick(), TICK);
    this.#accepting = acceptAll(listener, (conn) => this.#carry(conn), log);
  }

  /**
   * Starts a client.
   *
   * @throws {RangeError} When an address can't be read.
   * @throws {Error} When it can't listen.
   */
  static async start(settings: ClientSettings, log: Log): Promise<TunnelClient> {
    const remote = parsePortRange(settings.remoteaddr, { flag: "--remoteaddr", listens: false });
    const local = parseStreamAddress(settings.localaddr, { flag: "--localaddr", listens: true });
    const listener = await listenStreams(local);
    log(`listening on: ${showAddress(listener.addr)}`);
    return new TunnelClient(settings, log, listener, remote);
  }

  /** The address where it listens. */
  get addr(): Deno.Addr {
    return this.#listener.addr;
  }

  /** Takes no more connections, closes the sessions, and waits until they have ended. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#ticker);
    const { addr } = this.#listener;
    this.#listener.close();
    if (addr.transport === "unix") await Deno.remove(addr.path).catch(() => {});
    await this.#accepting;
    const { sessions } = this.#pool;
    this.#pool.close();
    await Promise.allSettled(sessions.map(({ connection }) => connection.closed));
  }

  /** Opens a session to the server, whose name is looked up anew. */
  async #open(): Promise<TunnelSession> {
    const { hostname } = this.#remote;
    const port = drawPort(this.#remote, () => crypto.getRandomValues(new Uint32Array(1))[0]);
    const connection = await connect({ hostname, port, ...this.#options });
    configureSocket(connection, this.#settings, this.#log);
    const session = new TunnelSession(connection, this.#settings, true);
    const from = showAddress(connection.localAddr);
    const to = showAddress(connection.remoteAddr);
    const { smuxver } = this.#settings;
    this.#log(`smux version: ${smuxver} on connection: ${from} -> ${to}`);
    session.mux.closed.then(
      () => this.#log(`session closed: ${from} -> ${to}`),
      (error) => this.#log(`session ended: ${from} -> ${to}: ${error.message}`),
    );
    return session;
  }

  /** A stream to the server. It waits as long as there is no session. */
  async #openStream() {
    for (let attempt = 1;; attempt++) {
      try {
        const session = await this.#pool.take();
        return { session, stream: await session.mux.createBidirectionalStream() };
      } catch (error) {
        if (this.#closed) throw error;
        const { message } = error as Error;
        // A session that ends at this moment is replaced at once.
        if (attempt % ATTEMPTS === 0) {
          this.#log(`re-connecting: ${message}`);
          await new Promise((resolve) => setTimeout(resolve, RETRY));
          if (this.#closed) throw error;
        }
      }
    }
  }

  /** Begins a connection to a proxy: see {@linkcode enterProxy}. */
  #enter(conn: Deno.Conn, end: ConnEnd, session: TunnelSession, stream: MuxStream) {
    const hostOf = (address: Deno.Addr) => "hostname" in address ? plain(address.hostname) : "";
    return enterProxy(end, stream, {
      openUdp,
      local: hostOf(conn.localAddr) || "127.0.0.1",
      remote: hostOf(conn.remoteAddr) || "127.0.0.1",
      id: stream.id,
      hub: session.datagrams,
    });
  }

  /** Carries one connection. */
  async #carry(conn: Deno.Conn): Promise<void> {
    const { closewait, quiet } = this.#settings;
    const { traffic } = this;
    const end = new ConnEnd(conn);
    const from = showAddress(conn.remoteAddr);
    traffic.opened++;
    traffic.open++;
    let opened: MuxStream | null = null;
    try {
      const { session, stream } = await this.#openStream();
      opened = stream;
      const to = `${showAddress(session.connection.remoteAddr)}(${stream.id})`;
      if (!quiet) this.#log(`stream opened in: ${from} out: ${to}`);
      const leave = this.#settings.socks5
        ? await this.#enter(conn, end, session, stream)
        : () => {};
      if (!leave) {
        end.close();
        stream.abort();
        return;
      }
      const { error } = await pipe(end, stream, {
        closeWait: 1000 * closewait,
        moved: (direction, count) => {
          if (direction === 0) traffic.upstream += count;
          else traffic.downstream += count;
        },
      });
      leave();
      if (error !== null) traffic.failed++;
      const reason = error === null ? "" : `: ${(error as Error).message}`;
      if (!quiet) this.#log(`stream closed in: ${from} out: ${to}${reason}`);
    } catch (error) {
      traffic.failed++;
      if (!quiet) this.#log(`no stream for ${from}: ${(error as Error).message}`);
      end.abort();
      opened?.abort();
    } finally {
      traffic.open--;
    }
  }
}

/** An IPv4 address that is mapped into IPv6, as a listener on all addresses has it, without that. */
function plain(hostname: string): string {
  return hostname.replace(/^::ffff:(?=[\d.]+$)/i, "");
}
