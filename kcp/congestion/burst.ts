/** Packets of a burst before anything is known. 64 of 1500 bytes fit a receive buffer of 208 KiB. */
const INITIAL_BURST = 64;
/** Smallest and largest burst in packets. A batch of system calls takes at most 1024 packets. */
const MIN_BURST = 8;
const MAX_BURST = 1024;
/** A burst is watched if it has at least this part of the present size. */
const WATCHED = 1 / 2;
/** It was full if it had this part of it. */
const FULL = 3 / 4;
/**
 * A buffer that overflows drops the end of a burst. That many packets at its end must be lost, or this
 * part of it: fewer are lost for other reasons.
 */
const OVERFLOW_PACKETS = 3;
const OVERFLOW = 1 / 32;
/** Growth for each full burst that arrived whole, below the size that was lost last. */
const GROWTH = 1.25;
/** Near what arrived of a burst that was too large, it grows by single packets, and forgets that slowly. */
const FORGET = 1.01;

/**
 * Finds out how many packets may leave back to back. The size grows where full bursts arrive whole, and
 * halves where the end of a burst is lost: it has overflowed a buffer on the path, or the one of the
 * peer's socket.
 *
 * It watches one burst at a time: the segments that were sent at one time.
 */
export class Burst {
  /** Packets that may leave back to back. `Infinity` for no limit. */
  size = INITIAL_BURST;
  /** Whether the size is found out: otherwise it need not be told of segments. */
  watches = true;
  /** Bytes of a full packet. */
  #mtu = 1;
  /** How much of the burst arrived whose end was lost last, in packets. */
  #ceiling = Infinity;
  /** When the segments were sent that are watched or may be, in ms; NaN if there are none. */
  #at = NaN;
  /** Whether all of them were sent, and there are enough of them. */
  #complete = false;
  /** Bytes in flight before the first of them, and their bytes. */
  #base = 0;
  #bytes = 0;
  /** How many of these bytes are known to have arrived or to be lost. */
  #known = 0;
  /** Where the last segment ends that has arrived, in bytes from the beginning of the burst. */
  #arrived = 0;

  /**
   * Sets the size.
   *
   * @param burst Packets, or `"auto"` to find it out.
   * @param mtu Bytes of a full packet.
   */
  configure(burst: number | "auto", mtu: number): void {
    this.#mtu = mtu;
    if (burst !== "auto") {
      this.size = burst;
    } else if (!this.watches) {
      this.size = Math.min(MAX_BURST, Math.max(MIN_BURST, this.size));
      this.#ceiling = Infinity;
    }
    this.watches = burst === "auto";
    this.clear();
  }

  /**
   * Notes that a segment is sent.
   *
   * @param inFlight Bytes in flight before it.
   */
  send(now: number, bytes: number, inFlight: number): void {
    if (now !== this.#at) {
      if (this.#complete || !this.watches) return;
      if (this.#bytes >= WATCHED * this.size * this.#mtu) {
        this.#complete = true;
        this.#conclude();
        return;
      }
      this.#at = now;
      this.#base = inFlight;
      this.#bytes = this.#known = this.#arrived = 0;
    }
    this.#bytes += bytes;
  }

  /**
   * Notes that a segment has arrived, or may have.
   *
   * @param txInFlight Bytes in flight when it was sent, it included.
   */
  arrive(sentAt: number, bytes: number, txInFlight: number): void {
    if (sentAt !== this.#at) return;
    this.#arrived = Math.max(this.#arrived, txInFlight - this.#base);
    this.#count(bytes);
  }

  /** Notes that a segment was lost. */
  lose(sentAt: number, bytes: number): void {
    if (sentAt === this.#at) this.#count(bytes);
  }

  /** Counts bytes whose fate is known. */
  #count(bytes: number): void {
    this.#known += bytes;
    if (this.#complete) this.#conclude();
  }

  /** Watches nothing any more. */
  clear(): void {
    this.#at = NaN;
    this.#bytes = 0;
    this.#complete = false;
  }

  #conclude(): void {
    const bytes = this.#bytes;
    if (this.#known < bytes) return;
    const full = bytes >= FULL * this.size * this.#mtu;
    const missing = bytes - this.#arrived;
    this.clear();
    // What is lost as a whole was lost for another reason.
    if (this.#arrived === 0) return;
    if (missing > Math.max(OVERFLOW_PACKETS * this.#mtu, OVERFLOW * bytes)) {
      this.#ceiling = this.#arrived / this.#mtu;
      this.size = Math.max(MIN_BURST, this.size >> 1);
    } else if (full && missing === 0) {
      this.#ceiling *= FORGET;
      const next = GROWTH * this.size < this.#ceiling ? GROWTH * this.size : this.size + 1;
      this.size = Math.min(MAX_BURST, Math.ceil(next));
    }
  }
}
