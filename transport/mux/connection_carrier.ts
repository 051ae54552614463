import { type Connection, partsOf } from "../connection/connection.ts";
import type { Driver } from "../connection/driver.ts";
import type { UdpAddress } from "../connection/udp_address.ts";
import { type Carrier, giveBatch, takeBatch } from "./carrier.ts";
import type { MuxMachine } from "./machine/machine.ts";
import type { OutputBatch } from "./machine/output_batch.ts";

/** Bytes that are read from the connection at a time. */
const CHUNK = 65_536;
/** Most bytes of frames at a time. More has no use: the path takes them piece by piece. */
const MAX_ROOM = 262_144;
/** So many frames of so few bytes on average are answered together: see {@linkcode Driver.holdAnswers}. */
const MANY_FRAMES = 4;
const SMALL_FRAME = 1024;
/** Every control frame fits in so many bytes. */
const MIN_ROOM = 1100;

/**
 * Memory for what is read, which carriers lend each other. While one uses it, it is null: a handler
 * that is called meanwhile may read a stream of another mux, whose carrier then reads on.
 */
let scratch: Uint8Array<ArrayBuffer> | null = null;

/**
 * Moves bytes between a machine and a KCP connection.
 *
 * The connection asks for bytes just before packets leave, and says how many the path takes. Only
 * so many are given to it. So what waits, waits in the streams, and the machine decides as late as
 * possible which of them sends next.
 */
export class ConnectionCarrier implements Carrier {
  readonly closed: Promise<void>;
  /** The connection tells what was delivered. */
  readonly outputEnded: boolean = false;
  readonly #connection: Connection;
  readonly #driver: Driver;
  #machine!: MuxMachine;
  #received!: () => void;
  #flushing = false;
  #reading = false;
  #finishing = false;
  /** Bytes of frames that the send queue had no room for. */
  #unsent: Uint8Array | null = null;
  /** Bytes that were read, and that the machine has not taken. */
  #unread: Uint8Array | null = null;

  /** @param connection The connection. It must be used for nothing else but datagrams. */
  constructor(connection: Connection) {
    this.#connection = connection;
    this.#driver = partsOf(connection).driver;
    this.closed = connection.closed;
  }

  get opened(): Promise<void> {
    return this.#connection.opened;
  }

  get localAddr(): UdpAddress {
    return this.#connection.localAddr;
  }

  get remoteAddr(): UdpAddress {
    return this.#connection.remoteAddr;
  }

  now(): number {
    return this.#driver.now();
  }

  after(delay: number, run: () => void): () => void {
    return this.#driver.after(delay, run);
  }

  start(machine: MuxMachine, received: () => void): void {
    this.#machine = machine;
    this.#received = received;
    const connection = this.#connection;
    // A listener learns of a connection by its first packet. It may have a stream to open.
    if (connection.state === "connecting") void connection.opened;
    connection.onWritable = () => this.flush();
    connection.onReadable = () => this.resume();
    connection.closed.catch((error) => {
      // What has arrived comes before the error.
      this.resume();
      machine.fail(error);
    });
  }

  flush(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    try {
      this.#send();
    } catch (error) {
      this.#machine.fail(error);
    } finally {
      this.#flushing = false;
    }
  }

  /** Gives the connection as much as the path takes. */
  #send(): void {
    const connection = this.#connection;
    const machine = this.#machine;
    if (this.#unsent && !this.#sendRest(this.#unsent)) return;
    let batch: OutputBatch | null = null;
    while (machine.hasOutput) {
      const wanted = connection.desiredSize;
      if (wanted === 0) break;
      batch ??= takeBatch();
      const room = Math.min(MAX_ROOM, Math.max(MIN_ROOM, wanted));
      if (machine.output(batch, room, this.now()) === 0) break;
      try {
        this.#write(batch);
      } finally {
        machine.release(batch);
      }
      if (this.#unsent) break;
    }
    if (batch) giveBatch(batch);
    if (this.#finishing && !this.#unsent && !machine.hasOutput) connection.close();
  }

  /** Writes a batch. What the send queue does not take is copied, and waits. */
  #write(batch: OutputBatch): void {
    const taken = this.#connection.tryWritev(batch.views());
    if (taken === batch.bytes) return;
    const all = new Uint8Array(batch.bytes);
    batch.copyTo(all, 0);
    this.#unsent = all.subarray(taken);
  }

  /** True if nothing is left. */
  #sendRest(unsent: Uint8Array): boolean {
    const taken = this.#connection.tryWrite(unsent);
    this.#unsent = taken === unsent.length ? null : unsent.subarray(taken);
    return this.#unsent === null;
  }

  resume(): void {
    if (this.#reading) return;
    this.#reading = true;
    try {
      this.#receive();
    } catch (error) {
      this.#machine.fail(error);
    } finally {
      this.#reading = false;
    }
  }

  /** Gives the machine what has arrived. */
  #receive(): void {
    const connection = this.#connection;
    const machine = this.#machine;
    const { rtt } = connection;
    if (rtt > 0) machine.rtt = rtt;
    const { framesReceived, bytesReceived } = machine.stats;
    if (this.#unread && !this.#input(this.#unread)) return;
    const buffer = scratch ?? new Uint8Array(CHUNK);
    scratch = null;
    try {
      while (machine.receptive) {
        const count = connection.tryRead(buffer);
        if (count === null) machine.inputEnd(this.now());
        if (!count) return;
        if (!this.#input(count === CHUNK ? buffer : buffer.subarray(0, count))) return;
      }
    } finally {
      scratch = buffer;
      const frames = machine.stats.framesReceived - framesReceived;
      const bytes = machine.stats.bytesReceived - bytesReceived;
      if (frames >= MANY_FRAMES && bytes < frames * SMALL_FRAME) this.#driver.holdAnswers();
    }
  }

  /**
   * Gives bytes to the machine. What it does not take is copied, and waits. True if it took all.
   */
  #input(bytes: Uint8Array): boolean {
    const machine = this.#machine;
    let taken = machine.input(bytes, this.now());
    // Reads that waited are served meanwhile, and make room: nobody calls for the rest then.
    while (taken < bytes.length && machine.receptive) {
      taken += machine.input(bytes.subarray(taken), this.now());
    }
    this.#unread = taken === bytes.length ? null : bytes.slice(taken);
    this.#received();
    return this.#unread === null;
  }

  finish(): void {
    this.#finishing = true;
    this.flush();
  }

  abort(reason: Error): void {
    this.#connection.abort(reason);
  }

  async dispose(): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
  }

  ref(): void {
    this.#connection.ref();
  }

  unref(): void {
    this.#connection.unref();
  }
}
