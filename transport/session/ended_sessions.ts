/** Most ended sessions that are remembered at one time. */
const MAX_REMEMBERED = 65_536;

/**
 * Sessions that ended a short time ago, by address and conversation id. A delayed packet of such a
 * session must not open a new one.
 */
export class EndedSessions {
  readonly #timeWait: number;
  /** When each session is forgotten, in ms. The first one is forgotten first. */
  readonly #forgetAt = new Map<string, number>();

  /** @param timeWait How long a session is remembered, in ms. 0: not at all. */
  constructor(timeWait: number) {
    this.#timeWait = timeWait;
  }

  /** Remembers a session that ended, or that left this address. */
  add(peer: string, conv: number, now: number): void {
    if (this.#timeWait === 0) return;
    const forgetAt = this.#forgetAt;
    for (const [key, at] of forgetAt) {
      if (at > now && forgetAt.size < MAX_REMEMBERED) break;
      forgetAt.delete(key);
    }
    const key = keyOf(peer, conv);
    // The session becomes the last one of the map.
    forgetAt.delete(key);
    forgetAt.set(key, now + this.#timeWait);
  }

  /** Whether a session of this peer is remembered. */
  has(peer: string, conv: number, now: number): boolean {
    const at = this.#forgetAt.get(keyOf(peer, conv));
    return at !== undefined && at > now;
  }
}

function keyOf(peer: string, conv: number): string {
  return `${peer}#${conv}`;
}
