/**
 * One conversation with one peer, without I/O: a KCP machine, and what KCP lacks on the wire.
 *
 * @module
 */
import { Arena } from "../../kcp/arena.ts";
import { Kcp } from "../../kcp/kcp.ts";
import { LATE } from "../../kcp/liveness.ts";
import { checkBytes, type KcpLiveOptions, MIN_MTU } from "../../kcp/options.ts";
import type { PacketBatch } from "../../kcp/packet_batch.ts";
import { Scratch } from "../../kcp/scratch.ts";
import type { KcpStats } from "../../kcp/stats.ts";
import { distance, OVERHEAD } from "../../kcp/segment.ts";
import { DATA_HEADER, packetType, TYPE_DATA, TYPE_OOB } from "../../fec/header.ts";
import { AddressConfirmation } from "./address_confirmation.ts";
import { Closing } from "./closing.ts";
import type { DatagramStats } from "./datagram_queue.ts";
import { ConnectionError } from "./errors.ts";
import { MemoryWait } from "./memory_wait.ts";
import { NO_PROTECTION, PacketProtection } from "./packet_protection.ts";
import { PathOffer } from "./path_offer.ts";
import { type InvalidPackets, PeerActivity } from "./peer_activity.ts";
import { DATAGRAM, type FecStats, INVALID, overheadOf, Pipeline } from "./pipeline.ts";
import {
  describeReset,
  encodeReason,
  ENDED,
  findQuote,
  GIVEN_UP,
  isReset,
  readReset,
  REFUSED,
} from "./reset.ts";
import { REPEATS, ResetSender } from "./reset_sender.ts";
import { RoundTrip } from "./round_trip.ts";
import {
  checkTimes,
  type ResolvedSessionOptions,
  resolveSession,
  type SessionLiveOptions,
  type SessionOptions,
  type SessionTimes,
} from "./session_options.ts";
import { kcpOptions, wireOptions } from "./wire_options.ts";

/** Counters and present state of a {@linkcode Session}. */
export interface SessionStats extends KcpStats {
  /** How long ago the last round-trip sample was taken, in ms; -1 before the first one. */
  rttAge: number;
  /** Counters of error correction: what parity cost this end, and what that of the peer brought. */
  fec: FecStats;
  /** Counters of datagrams. */
  datagrams: DatagramStats;
}

/** The state of a session. */
export type SessionState =
  /** Data can be sent and received. */
  | "open"
  /** Closed on this side. Queued data is still being delivered. */
  | "closing"
  /** The outcome is known. The session may still acknowledge retransmissions of the peer. */
  | "closed";

/** Shortest time between two resets that nobody has asked for, in ms. */
const MIN_REPEAT = 10;
/** How long a session waits for the first segment of a peer that began with a later one, in ms. */
const FIRST_SEGMENT_TIME = 5_000;
/** An idle session frees its memory after this time, in ms. */
const TRIM_AFTER = 2_000;

/**
 * One conversation with one peer, as a machine without I/O with the four members of {@linkcode
 * Kcp}: `input`, `tick`, `output` and `deadline`.
 *
 * It adds the end of the stream, an idle timeout, keep-alive probes, and a close that first
 * delivers what is queued, in bounded time.
 *
 * KCP has no end of stream on the wire. A session ends its stream with an empty message behind the
 * last byte, and reads an empty message of its peer as the end. Another KCP implementation sees an
 * empty message as the last one, and then a peer that is silent.
 */
export class Session {
  /** The conversation id. */
  readonly conv: number;
  /** The address of the peer, in the adapter's form. It changes when the peer moves. */
  peer: string;
  /** The protocol machine. */
  readonly kcp: Kcp;
  /** Called when the application may be able to read, write, or read the end of the stream. */
  onChange: (() => void) | null = null;
  /** Whether a packet came of which the application was not told. */
  #untold = false;
  /** Called when the session has moved to another address of the peer. */
  onMove: ((from: string, to: string) => void) | null = null;
  /**
   * Called at the start of each {@linkcode Session.output}: what is written now may leave in it. It must
   * not throw.
   */
  onOutput: (() => void) | null = null;
  /** Called when a call of the application makes output due. */
  onWake: ((session: Session) => void) | null = null;
  readonly #pipeline: Pipeline;
  readonly #protection: PacketProtection | null;
  readonly #scratch: Scratch;
  readonly #activity: PeerActivity;
  readonly #confirmation: AddressConfirmation;
  readonly #closing: Closing;
  /** The place in the queue for memory, once memory was lacking. */
  #memory: MemoryWait | null = null;
  readonly #roundTrip: RoundTrip;
  readonly #times: SessionTimes;
  readonly #createdAt: number;
  /** The protocol settings of the application, before parity gets its share. */
  #given: KcpLiveOptions;
  readonly #offer = new PathOffer();
  #share = 1;
  #now: number;
  #state: SessionState = "open";
  #error: ConnectionError | null = null;
  #over = false;
  /** Tells the peer that the session has ended; null otherwise. */
  #resets: ResetSender | null = null;
  /** Whether the peer was asked to open the conversation. */
  #asked = false;
  /** Whether data that arrived before the end is kept for the application. */
  #keepsUnread = false;
  /** Payload bytes that had arrived when the session was closed. */
  #payloadAtEnd = 0;
  #trimAt = Infinity;
  /**
   * When a session whose peer's first segment has not come is dropped, in ms; Infinity for others.
   */
  #giveUpFirstAt = Infinity;

