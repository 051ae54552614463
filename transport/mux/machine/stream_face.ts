import type { MuxError } from "./errors.ts";

/** Settings of a stream that this side opens. */
export interface MuxOpenOptions {
  /** See {@linkcode MuxMachineStream.sendOrder}. Default: 0. */
  readonly sendOrder?: number;
  /** See {@linkcode MuxMachineStream.sendGroup}. Default: null. */
  readonly sendGroup?: unknown;
  /** See {@linkcode MuxMachineStream.setWeight}. 1 to 256. Default: 16. */
  readonly weight?: number;
}

/**
 * What a stream tells its user. It is told at the end of the call of the machine in which it
 * happened, when the machine may be used again; several events of a kind may be told as one.
 */
export interface MuxStreamHandler {
  /** Data, the end, or {@linkcode MuxMachineStream.readError} has come. */
  onReadable?(stream: MuxMachineStream): void;
  /** `sent` has grown, the end was sent, or {@linkcode MuxMachineStream.writeError} has come. */
  onWritable?(stream: MuxMachineStream): void;
  /** Nothing can happen to the stream any more. */
  onClosed?(stream: MuxMachineStream): void;
}

/**
 * One stream of a {@linkcode MuxMachine}: two directions, each of which ends on its own.
 *
 * @example
 * ```ts
 * import { MuxMachine } from "@lowlatency/kcp/mux";
 *
 * const machine = new MuxMachine({ client: true }, 0);
 * const stream = machine.open({ sendOrder: 1 });
 * stream.handler = {
 *   onReadable() {
 *     const bytes = new Uint8Array(stream.readable);
 *     stream.read(bytes);
 *   },
 * };
 * stream.write(new TextEncoder().encode("hello"));
 * stream.closeWrite();
 * ```
 */
export interface MuxMachineStream {
  /** Id on the wire: odd if the client opened the stream, else even. */
  readonly id: number;
  /** Whether the peer has opened it. */
  readonly incoming: boolean;
  /** Who is told what happens to it. */
  handler: MuxStreamHandler | null;
  /** Whether nothing can happen to it any more. What has arrived can still be read. */
  readonly closed: boolean;

  /** Bytes that can be read now. */
  readonly readable: number;
  /** Whether the peer has ended its direction, and everything was read. */
  readonly readEnded: boolean;
  /** The reason why no more will come than what is {@linkcode MuxMachineStream.readable}. */
  readonly readError: MuxError | null;
  /**
   * Moves the oldest bytes to the start of `target`.
   *
   * @param target Memory to fill.
   * @param now The time in ms. Default: the last one that the machine was given.
   * @returns How many bytes: 0 if none have come, or after the end.
   */
  read(target: Uint8Array, now?: number): number;
  /**
   * Wants no more data: what has come and what comes is dropped. A peer that runs this module is
   * told, and its writes fail with the code. Another one of version 2 waits when its window is used
   * up.
   *
   * @param code 0 to 2^32 - 257. Default: 0.
   * @throws {RangeError} If the code is out of range.
   */
  stopReading(code?: number): void;

  /** Whether more can be written: neither the end was written nor has the direction failed. */
  readonly writable: boolean;
  /** Bytes that were written and wait to be sent. */
  readonly queued: number;
  /** Bytes that the connection below has taken since the stream was opened. */
  readonly sent: number;
  /**
   * Bytes that the peer allows at present; `Infinity` in version 1, which has no credit. smux gives
   * none for a stream that its application has closed, and sends nothing but FIN: a writer that has
   * seen the end should not wait without a timeout.
   */
  readonly credit: number;
  /** The reason why nothing more can be sent. */
  readonly writeError: MuxError | null;
  /**
   * Queues bytes without a copy. They must not change until `sent` has grown by as many, or until
   * the direction has failed and the batches that were filled before are released. There is no
   * limit: the user waits for `sent` to grow.
   *
   * @throws {MuxError} If the end was written, or the direction has failed.
   */
  write(bytes: Uint8Array): void;
  /**
   * Queues several pieces at once, as {@linkcode MuxMachineStream.write} does. Frames are filled
   * across pieces.
   *
   * @throws {MuxError} If the end was written, or the direction has failed.
   */
  writev(pieces: readonly Uint8Array[]): void;
  /**
   * Takes back what waits to be sent. What is in a batch already is sent.
   *
   * @returns How many bytes.
   */
  withdraw(): number;
  /** Ends this side's direction, behind all that was written. */
  closeWrite(): void;
  /**
   * Ends this side's direction at once: what waits is dropped. A peer that runs this module learns
   * the code; for another it looks like the end.
   *
   * @param code 0 to 2^32 - 257. Default: 0.
   * @throws {RangeError} If the code is out of range.
   */
  resetWrite(code?: number): void;
  /**
   * Ends both directions at once.
   *
   * @param code 0 to 2^32 - 257. Default: 0.
   * @throws {RangeError} If the code is out of range.
   */
  reset(code?: number): void;

  /**
   * Priority: as long as a stream of a higher order in the same group has something to send, this
   * one sends nothing. Any finite number; it can be changed at any time.
   */
  sendOrder: number;
  /** Streams of one group have an order among themselves. Groups share the bytes equally. */
  readonly sendGroup: unknown;
  /** The share of the bytes among streams of the same order and group. Default: 16. */
  readonly weight: number;
  /**
   * Changes the share.
   *
   * @param weight 1 to 256.
   * @throws {RangeError} If it is no such integer.
   */
  setWeight(weight: number): void;
}
