/** The result of a count. */
export interface Counted {
  bytes: number;
  /** Packets that arrived where the bytes were counted. */
  packets: number;
  seconds: number;
}

/** Counts the bytes between the end of the warm-up and the end of the measurement. */
export class Counter {
  #bytes = 0;
  #packets = -1;
  readonly #packetsIn: () => number;
  readonly #from: number;
  readonly #until: number;
  /** Null until the measurement ends. */
  result: Counted | null = null;

  /**
   * @param times Seconds before the count begins, and that it takes.
   * @param packetsIn The number of packets that have arrived.
   */
  constructor(times: { warmup: number; seconds: number }, packetsIn: () => number) {
    this.#packetsIn = packetsIn;
    this.#from = performance.now() + times.warmup * 1000;
    this.#until = this.#from + times.seconds * 1000;
  }

  add(count: number): void {
    const now = performance.now();
    if (now < this.#from) return;
    if (this.#packets < 0) this.#packets = this.#packetsIn();
    if (now < this.#until) this.#bytes += count;
    else {
      this.result ??= {
        bytes: this.#bytes,
        packets: this.#packetsIn() - this.#packets,
        seconds: (now - this.#from) / 1000,
      };
    }
  }
}
