/**
 * The KCP state machine.
 *
 * @module
 */
import { AckList } from "./ack_list.ts";
import { Arena } from "./arena.ts";
import { type CongestionController, ReferenceController } from "./congestion.ts";
import {
  checkBytes,
  checkUint32,
  type KcpLiveOptions,
  type KcpOptions,
  type NodelayOptions,
  type ResolvedKcpOptions,
  resolveOptions,
} from "./options.ts";
import { FlightLimit } from "./flight_limit.ts";
import { Pacer } from "./pacer.ts";
import { type DeadLink, Liveness } from "./liveness.ts";
import { findFault } from "./packet.ts";
import type { PacketBatch } from "./packet_batch.ts";
import { PacketWriter } from "./packet_writer.ts";
import { DUPLICATE, ReceiveBuffer, REFUSED } from "./receive_buffer.ts";
import { RemoteWindow } from "./remote_window.ts";
import { RtoEstimator } from "./rto.ts";
import { Scratch } from "./scratch.ts";
import {
  CMD,
  CMD_ACK,
  CMD_PUSH,
  CMD_WASK,
  CMD_WINS,
  CONV,
  distance,
  FRG,
  LEN,
  MAX_FRAGMENTS,
  OVERHEAD,
  SN,
  timestamp,
  TS,
  UNA,
  WND,
} from "./segment.ts";
import { REASON_FAST, REASON_TIMEOUT, SendBuffer } from "./send_buffer.ts";
import type { KcpStats } from "./stats.ts";

/** A receive window of segments is one of so many bytes each, at least. */
const USUAL_SEGMENT = 1476;
/**
 * So many acknowledgments, or those that fill a packet, do not wait for the interval. A sender may have no more than a burst or
 * its window in flight, some of which is parity: it would wait, too.
 */
