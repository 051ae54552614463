/**
 * The KCP state machine.
 *
 * @module
 */
import { Arena } from "./arena.ts";
import { Clock } from "./clock.ts";
import type { Incarnation } from "./incarnation.ts";
import { type DeadLink, LATE, Liveness } from "./liveness.ts";
import {
  checkUint32,
  type KcpLiveOptions,
  type KcpOptions,
  MIN_MTU,
  type NodelayOptions,
  type ResolvedKcpOptions,
  resolveOptions,
} from "./options.ts";
import { findFault, isExpected } from "./packet.ts";
import { PacketOrigin } from "./packet_origin.ts";
import type { PacketBatch } from "./packet_batch.ts";
import { PacketWriter } from "./packet_writer.ts";
import { Receiver } from "./receiver.ts";
import { Scratch } from "./scratch.ts";
import {
  CMD,
  CMD_ACK,
  CMD_PIECE,
  CMD_PROBE,
  CMD_PROBE_ANSWER,
  CMD_PUSH,
  CMD_SACK,
  CMD_WASK,
  CMD_WINS,
  distance,
  FRG,
  isMarked,
  LEN,
  MAX_FRAGMENTS,
  OVERHEAD,
  SN,
  TS,
  UNA,
  WND,
} from "./segment.ts";
import { Sender } from "./sender.ts";
import type { KcpStats } from "./stats.ts";

