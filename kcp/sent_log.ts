/** How many segments are remembered. */
const SIZE = 8;
/** Numbers of each: `sn`, and the time of each transmission that is known, as a `ts` without the offset. */
const STRIDE = 1 + 4;

/** When the last segments were sent whose tables are gone. A reset may still quote them. */
export class SentLog {
  #rows: Int32Array | null = null;
  #count = 0;

  /** Remembers a segment, later than all before. */
  add(sn: number, first: number, last: number, resent: number, copied: number): void {
    const rows = this.#rows ??= new Int32Array(SIZE * STRIDE);
    const at = (this.#count++ % SIZE) * STRIDE;
    rows[at] = sn;
    rows[at + 1] = first;
    rows[at + 2] = last;
    rows[at + 3] = resent;
    rows[at + 4] = copied;
  }

  /** Whether a transmission of the segment had this time. Both are 32-bit signed integers. */
  has(sn: number, ts: number): boolean {
    const rows = this.#rows;
    if (rows === null) return false;
    for (let row = Math.min(this.#count, SIZE) - 1; row >= 0; row--) {
      const at = row * STRIDE;
      if (rows[at] !== sn) continue;
      for (let i = 1; i < STRIDE; i++) if (rows[at + i] === ts) return true;
    }
    return false;
  }
}
