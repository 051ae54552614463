import { deferred } from "../connection/deferred.ts";
import type { Clock } from "../connection/driver.ts";
import type { ByteChannel, ByteConn } from "./byte_channel.ts";
import { type Carrier, giveBatch, type MuxAddress, takeBatch } from "./carrier.ts";
import type { MuxMachine } from "./machine/machine.ts";
import { Timers } from "./timers.ts";

/**
 * Most bytes of a write below: an urgent frame waits for no more than that and the system's queue.
 */
const MAX_ROOM = 65_536;

/** Moves bytes between a machine and a connection whose reads and writes are awaited. */
export class ChannelCarrier implements Carrier {
  readonly closed: Promise<void>;
  outputEnded = false;
  readonly opened: Promise<void> = Promise.resolve();
  readonly #channel: ByteChannel;
  readonly #conn: Partial<ByteConn>;
  readonly #timers: Timers;
  readonly #linger: number;
  readonly #ended = deferred<void>();
  #machine!: MuxMachine;
  #received!: () => void;
  #writing = false;
  #finishing = false;
  #inputEnded = false;
  #isClosed = false;
  /** Lets the reading go on when the machine takes bytes again. */
  #resume: (() => void) | null = null;

  /**
   * @param channel The connection.
   * @param conn The object that the application has given.
   * @param clock A clock for this carrier only.
   * @param linger How long (ms) the end of the peer may take after that of this side.
   */
  constructor(channel: ByteChannel, conn: Partial<ByteConn>, clock: Clock, linger: number) {
    this.#channel = channel;
    this.#conn = conn;
    this.#timers = new Timers(clock);
    this.#linger = linger;
    this.closed = this.#ended.promise;
    this.closed.catch(() => {});
  }

  get localAddr(): MuxAddress | null {
    return addressOf(this.#conn.localAddr);
  }

  get remoteAddr(): MuxAddress | null {
    return addressOf(this.#conn.remoteAddr);
  }

  now(): number {
    return this.#timers.now();
  }

  after(delay: number, run: () => void): () => void {
    return this.#timers.after(delay, run);
  }

  start(machine: MuxMachine, received: () => void): void {
    this.#machine = machine;
    this.#received = received;
    this.#receive().catch((error) => this.#fail(error));
  }

  async #receive(): Promise<void> {
    const machine = this.#machine;
    for (let bytes; (bytes = await this.#channel.read()) !== null;) {
      while ((bytes = bytes.subarray(machine.input(bytes, this.now()))).length > 0) {
        this.#received();
        if (machine.receptive) continue;
        await new Promise<void>((resolve) => this.#resume = resolve);
      }
      this.#received();
    }
    this.#inputEnded = true;
    machine.inputEnd(this.now());
    if (this.outputEnded) this.#close();
  }

  resume(): void {
    const resume = this.#resume;
    this.#resume = null;
    resume?.();
  }

  flush(): void {
    if (this.#writing || this.outputEnded || this.#isClosed) return;
    this.#writing = true;
    this.#send().catch((error) => this.#fail(error));
  }

  async #send(): Promise<void> {
    // What is written at the same moment shares a write below.
    await null;
    const machine = this.#machine;
    while (machine.hasOutput && !this.#isClosed) {
      const bytes = this.#nextBytes();
      if (bytes === null) break;
      await this.#channel.write(bytes);
    }
    if (this.#finishing && !this.#isClosed) await this.#end();
    this.#writing = false;
  }

  /** Copies frames that are due; null if there are none. */
  #nextBytes(): Uint8Array | null {
    const batch = takeBatch();
    try {
      if (this.#machine.output(batch, MAX_ROOM, this.now()) === 0) return null;
      const bytes = this.#channel.buffer(batch.bytes);
      batch.copyTo(bytes, 0);
      this.#machine.release(batch);
      return bytes;
    } finally {
      giveBatch(batch);
    }
  }

  /** Ends this side's direction, and waits for the end of the other one. */
  async #end(): Promise<void> {
    await this.#channel.end();
    this.outputEnded = true;
    if (this.#inputEnded) this.#close();
    else this.after(this.#linger, () => this.#close());
  }

  finish(): void {
    this.#finishing = true;
    this.flush();
  }

  abort(reason: Error): void {
    // What was written has left: only the end of the peer is missing.
    if (this.outputEnded) this.#close(reason);
    else if (!this.#isClosed) this.#fail(reason);
  }

  #fail(error: unknown): void {
    this.#machine.fail(error);
    this.#ended.reject(error);
    this.#close(error);
  }

  #close(error?: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timers.clear();
    this.resume();
    this.#channel.close(error);
    this.#ended.resolve();
  }

  async dispose(): Promise<void> {
    await this.closed.catch(() => {});
  }

  ref(): void {
    this.#timers.ref();
    this.#conn.ref?.();
  }

  unref(): void {
    this.#timers.unref();
    this.#conn.unref?.();
  }
}

/** The address of a connection, if it has one. */
function addressOf(address: unknown): MuxAddress | null {
  const known = typeof address === "object" && address !== null && "hostname" in address;
  return known ? address as MuxAddress : null;
}
