/**
 * The KCP state machine.
 *
 * @module
 */
import { Arena } from "./arena.ts";
import { Clock } from "./clock.ts";
import type { Incarnation } from "./incarnation.ts";
import { type DeadLink, Liveness } from "./liveness.ts";
import {
  checkUint32,
  type KcpLiveOptions,
  type KcpOptions,
  type NodelayOptions,
  type ResolvedKcpOptions,
  resolveOptions,
} from "./options.ts";
import { findFault, isExpected } from "./packet.ts";
import type { PacketBatch } from "./packet_batch.ts";
import { PacketWriter } from "./packet_writer.ts";
import { Receiver } from "./receiver.ts";
import { Scratch } from "./scratch.ts";
import {
  CMD,
  CMD_ACK,
  CMD_PUSH,
  CMD_WASK,
  distance,
  FRG,
  LEN,
  OVERHEAD,
  SN,
  TS,
  UNA,
  WND,
} from "./segment.ts";
import { Sender } from "./sender.ts";
import type { KcpStats } from "./stats.ts";

/**
 * One end of a KCP conversation, as a machine without I/O: it reads no clock, sets no timer, draws no
 * randomness and opens no socket. Packets go in and come out, time is told.
 *
 * Whoever runs it calls {@linkcode Kcp.input} for each packet that arrives, {@linkcode Kcp.tick} when
 * {@linkcode Kcp.deadline} has come, and after either of them, and after queueing data,
 * {@linkcode Kcp.output} until it has nothing more. Every `now` is a monotonic time in milliseconds;
 * it may be fractional and may start anywhere.
 *
 * Data goes in as messages, whose boundaries are kept ({@linkcode Kcp.send}, {@linkcode Kcp.recv}),
 * or as a byte stream, whose small writes share segments ({@linkcode Kcp.write}, {@linkcode Kcp.read}).
 * The wire does not tell them apart but for the boundaries, and both may be used on one machine.
 *
 * @example
 * ```ts
 * import { Kcp, PacketBatch, turbo } from "@lowlatency/kcp";
 *
 * const alice = new Kcp(1, turbo);
 * const bob = new Kcp(1, turbo);
 * const batch = new PacketBatch({ arena: alice.arena });
 *
 * alice.send(new TextEncoder().encode("hello"));
 * alice.tick(0);
 * alice.output(batch);
 * for (const packet of batch) bob.input(packet, 20);
 *
 * const message = new Uint8Array(bob.peekSize());
 * bob.recv(message);
 * console.log(new TextDecoder().decode(message)); // hello
 * ```
 */
export class Kcp {
  /** The conversation id, the same on both ends. */
  readonly conv: number;
  /** The memory that payloads live in; a {@linkcode PacketBatch} for this machine must share it. */
  readonly arena: Arena;
  readonly #sender: Sender;
  readonly #receiver: Receiver;
  readonly #writer: PacketWriter;
  readonly #liveness = new Liveness();
  readonly #clock = new Clock();
  readonly #scratch: Scratch;
  readonly #counters = { packetsIn: 0, bytesIn: 0, segmentsIn: 0 };
  readonly #errors = { short: 0, conv: 0, cmd: 0, length: 0, una: 0, ack: 0 };
  /** The settings that the application gave, without defaults. */
  #given: KcpLiveOptions;
  #options: ResolvedKcpOptions;

