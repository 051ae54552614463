/**
 * Percentiles, rates over time, and fairness.
 *
 * @module
 */
import type { VirtualTime } from "../../transport/link/virtual_time.ts";
import type { Figures } from "./figures.ts";

/** Percentiles by the nearest rank; NaN without values. */
export function quantiles(values: readonly number[], shares: readonly number[]): number[] {
  const sorted = Float64Array.from(values).sort();
  return shares.map((share) => {
    // Without the small term, a product such as 0.99 x 100 could be just above a whole number.
    const rank = Math.max(1, Math.ceil(share * sorted.length - 1e-9));
    return sorted.length === 0 ? NaN : sorted[rank - 1];
  });
}

/** Bytes that have arrived, at regular times. */
export class Arrivals {
  readonly start: number;
  readonly interval: number;
  readonly totals: number[] = [0];

  /**
   * @param arrived Bytes that have arrived so far.
   * @param start When the first interval begins, in ms.
   * @param interval Its length in ms.
   */
  constructor(
    time: VirtualTime,
    arrived: () => number,
    start: number,
    interval: number,
  ) {
    this.start = start;
    this.interval = interval;

    const note = () => {
      this.totals.push(arrived());
      time.schedule(start + this.totals.length * interval, note);
    };
    time.schedule(start + interval, note);
  }

  /** Bytes a second in each interval. */
  rates(): number[] {
    return this.totals.slice(1).map((total, i) => 1000 * (total - this.totals[i]) / this.interval);
  }

  /** Bytes a second from one time to another, by whole intervals. */
  rate(from: number, to: number): number {
    const at = (time: number) =>
      Math.min(this.totals.length - 1, Math.max(0, Math.ceil((time - this.start) / this.interval)));
    const [first, last] = [at(from), at(to)];
    if (last <= first) return NaN;
    return 1000 * (this.totals[last] - this.totals[first]) / ((last - first) * this.interval);
  }

  /** When an interval at or after `from` ends whose rate is at least `rate`; Infinity for never. */
  reached(from: number, rate: number): number {
    const first = Math.max(0, Math.ceil((from - this.start) / this.interval - 1e-9));
    const rates = this.rates();
    for (let i = first; i < rates.length; i++) {
      if (rates[i] >= rate) return this.start + (i + 1) * this.interval;
    }
    return Infinity;
  }
}

/**
 * How evenly flows share a path.
 *
 * Jain's index is 1 for equal shares, and 1/n if one of n flows has all. Source: Jain, Chiu, Hawe, "A
 * Quantitative Measure of Fairness and Discrimination for Resource Allocation in Shared Computer
 * Systems", DEC-TR-301, 1984.
 *
 * @param gained What each flow got.
 */
export function fairness(gained: readonly number[]): Figures {
  const total = gained.reduce((a, b) => a + b);
  const squares = gained.reduce((sum, each) => sum + each * each, 0);
  const fair = total / gained.length;
  return {
    first: gained[0] / total,
    jain: total ** 2 / (gained.length * squares),
    least: Math.min(...gained) / fair,
    most: Math.max(...gained) / fair,
  };
}
