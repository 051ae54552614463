import { distance, LEN, OVERHEAD, TS } from "./segment.ts";

/** How long a packet may stay in the network, in ms. RFC 9293 §3.4.1 assumes 120 s. */
const MAX_LIFETIME = 120_000;
/**
 * How far the peer's clock may run ahead of ours, in ms, while no segment arrives: our machine may have
 * been suspended, and its clock with it.
 */
const MAX_LEAD = 600_000;
/**
 * A clock that was set is believed when only its `ts` have arrived for this time, in ms. A late packet
 * of an earlier incarnation shows another clock, too, but the present incarnation is heard beside it.
 */
const SET_TIME = 5_000;
/** Packets of an incarnation before the present one may come this long after its newest, in ms. */
const MAX_LATE = 10_000;
/** Most incarnations before the present one that are remembered. */
const MAX_BEFORE = 4;

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
  /** Whether the peer has shown its clock beside an echo, which no earlier incarnation can send. */
  known = false;
  /** The incarnation before this one; null if there was none, or none is known. */
  before: Incarnation | null = null;
  #heard = false;
  #newest = 0;
  #newestAt = 0;
  /** The newest `ts` of another clock, and since when only that clock was seen; Infinity for none. */
  #other = 0;
  #otherAt = 0;
  #otherSince = Infinity;
  /** Another clock that came with an echo: the newest `ts`, and when it came; -Infinity for none. */
  #rival = 0;
  #rivalAt = -Infinity;
  #firstDigest = 0;

  /** Whether anything has shown the clock of the peer. */
  get heard(): boolean {
    return this.#heard;
  }

  /** Whether a segment with this `ts`, arrived at `now`, continues the clock. */
  continues(ts: number, now: number): boolean {
    // The usual case needs no time.
    const ahead = (ts - this.#newest) | 0;
    return ahead >= -MAX_LIFETIME && ahead <= MAX_LEAD || !this.#heard ||
      follows(ts, this.#newest, now - this.#newestAt);
  }

  /** Takes over the `ts` of a segment that continues the clock. */
  advance(ts: number, now: number): void {
    this.#otherSince = Infinity;
    if (this.#heard && distance(ts, this.#newest) <= 0) return;
    this.setClock(ts, now);
  }

  /** Sets the clock to `ts`. */
  setClock(ts: number, now: number): void {
    this.#heard = true;
    this.#newest = ts;
    this.#newestAt = now;
    this.#otherSince = Infinity;
  }

  /**
   * Takes a `ts` that does not continue the clock: the clock of the peer was set, or the packet is a
   * late one of an earlier incarnation.
   *
   * @returns Whether the clock was set. It goes on from `ts` then.
   */
  wasSet(ts: number, now: number): boolean {
    const same = this.#otherSince !== Infinity && follows(ts, this.#other, now - this.#otherAt);
    if (!same) this.#otherSince = now;
    if (now - this.#otherSince >= SET_TIME) {
      this.setClock(ts, now);
      return true;
    }
    if (!same || distance(ts, this.#other) > 0) {
      this.#other = ts;
      this.#otherAt = now;
    }
    return false;
  }

  /** Makes the present clock the other one that {@linkcode Incarnation.isRival} knows. */
  retireClock(): void {
    this.noteRival(this.#newest, this.#newestAt);
  }

  /** Notes another clock that came with an echo: it is of a later incarnation that has heard us. */
  noteRival(ts: number, now: number): void {
    this.#rival = ts;
    this.#rivalAt = now;
  }

  /** Whether the other clock that came with an echo is newer than the present one. */
  get doubtful(): boolean {
    return this.#rivalAt > this.#newestAt;
  }

  /** Whether a `ts` follows the clock of {@linkcode Incarnation.noteRival}. */
  isRival(ts: number, now: number): boolean {
    return this.#rivalAt > -Infinity && follows(ts, this.#rival, now - this.#rivalAt);
  }

  /** Takes note of the first segment, whose payload lies at `offset`. */
  start(bytes: Uint8Array, offset: number, length: number): void {
    this.started = true;
    this.#firstDigest = digest(bytes, offset, length);
  }

  /** Remembers the incarnation before this one, and some before that. */
  follow(before: Incarnation | null): void {
    this.before = before;
    let last = before;
    for (let n = 1; n < MAX_BEFORE && last; n++) last = last.before;
    if (last) last.before = null;
  }

  /**
   * Whether a first segment, as it arrives now, is of a later incarnation: neither of this one nor of
   * one before it.
   *
   * @param bytes The memory of the packet.
   * @param ts The `ts` of the segment.
   * @param offset Offset of its payload.
   * @param length Bytes of its payload; -1 if the payload is not known. Then only the clock counts.
   * @param now The time in ms.
   */
  differs(bytes: Uint8Array, ts: number, offset: number, length: number, now: number): boolean {
    if (!this.started) return false;
    const own = this.continues(ts, now) &&
      (length < 0 || digest(bytes, offset, length) === this.#firstDigest);
    if (own) return false;
    const { before } = this;
    if (before && now - before.#newestAt > MAX_LATE) this.before = null;
    return this.before === null || this.before.differs(bytes, ts, offset, length, now);
  }

  /** {@linkcode Incarnation.differs} for a segment whose header lies at `at` of `view`. */
  differsFrom(view: DataView<ArrayBuffer>, at: number, now: number): boolean {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    const length = view.getUint32(at + LEN, true);
    return this.differs(bytes, view.getInt32(at + TS, true), at + OVERHEAD, length, now);
  }
}

/** Whether the clock that showed `newest` may show `ts` after `elapsed` ms. */
function follows(ts: number, newest: number, elapsed: number): boolean {
  const ahead = distance(ts, newest);
  return ahead >= -MAX_LIFETIME && ahead <= elapsed + MAX_LEAD;
}

/** FNV-1a of `length` bytes. */
function digest(bytes: Uint8Array, offset: number, length: number): number {
  let hash = 0x811c9dc5 ^ length;
  for (let i = offset; i < offset + length; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash | 0;
}
