import type { PacketCipher } from "../../crypt/packet_cipher.ts";
import type { EndpointOptions, EndpointStats } from "../session/endpoint.ts";
import { ConnectionError } from "../session/errors.ts";
import type { Session } from "../session/session.ts";
import type { SessionOptions } from "../session/session_options.ts";
import { shown } from "../session/shown.ts";
import { type Connection, newConnection } from "./connection.ts";
import { diagnostics } from "./diagnostics.ts";
import { adapterOf, type DatagramSocket, type Driver } from "./driver.ts";
import { showAs } from "./inspect.ts";
import { type OperationOptions, OperationQueue } from "./operation_queue.ts";
import type { RateLimitOptions } from "./rate_limit.ts";
import type { Totals } from "./totals.ts";
import { type UdpAddress, udpAddress } from "./udp_address.ts";

/**
 * Makes a listener: the constructor is private, so that only this folder can.
 *
 * @param driver The driver of an endpoint that accepts sessions.
 * @param options The options of the endpoint.
 */
export let newListener: (driver: Driver, options: EndpointOptions) => Listener;

/**
 * Opens a connection over the socket of a listener.
 *
 * @param peer The address of the peer, in the form of the listener's socket.
 * @param conv The conversation id, 0 to 4294967295.
 * @param options Options of the session. The listener's encryption is used.
 */
export let dialOver: (
  listener: Listener,
  peer: string,
  conv: number,
  options: SessionOptions & RateLimitOptions,
) => Connection;

/** Makes calls at later times, by the timer of a listener: see {@linkcode Driver.after}. */
export let afterOn: (listener: Listener) => (delay: number, run: () => void) => () => void;

/** What {@linkcode Listener.close} does with the connections of the listener. */
export interface ListenerCloseOptions {
  /**
   * What happens to the connections that are open. Default: "wait".
   *
   * - `"wait"`: they continue until the application or the peer ends them.
   * - `"close"`: {@linkcode Connection.close} is called on each, which delivers what was written.
   * - `"abort"`: {@linkcode Connection.abort} is called on each, which tells the peers.
   */
  connections?: "wait" | "close" | "abort";
  /** Connections that are still open after this time (ms) are aborted. Default: `Infinity`. */
  timeout?: number;
  /**
   * How long (ms) the socket stays open at most when the last connection has ended, 0 to `Infinity`. A
   * peer that has missed the last acknowledgment, or a reset, is answered in this time. With 0 the
   * port is free at once. Default: three retransmission timeouts, and up to a second if the peer has
   * not ended its stream.
   */
  timeWait?: number;
}

/** The reason that peers get when the listener aborts their connections. */
const ABORT_REASON = "The listener was closed";

/**
 * Accepts connections on one UDP socket. It has the methods of `Deno.Listener`. `listen` makes
 * listeners.
 *
 * @example
 * ```ts
 * import { listen } from "@lowlatency/kcp";
 *
 * using listener = await listen({ port: 4000 });
 * for await (const conn of listener) {
 *   conn.readable.pipeTo(conn.writable).catch((error) => console.error(error.message));
 * }
 * ```
 */
export class Listener implements AsyncDisposable, Disposable, AsyncIterable<Connection> {
  static {
    newListener = (driver, options) => new Listener(driver, options);
    dialOver = (listener, peer, conv, options) => listener.#dial(peer, conv, options);
    afterOn = (listener) => (delay, run) => listener.#driver.after(delay, run);
    showAs(Listener, "Listener", ({ addr, adapter, stats }) => {
      return { addr, adapter, sessions: stats.sessions };
    });
  }

  /**
   * Settles when the listener is closed, its last connection has ended, and its socket is closed.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   *
   * const listener = await listen({ hostname: "127.0.0.1" });
   * listener.close();
   * await listener.closed; // the port is free
   * ```
   */
  readonly closed: Promise<void>;
  readonly #driver: Driver;
  readonly #crypt: PacketCipher | undefined;
  readonly #entropy: EndpointOptions["entropy"];
  readonly #accepts: OperationQueue;
  /** Sessions that were taken from the endpoint, and wait for `accept`. */
  readonly #waiting: Session[] = [];
  /** The connections that use the socket, in the order in which they began. */
  readonly #connections = new Map<Session, Connection>();
  #error: ConnectionError | null = null;
  /** Cancels the abort of the connections that are still open at a given time. */
  #cancelAbort: () => void = () => {};

