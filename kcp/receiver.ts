import { AckList } from "./ack_list.ts";
import type { Arena } from "./arena.ts";
import type { Clock } from "./clock.ts";
import { checkBytes, type ResolvedKcpOptions } from "./options.ts";
import type { PacketWriter } from "./packet_writer.ts";
import { DUPLICATE, ReceiveBuffer, REFUSED } from "./receive_buffer.ts";
import { CMD_ACK, CMD_WINS, distance, OVERHEAD } from "./segment.ts";

/** Payload bytes that a segment of the receive window counts for at least. */
const USUAL_SEGMENT = 1476;
/**
 * Acknowledgments wait for the interval until there are this many, or enough to fill a packet.
 *
 * If more could wait, a sender could stop: its burst or window may be in flight, and part of that
 * may be FEC parity, which is not acknowledged.
 */
const MAX_HELD_ACKS = 16;
/** The largest window that `wnd` (u16) can announce, in segments. */
const MAX_WINDOW = 65_535;

/**
 * The receiving half of a machine: it stores data for the application, acknowledges data segments,
 * and announces the receive window.
 */
export class Receiver {
  /** Most payload bytes held for the application, in addition to the limit by the window. */
  limit: number = Infinity;
  /** Whether the window is announced at the next output. */
  announceWindow = false;
  readonly buffer: ReceiveBuffer;
  readonly acks = new AckList();
  readonly counters = { payloadIn: 0, duplicates: 0, refused: 0 };
  readonly #clock: Clock;
  #options: ResolvedKcpOptions;

  constructor(arena: Arena, initialSn: number, options: ResolvedKcpOptions, clock: Clock) {
    this.buffer = new ReceiveBuffer(arena, initialSn);
    this.#clock = clock;
    this.#options = options;
  }

  configure(options: ResolvedKcpOptions): void {
    this.#options = options;
  }

  // --- from the network ---

  /**
   * Takes a data segment, and notes the acknowledgment that it gets.
   *
   * @param offset Arena offset of its payload.
   * @param recovered Whether error correction restored it: a second copy is then no duplicate.
   */
  push(
    sn: number,
    ts: number,
    frg: number,
    offset: number,
    length: number,
    recovered: boolean,
  ): void {
    const { buffer, counters } = this;
    const { mtu, rcvWnd } = this.#options;
    const ahead = distance(sn, buffer.nxt);
    if (ahead < -MAX_WINDOW) {
      // No window reaches back so far. The number is beyond the window, or it is invented.
      counters.refused++;
      return;
    }
    if (ahead < 0) {
      if (!recovered) counters.duplicates++;
    } else {
      const window = this.capacity;
      const budget = Math.min(this.limit, window * Math.max(mtu - OVERHEAD, USUAL_SEGMENT));
      const result = buffer.store(sn, frg, offset, length, window, budget);
      if (result === REFUSED) {
        counters.refused++;
        return;
      }
      if (result === DUPLICATE) {
        if (!recovered) counters.duplicates++;
      } else {
        counters.payloadIn += length;
      }
    }
    this.acks.push(sn, ts, rcvWnd);
  }

  /** Segments that may be held, counted from the first unread one. */
  get capacity(): number {
    // A message that has more fragments than the window could otherwise never be read.
    return Math.max(this.#options.rcvWnd, this.buffer.headFragments);
  }

  /** The window to announce, in segments. */
  get window(): number {
    return Math.max(0, Math.min(MAX_WINDOW, this.capacity - this.buffer.queued));
  }

  // --- to the application ---

  /** See {@linkcode Kcp.recv}. */
  recv(target: Uint8Array): number {
    checkBytes(target);
    const { buffer } = this;
    const size = buffer.peekSize();
    if (size < 0) return -1;
    if (size > target.length) {
      throw new RangeError(
        `Cannot receive a message of ${size} bytes into ${target.length} bytes`,
      );
    }
    const full = this.window === 0;
    buffer.takeMessage(target, size);
    if (full) this.#announceIfOpen();
    return size;
  }

  /** See {@linkcode Kcp.read}. */
  read(target: Uint8Array): number {
    checkBytes(target);
    const full = this.window === 0;
    const count = this.buffer.takeBytes(target);
    if (full) this.#announceIfOpen();
    return count;
  }

  /** See {@linkcode Kcp.skip}. */
  skip(): number {
    const full = this.window === 0;
    const count = this.buffer.skip();
    if (full) this.#announceIfOpen();
    return count;
  }

  /** Announces the window after it opened: the peer may be waiting for it. */
  #announceIfOpen(): void {
    if (this.window > 0) this.announceWindow = true;
  }

  // --- to the network ---

  /** Whether acknowledgments are due to be sent. */
  get acksDue(): boolean {
    const { count } = this.acks;
    const { ackNoDelay, mtu } = this.#options;
    return count > 0 &&
      (ackNoDelay || this.#clock.now >= this.#clock.nextFlush ||
        count >= Math.min(MAX_HELD_ACKS, Math.floor(mtu / OVERHEAD)));
  }

  /** Writes the acknowledgments. False when the batch is full; the rest stay. */
  writeAcks(writer: PacketWriter): boolean {
    const { acks } = this;
    const { nxt } = this.buffer;
    for (; acks.count > 0; acks.shift()) {
      // `una` acknowledges all before `nxt`. Of those, only the newest is written, for its `ts`.
      if (distance(acks.sn, nxt) < 0 && acks.count > 1) continue;
      if (!writer.reserve(OVERHEAD)) return false;
      writer.write(CMD_ACK, 0, acks.ts, acks.sn, 0);
    }
    return true;
  }

  /** Writes the window announcement, if one is due. False when the batch is full. */
  writeWindow(writer: PacketWriter): boolean {
    if (!this.announceWindow) return true;
    if (!writer.reserve(OVERHEAD)) return false;
    writer.write(CMD_WINS, 0, 0, 0, 0);
    this.announceWindow = false;
    return true;
  }

  /** Gives memory that is not needed now back to the arena. */
  release(): void {
    this.buffer.release();
    this.acks.release();
  }
}
