/**
 * Two ends of a WebTransport session without a network.
 *
 * @module
 */
import type { WebTransportLike } from "../../../transport/webtransport.ts";

/** What a test may change while a session runs. */
export class FakeSession implements WebTransportLike {
  /** The session at the other end. */
  peer!: FakeSession;
  readonly ready: Promise<void>;
  readonly closed: Promise<unknown>;
  readonly datagrams: {
    maxDatagramSize: number;
    incomingHighWaterMark: number;
    outgoingHighWaterMark: number;
    outgoingMaxAge: number | null;
    readonly readable: ReadableStream<Uint8Array>;
    readonly writable: WritableStream<Uint8Array>;
  };
  /** Sizes of the datagrams that were written, and of those that were too large. */
  readonly sizes: number[] = [];
  readonly tooLarge: number[] = [];
  /** Whether datagrams are lost. */
  loses = false;
  /** While it is set, nothing leaves. */
  blocked: Promise<void> | null = null;
  /** Whether the application has closed the session. */
  closedHere = false;
  #end!: (info: unknown) => void;
  #fail!: (error: unknown) => void;
  #controller!: ReadableStreamDefaultController<Uint8Array>;

  constructor(ready: Promise<void> = Promise.resolve()) {
    this.ready = ready;
    this.closed = new Promise((resolve, reject) => {
      this.#end = resolve;
      this.#fail = reject;
    });
    this.closed.catch(() => {});
    this.datagrams = {
      maxDatagramSize: 1287,
      incomingHighWaterMark: 1,
      outgoingHighWaterMark: 1,
      outgoingMaxAge: null,
      readable: new ReadableStream({ start: (controller) => void (this.#controller = controller) }),
      writable: new WritableStream({ write: (datagram) => this.#send(datagram) }),
    };
  }

  async #send(datagram: Uint8Array): Promise<void> {
    await this.blocked;
    this.sizes.push(datagram.length);
    if (datagram.length > this.datagrams.maxDatagramSize) this.tooLarge.push(datagram.length);
    else if (!this.loses) this.peer.deliver(datagram.slice());
  }

  /** Lets a datagram arrive. */
  deliver(datagram: Uint8Array): void {
    try {
      this.#controller.enqueue(datagram);
    } catch {
      // The session has ended.
    }
  }

  /** Ends both ends of the session in order. */
  close(info: { closeCode?: number; reason?: string } = {}): void {
    this.closedHere = true;
    this.end(info);
    this.peer.end(info);
  }

  /** Ends this end of the session. */
  end(info: unknown): void {
    this.#end(info);
    try {
      this.#controller.close();
    } catch {
      // It has ended before.
    }
  }

  /** Ends this end with an error, as when the network is gone. */
  fail(error: unknown): void {
    this.#fail(error);
    this.#controller.error(error);
  }
}

/** Both ends of a session. */
export function fakeSessions(): [FakeSession, FakeSession] {
  const ends: [FakeSession, FakeSession] = [new FakeSession(), new FakeSession()];
  [ends[0].peer, ends[1].peer] = [ends[1], ends[0]];
  return ends;
}
