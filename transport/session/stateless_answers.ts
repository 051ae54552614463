import type { PacketBatch } from "../../kcp/packet_batch.ts";
import { CMD_PUSH, CMD_RESET, CMD_WASK, EXTENDED, OVERHEAD } from "../../kcp/segment.ts";
import { NO_PROTECTION, type PacketProtection } from "./packet_protection.ts";
import { type Quote, writeHeader } from "./reset.ts";

/** Most answers that wait at one time. */
const MAX_WAITING = 1024;
/** A window that closes none. Source: the C reference. */
const USUAL_WINDOW = 128;
/** Resets in a second, and at once. */
const RESETS_PER_SECOND = 1_000;
const RESET_BURST = 200;

/** An answer that waits. It is one segment without data. */
interface Answer {
  readonly to: string;
  readonly conv: number;
  readonly cmd: number;
  readonly frg: number;
  readonly wnd: number;
  readonly ts: number;
  readonly sn: number;
  readonly una: number;
}

/**
 * Answers of an endpoint to packets that belong to no session. None is longer than what it answers,
 * and nothing is kept of the peer.
 */
export class StatelessAnswers {
  readonly #protection: PacketProtection | null;
  readonly #waiting: Answer[] = [];
  #budget = RESET_BURST;
  #budgetAt = -Infinity;

  constructor(protection: PacketProtection | null) {
    this.#protection = protection;
  }

  /** Whether answers wait. */
  get waiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Tells a peer that there is no such conversation. At most 1000 in a second are told. */
  reset(to: string, conv: number, { sn, ts }: Quote, cause: number, now: number): void {
    const gained = (now - this.#budgetAt) * RESETS_PER_SECOND / 1000;
    this.#budget = Math.min(RESET_BURST, this.#budget + gained);
    this.#budgetAt = now;
    if (this.#budget < 1) return;
    this.#budget--;
    this.#push({ to, conv, cmd: CMD_RESET, frg: cause, wnd: 0, ts, sn, una: 0 });
  }

  /** Asks a peer for a packet that a reset can quote. */
  ask(to: string, conv: number): void {
    // Without the mark, since there is no clock to show.
    this.#push({ to, conv, cmd: CMD_WASK, frg: 0, wnd: USUAL_WINDOW, ts: 0, sn: 0, una: 0 });
  }

  /** Asks a peer for its window, which echoes `ts`, for a session with this `una` and window. */
  probe(to: string, conv: number, ts: number, una: number, wnd: number): void {
    this.#push({ to, conv, cmd: CMD_WASK, frg: EXTENDED, wnd, ts, sn: 0, una });
  }

  /**
   * Asks a peer for an echo of `ts`: see {@linkcode Kcp.askEcho}.
   *
   * @param sn The sequence number before our first one.
   * @param una The first one that is expected from the peer.
   */
  askEcho(to: string, conv: number, ts: number, sn: number, una: number, wnd: number): void {
    this.#push({ to, conv, cmd: CMD_PUSH, frg: 0, wnd, ts, sn, una });
  }

  #push(answer: Answer): void {
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push(answer);
  }

  /** Appends the answers to a batch, as many as fit. */
  output(batch: PacketBatch): void {
    const { headroom, tailroom } = this.#protection ?? NO_PROTECTION;
    const first = batch.count;
    let done = 0;
    for (const { to, conv, cmd, frg, wnd, ts, sn, una } of this.#waiting) {
      batch.destination = to;
      const start = batch.place(headroom + OVERHEAD + tailroom);
      if (start < 0) break;
      writeHeader(batch.arena.view, start + headroom, conv, cmd, frg, wnd, ts, sn, una, 0);
      batch.append(start + headroom + OVERHEAD + tailroom);
      done++;
    }
    this.#waiting.splice(0, done);
    if (done > 0) this.#protection?.seal(batch, first);
  }
}
