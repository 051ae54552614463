/**
 * The applications at the ends: they read, write, wait and close as their program says.
 *
 * @module
 */
import { ConnectionError } from "../../../transport/session/mod.ts";
import type { End, OperationName } from "./end.ts";
import type { MomentName, Program } from "./scenario.ts";
import { fill, findDifference, type Outgoing } from "./streams.ts";

/** What an application needs of the run that it is in. */
export interface Stage {
  readonly now: number;
  readonly messages: boolean;
  /** Says that something happened that a fault may wait for. */
  moment(name: MomentName): void;
  /** Waits for an operation of a connection, and lets the rules look at it. */
  operate<T>(end: End, name: OperationName, run: () => Promise<T>): Promise<T>;
  /** The stream whose first byte is `key`. */
  stream(key: number): Outgoing | undefined;
  /** The application at the other end, if it is known. */
  peerOf(application: Application): Application | null;
  /** Whether a server that echoes what an end writes was told to end, so that its echo ends early. */
  echoLeft(end: End): boolean;
  /** An end has read its first byte. */
  recognised(end: End): void;
  /** The largest message that an end may send at the moment. */
  largestMessage(end: End): number;
  /** Breaks the run. */
  fail(rule: string, message: string): never;
}

/** What a peer got while an application sent datagrams. */
export interface Share {
  readonly from: number;
  readonly to: number;
  /** Datagrams that were offered and that arrived. */
  readonly offered: number;
  readonly received: number;
  /** Bytes of the stream that were read, and whether more was to send all the time. */
  readonly streamBytes: number;
  readonly streamBusy: boolean;
}

/** What stops an application whose process is gone. */
const NEVER = new Promise<never>(() => {});

/** One application on one connection. */
export class Application {
  readonly stage: Stage;
  readonly end: End;
  readonly program: Program;
  /** Datagrams that arrived. */
  received = 0;
  /** What came of the datagrams that were sent; null before the last one. */
  share: Share | null = null;
  #readDone = false;
  #waiting: { ready: () => boolean; resolve: () => void }[] = [];

  constructor(stage: Stage, end: End, program: Program) {
    this.stage = stage;
    this.end = end;
    this.program = program;
  }

  /** Does all that the program says; settles when the connection is over or forgotten. */
  async run(): Promise<void> {
    const { end, program } = this;
    if (program.echo) {
      end.in.left = true;
      await end.connection.readable.pipeTo(end.connection.writable).catch(() => {});
      if (program.forgets) return;
    } else {
      this.#receiveDatagrams();
      if (program.opens) await this.#try("opened", () => end.connection.opened);
      await Promise.all([this.#read(), this.#write(), this.#sendDatagrams()]);
      if (program.forgets && end.outcome?.kind) return;
    }
    await this.#close();
  }

  /** Waits for an operation; the kind of the error if it fails. */
  async #try<T>(name: OperationName, run: () => Promise<T>): Promise<T | ConnectionError> {
    try {
      return await this.#alive(this.stage.operate(this.end, name, run));
    } catch (error) {
      if (error instanceof ConnectionError) return error;
      throw error;
    }
  }

  async #alive<T>(promise: Promise<T>): Promise<T> {
    try {
      const value = await promise;
      return this.end.process.alive ? value : await NEVER;
    } catch (error) {
      if (!this.end.process.alive) await NEVER;
      throw error;
    }
  }

