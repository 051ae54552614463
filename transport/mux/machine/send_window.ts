import { INITIAL_WINDOW } from "./frame.ts";

/** A larger window counts as this one, so that positions can be compared. */
const MAX_WINDOW = 2 ** 31 - 1;

/** Version 2: what this side may send on a stream. Positions are modulo 2^32. */
export class SendWindow {
  #sent = 0;
  #consumed = 0;
  #size = INITIAL_WINDOW;

  /** Bytes that may be sent. It is negative if the peer has made the window smaller. */
  get room(): number {
    return this.#size - ((this.#sent - this.#consumed) >>> 0);
  }

  /** Bytes were sent. */
  send(length: number): void {
    this.#sent = (this.#sent + length) | 0;
  }

  /**
   * The peer tells what it has consumed, and its window. Two readers of one stream of smux may tell
   * it in the wrong order: what is older than known is ignored.
   *
   * @param consumed Bytes, as a 32-bit integer.
   * @param size Bytes, as a 32-bit integer.
   * @returns False if the peer cannot have consumed so much.
   */
  update(consumed: number, size: number): boolean {
    const news = (consumed - this.#consumed) | 0;
    if (news < 0) return true;
    if (news > (this.#sent - this.#consumed) >>> 0) return false;
    this.#consumed = consumed;
    this.#size = Math.min(size >>> 0, MAX_WINDOW);
    return true;
  }
}