  private constructor(driver: Driver, { crypt, entropy }: EndpointOptions) {
    this.#driver = driver;
    this.#crypt = crypt;
    this.#entropy = entropy;
    this.#accepts = new OperationQueue("accept", (delay, run) => driver.after(delay, run));
    driver.endpoint.onAccept = () => this.#accepts.serve();
    this.closed = driver.closed;
    driver.closed.then(() => {
      this.#end(new ConnectionError("socket", "The listener's socket failed"));
      diagnostics?.listenerClosed(this, this.#error!.kind === "socket" ? this.#error : null);
    });
    diagnostics?.listenerOpened(this);
  }

  /**
   * The address that the listener is bound to.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   *
   * using listener = await listen({ hostname: "127.0.0.1" });
   * console.log(`listening on port ${listener.addr.port}`);
   * ```
   */
  get addr(): UdpAddress {
    return udpAddress(this.#driver.socket.address);
  }

  /**
   * The kind of socket that carries the packets: `deno`, `linux`, `node`, `bun`, `webtransport`,
   * `webrtc`, `simulated`, or `own` for a socket of the application.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   *
   * using listener = await listen({ hostname: "127.0.0.1" });
   * console.log(listener.adapter); // linux, for example
   * ```
   */
  get adapter(): string {
    return adapterOf(this.#driver.socket);
  }

  /**
   * The socket that carries the packets. kcp-go gives access to it with `Control`. Its packets and
   * its end belong to the listener: use it for settings of the socket only. The runtime's own object
   * is `conn` of a `DenoSocket`, `socket` of a `NodeSocket` or `BunSocket`, and the file descriptor
   * `fd` of a `LinuxSocket`.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   * import { LinuxSocket } from "@lowlatency/kcp/linux";
   *
   * using listener = await listen({ hostname: "127.0.0.1" });
   * const { socket } = listener;
   * if (socket instanceof LinuxSocket) console.log(socket.batching);
   * ```
   */
  get socket(): DatagramSocket {
    return this.#driver.socket;
  }

  /**
   * Counters, and the number of sessions: a snapshot.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   *
   * using listener = await listen({ hostname: "127.0.0.1" });
   * const { sessions, refused, forged } = listener.stats;
   * console.log(`${sessions} sessions, ${refused} refused, ${forged} packets with another key`);
   * ```
   */
  get stats(): EndpointStats {
    return this.#driver.endpoint.stats;
  }

  /**
   * Sums over all connections of this listener, those that have ended among them: a snapshot, which
   * costs time for each open connection. `processTotals` sums up all listeners and connections.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   *
   * using listener = await listen({ hostname: "127.0.0.1" });
   * const { open, connections: { bytesIn, bytesOut } } = listener.totals;
   * console.log(`${open} connections, ${bytesIn} bytes received, ${bytesOut} bytes sent`);
   * ```
   */
  get totals(): Totals {
    return this.#driver.ledger.totals;
  }

  /**
   * The connections that are open now: those that were accepted, and those that `connect` has opened
   * over this listener (`via`), the oldest first. A snapshot. A connection that was closed on this
   * side is open until everything is delivered.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   *
   * using listener = await listen({ hostname: "127.0.0.1" });
   * const news = new TextEncoder().encode("server restarts in a minute");
   * for (const conn of listener.connections) conn.sendMessage(news).catch(() => {});
   * ```
   */
  get connections(): Connection[] {
    const open: Connection[] = [];
    for (const [session, connection] of this.#connections) {
      if (session.state !== "closed") open.push(connection);
    }
    return open;
  }

  /**
   * Waits for the next connection. A connection exists as soon as its first packet has arrived. A
   * connection that arrives after the timeout or the abort waits for the next call.
   *
   * @param options How long to wait. The timeout is 0 to `Infinity` ms; 0 takes a connection that
   * waits already. Default: no limit.
   * @throws {ConnectionError} When the listener is closed, its socket has failed, or the timeout has
   * passed (`kind` is then "timeout", and the listener goes on).
   *
   * @example
   * ```ts
   * import { ConnectionError, listen } from "@lowlatency/kcp";
   *
   * using listener = await listen({ hostname: "127.0.0.1" });
   * try {
   *   await listener.accept({ timeout: 10 });
   * } catch (error) {
   *   if (error instanceof ConnectionError) console.log(error.kind); // timeout
   * }
   * ```
   */
  accept(options: OperationOptions = {}): Promise<Connection> {
    const { signal, timeout = Infinity } = options;
    return this.#accepts.run(() => {
      if (this.#error) throw this.#error;
      const session = this.#waiting.shift() ?? this.#driver.endpoint.accept();
      return session ? this.#add(session) : undefined;
    }, { signal, timeout });
  }

  /**
   * Stops to accept connections. The connections that were accepted continue, unless the options say
   * otherwise. The socket stays open until the last of them has ended: {@linkcode Listener.closed}.
   * A later call may close or abort connections for which an earlier one has waited.
   *
   * @param options What happens to the connections. Default: they continue.
   * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range.
   *
   * @example A server that lets its clients finish for up to 10 s
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   *
   * const listener = await listen({ hostname: "127.0.0.1" });
   * listener.close({ connections: "close", timeout: 10_000 });
   * await listener.closed;
   * ```
   */
  close(options: ListenerCloseOptions = {}): void {
    const { connections = "wait", timeout = Infinity, timeWait = Infinity } = options;
    checkClose(connections, { timeout, timeWait });
    this.#end(new ConnectionError("closed", "The listener was closed"));
    for (const session of this.#waiting.splice(0)) this.#add(session).abort(ABORT_REASON);
    this.#driver.endpoint.stopAccepting(this.#driver.now(), timeWait);
    if (connections === "abort") this.#abortAll();
    else if (connections === "close") this.#forEach((connection) => connection.close());
    if (timeout !== Infinity) {
      this.#cancelAbort();
      this.#cancelAbort = this.#driver.after(timeout, () => this.#abortAll());
    }
    this.#driver.closeWhenIdle();
  }

  /**
   * Keeps the process alive while the listener is open. This is the initial state.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   *
   * using listener = await listen({ hostname: "127.0.0.1" });
   * listener.unref();
   * listener.ref(); // the process waits again
   * ```
   */
  ref(): void {
    this.#driver.ref();
  }

  /**
   * Lets the process end while the listener is open.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   *
   * using listener = await listen({ hostname: "127.0.0.1" });
   * listener.unref(); // the process ends when nothing else is left to do
   * ```
   */
  unref(): void {
    this.#driver.unref();
  }

  /**
   * Iterates over the connections as they arrive. The iteration ends when the listener is closed.
   * Leaving the loop closes the listener, as with a `Deno.Listener`.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   *
   * using listener = await listen({ hostname: "127.0.0.1" });
   * for await (const conn of listener) {
   *   console.log(conn.remoteAddr.hostname);
   *   conn.close();
   * }
   * ```
   */
  async *[Symbol.asyncIterator](): AsyncIterableIterator<Connection> {
    try {
      for (;;) yield await this.accept();
    } catch (error) {
      if (!(error instanceof ConnectionError && error.kind === "closed")) throw error;
    } finally {
      this.close();
    }
  }

  /**
   * Calls {@linkcode Listener.close}.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   *
   * {
   *   using listener = await listen({ hostname: "127.0.0.1" });
   *   console.log(listener.addr.port);
   * } // closes it
   * ```
   */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Calls {@linkcode Listener.close}, then waits until the last connection has ended.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   *
   * {
   *   await using listener = await listen({ hostname: "127.0.0.1" });
   *   console.log(listener.addr.port);
   * } // closes it, and waits until its connections have ended
   * ```
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed;
  }

  #dial(peer: string, conv: number, options: SessionOptions & RateLimitOptions): Connection {
    const { rateLimit, ...settings } = options;
    const { crypt = this.#crypt, entropy = this.#entropy } = settings;
    if (rateLimit !== undefined && rateLimit !== this.#driver.rateLimit) {
      throw new TypeError(
        "Cannot connect over the listener with another rateLimit: its socket has one for all",
      );
    }
    if (crypt !== this.#crypt) {
      throw new TypeError(
        "Cannot connect over the listener with another cipher: its socket has one for all",
      );
    }
    if (this.#error) {
      const { kind, cause } = this.#error;
      throw new ConnectionError(kind, `Cannot connect: ${lowerFirst(this.#error.message)}`, {
        cause,
      });
    }
    const { endpoint } = this.#driver;
    const early = this.#takeWaiting(peer, conv);
    if (early) return this.#add(early);
    const session = endpoint.open(peer, conv, this.#driver.now(), { ...settings, entropy });
    session.delayKeepAlive();
    this.#driver.ledger.dialled++;
    return this.#add(session);
  }

  /**
   * Takes the session that a peer has opened and nobody has accepted yet: two peers that dial each
   * other under the same conversation id have one conversation, whoever is first.
   */
  #takeWaiting(peer: string, conv: number): Session | null {
    const wanted = (session: Session) => session.conv === conv && session.peer === peer;
    const { endpoint } = this.#driver;
    if (![...endpoint.sessions].some(wanted)) return null;
    for (let next; (next = endpoint.accept()) !== null;) this.#waiting.push(next);
    const index = this.#waiting.findIndex(wanted);
    return index < 0 ? null : this.#waiting.splice(index, 1)[0];
  }

  /** Makes the connection of a session, and remembers it until it has ended. */
  #add(session: Session): Connection {
    const connection = newConnection(session, this.#driver, false);
    this.#connections.set(session, connection);
    const forget = () => this.#connections.delete(session);
    connection.closed.then(forget, forget);
    return connection;
  }

  #abortAll(): void {
    this.#forEach((connection) => connection.abort(ABORT_REASON));
  }

  /** Calls `action` for every open connection. */
  #forEach(action: (connection: Connection) => void): void {
    for (const connection of this.connections) action(connection);
  }

  #end(error: ConnectionError): void {
    if (this.#error) return;
    this.#error = error;
    this.#accepts.fail(error);
  }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function checkClose(connections: unknown, times: Record<string, unknown>): void {
  if (connections !== "wait" && connections !== "close" && connections !== "abort") {
    throw new TypeError(
      `Cannot close with connections ${shown(connections)}: ` +
        `allowed are "wait", "close" and "abort"`,
    );
  }
  for (const [name, value] of Object.entries(times)) {
    if (typeof value !== "number") {
      throw new TypeError(`Cannot close with the ${name} ${shown(value)}: it must be a number`);
    }
    if (!(value >= 0)) {
      throw new RangeError(`Cannot close with a ${name} of ${value}: allowed are 0 to Infinity`);
    }
  }
}
