/**
 * What the library uses of a `Deno.DatagramConn`. Programs that do not run on Deno lack the types of
 * Deno, and must still be able to check theirs.
 *
 * @module
 */

/** The address of a socket of Deno or of a peer: a `Deno.Addr`. */
export interface DenoAddress {
  /** `udp` for a UDP socket. */
  readonly transport: string;
  /** The IP address. A UDP socket has one. */
  readonly hostname?: string;
  /** The port, 0 to 65535. A UDP socket has one. */
  readonly port?: number;
}

/**
 * A UDP socket of Deno. Each `Deno.DatagramConn` is one; `conn as Deno.DatagramConn` has the other
 * members, too.
 */
export interface DenoDatagramConn {
  /** The address that the socket is bound to. */
  readonly addr: DenoAddress;
  /**
   * Waits for the next packet.
   *
   * @param buffer Takes the packet. Default: a new buffer for each packet.
   * @returns The packet, a part of the buffer, and the address of its sender.
   */
  receive(buffer?: Uint8Array): Promise<[Uint8Array, DenoAddress]>;
  /**
   * Sends a packet.
   *
   * @returns How many bytes were sent.
   */
  send(
    packet: Uint8Array,
    to: { readonly transport: "udp"; readonly hostname: string; readonly port: number },
  ): Promise<number>;
  /** Closes the socket. */
  close(): void;
}
