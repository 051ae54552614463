import type { Connection } from "../connection/connection.ts";
import { showAs } from "../connection/inspect.ts";
import { afterOn, type Listener } from "../connection/listener.ts";
import { type OperationOptions, OperationQueue } from "../connection/operation_queue.ts";
import type { UdpAddress } from "../connection/udp_address.ts";
import { ConnectionError } from "../session/errors.ts";
import type { Mux } from "./mux.ts";
import { Group, isConfirmed, MuxIncoming, REFUSAL } from "./mux_incoming.ts";
import { checkSessions, type MuxOptions, splitMuxOptions } from "./mux_options.ts";
import type { MuxCloseInfo } from "./session.ts";

/** How many conversations may wait to be accepted: as many as the backlog of a listener has. */
const MAX_WAITING = 128;

/**
 * Accepts connections, and runs streams over each. It has the members of `Deno.QuicListener`.
 * {@linkcode listenMux} makes listeners.
 *
 * @example
 * ```ts
 * import { listenMux } from "@lowlatency/kcp/mux";
 *
 * using listener = await listenMux({ port: 4000 });
 * for await (const incoming of listener) {
 *   const mux = await incoming.accept();
 *   console.log(mux.remoteAddr);
 * }
 * ```
 */
export class MuxListener implements AsyncDisposable, Disposable, AsyncIterable<MuxIncoming> {
  static {
    showAs(MuxListener, "MuxListener", ({ addr }) => ({ addr }));
  }

  readonly #listener: Listener;
  readonly #options: MuxOptions;
  readonly #sessions: number;
  /** The conversations that may be joined by more of the same address. */
  readonly #groups = new Map<string, Group>();
  /** Those that wait for `incoming`. */
  readonly #waiting: Group[] = [];
  readonly #accepts: OperationQueue;
  #error: unknown = null;
  readonly #muxes = new Set<Mux>();

