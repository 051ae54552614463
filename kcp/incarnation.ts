import { distance, LEN, OVERHEAD, TS } from "./segment.ts";

/** How long a packet may stay in the network, in ms. RFC 9293 §3.4.1 assumes 120 s. */
const MAX_LIFETIME = 120_000;
/**
 * How far the peer's clock may run ahead of ours, in ms, while no segment arrives: our machine may have
 * been suspended, and its clock with it.
 */
const MAX_LEAD = 600_000;

/**
 * What tells one incarnation of the peer from another one that uses the same address and conversation
 * id, because the peer has restarted: its clock, and its first segment.
 *
 * The `ts` of the data segments shows the clock of the peer, which runs on at the pace of time. A `ts`
 * that does not continue it is of another incarnation. A session of this library starts its clock at a
 * random value. The clock of kcp-go starts at 0 with its process.
 */
export class Incarnation {
  /** Whether the first segment of the peer has arrived. */
  started = false;
  #heard = false;
  #newest = 0;
  #newestAt = 0;
  #firstDigest = 0;

  /** Whether a segment with this `ts`, arrived at `now`, continues the clock. */
  continues(ts: number, now: number): boolean {
    if (!this.#heard) return true;
    const ahead = distance(ts, this.#newest);
    return ahead >= -MAX_LIFETIME && ahead <= now - this.#newestAt + MAX_LEAD;
  }

  /** Takes over the `ts` of a segment that continues the clock. */
  advance(ts: number, now: number): void {
    if (this.#heard && distance(ts, this.#newest) <= 0) return;
    this.setClock(ts, now);
  }

  /** Sets the clock to `ts`. */
  setClock(ts: number, now: number): void {
    this.#heard = true;
    this.#newest = ts;
    this.#newestAt = now;
  }

  /** Takes note of the first segment, whose payload lies at `offset`. */
  start(bytes: Uint8Array, offset: number, length: number): void {
    this.started = true;
    this.#firstDigest = digest(bytes, offset, length);
  }

  /**
   * Whether a first segment, as it arrives now, is of another incarnation.
   *
   * @param view The memory of the packet.
   * @param at Offset of the segment's header.
   * @param now The time in ms.
   */
  differs(view: DataView<ArrayBuffer>, at: number, now: number): boolean {
    if (!this.started) return false;
    if (!this.continues(view.getInt32(at + TS, true), now)) return true;
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    return digest(bytes, at + OVERHEAD, view.getUint32(at + LEN, true)) !== this.#firstDigest;
  }
}

/** FNV-1a of `length` bytes. */
function digest(bytes: Uint8Array, offset: number, length: number): number {
  let hash = 0x811c9dc5 ^ length;
  for (let i = offset; i < offset + length; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash | 0;
}