  async #sleep(ms: number): Promise<void> {
    await this.#alive(this.end.process.sleep(ms));
  }

  // --- reading ---

  async #read(): Promise<void> {
    const { end, program, stage } = this;
    const { delay, chunk, pauses } = program.read;
    await this.#pause(delay);
    const buffer = new Uint8Array(chunk);
    let next = 0;
    for (;;) {
      while (next < pauses.length && end.in.got >= pauses[next].after) {
        await this.#pause(pauses[next++].ms);
      }
      const result = await this.#try<Uint8Array | number | null>(
        "read",
        () => stage.messages ? end.connection.receiveMessage() : end.connection.read(buffer),
      );
      if (result === null) {
        end.in.outcome = "end";
        this.#ended();
        break;
      }
      if (result instanceof ConnectionError) {
        end.in.outcome = result.kind;
        if (end.closedAt < Infinity) end.in.left = true;
        break;
      }
      this.#take(typeof result === "number" ? buffer.subarray(0, result) : result);
      this.#serve();
    }
    this.#readDone = true;
    this.#serve();
  }

  async #pause(ms: number): Promise<void> {
    if (ms === 0) return;
    this.end.paused += ms;
    await this.#sleep(ms);
  }

  /** Checks what was read. */
  #take(bytes: Uint8Array): void {
    const { stage, end } = this;
    const { in: incoming } = end;
    if (incoming.got === 0 && bytes.length > 0) {
      const from = stage.stream(bytes[0]);
      if (!from) {
        return stage.fail("exactness", `${end.label} read a first byte that no application wrote`);
      }
      incoming.from = from;
      from.readers.push(incoming);
      stage.recognised(end);
      stage.moment("firstRead");
    }
    const from = incoming.from!;
    const at = findDifference(bytes, from.key, incoming.got);
    if (at >= 0) {
      stage.fail(
        "exactness",
        `${end.label}: byte ${incoming.got + at} is not the one that ${from.end.label} wrote`,
      );
    }
    if (stage.messages) {
      const size = from.sizes[incoming.messages];
      if (size !== bytes.length) {
        stage.fail(
          "exactness",
          `${end.label}: message ${incoming.messages} has ${bytes.length} bytes, not ${size}`,
        );
      }
      incoming.messages++;
    }
    const half = from.written / 2;
    if (incoming.got < half && incoming.got + bytes.length >= half) stage.moment("halfRead");
    incoming.got += bytes.length;
    if (incoming.got > from.written) {
      stage.fail("exactness", `${end.label} read ${incoming.got} bytes of ${from.written} written`);
    }
  }

  /** The end of the stream was read: all of it must have been. */
  #ended(): void {
    const { stage, end } = this;
    const { from, got } = end.in;
    if (from?.end === end && stage.echoLeft(end)) return;
    if (from && (from.endedAt === Infinity || got !== from.written)) {
      stage.fail(
        "exactness",
        `${end.label} read the end after ${got} bytes of ${from.written} that ${from.end.label} wrote`,
      );
    }
  }

  // --- writing ---

  /** Waits for something that the reader does; false if it never will. */
  #until(ready: () => boolean): Promise<boolean> {
    if (ready() || this.#readDone) return Promise.resolve(ready());
    return new Promise((resolve) => {
      this.#waiting.push({ ready, resolve: () => resolve(ready()) });
    });
  }

  #serve(): void {
    const still = [];
    for (const waiter of this.#waiting) {
      if (this.#readDone || waiter.ready()) waiter.resolve();
      else still.push(waiter);
    }
    this.#waiting = still;
  }

  async #write(): Promise<void> {
    const { end, stage, program } = this;
    const { after, sizes, gap, lockstep, drainEvery, then } = program.write;
    const { in: incoming } = end;
    if (after === "firstByte" && !await this.#until(() => incoming.got > 0)) return;
    if (after === "end" && !await this.#until(() => incoming.outcome === "end")) return;
    let sent = 0;
    for (const [n, size] of sizes.entries()) {
      if (end.closedAt < Infinity) return;
      if (n > 0 && gap > 0) await this.#sleep(gap);
      if (lockstep && n > 0) {
        const goal = sent;
        if (!await this.#until(() => incoming.got >= goal)) return;
      }
      if (!await this.#writePiece(size)) return;
      sent += size;
      if (drainEvery > 0 && (n + 1) % drainEvery === 0 && !await this.#drain()) return;
    }
    if (after === "end") stage.moment("responseWritten");
    if (then === "drainClose" && !await this.#drain()) return;
    if (then === "closeWrite") await this.#closeWrite();
    // The other task ends with an error of its own.
    else if (then !== "nothing") this.#startClose();
  }

  async #writePiece(size: number): Promise<boolean> {
    const { end, stage } = this;
    const { connection, out } = end;
    if (stage.messages) return await this.#writeMessage(size);
    const piece = fill(new Uint8Array(size), out.key, out.written);
    for (let done = 0; done < size;) {
      const result = await this.#try("write", () => connection.write(piece.subarray(done)));
      if (result instanceof ConnectionError) return false;
      out.wrote(result, stage.now);
      done += result;
    }
    return true;
  }

  async #writeMessage(size: number): Promise<boolean> {
    const { end, stage } = this;
    const { connection, out } = end;
    for (;;) {
      const message = new Uint8Array(Math.min(size, stage.largestMessage(end)));
      fill(message, out.key, out.written);
      let result;
      try {
        result = await this.#try("write", () => connection.sendMessage(message));
      } catch (error) {
        // The MTU became smaller while it waited.
        if (error instanceof RangeError && message.length > connection.maxMessageSize) continue;
        throw error;
      }
      if (result instanceof ConnectionError) return false;
      out.sizes.push(message.length);
      out.wrote(message.length, stage.now);
      return true;
    }
  }

  async #drain(): Promise<boolean> {
    const { end, stage } = this;
    if (await this.#try("drained", () => end.connection.drained()) instanceof ConnectionError) {
      return false;
    }
    // A closed connection has no more to deliver, which says nothing of what was delivered.
    if (end.closedAt === Infinity) end.out.promise("drained()", stage.now);
    stage.moment("drained");
    return true;
  }

  async #closeWrite(): Promise<void> {
    const { end, stage } = this;
    end.out.endedAt = Math.min(end.out.endedAt, stage.now);
    stage.moment("closeWrite");
    const result = await this.#try("closeWrite", async () => {
      await end.connection.closeWrite();
      await end.connection.drained();
    });
    if (result instanceof ConnectionError || end.closedAt < Infinity) return;
    end.out.promise("closeWrite()", stage.now);
    end.out.endPromisedAt = stage.now;
    end.out.endAcknowledged = true;
  }

  // --- the end ---

  #startClose(): void {
    const { end, stage } = this;
    if (end.closedAt < Infinity) return;
    end.closedAt = stage.now;
    end.out.endedAt = Math.min(end.out.endedAt, stage.now);
    stage.moment("close");
    end.connection.close();
  }

  async #close(): Promise<void> {
    const { end, stage } = this;
    this.#startClose();
    const result = await this.#try("closed", () => end.connection.closed);
    if (result instanceof ConnectionError) return;
    end.out.promise("closed", stage.now);
    end.out.endPromisedAt = stage.now;
    const { inFlight, sndQueue } = end.connection.stats;
    end.out.endAcknowledged ||= inFlight + sndQueue === 0;
  }

  // --- datagrams ---

  async #sendDatagrams(): Promise<void> {
    const { end, program, stage } = this;
    const { count, gap, size } = program.datagrams;
    if (count === 0) return;
    if (end.name === "server" && !await this.#until(() => end.in.got > 0)) return;
    const from = stage.now;
    const before = stage.peerOf(this)?.end.in.got ?? 0;
    const payload = new Uint8Array(Math.min(size, end.connection.maxDatagramSize));
    let streamBusy = true;
    for (let n = 0; n < count; n++) {
      if (end.isOver) return;
      fill(payload, end.out.key, n * payload.length);
      if (payload.length > 0) payload[0] = end.out.key;
      try {
        end.connection.sendDatagram(payload);
      } catch (error) {
        if (error instanceof ConnectionError || error instanceof RangeError) return;
        throw error;
      }
      await this.#sleep(gap);
      const peer = stage.peerOf(this);
      streamBusy &&= !!peer && end.out.written > peer.end.in.got;
    }
    const to = stage.now;
    // The last ones are still on their way.
    await this.#sleep(1000);
    const peer = stage.peerOf(this);
    if (!peer) return;
    const streamBytes = peer.end.in.got - before;
    this.share = { from, to, offered: count, received: peer.received, streamBytes, streamBusy };
  }

  async #receiveDatagrams(): Promise<void> {
    const { end, stage } = this;
    for (;;) {
      let payload;
      try {
        payload = await this.#alive(end.connection.receiveDatagram());
      } catch (error) {
        if (error instanceof ConnectionError) return;
        throw error;
      }
      if (payload === null) return;
      this.received++;
      if (payload.length > 0 && !stage.stream(payload[0])) {
        stage.fail("exactness", `${end.label} received a datagram that no application sent`);
      }
    }
  }
}
