/**
 * Datagrams of associations on their way between client and server: the id of the stream that asked
 * for the association, and the destination or the source, as in SOCKS5.
 *
 * @module
 */

/** A pair of ends that carries datagrams: a KCP connection. */
export interface DatagramCarrier {
  /** Most bytes of a datagram. */
  readonly maxDatagramSize: number;
  /** Sends a datagram, which may be lost. False if it was dropped here. */
  sendDatagram(data: Uint8Array): boolean;
  /** The next datagram; null at the end. */
  receiveDatagram(): Promise<Uint8Array | null>;
}

/** Bytes of the id. */
const ID_SIZE = 4;
/** Bytes of a header of SOCKS5 before the address: two that are reserved, and a fragment's number. */
const RESERVED = 3;

/** Carries the datagrams of all associations of one session. */
export class DatagramHub {
  readonly #carrier: DatagramCarrier;
  readonly #takers = new Map<number, (datagram: Uint8Array) => void>();
  #receiving = false;

  /** @param carrier The connection. Its datagrams must be used for nothing else. */
  constructor(carrier: DatagramCarrier) {
    this.#carrier = carrier;
  }

  /** How many associations there are. */
  get count(): number {
    return this.#takers.size;
  }

  /**
   * Begins an association.
   *
   * @param id The id of its stream.
   * @param take Is given the datagrams of the peer, with a header of RFC 1928 §7.
   */
  add(id: number, take: (datagram: Uint8Array) => void): void {
    this.#takers.set(id, take);
    if (this.#receiving) return;
    this.#receiving = true;
    // The session ends with the connection.
    this.#receive().catch(() => {});
  }

  /** Ends an association. */
  delete(id: number): void {
    this.#takers.delete(id);
  }

  /**
   * Sends a datagram with a header of RFC 1928 §7.
   *
   * @returns False if it was dropped: it is too large, or the queue is full.
   */
  send(id: number, datagram: Uint8Array): boolean {
    const data = new Uint8Array(ID_SIZE + datagram.length - RESERVED);
    if (data.length > this.#carrier.maxDatagramSize) return false;
    new DataView(data.buffer).setUint32(0, id, true);
    data.set(datagram.subarray(RESERVED), ID_SIZE);
    return this.#carrier.sendDatagram(data);
  }

  async #receive(): Promise<void> {
    for (let data; (data = await this.#carrier.receiveDatagram()) !== null;) {
      if (data.length < ID_SIZE) continue;
      const id = new DataView(data.buffer, data.byteOffset).getUint32(0, true);
      const take = this.#takers.get(id);
      if (!take) continue;
      const datagram = new Uint8Array(RESERVED + data.length - ID_SIZE);
      datagram.set(data.subarray(ID_SIZE), RESERVED);
      take(datagram);
    }
  }
}