/**
 * One end of a KCP conversation, as a state machine without I/O. It reads no clock, sets no timer,
 * draws no randomness and opens no socket. The caller passes in packets and the time, and sends the
 * packets that come out.
 *
 * The caller runs this loop:
 *
 * 1. Call {@linkcode Kcp.input} for each packet that arrives.
 * 2. Call {@linkcode Kcp.tick} at the time {@linkcode Kcp.deadline}.
 * 3. After each of these, and after queueing data, call {@linkcode Kcp.output} until it returns 0.
 *
 * Every `now` is a monotonic time in milliseconds. It may be fractional and may start at any value.
 *
 * Data is sent in one of two ways, and one machine may use both:
 *
 * - As messages ({@linkcode Kcp.send}, {@linkcode Kcp.recv}). Their boundaries are kept.
 * - As a byte stream ({@linkcode Kcp.write}, {@linkcode Kcp.read}). Small writes share segments.
 *
 * @example
 * ```ts
 * import { Kcp, PacketBatch } from "@lowlatency/kcp/kcp";
 *
 * const alice = new Kcp(1);
 * const bob = new Kcp(1);
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
  /** The conversation id. It is the same on both ends. */
  readonly conv: number;
  /** The memory that holds payloads. A {@linkcode PacketBatch} for this machine must use it too. */
  readonly arena: Arena;
  readonly #sender: Sender;
  readonly #receiver: Receiver;
  readonly #writer: PacketWriter;
  readonly #liveness = new Liveness();
  readonly #origin: PacketOrigin;
  /** When a full batch held back the rest of a flight, in ms. */
  #splitAt = -Infinity;
  /**
   * Bytes that outer layers have added to packets without data in this output; null outside of one.
   */
  #added: number | null = null;
  readonly #clock = new Clock();
  readonly #scratch: Scratch;
  readonly #counters = { packetsIn: 0, bytesIn: 0, segmentsIn: 0 };
  readonly #errors = { short: 0, conv: 0, cmd: 0, length: 0, una: 0, ack: 0, piece: 0 };
  /** The settings that the application gave, without defaults. */
  #given: KcpLiveOptions;
  #options: ResolvedKcpOptions;

  /**
   * Creates one end of a conversation.
   *
   * @param conv The conversation id that both ends agreed on: 0 to 4294967295.
   * @param options Settings.
   * @param arena The memory for payloads. Several machines may share one. Default: a new arena.
   * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range.
   */
  constructor(conv: number, options: KcpOptions = {}, arena: Arena = new Arena()) {
    const {
      congestion = "bbr",
      initialSndSn = 0,
      initialRcvSn = 0,
      initialTs = 0,
      extensions = false,
      ...live
    } = options;
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
      extensions,
    );
    this.#receiver = new Receiver(arena, rcvSn, this.#options, this.#clock);
    this.#origin = new PacketOrigin(arena, this.#sender, this.#receiver, this.#clock, extensions);
    this.#writer = new PacketWriter(conv, this.#sender);
    this.#scratch = new Scratch(arena);
  }

  /** The current settings. */
  get options(): ResolvedKcpOptions {
    return this.#options;
  }

  /**
   * Changes settings while the machine runs. Settings that `change` does not name stay.
   *
   * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range. No
   * setting is changed then.
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
   * Tells the machine the largest packet that its socket takes, where the socket knows it, as one over
   * QUIC does. Smaller ones than the settings ask for are sent from now on. When the limit rises again,
   * larger ones are. The settings stay as they are; {@linkcode Kcp.pathMtu} is what is used.
   *
   * @param size Bytes, 50 to `Infinity`; at first `Infinity`, for a socket that does not tell.
   * @throws {TypeError | RangeError} When it is no number, or less than 50.
   *
   * @example
   * ```ts
   * import { Kcp } from "@lowlatency/kcp/kcp";
   *
   * const kcp = new Kcp(1);
   * kcp.limitPath(1287);
   * console.log(kcp.pathMtu, kcp.options.mtu); // 1287 1400
   * ```
   */
  limitPath(size: number): void {
    if (typeof size !== "number") {
      throw new TypeError(`Cannot limit packets to ${String(size)} bytes: it must be a number`);
    }
    if (!(size >= MIN_MTU)) {
      throw new RangeError(
        `Cannot limit packets to ${size} bytes: allowed are ${MIN_MTU} to Infinity`,
      );
    }
    this.#sender.limitPath(Math.floor(size));
  }

  /**
   * Changes the four settings of the `nodelay` call that every KCP implementation has.
   *
   * @param nodelay See {@linkcode NodelayOptions.nodelay}.
   * @param interval See {@linkcode NodelayOptions.interval}.
   * @param resend See {@linkcode NodelayOptions.resend}.
   * @param nc See {@linkcode NodelayOptions.nc}. 0 means false, 1 means true.
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

  /** Payload bytes of a full segment: the path MTU minus the header. */
  get mss(): number {
    return this.#sender.mss;
  }

  /** Bytes of the largest message for {@linkcode Kcp.send}: 255 segments of the `mtu` setting. */
  get maxMessageSize(): number {
    return MAX_FRAGMENTS * (this.#options.mtu - OVERHEAD);
  }

  /** Bytes of the largest packet that is sent now: see {@linkcode KcpStats.pathMtu}. */
  get pathMtu(): number {
    return this.#sender.path.mtu;
  }

  /**
   * Most payload bytes held for reading, in addition to the limit by the window. Default:
   * `Infinity`.
   */
  get rcvLimit(): number {
    return this.#receiver.limit;
  }

  set rcvLimit(bytes: number) {
    this.#receiver.setLimit(bytes);
  }

  /**
   * Bytes of data segments, headers included, that may still be sent. Each one that is sent reduces
   * it. Default: `Infinity`.
   */
  get sndLimit(): number {
    return this.#sender.limit;
  }

  set sndLimit(bytes: number) {
    this.#sender.limit = bytes;
  }

  /**
   * Whether an outer layer sends parity, with which the peer restores packets. A segment may then arrive
   * late though its packet was lost. Default: false.
   */
  get sndRestores(): boolean {
    return this.#sender.buffer.detector.restores;
  }

  set sndRestores(restores: boolean) {
    this.#sender.buffer.detector.restores = restores;
  }

  /** First sequence number that is not acknowledged. */
  get sndUna(): number {
    return this.#sender.buffer.una >>> 0;
  }

  /** Sequence number of the next new segment. */
  get sndNxt(): number {
    return this.#sender.buffer.nxt >>> 0;
  }

  /**
   * Sequence number of the peer's first segment.
   *
   * @internal
   */
  get rcvFirst(): number {
    return this.#receiver.firstSn;
  }

  /** First sequence number that has not arrived. */
  get rcvNxt(): number {
    return this.#receiver.buffer.nxt >>> 0;
  }

  /**
   * Why the machine has given up the peer as unreachable, null if it has not. A dead machine sends
   * and accepts nothing. Data that arrived before can still be read. {@linkcode Kcp.close} frees
   * its memory.
   */
  get dead(): DeadLink | null {
    return this.#liveness.dead;
  }

  /** When the last valid packet arrived, in ms. `-Infinity` if none did. */
  get heardAt(): number {
    return this.#liveness.heardAt;
  }

  /** Smoothed round-trip time in ms, -1 before the first sample. */
  get srtt(): number {
    return this.#sender.rto.srtt;
  }

  /**
   * Round-trip time in ms, -1 before the first sample: the smoothed one, or the last sample if none came
   * in the 4 s before it.
   */
  get rtt(): number {
    const { loneRtt, rto } = this.#sender;
    return loneRtt < 0 ? rto.srtt : loneRtt;
  }

  /** Shortest round-trip time so far in ms; `Infinity` before the first sample. */
  get minRtt(): number {
    return this.#sender.rto.min;
  }

  /** When the last round-trip sample was taken, in ms. `-Infinity` before the first one. */
  get sampledAt(): number {
    return this.#sender.sampledAt;
  }

  /**
   * The newest question to the peer that was answered: when it was sent, and how long the answer took,
   * in ms. `rtt` is -1 before the first one.
   *
   * @internal
   */
  get echo(): { readonly sentAt: number; readonly rtt: number } {
    return this.#sender.echo;
  }

  /** Since when the peer is silent while an answer is due, in ms. `Infinity` while none is. */
  get silentSince(): number {
    return this.#liveness.silentSince;
  }

  /** Retransmission timeout in ms. */
  get rto(): number {
    return this.#sender.rto.rto;
  }

  /** Whether the machine is unused: nothing was ever queued, sent or received. */
  get pristine(): boolean {
    return this.drained && this.#writer.packets === 0 && this.heardAt === -Infinity;
  }

  /** Whether the peer has acknowledged everything that was queued. */
  get drained(): boolean {
    return this.#sender.buffer.una === this.#sender.buffer.end;
  }

  /** Segments that are queued or sent, but not acknowledged. */
  get unacknowledged(): number {
    return distance(this.#sender.buffer.end, this.#sender.buffer.una);
  }

  /** Segments that were acknowledged. */
  get acknowledged(): number {
    return this.#sender.buffer.acknowledged;
  }

  /** Acknowledged segments whose first transmission was lost, as far as acknowledgments show it. */
  get lost(): number {
    return this.#sender.buffer.lost;
  }

  /** Payload bytes that are queued or sent, but not acknowledged. */
  get sndBytes(): number {
    return this.#sender.buffer.bytes;
  }

  /** Acknowledgments that wait to be sent. */
  get pendingAcks(): number {
    return this.#receiver.acks.count;
  }

  /**
   * Whether packets to the peer's address arrive there: the peer has echoed the `ts` of one of them.
   * With a random {@linkcode KcpOptions.initialTs}, nobody can guess it.
   */
  get answered(): boolean {
    return this.#sender.answered;
  }

  /** Whether the peer has answered a window probe. Others can forge that: see `answered`. */
  get reported(): boolean {
    return this.#sender.reported;
  }

  /**
   * Whether the peer is of this library and has {@linkcode KcpOptions.extensions}; null while that is
   * unknown.
   */
  get extended(): boolean | null {
    return this.#sender.extended;
  }

  /** Whether the peer opens the conversation, and does not know yet that it is heard. */
  get peerOpening(): boolean {
    return this.#sender.peerOpening;
  }

  /** Whether the peer ever was in the state of {@linkcode Kcp.peerOpening}. */
  get peerOpened(): boolean {
    return this.#sender.peerOpened;
  }

  /** Whether the next output asks a peer that was not heard yet to open the conversation. */
  get opens(): boolean {
    return this.#sender.askWindow && this.heardAt === -Infinity;
  }

  /** Takes the peer's address as proved: it has echoed a cookie that was sent there. */
  prove(): void {
    this.#sender.answered = true;
  }

  /** Payload bytes that were sent, each counted once. */
  get payloadOut(): number {
    return this.#sender.counters.payloadOut;
  }

  /** Payload bytes that arrived, without duplicates. */
  get payloadIn(): number {
    return this.#receiver.counters.payloadIn;
  }

  /** Whether packets of the peer are known to be meant for this incarnation of ours. */
  get linked(): boolean {
    return this.#origin.linked;
  }

  /**
   * Size in bytes of the block that {@linkcode Kcp.arena} lacked for the last `send` or `write`. 0
   * if it lacked none. {@linkcode Arena.wait} tells when there is such a block.
   */
  get sndShortage(): number {
    return this.#sender.shortage;
  }

  /**
   * Size in bytes of the block that {@linkcode Kcp.arena} lacks for data of the peer. 0 if it lacks
   * none. When there is such a block, {@linkcode Kcp.retryForMemory} opens the window again.
   */
  get rcvShortage(): number {
    return this.#receiver.shortage;
  }

  /**
   * Tries again to store data of the peer that met a full arena. `tick` does it too. A `send` or
   * `write` that found no memory counts as given up until it is tried again.
   */
  retryForMemory(): void {
    this.#sender.shortage = 0;
    this.#retryReceived();
  }

  #retryReceived(): void {
    if (this.#receiver.buffer.lacking < 0) return;
    this.#sender.buffer.shrink();
    this.#receiver.retry();
  }

  /** Segments that the send queue has room for. */
  get sndRoom(): number {
    return this.#sender.queueRoom;
  }

  /** Payload bytes that wait for their first transmission. */
  get unsentBytes(): number {
    return this.#sender.buffer.unsentBytes;
  }

  /**
   * Payload bytes to queue now, so that the next {@linkcode Kcp.output} sends all that the windows, the
   * congestion controller and the pacer allow, and one segment is left. A sender whose queue becomes
   * empty would count as limited by its application. 0 if that much waits already.
   */
  get wantedBytes(): number {
    return this.#sender.wantedBytes;
  }

  /** A snapshot of counters and current values. */
  get stats(): KcpStats {
    const { packetsIn, bytesIn, segmentsIn } = this.#counters;
    const { short, conv, cmd, length, una, ack, piece } = this.#errors;
    const { sndWnd, rcvWnd } = this.#options;
    const sender = this.#sender;
    const receiver = this.#receiver;
    const sent = sender.counters;
    const extra = sender.redundancy.counters;
    const { detector } = sender.buffer;
    const received = receiver.counters;
    const { srtt, rttvar, rto, min } = sender.rto;
    // Each member is named: V8 copies so many members with spread syntax up to 400 times slower.
    return {
      packetsOut: this.#writer.packets,
      packetsIn,
      bytesOut: this.#writer.bytes,
      bytesIn,
      segmentsOut: this.#writer.segments,
      segmentsIn,
      payloadOut: sent.payloadOut,
      payloadIn: received.payloadIn,
      timeoutRetransmits: sent.timeoutRetransmits,
      fastRetransmits: sent.fastRetransmits,
      earlyRetransmits: sent.earlyRetransmits,
      tailProbes: sent.tailProbes,
      needlessRetransmits: detector.needless,
      copies: extra.copies,
      copyBytes: extra.copyBytes,
      copiesFirst: detector.copiesFirst,
      rideAlongs: extra.rideAlongs,
      rideAlongBytes: extra.rideAlongBytes,
      rideAlongsFirst: detector.rideAlongsFirst,
      acknowledged: sender.buffer.acknowledged,
      lost: sender.buffer.lost,
      pathMtu: sender.path.mtu,
      pathMtuReductions: sender.path.reductions,
      duplicates: received.duplicates,
      refused: received.refused,
      noMemory: received.noMemory,
      foreign: received.foreign,
      inputErrors: { short, conv, cmd, length, una, ack, piece },
      srtt,
      rttvar,
      minRtt: min === Infinity ? -1 : min,
      rto,
      congestion: sender.congestion,
      sndWnd,
      rcvWnd,
      rmtWnd: sender.remote.wnd,
      sndQueue: sender.buffer.waiting,
      inFlight: sender.buffer.inFlight,
      rcvQueue: receiver.buffer.queued,
      rcvBuffer: receiver.buffer.early,
      pendingAcks: this.pendingAcks,
      bytesHeld: sender.buffer.bytes + receiver.buffer.bytes,
    };
  }

  // --- application ---

  /**
   * Queues a message. The peer's {@linkcode Kcp.recv} returns it whole.
   *
   * @param message At most 255 segments of {@linkcode Kcp.mss} bytes. It is copied.
   * @returns Whether it was queued. False when the send queue has no room for it now, or the peer
   * is unreachable.
   * @throws {RangeError} When the message is larger than 255 segments.
   */
  send(message: Uint8Array): boolean {
    const sender = this.#sender;
    const queued = sender.send(message);
    if (sender.shortage === 0 || !this.#receiver.buffer.shrink()) return queued;
    return sender.send(message);
  }

  /**
   * Queues bytes of the stream. They fill the last queued segment first, if it is still unsent.
   *
   * @param bytes The bytes. They are copied.
   * @returns How many bytes were queued, starting with the first. Fewer than all when the send
   * queue is full, 0 when the peer is unreachable.
   */
  write(bytes: Uint8Array): number {
    const sender = this.#sender;
    const count = sender.write(bytes);
    if (sender.shortage === 0 || !this.#receiver.buffer.shrink()) return count;
    return sender.write(bytes);
  }

  /** Bytes of the message that {@linkcode Kcp.recv} takes next. -1 if none is complete. */
  peekSize(): number {
    return this.#receiver.buffer.peekSize();
  }

  /**
   * Whether the next message is empty. {@linkcode Kcp.read} stops there, {@linkcode Kcp.recv} takes
   * it.
   */
  get atEmptyMessage(): boolean {
    return this.#receiver.buffer.atEmptyMessage;
  }

  /** Whether an empty message is the last one that arrived in order, and is not read yet. */
  get endsEmpty(): boolean {
    return this.#receiver.buffer.endsEmpty;
  }

  /** Payload bytes that arrived in order and wait to be read. */
  get readable(): number {
    return this.#receiver.buffer.bytes;
  }

  /**
   * Takes the next message.
   *
   * @param target Receives the message. It has at least {@linkcode Kcp.peekSize} bytes.
   * @returns The size of the message in bytes. -1 if none is complete.
   * @throws {RangeError} When `target` is too small. The message stays.
   */
  recv(target: Uint8Array): number {
    return this.#receiver.recv(target);
  }

  /**
   * Takes bytes of the stream. It ignores message boundaries, but stops at an empty message.
   *
   * @param target Receives the bytes.
   * @returns How many bytes were taken. 0 when there are none, or when the next message is empty:
   * only {@linkcode Kcp.recv} and {@linkcode Kcp.skip} take an empty message.
   */
  read(target: Uint8Array): number {
    return this.#receiver.read(target);
  }

  /**
   * Drops the first unread segment. The rest of its message stays.
   *
   * @returns The unread bytes of the segment. -1 if there is none.
   */
  skip(): number {
    return this.#receiver.skip();
  }

  // --- network ---

  /**
   * Handles a packet from the network. An invalid packet is counted in {@linkcode Kcp.stats}, and
   * no part of it has any effect.
   *
   * @param packet One or more segments. The machine keeps no reference to it.
   * @param now The time in ms.
   * @param recovered Whether error correction restored the packet. It may be old then, so its
   * window and its round-trip sample are ignored.
   * @returns Whether the packet was valid.
   * @throws {TypeError} When `now` is NaN.
   */
  input(packet: Uint8Array, now: number, recovered = false): boolean {
    const start = this.#scratch.lay(packet);
    if (start < 0) {
      this.#receiver.counters.noMemory++;
      return false;
    }
    return this.inputAt(start, start + packet.length, now, recovered);
  }

  /**
   * Handles a packet that is already in the arena. See {@linkcode Kcp.input}.
   *
   * @param start Arena offset of the packet's first byte.
   * @param end Arena offset after its last byte.
   * @param now The time in ms.
   * @param recovered See {@linkcode Kcp.input}.
   * @returns Whether the packet was valid.
   * @throws {TypeError} When `now` is NaN.
   */
  inputAt(start: number, end: number, now: number, recovered = false): boolean {
    const late = this.#isLate(now);
    this.#clock.advance(now);
    if (late) this.#sender.noteLate();
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
    const origin = this.#origin;
    const linked = origin.judge(start, end, recovered);
    const { foreign } = origin;
    if (!foreign) this.#liveness.heard(this.#clock.now);
    counters.packetsIn++;
    counters.bytesIn += end - start;

    sender.startPacket(silence);
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
      const takesData = linked || !receiver.initiator || receiver.started;
      if (cmd === CMD_PUSH && receiver.isEchoRequest(sn, length)) {
        receiver.handleEchoRequest(sn, ts);
        origin.answerListener();
      } else if (cmd === CMD_PUSH && takesData) {
        const frg = view.getUint8(at + FRG);
        receiver.push(sn, ts, frg, una, sender.firstSn, data, length, recovered);
      } else if (cmd === CMD_PUSH && !foreign && sender.silent) {
        // The answer to the question that opens the conversation is late, or was lost.
        origin.answerListener();
      } else if (cmd === CMD_ACK && linked) {
        sender.handleAck(sn, ts);
      } else if (cmd === CMD_SACK && linked) {
        sender.handleSack(sn, this.arena.bytes, data, length);
      } else if (foreign && cmd !== CMD_PIECE || origin.rival && cmd === CMD_WASK) {
        // It gets no answer either, so that its sender does not take us for its peer: `una` of this end
        // acknowledges what another incarnation has sent.
      } else if (cmd === CMD_WASK) {
        receiver.announceWindow = true;
        origin.answerListener();
        const mark = view.getUint8(at + FRG);
        sender.handleMark(mark);
        if (isMarked(mark)) {
          receiver.probedTs = ts;
          receiver.quote(sn, ts);
          if (sender.peerOpening) receiver.noteOpening(ts);
        }
      } else if (cmd === CMD_WINS) {
        const mark = view.getUint8(at + FRG);
        sender.handleWindowReport(mark, ts);
        origin.noteKind();
        if (isMarked(mark)) {
          receiver.quote(0, sn);
          if (sender.peerOpening) receiver.noteOpening(sn);
        }
      } else if (cmd === CMD_PIECE && takesData) {
        const frg = view.getUint8(at + FRG);
        const { firstSn } = sender;
        if (!receiver.pushPiece(sn, ts, frg, una, firstSn, data, length, recovered)) {
          this.#errors.piece++;
        }
      } else if (cmd === CMD_PROBE) {
        receiver.handleProbe(sn, ts, length);
      } else if (cmd === CMD_PROBE_ANSWER && linked) {
        sender.handleProbeAnswer(sn, ts);
      }
      if (linked) sender.handleHeader(una, wnd, recovered);
      at = data + length;
    }
    if (receiver.restartSign) {
      receiver.restartSign = false;
      origin.suspectRestart();
    }
    if (foreign) return true;
    sender.finishPacket(recovered);
    sender.handleSilenceEnd(silence);
    this.#liveness.update(this.#clock.now, sender.buffer.inFlight > 0);
    return true;
  }

  /**
   * Takes no acknowledgment from the peer until one echoes the `ts` of a segment that this end has sent.
   * Others may be meant for an earlier incarnation of this end, with the same address and conversation
   * id. Later, too, a packet acknowledges nothing if it echoes a `ts` that this end has not sent, or
   * shows the clock of an earlier incarnation of the peer. Call it before the first packet.
   *
   * @param initiator Whether this end opens the conversation. Then no data is taken before, either:
   * a peer that answers has something to acknowledge.
   */
  requireEcho(initiator: boolean): void {
    this.#receiver.initiator = this.#sender.initiator = initiator;
    this.#origin.requireEcho();
  }

  /** Whether this end opens the conversation: see {@linkcode Kcp.requireEcho}. */
  get initiator(): boolean {
    return this.#receiver.initiator;
  }

  /** Whether the peer has restarted: it begins this conversation anew. */
  get peerRestarted(): boolean {
    return this.#receiver.peerRestarted;
  }

  /**
   * Takes note of the first segment of another incarnation of the peer. Anybody can send one, so a
   * peer of this library is asked first. Others can't be asked.
   *
   * @returns Whether the peer counts as restarted now.
   */
  suspectRestart(): boolean {
    return this.#origin.suspectRestart();
  }

  /**
   * Whether the last packet is known not to be of an earlier incarnation of the peer, nor meant for one of
   * this end.
   */
  get believed(): boolean {
    return this.#origin.believed;
  }

  /**
   * Whether a packet in the arena is one that the peer may send now: it acknowledges segments that
   * are in flight or were the last to be, echoes what was sent, and its data is in the receive window
   * or just before it. The call changes no state. Use it to tell a peer that has moved from a stranger.
   * While the clock of the peer is not known, nothing fits but an echo of what was sent.
   *
   * @param start Arena offset of the packet's first byte.
   * @param end Arena offset after its last byte.
   * @param now The time in ms. What shows the clock of its sender must continue the peer's.
   */
  fits(start: number, end: number, now: number): boolean {
    const { view } = this.arena;
    const sender = this.#sender;
    const { buffer, remote } = sender;
    const { buffer: { nxt }, capacity, incarnation } = this.#receiver;
    if (!isExpected(view, start, end, this.conv, remote.una, buffer.nxt, nxt, capacity)) {
      return false;
    }
    let known = incarnation.heard;
    for (let at = start; end - at >= OVERHEAD;) {
      const cmd = view.getUint8(at + CMD);
      const ts = view.getInt32(at + TS, true);
      const marked = isMarked(view.getUint8(at + FRG));
      if (cmd === CMD_ACK || cmd === CMD_PROBE_ANSWER) {
        if (!sender.hasSent(ts) && !sender.isProbeEcho(ts)) return false;
        known = true;
      } else if (cmd === CMD_PUSH || cmd === CMD_PIECE || cmd === CMD_PROBE || marked) {
        const clock = cmd === CMD_WINS ? view.getInt32(at + SN, true) : ts;
        if (!incarnation.continues(clock, now)) return false;
      }
      at += OVERHEAD + view.getInt32(at + LEN, true);
    }
    return known;
  }

  /**
   * The time in ms at which {@linkcode Kcp.tick} is next due. `Infinity` when nothing is pending.
   * `-Infinity` when something is pending, but no call has passed the time yet.
   */
  get deadline(): number {
    if (this.dead) return Infinity;
    const sender = this.#sender;
    const receiver = this.#receiver;
    const { now } = this.#clock;
    if (this.#controlDue || sender.probesDue || receiver.answerProbe) return now;
    return Math.min(receiver.acksDueAt, sender.deadline, this.#liveness.silenceEnds);
  }

  /** Whether packets without data are due. */
  get #controlDue(): boolean {
    const sender = this.#sender;
    const receiver = this.#receiver;
    return sender.askWindow || sender.askEcho || sender.challenges || receiver.announceWindow ||
      receiver.answerEcho ||
      receiver.acksDue;
  }

  /**
   * Handles timeouts at the time `now`. Call {@linkcode Kcp.output} afterwards.
   *
   * @param now The time in ms.
   * @param late Whether the caller knows that it was not run in time. Packets of the peer may wait in
   * the socket then, so a peer that was silent for too long gets 1 s more.
   * @throws {TypeError} When `now` is NaN.
   */
  tick(now: number, late = false): void {
    const clock = this.#clock;
    late ||= this.#isLate(now);
    clock.advance(now);
    if (late) this.#sender.noteLate();
    if (this.dead) return;
    const liveness = this.#liveness;
    liveness.grantGrace(clock.now, late);
    const { heldBackUntil } = this.#sender;
    if (heldBackUntil > clock.now) liveness.postpone(heldBackUntil);
    this.#sender.tick();
    this.#retryReceived();
    liveness.update(clock.now, this.#sender.buffer.inFlight > 0);
    liveness.checkSilence(clock.now);
    if (liveness.dead) {
      this.#sender.stopSharing();
      this.#receiver.acks.clear();
      this.#receiver.answerProbe = this.#receiver.answerEcho = false;
    }
  }

  /** Whether the machine was not run in time before this call at the time `now`. */
  #isLate(now: number): boolean {
    return now > this.#clock.now + LATE && now > this.deadline + LATE;
  }

  /**
   * Sends at once what waits for a timeout, and starts with the first timeout again: for a caller
   * that knows that the network is back. kcp-go has it as `ResetRTO`.
   */
  resume(): void {
    this.#sender.resumeNow();
    // Without data, a question opens the conversation.
    if (this.#origin.extensions && this.#sender.buffer.inFlight === 0) {
      this.#sender.askWindow = true;
    }
  }

  /** Whether the peer's first segment has arrived. Until then, nothing is acknowledged. */
  get started(): boolean {
    return this.#receiver.started;
  }

  /** Whether segments wait for their first transmission. */
  get waiting(): boolean {
    return this.#sender.buffer.waiting > 0;
  }

  /**
   * What tells this incarnation of the peer from another one.
   *
   * @internal
   */
  get incarnation(): Incarnation {
    return this.#receiver.incarnation;
  }

  /** Announces the window and `una` to the peer at the next output. */
  announceWindow(): void {
    this.#receiver.announceWindow = true;
  }

  /** Asks the peer for its window at the next output. Any answer shows that the peer is alive. */
  askWindow(): void {
    this.#sender.askWindow = true;
  }

  /**
   * Asks the peer for an echo of `ts` at the next output, with a data segment whose sequence number
   * is before the first one. Every KCP implementation acknowledges it, and drops it as a duplicate.
   */
  askEcho(): void {
    this.#sender.askEcho = true;
  }

  // --- other machines that send over the same path ---

  /**
   * Shares congestion control and pacing with another machine from now on, and with those that this one
   * shares them with. They must send to one peer, over one path. Together they take as much of it as one
   * conversation, in turns. {@linkcode Kcp.onTurn} must be set for each of them.
   *
   * The controller, `pacingRate` and `burst` are those of the other machine. A change of `nc`, `pacingRate`
   * or `burst` holds for all.
   *
   * @param other A machine with which it may share the arena, but need not.
   * @throws {TypeError} When this machine has sent data, or shares with others already.
   */
  share(other: Kcp): void {
    this.#sender.share(other.#sender);
  }

  /** Waits for no turn any more: for a machine whose {@linkcode Kcp.tick} is not called in time. */
  stopSharing(): void {
    this.#sender.stopSharing();
  }

  /**
   * Called when data can be sent that waited for other machines: see {@linkcode Kcp.share}. Then {@linkcode
   * Kcp.tick} and {@linkcode Kcp.output} are due. It may be called within a call of another machine.
   */
  get onTurn(): (() => void) | null {
    return this.#sender.onTurn;
  }

  set onTurn(callback: (() => void) | null) {
    this.#sender.onTurn = callback;
  }

  // --- packets of an outer layer that ask the peer, or quote it ---

  /** The `ts` for a probe that an outer layer writes: see {@linkcode Kcp.wasEchoed}. */
  nextEchoTs(): number {
    return this.#sender.nextEchoTs();
  }

  /** Whether the peer has echoed a `ts` of {@linkcode Kcp.nextEchoTs}. */
  wasEchoed(ts: number): boolean {
    return this.#sender.wasEchoed(ts);
  }

  /** Whether this end has sent a packet with these fields lately. Others can't know them. */
  isOwnPacket(sn: number, ts: number): boolean {
    return this.#sender.isOwnPacket(sn, ts);
  }

  /** `sn` and `ts` of the packet of the peer that a reset quotes; null if there is none. */
  get quote(): { sn: number; ts: number } | null {
    const { quotable, quoteSn, quoteTs } = this.#receiver;
    return quotable ? { sn: quoteSn, ts: quoteTs } : null;
  }

  /**
   * Appends the packets that are due to `batch`, as many as fit. They carry acknowledgments first,
   * then window probes, retransmissions and new data. With a few full segments, acknowledgments
   * come last.
   *
   * @param batch A batch in the arena of this machine.
   * @returns How many packets were appended. When it is 0, nothing more is due now.
   * @throws {TypeError} When the batch is in another arena.
   * @throws {RangeError} When the batch can't hold a packet of the MTU.
   */
  output(batch: PacketBatch): number {
    if (batch.arena !== this.arena) {
      throw new TypeError(
        "Cannot fill a batch of another arena: create it with { arena: kcp.arena }",
      );
    }
    if (batch.largest < this.#options.mtu) {
      throw new RangeError(
        `Cannot fill a batch whose largest packet is ${batch.largest} bytes: ` +
          `the MTU is ${this.#options.mtu}`,
      );
    }
    const { now } = this.#clock;
    if (this.dead || now === -Infinity) return 0;
    const sender = this.#sender;
    const receiver = this.#receiver;
    sender.startOutput();
    const room = sender.held ? 0 : sender.room;
    const data = sender.dataDue(room);
    const control = this.#controlDue;
    if (!data && !control && !sender.probesDue && !receiver.answerProbe) return 0;

    this.#added = 0;
    const before = batch.count;
    const writer = this.#writer;
    writer.start(batch, sender.path.mtu, receiver.window, receiver.una);
    // Until the peer has taken data, an acknowledgment leads every flight: its echo of `ts` shows the
    // peer that the data is meant for it, and one of them may be lost.
    const taken = sender.buffer.acknowledged > 0;
    if (data && !taken && now > this.#splitAt) receiver.repeatAck(false);
    // Until the peer knows that it is heard, an acknowledgment and the clock leave together: one shows
    // that the packet is meant for the peer, the other shows from whom it is. A peer that has only proved
    // its address may be of this library, too.
    const known = sender.extended === false ? sender.answered : sender.peerLinked;
    const shows = this.#origin.showsClock && !known && receiver.started;
    if (shows) {
      if (sender.askWindow) receiver.repeatAck(true);
      else receiver.announceWindow ||= receiver.acks.count > 0;
    }
    // If data filled the batch between the two, the acknowledgment would never leave, and the clock again
    // and again.
    const acksLast = data && taken && !shows && sender.acksFitBetterLast(room);
    const selective = sender.extended === true;
    const asks = sender.askWindow || sender.askEcho;
    const fits = sender.writeChallenge(writer, this.#origin.mark, receiver.firstSn) &&
      (acksLast || receiver.writeAcks(writer, selective)) &&
      (!this.#controlDue || this.#writeControl(writer));
    // A question must not vanish with data that may be too large for the path.
    if (asks && !taken && sender.buffer.inFlight > 0) writer.close();
    const left = fits && data ? sender.writeData(writer, room) : room;
    if (acksLast) receiver.writeAcks(writer, selective);
    writer.close();
    const answered = receiver.writeProbeAnswer(writer);
    if (answered && !batch.full && sender.probesDue) {
      // The question leaves first: a queue on the path may drop the last packets of a burst.
      const written = !sender.asksKind() || this.#writeControl(writer);
      writer.close();
      if (written) sender.writePathProbes(writer);
    }
    writer.close();
    if (batch.full) this.#splitAt = now;
    // Segments that pacing or a full batch held back do not wait for another interval.
    const more = batch.full || (left > 0 && this.#options.writeDelay);
    if (!more) this.#clock.nextFlush = now + this.#options.interval;
    this.#liveness.update(now, sender.buffer.inFlight > 0);
    const added = this.#added;
    this.#added = null;
    if (added > 0) sender.pacer.charge(added);
    return batch.count - before;
  }

  /** Writes what asks the peer and what answers it. False when the batch is full. */
  #writeControl(writer: PacketWriter): boolean {
    const sender = this.#sender;
    const receiver = this.#receiver;
    const mark = this.#origin.mark;
    const ts = mark !== 0 && receiver.announceWindow ? sender.shownTs() : 0;
    return receiver.writeEcho(writer) && sender.writeProbe(writer, mark) &&
      receiver.writeWindow(writer, mark, ts);
  }

  // --- packets of an outer layer, which share the limits on burst and rate ---

  /**
   * When a packet of an outer layer may be sent, in ms. If it may be sent at once, the result is not
   * after the time of the last call.
   */
  readyAt(): number {
    this.#sender.advancePacer();
    return this.#sender.pacer.anyReadyAt;
  }

  /** Whether {@linkcode Kcp.output} would send data now. */
  get dataReady(): boolean {
    const sender = this.#sender;
    if (this.dead) return false;
    sender.startOutput();
    return sender.dataDue(sender.held ? 0 : sender.room);
  }

  /** Bytes that the limits on burst and rate allow now. */
  get paceRoom(): number {
    this.#sender.advancePacer();
    return this.#sender.pacer.room(this.#options.mtu);
  }

  /** Counts a packet of an outer layer against the limits on burst and rate. */
  spend(bytes: number): void {
    this.#sender.pacer.spendAny(bytes);
  }

  /**
   * Counts bytes that an outer layer adds to a packet of this machine against the rate limit. What
   * it adds to an acknowledgment counts after the data of the same output: if the pacer had just
   * become ready, the data would wait again, each time behind another acknowledgment.
   */
  charge(bytes: number): void {
    if (this.#added === null || this.#writer.carriesData) this.#sender.pacer.charge(bytes);
    else this.#added += bytes;
  }

  /**
   * {@linkcode Kcp.output} that stops before the next packet with data when it has sent as many
   * bytes as its share, so that an outer layer gets its own share of the limits on burst and rate.
   *
   * @param share Bytes, with those that {@linkcode Kcp.charge} counts. At least one packet may leave.
   * @returns Bytes that it counted against the rate limit.
   */
  outputShare(batch: PacketBatch, share: number): number {
    const { pacer } = this.#sender;
    const before = pacer.spent;
    pacer.streamPauseAt = before + share;
    try {
      this.output(batch);
    } finally {
      pacer.streamPauseAt = Infinity;
    }
    return pacer.spent - before;
  }

  /** The fields of the packets of this end: the window in segments, and `una`. */
  get header(): { wnd: number; una: number } {
    return { wnd: this.#receiver.window, una: this.#receiver.una };
  }

  /** Gives unused memory back to the arena. The machine allocates it again on demand. */
  trim(): void {
    this.#sender.buffer.release();
    this.#receiver.release();
    this.#scratch.release();
  }

  /**
   * Stops sending: drops all data that is queued or in flight. Received data can still be read. It
   * leaves the arena for memory of its own.
   */
  abandon(): void {
    this.#stop();
    this.#receiver.buffer.detach();
    this.#receiver.pieces.clear();
    this.trim();
  }

  #stop(): void {
    this.#sender.abandon();
    this.#sender.shortage = 0;
    this.#receiver.acks.clear();
    this.#receiver.answerProbe = this.#receiver.answerEcho = false;
    this.#liveness.reset();
  }

  /** Drops all data that is unread, or that arrived early. What was acknowledged stays so. */
  dropUnread(): void {
    this.#receiver.buffer.clear();
    this.#receiver.pieces.clear();
  }

  /** Drops all data that is queued, in flight or unread, and gives the memory back to the arena. */
  close(): void {
    this.#stop();
    this.dropUnread();
    this.trim();
  }
}
