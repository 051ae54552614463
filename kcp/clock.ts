/** The time of a machine, and the time of its next flush. Both halves of the machine share it. */
export class Clock {
  /** Monotonic time in ms, as the last call gave it. -Infinity before the first call. */
  now = -Infinity;
  /** When acknowledgments and writes that wait for the interval may be sent, in ms. */
  nextFlush = -Infinity;

  /**
   * Takes the time from a caller. It never goes back.
   *
   * @throws {TypeError} When `now` is NaN.
   */
  advance(now: number): void {
    if (now > this.now) this.now = now;
    else if (Number.isNaN(now)) throw new TypeError("Cannot use NaN as the time");
  }
}
