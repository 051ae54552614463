/** In which way a peer is silent. */
export type Silence = "packets" | "streams";

/** How long (ms) an old session may stay silent while the server answers its successor. */
const GRACE = 3000;

/** A session of a pool. */
export interface PooledSession {
  /** Whether it has ended. */
  readonly ended: boolean;
  /**
   * Whether the peer is silent although it owes an answer, so that it may be gone: `packets` if none of
   * it arrives, `streams` if only its packets do; else null.
   */
  readonly silence: Silence | null;
  /** Whether the peer was ever heard. */
  readonly heard: boolean;
  /** How many streams are open. */
  readonly streams: number;
  /** Asks the peer for a sign of life. It may be one that was never heard. */
  ask(): void;
  /** Ends it. What was written is delivered. */
  close(): void;
  /** Ends it at once, for a reason: its streams fail. */
  abort(reason: string): void;
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

/** A session that takes no new streams. */
interface Old<S> {
  readonly session: S;
  /** The slot that it had. */
  readonly index: number;
  /** When it is closed. */
  readonly until: number;
  /** When it is given up if it is still silent. It is known when its successor is heard. */
  giveUpAt: number;
}

/**
 * The sessions of a client. Streams are dealt out to them in turn. A session that has ended, that has
 * expired, or whose server is silent, is replaced when its turn comes. Its streams go on.
 *
 * A silent session with streams is replaced at once, since only its successor shows whether the path
 * or the session is at fault: if the server answers the successor, but still not the old session, it
 * has lost that, and the streams of the old session are let go. While it answers neither, the path may
 * recover, and nothing is given up.
 */
export class SessionPool<S extends PooledSession> {
  readonly #options: PoolOptions<S>;
  readonly #slots: (Slot<S> | null)[];
  /** Sessions that are being opened, by slot: who comes meanwhile waits for the same one. */
  readonly #opening = new Map<number, Promise<S>>();
  readonly #old: Old<S>[] = [];
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
    return this.#begin(index);
  }

  /** Opens a session for a slot. */
  #begin(index: number): Promise<S> {
    const opening = this.#open(index).finally(() => this.#opening.delete(index));
    this.#opening.set(index, opening);
    return opening;
  }

  /** Why a session takes no new streams; null if it does. */
  #reason({ session, expires }: Slot<S>): string | null {
    if (session.ended) return "it has ended";
    if (session.silence !== null) return "the server is silent";
    return this.#options.now() >= expires ? "it has expired" : null;
  }

  #retire(index: number, { session, expires }: Slot<S>, reason: string): void {
    const { log, now, ttl } = this.#options;
    this.#slots[index] = null;
    log(`session ${index + 1} is replaced: ${reason}`);
    // One that was only silent may recover, and be used for as long as any.
    const until = now() >= expires ? now() + ttl : Infinity;
    if (!session.ended) this.#old.push({ session, index, until, giveUpAt: Infinity });
  }

  /** Replaces a silent session before anybody needs another one. */
  #succeed(index: number, slot: Slot<S>): void {
    this.#retire(index, slot, "the server is silent");
    this.#begin(index).then(
      (session) => session.ask(),
      (error) => this.#options.log(`re-connecting: ${error.message}`),
    );
  }

  /** Gives up an old session whose successor is answered, if it stays silent for some time more. */
  #watch(entry: Old<S>): void {
    const { log, now } = this.#options;
    const { session, index } = entry;
    const successor = this.#slots[index]?.session;
    if (session.silence !== "packets" || !successor?.heard || successor.silence !== null) {
      entry.giveUpAt = Infinity;
    } else if (entry.giveUpAt === Infinity) {
      session.ask();
      entry.giveUpAt = now() + GRACE;
    } else if (now() >= entry.giveUpAt) {
      log(`an old session of ${session.streams} streams is given up: the server answers a new one`);
      session.abort("The server answers another session, but not this one");
    }
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
   * Closes old sessions: those without streams, those whose time is over, and those that only the
   * server has lost. It is to be called from time to time; kcptun does so each 5 s.
   */
  tick(): void {
    const { log, now } = this.#options;
    this.#slots.forEach((slot, index) => {
      if (!slot || slot.session.ended) return;
      const { session, expires } = slot;
      // A session that has expired is not kept for streams that may never come.
      if (now() >= expires) this.#retire(index, slot, "it has expired");
      else if (session.silence !== null && session.streams > 0) this.#succeed(index, slot);
    });
    for (const entry of [...this.#old]) {
      const { session, until } = entry;
      if (!session.ended && session.streams > 0 && now() < until) {
        this.#watch(entry);
        if (!session.ended) continue;
      }
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