const MAX_HELD_ACKS = 16;
/** So many new segments, or fewer, may leave before the acknowledgments that wait. */
const FEW_SEGMENTS = 8;
/** The widest window that the wire can tell. */
const MAX_WINDOW = 65_535;

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
 * import { Kcp, PacketBatch, turbo } from "@lowlatency/kcp/kcp";
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
  /** Payload bytes that may be held for reading, beside what the window allows; `Infinity` at first. */
  rcvLimit: number = Infinity;
  /** Bytes of packets with data that may still leave; `Infinity` at first. */
  sndLimit: number = Infinity;
  readonly #send: SendBuffer;
  readonly #receive: ReceiveBuffer;
  readonly #rto = new RtoEstimator();
  readonly #controller: CongestionController;
  readonly #pacer: Pacer;
  readonly #flight = new FlightLimit();
  #given: KcpLiveOptions;
  #options: ResolvedKcpOptions;
  #mss: number;

  #now = -Infinity;
  /** When what is collected for up to an interval may leave. */
  #nextFlush = -Infinity;
  readonly #liveness = new Liveness();

  readonly #remote: RemoteWindow;
  readonly #acks = new AckList();
  readonly #writer: PacketWriter;
  readonly #scratch: Scratch;
  #askWindow = false;
  #asked = false;
  #answered = false;
  #tellWindow = false;
  /**
   * The last segment that `una` acknowledged, and when: what leaves together with an acknowledgment may come before it, which
   * then shows that it was on its way, too.
   */
  readonly #told = { sn: 0, sentAt: 0, toldAt: 0, open: false };

  /** Whether the segment queued last belongs to the byte stream and may grow. */
  #tailOpen = false;
  readonly #stats = {
    packetsIn: 0,
    bytesIn: 0,
    segmentsIn: 0,
    payloadOut: 0,
    payloadIn: 0,
    timeoutRetransmits: 0,
    fastRetransmits: 0,
    earlyRetransmits: 0,
    duplicates: 0,
    refused: 0,
  };
  readonly #errors = { short: 0, conv: 0, cmd: 0, length: 0, una: 0, ack: 0 };

  /**
   * Makes one end of a conversation.
   *
   * @param conv The conversation id that both ends agreed on, 0 to 4294967295.
   * @param options Settings.
   * @param arena Memory to share with other machines.
   * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range.
   */
  constructor(conv: number, options: KcpOptions = {}, arena: Arena = new Arena()) {
    const { congestion, initialSndSn = 0, initialRcvSn = 0, ...live } = options;
    this.conv = checkUint32("conv", conv);
    this.arena = arena;
    this.#given = live;
    this.#options = resolveOptions(live);
    const { mtu, burst, pacingRate, resend } = this.#options;
    this.#mss = mtu - OVERHEAD;
    this.#send = new SendBuffer(arena, checkUint32("initialSndSn", initialSndSn));
    this.#receive = new ReceiveBuffer(arena, checkUint32("initialRcvSn", initialRcvSn));
    this.#remote = new RemoteWindow(this.#send.una);
    this.#writer = new PacketWriter(conv);
    this.#scratch = new Scratch(arena);
    this.#controller = congestion?.(this.#mss, resend) ??
      new ReferenceController(this.#mss, resend);
    this.#pacer = new Pacer(burst, pacingRate, mtu);
    this.#apply();
  }

  #apply(): void {
    const { nodelay, resend, fastlimit, interval, minRto } = this.#options;
    this.#mss = this.#options.mtu - OVERHEAD;
    this.#send.configure(nodelay, resend, fastlimit);
    this.#rto.bound(interval, minRto);
    this.#liveness.configure(this.#options.deadLinkTime);
    this.#configurePacer();
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
    this.#apply();
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
    return this.#mss;
  }

  /** First sequence number that is not acknowledged. */
  get sndUna(): number {
    return this.#send.una >>> 0;
  }

  /** Sequence number of the next new segment. */
  get sndNxt(): number {
    return this.#send.nxt >>> 0;
  }

  /** First sequence number that has not arrived. */
  get rcvNxt(): number {
    return this.#receive.nxt >>> 0;
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
    return this.#rto.srtt;
  }

  /** Retransmission timeout in ms. */
  get rto(): number {
    return this.#rto.rto;
  }

  /** Whether nothing was ever queued, sent or heard. */
  get pristine(): boolean {
    return this.drained && this.#writer.packets === 0 && this.heardAt === -Infinity;
  }

  /** Whether everything that was queued has been sent and acknowledged. */
  get drained(): boolean {
    return this.#send.una === this.#send.end;
  }

  /** Segments that are queued or sent, and not acknowledged. */
  get unacknowledged(): number {
    return distance(this.#send.end, this.#send.una);
  }

  /** Segments that were acknowledged. */
  get acknowledged(): number {
    return this.#send.acknowledged;
  }

  /** Segments among them that had to be sent again, as far as the acknowledgments tell. */
  get lost(): number {
    return this.#send.lost;
  }

  /** Payload bytes that are queued or sent, and not acknowledged. */
  get sndBytes(): number {
    return this.#send.bytes;
  }

  /** Acknowledgments that wait to be sent. */
  get pendingAcks(): number {
    return this.#acks.count;
  }

  /**
   * Whether the peer has reacted to something that was sent to it: acknowledged data, or told its window
   * when it was asked. A flood from invented addresses does not make it so; somebody who aims at one
   * address and knows the protocol can.
   */
  get answered(): boolean {
    return this.#answered;
  }

  /** Segments that the send queue still takes. */
  get sndRoom(): number {
    return Math.max(0, this.#options.sndQueue - this.#send.waiting);
  }

  /** What was counted so far, and how the machine stands: a snapshot. */
  get stats(): KcpStats {
    const { nc, sndWnd, rcvWnd } = this.#options;
    const { srtt, rttvar, rto, min } = this.#rto;
    return {
      ...this.#stats,
      packetsOut: this.#writer.packets,
      bytesOut: this.#writer.bytes,
      segmentsOut: this.#writer.segments,
      inputErrors: { ...this.#errors },
      srtt,
      rttvar,
      minRtt: min,
      rto,
      cwnd: nc ? Infinity : this.#controller.window,
      ssthresh: nc ? Infinity : this.#controller.ssthresh,
      sndWnd,
      rcvWnd,
      rmtWnd: this.#remote.wnd,
      acknowledged: this.#send.acknowledged,
      lost: this.#send.lost,
      sndQueue: this.#send.waiting,
      inFlight: this.#send.inFlight,
      rcvQueue: this.#receive.queued,
      rcvBuffer: this.#receive.early,
      pendingAcks: this.pendingAcks,
      bytesHeld: this.#send.bytes + this.#receive.bytes,
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
    checkBytes(message);
    const size = message.length;
    const fragments = Math.max(1, Math.ceil(size / this.#mss));
    if (fragments > MAX_FRAGMENTS) {
      throw new RangeError(
        `Cannot send a message of ${size} bytes in ${fragments} fragments: the limit is 255 of ${this.#mss} bytes`,
      );
    }
    if (this.dead || fragments > this.sndRoom) return false;
    if (size > 0 && !this.#send.store(message, size)) return false;
    let left = size;
    for (let frg = fragments - 1; frg >= 0; frg--) {
      const length = Math.min(left, this.#mss);
      left -= length;
      this.#send.enqueue(length, frg, left);
    }
    this.#tailOpen = false;
    return true;
  }

  /**
   * Queues bytes of the stream; they fill up the last segment first, if that is still unsent.
   *
   * @param bytes They are copied.
   * @returns How many bytes were queued, from the first on: less than all when the send queue is full,
   * none when the peer is unreachable.
   */
  write(bytes: Uint8Array): number {
    checkBytes(bytes);
    if (this.dead) return 0;
    const send = this.#send;
    const open = this.#tailOpen && send.waiting > 0;
    const fill = open ? Math.max(0, this.#mss - send.lastLength) : 0;
    const count = Math.min(bytes.length, fill + this.sndRoom * this.#mss);
    if (count === 0 || !send.store(bytes, count)) return 0;
    const extended = Math.min(fill, count);
    if (extended > 0) send.extendLast(extended);
    for (let left = count - extended; left > 0;) {
      const length = Math.min(left, this.#mss);
      left -= length;
      send.enqueue(length, 0, left);
    }
    this.#tailOpen = true;
    return count;
  }

  /** Bytes of the message that {@linkcode Kcp.recv} takes next, -1 if none is complete. */
  peekSize(): number {
    return this.#receive.peekSize();
  }

  /** Whether {@linkcode Kcp.recv} takes an empty message next, where {@linkcode Kcp.read} stops. */
  get atEmptyMessage(): boolean {
    return this.#receive.atEmptyMessage;
  }

  /** Bytes that {@linkcode Kcp.read} can take now, at least until an empty message. */
  get readable(): number {
    return this.#receive.bytes;
  }

  /**
   * Takes the next message.
   *
   * @param target Where the message goes, at least {@linkcode Kcp.peekSize} bytes.
   * @returns Its size in bytes, -1 if none is complete.
   * @throws {RangeError} When `target` is too small; the message stays.
   */
  recv(target: Uint8Array): number {
    checkBytes(target);
    const size = this.#receive.peekSize();
    if (size < 0) return -1;
    if (size > target.length) {
      throw new RangeError(
        `Cannot receive a message of ${size} bytes into ${target.length} bytes`,
      );
    }
    const full = this.#window() === 0;
    this.#receive.takeMessage(target, size);
    this.#tellWindow ||= full && this.#window() > 0;
    return size;
  }

  /**
   * Takes bytes of the stream, whatever the message boundaries.
   *
   * @param target Where the bytes go.
   * @returns How many bytes were taken: 0 when there are none, or when the next message is an empty
   * one, which only {@linkcode Kcp.recv} takes.
   */
  read(target: Uint8Array): number {
    checkBytes(target);
    const full = this.#window() === 0;
    const count = this.#receive.takeBytes(target);
    if (full) this.#tellWindow ||= this.#window() > 0;
    return count;
  }

  /**
   * Drops the first segment that waits to be read, whichever message it belongs to.
   *
   * @returns Its unread bytes, -1 if no segment waits.
   */
  skip(): number {
    const full = this.#window() === 0;
    const count = this.#receive.skip();
    if (full) this.#tellWindow ||= this.#window() > 0;
    return count;
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
      this.#stats.refused++;
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
    this.#advance(now);
    const fault = findFault(this.arena.view, start, end, this.conv, this.#send.nxt);
    if (fault) {
      this.#errors[fault]++;
      return false;
    }
    if (this.dead) return true;
    this.#liveness.heard(this.#now);
    this.#stats.packetsIn++;
    this.#stats.bytesIn += end - start;

    const send = this.#send;
    const unaBefore = send.una;
    const flightBefore = send.inFlight;
    let una = send.una;
    let ackedBytes = 0;
    let rtt = -1;
    for (let at = start; end - at >= OVERHEAD;) {
      // Storing a payload can replace the arena's buffer.
      const { view } = this.arena;
      const sn = view.getInt32(at + SN, true);
      const told = view.getInt32(at + UNA, true);
      const length = view.getInt32(at + LEN, true);
      this.#stats.segmentsIn++;
      const cmd = view.getUint8(at + CMD);
      if (cmd === CMD_PUSH) {
        this.#push(
          sn,
          view.getInt32(at + TS, true),
          view.getUint8(at + FRG),
          at,
          length,
          recovered,
        );
      } else if (cmd === CMD_ACK) {
        if (distance(sn, send.una) >= 0 && !send.isAcked(sn)) {
          const ts = view.getInt32(at + TS, true);
          const sample = this.#sampleRtt(sn, ts);
          if (sample >= 0) rtt = sample;
          ackedBytes += send.acknowledge(sn, ts);
        } else if (this.#told.open && sn === this.#told.sn) {
          const { sentAt, toldAt } = this.#told;
          if (distance(view.getInt32(at + TS, true), timestamp(sentAt)) === 0) {
            rtt = toldAt - sentAt;
          }
          this.#told.open = false;
        }
      } else if (cmd === CMD_WASK) {
        this.#tellWindow = true;
      } else if (this.#asked) {
        this.#answered = true;
      }
      if (distance(told, una) > 0) una = told;
      this.#remote.hear(told, view.getUint16(at + WND, true), this.#now, recovered);
      at += OVERHEAD + length;
    }

    // After the acknowledgments of single segments, which give round-trip samples.
    if (distance(una, send.una) > 0) {
      const newest = (una - 1) | 0;
      // Of one that was sent again it may be an earlier transmission that `una` tells of.
      if (!send.isAcked(newest) && send.sentAt(newest) === send.firstSentAt(newest)) {
        this.#told.sn = newest;
        this.#told.sentAt = send.sentAt(newest);
        this.#told.toldAt = this.#now;
        this.#told.open = true;
      }
      const { min } = this.#rto;
      ackedBytes += send.acknowledgeUpTo(una, min < Infinity ? this.#now - min : this.#now);
    }

    if (rtt >= 0 && !recovered) {
      this.#rto.sample(rtt, this.#options.interval, this.#options.minRto);
    }
    const acked = flightBefore - send.inFlight;
    if (acked > 0) {
      this.#answered = true;
      this.#pacer.credit(acked);
      this.#flight.onAcked(this.#now, acked, recovered ? -1 : rtt);
      this.#controller.onAck(
        this.#now,
        acked,
        distance(send.una, unaBefore),
        ackedBytes,
        recovered ? -1 : rtt,
        this.#remote.wnd,
      );
      this.#collectSkipped();
    } else if (rtt >= 0 && !recovered) {
      // `una` had told the rest before.
      this.#flight.onAcked(this.#now, 0, rtt);
    }
    this.#liveness.watch(this.#now, send.inFlight > 0);
    return true;
  }

  /**
   * Whether a packet in the arena, from `start` to before `end`, is one that the peer may send now: what
   * it acknowledges is on its way or was the last to be, its data lies in the window or just before it.
   * Nothing is counted. It is what tells a peer that has moved from a stranger.
   */
  fits(start: number, end: number): boolean {
    const { view } = this.arena;
    let fits = false;
    for (let at = start; end - at >= OVERHEAD;) {
      const length = view.getUint32(at + LEN, true);
      if (view.getUint32(at + CONV, true) !== this.conv) return false;
      if (length > end - at - OVERHEAD) return false;
      const told = view.getInt32(at + UNA, true);
      if (distance(told, this.#remote.una) < 0 || distance(told, this.#send.nxt) > 0) return false;
      if (view.getUint8(at + CMD) === CMD_PUSH) {
        const ahead = distance(view.getInt32(at + SN, true), this.#receive.nxt);
        const window = this.#limit();
        if (ahead < -window || ahead >= window) return false;
      }
      fits = true;
      at += OVERHEAD + length;
    }
    return fits;
  }

  /**
   * The round-trip time that an acknowledgment shows, -1 if it shows none. The echoed `ts` tells which
   * transmission arrived, so a segment that was sent more than once gives a sample too; a `ts` that no
   * transmission of the segment can have had gives none.
   */
  #sampleRtt(sn: number, ts: number): number {
    const send = this.#send;
    const sentAt = send.sentAt(sn);
    if (distance(ts, timestamp(sentAt)) === 0) {
      send.noteAcked(sn);
      return this.#now - sentAt;
    }
    const rtt = distance(timestamp(this.#now), ts);
    return rtt >= 0 && rtt <= this.#now - send.firstSentAt(sn) + 1 ? rtt : -1;
  }

  #push(
    sn: number,
    ts: number,
    frg: number,
    at: number,
    length: number,
    recovered: boolean,
  ): void {
    const receive = this.#receive;
    const ahead = distance(sn, receive.nxt);
    if (ahead < -MAX_WINDOW) {
      // Nobody has sent so far back: it is a number from beyond the window, or an invented one.
      this.#stats.refused++;
      return;
    }
    if (ahead < 0) {
      if (!recovered) this.#stats.duplicates++;
    } else {
      const window = this.#limit();
      const budget = Math.min(this.rcvLimit, window * Math.max(this.#mss, USUAL_SEGMENT));
      const result = receive.store(sn, frg, at + OVERHEAD, length, window, budget);
      if (result === REFUSED) {
        this.#stats.refused++;
        return;
      }
      if (result === DUPLICATE) {
        if (!recovered) this.#stats.duplicates++;
      } else {
        this.#stats.payloadIn += length;
      }
    }
    this.#acks.push(sn, ts, this.#options.rcvWnd);
  }

  #collectSkipped(): void {
    const send = this.#send;
    const inFlight = distance(send.nxt, send.una);
    let lost = send.collectSkipped(false);
    if (send.waiting === 0) lost += send.collectSkipped(true);
    if (lost > 0) this.#controller.onLoss(this.#now, lost, inFlight);
  }

  /** Segments that may be held from the first unread one on. */
  #limit(): number {
    // A message that has more fragments than the window could otherwise never be read.
    return Math.max(this.#options.rcvWnd, this.#receive.headFragments);
  }

  /** The window to tell the peer. */
  #window(): number {
    return Math.max(0, Math.min(65535, this.#limit() - this.#receive.queued));
  }

  #advance(now: number): void {
    if (now > this.#now) this.#now = now;
    else if (Number.isNaN(now)) throw new TypeError("Cannot take NaN for the time");
  }

  /**
   * The time at which {@linkcode Kcp.tick} is next due: `Infinity` when nothing is pending, `-Infinity`
   * when something is and no time has been told yet.
   */
  get deadline(): number {
    if (this.dead) return Infinity;
    const send = this.#send;
    if (this.#askWindow || this.#tellWindow || this.#acksDue()) return this.#now;
    let deadline = this.#acks.count > 0 ? this.#nextFlush : Infinity;
    if (this.#limited) {
      // Nothing leaves until the limit is raised.
    } else if (send.due) {
      deadline = Math.min(deadline, Math.max(this.#now, this.#pacer.readyAt));
    } else if (send.waiting > 0) {
      if (this.#room() > 0) {
        const at = this.#held() ? this.#nextFlush : this.#now;
        deadline = Math.min(deadline, Math.max(at, this.#pacer.readyAt));
      }
      if (this.#remote.wnd === 0) deadline = Math.min(deadline, this.#remote.probeAt);
    }
    if (send.inFlight > 0) {
      deadline = Math.min(deadline, send.nextTimeout(this.#rto.rto, this.#liveness.longestWait));
    }
    return Math.min(deadline, this.#liveness.silenceEnds);
  }

  /**
   * Tells the machine that time passed: timeouts are noticed, and what is due gets ready for
   * {@linkcode Kcp.output}.
   *
   * @param now The time in ms.
   * @throws {TypeError} When `now` is NaN.
   */
  tick(now: number): void {
    const before = this.#now;
    this.#advance(now);
    if (this.dead) return;
    const send = this.#send;
    const liveness = this.#liveness;
    liveness.excuse(before, this.#now);
    if (send.inFlight > 0) {
      const inFlight = distance(send.nxt, send.una);
      const { deadLink } = this.#options;
      const count = send.collectTimeouts(
        this.#now,
        this.#rto.rto,
        liveness.longestWait,
        deadLink,
      );
      if (count > 0) this.#controller.onTimeout(this.#now, count, inFlight);
      liveness.judgeSegment(this.#now, send.exhaustedSince);
    }
    if (this.#remote.wnd === 0 && send.waiting > 0 && this.#now >= this.#remote.probeAt) {
      this.#remote.probed(this.#now, liveness.longestWait);
      this.#askWindow = true;
      liveness.asked(this.#now);
    }
    liveness.watch(this.#now, send.inFlight > 0);
    liveness.judgeSilence(this.#now);
    if (liveness.dead) this.#acks.clear();
  }

  /** Tells the peer the window, and all that has arrived, at the next output. */
  tell(): void {
    this.#tellWindow = true;
  }

  /** Asks the peer for its window at the next output: any answer shows that it is there. */
  probe(): void {
    this.#askWindow = true;
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
    if (this.dead || this.#now === -Infinity) return 0;
    const send = this.#send;
    const now = this.#now;
    // A controller may have changed its mind since.
    this.#configurePacer();
    this.#pacer.advance(now, this.#options.mtu, this.#flight.rate);
    let room = this.#held() ? 0 : this.#room();
    const data = (send.due || room > 0) && this.#pacer.ready && !this.#limited;
    if (!data && !this.#askWindow && !this.#tellWindow && !this.#acksDue()) return 0;

    const before = batch.count;
    const writer = this.#writer;
    const { nxt } = this.#receive;
    writer.start(batch, this.#options.mtu, this.#window(), nxt);
    // An acknowledgment that the first segment has no room for may go behind the last one of a few, which is often shorter.
    const behind = data && !send.due && room <= FEW_SEGMENTS &&
      2 * OVERHEAD + send.length(send.nxt) > this.#options.mtu;
    let full = !behind && !this.#writeAcks(nxt);
    if (this.#askWindow && !full) {
      full = !writer.reserve(OVERHEAD);
      if (!full) writer.write(CMD_WASK, 0, 0, 0, 0);
      this.#askWindow = full;
      this.#asked = true;
    }
    if (this.#tellWindow && !full) {
      full = !writer.reserve(OVERHEAD);
      if (!full) writer.write(CMD_WINS, 0, 0, 0, 0);
      this.#tellWindow = full;
    }

    // Data: retransmissions, then new segments.
    const ts = timestamp(now);
    while (!full) {
      const again = send.due;
      if (!again && room <= 0) break;
      const sn = again ? send.firstDue : send.nxt;
      const length = send.length(sn);
      if (OVERHEAD + length > this.sndLimit) break;
      if (!writer.fits(OVERHEAD + length)) this.#closePacket();
      if (!writer.carriesData && !this.#pacer.ready) break;
      if (!writer.reserve(OVERHEAD + length)) break;
      send.copyPayload(sn, writer.dataAt);
      writer.write(CMD_PUSH, send.frg(sn), ts, sn, length);
      writer.carriesData = true;
      this.sndLimit -= OVERHEAD + length;
      if (again) {
        const reason = send.reason(sn);
        if (reason === REASON_TIMEOUT) this.#stats.timeoutRetransmits++;
        else if (reason === REASON_FAST) this.#stats.fastRetransmits++;
        else this.#stats.earlyRetransmits++;
      } else {
        this.#stats.payloadOut += length;
        room--;
      }
      send.transmit(sn, now);
      this.#controller.onSend(now, length, send.inFlight);
    }
    if (behind) this.#writeAcks(nxt);
    this.#closePacket();
    // What the batch had no room for, or what is paced, is still due.
    const left = batch.full || (room > 0 && this.#options.writeDelay);
    if (!left) this.#nextFlush = now + this.#options.interval;
    this.#liveness.watch(this.#now, send.inFlight > 0);
    return batch.count - before;
  }

  /** Writes the acknowledgments that wait, those before `nxt` as one; false if the batch has no room for all. */
  #writeAcks(nxt: number): boolean {
    const acks = this.#acks;
    const writer = this.#writer;
    for (; acks.count > 0; acks.shift()) {
      // `una` speaks for what is before it; only the newest of those goes, for its ts.
      if (distance(acks.sn, nxt) < 0 && acks.count > 1) continue;
      // The packet that is full may carry data, which is paced.
      if (!writer.fits(OVERHEAD)) this.#closePacket();
      if (!writer.reserve(OVERHEAD)) return false;
      writer.write(CMD_ACK, 0, acks.ts, acks.sn, 0);
    }
    return true;
  }

  #closePacket(): void {
    const bytes = this.#writer.close();
    if (bytes >= 0) this.#pacer.spend(bytes);
  }

  #configurePacer(): void {
    const { burst, pacingRate, mtu, nc } = this.#options;
    const rate = nc ? pacingRate : Math.min(pacingRate, this.#controller.pacingRate);
    this.#pacer.configure(burst, rate, mtu);
  }

  /** Whether the next segment is more than may leave. */
  get #limited(): boolean {
    if (this.sndLimit === Infinity) return false;
    const send = this.#send;
    if (!send.due && send.waiting === 0) return false;
    return OVERHEAD + send.length(send.due ? send.firstDue : send.nxt) > this.sndLimit;
  }

  /**
   * When a packet may leave that is none of this machine's, but shares its bounds on bursts and rate. It is not after the last
   * time told if it may leave at once.
   */
  readyAt(): number {
    this.#pacer.advance(this.#now, this.#options.mtu, this.#flight.rate);
    return this.#pacer.readyAt;
  }

  /** Counts such a packet. */
  spend(bytes: number): void {
    this.#pacer.spend(bytes);
  }

  /** Counts bytes that outer layers add to the packet that leaves. */
  charge(bytes: number): void {
    this.#pacer.charge(bytes);
  }

  /** New segments that the windows allow now. */
  #room(): number {
    const send = this.#send;
    const { sndWnd, nc, burst } = this.#options;
    const window = nc ? sndWnd : Math.min(sndWnd, this.#controller.window);
    return Math.min(
      send.waiting,
      window - distance(send.nxt, send.una),
      this.#remote.wnd - distance(send.nxt, this.#remote.una),
      this.#flight.limit(burst) - send.inFlight,
    );
  }

  /** Whether new data waits for the interval. */
  #held(): boolean {
    return this.#options.writeDelay && this.#now < this.#nextFlush &&
      this.#send.waiting < this.#options.sndWnd;
  }

  #acksDue(): boolean {
    const count = this.pendingAcks;
    return count > 0 &&
      (this.#options.ackNoDelay || this.#now >= this.#nextFlush ||
        count >= Math.min(MAX_HELD_ACKS, Math.floor(this.#options.mtu / OVERHEAD)));
  }

  /** Gives memory that an idle machine does not need back to the arena; it is taken again on demand. */
  trim(): void {
    this.#send.release();
    this.#receive.release();
    this.#scratch.release();
    this.#acks.release();
  }

  /** Stops sending: drops what is queued or in flight; what has arrived can still be read. */
  abandon(): void {
    this.#send.clear();
    this.#acks.clear();
    this.#liveness.settle();
  }

  /** Drops all that is queued, in flight or unread, and gives the memory back to the arena. */
  close(): void {
    this.abandon();
    this.#receive.clear();
    this.trim();
  }
}
