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
 * Every write can be decompressed at once when it arrives. A write waits until the path takes more, so
 * that hardly any bytes stand before those that are written next.
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
  /** Whether nothing more can be written: a write fails, and does not wait. */
  #ended = false;
  #finished = false;
  /** Lets a write go on that waits for the path. */
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
   * Writes bytes.
   *
   * @returns Their number: all are taken.
   * @throws {ConnectionError} When the connection has failed or was closed.
   */
  async write(p: Uint8Array): Promise<number> {
    const size = SnappyEncoder.maxLength(p.length);
    const output = size <= this.#output.length ? this.#output : new Uint8Array(size);
    const end = this.#encoder.encode(p, output);
    while (!this.#ended && this.#conn.desiredSize === 0) {
      await new Promise<void>((resolve) => {
        this.#goOn = resolve;
        // To set it asks for a call, whatever was written meanwhile.
        this.#conn.onWritable = () => this.#wake();
      });
    }
    if (end > 0) await this.#conn.writeAll(output.subarray(0, end));
    return p.length;
  }

  /** Ends the direction of this side (half-close). */
  closeWrite(): Promise<void> {
    this.#stop();
    return this.#conn.closeWrite();
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
    this.#stop();
    this.#conn.close();
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
