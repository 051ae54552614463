import { ConnectionError } from "../session/errors.ts";
import type { Session } from "../session/session.ts";

/** What an application may be told of. */
interface News {
  /** How much has arrived so far. */
  count(session: Session): number;
  /** Whether a part of it waits to be taken. */
  waits(session: Session): boolean;
  /** Whether nothing can follow. */
  ended(session: Session): boolean;
}

/** The bytes of the stream. */
export const STREAM_NEWS: News = {
  count: ({ kcp }) => kcp.payloadIn,
  waits: ({ readable }) => readable,
  ended: ({ remoteEnded, state }) => remoteEnded || state !== "open",
};

/** The datagrams. */
export const DATAGRAM_NEWS: News = {
  count: ({ datagramsIn }) => datagramsIn,
  waits: ({ hasDatagram }) => hasDatagram,
  ended: ({ state }) => state !== "open",
};

/** Tells an application when a read that does not wait may give something new. */
export class Notice {
  readonly #session: Session;
  readonly #news: News;
  #callback: (() => void) | null = null;
  /** What the application was told of: how much had arrived, and whether the end had. */
  #toldCount = -1;
  #toldEnd = false;
  #scheduled = false;

  constructor(session: Session, news: News) {
    this.#session = session;
    this.#news = news;
  }

  get callback(): (() => void) | null {
    return this.#callback;
  }

  set callback(callback: (() => void) | null) {
    this.#callback = callback;
    this.#toldCount = -1;
    this.#toldEnd = false;
    this.update();
  }

  /** Calls the application soon if there is something new. Several packets may share a call. */
  update(): void {
    if (!this.#callback || this.#scheduled) return;
    const session = this.#session;
    const count = this.#news.count(session);
    const ended = this.#news.ended(session);
    const same = count === this.#toldCount || !this.#news.waits(session);
    if (ended === this.#toldEnd && same) return;
    this.#toldCount = count;
    this.#toldEnd = ended;
    this.#scheduled = true;
    // The application must not run in the middle of a batch of packets.
    queueMicrotask(this.#call);
  }

  readonly #call = () => {
    this.#scheduled = false;
    try {
      this.#callback?.();
    } catch (error) {
      // The read that it made told it that the connection has ended. `closed` tells it, too.
      if (error instanceof ConnectionError && this.#session.state !== "open") return;
      throw error;
    }
  };
}
