import { distance } from "./segment.ts";

/** How long a packet may stay in the network, in ms. RFC 9293 §3.4.1 assumes 120 s. */
const MAX_LIFETIME = 120_000;
/**
 * How far the peer's clock may run ahead of ours, in ms, while no segment arrives: our machine may have
 * been suspended, and its clock with it.
 */
const MAX_LEAD = 600_000;

/**
 * The clock of the peer, as the `ts` of its data segments shows it.
 *
 * Every conversation has one clock, which runs on at the pace of time. So a segment whose `ts` does not
 * continue that clock was sent by another incarnation of the peer: one that restarted, and uses the same
 * address and conversation id. A session of this library starts its clock at a random value. The clock
 * of kcp-go starts at 0 with its process.
 */
export class Timeline {
  #started = false;
  #newest = 0;
  #newestAt = 0;

  /** Whether a segment with this `ts`, arrived at `now`, continues the clock. */
  continues(ts: number, now: number): boolean {
    if (!this.#started) return true;
    const ahead = distance(ts, this.#newest);
    return ahead >= -MAX_LIFETIME && ahead <= now - this.#newestAt + MAX_LEAD;
  }

  /** Takes over the `ts` of a segment that continues the clock. */
  advance(ts: number, now: number): void {
    if (this.#started && distance(ts, this.#newest) < 0) return;
    this.restart(ts, now);
  }

  /** Starts the clock again at `ts`. */
  restart(ts: number, now: number): void {
    this.#started = true;
    this.#newest = ts;
    this.#newestAt = now;
  }
}
