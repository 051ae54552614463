import type { Incarnation } from "../../kcp/incarnation.ts";

/** Most ended sessions that are remembered at one time. */
const MAX_REMEMBERED = 65_536;
/**
 * How long an ended session is remembered at least, in ms: a peer that missed the last acknowledgments
 * may retransmit its first segment for as long. It is the longest life of a packet, as RFC 9293 has it.
 */
const MIN_TIME = 120_000;

/** An ended session. */
interface Ended {
  /** When it is forgotten, in ms. */
  readonly forgetAt: number;
  /** The incarnation of the peer that it had. */
  readonly incarnation: Incarnation;
  /** Whether the peer is of another implementation. */
  readonly foreign: boolean;
}

/**
 * Sessions that ended a short time ago, by address and conversation id. A delayed packet of such a
 * session must not open a new one: its data would be delivered twice.
 */
export class EndedSessions {
  readonly #time: number;
  /** The first one is forgotten first. */
  readonly #ended = new Map<string, Ended>();

  /** @param timeWait How long a session is remembered, in ms, if that is longer than 120 s. */
  constructor(timeWait: number) {
    this.#time = Math.max(MIN_TIME, timeWait);
  }

  /** Remembers a session that ended, or that left this address. */
  add(
    peer: string,
    conv: number,
    incarnation: Incarnation,
    foreign: boolean,
    now: number,
  ): void {
    const ended = this.#ended;
    for (const [key, { forgetAt }] of ended) {
      if (forgetAt > now && ended.size < MAX_REMEMBERED) break;
      ended.delete(key);
    }
    const key = keyOf(peer, conv);
    // The session becomes the last one of the map.
    ended.delete(key);
    ended.set(key, { forgetAt: now + this.#time, incarnation, foreign });
  }

  /** Whether a remembered session had a peer of another implementation. */
  isForeign(peer: string, conv: number, now: number): boolean {
    const ended = this.#ended.get(keyOf(peer, conv));
    return ended !== undefined && ended.forgetAt > now && ended.foreign;
  }

  /** The incarnation of the peer that a remembered session had; null if none is remembered. */
  find(peer: string, conv: number, now: number): Incarnation | null {
    const ended = this.#ended.get(keyOf(peer, conv));
    return ended && ended.forgetAt > now ? ended.incarnation : null;
  }
}

function keyOf(peer: string, conv: number): string {
  return `${peer}#${conv}`;
}
