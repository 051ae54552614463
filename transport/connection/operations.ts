import { ConnectionError } from "../session/errors.ts";
import type { Session } from "../session/session.ts";
import type { Driver } from "./driver.ts";
import { OperationQueue, type PartOptions } from "./operation_queue.ts";

/** The result of an operation that has none; undefined would mean that the operation must wait. */
export const VOID = null;

/** How an operation runs. */
export interface OperationRules extends PartOptions {
  /** How long (ms) it may wait if the application does not say it. */
  readonly defaultTimeout: number;
  /** Text for the message of its timeout: what it has done so far. */
  readonly progress?: () => string;
  /** Whether it may run after the connection was closed on this side. Default: false. */
  readonly afterClose?: boolean;
}

/** The operations of a connection that wait for its session: reads, writes and others. */
export class Operations {
  readonly reads: OperationQueue;
  readonly writes: OperationQueue;
  readonly drains: OperationQueue;
  readonly datagrams: OperationQueue;
  readonly opens: OperationQueue;
  readonly pings: OperationQueue;
  /** Whether `close` or `abort` was called. */
  closedHere = false;
  readonly session: Session;
  readonly #driver: Driver;

  constructor(session: Session, driver: Driver) {
    this.session = session;
    this.#driver = driver;
    const after = (delay: number, run: () => void) => driver.after(delay, run);
    const diagnosis = () => session.diagnosis;
    this.reads = new OperationQueue("read", after, diagnosis);
    this.writes = new OperationQueue("write", after, diagnosis);
    this.drains = new OperationQueue("drain", after, diagnosis);
    this.datagrams = new OperationQueue("datagram read", after, diagnosis);
    this.opens = new OperationQueue("connect", after, diagnosis);
    this.pings = new OperationQueue("ping", after, diagnosis);
  }

  /** The session, which knows the present time: for calls from which on something lasts. */
  get timely(): Session {
    this.session.advance(this.#driver.now());
    return this.session;
  }

  /** Runs `attempt` as soon as it is possible, after all earlier operations of the same queue. */
  run<T>(queue: OperationQueue, rules: OperationRules, attempt: () => T | undefined): Promise<T> {
    const { signal, timeout = rules.defaultTimeout, wholeTimeout, progress } = rules;
    return queue.run(
      () => {
        this.checkOpen(rules.afterClose);
        const result = attempt();
        // Data that arrived before the connection failed is delivered before the error.
        if (result === undefined && this.session.error) throw this.session.error;
        return result;
      },
      { signal, timeout, wholeTimeout },
      progress,
    );
  }

  /** Throws if the connection was closed on this side. */
  checkOpen(afterClose = false): void {
    if (this.closedHere && !afterClose) throw this.session.error ?? closedHereError();
  }

  /** Throws if nothing can be written. */
  checkWritable(): void {
    const session = this.session;
    if (session.error) throw session.error;
    if (session.writeEnded) {
      throw new ConnectionError("closed", "Cannot write: the stream was ended on this side", {
        code: "EPIPE",
      });
    }
  }

  /** Completes the operations that are possible now, and rejects those that never will be. */
  serve(): void {
    const session = this.session;
    const { reads, writes, drains, datagrams, opens, pings } = this;
    for (const queue of [writes, reads, drains, datagrams, opens, pings]) queue.serve();
    if (this.closedHere) {
      const error = session.error ?? closedHereError();
      for (const queue of [reads, writes, datagrams, opens, pings]) queue.fail(error);
    }
    const { error } = session;
    if (session.state !== "closed" || !error) return;
    for (const queue of [reads, writes, drains, datagrams, opens, pings]) queue.fail(error);
  }
}

/** The error of operations after the connection was closed on this side. */
function closedHereError(): ConnectionError {
  return new ConnectionError("closed", "The connection was closed on this side");
}