  /**
   * Makes one end of a conversation.
   *
   * @param conv The conversation id that both ends agreed on, 0 to 4294967295.
   * @param options Settings.
   * @param arena Memory to share with other machines.
   * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range.
   */
  constructor(conv: number, options: KcpOptions = {}, arena: Arena = new Arena()) {
    const { congestion, initialSndSn = 0, initialRcvSn = 0, initialTs = 0, ...live } = options;
    this.conv = checkUint32("conv", conv);
    this.arena = arena;
    this.#given = live;
    this.#options = resolveOptions(live);
    const sndSn = checkUint32("initialSndSn", initialSndSn);
    const rcvSn = checkUint32("initialRcvSn", initialRcvSn);
    this.#liveness.configure(this.#options.deadLinkTime);
    this.#sender = new Sender(
      arena,
      sndSn,
      checkUint32("initialTs", initialTs),
      this.#options,
      congestion,
      this.#liveness,
      this.#clock,
    );
    this.#receiver = new Receiver(arena, rcvSn, this.#options, this.#clock);
    this.#writer = new PacketWriter(conv, this.#sender.pacer);
    this.#scratch = new Scratch(arena);
  }

  /** The settings in force. */
  get options(): ResolvedKcpOptions {
    return this.#options;
  }

  /**
   * Changes settings while the machine runs; those not named stay.
   *
   * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range; then
   * nothing is changed.
   */
  configure(change: KcpLiveOptions): void {
    const named = Object.entries(change).filter(([, value]) => value !== undefined);
    const given = { ...this.#given, ...Object.fromEntries(named) };
    this.#options = resolveOptions(given);
    this.#given = given;
    this.#liveness.configure(this.#options.deadLinkTime);
    this.#sender.configure(this.#options);
    this.#receiver.configure(this.#options);
  }

  /**
   * The four settings by position, as every KCP implementation has them.
   *
   * @param nodelay See {@linkcode NodelayOptions.nodelay}.
   * @param interval See {@linkcode NodelayOptions.interval}.
   * @param resend See {@linkcode NodelayOptions.resend}.
   * @param nc See {@linkcode NodelayOptions.nc}; 0 and 1 count as false and true.
   * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range.
   */
  nodelay(
    nodelay: NodelayOptions["nodelay"],
    interval: number,
    resend: number,
    nc: boolean | 0 | 1,
  ): void {
    this.configure({ nodelay, interval, resend, nc: nc === 0 || nc === 1 ? nc === 1 : nc });
  }

  /** Payload bytes of a full segment: the MTU less the header. */
  get mss(): number {
    return this.#sender.mss;
  }

  /** Most payload bytes held for reading, in addition to the limit by the window. Default: `Infinity`. */
  get rcvLimit(): number {
    return this.#receiver.limit;
  }

  set rcvLimit(bytes: number) {
    this.#receiver.limit = bytes;
  }

  /**
   * Bytes of data segments, headers included, that may still be sent. Each one that is sent reduces it.
   * Default: `Infinity`.
   */
  get sndLimit(): number {
    return this.#sender.limit;
  }

  set sndLimit(bytes: number) {
    this.#sender.limit = bytes;
  }

  /** First sequence number that is not acknowledged. */
  get sndUna(): number {
    return this.#sender.buffer.una >>> 0;
  }

  /** Sequence number of the next new segment. */
  get sndNxt(): number {
    return this.#sender.buffer.nxt >>> 0;
  }

  /** First sequence number that has not arrived. */
  get rcvNxt(): number {
    return this.#receiver.buffer.nxt >>> 0;
  }

  /**
   * Why the peer is taken for unreachable, null while it is not. A dead machine does nothing more; what had
   * arrived can still be read, and {@linkcode Kcp.close} frees what it holds.
   */
  get dead(): DeadLink | null {
    return this.#liveness.dead;
  }

  /** When a valid packet last arrived, `-Infinity` if none did. */
  get heardAt(): number {
    return this.#liveness.heardAt;
  }

  /** Smoothed round-trip time in ms, -1 before the first sample. */
  get srtt(): number {
    return this.#sender.rto.srtt;
  }

  /** Retransmission timeout in ms. */
  get rto(): number {
    return this.#sender.rto.rto;
  }

  /** Whether nothing was ever queued, sent or heard. */
  get pristine(): boolean {
    return this.drained && this.#writer.packets === 0 && this.heardAt === -Infinity;
  }

  /** Whether everything that was queued has been sent and acknowledged. */
  get drained(): boolean {
    return this.#sender.buffer.una === this.#sender.buffer.end;
  }

  /** Segments that are queued or sent, and not acknowledged. */
  get unacknowledged(): number {
    return distance(this.#sender.buffer.end, this.#sender.buffer.una);
  }

  /** Segments that were acknowledged. */
  get acknowledged(): number {
    return this.#sender.buffer.acknowledged;
  }

  /** Segments among them that had to be sent again, as far as the acknowledgments tell. */
  get lost(): number {
    return this.#sender.buffer.lost;
  }

  /** Payload bytes that are queued or sent, and not acknowledged. */
  get sndBytes(): number {
    return this.#sender.buffer.bytes;
  }

  /** Acknowledgments that wait to be sent. */
  get pendingAcks(): number {
    return this.#receiver.acks.count;
  }

  /**
   * Whether the peer has reacted to something that was sent to it: acknowledged data, or told its window
   * when it was asked. A flood from invented addresses does not make it so; somebody who aims at one
   * address and knows the protocol can.
   */
  get answered(): boolean {
    return this.#sender.answered;
  }

  /** Segments that the send queue still takes. */
  get sndRoom(): number {
    return this.#sender.queueRoom;
  }

  /** What was counted so far, and how the machine stands: a snapshot. */
  get stats(): KcpStats {
    const { nc, sndWnd, rcvWnd } = this.#options;
    const sender = this.#sender;
    const receiver = this.#receiver;
    const { srtt, rttvar, rto, min } = sender.rto;
    return {
      ...this.#counters,
      ...sender.counters,
      ...receiver.counters,
      packetsOut: this.#writer.packets,
      bytesOut: this.#writer.bytes,
      segmentsOut: this.#writer.segments,
      inputErrors: { ...this.#errors },
      srtt,
      rttvar,
      minRtt: min,
      rto,
      cwnd: nc ? Infinity : sender.controller.window,
      ssthresh: nc ? Infinity : sender.controller.ssthresh,
      sndWnd,
      rcvWnd,
      rmtWnd: sender.remote.wnd,
      acknowledged: sender.buffer.acknowledged,
      lost: sender.buffer.lost,
      sndQueue: sender.buffer.waiting,
      inFlight: sender.buffer.inFlight,
      rcvQueue: receiver.buffer.queued,
      rcvBuffer: receiver.buffer.early,
      pendingAcks: this.pendingAcks,
      bytesHeld: sender.buffer.bytes + receiver.buffer.bytes,
    };
  }

  // --- the application's side ---

  /**
   * Queues a message. The peer's {@linkcode Kcp.recv} gets it whole.
   *
   * @param message At most 255 segments of {@linkcode Kcp.mss} bytes. It is copied.
   * @returns Whether it was queued; false when the send queue has no room for it now, or the peer is
   * unreachable.
   * @throws {RangeError} When the message is larger than 255 segments.
   */
  send(message: Uint8Array): boolean {
    return this.#sender.send(message);
  }

  /**
   * Queues bytes of the stream; they fill up the last segment first, if that is still unsent.
   *
   * @param bytes They are copied.
   * @returns How many bytes were queued, from the first on: less than all when the send queue is full,
   * none when the peer is unreachable.
   */
  write(bytes: Uint8Array): number {
    return this.#sender.write(bytes);
  }

  /** Bytes of the message that {@linkcode Kcp.recv} takes next, -1 if none is complete. */
  peekSize(): number {
    return this.#receiver.buffer.peekSize();
  }

  /** Whether {@linkcode Kcp.recv} takes an empty message next, where {@linkcode Kcp.read} stops. */
  get atEmptyMessage(): boolean {
    return this.#receiver.buffer.atEmptyMessage;
  }

  /** Bytes that {@linkcode Kcp.read} can take now, at least until an empty message. */
  get readable(): number {
    return this.#receiver.buffer.bytes;
  }

  /**
   * Takes the next message.
   *
   * @param target Where the message goes, at least {@linkcode Kcp.peekSize} bytes.
   * @returns Its size in bytes, -1 if none is complete.
   * @throws {RangeError} When `target` is too small; the message stays.
   */
  recv(target: Uint8Array): number {
    return this.#receiver.recv(target);
  }

  /**
   * Takes bytes of the stream, whatever the message boundaries.
   *
   * @param target Where the bytes go.
   * @returns How many bytes were taken: 0 when there are none, or when the next message is an empty
   * one, which only {@linkcode Kcp.recv} takes.
   */
  read(target: Uint8Array): number {
    return this.#receiver.read(target);
  }

  /**
   * Drops the first segment that waits to be read, whichever message it belongs to.
   *
   * @returns Its unread bytes, -1 if no segment waits.
   */
  skip(): number {
    return this.#receiver.skip();
  }

  // --- the network's side ---

  /**
   * Takes a packet from the network. Whatever is wrong with it is counted in {@linkcode Kcp.stats}, and
   * then no part of the packet has any effect.
   *
   * @param packet One or more segments. It is not kept.
   * @param now The time in ms.
   * @param recovered Whether the packet was restored by error correction: what it says of the peer's
   * window and of the round-trip time may be old, and is not used.
   * @returns Whether the packet was valid.
   */
  input(packet: Uint8Array, now: number, recovered = false): boolean {
    const start = this.#scratch.lay(packet);
    if (start < 0) {
      this.#receiver.counters.refused++;
      return false;
    }
    return this.inputAt(start, start + packet.length, now, recovered);
  }

  /**
   * {@linkcode Kcp.input} for a packet that lies in the arena already.
   *
   * @param start Arena offset of the packet's first byte.
   * @param end Arena offset after its last byte.
   * @param now The time in ms.
   * @param recovered See {@linkcode Kcp.input}.
   * @returns Whether the packet was valid.
   */
  inputAt(start: number, end: number, now: number, recovered = false): boolean {
    this.#clock.advance(now);
    const sender = this.#sender;
    const receiver = this.#receiver;
    const counters = this.#counters;
    const fault = findFault(this.arena.view, start, end, this.conv, sender.buffer.nxt);
    if (fault) {
      this.#errors[fault]++;
      return false;
    }
    if (this.dead) return true;
    const silence = this.#clock.now - this.#liveness.heardAt;
    this.#liveness.heard(this.#clock.now);
    counters.packetsIn++;
    counters.bytesIn += end - start;

    sender.startPacket();
    for (let at = start; end - at >= OVERHEAD;) {
      // Storing a payload can replace the arena's buffer.
      const { view } = this.arena;
      const cmd = view.getUint8(at + CMD);
      const ts = view.getInt32(at + TS, true);
      const sn = view.getInt32(at + SN, true);
      const una = view.getInt32(at + UNA, true);
      const wnd = view.getUint16(at + WND, true);
      const length = view.getInt32(at + LEN, true);
      const data = at + OVERHEAD;
      counters.segmentsIn++;
      if (cmd === CMD_PUSH) {
        const frg = view.getUint8(at + FRG);
        receiver.push(sn, ts, frg, una, sender.firstSn, data, length, recovered);
      } else if (cmd === CMD_ACK) {
        sender.handleAck(sn, ts);
      } else if (cmd === CMD_WASK) {
        receiver.announceWindow = true;
      } else {
        sender.handleWindowReport();
      }
      sender.handleHeader(una, wnd, recovered);
      at = data + length;
    }
    sender.finishPacket(recovered);
    sender.handleSilenceEnd(silence);
    this.#liveness.watch(this.#clock.now, sender.buffer.inFlight > 0);
    return true;
  }

  /**
   * Whether a packet in the arena, from `start` to before `end`, is one that the peer may send now: what
   * it acknowledges is on its way or was the last to be, its data lies in the window or just before it.
   * Nothing is counted. It is what tells a peer that has moved from a stranger.
   */
  fits(start: number, end: number): boolean {
    const { view } = this.arena;
    const { buffer, remote } = this.#sender;
    const { buffer: { nxt }, capacity } = this.#receiver;
    return isExpected(view, start, end, this.conv, remote.una, buffer.nxt, nxt, capacity);
  }

  /**
   * The time at which {@linkcode Kcp.tick} is next due: `Infinity` when nothing is pending, `-Infinity`
   * when something is and no time has been told yet.
   */
  get deadline(): number {
    if (this.dead) return Infinity;
    const sender = this.#sender;
    const receiver = this.#receiver;
    const { now } = this.#clock;
    if (sender.askWindow || receiver.announceWindow || receiver.acksDue) return now;
    return Math.min(receiver.acksDueAt, sender.deadline, this.#liveness.silenceEnds);
  }

  /**
   * Tells the machine that time passed: timeouts are noticed, and what is due gets ready for
   * {@linkcode Kcp.output}.
   *
   * @param now The time in ms.
   * @throws {TypeError} When `now` is NaN.
   */
  tick(now: number): void {
    const clock = this.#clock;
    clock.advance(now);
    if (this.dead) return;
    const liveness = this.#liveness;
    liveness.excuse(clock.now);
    this.#sender.tick();
    liveness.watch(clock.now, this.#sender.buffer.inFlight > 0);
    liveness.judgeSilence(clock.now);
    if (liveness.dead) this.#receiver.acks.clear();
  }

  /**
   * Sends at once what waits for a timeout, and starts with the first timeout again: for a caller that
   * knows that the network is back. kcp-go has it as `ResetRTO`.
   */
  resume(): void {
    this.#sender.resume(true);
  }

  /** Whether the peer's first segment has arrived. Until then, nothing is acknowledged. */
  get started(): boolean {
    return this.#receiver.started;
  }

  /** Whether segments wait for their first transmission. */
  get waiting(): boolean {
    return this.#sender.buffer.waiting > 0;
  }

  /** What tells this incarnation of the peer from another one. */
  get incarnation(): Incarnation {
    return this.#receiver.incarnation;
  }

  /** Tells the peer the window, and all that has arrived, at the next output. */
  tell(): void {
    this.#receiver.announceWindow = true;
  }

  /** Asks the peer for its window at the next output: any answer shows that it is there. */
  probe(): void {
    this.#sender.askWindow = true;
  }

  /**
   * Appends the packets that are due to `batch`, as many as fit: acknowledgments first, unless a few full
   * segments leave at once, then window probes, retransmissions and new data.
   *
   * @param batch A batch in the arena of this machine.
   * @returns How many packets were appended. When it is 0, nothing more is due now.
   * @throws {TypeError} When the batch lies in another arena.
   * @throws {RangeError} When the batch can't hold a packet of the MTU.
   */
  output(batch: PacketBatch): number {
    if (batch.arena !== this.arena) {
      throw new TypeError(
        "Cannot fill a batch of another arena: make it with { arena: kcp.arena }",
      );
    }
    if (batch.largest < this.#options.mtu) {
      throw new RangeError(
        `Cannot fill a batch whose largest packet is ${batch.largest} bytes: the MTU is ${this.#options.mtu}`,
      );
    }
    const { now } = this.#clock;
    if (this.dead || now === -Infinity) return 0;
    const sender = this.#sender;
    const receiver = this.#receiver;
    sender.startOutput();
    const room = sender.held ? 0 : sender.room;
    const data = sender.dataDue(room);
    const control = sender.askWindow || receiver.announceWindow || receiver.acksDue;
    if (!data && !control) return 0;

    const before = batch.count;
    const writer = this.#writer;
    writer.start(batch, this.#options.mtu, receiver.window, receiver.buffer.nxt);
    const acksLast = data && sender.acksFitBetterLast(room);
    const fits = (acksLast || receiver.writeAcks(writer)) && sender.writeProbe(writer) &&
      receiver.writeWindow(writer);
    const left = fits && data ? sender.writeData(writer, room) : room;
    if (acksLast) receiver.writeAcks(writer);
    writer.close();
    // While segments are left, for lack of room in the batch or by pacing, they do not wait again.
    const more = batch.full || (left > 0 && this.#options.writeDelay);
    if (!more) this.#clock.nextFlush = now + this.#options.interval;
    this.#liveness.watch(now, sender.buffer.inFlight > 0);
    return batch.count - before;
  }

  /**
   * When a packet may leave that is none of this machine's, but shares its bounds on bursts and rate. It is not after the last
   * time told if it may leave at once.
   */
  readyAt(): number {
    this.#sender.advancePacer();
    return this.#sender.pacer.readyAt;
  }

  /** Counts such a packet. */
  spend(bytes: number): void {
    this.#sender.pacer.spend(bytes);
  }

  /** Counts bytes that outer layers add to the packet that leaves. */
  charge(bytes: number): void {
    this.#sender.pacer.charge(bytes);
  }

  /** Gives memory that an idle machine does not need back to the arena; it is taken again on demand. */
  trim(): void {
    this.#sender.buffer.release();
    this.#receiver.release();
    this.#scratch.release();
  }

  /** Stops sending: drops what is queued or in flight; what has arrived can still be read. */
  abandon(): void {
    this.#sender.buffer.clear();
    this.#receiver.acks.clear();
    this.#liveness.settle();
  }

  /** Drops all that is queued, in flight or unread, and gives the memory back to the arena. */
  close(): void {
    this.abandon();
    this.#receiver.buffer.clear();
    this.trim();
  }
}
