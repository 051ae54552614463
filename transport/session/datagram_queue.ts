/** Counters of datagrams. */
export interface DatagramStats {
  /** Datagrams sent. */
  sent: number;
  /** Datagrams that arrived. */
  received: number;
  /** Datagrams that were not taken to be sent, since the send queue was full. */
  droppedOut: number;
  /** Datagrams that arrived and were dropped, since newer ones came before they were read. */
  droppedIn: number;
}

/** Most datagrams in each direction. */
const MAX_DATAGRAMS = 256;
/** Most bytes of unread datagrams. */
const MAX_DATAGRAM_BYTES = 1 << 20;

/** The datagrams of a session: those that wait to be sent, and those that wait to be read. */
export class DatagramQueue {
  readonly #outgoing: Uint8Array[] = [];
  readonly #incoming: Uint8Array<ArrayBuffer>[] = [];
  #incomingBytes = 0;
  readonly #stats: DatagramStats = { sent: 0, received: 0, droppedOut: 0, droppedIn: 0 };

  /** The counters: a snapshot. */
  get stats(): DatagramStats {
    return { ...this.#stats };
  }

  /** Datagrams that have arrived. */
  get received(): number {
    return this.#stats.received;
  }

  /** Datagrams that wait to be read. */
  get unread(): number {
    return this.#incoming.length;
  }

  /** Whether a datagram was ever queued, or arrived. */
  get used(): boolean {
    return this.#stats.sent + this.#stats.received + this.#outgoing.length > 0;
  }

  /** Queues a copy of a datagram to be sent; false when the queue is full. */
  queue(payload: Uint8Array): boolean {
    if (this.#outgoing.length === MAX_DATAGRAMS) {
      this.#stats.droppedOut++;
      return false;
    }
    this.#outgoing.push(payload.slice());
    return true;
  }

  /** The datagram that is `index` places behind the next one to be sent. */
  peek(index: number): Uint8Array | undefined {
    return this.#outgoing[index];
  }

  /** Removes the first `count` outgoing datagrams, which were sent. */
  removeSent(count: number): void {
    if (count > 0) this.#outgoing.splice(0, count);
    this.#stats.sent += count;
  }

  /** Drops the outgoing datagrams. */
  clearOutgoing(): void {
    this.#outgoing.length = 0;
  }

  /** Drops the datagrams that wait to be read. */
  clearIncoming(): void {
    this.#incoming.length = this.#incomingBytes = 0;
  }

  /**
   * Queues a datagram that arrived, and drops the oldest ones when too many are unread.
   *
   * @param limit Most bytes of unread datagrams, beside the limit of every session.
   */
  receive(payload: Uint8Array<ArrayBuffer>, limit: number): void {
    const incoming = this.#incoming;
    this.#stats.received++;
    incoming.push(payload);
    this.#incomingBytes += payload.length;
    const maxBytes = Math.min(limit, MAX_DATAGRAM_BYTES);
    while (incoming.length > MAX_DATAGRAMS || this.#incomingBytes > maxBytes) {
      // The oldest datagram is worth least.
      this.#incomingBytes -= incoming.shift()!.length;
      this.#stats.droppedIn++;
    }
  }

  /** Takes the oldest datagram that has not been read. */
  take(): Uint8Array<ArrayBuffer> | undefined {
    const datagram = this.#incoming.shift();
    this.#incomingBytes -= datagram?.length ?? 0;
    return datagram;
  }
}
