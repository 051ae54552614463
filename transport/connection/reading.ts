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
    return this.#operations.run(datagrams, rules, () => takeDatagram(session));
  }

  /** See {@linkcode Connection.tryReceiveDatagram}. */
  tryReceiveDatagram(): Bytes | null | undefined {
    const operations = this.#operations;
    const { session } = operations;
    operations.checkOpen();
    // What is there belongs to the calls that wait.
    if (operations.datagrams.busy) return undefined;
    const datagram = takeDatagram(session);
    if (datagram === undefined && session.error) throw session.error;
    return datagram;
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

/** The next datagram; undefined if there is none, null if none can follow. */
function takeDatagram(session: Session): Bytes | null | undefined {
  const datagram = session.receiveDatagram();
  if (datagram) return datagram;
  return session.state === "closed" && !session.error ? null : undefined;
}

function cancelledError(): ConnectionError {
  return new ConnectionError("closed", "Cannot read: the readable stream was cancelled");
}
