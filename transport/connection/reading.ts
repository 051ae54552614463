import { checkBytes } from "../../kcp/options.ts";
import { ConnectionError } from "../session/errors.ts";
import type { Session } from "../session/session.ts";
import type { OperationRules, Operations } from "./operations.ts";

/** Bytes with memory of their own. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** The reading half of a connection. */
export class Reading {
  /** Whether the application has cancelled the readable stream. */
  cancelled = false;
  readonly #operations: Operations;

  constructor(operations: Operations) {
    this.#operations = operations;
  }

  /** See {@linkcode Connection.read}. */
  read(target: Uint8Array, rules: OperationRules): Promise<number | null> {
    const { session, reads } = this.#operations;
    return this.#operations.run(reads, rules, () => {
      checkBytes(target);
      this.#checkReadable();
      if (target.length === 0) return 0;
      const count = session.read(target);
      if (count > 0) return count;
      return session.remoteEnded ? null : undefined;
    });
  }

  /** See {@linkcode Connection.tryRead}. */
  tryRead(target: Uint8Array): number | null {
    const operations = this.#operations;
    const { session } = operations;
    checkBytes(target);
    operations.checkOpen();
    this.#checkReadable();
    // What is there belongs to the reads that wait.
    if (target.length === 0 || operations.reads.busy) return 0;
    const count = session.read(target);
    if (count > 0) return count;
    if (session.remoteEnded) return null;
    if (session.error) throw session.error;
    return 0;
  }

  /** See {@linkcode Connection.receiveMessage}. */
  receiveMessage(rules: OperationRules): Promise<Bytes | null> {
    const { session, reads } = this.#operations;
    return this.#operations.run(reads, rules, () => {
      this.#checkReadable();
      return takeMessage(session);
    });
  }

  /** See {@linkcode Connection.tryReceiveMessage}. */
  tryReceiveMessage(): Bytes | null | undefined {
    const operations = this.#operations;
    const { session } = operations;
    operations.checkOpen();
    this.#checkReadable();
    // What is there belongs to the reads that wait.
    if (operations.reads.busy) return undefined;
    const message = takeMessage(session);
    if (message === undefined && session.error) throw session.error;
    return message;
  }

  /** See {@linkcode Connection.receiveDatagram}. */
  receiveDatagram(rules: OperationRules): Promise<Bytes | null> {
    const { session, datagrams } = this.#operations;
    return this.#operations.run(datagrams, rules, () => {
      const datagram = session.receiveDatagram();
      if (datagram) return datagram;
      return session.state === "closed" && !session.error ? null : undefined;
    });
  }

  /** Reads nothing more: what arrives from now on stays where it is, so that the peer waits. */
  cancel(): void {
    this.cancelled = true;
    this.#operations.reads.fail(cancelledError());
  }

  #checkReadable(): void {
    if (this.cancelled) throw cancelledError();
  }
}

/** The next message; undefined if none is complete, null at the end. */
function takeMessage(session: Session): Bytes | null | undefined {
  const size = session.peekSize();
  if (size < 0) return session.remoteEnded ? null : undefined;
  const message = new Uint8Array(size);
  session.recv(message);
  return message;
}

function cancelledError(): ConnectionError {
  return new ConnectionError("closed", "Cannot read: the readable stream was cancelled");
}

/** Tells an application when a read that does not wait may give something new. */
export class ReadableNotice {
  readonly #session: Session;
  #callback: (() => void) | null = null;
  /** What the application was told of: payload bytes that had arrived, and whether the end had. */
  #toldBytes = -1;
  #toldEnd = false;
  #scheduled = false;

  constructor(session: Session) {
    this.#session = session;
  }

  get callback(): (() => void) | null {
    return this.#callback;
  }

  set callback(callback: (() => void) | null) {
    this.#callback = callback;
    this.#toldBytes = -1;
    this.#toldEnd = false;
    this.update();
  }

  /** Calls the application soon if there is something new. Several packets may share a call. */
  update(): void {
    if (!this.#callback || this.#scheduled) return;
    const session = this.#session;
    const bytes = session.kcp.payloadIn;
    const ended = session.remoteEnded || session.state !== "open";
    if (ended === this.#toldEnd && (bytes === this.#toldBytes || !session.readable)) return;
    this.#toldBytes = bytes;
    this.#toldEnd = ended;
    this.#scheduled = true;
    // The application must not run in the middle of a batch of packets.
    queueMicrotask(this.#call);
  }

  readonly #call = () => {
    this.#scheduled = false;
    this.#callback?.();
  };
}
