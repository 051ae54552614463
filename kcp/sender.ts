import type { Arena } from "./arena.ts";
import type { Clock } from "./clock.ts";
import type { Macroflow } from "./congestion/macroflow.ts";
import type { Pacer } from "./congestion/pacer.ts";
import { type Sharer, type Turn, Turns } from "./congestion/turns.ts";
import {
  type Congestion,
  type CongestionController,
  type CongestionControllerFactory,
  factoryOf,
  uncontrolled,
} from "./congestion/mod.ts";
import { EchoLog } from "./echo_log.ts";
import type { Liveness } from "./liveness.ts";
import { REASON_EARLY, REASON_FAST, REASON_PROBE, REASON_TIMEOUT } from "./loss_detector.ts";
import { checkBytes, type ResolvedKcpOptions } from "./options.ts";
import { affordable, MAX_PROBES, MIN_SUSPECT, PathMtu } from "./path_mtu.ts";
import { PieceWriter } from "./piece_writer.ts";
import { recut } from "./recut.ts";
import type { PacketSink, PacketWriter } from "./packet_writer.ts";
import { Renumbering } from "./renumbering.ts";
import { RemoteWindow } from "./remote_window.ts";
import { Redundancy } from "./redundancy.ts";
import { RtoEstimator } from "./rto.ts";
import { RttSampler } from "./rtt_sampler.ts";
import {
  CMD_PUSH,
  CMD_WASK,
  distance,
  isMarked,
  MAX_ECHO_LEAD,
  MAX_FRAGMENTS,
  OPENING,
  OVERHEAD,
  timestamp,
} from "./segment.ts";
import { SendBuffer, STREAM } from "./send_buffer.ts";
import type { CongestionStats } from "./stats.ts";

/** The echo of a probe that took longer than this, in ms, is no sample: it is forged, or too old. */
const MAX_PROBE_RTT = 10_000;
/** After this time without a sample, in ms, the estimate tells nothing of the path as it is now. */
const OLD_SAMPLE = 4_000;
/** After a silence of this many RTOs, everything in flight counts as lost: it was an outage. */
const OUTAGE_RTOS = 3;
/** No peer is taken to hold acknowledgments back for longer, in ms. */
const MAX_ACK_DELAY = 100;
/** A write without memory waits for a block of at most this many bytes, or of its larger queue. */
const ENOUGH = 16_384;
/**
 * Acknowledgments may be written after the new segments of an output if there are at most this
 * many.
 */
const FEW_SEGMENTS = 8;

/** Two times that are further apart, in ms, have no order on the wire. */
const MAX_DISTANCE = 2 ** 31 - 1;

/**
 * Without the option `extensions`, a peer that never answered gets its first segment in pieces of this
 * size, too.
 */
const FIRST_PIECES = 512;

/**
 * The sending half of a machine: it queues data, sends what windows, congestion control and pacing
 * allow, handles acknowledgments, retransmits, and probes a closed window.
 */
