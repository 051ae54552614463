import type { Kcp } from "../../kcp/kcp.ts";

/** How often an address is asked: after one RTO, then after twice the wait before. */
const ATTEMPTS = 6;
/** Most addresses that are checked at one time. */
const MAX_CANDIDATES = 4;
/** After a move, an answer from the old address is awaited for this many RTOs. */
const WATCH_RTOS = 3;
/** For how long an address is refused that was not needed, in ms: first and at most. */
const FIRST_BLOCK = 1_000;
const MAX_BLOCK = 60_000;

/** Sends a question to an address. The peer echoes `ts`. */
export type AskAt = (address: string, ts: number) => void;

/** An address from which packets have come. */
interface Candidate {
  readonly address: string;
  /** The `ts` of the questions that were sent there. */
  readonly asked: number[];
  attemptsLeft: number;
  /** When it is asked again, in ms. */
  nextAt: number;
}

/**
 * Finds out whether the peer of a session has moved to another address. RFC 9000 §9.3.3 has the
 * attack: somebody who only sees packets sends copies of them, which arrive sooner than the originals
 * and are valid. So the session stays where it is until the new address has answered a question that
 * was sent there alone. The old address is asked, too: if it answers, the peer has not moved.
 *
 * An echo counts for the address that was asked, whatever address it comes from: a copy of the echo
 * from the old address may arrive first from the new one.
 */
export class PathValidation {
  readonly #kcp: Kcp;
  readonly #ask: AskAt;
  /** The addresses that are checked, the one that was heard last at the end. */
  readonly #candidates: Candidate[] = [];
  /** The address before the move, while its answer would undo the move; else that of the session. */
  #old = "";
  #oldAsked: number[] = [];
  #oldAskedAt = -Infinity;
  /** Where the session has moved to, and until when the old address is awaited. Empty before. */
  #movedTo = "";
  #watchEnds = Infinity;
  #blocked = "";
  #blockEnds = -Infinity;
  #block = FIRST_BLOCK;

  constructor(kcp: Kcp, ask: AskAt) {
    this.#kcp = kcp;
    this.#ask = ask;
  }

  /** Takes note of a valid packet from another address than the `current` one of the session. */
  packetFrom(address: string, current: string, now: number): void {
    if (this.#candidates.some((candidate) => candidate.address === address)) return;
    if (address === this.#blocked && now < this.#blockEnds) return;
    if (this.#movedTo !== "") this.#stop();
    this.#old = current;
    if (this.#candidates.length === MAX_CANDIDATES) this.#candidates.shift();
    const candidate = { address, asked: [], attemptsLeft: ATTEMPTS, nextAt: now };
    this.#candidates.push(candidate);
    this.#question(candidate, now);
  }

  /** When {@linkcode PathValidation.tick} is due, in ms. */
  get deadline(): number {
    let deadline = this.#watchEnds;
    for (const { nextAt } of this.#candidates) deadline = Math.min(deadline, nextAt);
    return deadline;
  }

  /** Asks again, or gives up. */
  tick(now: number): void {
    if (now >= this.#watchEnds) this.#stop();
    for (let i = this.#candidates.length - 1; i >= 0; i--) {
      const candidate = this.#candidates[i];
      if (now < candidate.nextAt) continue;
      if (candidate.attemptsLeft > 0) this.#question(candidate, now);
      else this.#candidates.splice(i, 1);
    }
  }

  /** Asks a new address, and the old one if it was not asked a short time ago. */
  #question(candidate: Candidate, now: number): void {
    const kcp = this.#kcp;
    candidate.attemptsLeft--;
    candidate.nextAt = now + kcp.rto * 2 ** (ATTEMPTS - 1 - candidate.attemptsLeft);
    const ts = kcp.nextEchoTs();
    candidate.asked.push(ts);
    this.#ask(candidate.address, ts);
    if (now < this.#oldAskedAt + kcp.rto / 2) return;
    this.#oldAskedAt = now;
    const oldTs = kcp.nextEchoTs();
    this.#oldAsked.push(oldTs);
    if (this.#oldAsked.length > 2 * ATTEMPTS) this.#oldAsked.shift();
    this.#ask(this.#old, oldTs);
  }

  /**
   * Judges after a packet has arrived.
   *
   * @returns Where the session moves to: to a new address that has answered, or back to the old one.
   * Null if it stays.
   */
  judge(now: number): string | null {
    const kcp = this.#kcp;
    const isEchoed = (ts: number) => kcp.wasEchoed(ts);
    if (this.#oldAsked.some(isEchoed)) {
      // The other addresses may be those of an attacker.
      const suspect = this.#movedTo || this.#candidates.at(-1)?.address || "";
      const again = this.#blocked === suspect;
      this.#block = again ? Math.min(2 * this.#block, MAX_BLOCK) : FIRST_BLOCK;
      this.#blocked = suspect;
      this.#blockEnds = now + this.#block;
      const back = this.#movedTo === "" ? null : this.#old;
      this.#stop();
      return back;
    }
    const found = this.#candidates.find(({ asked }) => asked.some(isEchoed));
    if (!found) return null;
    this.#candidates.length = 0;
    this.#movedTo = found.address;
    this.#watchEnds = now + WATCH_RTOS * kcp.rto;
    return found.address;
  }

  #stop(): void {
    this.#candidates.length = 0;
    this.#oldAsked = [];
    this.#oldAskedAt = -Infinity;
    this.#watchEnds = Infinity;
    this.#movedTo = "";
  }
}