  /**
   * Runs streams over the connections that a listener accepts: for a listener of a simulated
   * network, for example.
   *
   * @param listener The listener. It must be used for nothing else.
   * @param options Settings of each mux; `sessions` as for {@linkcode listenMux}.
   * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range.
   *
   * @example
   * ```ts
   * import { Mux, MuxListener } from "@lowlatency/kcp/mux";
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ link: { latency: 20 } });
   * const at = { hostname: "10.0.0.1", port: 80 };
   * const listener = new MuxListener(network.listen(at));
   * await network.run(async () => {
   *   const client = new Mux(network.connect(at), { client: true });
   *   const server = await listener.accept();
   *   console.log(client.remoteAddr, server.remoteAddr);
   * });
   * ```
   */
  constructor(listener: Listener, options: MuxOptions & { sessions?: number } = {}) {
    const { sessions = 1, ...settings } = options;
    this.#sessions = checkSessions(sessions);
    splitMuxOptions(settings);
    this.#listener = listener;
    this.#options = settings;
    this.#accepts = new OperationQueue("accept", afterOn(listener));
    if (sessions === 1) return;
    this.#join().catch((error) => {
      this.#error = error;
      for (const group of this.#waiting.splice(0)) group.refuse();
      this.#accepts.fail(error);
    });
  }

  /**
   * The address that the listener is bound to.
   *
   * @example
   * ```ts
   * import { listenMux } from "@lowlatency/kcp/mux";
   *
   * using listener = await listenMux({ port: 4000 });
   * console.log(listener.addr.port);
   * ```
   */
  get addr(): UdpAddress {
    return this.#listener.addr;
  }

  /**
   * The listener below.
   *
   * @example
   * ```ts
   * import { listenMux } from "@lowlatency/kcp/mux";
   *
   * using listener = await listenMux({ port: 4000 });
   * console.log(listener.listener.stats.accepted);
   * ```
   */
  get listener(): Listener {
    return this.#listener;
  }

  /**
   * Settles when the listener is closed, and its last connection has ended.
   *
   * @example
   * ```ts
   * import { listenMux } from "@lowlatency/kcp/mux";
   *
   * using listener = await listenMux({ port: 4000 });
   * listener.stop();
   * await listener.closed;
   * ```
   */
  get closed(): Promise<void> {
    return this.#listener.closed;
  }

  /**
   * Waits for the next connection. What is not accepted keeps the peer waiting.
   *
   * @param options How long to wait. Default: no limit.
   * @throws {ConnectionError} When the listener is closed, or the timeout has passed.
   *
   * @example
   * ```ts
   * import { listenMux } from "@lowlatency/kcp/mux";
   *
   * using listener = await listenMux({ port: 4000 });
   * const incoming = await listener.incoming({ timeout: 60_000 });
   * console.log(incoming.remoteAddr);
   * ```
   */
  incoming(options: OperationOptions = {}): Promise<MuxIncoming> {
    const { signal, timeout = Infinity } = options;
    if (this.#sessions === 1) return this.#direct({ signal, timeout });
    return this.#accepts.run(() => {
      const group = this.#waiting.shift();
      if (group) return this.#incoming(group);
      if (this.#error) throw this.#error;
      return undefined;
    }, { signal, timeout });
  }

  async #direct(options: OperationOptions): Promise<MuxIncoming> {
    return this.#incoming(new Group(await this.#listener.accept(options)));
  }

  #incoming(group: Group): MuxIncoming {
    return new MuxIncoming(group, (own) => this.#open(group, own));
  }

  /** Joins conversations of one address, until the listener is closed. */
  async #join(): Promise<void> {
    for (;;) {
      const connection = await this.#listener.accept();
      this.#place(connection).catch((error) => connection.abort(error));
    }
  }

  /** Puts a conversation into the group of its address, or makes a new one. */
  async #place(connection: Connection): Promise<void> {
    const { hostname, port } = connection.remoteAddr;
    const address = `${hostname} ${port}`;
    for (let group; (group = this.#groups.get(address));) {
      if (++group.size === this.#sessions) this.#groups.delete(address);
      // Whoever forges an address must not get among the streams of another peer.
      if (!await isConfirmed(group.first)) continue;
      if (!await isConfirmed(connection)) throw new Error(REFUSAL);
      group.add(connection);
      return;
    }
    this.#begin(new Group(connection), address);
  }

  #begin(group: Group, address: string): void {
    if (this.#error || this.#waiting.length >= MAX_WAITING) {
      group.refuse();
      return;
    }
    this.#groups.set(address, group);
    const forget = () => {
      if (this.#groups.get(address) === group) this.#groups.delete(address);
    };
    group.first.closed.then(forget, forget);
    this.#waiting.push(group);
    this.#accepts.serve();
  }

  /**
   * Waits for the next connection, and runs streams over it.
   *
   * @param options How long to wait. Default: no limit.
   * @throws {ConnectionError} When the listener is closed, or the timeout has passed.
   *
   * @example
   * ```ts
   * import { listenMux } from "@lowlatency/kcp/mux";
   *
   * using listener = await listenMux({ port: 4000 });
   * const mux = await listener.accept({ timeout: 60_000 });
   * const stream = await mux.accept();
   * console.log(stream.id);
   * ```
   */
  async accept(options: OperationOptions = {}): Promise<Mux> {
    return await (await this.incoming(options)).accept();
  }

  #open(group: Group, own: MuxOptions): Mux {
    const mux = group.accept({ ...this.#options, ...own, client: false });
    this.#muxes.add(mux);
    const forget = () => this.#muxes.delete(mux);
    mux.closed.then(forget, forget);
    return mux;
  }

  /**
   * The muxes that are open. A snapshot.
   *
   * @example
   * ```ts
   * import { listenMux } from "@lowlatency/kcp/mux";
   *
   * using listener = await listenMux({ port: 4000 });
   * for (const mux of listener.muxes) console.log(mux.remoteAddr, mux.stats.streams);
   * ```
   */
  get muxes(): Mux[] {
    return [...this.#muxes];
  }

  /**
   * Accepts nothing more. Connections that were accepted continue.
   *
   * @example
   * ```ts
   * import { listenMux } from "@lowlatency/kcp/mux";
   *
   * using listener = await listenMux({ port: 4000 });
   * listener.stop();
   * await listener.closed; // the last client has left
   * ```
   */
  stop(): void {
    this.#listener.close();
  }

  /**
   * Accepts nothing more, and closes every mux: what was written on its streams is delivered.
   *
   * @param info What the peers are told: see {@linkcode Mux.close}.
   *
   * @example
   * ```ts
   * import { listenMux } from "@lowlatency/kcp/mux";
   *
   * const listener = await listenMux({ port: 4000 });
   * listener.close({ closeCode: 1, reason: "restart" });
   * await listener.closed;
   * ```
   */
  close(info: Partial<MuxCloseInfo> = {}): void {
    this.#listener.close();
    for (const mux of this.#muxes) mux.close(info);
  }

  /**
   * Iterates over the connections as they arrive. The iteration ends when the listener is closed.
   * Leaving the loop stops the listener.
   *
   * @example
   * ```ts
   * import { listenMux } from "@lowlatency/kcp/mux";
   *
   * using listener = await listenMux({ port: 4000 });
   * for await (const incoming of listener) console.log((await incoming.accept()).remoteAddr);
   * ```
   */
  async *[Symbol.asyncIterator](): AsyncIterableIterator<MuxIncoming> {
    try {
      for (;;) yield await this.incoming();
    } catch (error) {
      if (!(error instanceof ConnectionError && error.kind === "closed")) throw error;
    } finally {
      this.stop();
    }
  }

  /**
   * Keeps the process alive while the listener is open. This is the initial state.
   *
   * @example
   * ```ts
   * import { listenMux } from "@lowlatency/kcp/mux";
   *
   * using listener = await listenMux({ port: 4000 });
   * listener.unref();
   * listener.ref(); // the process waits again
   * ```
   */
  ref(): void {
    this.#listener.ref();
  }

  /**
   * Lets the process end while the listener is open.
   *
   * @example
   * ```ts
   * import { listenMux } from "@lowlatency/kcp/mux";
   *
   * using listener = await listenMux({ port: 4000 });
   * listener.unref(); // the process may end while nothing happens
   * ```
   */
  unref(): void {
    this.#listener.unref();
  }

  /**
   * Calls {@linkcode MuxListener.close}.
   *
   * @example
   * ```ts
   * import { listenMux } from "@lowlatency/kcp/mux";
   *
   * using listener = await listenMux({ port: 4000 });
   * using sameListener = listener; // closes it at the end of the block
   * console.log(sameListener.addr);
   * ```
   */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Calls {@linkcode MuxListener.close}, then waits until the last connection has ended.
   *
   * @example
   * ```ts
   * import { listenMux } from "@lowlatency/kcp/mux";
   *
   * using listener = await listenMux({ port: 4000 });
   * await using sameListener = listener; // closes it at the end of the block, and waits
   * console.log(sameListener.addr);
   * ```
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed;
  }
}
