/** A session of a pool. */
export interface PooledSession {
  /** Whether it has ended. */
  readonly ended: boolean;
  /** Whether the peer is silent although it owes an answer: it may be gone. */
  readonly silent: boolean;
  /** How many streams are open. */
  readonly streams: number;
  /** Ends it. What was written is delivered. */
  close(): void;
}

/** What a pool needs. */
export interface PoolOptions<S extends PooledSession> {
  /** How many sessions share the streams. */
  readonly count: number;
  /** After so long (ms) a session takes no new streams; 0: never. */
  readonly autoExpire: number;
  /** How long (ms) such a session lives on while it has streams. */
  readonly ttl: number;
  /** Opens a session to the server. It looks up the name of the server anew. */
  open(): Promise<S>;
  /** The time in ms. */
  now(): number;
  /** Is told why a session was replaced or closed. */
  log(message: string): void;
}

/** A session, and when it takes no new streams. */
interface Slot<S> {
  session: S;
  expires: number;
}

/**
 * The sessions of a client. Streams are dealt out to them in turn. A session that has ended, that has
 * expired, or whose server is silent, is replaced when its turn comes. Its streams go on.
 */
export class SessionPool<S extends PooledSession> {
  readonly #options: PoolOptions<S>;
  readonly #slots: (Slot<S> | null)[];
  /** Sessions that are being opened, by slot: who comes meanwhile waits for the same one. */
  readonly #opening = new Map<number, Promise<S>>();
  /** Sessions that take no new streams, and when they are closed. */
  readonly #old: { session: S; until: number }[] = [];
  #turn = 0;
  #closed = false;

  /** @param options See {@linkcode PoolOptions}. */
  constructor(options: PoolOptions<S>) {
    this.#options = options;
    this.#slots = new Array(options.count).fill(null);
  }

  /** The session for the next stream. */
  take(): Promise<S> {
    const index = this.#turn;
    this.#turn = (index + 1) % this.#slots.length;
    const pending = this.#opening.get(index);
    if (pending) return pending;
    const slot = this.#slots[index];
    const reason = slot && this.#reason(slot);
    if (slot && reason === null) return Promise.resolve(slot.session);
    if (slot) this.#retire(index, slot, reason!);
    const opening = this.#open(index).finally(() => this.#opening.delete(index));
    this.#opening.set(index, opening);
    return opening;
  }

  /** Why a session takes no new streams; null if it does. */
  #reason({ session, expires }: Slot<S>): string | null {
    if (session.ended) return "it has ended";
    if (session.silent) return "the server is silent";
    return this.#options.now() >= expires ? "it has expired" : null;
  }

  #retire(index: number, { session }: Slot<S>, reason: string): void {
    const { log, now, ttl } = this.#options;
    this.#slots[index] = null;
    log(`session ${index + 1} is replaced: ${reason}`);
    if (!session.ended) this.#old.push({ session, until: now() + ttl });
  }

  async #open(index: number): Promise<S> {
    const { open, now, autoExpire } = this.#options;
    const session = await open();
    if (this.#closed) {
      session.close();
      throw new Error("The client is ending");
    }
    const expires = autoExpire > 0 ? now() + autoExpire : Infinity;
    this.#slots[index] = { session, expires };
    return session;
  }

  /**
   * Closes old sessions: those without streams, and those whose time is over. It is to be called from
   * time to time; kcptun does so each 5 s.
   */
  tick(): void {
    const { log, now } = this.#options;
    // A session that has expired is not kept for streams that may never come.
    this.#slots.forEach((slot, index) => {
      if (slot && now() >= slot.expires) this.#retire(index, slot, "it has expired");
    });
    for (const entry of [...this.#old]) {
      const { session, until } = entry;
      if (!session.ended && session.streams > 0 && now() < until) continue;
      this.#old.splice(this.#old.indexOf(entry), 1);
      if (session.ended) continue;
      log(
        session.streams > 0
          ? "an old session is closed: its time is over"
          : "an old session is closed",
      );
      session.close();
    }
  }

  /** All sessions that have not ended, the old ones among them. */
  get sessions(): S[] {
    const current = this.#slots.flatMap((slot) => slot ? [slot.session] : []);
    return [...current, ...this.#old.map(({ session }) => session)].filter(({ ended }) => !ended);
  }

  /** Closes all sessions, and those that are being opened. */
  close(): void {
    this.#closed = true;
    for (const session of this.sessions) session.close();
  }
}
