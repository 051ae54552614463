import type { Carrier } from "./carrier.ts";
import { MuxError } from "./machine/errors.ts";
import { MuxMachine } from "./machine/machine.ts";
import type { MuxMachineHandler } from "./machine/notices.ts";
import type { ResolvedMux } from "./mux_options.ts";

/** How a session, or a mux, was closed. */
export interface MuxCloseInfo {
  /** The code that the closing side gave, 0 to 2^32 - 257. 0 if it gave none. */
  closeCode: number;
  /** The reason that the closing side gave. Empty if it gave none. */
  reason: string;
}

/** What a session tells the mux that it belongs to. */
export interface SessionOwner {
  /** Streams of the peer wait to be accepted. */
  incoming(): void;
  /** The session takes no more streams, and has nothing more to say. */
  ended(session: MuxSession): void;
  /** It is known how the session has ended: see {@linkcode MuxSession.outcome}. */
  settled(session: MuxSession): void;
}

/** One machine, the connection below it, and the timer of both. */
export class MuxSession implements MuxMachineHandler {
  readonly machine: MuxMachine;
  readonly carrier: Carrier;
  /** Streams that belong to it, as the mux chooses the session of a new one. */
  load = 0;
  /** How it has ended: the info of a close, or an error. */
  outcome: MuxCloseInfo | MuxError | null = null;
  /** Calls a function after some ms: see {@linkcode Carrier.after}. */
  readonly after: Carrier["after"];
  readonly #owner: SessionOwner;
  readonly #linger: number;
  #timerAt = Infinity;
  #cancelTimer: () => void = () => {};
  #cancelLinger: (() => void) | null = null;
  /** What `close` of this side was given. */
  #info: MuxCloseInfo = { closeCode: 0, reason: "" };

  /**
   * @param carrier The connection below.
   * @param client Whether this side is the client.
   * @param owner The mux.
   */
  constructor(
    carrier: Carrier,
    client: boolean,
    { machine, linger }: ResolvedMux,
    owner: SessionOwner,
  ) {
    this.carrier = carrier;
    this.after = (delay, run) => carrier.after(delay, run);
    this.#owner = owner;
    this.#linger = linger;
    this.machine = new MuxMachine({ client, ...machine }, carrier.now());
    this.machine.handler = this;
    carrier.closed.then(() => this.#below(null), (error) => this.#below(error));
    carrier.start(this.machine, () => this.#arm());
    this.#arm();
    carrier.flush();
  }

  /** Closes the session: what was written is delivered. */
  close(info: MuxCloseInfo): void {
    if (this.machine.state !== "open") return;
    this.#info = info;
    this.#startLinger();
    this.machine.close(info.closeCode, info.reason);
  }

  /** Ends the session at once. */
  abort(info: MuxCloseInfo, error: MuxError): void {
    this.#info = info;
    this.#settle(error);
    if (this.machine.state !== "closed") this.machine.abort(info.closeCode, info.reason);
  }

  /** Ends the session and the connection below because of an error. */
  fail(error: Error): void {
    this.machine.fail(error);
    this.carrier.abort(error);
  }

  /** Whether it was closed, and the connection below has everything that was written. */
  get delivers(): boolean {
    return this.machine.state === "closed" && this.machine.error === null;
  }

  /** There is something to send. */
  onOutput(): void {
    this.carrier.flush();
  }

  /** The machine takes bytes again. */
  onReceptive(): void {
    this.carrier.resume();
  }

  /** Streams of the peer wait. */
  onIncoming(): void {
    this.#owner.incoming();
  }

  /** The machine has ended. */
  onEnd(error: MuxError | null): void {
    this.#cancelTimer();
    this.#startLinger();
    this.#owner.ended(this);
    if (error?.kind === "reset") {
      this.#settle({ closeCode: error.closeCode, reason: error.reason });
    } else if (error && error.cause === undefined && error.kind === "connection") {
      // The peer has ended the connection below: smux tells a close only so.
      this.#settle({ closeCode: 0, reason: "" });
    } else if (error) {
      this.#settle(error);
    }
    if (error?.kind === "unreachable") this.carrier.abort(error);
    else this.carrier.finish();
  }

  /** The connection below has ended. */
  #below(error: unknown): void {
    this.#cancelLinger?.();
    if (error === null) {
      this.machine.inputEnd(this.carrier.now());
      this.#settle(this.#info);
      return;
    }
    this.machine.fail(error);
    const words = error instanceof Error ? `: ${error.message}` : "";
    const message = `The connection below failed${words}`;
    this.#settle(new MuxError("connection", message, { cause: error }));
  }

  #settle(outcome: MuxCloseInfo | MuxError): void {
    if (this.outcome) return;
    this.outcome = outcome;
    this.#owner.settled(this);
  }

  #startLinger(): void {
    const { carrier, machine } = this;
    this.#cancelLinger ??= carrier.after(this.#linger, () => {
      const message = `What was written could not be delivered within ${this.#linger} ms`;
      const error = new MuxError("timeout", message);
      // Only the end of the peer may be missing, which says nothing about delivery.
      const settles = machine.state !== "closed" || !carrier.outputEnded;
      if (settles) this.abort(this.#info, error);
      carrier.abort(error);
    });
  }

  /** Sets the timer again if it would fire too late. */
  #arm(): void {
    const { deadline } = this.machine;
    if (deadline >= this.#timerAt) return;
    this.#cancelTimer();
    this.#timerAt = deadline;
    const { carrier } = this;
    this.#cancelTimer = carrier.after(Math.max(0, deadline - carrier.now()), () => {
      this.#timerAt = Infinity;
      this.machine.tick(carrier.now());
      this.#arm();
    });
  }
}
