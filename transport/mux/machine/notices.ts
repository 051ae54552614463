import type { MuxError } from "./errors.ts";
import type { Stream } from "./stream.ts";

/**
 * What a machine tells its user. It is told at the end of the call of the machine in which it
 * happened, when the machine may be used again.
 */
export interface MuxMachineHandler {
  /** Streams of the peer wait: {@linkcode MuxMachine.accept} gives them. */
  onIncoming?(): void;
  /** There is something to send: {@linkcode MuxMachine.hasOutput} has become true. */
  onOutput?(): void;
  /** {@linkcode MuxMachine.input} takes bytes again, after it had not taken all. */
  onReceptive?(): void;
  /** The session has ended: see {@linkcode MuxMachine.error}. */
  onEnd?(error: MuxError | null): void;
}

/** What the notices need to know of their machine. */
export interface NoticeSource {
  readonly handler: MuxMachineHandler | null;
  readonly hasOutput: boolean;
  readonly error: MuxError | null;
}

/** What handlers do not know yet. They are told when the machine is in order. */
export class Notices {
  /** Streams with events. */
  readonly streams: Stream[] = [];
  /** A stream of the peer waits to be accepted. */
  incoming = false;
  /** Bytes are taken again. */
  receptive = false;
  /** The session has ended. */
  ended = false;
  /** Whether the handler knows that there is something to send. */
  toldOutput = false;
  readonly #source: NoticeSource;
  #telling = false;

  constructor(source: NoticeSource) {
    this.#source = source;
  }

  /** Tells the handlers. A handler may use the machine: then they are told of that, too. */
  tell(): void {
    if (this.#telling) return;
    this.#telling = true;
    try {
      while (this.#tellOne());
    } finally {
      this.#telling = false;
    }
  }

  /** Tells one kind of news. Returns false if there is none. */
  #tellOne(): boolean {
    const { streams } = this;
    const { handler, hasOutput } = this.#source;
    if (this.incoming) {
      this.incoming = false;
      handler?.onIncoming?.();
    } else if (streams.length > 0) {
      for (let i = 0; i < streams.length; i++) streams[i].dispatch();
      streams.length = 0;
    } else if (this.receptive) {
      this.receptive = false;
      handler?.onReceptive?.();
    } else if (this.ended) {
      this.ended = false;
      handler?.onEnd?.(this.#source.error);
    } else if (hasOutput !== this.toldOutput) {
      this.toldOutput = hasOutput;
      if (hasOutput) handler?.onOutput?.();
    } else {
      return false;
    }
    return true;
  }
}
