import { deferred } from "../connection/deferred.ts";
import { OperationQueue } from "../connection/operation_queue.ts";
import type { Carrier } from "./carrier.ts";
import { MuxError } from "./machine/errors.ts";
import type { MuxMachineStats } from "./machine/stats.ts";
import type { MuxMachineStream } from "./machine/stream_face.ts";
import type { ResolvedMux } from "./mux_options.ts";
import { type MuxCloseInfo, MuxSession, type SessionOwner } from "./session.ts";
import { SessionSpread } from "./session_spread.ts";

/** How far a mux has come. */
export type MuxState =
  /** Streams can be opened. */
  | "open"
  /** It was closed on this side. What was written before is still being delivered. */
  | "closing"
  /** It has ended: {@linkcode Mux.closed} has settled. */
  | "closed";

/** The sessions of a mux, and how they end together. */
export class MuxCore implements SessionOwner {
  state: MuxState = "open";
  readonly sessions: MuxSession[] = [];
  /** Chooses the session of a new stream. */
  readonly spread = new SessionSpread(this.sessions);
  /** Those that wait for a stream of the peer. */
  readonly accepts: OperationQueue;
  /** See {@linkcode Mux.closed}. */
  readonly closed = deferred<MuxCloseInfo>();
  /** See {@linkcode Mux.draining}. */
  readonly draining = deferred<void>();
  /** Why the mux has failed; null as long as it has not, and after a close. */
  failure: MuxError | null = null;
  readonly #client: boolean;
  readonly #settings: ResolvedMux;
  #nextAccept = 0;

  /**
   * @param carrier The connection below.
   * @param client Whether this side is the client.
   */
  constructor(carrier: Carrier, client: boolean, settings: ResolvedMux) {
    this.#client = client;
    this.#settings = settings;
    this.accepts = new OperationQueue(
      "accept",
      (delay, run) => carrier.after(delay, run),
      undefined,
      (message) => new MuxError("timeout", message),
    );
    this.add(carrier);
  }

  /** Adds a session. */
  add(carrier: Carrier): void {
    this.sessions.push(new MuxSession(carrier, this.#client, this.#settings, this));
  }

  /** Counters, summed up over all sessions, and the number of open streams. */
  get stats(): MuxMachineStats & { streams: number } {
    const [first, ...others] = this.sessions.map(({ machine }) => machine);
    const sum = { ...first.stats, streams: first.streams };
    for (const { stats, streams } of others) {
      sum.streams += streams;
      for (const name of Object.keys(stats) as (keyof MuxMachineStats)[]) sum[name] += stats[name];
    }
    return sum;
  }

  /** The next stream of the peer that waits, and its session. The sessions take turns. */
  nextIncoming(): [MuxMachineStream, MuxSession] | null {
    const { length } = this.sessions;
    for (let i = 0; i < length; i++) {
      const session = this.sessions[this.#nextAccept++ % length];
      const stream = session.machine.accept();
      if (stream) return [stream, session];
    }
    return null;
  }

  /** Whether no stream of the peer can come any more. */
  get over(): boolean {
    return this.state !== "open" || this.sessions.every(({ machine }) => machine.state !== "open");
  }

  /** The error of operations after the end. */
  get endError(): MuxError {
    return this.failure ?? new MuxError("closed", "The mux was closed");
  }

  /** See {@linkcode Mux.close}. */
  close(info: MuxCloseInfo): void {
    if (this.state !== "open") return;
    for (const session of this.sessions) session.close(info);
    this.#drain();
    this.accepts.serve();
  }

  /** See {@linkcode Mux.abort}. */
  abort(info: MuxCloseInfo, error: MuxError): void {
    for (const session of this.sessions) session.abort(info, error);
  }

  incoming(): void {
    this.accepts.serve();
  }

  ended(session: MuxSession): void {
    const { error } = session.machine;
    if (this.over) this.draining.resolve();
    // If one conversation fails, the peer is not to be trusted with the others.
    const failed = error !== null && error.kind !== "reset" && error.cause !== undefined;
    if (failed || error?.kind === "protocol" || error?.kind === "unreachable") this.#fail(error!);
    this.accepts.serve();
  }

  settled(): void {
    const outcomes = this.sessions.map(({ outcome }) => outcome);
    const failure = outcomes.find((outcome) => outcome instanceof MuxError);
    if (!failure && outcomes.includes(null)) return;
    this.#drain();
    this.state = "closed";
    if (failure) {
      this.failure ??= failure;
      this.closed.reject(failure);
    } else {
      this.closed.resolve(outcomes.find(isTold) ?? { closeCode: 0, reason: "" });
    }
    this.accepts.serve();
  }

  #drain(): void {
    if (this.state === "open") this.state = "closing";
    this.draining.resolve();
  }

  #fail(error: MuxError): void {
    this.failure ??= error;
    for (const session of this.sessions) {
      if (session.machine.state !== "closed") session.fail(error);
    }
  }
}

/** Whether a close has told anything. */
function isTold(outcome: MuxCloseInfo | MuxError | null): outcome is MuxCloseInfo {
  return outcome !== null && !(outcome instanceof MuxError) &&
    (outcome.closeCode !== 0 || outcome.reason !== "");
}
