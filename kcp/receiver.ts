import { AckList } from "./ack_list.ts";
import { AckLimit } from "./ack_limit.ts";
import type { Arena } from "./arena.ts";
import type { Clock } from "./clock.ts";
import { Incarnation } from "./incarnation.ts";
import { checkBytes, type ResolvedKcpOptions } from "./options.ts";
import type { PacketWriter } from "./packet_writer.ts";
import { DUPLICATE, NO_MEMORY, ReceiveBuffer, REFUSED } from "./receive_buffer.ts";
import { PIECE_HEADER, pieceOffset, pieceTotal } from "./piece.ts";
import { CONTRADICTION, PieceBuffer } from "./piece_buffer.ts";
import {
  CMD_ACK,
  CMD_PROBE_ANSWER,
  CMD_SACK,
  CMD_WINS,
  distance,
  MAX_ECHO_LEAD,
  MAX_SACK,
  OVERHEAD,
} from "./segment.ts";

/** Payload bytes that a segment of the receive window counts for at least. */
const USUAL_SEGMENT = 1476;
/** A message of this many bytes can be read, however small the window is. */
const USUAL_MESSAGE = 256 * USUAL_SEGMENT;
/**
 * No peer sends a segment this far behind its first one before it has heard from us: its window is not
 * known to be larger.
 */
const MAX_FIRST_WINDOW = 1024;
/**
 * Selective acknowledgments are sent while so many segments wait behind a gap. With fewer, they would cost
 * more than what is sent again because an acknowledgment was lost.
 */
const MIN_SACK = 16;
/** Segments of the newest ones that a selective acknowledgment tells if it can't tell all. */
const NEWEST = 512;
/** The largest window that `wnd` (u16) can announce, in segments. */
const MAX_WINDOW = 65_535;

/**
 * The receiving half of a machine: it stores data for the application, acknowledges data segments,
 * and announces the receive window.
 */
export class Receiver {
  /** Most payload bytes held for the application, in addition to the limit by the window. */
  limit: number = Infinity;
  /** Whether this end opened the conversation: see {@linkcode Kcp.requireEcho}. */
  initiator = false;
  /** Whether the first segment of another incarnation of the peer has just arrived. */
  restartSign = false;
  /** Whether the peer has restarted. */
  peerRestarted = false;
  /** Whether the packet that is being read echoes a `ts` of this end: the peer has heard us. */
  proven = false;
  /** Whether the window is announced at the next output. */
  announceWindow = false;
  readonly buffer: ReceiveBuffer;
  readonly acks = new AckList();
  readonly #ackLimit = new AckLimit();
  /** Whether the probe of the path MTU that arrived last is answered at the next output. */
  answerProbe = false;
  /** Whether a request for an echo is answered at the next output. */
  answerEcho = false;
  /** `ts` of the last window probe; 0 after it was answered. */
  probedTs = 0;
  /** The data segment or window probe that arrived last: what a reset quotes. */
  quoteSn = 0;
  quoteTs = 0;
  /** Whether one has arrived. */
  quotable = false;
  readonly pieces: PieceBuffer;
  readonly counters = { payloadIn: 0, duplicates: 0, refused: 0, noMemory: 0, foreign: 0 };
  /** The incarnation of the peer that is heard. */
  readonly incarnation = new Incarnation();
  readonly #arena: Arena;
  readonly #clock: Clock;
  readonly #initialSn: number;
  /** `ts` of the request for an echo. */
  #echoTs = 0;
  /** The segment that was acknowledged last. */
  #lastSn = 0;
  #lastTs = 0;
  /** When it arrived, in ms. */
  #lastAt = -Infinity;
  /** Whether it came alone, a while after the one before. */
  #sparse = false;
  /** It is not repeated before this time, in ms. */
  #repeatAt = -Infinity;
  /** The segment that arrived last far behind the newest one: it was sent again. */
  #lateSn = 0;
  /** The largest probe of the path MTU with the newest `ts`. */
  #probeTs = 0;
  #probeSn = 0;
  #probeLength = -1;
  /** Whether the segment that is being read is a piece of one. */
  #partial = false;
  /** Payload bytes of the largest segment that the peer has sent. */
  #largest = 0;
  #options: ResolvedKcpOptions;

