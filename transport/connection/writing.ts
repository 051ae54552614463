import { checkBytes } from "../../kcp/options.ts";
import type { Session } from "../session/session.ts";
import { shown } from "../session/shown.ts";
import { type OperationRules, type Operations, VOID } from "./operations.ts";

/** The writing half of a connection. */
export class Writing {
  /** Tells the application when there is room. */
  readonly notice: WritableNotice;
  readonly #operations: Operations;

  constructor(operations: Operations) {
    this.#operations = operations;
    this.notice = new WritableNotice(operations);
  }

  /** See {@linkcode Connection.write}. */
  write(bytes: Uint8Array, rules: OperationRules): Promise<number> {
    const operations = this.#operations;
    return operations.run(operations.writes, rules, () => {
      checkBytes(bytes);
      operations.checkWritable();
      if (bytes.length === 0) return 0;
      return operations.session.write(bytes) || undefined;
    });
  }

  /** See {@linkcode Connection.writev}. */
  async writePieces(pieces: readonly Uint8Array[], rules: OperationRules): Promise<void> {
    const total = lengthOf(pieces);
    const operations = this.#operations;
    /** The piece that is written next, and how much of it is written. */
    let index = 0, offset = 0;
    let written = 0;
    const progress = () => `: ${written} of ${total} bytes were written`;
    await operations.run(operations.writes, { ...rules, progress }, () => {
      operations.checkWritable();
      for (; index < pieces.length; index++, offset = 0) {
        const piece = pieces[index];
        while (offset < piece.length) {
          const count = operations.session.write(offset === 0 ? piece : piece.subarray(offset));
          if (count === 0) return undefined;
          offset += count;
          written += count;
        }
      }
      return VOID;
    });
  }

  /** See {@linkcode Connection.sendMessage}. */
  async sendMessage(message: Uint8Array, rules: OperationRules): Promise<void> {
    const operations = this.#operations;
    await operations.run(operations.writes, rules, () => {
      operations.checkWritable();
      return operations.session.send(message) ? VOID : undefined;
    });
  }

  /** See {@linkcode Connection.tryWrite}. */
  tryWrite(bytes: Uint8Array): number {
    checkBytes(bytes);
    const session = this.#startNow();
    const count = session ? session.write(bytes) : 0;
    this.notice.wrote(count === bytes.length);
    return count;
  }

  /** See {@linkcode Connection.tryWritev}. */
  tryWritev(pieces: readonly Uint8Array[]): number {
    const total = lengthOf(pieces);
    const session = this.#startNow();
    let written = 0;
    for (let i = 0; session && i < pieces.length; i++) {
      const count = session.write(pieces[i]);
      written += count;
      if (count < pieces[i].length) break;
    }
    this.notice.wrote(written === total);
    return written;
  }

  /** See {@linkcode Connection.trySendMessage}. */
  trySendMessage(message: Uint8Array): boolean {
    checkBytes(message);
    const session = this.#startNow();
    const sent = session ? session.send(message) : false;
    this.notice.wrote(sent);
    return sent;
  }

  /** The session, if it may take bytes now; null if earlier writes wait. */
  #startNow(): Session | null {
    const operations = this.#operations;
    operations.checkOpen();
    operations.checkWritable();
    return operations.writes.busy ? null : operations.session;
  }

  /** Ends the stream behind all earlier writes: see {@linkcode Connection.closeWrite}. */
  async end(rules: OperationRules): Promise<void> {
    const operations = this.#operations;
    await operations.run(operations.writes, { ...rules, afterClose: true }, () => {
      const { timely: session } = operations;
      if (session.error) throw session.error;
      session.endWrite();
      return VOID;
    });
  }
}

/** Bytes of all pieces. Throws if one is none. */
function lengthOf(pieces: readonly Uint8Array[]): number {
  if (!Array.isArray(pieces)) throw new TypeError("Cannot write: the pieces must be an array");
  let total = 0;
  for (let i = 0; i < pieces.length; i++) {
    checkBytes(pieces[i]);
    total += pieces[i].length;
  }
  return total;
}

/** Tells an application when a write that does not wait is of use again. */
export class WritableNotice {
  #lowWater: number | "auto" = "auto";
  readonly #operations: Operations;
  #callback: (() => void) | null = null;
  /** Whether the application has more to write, as far as is known: it is called for room. */
  #armed = false;

  constructor(operations: Operations) {
    this.#operations = operations;
  }

  get callback(): (() => void) | null {
    return this.#callback;
  }

  set callback(callback: (() => void) | null) {
    const { session } = this.#operations;
    this.#callback = callback;
    session.onOutput = callback && this.#beforeOutput;
    this.#armed = callback !== null;
    if (callback) session.wake();
  }

  /** See {@linkcode Connection.unsentLowWater}. */
  get lowWater(): number | "auto" {
    return this.#lowWater;
  }

  set lowWater(mark: number | "auto") {
    if (mark !== "auto" && typeof mark !== "number") {
      throw new TypeError(
        `Cannot set unsentLowWater to ${shown(mark)}: it must be a number or "auto"`,
      );
    }
    if (mark !== "auto" && !(mark >= 1)) {
      throw new RangeError(`Cannot set unsentLowWater to ${mark}: allowed are 1 to Infinity`);
    }
    this.#lowWater = mark;
    if (this.#callback) this.#operations.session.wake();
  }

  /** See {@linkcode Connection.desiredSize}. */
  get desiredSize(): number {
    const size = this.#room();
    // Who has seen that there is no room waits for it.
    if (size === 0 && this.#callback) this.#armed = true;
    return size;
  }

  #room(): number {
    const { session, writes } = this.#operations;
    if (!session.writable || writes.busy) return 0;
    if (this.#lowWater === "auto") return session.wantedBytes;
    return Math.max(0, this.#lowWater - session.unsentBytes);
  }

  /** Notes that the application has written, and whether all of it was taken. */
  wrote(all: boolean): void {
    if (this.#callback && !this.#armed) this.#armed = !all || this.#room() === 0;
  }

  readonly #beforeOutput = (): void => {
    if (this.desiredSize === 0 || !this.#armed) return;
    this.#armed = false;
    try {
      this.#callback!();
    } catch (error) {
      // The other connections of the socket go on.
      queueMicrotask(() => {
        throw error;
      });
    }
  };
}