  /**
   * Makes a session.
   *
   * @param conv The conversation id, 0 to 4294967295.
   * @param peer The address of the peer.
   * @param now The time in ms.
   * @param options Settings.
   * @param arena Memory to share with other machines. Default: a new arena with the limit of the
   * settings.
   * @param protection The encryption to share with other sessions. Default: made from the settings.
   * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range.
   */
  constructor(
    conv: number,
    peer: string,
    now: number,
    options: SessionOptions = {},
    arena?: Arena,
    protection: PacketProtection | null = PacketProtection.of(options),
  ) {
    const { times, timeWait, fec, memoryLimit, fixed, live } = resolveSession(options);
    this.conv = conv;
    this.peer = peer;
    this.#times = times;
    this.#given = live;
    const overhead = overheadOf(protection, fec);
    this.kcp = new Kcp(
      conv,
      { ...fixed, ...kcpOptions(live, overhead, 1) },
      arena ?? new Arena(memoryLimit),
    );
    this.#protection = protection;
    this.#scratch = new Scratch(this.kcp.arena);
    this.#pipeline = new Pipeline(this.kcp, protection, fec);
    this.#activity = new PeerActivity(this.kcp, now, times, protection !== null);
    this.#confirmation = new AddressConfirmation(this.kcp);
    this.#closing = new Closing(this.kcp, times, timeWait);
    this.#roundTrip = new RoundTrip(this.kcp, fixed.extensions === true, now);
    this.#updateShare();
    this.kcp.tick(now);
    this.#createdAt = this.#now = now;
  }

  /** The memory of the payloads. A {@linkcode PacketBatch} for this machine must share it. */
  get arena(): Arena {
    return this.kcp.arena;
  }

  /** The state of the session. */
  get state(): SessionState {
    return this.#state;
  }

  /**
   * Whether the session neither sends nor answers anything more. The state may be `closed` for a
   * while before: see {@linkcode SessionOptions.timeWait}.
   */
  get over(): boolean {
    return this.#over;
  }

  /** The reason of the end; null while the session is open, and after an orderly close. */
  get error(): ConnectionError | null {
    return this.#error;
  }

  /** Whether the peer has ended its stream and all of it has been read. */
  get remoteEnded(): boolean {
    return this.#closing.remoteEnded;
  }

  /** Whether the application can't write any more. */
  get writeEnded(): boolean {
    return this.#closing.endRequested || this.#state !== "open";
  }

  /** Whether the peer has acknowledged everything so far, and the end if it was requested. */
  get delivered(): boolean {
    return this.#closing.delivered;
  }

  /** Whether the peer's address is not confirmed yet: see {@linkcode Session.confirm}. */
  get unconfirmed(): boolean {
    // A session that waits for the first segment has said nothing that could be echoed.
    return this.#giveUpFirstAt !== Infinity ||
      this.#confirmation.pending && !this.#confirmation.asks;
  }

  /** Whether a valid packet of the peer has arrived. */
  get heard(): boolean {
    return this.#activity.heard;
  }

  /** When the last valid packet of the peer arrived, in ms; -Infinity if none did. */
  get heardAt(): number {
    return this.heard ? this.#activity.heardAt : -Infinity;
  }

  /** Whether the peer knows of the session. */
  get opened(): boolean {
    const { initiator, answered, reported, linked } = this.kcp;
    return this.heard && (!initiator || answered || reported || linked);
  }

