import type { EndpointStats } from "../session/endpoint.ts";
import { ConnectionError } from "../session/errors.ts";
import { type Connection, newConnection } from "./connection.ts";
import { type Deferred, deferred } from "./deferred.ts";
import { adapterOf, type Driver } from "./driver.ts";
import { type UdpAddress, udpAddress } from "./udp_address.ts";

/**
 * Makes a listener: the constructor is private, so that only this folder can.
 *
 * @param driver The driver of an endpoint that accepts sessions.
 */
export let newListener: (driver: Driver) => Listener;

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
    newListener = (driver) => new Listener(driver);
  }

  /**
   * Settles when the listener is closed, its last connection has ended, and its socket is closed.
   */
  readonly closed: Promise<void>;
  readonly #driver: Driver;
  readonly #waiting: Deferred<Connection>[] = [];
  #error: ConnectionError | null = null;

  private constructor(driver: Driver) {
    this.#driver = driver;
    driver.endpoint.onAccept = () => this.#serve();
    this.closed = driver.closed;
    driver.closed.then(() => {
      this.#end(new ConnectionError("socket", "The listener's socket failed"));
    });
  }

  /** The address that the listener is bound to. */
  get addr(): UdpAddress {
    return udpAddress(this.#driver.socket.address);
  }

  /**
   * The kind of socket that carries the packets: `deno`, `linux`, `node`, `simulated`, or `own` for a
   * socket of the application.
   */
  get adapter(): string {
    return adapterOf(this.#driver.socket);
  }

  /** Counters, and the number of sessions: a snapshot. */
  get stats(): EndpointStats {
    return this.#driver.endpoint.stats;
  }

  /**
   * Waits for the next connection. A connection exists as soon as its first packet has arrived.
   *
   * @throws {ConnectionError} When the listener is closed, or its socket has failed.
   */
  accept(): Promise<Connection> {
    if (this.#error) return Promise.reject(this.#error);
    const waiting = deferred<Connection>();
    this.#waiting.push(waiting);
    this.#serve();
    return waiting.promise;
  }

  /**
   * Stops to accept connections. The connections that were accepted continue. The socket stays open
   * until the last of them has ended.
   */
  close(): void {
    this.#end(new ConnectionError("closed", "The listener was closed"));
    this.#driver.endpoint.stopAccepting(this.#driver.now());
    this.#driver.closeWhenIdle();
  }

  /** Keeps the process alive while the listener is open. This is the initial state. */
  ref(): void {
    this.#driver.ref();
  }

  /** Lets the process end while the listener is open. */
  unref(): void {
    this.#driver.unref();
  }

  /**
   * Iterates over the connections as they arrive. The iteration ends when the listener is closed.
   * Leaving the loop closes the listener, as with a `Deno.Listener`.
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

  /** Calls {@linkcode Listener.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Calls {@linkcode Listener.close}, then waits until the last connection has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed;
  }

  #serve(): void {
    while (this.#waiting.length > 0) {
      const session = this.#driver.endpoint.accept();
      if (!session) return;
      this.#waiting.shift()!.resolve(newConnection(session, this.#driver, false));
    }
  }

  #end(error: ConnectionError): void {
    if (this.#error) return;
    this.#error = error;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
  }
}
