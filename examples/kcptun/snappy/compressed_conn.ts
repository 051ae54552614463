import type { Connection, UdpAddress } from "@lowlatency/kcp";
import { SnappyDecoder, SnappyError } from "./decoder.ts";
import { SnappyEncoder } from "./encoder.ts";

/** Compressed bytes that are read at a time. */
const CHUNK = 16_384;
/** Most bytes that a connection keeps memory for between two writes. */
const KEPT = 16_384;

/**
 * A connection whose bytes are compressed on the way. It has the methods of `Deno.Conn`.
 *
 * Every write can be decompressed at once when it arrives. The connection below is given only what the
 * path takes, and just before packets leave. So hardly any bytes stand before those that are written
 * next: those of one write at most.
 */
export class CompressedConn {
  readonly #conn: Connection;
  readonly #encoder = new SnappyEncoder();
  readonly #decoder = new SnappyDecoder();
  #input: Uint8Array<ArrayBuffer> | null = null;
  /** The part of the input that was not decompressed yet. */
  #at = 0;
  #end = 0;
  #output = new Uint8Array(KEPT);
  /** Compressed bytes that the path has not taken yet. */
  #pending = new Uint8Array(0) as Uint8Array;
  /** Whether nothing more can be written: a write fails, and does not wait. */
  #ended = false;
  #finished = false;
  /** Lets a write go on that waits for the bytes before it. */
  #goOn: (() => void) | null = null;

  /** @param conn The connection below. It must not be used for anything else. */
  constructor(conn: Connection) {
    this.#conn = conn;
    conn.closed.then(() => this.#stop(), () => this.#stop());
  }

  /** The address of this side. */
  get localAddr(): UdpAddress {
    return this.#conn.localAddr;
  }

  /** The address of the peer. */
  get remoteAddr(): UdpAddress {
    return this.#conn.remoteAddr;
  }

  /**
   * Reads decompressed bytes.
   *
   * @returns How many there were, or null at the end.
   * @throws {SnappyError} When the bytes of the peer are not compressed, or damaged.
   * @throws {ConnectionError} When the connection has failed.
   */
  async read(p: Uint8Array): Promise<number | null> {
    const decoder = this.#decoder;
    const input = this.#input ??= new Uint8Array(CHUNK);
    for (;;) {
      if (decoder.readable) {
        const count = decoder.read(p);
        if (count > 0 || p.length === 0) return count;
      } else if (this.#at < this.#end) {
        this.#at += decoder.write(input.subarray(this.#at, this.#end));
      } else {
        const count = await this.#conn.read(input).catch((error) => {
          if (this.#finished) return null;
          throw error;
        });
        if (count === null && this.#finished) return null;
        if (count === null) {
          if (decoder.complete) return null;
          throw new SnappyError("Cannot decompress: the stream ends in the middle of a chunk");
        }
        this.#at = 0;
        this.#end = count;
      }
    }
  }

  /**
   * Writes bytes. It waits until the path has taken those of earlier writes.
   *
   * @returns Their number: all are taken.
   * @throws {ConnectionError} When the connection has failed or was closed.
   */
  async write(p: Uint8Array): Promise<number> {
    while (this.#pending.length > 0 && !this.#ended) {
      await new Promise<void>((resolve) => this.#goOn = resolve);
    }
    if (this.#ended) {
      // A connection that has ended says why.
      this.#conn.tryWrite(new Uint8Array());
      throw new Error("Cannot write: the connection was closed on this side");
    }
    const size = SnappyEncoder.maxLength(p.length);
    const output = size <= this.#output.length ? this.#output : new Uint8Array(size);
    this.#pending = output.subarray(0, this.#encoder.encode(p, output));
    this.#flush();
    // To set it asks for a call as soon as there is room.
    if (this.#pending.length > 0) this.#conn.onWritable = () => this.#flush();
    return p.length;
  }

  /** Gives the connection as much as the path takes. */
  #flush(): void {
    const conn = this.#conn;
    for (let room; this.#pending.length > 0 && (room = conn.desiredSize) > 0;) {
      const taken = conn.tryWrite(this.#pending.subarray(0, room));
      if (taken === 0) break;
      this.#pending = this.#pending.subarray(taken);
    }
    if (this.#pending.length === 0) this.#wake();
  }

  /** Gives the connection what is left, whether the path takes it or not. */
  #flushAll(): Promise<void> {
    const rest = this.#pending;
    this.#pending = new Uint8Array(0);
    this.#stop();
    return rest.length > 0 ? this.#conn.writeAll(rest) : Promise.resolve();
  }

  /** Ends the direction of this side (half-close), behind everything that was written. */
  async closeWrite(): Promise<void> {
    await this.#flushAll();
    await this.#conn.closeWrite();
  }

  /**
   * Ends both directions after everything was delivered, without waiting for the end of the peer: an
   * end that kcp-go does not send. Reads give the end.
   */
  finish(): void {
    this.#finished = true;
    this.close();
  }

  /** Closes the connection, after everything was delivered. */
  close(): void {
    // If it has failed, there is nothing to deliver.
    this.#flushAll().catch(() => {}).finally(() => this.#conn.close());
  }

  /** Keeps the process alive. */
  ref(): void {
    this.#conn.ref();
  }

  /** Lets the process end. */
  unref(): void {
    this.#conn.unref();
  }

  #stop(): void {
    this.#ended = true;
    this.#wake();
  }

  #wake(): void {
    const goOn = this.#goOn;
    this.#goOn = null;
    goOn?.();
  }
}
