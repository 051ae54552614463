import { type Connection, partsOf } from "../connection/connection.ts";
import type { UdpAddress } from "../connection/udp_address.ts";
import { shareWith } from "./conversations.ts";
import { addConnection, Mux } from "./mux.ts";
import type { MuxOptions } from "./mux_options.ts";

/** What a peer is told whose connection nobody wants. */
export const REFUSAL = "The connection was refused";

/**
 * A connection that a peer has opened, and that nobody has accepted or refused yet. It has the
 * members of `Deno.QuicIncoming`.
 *
 * @example
 * ```ts
 * import { listenMux } from "@lowlatency/kcp/mux";
 *
 * using listener = await listenMux({ port: 4000 });
 * for await (const incoming of listener) {
 *   if (incoming.remoteAddr.hostname === "192.0.2.1") incoming.refuse();
 *   else console.log(await incoming.accept());
 * }
 * ```
 */
export class MuxIncoming {
  readonly #group: Group;
  readonly #accept: (options: MuxOptions) => Mux;

  /** @ignore A listener makes it. */
  constructor(group: Group, accept: (options: MuxOptions) => Mux) {
    this.#group = group;
    this.#accept = accept;
  }

  /**
   * The address of the peer.
   *
   * @example
   * ```ts
   * import { listenMux } from "@lowlatency/kcp/mux";
   *
   * using listener = await listenMux({ port: 4000 });
   * const incoming = await listener.incoming();
   * console.log(incoming.remoteAddr.hostname);
   * ```
   */
  get remoteAddr(): UdpAddress {
    return this.#group.first.remoteAddr;
  }

  /**
   * The IP address of the listener.
   *
   * @example
   * ```ts
   * import { listenMux } from "@lowlatency/kcp/mux";
   *
   * using listener = await listenMux({ port: 4000 });
   * const incoming = await listener.incoming();
   * console.log(incoming.localIp);
   * ```
   */
  get localIp(): string {
    return this.#group.first.localAddr.hostname;
  }

  /**
   * Whether the peer has shown that it receives at its address.
   *
   * @example
   * ```ts
   * import { listenMux } from "@lowlatency/kcp/mux";
   *
   * using listener = await listenMux({ port: 4000 });
   * const incoming = await listener.incoming();
   * if (!incoming.remoteAddressValidated) incoming.refuse();
   * ```
   */
  get remoteAddressValidated(): boolean {
    return this.#group.first.state === "open";
  }

  /**
   * Runs streams over the connection.
   *
   * @param options Settings of this mux alone, instead of those of the listener.
   *
   * @example
   * ```ts
   * import { listenMux } from "@lowlatency/kcp/mux";
   *
   * using listener = await listenMux({ port: 4000 });
   * const incoming = await listener.incoming();
   * const mux = await incoming.accept({ maxReceiveBuffer: 16_777_216 });
   * console.log(mux.remoteAddr);
   * ```
   */
  // deno-lint-ignore require-await -- as `Deno.QuicIncoming`; an error becomes a rejection
  async accept(options: MuxOptions = {}): Promise<Mux> {
    return this.#accept(options);
  }

  /**
   * Refuses the connection: the peer is told, if it runs this library.
   *
   * @example
   * ```ts
   * import { listenMux } from "@lowlatency/kcp/mux";
   *
   * using listener = await listenMux({ port: 4000 });
   * const incoming = await listener.incoming();
   * incoming.refuse();
   * ```
   */
  refuse(): void {
    this.#group.refuse();
  }

  /**
   * The same as {@linkcode MuxIncoming.refuse}: a peer of KCP has got its answer already.
   *
   * @example
   * ```ts
   * import { listenMux } from "@lowlatency/kcp/mux";
   *
   * using listener = await listenMux({ port: 4000 });
   * const incoming = await listener.incoming();
   * incoming.ignore();
   * ```
   */
  ignore(): void {
    this.refuse();
  }
}

/** The conversations of one address that become one mux. They share congestion control and pacing. */
export class Group {
  readonly first: Connection;
  size = 1;
  readonly #others: Connection[] = [];
  #mux: Mux | null = null;
  #refused = false;

  constructor(first: Connection) {
    this.first = first;
  }

  /** Adds a conversation. */
  add(connection: Connection): void {
    if (this.#refused) connection.abort(REFUSAL);
    else {
      shareWith(this.first, connection);
      if (this.#mux) addConnection(this.#mux, connection);
      else this.#others.push(connection);
    }
  }

  accept(options: MuxOptions & { client: boolean }): Mux {
    const mux = this.#mux ??= new Mux(this.first, options);
    for (const connection of this.#others.splice(0)) addConnection(mux, connection);
    return mux;
  }

  refuse(): void {
    this.#refused = true;
    for (const connection of [this.first, ...this.#others.splice(0)]) connection.abort(REFUSAL);
  }
}

/** How long (ms) a peer may take to show that it receives at its address. */
const CONFIRMATION = 10_000;

/** Waits until the peer of a connection has shown that it receives at its address; false if not. */
export async function isConfirmed(connection: Connection): Promise<boolean> {
  const { session } = partsOf(connection);
  try {
    if (session.unconfirmed) await connection.ping({ timeout: CONFIRMATION });
  } catch {
    return false;
  }
  return !session.unconfirmed && session.state !== "closed";
}