  /**
   * Asks the peer whether it is there, until it answers: a listener opens the conversation then. Call
   * it on the side that opens the session.
   */
  ask(): void {
    if (this.#state !== "open" || this.opened || this.#confirmation.pending || this.#asked) return;
    this.#asked = true;
    this.#confirmation.ask(this.#now);
    this.onWake?.(this);
  }

  /**
   * Shares congestion control and pacing with another session of the same endpoint and peer: see {@linkcode
   * Kcp.share}.
   *
   * @throws {TypeError} When this session has sent data, or shares with others already.
   */
  share(other: Session): void {
    this.kcp.share(other.kcp);
    for (const session of [this, other]) session.kcp.onTurn = () => session.onWake?.(session);
  }

  /** When the session was created, in ms. */
  get createdAt(): number {
    return this.#createdAt;
  }

  /**
   * Makes the session say nothing until the peer's first segment arrives: it may belong to a
   * conversation that an earlier process had. {@linkcode Session.confirm} ends that.
   */
  awaitFirst(): void {
    this.#giveUpFirstAt = this.#createdAt + FIRST_SEGMENT_TIME;
  }

  /**
   * Makes the session probe its peer from the start, and end if no answer comes: the source address
   * of a first packet may be forged.
   *
   * @param authenticated Whether the packet was encrypted by somebody who has the key.
   */
  confirm(authenticated: boolean): void {
    this.#giveUpFirstAt = Infinity;
    if (this.kcp.answered) this.kcp.askWindow();
    else this.#confirmation.start(this.#now, authenticated);
  }

  /** Sends no keep-alive probe before the first packet. For a session that this side opened. */
  delayKeepAlive(): void {
    this.#activity.delayKeepAlive();
  }

  // --- the application's side ---

  /**
   * Tells the session the time before a call of the application from which on something lasts: an end of
   * the stream, a close, a reset, a question. The session may have been idle, so that it knows only an
   * earlier time.
   */
  advance(now: number): void {
    if (now > this.#now) this.#now = now;
  }

  /** {@linkcode Kcp.unsentBytes}. */
  get unsentBytes(): number {
    return this.kcp.unsentBytes;
  }

  /** {@linkcode Kcp.wantedBytes}; 0 after the end. */
  get wantedBytes(): number {
    return this.writeEnded ? 0 : this.kcp.wantedBytes;
  }

  /** Whether the send queue has room; false after the end. */
  get writable(): boolean {
    return !this.writeEnded && this.kcp.sndRoom > 0;
  }

  /** Makes an output due: {@linkcode Session.onOutput} is called then. */
  wake(): void {
    this.onWake?.(this);
  }

  /** {@linkcode Kcp.write}; takes nothing after the end. */
  write(bytes: Uint8Array): number {
    if (this.writeEnded) return 0;
    const count = this.kcp.write(bytes);
    if (count > 0) this.onWake?.(this);
    else if (bytes.length > 0) this.#waitForMemory();
    return count;
  }

  /**
   * {@linkcode Kcp.send}; takes nothing after the end.
   *
   * @throws {RangeError} When the message is empty, since it would mark the end, or is too large.
   */
  send(message: Uint8Array): boolean {
    if (message.length === 0) {
      throw new RangeError("Cannot send an empty message: it marks the end of the stream");
    }
    if (this.writeEnded) return false;
    if (!this.kcp.send(message)) {
      this.#waitForMemory();
      return false;
    }
    this.onWake?.(this);
    return true;
  }

  /** Joins the queue for memory if memory is lacking, and leaves it if not. */
  #waitForMemory(): void {
    const { sndShortage, rcvShortage } = this.kcp;
    const need = this.#over ? 0 : sndShortage || rcvShortage;
    if (need > 0) this.#memory ??= new MemoryWait(this.arena, () => this.onWake?.(this));
    // A wake-up for data to send is one for received data too.
    this.#memory?.update(need, sndShortage === 0);
  }

  /** Tries again what met a full arena. */
  #retryForMemory(): void {
    this.kcp.retryForMemory();
    // The application writes again if it still wants to.
    this.onChange?.();
    this.#waitForMemory();
  }

  /** {@linkcode Kcp.read}, but 0 at the end, too: see {@linkcode Session.remoteEnded}. */
  read(target: Uint8Array): number {
    const count = this.kcp.read(target);
    this.#afterRead(count > 0);
    return count;
  }

  /** {@linkcode Kcp.peekSize}, but -1 at the end, too. */
  peekSize(): number {
    this.#closing.noticeRemoteEnd();
    return this.#closing.remoteEnded ? -1 : this.kcp.peekSize();
  }

  /** {@linkcode Kcp.recv}, but -1 at the end, too: see {@linkcode Session.remoteEnded}. */
  recv(target: Uint8Array): number {
    if (this.peekSize() < 0) return -1;
    const size = this.kcp.recv(target);
    this.#afterRead(true);
    return size;
  }

