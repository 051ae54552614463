import type { Kcp } from "../../kcp/kcp.ts";

/** How often both addresses are asked: after one RTO, then after twice the wait before. */
const ATTEMPTS = 6;
/** After a move, an answer from the old address is awaited for this many RTOs. */
const WATCH_RTOS = 3;
/** For how long an address is refused that was not needed, in ms: first and at most. */
const FIRST_BLOCK = 1_000;
const MAX_BLOCK = 60_000;

/** Sends a question to an address. The peer echoes `ts`. */
export type AskAt = (address: string, ts: number) => void;

/** What a validation has found out. */
export type PathVerdict =
  /** Nothing yet. */
  | "open"
  /** The peer is at the new address. */
  | "move"
  /** The peer is still at the old address, though the session has moved. */
  | "moveBack"
  /** Nothing more follows. */
  | "done";

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
  /** The address that is checked; empty while none is. */
  #candidate = "";
  #old = "";
  /** When a packet has come from the address that is checked, in ms. */
  #heardAt = -Infinity;
  /** The `ts` of the questions. */
  readonly #newTs: number[] = [];
  readonly #oldTs: number[] = [];
  #nextAt = Infinity;
  #watchEnds = Infinity;
  #attemptsLeft = 0;
  #moved = false;
  #blocked = "";
  #blockEnds = -Infinity;
  #block = FIRST_BLOCK;

  constructor(kcp: Kcp, ask: AskAt) {
    this.#kcp = kcp;
    this.#ask = ask;
  }

  /** Takes note of a valid packet from another address. */
  packetFrom(address: string, current: string, now: number): void {
    if (this.#candidate !== "" && !this.#moved) {
      if (address === this.#candidate) this.#heardAt = now;
      // A peer that has moved on says nothing more from there.
      if (now < this.#heardAt + this.#kcp.rto) return;
    }
    if (address === this.#blocked && now < this.#blockEnds) return;
    this.#candidate = address;
    this.#heardAt = now;
    this.#old = current;
    this.#moved = false;
    this.#newTs.length = this.#oldTs.length = 0;
    this.#attemptsLeft = ATTEMPTS;
    this.#askBoth(now);
  }

  /** The address that is checked. */
  get candidate(): string {
    return this.#candidate;
  }

  /** The address of the session before the move. */
  get old(): string {
    return this.#old;
  }

  /** When {@linkcode PathValidation.tick} is due, in ms. */
  get deadline(): number {
    return this.#candidate === "" ? Infinity : Math.min(this.#nextAt, this.#watchEnds);
  }

  /** Asks again, or gives up. */
  tick(now: number): void {
    if (this.#candidate === "" || now < this.deadline) return;
    if (this.#moved || this.#attemptsLeft === 0) this.#stop();
    else this.#askBoth(now);
  }

  #askBoth(now: number): void {
    const kcp = this.#kcp;
    this.#attemptsLeft--;
    this.#nextAt = now + kcp.rto * 2 ** (ATTEMPTS - 1 - this.#attemptsLeft);
    const newTs = kcp.nextEchoTs();
    const oldTs = kcp.nextEchoTs();
    this.#newTs.push(newTs);
    this.#oldTs.push(oldTs);
    this.#ask(this.#candidate, newTs);
    this.#ask(this.#old, oldTs);
  }

  /** Judges after a packet has arrived. */
  judge(now: number): PathVerdict {
    if (this.#candidate === "") return "done";
    const kcp = this.#kcp;
    if (this.#oldTs.some((ts) => kcp.wasEchoed(ts))) {
      // The new address may be that of an attacker.
      const again = this.#blocked === this.#candidate;
      this.#block = again ? Math.min(2 * this.#block, MAX_BLOCK) : FIRST_BLOCK;
      this.#blocked = this.#candidate;
      this.#blockEnds = now + this.#block;
      const moved = this.#moved;
      this.#stop();
      return moved ? "moveBack" : "done";
    }
    if (this.#moved || !this.#newTs.some((ts) => kcp.wasEchoed(ts))) return "open";
    this.#moved = true;
    this.#nextAt = Infinity;
    this.#watchEnds = now + WATCH_RTOS * kcp.rto;
    return "move";
  }

  #stop(): void {
    this.#candidate = "";
    this.#nextAt = this.#watchEnds = Infinity;
    this.#moved = false;
  }
}
