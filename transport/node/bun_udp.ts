/**
 * What Bun has for UDP: as much of its types as is used here, so that none of them is needed.
 *
 * @module
 */

/** A UDP socket of Bun that is connected to no peer. */
export interface BunUdpSocket {
  /** The address that the socket is bound to. */
  readonly address: { readonly address: string; readonly port: number };
  /** Whether the socket is closed. */
  readonly closed: boolean;
  /** The file descriptor; -1 where it has none. */
  readonly fd?: number;
  /**
   * Sends packets: for each its bytes, the port and the IP address. Gives the number of packets that
   * were sent: fewer if the socket's buffer is full, or the system refuses the next one.
   *
   * @throws {Error} When the system refuses the first packet.
   */
  sendMany(packets: readonly (Uint8Array | number | string)[]): number;
  /** Changes the handlers. */
  reload(options: { socket: BunUdpHandlers }): void;
  /** Sets the time-to-live of the packets. */
  setTTL(ttl: number): number;
  /** Closes the socket. */
  close(): void;
  /** Keeps the process alive while the socket is open. */
  ref(): void;
  /** Lets the process end while the socket is open. */
  unref(): void;
}

/** What a socket of Bun calls. */
export interface BunUdpHandlers {
  /** A packet has arrived. */
  data?(socket: BunUdpSocket, packet: Uint8Array, port: number, address: string): void;
  /** The socket's buffer has room again. */
  drain?(socket: BunUdpSocket): void;
  /** The system has reported an error. */
  error?(socket: BunUdpSocket, error: Error): void;
}

/** The global `Bun`. */
export interface BunRuntime {
  /** Opens a UDP socket. Versions before 1.1.6 have no such function. */
  udpSocket?(options: {
    hostname: string;
    port: number;
    binaryType: "uint8array";
    socket: BunUdpHandlers;
  }): Promise<BunUdpSocket>;
}

/** Bun, if this is its runtime and it has UDP sockets. */
export function bunRuntime(): Required<BunRuntime> | null {
  const { Bun } = globalThis as { Bun?: BunRuntime };
  return typeof Bun?.udpSocket === "function" ? Bun as Required<BunRuntime> : null;
}