  #afterRead(took: boolean): void {
    const ended = this.remoteEnded;
    this.#closing.noticeRemoteEnd();
    if (this.#over) {
      if (!this.readable) this.kcp.close();
      return;
    }
    // The window may have opened, the session may be finished, or its memory may be idle now.
    const idle = took && this.#trimAt === Infinity && this.kcp.readable === 0;
    if (idle) this.#trimAt = this.#now + TRIM_AFTER;
    if (idle || ended !== this.remoteEnded || this.kcp.deadline <= this.#now) this.onWake?.(this);
  }

  /**
   * Changes settings while the session runs: those of {@linkcode Kcp.configure}, and its times.
   *
   * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range. No
   * setting is changed then.
   */
  configure(change: SessionLiveOptions): void {
    const { idleTimeout, keepAlive, linger, ...protocol } = change;
    const before = this.#times;
    const times = checkTimes({
      idleTimeout: idleTimeout === undefined ? before.idleTimeout : idleTimeout,
      keepAlive: keepAlive === undefined ? before.keepAlive : keepAlive,
      linger: linger === undefined ? before.linger : linger,
    });
    const named = Object.entries(protocol).filter(([, value]) => value !== undefined);
    const given = { ...this.#given, ...Object.fromEntries(named) };
    this.#configure(given, this.#share);
    this.#given = given;
    Object.assign(this.#times, times);
    this.onWake?.(this);
  }

  /**
   * Tells the session the largest packet that the socket takes, with all layers: see {@linkcode
   * Kcp.limitPath}.
   *
   * @param size Bytes. Less than the smallest `mtu` counts as that.
   */
  limitPath(size: number): void {
    this.kcp.limitPath(Math.max(MIN_MTU, size - this.#pipeline.overhead));
    if (this.kcp.unsentBytes > 0) this.onWake?.(this);
  }

  /**
   * Tells the session the largest packet that reaches the peer's address without being split, where the
   * socket knows it. If the application has set neither `mtu` nor `maxMtu`, that becomes the `maxMtu` of
   * a session that sends much to a peer of this library, with a round trip below 1 ms.
   *
   * @param size Bytes; 0 for a socket that does not know.
   */
  offerPath(size: number): void {
    if (this.#offer.offer(size)) this.#configure(this.#given, this.#share);
  }

  /**
   * Asks the peer for an answer, and goes on until it comes: see {@linkcode Session.roundTripSince}.
   *
   * @returns The time of the call.
   */
  ping(): number {
    if (this.#state === "open") {
      if (this.kcp.initiator) this.ask();
      this.#roundTrip.start(this.#now);
      this.onWake?.(this);
    }
    return this.#now;
  }

  /** The round trip in ms of a question that was asked at the time `since` or later; -1 if none. */
  roundTripSince(since: number): number {
    return this.#roundTrip.since(since);
  }

  /** {@linkcode Kcp.resume}: sends at once what waits for a retransmission timeout. */
  resume(): void {
    if (this.#state === "closed") return;
    this.kcp.resume();
    this.onWake?.(this);
  }

  /** The settings in force. */
  get options(): ResolvedSessionOptions {
    const protocol = wireOptions(this.kcp.options, this.#given, this.#pipeline.overhead);
    return Object.freeze({ ...protocol, ...this.#times });
  }

  /** The counters and the present state: a snapshot. */
  get stats(): SessionStats {
    // The snapshot is this one's own. V8 would copy it with spread syntax much slower.
    const stats = this.kcp.stats as SessionStats;
    stats.pathMtu += this.#pipeline.overhead;
    stats.rttAge = this.kcp.sampledAt === -Infinity ? -1 : this.#now - this.kcp.sampledAt;
    stats.fec = this.#pipeline.fecStats;
    stats.datagrams = this.#pipeline.datagrams.stats;
    return stats;
  }

  /** Reconfigures the machine when parity takes another share of the packets. */
  #updateShare(): void {
    const { share } = this.#pipeline;
    if (share === this.#share) return;
    this.#share = share;
    this.#configure(this.#given, share);
  }

  #configure(given: KcpLiveOptions, share: number): void {
    const settings = this.#offer.settings(given);
    this.kcp.configure(kcpOptions(settings, this.#pipeline.overhead, share));
  }

  /** Largest size of a datagram for {@linkcode Session.sendDatagram}, in bytes. */
  get maxDatagramSize(): number {
    return this.#pipeline.maxDatagramSize;
  }

  /**
   * Queues a datagram: a packet beside the stream. It is sent once, and may be lost, reordered or
   * duplicated by the network. kcp-go calls it out-of-band, and takes it only with error correction
   * turned on.
   *
   * @param payload At most {@linkcode Session.maxDatagramSize} bytes. It is copied.
   * @returns Whether it was queued; false when the queue is full, or the session is not open.
   * @throws {RangeError} When it is too large.
   */
  sendDatagram(payload: Uint8Array): boolean {
    checkBytes(payload);
    if (payload.length > this.maxDatagramSize) {
      throw new RangeError(
        `Cannot send a datagram of ${payload.length} bytes: the limit is ${this.maxDatagramSize}`,
      );
    }
    if (this.#state !== "open" || !this.#pipeline.datagrams.queue(payload)) return false;
    // A datagram opens no conversation at a listener, but this question does.
    if (this.kcp.initiator) this.ask();
    this.onWake?.(this);
    return true;
  }

  /** Datagrams that have arrived. */
  get datagramsIn(): number {
    return this.#pipeline.datagrams.received;
  }

  /** Whether a datagram waits to be read. */
  get hasDatagram(): boolean {
    return this.#pipeline.datagrams.unread > 0;
  }

  /** Takes the oldest datagram that has not been read; null if there is none. */
  receiveDatagram(): Uint8Array<ArrayBuffer> | null {
    return this.#pipeline.datagrams.take() ?? null;
  }

  /**
   * Half-close: ends the stream to the peer. The peer reads what is queued, then the end. The
   * application can still read.
   */
  endWrite(): void {
    if (this.writeEnded) return;
    this.#closing.requestEnd(this.#now);
    this.onWake?.(this);
  }

  /**
   * Closes the session: it delivers what is queued, for up to `linger` ms, and ends. It drops data
   * that arrives from now on.
   */
  close(): void {
    // Nothing reads them from now on.
    this.#pipeline.datagrams.clearIncoming();
    if (this.#over) this.kcp.close();
    else if (this.#state === "closed") this.#dropUnread();
    if (this.#state !== "open") return;
    if (this.kcp.pristine && !this.#pipeline.datagrams.used) {
      // The peer does not know of this session.
      this.#finish(null);
      this.onWake?.(this);
      return;
    }
    this.endWrite();
    this.#roundTrip.stop();
    this.#state = "closing";
    this.#closing.startClose(this.#now);
    this.onWake?.(this);
  }

  /** Ends the session at once, with `error` as the reason. Nothing more is sent. */
  abort(error: ConnectionError): void {
    if (this.#over) return;
    if (this.#state === "closed") this.#forgetPeer();
    else this.#finish(error);
    this.onWake?.(this);
  }

  /**
   * Ends the session at once, with `error` as the reason, and tells the peer. Only a peer of this
   * library understands it; others ignore it.
   *
   * @param cause What the peer is told: {@linkcode ABORTED} to {@linkcode REFUSED}.
   * @param closeCode The application's code, 0 to 65535.
   * @param reason The application's reason.
   */
  reset(error: ConnectionError, cause: number, closeCode = 0, reason = ""): void {
    if (this.#state === "closed") return;
    this.#finish(error, false, this.#resetSender(cause, closeCode, reason));
    this.onWake?.(this);
  }

  /** Tells the peer of the end; null if the peer would not understand it, or is not known yet. */
  #resetSender(cause: number, closeCode = 0, reason = ""): ResetSender | null {
    const { kcp } = this;
    const { quote } = kcp;
    if (!quote || kcp.extended === false || this.#giveUpFirstAt !== Infinity) return null;
    // The address of the peer may be forged: it gets one reset, of few bytes.
    const repeats = kcp.sndLimit === Infinity ? REPEATS : 1;
    const text = encodeReason(reason);
    const fits = OVERHEAD + text.length + this.#pipeline.overhead <= kcp.sndLimit;
    const sent = fits ? text : text.subarray(0, 0);
    // The peer never answers a reset, so the second one follows a round trip later.
    const rtt = kcp.srtt < 0 ? kcp.rto : kcp.srtt;
    const times = { rto: kcp.rto, wait: Math.min(kcp.rto, Math.max(MIN_REPEAT, rtt)) };
    const now = this.#now;
    const resets = new ResetSender(this.conv, cause, closeCode, sent, quote, times, repeats, now);
    resets.shorten(this.#closing.limit);
    return resets;
  }

  /** Whether the application can read data, the end, or the start of an incomplete message. */
  get readable(): boolean {
    return this.kcp.readable > 0 || this.kcp.atEmptyMessage;
  }

  #finish(
    error: ConnectionError | null,
    timeWait = false,
    resets: ResetSender | null = null,
  ): void {
    // Data that arrived before the end can still be read.
    const unread = this.#state === "open" && !this.remoteEnded;
    if (this.#state === "closing") this.#pipeline.datagrams.clearIncoming();
    this.#state = "closed";
    this.#error = error;
    this.#over = !timeWait && !resets;
    this.#resets = resets;
    this.#payloadAtEnd = this.kcp.payloadIn;
    this.#memory?.update(0, false);
    this.#release();
    this.kcp.stopSharing();
    // TIME-WAIT is long: acknowledgments need next to no memory.
    this.#keepsUnread = unread && this.readable;
    if (timeWait) this.#closing.startTimeWait(this.#now);
    if (timeWait) this.#trimTimeWait();
    else if (this.#keepsUnread) this.kcp.abandon();
    else this.kcp.close();
    this.onChange?.();
  }

  /** Frees what was kept for the application, in TIME-WAIT. */
  #dropUnread(): void {
    this.#keepsUnread = false;
    this.kcp.dropUnread();
  }

  /** Frees what arrived in TIME-WAIT, but not what had arrived before the end and is unread. */
  #trimTimeWait(): void {
    if (!this.#keepsUnread) this.kcp.dropUnread();
    this.kcp.trim();
    this.#scratch.release();
  }

  #endTimeWait(): void {
    this.#over = !this.#resets;
    this.#release();
    // Data that arrived before the end can still be read.
    if ((this.#error || this.#keepsUnread) && this.readable) this.kcp.abandon();
    else this.kcp.close();
  }

  /** Ends a session that has ended for the application, and answers its peer no longer. */
  #forgetPeer(): void {
    if (this.#resets) {
      // What arrived before the end can still be read.
      this.#resets = null;
      this.#over = true;
    } else {
      this.#endTimeWait();
    }
  }

  /** Frees the memory that only packets need. */
  #release(): void {
    this.#pipeline.close();
    this.#scratch.release();
  }

  /** The address of the peer without the local one that an adapter may put in front. */
  get #peerName(): string {
    return this.peer.slice(this.peer.indexOf(">") + 1);
  }

  /** The error of a session whose peer has restarted. */
  restartError(): ConnectionError {
    return new ConnectionError(
      "reset",
      `The peer ${this.#peerName} has restarted: it began conversation ${this.conv} anew`,
    );
  }

  /**
   * Ends a session whose close took too long. A peer that lacks only the end of our stream may have
   * gone away; if it is still there, it gets the end when it is heard.
   */
  #giveUpClosing(error: ConnectionError): void {
    if (this.#closing.peerHasAllData) this.#finish(null, true);
    else this.#finish(error, false, this.#resetSender(GIVEN_UP));
  }

  // --- the network's side ---

  /**
   * Takes a packet from the network. Hostile bytes never throw: they are counted and dropped.
   *
   * @param packet The packet as it arrived, still encrypted if the session encrypts. It is not
   * kept. A packet in the arena is decrypted in place.
   * @returns Whether the packet was valid.
   */
  input(packet: Uint8Array, now: number): boolean {
    if (this.#over) return true;
    let start = this.#scratch.lay(packet);
    if (start < 0) return false;
    let end = start + packet.length;
    const protection = this.#protection;
    if (!protection) return this.inputAt(start, end, now);
    const { bytes } = this.arena;
    const [opened] = protection.openRun(bytes, start, end, packet.length);
    if (opened !== 1 || protection.isReplay(bytes, start)) {
      this.countInvalid();
      return false;
    }
    const nonce = start;
    start += protection.headroom;
    end -= protection.tailroom;
    const valid = this.inputAt(start, end, now);
    if (valid) protection.remember(this.arena.bytes, nonce);
    return valid;
  }

  /**
   * {@linkcode Session.input} for a decrypted packet in the arena, `start` to before `end`.
   *
   * @param more Whether more packets follow at once, and then {@linkcode Session.tellChange}.
   */
  inputAt(start: number, end: number, now: number, more = false): boolean {
    if (this.#over) return true;
    if (now > this.#now) this.#now = now;
    const { view } = this.arena;
    if (isReset(view, start, end)) return this.#handleReset(start, end);
    if (this.#resets) return this.#answerWithReset(start, end);
    const result = this.#pipeline.input(start, end, now);
    if (result === INVALID) {
      this.countInvalid();
      return false;
    }
    if (result === DATAGRAM) this.#activity.receivedDatagram(this.#now);
    this.#afterInput(end - start, more);
    return true;
  }

  /** Calls `onChange` if a packet came since the last call. */
  tellChange(): void {
    if (!this.#untold) return;
    this.#untold = false;
    this.onChange?.();
  }

  #afterInput(bytes: number, more: boolean): void {
    this.#closing.dropDiscarded();
    if (this.#state === "closed") {
      // The limits on an unconfirmed address may hold the end of our stream back.
      this.#confirmation.received(bytes, this.#now);
      // What this session would answer is not meant for it.
      if (this.kcp.peerRestarted) this.#endTimeWait();
      else if (this.kcp.extended && this.kcp.payloadIn > this.#payloadAtEnd) {
        // The peer goes on sending, but nobody reads it.
        this.#resets = this.#resetSender(ENDED);
        this.#endTimeWait();
      }
      return;
    }
    this.#trimAt = this.#now + TRIM_AFTER;
    if (this.kcp.peerRestarted) {
      // A listener that has restarted may have a session for the rest of this conversation.
      const resets = this.kcp.initiator ? this.#resetSender(ENDED) : null;
      this.#finish(this.restartError(), false, resets);
      return;
    }
    if (this.#offer.pending && this.#offer.take(this.kcp)) {
      this.#configure(this.#given, this.#share);
    }
    this.#confirmation.received(bytes, this.#now);
    this.#closing.noticeRemoteEnd();
    if (!this.#confirmation.pending) this.#roundTrip.received(this.#now);
    if (this.kcp.rcvShortage > 0) this.#waitForMemory();
    this.#settle();
    if (this.state !== "open") return;
    this.#untold = true;
    if (!more) this.tellChange();
  }

  /** Handles a reset. One that does not quote a packet of this session is forged, or late. */
  #handleReset(start: number, end: number): boolean {
    const { view } = this.arena;
    const reset = readReset(view, start, end);
    if (!reset || view.getUint32(start, true) !== this.conv) return false;
    if (!this.kcp.isOwnPacket(reset.sn, reset.ts)) return false;
    if (this.#state === "closed") {
      this.#forgetPeer();
    } else if (this.#closing.peerHasAllData && this.kcp.answered) {
      // The peer lacked the acknowledged end only, and has gone. One that has echoed nothing of this
      // session may never have known it: it talked with a process before this one.
      this.#finish(null);
    } else {
      const { cause, closeCode, reason } = reset;
      const code = cause === REFUSED ? "ECONNREFUSED" : undefined;
      const message = describeReset(reset, this.#peerName);
      this.#finish(new ConnectionError("reset", message, { closeCode, reason, code }));
    }
    return true;
  }

  /** Answers a packet that came after the end. */
  #answerWithReset(start: number, end: number): boolean {
    const { view } = this.arena;
    const type = packetType(view, start, end);
    const at = type === TYPE_DATA ? start + DATA_HEADER : start;
    if (type !== 0 && type !== TYPE_DATA && type !== TYPE_OOB) return true;
    const found = type === TYPE_OOB ? null : findQuote(view, at, end);
    // Its sender does not remember a datagram, nor a probe of the path MTU before its first segment.
    const probes = found?.data && distance(found.sn, this.kcp.rcvFirst) < 0;
    const quote = type === TYPE_OOB || probes ? this.kcp.quote : found;
    if (quote) this.#resets!.answer(quote, end - at, this.#now);
    return true;
  }

  /** Counts an invalid packet from the peer's address: see {@linkcode Session.diagnosis}. */
  countInvalid(): void {
    this.#activity.countInvalid();
  }

  /**
   * Counts also the invalid packets that all sessions with the peer share; null: no others.
   *
   * @internal
   */
  shareInvalid(packets: InvalidPackets | null): void {
    this.#activity.shareInvalid(packets);
  }

  /** Whether a parity shard with this `seqid` may repair a loss of this session, or show the ratio. */
  needsParity(seqid: number): boolean {
    return this.#pipeline.needsParity(seqid);
  }

  /**
   * What is known of the reason of a silence, as the end of an error message that begins with "; ":
   * the likely reason why no valid packet ever arrived, or that the peer had ended its stream. Empty
   * if nothing is known.
   */
  get diagnosis(): string {
    const ended = this.#closing.endArrived ? "; the peer had ended its stream before" : "";
    return this.#activity.diagnosis + ended;
  }

  /** The time at which {@linkcode Session.tick} is next due. */
  get deadline(): number {
    if (this.#over) return Infinity;
    if (this.#resets) return this.#resets.deadline;
    if (this.#memory?.woken) return this.#now;
    if (this.#giveUpFirstAt !== Infinity) return this.#giveUpFirstAt;
    const closing = this.#closing;
    if (this.#state === "closed") return closing.timeWaitDeadline;
    const activity = this.#activity;
    return Math.min(
      this.kcp.deadline,
      this.#pipeline.deadline,
      activity.idleAt,
      activity.keepAliveAt,
      closing.lingerEndsAt,
      closing.finishedAt(this.#now),
      this.#confirmation.deadline,
      this.#roundTrip.deadline,
      this.#trimAt,
    );
  }

  /**
   * Ends TIME-WAIT sooner, now or later, and stops to answer after a reset: the socket is to be closed
   * when the session is over.
   *
   * @param limit How long (ms) the session stays at most when it has ended.
   */
  shortenTimeWait(limit: number): void {
    this.#closing.shortenTimeWait(limit);
    this.#resets?.shorten(limit);
    this.onWake?.(this);
  }

  /** Tells the session the time: it retransmits, probes, times out and ends as is due. */
  tick(now: number): void {
    const late = now > this.#now + LATE && now > this.deadline + LATE;
    if (now > this.#now) this.#now = now;
    if (this.#over) return;
    if (this.#resets) {
      if (now >= this.#resets.endsAt) this.#over = true;
      return;
    }
    if (this.#giveUpFirstAt !== Infinity) {
      if (this.#memory?.woken) this.#retryForMemory();
      if (this.#now >= this.#giveUpFirstAt) {
        this.#finish(new ConnectionError("unconfirmed", "The first segment never arrived"));
      }
      return;
    }
    if (this.#state === "closed") {
      if (!this.#closing.tickTimeWait(this.#now)) this.#endTimeWait();
      return;
    }
    this.#closing.queueEnd(this.#now);
    this.#activity.excuse(this.#now, late);
    this.kcp.tick(now, late);
    now = this.#now;
    if (this.#memory?.woken) this.#retryForMemory();
    const silent = this.kcp.dead || !this.#confirmation.tick(now, late);
    if (silent && !this.unconfirmed) this.#endUnreachable();
    else if (now >= this.#activity.idleAt) this.#endIdle();
    else if (silent) this.#endUnconfirmed();
    else this.#settle();
    if (this.state === "closed") return;
    this.#roundTrip.tick(now);
    if (now >= this.#activity.keepAliveAt) this.#activity.probe(now);
    if (now >= this.#trimAt) {
      this.#trimAt = Infinity;
      if (this.kcp.deadline === Infinity) {
        this.kcp.trim();
        this.#pipeline.trim();
        this.#scratch.release();
      }
    }
  }

  #endUnreachable(): void {
    // The time counts from when an answer was due: nothing was asked for before.
    const { silentSince } = this.kcp;
    const since = silentSince === Infinity ? this.#activity.heardAt : silentSince;
    const silence = Math.round(this.#now - since);
    this.#finish(
      new ConnectionError(
        "unreachable",
        `The peer ${this.#peerName} did not answer for ${silence} ms${this.diagnosis}`,
      ),
      false,
      this.#resetSender(GIVEN_UP),
    );
  }

  #endIdle(): void {
    const { idleTimeout } = this.#times;
    this.#finish(
      new ConnectionError(
        "idle",
        `The peer ${this.#peerName} was silent for the idle timeout of ${idleTimeout} ms` +
          this.diagnosis,
      ),
      false,
      this.#resetSender(GIVEN_UP),
    );
  }

  #endUnconfirmed(): void {
    this.#finish(
      new ConnectionError(
        "unconfirmed",
        `The address ${this.#peerName} sent data but never answered`,
      ),
    );
  }

  /** Ends the session if its outcome is known, or if `linger` is over. */
  #settle(): void {
    const closing = this.#closing;
    closing.noteDelivery(this.#now);
    if (this.#now >= closing.finishedAt(this.#now)) {
      this.#finish(null, closing.needsTimeWait);
    } else if (this.#now >= closing.lingerEndsAt) {
      const left = this.kcp.sndBytes;
      this.#giveUpClosing(
        new ConnectionError(
          "closed",
          `Closed with ${left} bytes undelivered: ` +
            `the peer ${this.#peerName} did not acknowledge them in ${this.#times.linger} ms`,
        ),
      );
    }
  }

  /** Appends the packets that are due to `batch`, as many as fit, and returns their number. */
  output(batch: PacketBatch): number {
    this.onOutput?.();
    if (this.#over || this.#giveUpFirstAt !== Infinity) return 0;
    batch.destination = this.peer;
    if (this.#resets) return this.#outputReset(batch, this.#resets);
    this.#closing.queueEnd(this.#now);
    const count = this.#pipeline.output(batch, this.#now);
    this.#updateShare();
    if (count > 0) this.#activity.sent(this.#now);
    if (this.#state === "closed") {
      this.#trimTimeWait();
    } else if (count > 0) {
      this.#trimAt = this.#now + TRIM_AFTER;
      this.#settle();
    }
    return count;
  }

  /** Appends a reset if one is due. */
  #outputReset(batch: PacketBatch, resets: ResetSender): number {
    if (!resets.due(this.#now)) return 0;
    const { headroom, tailroom } = this.#protection ?? NO_PROTECTION;
    const first = batch.count;
    const start = batch.place(headroom + resets.size + tailroom);
    if (start < 0) return 0;
    batch.append(resets.write(batch.arena.view, start + headroom, this.#now) + tailroom);
    this.#protection?.seal(batch, first);
    return 1;
  }
}