  constructor(arena: Arena, initialSn: number, options: ResolvedKcpOptions, clock: Clock) {
    this.buffer = new ReceiveBuffer(arena, initialSn);
    this.pieces = new PieceBuffer(arena);
    this.#arena = arena;
    this.#initialSn = initialSn | 0;
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
   * A segment of another incarnation of the peer is dropped and gets none: the data would be read by
   * the wrong application. See {@linkcode Incarnation}.
   *
   * @param una Its `una`: the peer has acknowledged everything before.
   * @param sentUna The `una` of a peer that has acknowledged nothing.
   * @param offset Arena offset of its payload.
   * @param recovered Whether error correction restored it: a second copy is then no duplicate.
   */
  push(
    sn: number,
    ts: number,
    frg: number,
    una: number,
    sentUna: number,
    offset: number,
    length: number,
    recovered: boolean,
  ): void {
    const { buffer, counters, incarnation } = this;
    const { now } = this.#clock;
    if (incarnation.continues(ts, now)) {
      // The usual case.
    } else if (this.started) {
      // A new incarnation starts from the beginning, and gets no further, since nothing of it is
      // acknowledged. One that opens the conversation has acknowledged nothing itself; one that
      // answers has. Everybody else is a peer whose clock was set, or an earlier incarnation, whose
      // packets come late.
      const begins = distance(sn, this.#initialSn) < MAX_FIRST_WINDOW &&
        (this.initiator || distance(una, sentUna) <= 0);
      // A packet that error correction made of shards of both incarnations shows nothing.
      if (begins || recovered || !this.proven && !incarnation.wasSet(ts, now)) {
        counters.foreign++;
        if (begins && sn === this.#initialSn && !recovered) this.#noteRestart(ts, offset, length);
        return;
      }
      incarnation.setClock(ts, now);
    } else if (
      sn === this.#initialSn && !incarnation.known && !this.#isLate(ts, offset, length)
    ) {
      this.#restartClock(ts);
    } else {
      counters.foreign++;
      return;
    }
    const ahead = distance(sn, buffer.nxt);
    if (ahead < -MAX_WINDOW) {
      // No window reaches back so far. The number is beyond the window, or it is invented.
      counters.refused++;
      return;
    }
    if (ahead < 0) {
      if (!recovered) {
        counters.duplicates++;
        if (sn === this.#initialSn && this.#isOther(ts, offset, length)) {
          // If the peer is asked, it sends the segment again beside its answer.
          this.restartSign = true;
          return;
        }
      }
    } else {
      if (length > this.#largest) this.#largest = length;
      const { headFragments } = buffer;
      const capacity = Math.max(this.#options.rcvWnd, headFragments);
      const budget = this.#budgetOf(capacity, headFragments);
      const result = buffer.store(sn, frg, offset, length, capacity, budget);
      if (result === REFUSED || result === NO_MEMORY) {
        if (result === REFUSED) counters.refused++;
        else counters.noMemory++;
        // The peer must not take us for dead, and learns the window that we keep.
        this.announceWindow ||= this.started;
        return;
      }
      if (result === DUPLICATE) {
        if (!recovered) counters.duplicates++;
      } else {
        counters.payloadIn += length;
        if (distance(buffer.end, sn) > NEWEST) this.#lateSn = sn;
        if (sn === this.#initialSn && !this.started) {
          incarnation.start(this.#arena.bytes, offset, length);
        }
      }
    }
    incarnation.advance(ts, now);
    // The next segment will come after the interval: the acknowledgment would wait for nothing.
    if (now - this.#lastAt >= this.#options.interval) this.#sparse = true;
    // Its sender does not remember a probe of the path MTU before its first segment.
    if (distance(sn, this.#initialSn) >= 0) this.quote(sn, ts);
    this.#lastSn = sn;
    this.#lastTs = ts;
    this.#lastAt = now;
    // The `ts` of the second copy would take the place of the first one's, and hide from the sender that it
    // was needless, and how long the answer took.
    if (ahead < 0 && this.acks.waits(sn)) return;
    this.#ackLimit.add(now, this.acks.count, this.#options.interval);
    this.acks.push(sn, ts, this.#options.rcvWnd);
  }

  /** Whether a first segment is of an earlier incarnation: a question has opened this one. */
  #isLate(ts: number, offset: number, length: number): boolean {
    const { before } = this.incarnation;
    if (!before?.started) return false;
    return !before.differs(this.#arena.bytes, ts, offset, length, this.#clock.now);
  }

  /** Whether a data segment is a request for an echo: no data has its sequence number. */
  isEchoRequest(sn: number, length: number): boolean {
    return length === 0 && sn === ((this.#initialSn - 1) | 0);
  }

  /** Takes a request for an echo. It is answered at any time: nothing is promised by it. */
  handleEchoRequest(sn: number, ts: number): void {
    this.answerEcho = true;
    this.#echoTs = ts;
    this.quote(sn, ts);
  }

  /** Notes a packet of the peer that a reset can quote. */
  quote(sn: number, ts: number): void {
    this.quoteSn = sn;
    this.quoteTs = ts;
    this.quotable = true;
  }

  /** Notes that a first segment of another clock arrived. */
  #noteRestart(ts: number, offset: number, length: number): void {
    const { incarnation } = this;
    const { now } = this.#clock;
    if (!this.initiator) {
      const size = this.#partial ? -1 : length;
      this.restartSign ||= incarnation.differs(this.#arena.bytes, ts, offset, size, now);
    } else if (this.proven || incarnation.isRival(ts, now)) {
      // A new peer that answers has heard us. One of this library has shown its clock with an echo.
      this.peerRestarted = true;
    } else {
      this.restartSign ||= !incarnation.known;
    }
  }

  /**
   * Whether a copy of the first segment is of another incarnation, though the clock continues: one that
   * starts at 0 continues that of an earlier incarnation for some time. Then the data tells them apart.
   */
  #isOther(ts: number, offset: number, length: number): boolean {
    return this.initiator && !this.#partial &&
      this.incarnation.differs(this.#arena.bytes, ts, offset, length, this.#clock.now);
  }

  /** Takes the clock of a peer that opens the conversation, before its first segment. */
  noteOpening(ts: number): void {
    const { incarnation } = this;
    if (this.started || incarnation.known) return;
    const { now } = this.#clock;
    // What came before may be of an earlier incarnation.
    if (incarnation.continues(ts, now)) incarnation.setClock(ts, now);
    else this.#restartClock(ts);
    incarnation.known = true;
  }

  /** Drops what arrived before the clock of the peer was known: it is of an earlier incarnation. */
  #restartClock(ts: number): void {
    this.buffer.dropEarly();
    this.pieces.clear();
    this.acks.clear();
    this.incarnation.setClock(ts, this.#clock.now);
  }

  /**
   * Whether a clock that is shown beside an echo is of a later incarnation than the present one. A late
   * packet of an incarnation before shows the clock that was retired.
   */
  showsRestart(ts: number): boolean {
    const { incarnation } = this;
    const { now } = this.#clock;
    return (incarnation.known || this.started) && !incarnation.continues(ts, now) &&
      !incarnation.isRival(ts, now);
  }

  /**
   * Takes the clock that a WASK or WINS shows beside an echo of a `ts` of this end: see {@linkcode
   * EXTENDED}. A first segment of another clock is of an earlier incarnation from then on.
   */
  learnClock(ts: number): void {
    const { incarnation } = this;
    const { now } = this.#clock;
    if (!incarnation.continues(ts, now)) {
      if (this.started) incarnation.noteRival(ts, now);
      else if (incarnation.known && !this.initiator) this.peerRestarted = true;
      else if (!incarnation.isRival(ts, now)) {
        // The peer has restarted before it has said anything. Its late packets count no longer.
        if (incarnation.known) incarnation.retireClock();
        this.#restartClock(ts);
      }
    } else {
      incarnation.advance(ts, now);
    }
    incarnation.known = true;
  }

  /**
   * Takes a piece of a data segment. The arguments are those of {@linkcode Receiver.push}, for the
   * data of the piece.
   *
   * @returns False when it contradicts an earlier piece.
   */
  pushPiece(
    sn: number,
    ts: number,
    frg: number,
    una: number,
    sentUna: number,
    offset: number,
    length: number,
    recovered: boolean,
  ): boolean {
    const { buffer, pieces } = this;
    const { view } = this.#arena;
    const at = offset + PIECE_HEADER;
    const bytes = length - PIECE_HEADER;
    const ahead = distance(sn, buffer.nxt);
    if (ahead < 0 || buffer.has(sn) || ((sn - buffer.read) >>> 0) >= this.capacity) {
      // A duplicate, or beyond the window.
      this.#partial = true;
      this.push(sn, ts, frg, una, sentUna, at, bytes, recovered);
      this.#partial = false;
      return true;
    }
    const total = pieceTotal(view, offset);
    const block = pieces.add(sn, frg, ts, total, pieceOffset(view, offset), at, bytes, buffer.nxt);
    if (block >= 0) {
      this.push(sn, ts, frg, una, sentUna, block, total, recovered);
      this.#arena.free(block, total);
    }
    return block !== CONTRADICTION;
  }

  /**
   * Takes a probe of the path MTU. Probes of one round have the same `ts`. Each answer names the
   * largest of them that has arrived, so the last answer is enough.
   */
  handleProbe(sn: number, ts: number, length: number): void {
    this.answerProbe = true;
    if (ts === this.#probeTs && length <= this.#probeLength) return;
    this.#probeTs = ts;
    this.#probeSn = sn;
    this.#probeLength = length;
  }

  /** The sequence number of the peer's first segment. */
  get firstSn(): number {
    return this.#initialSn;
  }

  /**
   * The `una` to announce: the first sequence number that has not arrived. After an echo with another
   * clock the peer may have restarted. Then it acknowledges nothing: the new incarnation may have sent
   * segments with these numbers, and takes an `una` as its own.
   */
  get una(): number {
    return this.incarnation.doubtful ? this.#initialSn : this.buffer.nxt;
  }

  /** Whether the first segment of the peer has arrived. */
  get started(): boolean {
    return this.incarnation.started;
  }

  /** Segments that may be held, counted from the first unread one. */
  get capacity(): number {
    // A message that has more fragments than the window could otherwise never be read.
    return Math.max(this.#options.rcvWnd, this.buffer.headFragments);
  }

  /**
   * Payload bytes that may be held for the application.
   *
   * @param capacity {@linkcode Receiver.capacity}.
   * @param fragments Unread fragments of the first message.
   */
  #budgetOf(capacity: number, fragments: number): number {
    const { limit } = this;
    let most = capacity * Math.max(this.#options.mtu - OVERHEAD, USUAL_SEGMENT);
    if (fragments > 1) {
      // A message that has larger fragments than the window counts could otherwise never be read.
      most = Math.max(most, Math.min(USUAL_MESSAGE, fragments * this.buffer.headLength));
    }
    return limit < most ? limit : most;
  }

  /**
   * The window to announce, in segments: as many as the window has room for, if each is as large as the
   * largest that the peer has sent.
   */
  get window(): number {
    const { buffer, capacity } = this;
    const segments = Math.min(MAX_WINDOW, capacity - buffer.queued);
    if (segments <= 0) return 0;
    const largest = Math.max(this.#largest, this.#options.mtu - OVERHEAD);
    // Closed, while memory is lacking for what has arrived. An `una` beside an open window says that the
    // segment has not arrived: see Sender.contradicts.
    if (buffer.lacking >= 0) {
      return buffer.has(buffer.nxt) ? 0 : Math.min(segments, buffer.room(largest));
    }
    if (largest <= USUAL_SEGMENT && this.limit === Infinity) return segments;
    const room = Math.max(0, this.#budgetOf(capacity, buffer.headFragments) - buffer.bytes);
    let least = 0;
    const missing = buffer.headFragments - buffer.queued;
    if (buffer.bytes === 0) {
      // An empty buffer takes one segment of any size.
      least = 1;
    } else if (missing > 0) {
      // A message that is not complete can't be read, so its next fragment is needed. It may be
      // smaller than the first one.
      const fitting = Math.min(missing, Math.floor(room / Math.max(1, buffer.headLength)));
      least = Math.max(room > 0 ? 1 : 0, fitting);
    }
    return Math.min(segments, Math.max(least, Math.floor(room / largest)));
  }

  /** Changes {@linkcode Receiver.limit}. */
  setLimit(bytes: number): void {
    const full = this.window === 0;
    this.limit = bytes;
    if (full) this.#announceIfOpen();
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
    return this.started && count > 0 &&
      (ackNoDelay || this.#sparse || this.#clock.now >= this.#clock.nextFlush ||
        count >= Math.min(this.#ackLimit.value, Math.floor(mtu / OVERHEAD)));
  }

  /** When acknowledgments that wait are due, in ms; Infinity when none wait. */
  get acksDueAt(): number {
    return this.started && this.acks.count > 0 ? this.#clock.nextFlush : Infinity;
  }

  /**
   * Makes the last acknowledgment due again if none waits. Its `ts` is later by the time since the
   * segment arrived: else the peer would take that time for a part of the round trip. See {@linkcode
   * MAX_ECHO_LEAD}.
   *
   * @param always Whether it may have been repeated a short time ago.
   */
  repeatAck(always: boolean): void {
    const { now } = this.#clock;
    if (!this.started || this.initiator || this.acks.count > 0) return;
    if (always || now >= this.#repeatAt) {
      this.#repeatAt = now + this.#options.interval;
      const age = Math.min(MAX_ECHO_LEAD, Math.floor(now - this.#lastAt));
      this.acks.push(this.#lastSn, (this.#lastTs + age) | 0, this.#options.rcvWnd);
    }
  }

  /**
   * Writes the acknowledgments. False when the batch is full; the rest stay.
   *
   * @param selective Whether the peer knows selective acknowledgments.
   */
  writeAcks(writer: PacketWriter, selective: boolean): boolean {
    const { acks } = this;
    const { nxt, early } = this.buffer;
    const { now, nextFlush } = this.#clock;
    this.#ackLimit.send(now, acks.count, now >= nextFlush && !this.#sparse);
    this.#sparse = false;
    // Before the first segment is there, the others may be of an older incarnation of the peer.
    if (!this.started || acks.count === 0) return true;
    for (; acks.count > 0; acks.shift()) {
      // `una` acknowledges all before `nxt`. Of those, only the newest is written, for its `ts`.
      if (distance(acks.sn, nxt) < 0 && acks.count > 1) continue;
      if (!writer.reserve(OVERHEAD)) return false;
      writer.write(CMD_ACK, 0, acks.ts, acks.sn, 0);
    }
    // While `una` may be of another incarnation, it goes back to the first segment.
    if (selective && early >= MIN_SACK && !this.incarnation.doubtful) this.#writeSack(writer);
    return true;
  }

  /**
   * Writes selective acknowledgments behind the acknowledgments, as far as they fit there. They tell what
   * arrived recently, so that nothing is sent again if the packet before was lost: all behind the first gap
   * if one bitmap holds it; otherwise the newest segments, and those around the last one that was sent
   * again.
   */
  #writeSack(writer: PacketWriter): void {
    const { nxt, end } = this.buffer;
    const room = Math.min(MAX_SACK, writer.room - OVERHEAD);
    // One of a few bytes in the next packet is worth less than that packet.
    if (room <= 0) return;
    if (distance(end, nxt) <= 8 * room) return this.#writeBitmap(writer, nxt, room);
    const newest = (end - Math.min(NEWEST, 8 * room)) | 0;
    this.#writeBitmap(writer, newest, room);
    const rest = Math.min(MAX_SACK, writer.room - OVERHEAD);
    if (rest <= 0) return;
    // The ones before it are told, too: what is sent again is sent in order.
    const most = distance(newest, nxt) - 8 * rest;
    const first = distance(this.#lateSn, nxt) - 8 * rest + 8;
    this.#writeBitmap(writer, (nxt + Math.max(0, Math.min(most, first))) | 0, rest);
  }

  #writeBitmap(writer: PacketWriter, from: number, room: number): void {
    const length = this.buffer.writeBitmap(from, writer.dataAt, room);
    writer.write(CMD_SACK, 0, this.#lastTs, from, length);
  }

  /** Writes the answer to a probe of the path MTU, if one is due. False when the batch is full. */
  writeProbeAnswer(writer: PacketWriter): boolean {
    if (!this.answerProbe) return true;
    writer.close();
    if (!writer.reserve(OVERHEAD)) return false;
    writer.write(CMD_PROBE_ANSWER, 0, this.#probeTs, this.#probeSn, 0);
    writer.close();
    this.answerProbe = false;
    return true;
  }

  /**
   * Writes the answer to a request for an echo, if it is due. It comes first: a listener that keeps
   * nothing looks for it there. False when the batch is full.
   */
  writeEcho(writer: PacketWriter): boolean {
    if (!this.answerEcho) return true;
    if (!writer.reserve(OVERHEAD)) return false;
    writer.write(CMD_ACK, 0, this.#echoTs, (this.#initialSn - 1) | 0, 0);
    this.answerEcho = false;
    return true;
  }

  /**
   * Writes the window announcement, if it is due. False when the batch is full.
   *
   * @param mark `frg` of the announcement: see {@linkcode EXTENDED}. 0 without extensions.
   * @param ts The time of this end, for a peer that knows the mark.
   */
  writeWindow(writer: PacketWriter, mark: number, ts: number): boolean {
    if (!this.announceWindow) return true;
    if (!writer.reserve(OVERHEAD)) return false;
    if (mark === 0) writer.write(CMD_WINS, 0, 0, 0, 0);
    else writer.write(CMD_WINS, mark, this.probedTs, ts, 0);
    this.probedTs = 0;
    this.announceWindow = false;
    return true;
  }

  /** Size of the block that the arena must have before data goes on. 0 if no memory is lacking. */
  get shortage(): number {
    return this.buffer.shortage;
  }

  /** Tries again what met a full arena. The peer learns that there is memory. */
  retry(): void {
    if (this.buffer.lacking >= 0 && this.buffer.retry()) this.announceWindow ||= this.started;
  }

  /** Gives memory that is not needed now back to the arena. */
  release(): void {
    this.buffer.release();
    // The other pieces of a segment may come later.
    this.pieces.trim(this.buffer.nxt);
    this.acks.release();
  }
}
