import type { MuxSession } from "./session.ts";

/** Chooses among the sessions of a mux. */
export class SessionSpread {
  readonly #sessions: readonly MuxSession[];
  /** The sessions of groups that are named by an object. */
  readonly #pinned = new WeakMap<object, MuxSession>();

  /** @param sessions The sessions, at least one. More may be added. */
  constructor(sessions: readonly MuxSession[]) {
    this.#sessions = sessions;
  }

  /**
   * The session for a new stream. Streams of one group share a session. Streams without a group get
   * the session with the fewest streams.
   */
  sessionFor(group: unknown): MuxSession {
    const sessions = this.#sessions;
    if (sessions.length === 1) return sessions[0];
    if (group === undefined || group === null) return this.#leastLoaded();
    if (typeof group !== "object" && typeof group !== "function") {
      return sessions[hash(String(group)) % sessions.length];
    }
    let session = this.#pinned.get(group);
    if (!session) this.#pinned.set(group, session = this.#leastLoaded());
    return session;
  }

  #leastLoaded(): MuxSession {
    let best = this.#sessions[0];
    for (const session of this.#sessions) {
      const { state } = session.machine;
      if (state === "open" && (best.machine.state !== "open" || session.load < best.load)) {
        best = session;
      }
    }
    return best;
  }
}

/** FNV-1a over the UTF-16 code units of a name. */
function hash(name: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) {
    value = Math.imul(value ^ name.charCodeAt(i), 0x01000193);
  }
  return value >>> 0;
}