export class Sender implements PacketSink, Sharer {
  /** Bytes of data segments, headers included, that may still be sent. */
  limit: number = Infinity;
  /** Whether the peer is asked for its window at the next output. */
  askWindow = false;
  /** Whether the peer is asked for an echo at the next output: see {@linkcode Kcp.askEcho}. */
  askEcho = false;
  /** Whether the peer has shown that it receives packets at its address. */
  answered = false;
  /** Whether acknowledgments of the peer count as a proof of that. */
  trusted = true;
  /** Whether this end opens the conversation: see {@linkcode Kcp.requireEcho}. */
  initiator = false;
  /** Whether the peer has told its window, without a proof. */
  reported = false;
  /** Whether the peer is of this library; null while that is unknown. */
  extended: boolean | null = null;
  /** Whether a peer shows that it is of this library before it gets extension segments. */
  readonly #asksFirst: boolean;
  /** The peer is not asked for that again before this time, in ms. */
  #kindAskAt = -Infinity;
  /** Whether the peer opens the conversation, and does not know yet that it is heard. */
  peerOpening = false;
  /** Whether it ever did. */
  peerOpened = false;
  /** Whether the peer has shown that it knows that it is heard. */
  peerLinked = false;
  /** Whether the next window probe finds out whether the peer has restarted. */
  challenges = false;
  /** `ts` of the first of these probes, if none was answered since then. */
  #challengeTs: number | null = null;
  /** {@linkcode Sender.peerLinked}, and the first segment not acknowledged, when it was sent. */
  peerWasLinked = false;
  challengeUna = 0;
  /** No further one is sent before this time, in ms. */
  #challengeAt = -Infinity;
  /** The acknowledgment that was handled last; null before the first one. */
  #ackedSn: number | null = null;
  #ackedTs = 0;
  readonly #echoes = new EchoLog();
  /** The newest question that was answered: when it was sent, and how long the answer took, in ms. */
  readonly echo = { sentAt: -Infinity, rtt: -1 };
  /** When the last round-trip sample was taken, in ms. */
  sampledAt = -Infinity;
  /** The last sample in ms if it came a long time after the one before; -1 if not. */
  loneRtt = -1;
  /** Whether the estimate is from before such a time. */
  #outdated = false;
  /** Size of the block that the last `send` or `write` lacked. 0 if it did not lack memory. */
  shortage = 0;
  /** Sequence number of the first segment of the conversation. */
  readonly firstSn: number;
  readonly buffer: SendBuffer;
  readonly rto = new RtoEstimator();
  readonly remote: RemoteWindow;
  /** Decides when packets may leave. */
  pacer: Pacer;
  readonly path: PathMtu;
  readonly counters = {
    payloadOut: 0,
    timeoutRetransmits: 0,
    fastRetransmits: 0,
    earlyRetransmits: 0,
    tailProbes: 0,
  };
  readonly redundancy = new Redundancy((sn) => this.#noteOpen(sn));
  readonly #pieces = new PieceWriter();
  readonly #renumbering = new Renumbering();
  /** The segments of the packet that is being written. */
  #open = new Int32Array(16);
  #openCount = 0;
  /** The MTU that the segments in the queue are cut for, and the one that the controller knows of. */
  #cutFor: number;
  #controlledFor = 0;
  /** What congestion control and pacing know of the path. */
  #flow: Macroflow;
  /** The place among those that share the macroflow; null without others. */
  #turn: Turn | null = null;
  /** See {@linkcode Kcp.onTurn}. */
  onTurn: (() => void) | null = null;
  readonly #sampler: RttSampler;
  readonly #liveness: Liveness;
  readonly #clock: Clock;
  #options: ResolvedKcpOptions;
  /** The `ts` of a segment is the time in ms plus this offset. */
  readonly #tsOffset: number;
  readonly #create: CongestionControllerFactory;
  /** When new data that waits for the interval may be sent, in ms. */
  #heldUntil = -Infinity;
  /** When data was first sent, in ms. */
  #firstSentAt = Infinity;
  /** When data was last sent, in ms. */
  #dataSentAt = -Infinity;
  /** Whether the segment queued last belongs to the byte stream and may grow. */
  #tailOpen = false;
  /** Whether the peer was ever asked for its window. */
  asked = false;
  /** Whether pieces of the first segment wait for the pacer. */
  #firstPiecesDue = false;
  /** When segments were last acknowledged, in ms. */
  #ackedAt = -Infinity;
  /** Segments that had only been late, as the controller knows. */
  #needlessBefore = 0;

  // The packet that is being read: the state before it, and what it has acknowledged so far.
  #unaBefore = 0;
  #inFlightBefore = 0;
  #una = 0;
  #rtt = -1;
  /** The `ts` that it echoes, as a time of this end; NaN if it echoes none. */
  #packetTs = NaN;
  /**
   * When the last long silence of the peer, or of this machine, ended, and the largest sample of
   * what was sent before.
   */
  #outageEnd = -Infinity;
  #outageSample = Infinity;

  constructor(
    arena: Arena,
    initialSn: number,
    initialTs: number,
    options: ResolvedKcpOptions,
    congestion: Congestion,
    liveness: Liveness,
    clock: Clock,
    extensions: boolean,
  ) {
    this.#asksFirst = extensions;
    const { mtu, maxMtu } = options;
    this.path = new PathMtu(mtu, maxMtu);
    this.#cutFor = mtu;
    this.buffer = new SendBuffer(arena, initialSn);
    this.#flow = this.buffer.rates.flow;
    this.pacer = this.#flow.pacer;
    this.firstSn = initialSn | 0;
    this.#tsOffset = initialTs;
    this.remote = new RemoteWindow(this.buffer.una);
    this.#create = factoryOf(congestion);
    this.#sampler = new RttSampler(this.buffer);
    this.#liveness = liveness;
    this.#clock = clock;
    this.#options = options;
    this.#flow.burst.configure(options.burst, mtu);
    this.#control();
    this.configure(options);
  }

  /** The congestion controller, or what is in its place while congestion control is off. */
  get controller(): CongestionController {
    return this.#flow.controller;
  }

  // --- with others on the same path ---

  /**
   * Shares congestion control and pacing with another sender from now on: see {@linkcode Kcp.share}.
   *
   * @throws {TypeError} When this sender has sent data, or shares with others already.
   */
  share(other: Sender): void {
    const shares = this.#turn !== null;
    if (shares || !this.silent) {
      const why = shares ? "it shares with others already" : "the conversation has sent data";
      throw new TypeError(`Cannot share congestion control: ${why}`);
    }
    const flow = other.#flow;
    flow.turns ??= new Turns();
    other.#turn ??= flow.turns.add(other);
    this.#flow = this.buffer.rates.flow = flow;
    this.pacer = flow.pacer;
    this.#turn = flow.turns.add(this);
    this.#controlledFor = 0;
  }

  /** Waits for no turn any more, and gets none. What is in flight still counts. */
  stopSharing(): void {
    const turn = this.#turn;
    if (turn === null) return;
    turn.remove();
    this.#wakeHolder();
    this.#turn = null;
  }

  /** {@linkcode Sharer.outstanding}. */
  get outstanding(): number {
    const { inFlight } = this.buffer;
    return inFlight === 0 ? 0 : inFlight * this.#fullSize;
  }

  /** {@linkcode Sharer.wake}. */
  wake(): void {
    this.onTurn?.();
  }

  /** Wakes the sender whose turn it is, if it can send now: this one may have made room for it. */
  #wakeHolder(): void {
    const turn = this.#turn;
    if (turn === null || !turn.isOthers) return;
    this.#configurePacer();
    this.advancePacer();
    if (this.#windowOpen && this.pacer.ready) turn.turns.holder!.sharer.wake();
  }

  /** Whether it would send data, if the path took it. */
  get #wantsTurn(): boolean {
    if (this.#waitsForPath || this.#limited) return false;
    return this.buffer.due || this.#piecesWait || !this.held && this.#ownRoom > 0 ||
      this.redundancy.dueAt <= this.#clock.now;
  }

  /**
   * When its turn can be used, or has to be asked for, in ms. Who gives it the turn, or opens the window
   * in its turn, wakes it.
   */
  #turnAt(turn: Turn): number {
    const { now } = this.#clock;
    const { dueAt } = this.redundancy;
    if (!turn.isOthers) {
      const open = this.#windowOpen || dueAt <= now;
      return open ? Math.max(now, this.pacer.readyAt) : dueAt;
    }
    if (turn.waits) return Infinity;
    if (this.#wantsTurn) return now;
    return Math.min(dueAt, this.held && this.buffer.waiting > 0 ? this.#heldUntil : Infinity);
  }

  /** Enters the turns of those that share the path, or leaves them. True if it is its turn. */
  #takeTurn(turn: Turn): boolean {
    if (!this.#wantsTurn) {
      turn.turns.leave(turn);
      return false;
    }
    turn.turns.enter(turn);
    return !turn.isOthers;
  }

  /** What the statistics tell of congestion control. */
  get congestion(): CongestionStats {
    const { window, segmentWindow, ssthresh, pacingRate, state } = this.controller;
    const { inFlight } = this.#flow;
    const mss = this.path.mtu;
    const cwnd = Math.min(segmentWindow * mss, window);
    return {
      algorithm: state.algorithm,
      phase: state.phase,
      bandwidth: state.bandwidth,
      minRtt: state.minRtt,
      cwnd: finite(cwnd),
      ssthresh: finite(ssthresh),
      pacingRate: finite(pacingRate),
      inFlight,
    };
  }

  /** Creates the controller that the settings ask for. */
  #control(): void {
    const { nc, resend } = this.#options;
    const mss = this.path.mtu;
    const flow = this.#flow;
    flow.burstTold = flow.burst.size;
    const context = { mss, resend, initialWindow: flow.burstTold * mss };
    flow.controller = (nc ? uncontrolled : this.#create)(context);
    this.#controlledFor = mss;
  }

  configure(options: ResolvedKcpOptions): void {
    const { nodelay, resend, fastlimit, interval, minRto, mtu, maxMtu } = options;
    this.redundancy.configure(options.copies, options.newCopies, options.rideAlong);
    const { nc, burst } = this.#options;
    this.#options = options;
    if (options.burst !== burst) this.#flow.burst.configure(options.burst, mtu);
    if (options.nc !== nc || options.nc && options.burst !== burst) this.#control();
    this.path.configure(mtu, maxMtu);
    this.buffer.detector.configure(nodelay, resend, fastlimit);
    this.rto.bound(interval, minRto);
    this.pacer.configure(this.#flow.burst.size, options.pacingRate, mtu);
    this.#configurePacer();
    this.#wakeHolder();
  }

  /** See {@linkcode Kcp.limitPath}. */
  limitPath(size: number): void {
    const { path } = this;
    const before = path.mtu;
    path.limit(size);
    // What is in flight in larger packets may have to come again in pieces, if the peer knows them.
    if (path.mtu < before && this.buffer.inFlight > 0 && !path.understood) path.ask();
  }

  #configurePacer(): void {
    const { mtu } = this.#options;
    const { burst, burstTold, controller, pacer, silence } = this.#flow;
    if (burst.size !== burstTold) {
      this.#flow.burstTold = burst.size;
      controller.onBurst?.(burst.size * this.path.mtu);
      pacer.configureBurst(burst.size);
    }
    const rate = Math.min(controller.pacingRate, silence.rate);
    pacer.paceStream(rate, mtu);
    if (this.#turn !== null) this.#turn.configure(Math.min(rate, this.#options.pacingRate), mtu);
  }

  // --- from the application ---

  /** Payload bytes of a full segment. */
  get mss(): number {
    return this.path.mtu - OVERHEAD;
  }

  /**
   * Full segments that the send queue still takes. It counts segments of the `mtu` of the settings: of
   * larger ones, it takes fewer.
   */
  get queueRoom(): number {
    const { sndQueue, mtu } = this.#options;
    const { buffer, mss } = this;
    const segments = Math.max(0, sndQueue - buffer.waiting);
    const usual = mtu - OVERHEAD;
    if (mss <= usual) return segments;
    const bytes = Math.max(0, sndQueue * usual - buffer.unsentBytes);
    return Math.min(segments, Math.ceil(bytes / mss));
  }

  /** See {@linkcode Kcp.wantedBytes}. */
  get wantedBytes(): number {
    const { buffer, mss, remote } = this;
    if (this.#liveness.dead || this.queueRoom === 0) return 0;
    this.advancePacer();
    const { mtu } = this.path;
    const { window, segmentWindow } = this.controller;
    const segments = Math.min(
      Math.min(this.#options.sndWnd, segmentWindow) - distance(buffer.nxt, buffer.una),
      remote.wnd - distance(buffer.nxt, remote.una),
    );
    let bytes = Math.min(window - this.#flow.inFlight, this.pacer.streamRoom(mtu));
    if (this.#turn !== null) bytes = Math.min(bytes, this.#turn.left);
    // One segment more than can leave: the queue must not become empty before the next output.
    const ofSegments = (Math.max(0, segments) + 1 - buffer.waiting) * mss;
    const onWire = Math.max(0, bytes) + mtu - buffer.unsentBytes - buffer.waiting * OVERHEAD;
    return Math.max(0, Math.ceil(Math.min(ofSegments, onWire * mss / mtu)));
  }

  /** See {@linkcode Kcp.send}. */
  send(message: Uint8Array): boolean {
    checkBytes(message);
    const { buffer } = this;
    const size = message.length;
    const most = this.#options.mtu - OVERHEAD;
    if (size > MAX_FRAGMENTS * most) {
      throw new RangeError(
        `Cannot send a message of ${size} bytes in ${
          Math.ceil(size / most)
        } fragments: the limit ` +
          `is ${MAX_FRAGMENTS} of ${most} bytes`,
      );
    }
    this.shortage = 0;
    let mss = Math.min(this.mss, most);
    let fragments = 1;
    if (size > mss) {
      // On a path with a smaller MTU, a fragment may be larger than a packet. It is sent in pieces.
      mss = Math.max(mss, Math.ceil(size / this.#mostFragments(size)));
      fragments = Math.ceil(size / mss);
    }
    // None is larger than a segment of the settings.
    const room = this.#options.sndQueue - buffer.waiting;
    if (this.#liveness.dead || fragments > room) return false;
    if (size > 0 && !buffer.store(message, size)) {
      this.shortage = buffer.blockFor(size);
      return false;
    }
    this.#startInterval();
    let left = size;
    for (let frg = fragments - 1; frg >= 0; frg--) {
      const length = Math.min(left, mss);
      left -= length;
      buffer.enqueue(length, frg, left);
    }
    this.#tailOpen = false;
    return true;
  }

  /**
   * Most fragments of a message of `size` bytes. It has no more than the settings ask for, or the
   * peer's window can hold.
   */
  #mostFragments(size: number): number {
    const configured = Math.ceil(size / (this.#options.mtu - OVERHEAD));
    return Math.min(MAX_FRAGMENTS, Math.max(1, configured, this.#readableFragments));
  }

  /**
   * Most fragments of a message that the peer can read. One that knows pieces makes room for a message
   * with more fragments than its window has segments, if these are not larger than usual. With other
   * peers, such a message would stop the conversation.
   */
  get #readableFragments(): number {
    return this.path.understood ? MAX_FRAGMENTS : this.remote.largest;
  }

  /** See {@linkcode Kcp.write}. */
  write(bytes: Uint8Array): number {
    checkBytes(bytes);
    this.shortage = 0;
    if (this.#liveness.dead) return 0;
    const { buffer, mss } = this;
    const open = this.#tailOpen && buffer.waiting > 0;
    const fill = open ? Math.max(0, mss - buffer.lastLength) : 0;
    let count = Math.min(bytes.length, fill + this.queueRoom * mss);
    if (count === 0) return 0;
    if (!buffer.store(bytes, count)) {
      // The arena is full. A part may fit into a smaller block, or the queue's own.
      const whole = count;
      count = buffer.storable(whole);
      if (count === 0 || !buffer.store(bytes, count)) {
        this.shortage = Math.min(buffer.blockFor(whole), Math.max(ENOUGH, buffer.blockFor(1)));
        return 0;
      }
    }
    this.#startInterval();
    const extended = Math.min(fill, count);
    if (extended > 0) buffer.extendLast(extended);
    for (let left = count - extended; left > 0;) {
      const length = Math.min(left, mss);
      left -= length;
      buffer.enqueue(length, STREAM, left);
    }
    this.#tailOpen = true;
    return count;
  }

  /** The first segment that waits starts the interval. Later output does not extend it. */
  #startInterval(): void {
    const { buffer } = this;
    if (buffer.waiting > 0) return;
    this.#heldUntil = this.#clock.nextFlush;
    if (!buffer.due && this.#windowOpen) this.#limitByApplication();
  }

  /** Others that share the path and wait to send use what this one leaves. */
  #limitByApplication(): void {
    if (this.#turn === null || !this.#turn.contended) this.buffer.rates.limitByApplication();
  }

  // --- from the network ---

  /**
   * Starts on a packet from the peer.
   *
   * @param silence How long the peer was silent before, in ms.
   */
  startPacket(silence: number): void {
    const { rto, srtt } = this.rto;
    if (silence >= OUTAGE_RTOS * rto && srtt >= 0) this.#noteOutage(OUTAGE_RTOS * rto);
    this.#una = this.#unaBefore = this.buffer.una;
    this.#inFlightBefore = this.buffer.inFlight;
    this.#rtt = -1;
    this.#packetTs = NaN;
    this.buffer.arrivedSize = 0;
    this.buffer.oldestAt = Infinity;
    this.buffer.detector.startPacket();
    this.buffer.rates.startPacket();
  }

  /**
   * Notes that this machine was not run in time. Answers may have waited in the socket meanwhile:
   * the first sample, too, tells no more then than that the path is not slower.
   */
  noteLate(): void {
    const { rto, srtt } = this.rto;
    this.#noteOutage(srtt < 0 ? rto : OUTAGE_RTOS * rto);
  }

  #noteOutage(largest: number): void {
    this.#outageEnd = this.#clock.now;
    this.#outageSample = largest;
  }

  /** Handles the answer to a probe of the path MTU. */
  handleProbeAnswer(sn: number, ts: number): void {
    // The answer echoes the time at which the probe was sent. No segment may have given a sample yet.
    const rtt = distance(timestamp(this.#clock.now), (ts - this.#tsOffset) | 0);
    if (rtt >= 0 && rtt <= MAX_PROBE_RTT) this.#rtt = rtt;
    this.path.understood = true;
    this.path.answered(sn, ts, true, this.#clock.now, this.rto.srtt);
  }

  /** The `ts` of a packet that asks for an echo. A reset may quote it. */
  nextEchoTs(): number {
    return this.#echoes.next(this.ts, this.#clock.now);
  }

  /** The `ts` of a packet that only shows the clock of this end. A reset may quote it. */
  shownTs(): number {
    return this.#echoes.show(this.ts, this.rto.rto / 8);
  }

  /** Whether a window report echoes the `ts` of a window probe. */
  isProbeEcho(ts: number): boolean {
    return this.#echoes.has(ts);
  }

  /**
   * Whether this end has sent a packet with these fields lately: a probe, a segment in flight, or one
   * that was acknowledged lately. Nobody who does not see the packets can know them.
   */
  isOwnPacket(sn: number, ts: number): boolean {
    if ((sn === 0 || sn === this.#echoSn) && this.#echoes.has(ts)) return true;
    if (sn === 0 && this.#echoes.hasShown(ts)) return true;
    if (this.trusted && sn === this.#ackedSn && ts === this.#ackedTs && !this.silent) return true;
    return this.buffer.wasSentAt(sn, (ts - this.#tsOffset) | 0);
  }

  /** The sequence number of a request for an echo. */
  get #echoSn(): number {
    return (this.firstSn - 1) | 0;
  }

  /** Whether the peer has echoed this `ts`, which {@linkcode Sender.nextEchoTs} has made. */
  wasEchoed(ts: number): boolean {
    return this.#echoes.echoed(ts);
  }

  /** Takes an echo as a proof of the peer's address, and as a sample. */
  #takeEcho(ts: number): void {
    this.answered = true;
    const sentAt = this.#echoes.take(ts);
    if (Number.isNaN(sentAt)) return;
    this.#rtt = this.#clock.now - sentAt;
    this.echo.sentAt = sentAt;
    this.echo.rtt = this.#rtt;
  }

  /**
   * Whether the `ts` that an ACK echoes is one that this end has sent. Only a peer that got a packet of
   * this end knows it: an ACK for an earlier incarnation of this end echoes another one. An ACK that
   * is repeated echoes a later one: see {@linkcode MAX_ECHO_LEAD}.
   */
  hasSent(echo: number): boolean {
    const { now } = this.#clock;
    const ts = (echo - this.#tsOffset) | 0;
    if (this.#firstSentAt === Infinity || distance(timestamp(now), ts) < -MAX_ECHO_LEAD) {
      return false;
    }
    return now - this.#firstSentAt > MAX_DISTANCE - MAX_ECHO_LEAD ||
      distance(ts, timestamp(this.#firstSentAt)) >= 0;
  }

  /** The clock of this end, as the `ts` of a segment that is sent now. */
  get ts(): number {
    return (timestamp(this.#clock.now) + this.#tsOffset) | 0;
  }

  /** Whether no segment was ever sent. */
  get silent(): boolean {
    return this.buffer.nxt === this.firstSn;
  }

  /** Handles an ACK segment. */
  handleAck(sn: number, echo: number): void {
    const { buffer } = this;
    const ts = (echo - this.#tsOffset) | 0;
    let sample: number;
    if (sn === this.#echoSn && this.#echoes.has(echo)) {
      this.#takeEcho(echo);
      return;
    }
    const isNew = distance(sn, buffer.una) >= 0 && !buffer.isAcked(sn);
    this.#ackedSn = sn;
    this.#ackedTs = echo;
    this.#packetTs = ts;
    if (isNew) {
      sample = this.#sampler.sample(sn, ts, this.#clock.now);
      buffer.acknowledge(sn, ts, this.#clock.now);
    } else {
      sample = this.#sampler.sampleRemembered(sn, ts);
      if (this.path.deadline < Infinity) {
        this.path.answered(sn, echo, false, this.#clock.now, this.rto.srtt);
      }
    }
    if (sample >= 0) this.#rtt = sample;
  }

  /**
   * Handles a selective acknowledgment.
   *
   * @param sn The segment of the first bit.
   * @param bytes The arena.
   * @param at Offset of the bitmap.
   * @param length Bytes of the bitmap.
   */
  handleSack(sn: number, bytes: Uint8Array, at: number, length: number): void {
    const { buffer } = this;
    const { now } = this.#clock;
    for (let i = 0; i < length; i++) {
      for (let bits = bytes[at + i]; bits !== 0; bits &= bits - 1) {
        const arrived = (sn + 8 * i + 31 - Math.clz32(bits & -bits)) | 0;
        if (distance(arrived, buffer.una) < 0 || buffer.isAcked(arrived)) continue;
        buffer.acknowledgeUnnamed(arrived, now, this.rto.min, this.#packetTs);
      }
    }
  }

  /**
   * Handles a WINS segment. It shows that packets reach the peer if it echoes the `ts` of a probe. A
   * peer of another implementation echoes nothing.
   */
  handleWindowReport(frg: number, ts: number): void {
    this.handleMark(frg);
    // Others answer without a mark. A question without one is no sign: see StatelessAnswers.ask.
    this.extended ??= false;
    if (this.asked) this.reported = true;
    if (this.extended && this.#echoes.has(ts)) this.#takeEcho(ts);
  }

  /**
   * Asks the peer whether it has restarted. Only an answer to a probe that is sent from now on counts,
   * since anybody can send the first packet of a conversation.
   */
  challenge(): void {
    const { now } = this.#clock;
    if (now < this.#challengeAt) return;
    this.#challengeAt = now + this.rto.rto;
    this.challenges = true;
  }

  /**
   * Writes the probe of {@linkcode Sender.challenge}, if it is due, in a packet of its own: a peer that
   * has restarted refuses a packet with an `una` of what it has not sent. False when the batch is full.
   *
   * @param una The sequence number of the peer's first segment.
   */
  writeChallenge(writer: PacketWriter, mark: number, una: number): boolean {
    if (!this.challenges) return true;
    if (!writer.reserve(OVERHEAD)) return false;
    const ts = this.nextEchoTs();
    // The answers may take longer than the time between two probes.
    if (this.#challengeTs === null) {
      this.#challengeTs = ts;
      this.peerWasLinked = this.peerLinked;
      this.challengeUna = this.buffer.una;
    }
    writer.writeWithUna(CMD_WASK, mark, ts, 0, una);
    writer.close();
    this.challenges = false;
    this.#liveness.probed(this.#clock.now);
    return true;
  }

  /** Takes an echo. True if it answers a probe since {@linkcode Sender.challenge}. */
  takeChallenge(ts: number): boolean {
    const answers = this.#challengeTs !== null && distance(ts, this.#challengeTs) >= 0;
    if (answers) this.#challengeTs = null;
    return answers;
  }

  /**
   * Whether only an incarnation of the peer that has been there for long can announce `una`. A new one
   * would have had to get more than a window again, from the first segment on.
   */
  isProgress(una: number): boolean {
    return distance(una, this.buffer.una) >= 0 &&
      distance(una, this.firstSn) > this.#options.sndWnd;
  }

  /**
   * Whether a packet says that the peer lacks a segment that has been acknowledged. Then another incarnation
   * of the peer has acknowledged it. A peer that has got this segment, and all before it, tells a later
   * `una` from then on, unless its receive queue is full: its window is 0 then. No order in which packets
   * arrive can show this `una` afterwards.
   *
   * @param una The `una` of the packet.
   * @param wnd Its window.
   */
  contradicts(una: number, wnd: number): boolean {
    const { buffer } = this;
    return una !== buffer.una && distance(una, buffer.una) > 0 && una !== buffer.nxt && wnd > 0 &&
      buffer.isAcked(una);
  }

  /** Notes which kind of peer has sent a WASK or WINS segment. */
  handleMark(frg: number): void {
    if (!isMarked(frg)) return;
    this.extended = true;
    this.peerOpening = (frg & OPENING) !== 0;
    this.peerOpened ||= this.peerOpening;
    if (!this.peerOpening) this.peerLinked = true;
  }

  /** Handles the `una` and `wnd` of a segment of any kind. */
  handleHeader(una: number, wnd: number, recovered: boolean): void {
    if (distance(una, this.#una) > 0) this.#una = una;
    const wait = wnd > 0 ? 0 : this.#longestProbeWait;
    this.remote.update(una, wnd, this.#clock.now, recovered, wait);
    if (this.buffer.detector.parked) this.buffer.unpark(this.#edge);
  }

  /** The first sequence number that the peer's window has no room for. */
  get #edge(): number {
    return (this.remote.una + this.remote.wnd) | 0;
  }

  /**
   * Retransmits at once what would wait for its backed-off timeout: the path was down and works
   * again.
   *
   * @param all Whether every segment that has timed out is sent; else only the oldest one.
   */
  resume(all: boolean): void {
    const { buffer, remote } = this;
    // With nothing in flight, the place of the oldest segment holds none.
    if (buffer.inFlight > 0) {
      buffer.detector.resume(buffer.slotOf(buffer.una), this.#clock.now, all);
    }
    if (remote.wnd === 0) remote.probeAt = Math.min(remote.probeAt, this.#clock.now);
  }

  /** Retransmits at once all that has timed out: the application says that the path works again. */
  resumeNow(): void {
    this.#flow.silence.end();
    this.resume(true);
  }

  /**
   * Handles the first packet after a silence of `silence` ms. After an outage the oldest segment is
   * sent at once, since its next timeout may be far away.
   */
  handleSilenceEnd(silence: number): void {
    const { buffer } = this;
    const { rto, srtt } = this.rto;
    if (silence < rto || buffer.inFlight === 0) return;
    this.#flow.silence.hear();
    // What vanishes is sent at long intervals. The answers to probes are no reason to send it again.
    if (this.path.vanishes(OVERHEAD + buffer.length(buffer.una)) && !this.path.understood) return;
    // What was sent at the end of the outage may be lost, too, or its answer is under way.
    if (silence >= OUTAGE_RTOS * rto && srtt >= 0) buffer.detector.forgive(this.#clock.now);
    const oldest = buffer.slotOf(buffer.una);
    if (!buffer.detector.hasTimedOut(oldest, this.#clock.now - Math.max(0, srtt))) return;
    this.resume(silence >= OUTAGE_RTOS * rto);
  }

  /** Completes a packet: applies its highest `una`, its sample, and what follows from both. */
  finishPacket(recovered: boolean): void {
    const { buffer } = this;
    const { now } = this.#clock;
    const una = this.#una;
    // After the acknowledgments of single segments, which give round-trip samples.
    if (distance(una, buffer.una) > 0) {
      this.#sampler.remember((una - 1) | 0, now);
      const { min } = this.rto;
      buffer.acknowledgeUpTo(una, now, min, this.#packetTs);
    }
    if (buffer.arrivedSize > 0) this.path.arrived(buffer.arrivedSize, buffer.arrivedAt, now);
    if (this.path.deadline < Infinity) this.path.conclude(now);
    if (this.path.isSmall || this.#renumbering.waiting) this.#renumber();
    const rtt = recovered ? -1 : this.#sample(now);
    if (rtt >= 0) {
      if (buffer.oldestAt < Infinity) {
        // What was lost waited for longer, but others were acknowledged meanwhile.
        const delay = Math.min(now - buffer.oldestAt - rtt, now - this.#ackedAt, MAX_ACK_DELAY);
        const alone = this.#inFlightBefore - buffer.inFlight === 1;
        this.rto.noteAckDelay(alone ? 0 : delay, this.#options.interval);
      }
      const alone = this.rto.srtt >= 0 && now - this.sampledAt > OLD_SAMPLE;
      this.loneRtt = alone ? this.#rtt : -1;
      this.#outdated ||= alone;
      // A bounded sample does not tell where the estimate belongs. The next one may.
      if (this.#outdated && rtt === this.#rtt) {
        this.rto.replace(rtt);
        this.#outdated = false;
      }
      this.rto.sample(rtt, this.#options.interval, this.#options.minRto, this.#rtt);
      this.sampledAt = now;
    }
    const acked = this.#inFlightBefore - buffer.inFlight;
    if (acked > 0) {
      this.#ackedAt = now;
      this.#flow.silence.end();
      this.answered ||= this.trusted;
      this.pacer.credit(acked);
      buffer.detector.allowTailProbe();
      this.#detectLoss();
    }
    if (acked > 0 || rtt >= 0) {
      const advanced = distance(buffer.una, this.#unaBefore);
      buffer.rates.finish(now, rtt, this.rto.min, advanced, this.remote.wnd, recovered);
    }
    if (acked > 0) this.#noteNeedless();
    if (acked > 0 && this.#turn !== null) this.#wakeHolder();
  }

  /**
   * The round-trip sample of this packet, or -1. What was sent before the end of a long silence may have
   * waited for a peer that was suspended: that is no property of the path. With the whole wait as a
   * sample, the timeout could be longer than `deadLinkTime`. A path that has become slow is learned
   * step by step.
   */
  #sample(now: number): number {
    const rtt = this.#rtt;
    return now - rtt < this.#outageEnd ? Math.min(rtt, this.#outageSample) : rtt;
  }

  /** Cuts segments in flight anew that vanish, if that is safe. */
  #renumber(): void {
    const { buffer, path, remote } = this;
    const renumbering = this.#renumbering;
    const { now } = this.#clock;
    renumbering.update(buffer, path, now, this.rto.rto);
    if (!renumbering.waiting) return;
    if (renumbering.isAllowed(buffer, path, remote)) {
      buffer.rewind();
      renumbering.stop();
      this.#recut();
    } else if (now >= renumbering.askAt) {
      path.ask();
    }
  }

  /** Cuts the segments in the queue for the present MTU. */
  #recut(): void {
    this.#cutFor = this.path.mtu;
    const { mss } = this;
    const most = Math.min(MAX_FRAGMENTS, this.#readableFragments);
    recut(this.buffer, mss, Math.min(mss, this.#options.mtu - OVERHEAD), most);
  }

  /** Whether no data may be sent, since the path MTU is about to be known. */
  get #waitsForPath(): boolean {
    return this.path.holds || this.#renumbering.waiting;
  }

  #detectLoss(): void {
    const { buffer } = this;
    const { now } = this.#clock;
    const first = buffer.slotOf(buffer.una);
    buffer.rates.span = distance(buffer.nxt, buffer.una);
    buffer.detector.collectSkipped(first, false, now);
    if (buffer.waiting === 0) buffer.detector.collectSkipped(first, true, now);
  }

  /** Tells the controller of segments that had only been late. */
  #noteNeedless(): void {
    const { detector: { needless, restores }, rates: { late } } = this.buffer;
    const news = needless + late - this.#needlessBefore;
    if (news === 0) return;
    this.#needlessBefore = needless + late;
    // A packet that was restored was lost.
    if (!restores) this.controller.onNeedlessLoss?.(this.#clock.now, news);
  }

  /** When the tail is probed, in ms: only if no data waits, and nothing times out before. */
  #tailProbeAt(timeoutAt: number): number {
    if (this.buffer.waiting > 0) return Infinity;
    const { interval } = this.#options;
    const { rto } = this;
    const at = this.buffer.detector.tailProbeAt(rto.srtt, rto.heldBack(interval));
    return at < timeoutAt ? at : Infinity;
  }

  /** Drops all data that is queued or in flight. */
  abandon(): void {
    this.buffer.clear();
    this.stopSharing();
    this.redundancy.clear();
    this.path.stop();
    this.#renumbering.stop();
  }

  // --- time ---

  /** When the sender next has something to do, in ms. `Infinity` when nothing is pending. */
  get deadline(): number {
    const { buffer, remote } = this;
    const { now } = this.#clock;
    let deadline = Infinity;
    const blocked = this.#limited || this.#waitsForPath;
    const turn = this.#turn;
    if (turn !== null && (turn.waits || turn.isOthers)) {
      deadline = this.#turnAt(turn);
    } else if (blocked) {
      // Nothing leaves until the limit is raised, or the path is probed.
    } else if (buffer.due && this.#windowOpen || this.#piecesWait) {
      deadline = Math.max(now, this.pacer.readyAt);
    } else if (buffer.waiting > 0) {
      if (this.room > 0) {
        deadline = Math.max(this.held ? this.#heldUntil : now, this.pacer.readyAt);
      }
    }
    if (this.#probesWindow) deadline = Math.min(deadline, remote.probeAt);
    deadline = Math.min(deadline, this.path.deadline, this.#liveness.askAt(this.rto.rto));
    if (this.#renumbering.waiting) {
      // Nothing times out while everything waits.
      const { askAt } = this.#renumbering;
      return now < askAt ? Math.min(deadline, askAt) : deadline;
    }
    if (buffer.inFlight > 0) {
      const timeoutAt = this.#timeoutAt;
      deadline = Math.min(
        deadline,
        timeoutAt,
        this.#tailProbeAt(timeoutAt),
        buffer.detector.nextSkipped(now),
      );
      const { dueAt } = this.redundancy;
      if (dueAt < deadline && !blocked && !turn?.waits) {
        deadline = Math.min(deadline, Math.max(dueAt, this.pacer.readyAt));
      }
    }
    return deadline;
  }

  /** When the next segment times out, in ms. */
  get #timeoutAt(): number {
    const { longestWait } = this.#liveness;
    return this.buffer.detector.nextTimeout(this.#clock.now, this.rto.rto, longestWait);
  }

  /** Handles retransmission timeouts, and decides whether to probe a closed window. */
  tick(): void {
    const { buffer, remote } = this;
    const { now } = this.#clock;
    const liveness = this.#liveness;
    this.path.tick(now);
    if (this.#renumbering.waiting) this.#renumber();
    if (buffer.inFlight > 0 && !this.#renumbering.waiting) {
      // First, since a timeout makes the next one longer.
      if (buffer.detector.nextSkipped(now) <= now) this.#detectLoss();
      buffer.rates.span = distance(buffer.nxt, buffer.una);
      const count = buffer.detector.collectTimeouts(now, this.rto.rto, liveness.longestWait);
      if (count > 0) {
        const { controller, inFlight, silence, turns } = this.#flow;
        controller.onTimeout(now, count, inFlight);
        const bytes = turns === null ? this.outstanding : turns.outstanding;
        silence.onTimeout(now, this.rto.rto, bytes, this.#fullSize);
      }
      if (buffer.waiting === 0 && this.#tailProbeAt(this.#timeoutAt) <= now) {
        buffer.detector.probeTail();
      }
    }
    if (this.#probesWindow && now >= remote.probeAt) {
      remote.probed(now, this.#longestProbeWait);
      this.askWindow = true;
    }
    if (now >= liveness.askAt(this.rto.rto)) this.askWindow = true;
    if (this.#turn !== null) this.#wakeHolder();
  }

  /** Bytes of a full segment. One that was cut for a larger MTU leaves in pieces. */
  get #fullSize(): number {
    return Math.max(this.path.mtu, OVERHEAD + this.buffer.length(this.buffer.una));
  }

  /**
   * Until when the pacer holds a retransmission back, in ms, if no data was sent since the peer was
   * heard. -Infinity otherwise.
   */
  get heldBackUntil(): number {
    const { readyAt } = this.pacer;
    return this.buffer.due && this.#dataSentAt <= this.#liveness.heardAt ? readyAt : -Infinity;
  }

  /** The longest wait before a window probe, in ms. */
  get #longestProbeWait(): number {
    return Math.max(this.rto.rto, this.#liveness.longestWait);
  }

  /** Whether the peer's window is closed, and probed: data waits for it, or was refused. */
  get #probesWindow(): boolean {
    return this.remote.wnd === 0 && this.buffer.una !== this.buffer.end;
  }

  // --- to the network ---

  /** Whether the window of the congestion controller is open. */
  get #windowOpen(): boolean {
    const { controller, inFlight } = this.#flow;
    return inFlight < controller.window;
  }

  /** New segments that the windows allow now. */
  get room(): number {
    return this.#windowOpen ? this.#ownRoom : 0;
  }

  /** New segments that the windows of this conversation allow now. */
  get #ownRoom(): number {
    const { buffer, remote } = this;
    const window = Math.min(this.#options.sndWnd, this.controller.segmentWindow);
    return Math.min(
      buffer.waiting,
      window - distance(buffer.nxt, buffer.una),
      remote.wnd - distance(buffer.nxt, remote.una),
    );
  }

  /** Whether new data waits for the interval. */
  get held(): boolean {
    return this.#options.writeDelay && this.#clock.now < this.#heldUntil &&
      this.buffer.waiting < this.#options.sndWnd;
  }

  /** Whether the next segment is larger than the limit allows. */
  get #limited(): boolean {
    if (this.limit === Infinity) return false;
    const { buffer } = this;
    if (!buffer.due && buffer.waiting === 0) return false;
    return OVERHEAD + buffer.length(buffer.due ? buffer.firstDue : buffer.nxt) > this.limit;
  }

  /** Prepares the pacer for an output. */
  startOutput(): void {
    if (this.#cutFor !== this.path.mtu && !this.#waitsForPath) this.#recut();
    if (this.#controlledFor !== this.path.mtu) {
      this.#controlledFor = this.path.mtu;
      this.controller.onMtu?.(this.path.mtu);
    }
    // The controller's rate may have changed since the last output.
    this.#configurePacer();
    this.advancePacer();
  }

  /** Fills the pacer's buckets for the time that passed. */
  advancePacer(): void {
    this.pacer.advance(this.#clock.now, this.#options.mtu);
  }

  /** Whether data may be sent now, given the new segments that the windows allow. */
  dataDue(room: number): boolean {
    const turn = this.#turn;
    const mine = turn === null || this.#takeTurn(turn);
    return mine && !this.#waitsForPath && this.pacer.ready && !this.#limited &&
      (this.buffer.due && this.#windowOpen || room > 0 || this.#piecesWait ||
        this.redundancy.dueAt <= this.#clock.now);
  }

  /**
   * Whether acknowledgments are better written after the data that is due: only a few new segments
   * leave, and the first leaves no room in its packet. The last one is often shorter.
   */
  acksFitBetterLast(room: number): boolean {
    const { buffer } = this;
    return !buffer.due && room <= FEW_SEGMENTS &&
      2 * OVERHEAD + buffer.length(buffer.nxt) > this.path.mtu;
  }

  /** Whether probes of the path MTU are due. A peer that is not confirmed gets none. */
  get probesDue(): boolean {
    return this.path.due && this.limit === Infinity;
  }

  /** Whether the peer is asked of which kind it is before a round of probes starts. */
  asksKind(): boolean {
    const { now } = this.#clock;
    const unknown = this.#asksFirst && this.extended === null;
    // Not again in each output: the batch may have no room for the probes.
    if (!unknown || !this.path.starts || now < this.#kindAskAt) return false;
    this.#kindAskAt = now + this.rto.rto;
    return this.askWindow = true;
  }

  /**
   * Writes the probes of the path MTU. They come behind the data, so their answers tell whether it
   * has arrived.
   */
  writePathProbes(writer: PacketWriter): void {
    const { buffer, path } = this;
    // The peer drops them as duplicates. None is like the first segment, which begins a conversation.
    const sent = distance(buffer.una, this.firstSn);
    const before = ((sent >= 0 && sent <= MAX_PROBES ? this.firstSn : buffer.una) - 1) | 0;
    const { rto } = this.rto;
    const budget = this.pacer.bytesIn(rto);
    path.probes = !this.#asksFirst || this.extended === true;
    if (buffer.inFlight > 0) this.#writeCopies(writer, budget);
    path.write(writer, before, this.firstSn, this.#tsOffset, this.#clock.now, rto, budget);
  }

  /** Writes copies of a segment that is suspected to be too large for the path. */
  #writeCopies(writer: PacketWriter, budget: number): void {
    const { buffer, path } = this;
    const sn = buffer.una;
    const size = OVERHEAD + buffer.length(sn);
    if (size < path.suspect) return;
    for (let left = Math.min(path.copies, affordable(size, budget)); left > 0; left--) {
      writer.close();
      if (!writer.reserve(size)) return;
      buffer.copyPayload(sn, writer.dataAt);
      writer.write(CMD_PUSH, buffer.frg(sn), this.ts, sn, size - OVERHEAD);
      writer.carriesData = true;
      path.copied();
    }
    writer.close();
  }

  #noteOpen(sn: number): void {
    if (this.#openCount === this.#open.length) {
      const open = new Int32Array(2 * this.#open.length);
      open.set(this.#open);
      this.#open = open;
    }
    this.#open[this.#openCount++] = sn;
  }

  /** {@linkcode PacketSink.packetWritten}. Only packets that carry data are paced. */
  packetWritten(bytes: number): void {
    this.pacer.spend(bytes);
    this.path.sent(bytes);
    // A packet that is too large can arrive in fragments. That does not show what the path takes.
    const size = this.path.vanishes(bytes) ? this.path.mtu : bytes;
    for (let i = 0; i < this.#openCount; i++) this.buffer.setPacketSize(this.#open[i], size);
    this.#openCount = 0;
  }

  /**
   * Writes the window probe and the request for an echo, if they are due. False when the batch is
   * full.
   *
   * @param mark `frg` of the probe: see {@linkcode EXTENDED}. 0 without extensions.
   */
  writeProbe(writer: PacketWriter, mark: number): boolean {
    if (this.askWindow) {
      if (!writer.reserve(OVERHEAD)) return false;
      this.asked = true;
      writer.write(CMD_WASK, mark, mark === 0 ? 0 : this.nextEchoTs(), 0, 0);
      this.askWindow = false;
      this.#liveness.probed(this.#clock.now);
    }
    if (this.askEcho) {
      if (!writer.reserve(OVERHEAD)) return false;
      writer.write(CMD_PUSH, 0, this.nextEchoTs(), this.#echoSn, 0);
      this.askEcho = false;
      this.#liveness.probed(this.#clock.now);
    }
    return true;
  }

  /**
   * Writes retransmissions, then new segments, until nothing is due, the pacer stops or the batch
   * is full.
   *
   * @param room New segments that the windows allow.
   * @returns How many of those are left.
   */
  writeData(writer: PacketWriter, room: number): number {
    const { buffer, counters, path } = this;
    const { now } = this.#clock;
    const { ts } = this;
    const edge = this.#edge;
    // They come before the next retransmission, which would take their place in a slow pacer.
    if (this.#piecesWait) this.#writeFirstInPieces(writer, ts);
    const { redundancy } = this;
    const payloadBefore = counters.payloadOut;
    const firstNew = buffer.nxt;
    // An address that is not proved gets nothing twice.
    const redundant = this.limit === Infinity;
    if (!redundant) redundancy.clear();
    const flow = this.#flow;
    const { window } = flow.controller;
    const turn = this.#turn;
    while (true) {
      const again = buffer.due;
      const waits = flow.inFlight >= window && (again || buffer.waiting > 0);
      if (waits) buffer.rates.limitByWindow();
      if (waits || !again && room <= 0 || turn !== null && !turn.goesOn()) {
        // What else holds the rest back is no property of the path.
        if (!waits && buffer.waiting > 0) this.#limitByApplication();
        if (redundancy.dueAt <= now) {
          redundancy.writeDue(writer, this.pacer, buffer, edge, ts, now);
        }
        break;
      }
      const sn = again ? buffer.firstDue : buffer.nxt;
      if (again && distance(sn, edge) >= 0) {
        // The peer would refuse it again: its window is probed instead.
        buffer.detector.park(buffer.slotOf(sn));
        continue;
      }
      const length = buffer.length(sn);
      const size = OVERHEAD + length;
      if (size > this.limit) break;
      if (size > path.mtu && path.understood) {
        if (again) path.resent(buffer.packetSize(sn), buffer.sentAt(sn), now);
        if (!this.#pieces.write(writer, this.pacer, buffer, sn, ts, path.mtu, again)) break;
        buffer.setPacketSize(sn, this.#pieces.packetSize);
      } else {
        if (!writer.fits(size)) writer.close();
        // A packet that carries data already has passed the pacer.
        if (!writer.carriesData && !this.pacer.ready) break;
        if (!again && redundancy.active && redundant && !writer.carriesData) {
          redundancy.writeBeside(writer, buffer, size, edge, ts, now);
        }
        if (!writer.reserve(size)) break;
        buffer.copyPayload(sn, writer.dataAt);
        writer.write(CMD_PUSH, buffer.frg(sn), ts, sn, length);
        writer.carriesData = true;
        if (path.vanishes(size)) writer.allowFragments();
        if (again) {
          // What is known to vanish counts as a packet that fits: see packetWritten.
          const sent = path.vanishes(size) ? size : buffer.packetSize(sn);
          path.resent(sent, buffer.sentAt(sn), now);
        }
        this.#noteOpen(sn);
      }
      this.limit -= size;
      if (again) {
        const reason = buffer.reason(sn);
        if (reason === REASON_TIMEOUT) counters.timeoutRetransmits++;
        else if (reason === REASON_FAST) counters.fastRetransmits++;
        else if (reason === REASON_EARLY) counters.earlyRetransmits++;
        else counters.tailProbes++;
        if (reason !== REASON_PROBE && redundant) redundancy.schedule(buffer, sn, now);
      } else {
        counters.payloadOut += length;
        room--;
      }
      buffer.transmit(sn, now);
      this.pacer.spendSegment(size);
      if (turn !== null) turn.spend(size);
      this.#dataSentAt = now;
      if (now < this.#firstSentAt) this.#firstSentAt = now;
      if (again && sn === this.firstSn && this.#needsPieces(size)) {
        // A peer that is not known yet is asked. The question opens the conversation, too.
        if (this.#asksFirst && !this.extended) this.askWindow = true;
        else this.#writeFirstInPieces(writer, ts);
      }
    }
    redundancy.allow(counters.payloadOut - payloadBefore);
    if (redundant) redundancy.scheduleNew(buffer, firstNew, now);
    if (turn !== null && !this.#wantsTurn) turn.turns.leave(turn);
    if (path.mtu < this.#options.maxMtu) path.raiseIfDue(now);
    return room;
  }

  /**
   * Whether the first segment is sent in pieces, too: the peer has not answered it. It may be too
   * large for the path, and a peer that has not got it does not answer probes.
   */
  #needsPieces(size: number): boolean {
    return size > MIN_SUSPECT && this.#unanswered && this.limit === Infinity;
  }

  /** Whether pieces of the first segment wait for the pacer. */
  get #piecesWait(): boolean {
    return this.#firstPiecesDue && this.#unanswered &&
      this.buffer.una === this.firstSn && this.buffer.inFlight > 0;
  }

  /**
   * Whether the peer may lack the first segment. A listener that has got other packets asks whether this
   * end opens the conversation, but it keeps no session, and echoes nothing.
   */
  get #unanswered(): boolean {
    return this.#liveness.heardAt === -Infinity || this.initiator && !this.trusted;
  }

  #writeFirstInPieces(writer: PacketWriter, ts: number): void {
    const { buffer, firstSn } = this;
    const mtu = Math.min(this.path.mtu, FIRST_PIECES);
    this.#firstPiecesDue = !this.#pieces.write(writer, this.pacer, buffer, firstSn, ts, mtu, true);
    // An acknowledgment does not show that the large packet has arrived.
    buffer.setPacketSize(firstSn, this.#pieces.packetSize);
  }
}

/** What statistics tell of a limit: JSON has no `Infinity`. */
function finite(limit: number): number | null {
  return limit === Infinity ? null : limit;
}
