import { Connection, type UdpAddress, udpAddress } from "./connection.ts";
import { type Deferred, deferred } from "./deferred.ts";
import type { Driver } from "./driver.ts";
import type { EndpointStats } from "../session/endpoint.ts";
import { ConnectionError } from "../session/errors.ts";

/**
 * Accepts connections on one UDP socket. It is used as a `Deno.Listener` is.
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
  /** Settles when the listener is closed, its last connection is over, and so is its socket. */
  readonly closed: Promise<void>;
  readonly #driver: Driver;
  readonly #waiting: Deferred<Connection>[] = [];
  #error: ConnectionError | null = null;

  /**
   * Wraps an endpoint that accepts sessions; listeners are made by `listen`.
   *
   * @param driver What runs the endpoint.
   */
  constructor(driver: Driver) {
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

  /** What was counted so far, and the number of sessions: a snapshot. */
  get stats(): EndpointStats {
    return this.#driver.endpoint.stats;
  }

  /**
   * Waits for the next connection. One exists as soon as its first packet has arrived.
   *
   * @throws {ConnectionError} When the listener is closed, or its socket failed.
   */
  accept(): Promise<Connection> {
    if (this.#error) return Promise.reject(this.#error);
    const waiting = deferred<Connection>();
    this.#waiting.push(waiting);
    this.#serve();
    return waiting.promise;
  }

  /**
   * Accepts no more connections. Those that were accepted go on, and the socket stays open until the last
   * of them is over.
   */
  close(): void {
    this.#end(new ConnectionError("closed", "The listener was closed"));
    this.#driver.endpoint.stopAccepting();
    this.#driver.closeWhenIdle();
  }

  /** Lets the process live while the listener is open, as it does from the start. */
  ref(): void {
    this.#driver.ref();
  }

  /** Lets the process end although the listener is open. */
  unref(): void {
    this.#driver.unref();
  }

  /**
   * Iterates over the connections as they come; ends when the listener is closed. Leaving the loop closes
   * it, as with a `Deno.Listener`.
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

  /** {@linkcode Listener.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** {@linkcode Listener.close}, then waits until the last connection is over. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed;
  }

  #serve(): void {
    while (this.#waiting.length > 0) {
      const session = this.#driver.endpoint.accept();
      if (!session) return;
      this.#waiting.shift()!.resolve(new Connection(session, this.#driver, false));
    }
  }

  #end(error: ConnectionError): void {
    if (this.#error) return;
    this.#error = error;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
  }
}
