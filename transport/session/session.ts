/**
 * One conversation with one peer, without I/O: KCP, and around it what the wire does not have.
 *
 * @module
 */
import type { Arena } from "../../kcp/arena.ts";
import { Kcp } from "../../kcp/kcp.ts";
import {
  checkBytes,
  type KcpLiveOptions,
  type KcpOptions,
  type ResolvedKcpOptions,
} from "../../kcp/options.ts";
import type { PacketBatch } from "../../kcp/packet_batch.ts";
import { Scratch } from "../../kcp/scratch.ts";
import type { KcpStats } from "../../kcp/stats.ts";
import { ConnectionError } from "./errors.ts";
import { PacketProtection, type ProtectionOptions } from "./packet_protection.ts";
import {
  type DatagramStats,
  type FecOptions,
  type FecStats,
  INVALID,
  overheadOf,
  Pipeline,
  resolveFec,
  VALID,
} from "./pipeline.ts";
import { kcpOptions, wireOptions } from "./wire_options.ts";

/** Settings of a {@linkcode Session} beside those of its {@linkcode Kcp}. */
export interface SessionOptions extends KcpOptions, ProtectionOptions {
  /**
   * Error correction of what is sent: a ratio such as `{ dataShards: 10, parityShards: 3 }`, or `"auto"` for
   * as much parity as the losses call for. None unless given. The ratio of what is received is the peer's
   * choice, and is learned from its packets.
   */
  fec?: FecOptions | "auto";
  /** The session ends when nothing was heard for so many ms; `Infinity` for never, 300000 unless given. */
  idleTimeout?: number;
  /** The peer is asked for a sign of life after so many ms of silence; `Infinity`, never, unless given. */
  keepAlive?: number;
  /** How long a close may take to deliver what is queued, in ms; 5000 unless given. */
  linger?: number;
  /**
   * How long a session that ended first, and is over, still answers a peer that missed the last
   * acknowledgments, in ms: 1000 unless given, 30000 for sessions that a listener accepted.
   */
  timeWait?: number;
}

/** What a {@linkcode Session} has counted, and how it stands. */
export interface SessionStats extends KcpStats {
  /** What was counted of error correction. */
  fec: FecStats;
  /** What was counted of datagrams. */
  datagrams: DatagramStats;
}

/** How far a session has come. */
export type SessionState =
  /** Data flows. */
  | "open"
  /** Closed on this side; what is queued is still being delivered. */
  | "closing"
  /** Over. */
  | "closed";

const EMPTY = new Uint8Array(0);
/** Bytes that may be sent for each that came from an address that has not answered. RFC 9000 §8.1. */
const AMPLIFICATION = 3;
/** Bytes that are kept for reading of such an address. */
const UNCONFIRMED_BYTES = 65_536;
/** A peer that was silent for so many RTOs, when all is said, has nothing more to ask. RFC 9000 §10.2. */
const QUIET_RTOS = 3;
/** The same in ms unless given: the peer's RTO may be longer than ours. */
const TIME_WAIT = 1_000;
/** An idle session gives back its memory after so many ms. */
const TRIM_AFTER = 2_000;
/** Waits between the questions to a peer whose address has not answered, in ms; then it is given up. */
const CONFIRM_AFTER = [1_000, 2_000, 4_000, 8_000];

/**
 * One conversation with one peer, as a machine without I/O with the four members of {@linkcode Kcp}.
 *
 * What it adds: the end of the stream, an idle timeout, keep-alive, and a close that first delivers what
 * is queued, in bounded time.
 *
 * KCP has no end-of-stream on the wire. A session ends its stream with an empty message behind the last
 * byte; its peer reads that as the end. An implementation that does not know about it sees an empty
 * message after everything else, and otherwise a peer that falls silent, as with any other KCP.
 */
export class Session {
  /** The conversation id. */
  readonly conv: number;
  /** Where the peer is, as the endpoint's adapter names it. It changes when the peer moves. */
  peer: string;
  /** The protocol machine. */
  readonly kcp: Kcp;
  /** Called whenever what the application can do may have changed: read, write, or notice the end. */
  onChange: (() => void) | null = null;
  /** Called when the application did something that makes output due. */
  onWake: ((session: Session) => void) | null = null;
  readonly #pipeline: Pipeline;
  readonly #protection: PacketProtection | null;
  readonly #scratch: Scratch;
  /** The settings of the protocol as given, before the pipeline has its share. */
  #given: KcpLiveOptions;
  #share = 1;
  /** When a datagram last arrived, and how many packets of the peer were no valid ones. */
  #datagramAt = -Infinity;
  #suspects = 0;
  readonly #idleTimeout: number;
  readonly #keepAlive: number;
  readonly #linger: number;
  #timeWait: number;
  readonly #createdAt: number;
  #now: number;
  #state: SessionState = "open";
  #error: ConnectionError | null = null;
  /** Whether the end of our stream is wanted, and whether it is queued. */
  #ending = false;
  #ended = false;
  /** Whether the end of the peer's stream has been reached. */
  #remoteEnded = false;
  #giveUpAt = Infinity;
  /** When the end of our stream was queued, and whether the peer's had been read by then. */
  #endedAt = Infinity;
  #answersEnd = false;
  /** Whether what arrives is dropped though the session is open. */
  #discards = false;
  /** Whether nothing more is sent or answered. */
  #over = false;
  /** When the last acknowledgment is repeated next, and how often. */
  #tellAt = Infinity;
  #tells = QUIET_RTOS;
  #drainedAt = Infinity;
  #askedAt: number;
  #trimAt = Infinity;
  /** When the peer is asked again whether its address is real; Infinity once it has answered. */
  #confirmAt = Infinity;
  #confirmTries = 0;

  /**
   * Makes a session.
   *
   * @param conv The conversation id, 0 to 4294967295.
   * @param peer Where the peer is.
   * @param now The time in ms.
   * @param options Settings.
   * @param arena Memory to share with other machines.
   * @param protection The encryption, if it is shared with other sessions; made from the settings unless given.
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
    const {
      idleTimeout = 300_000,
      keepAlive = Infinity,
      linger = 5_000,
      timeWait = TIME_WAIT,
      fec,
      crypt: _crypt,
      entropy: _entropy,
      replayWindow: _replayWindow,
      ...given
    } = options;
    const { congestion, initialSndSn, initialRcvSn, ...live } = given;
    const correction = resolveFec(fec);
    this.#idleTimeout = checkTime("idleTimeout", idleTimeout);
    this.#keepAlive = checkTime("keepAlive", keepAlive);
    this.#linger = checkTime("linger", linger, 0);
    this.#timeWait = checkTime("timeWait", timeWait, 0);
    this.conv = conv;
    this.peer = peer;
    const overhead = overheadOf(protection, correction);
    this.#given = live;
    this.kcp = new Kcp(
      conv,
      { congestion, initialSndSn, initialRcvSn, ...kcpOptions(live, overhead, 1) },
      arena,
    );
    this.#protection = protection;
    this.#scratch = new Scratch(this.kcp.arena);
    this.#pipeline = new Pipeline(this.kcp, protection, correction);
    this.#fit();
    this.kcp.tick(now);
    this.#createdAt = this.#now = this.#askedAt = now;
  }

  /** The memory that payloads live in; a {@linkcode PacketBatch} for this machine must share it. */
  get arena(): Arena {
    return this.kcp.arena;
  }

  /** How far the session has come. */
  get state(): SessionState {
    return this.#state;
  }

  /** Whether the session has nothing more to do on the network. It may follow `closed` by a while. */
  get over(): boolean {
    return this.#over;
  }

  /** What ended the session; null while it goes on, and after a close that delivered everything. */
  get error(): ConnectionError | null {
    return this.#error;
  }

  /** Whether the peer has ended its stream and all of it has been read. */
  get remoteEnded(): boolean {
    return this.#remoteEnded;
  }

  /** Whether nothing more can be written. */
  get writeEnded(): boolean {
    return this.#ending || this.#state !== "open";
  }

  /** Whether the peer has acknowledged everything, the end included. */
  get endDelivered(): boolean {
    return this.#ended && this.kcp.drained;
  }

  /** Whether the peer's address has not been shown to be real yet: see {@linkcode Session.confirm}. */
  get unconfirmed(): boolean {
    return this.#confirmAt !== Infinity;
  }

  /**
   * Makes the session ask its peer for a sign of life from the start, and end if none comes: a first
   * datagram may carry any source address.
   */
  confirm(): void {
    this.#confirmAt = this.#createdAt + CONFIRM_AFTER[0];
    this.kcp.rcvLimit = UNCONFIRMED_BYTES;
    this.kcp.sndLimit = 0;
    // The few questions of 24 bytes are not counted: one that is lost must not be the last.
    this.kcp.askWindow();
  }

  // --- the application's side ---

  /** {@linkcode Kcp.write}; takes nothing after the end. */
  write(bytes: Uint8Array): number {
    if (this.writeEnded) return 0;
    const count = this.kcp.write(bytes);
    if (count > 0) this.onWake?.(this);
    return count;
  }

  /**
   * {@linkcode Kcp.send}; takes nothing after the end.
   *
   * @throws {RangeError} When the message is empty, which is how the end is told, or too large.
   */
  send(message: Uint8Array): boolean {
    if (message.length === 0) {
      throw new RangeError("Cannot send an empty message: it would be taken for the end");
    }
    if (this.writeEnded || !this.kcp.send(message)) return false;
    this.onWake?.(this);
    return true;
  }

  /** {@linkcode Kcp.read}, but 0 at the end: ask {@linkcode Session.remoteEnded}. */
  read(target: Uint8Array): number {
    const count = this.kcp.read(target);
    this.#afterRead(count > 0);
    return count;
  }

  /** {@linkcode Kcp.peekSize}; -1 at the end too. */
  peekSize(): number {
    this.#noticeEnd();
    return this.#remoteEnded ? -1 : this.kcp.peekSize();
  }

  /** {@linkcode Kcp.recv}, but -1 at the end: ask {@linkcode Session.remoteEnded}. */
  recv(target: Uint8Array): number {
    if (this.peekSize() < 0) return -1;
    const size = this.kcp.recv(target);
    this.#afterRead(true);
    return size;
  }

  #afterRead(took: boolean): void {
    const ended = this.#remoteEnded;
    this.#noticeEnd();
    if (this.#over) {
      if (!this.#readable) this.kcp.close();
      return;
    }
    // The window may have opened, the session may be over, or its memory may be idle now.
    const idle = took && this.#trimAt === Infinity && this.kcp.readable === 0;
    if (idle) this.#trimAt = this.#now + TRIM_AFTER;
    if (idle || ended !== this.#remoteEnded || this.kcp.deadline <= this.#now) this.onWake?.(this);
  }

  /**
   * Changes settings of the protocol while the session runs: {@linkcode Kcp.configure}.
   *
   * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range; then
   * nothing is changed.
   */
  configure(change: KcpLiveOptions): void {
    const named = Object.entries(change).filter(([, value]) => value !== undefined);
    const given = { ...this.#given, ...Object.fromEntries(named) };
    this.kcp.configure(kcpOptions(given, this.#pipeline.overhead, this.#share));
    this.#given = given;
    this.onWake?.(this);
  }

  /** The settings of the protocol in force. */
  get options(): ResolvedKcpOptions {
    return wireOptions(this.kcp.options, this.#given, this.#pipeline.overhead);
  }

  /** What was counted so far, and how the session stands: a snapshot. */
  get stats(): SessionStats {
    return {
      ...this.kcp.stats,
      fec: this.#pipeline.fecStats,
      datagrams: this.#pipeline.datagramStats,
    };
  }

  /** Lets the machine have what parity leaves of the bounds. */
  #fit(): void {
    const { share, overhead } = this.#pipeline;
    if (share === this.#share) return;
    this.#share = share;
    this.kcp.configure(kcpOptions(this.#given, overhead, share));
  }

  /** Bytes of the largest datagram that {@linkcode Session.sendDatagram} takes. */
  get maxDatagramSize(): number {
    return this.#pipeline.maxDatagramSize;
  }

  /**
   * Queues a datagram: a packet beside the stream that may be lost, arrive twice, or in another order, and that does
   * not wait for anything. kcp-go calls it out-of-band; there, error correction must be on.
   *
   * @param payload At most {@linkcode Session.maxDatagramSize} bytes. It is copied.
   * @returns Whether it was queued; false when too many wait, or the session is no longer open.
   * @throws {RangeError} When it is too large.
   */
  sendDatagram(payload: Uint8Array): boolean {
    checkBytes(payload);
    if (payload.length > this.maxDatagramSize) {
      throw new RangeError(
        `Cannot send a datagram of ${payload.length} bytes: the limit is ${this.maxDatagramSize}`,
      );
    }
    if (this.#state !== "open" || !this.#pipeline.sendDatagram(payload)) return false;
    this.onWake?.(this);
    return true;
  }

  /** Takes the datagram that arrived first of those not taken, null if there is none. */
  receiveDatagram(): Uint8Array<ArrayBuffer> | null {
    return this.#pipeline.takeDatagram() ?? null;
  }

  /** Ends the stream towards the peer: it reads what is queued, then the end. Reading goes on. */
  endWrite(): void {
    if (this.writeEnded) return;
    this.#ending = true;
    this.#queueEnd();
    this.onWake?.(this);
  }

  /** Drops what has arrived and what arrives from now on, so that the peer is not held up. */
  endRead(): void {
    this.#discards = true;
    this.#drop();
    this.onWake?.(this);
  }

  /**
   * Closes: what is queued is delivered first, then the session is over, after `linger` ms in any case.
   * What arrives from now on is dropped.
   */
  close(): void {
    if (this.#state === "closed") this.kcp.close();
    if (this.#state !== "open") return;
    if (this.kcp.pristine && !this.#pipeline.usedDatagrams) {
      // Nobody knows of it.
      this.#finish(null);
      this.onWake?.(this);
      return;
    }
    this.endWrite();
    this.#state = "closing";
    // Even without any patience, what is queued is sent once.
    this.#giveUpAt = this.#now + Math.max(1, this.#linger);
    this.#drop();
    this.onWake?.(this);
  }

  /** Ends the session at once, with `error` as the reason; nothing more is sent. */
  abort(error: ConnectionError): void {
    if (this.#over) return;
    if (this.#state === "closed") {
      this.#over = true;
      this.#release();
    } else {
      this.#finish(error);
    }
    this.onWake?.(this);
  }

  /** Takes the empty message at the head of what can be read for the end. */
  #noticeEnd(): void {
    if (this.kcp.atEmptyMessage) this.#remoteEnded = true;
  }

  /** Queues the end as soon as there is room. */
  #queueEnd(): void {
    if (!this.#ending || this.#ended || !this.kcp.send(EMPTY)) return;
    this.#ended = true;
    this.#endedAt = this.#now;
    this.#answersEnd = this.#remoteEnded;
  }

  /** Drops what nobody will read, up to the end. */
  #drop(): void {
    for (this.#noticeEnd(); !this.#remoteEnded; this.#noticeEnd()) if (this.kcp.skip() < 0) return;
  }

  /** Whether anything can be read, be it the end, or a part of a message that never became whole. */
  get #readable(): boolean {
    return this.kcp.readable > 0 || this.kcp.atEmptyMessage;
  }

  #finish(error: ConnectionError | null, over = true): void {
    // What arrived before an error can still be read.
    const unread = this.#state === "open" && !this.#remoteEnded;
    this.#state = "closed";
    this.#error = error;
    this.#over = over;
    this.#release();
    if (over) {
      if (unread && this.#readable) this.kcp.abandon();
      else this.kcp.close();
    }
    this.onChange?.();
  }

  /** Gives back what only the way of packets needs. */
  #release(): void {
    this.#pipeline.close();
    this.#scratch.release();
  }

  /** Ends the session because the peer does not answer. */
  #giveUp(error: ConnectionError): void {
    // If it has sent its own end and only ours is open, it has all that it needs, and is gone.
    const gone = this.#ended && this.#remoteEnded && this.kcp.unacknowledged <= 1;
    this.#finish(gone ? null : error);
  }

  /** After both ends: repeats the last acknowledgment a few times, and answers a peer that still asks. */
  #wait(): void {
    const { kcp } = this;
    kcp.tick(this.#now);
    if (kcp.dead || this.#now >= this.#quietAt) {
      this.#over = true;
      this.#release();
      kcp.close();
    } else if (this.#now >= this.#tellAt) {
      kcp.announceWindow();
      this.#tellAt = --this.#tells > 0 ? this.#now + kcp.rto : Infinity;
    }
  }

  // --- the network's side ---

  /**
   * Takes a packet from the network. Hostile bytes never throw: they are counted and dropped.
   *
   * @param packet As it came from the network: encrypted, if the session is. It is not kept; if it lies in the arena, it
   * is decrypted there.
   * @returns Whether the packet was valid.
   */
  input(packet: Uint8Array, now: number): boolean {
    if (this.#over) return true;
    let start = this.#scratch.lay(packet);
    if (start < 0) return false;
    let end = start + packet.length;
    const protection = this.#protection;
    if (protection) {
      const { bytes } = this.arena;
      const [opened] = protection.openRun(bytes, start, end, packet.length);
      if (opened !== 1 || protection.isReplay(bytes, start)) {
        this.suspect();
        return false;
      }
      const first = start;
      start += protection.headroom;
      end -= protection.tailroom;
      const valid = this.inputAt(start, end, now);
      if (valid) protection.remember(this.arena.bytes, first);
      return valid;
    }
    return this.inputAt(start, end, now);
  }

  /** {@linkcode Session.input} for a decrypted packet that lies in the arena, from `start` to before `end`. */
  inputAt(start: number, end: number, now: number): boolean {
    if (this.#over) return true;
    const result = this.#pipeline.input(start, end, now);
    if (now > this.#now) this.#now = now;
    if (result === INVALID) {
      this.suspect();
      return false;
    }
    if (result !== VALID) this.#datagramAt = this.#now;
    this.#took(end - start);
    return true;
  }

  /** Notes that a packet came from the peer's address that is no valid one. */
  suspect(): void {
    this.#suspects++;
  }

  /** Whether a parity shard with that `seqid` may belong to this session. */
  awaits(seqid: number): boolean {
    return this.#pipeline.awaits(seqid);
  }

  #took(bytes: number): void {
    if (this.#over) return;
    if (this.#discards || this.#state !== "open") this.#drop();
    if (this.#state === "closed") return;
    this.#trimAt = this.#now + TRIM_AFTER;
    if (this.unconfirmed) this.#heardUnconfirmed(bytes);
    this.#settle();
    if (this.state === "open") this.onChange?.();
  }

  /** When the peer was last heard, or the session was made. */
  get #heardAt(): number {
    return Math.max(this.kcp.heardAt, this.#datagramAt, this.#createdAt);
  }

  /** What was seen of a peer that nothing valid came from; empty if something did. */
  get diagnosis(): string {
    if (this.kcp.heardAt !== -Infinity || this.#datagramAt !== -Infinity) return "";
    const count = this.#suspects;
    if (count > 0) {
      const packets = count === 1 ? "1 packet" : `${count} packets`;
      return this.#protection
        ? `; ${packets} came from there, but none passed the check of the cipher: has the peer another key or cipher, or none?`
        : `; ${packets} came from there, but none was a KCP packet of this conversation: does the peer encrypt?`;
    }
    return this.#protection
      ? "; nothing came from there: nobody is there, or the peer drops what it can't decrypt, having another key or cipher"
      : "; nothing came from there: nobody is there, or the peer expects encrypted packets";
  }

  /** The time at which {@linkcode Session.tick} is next due. */
  get deadline(): number {
    if (this.#over) return Infinity;
    if (this.#state === "closed") return Math.min(this.kcp.deadline, this.#quietAt, this.#tellAt);
    let deadline = Math.min(this.kcp.deadline, this.#heardAt + this.#idleTimeout, this.#giveUpAt);
    if (this.#pipeline.waiting) deadline = Math.min(deadline, this.#pipeline.readyAt);
    deadline = Math.min(deadline, this.#doneAt);
    if (this.#keepAlive !== Infinity) deadline = Math.min(deadline, this.#keepAliveAt);
    return Math.min(deadline, this.#trimAt, this.#confirmAt);
  }

  get #keepAliveAt(): number {
    return Math.max(this.#heardAt, this.#askedAt) + this.#keepAlive;
  }

  /** A peer that may be invented is sent little for what came in its name, and little of it is kept. */
  #heardUnconfirmed(bytes: number): void {
    const { kcp } = this;
    if (kcp.answered) {
      this.#confirmAt = Infinity;
      kcp.sndLimit = kcp.rcvLimit = Infinity;
    } else {
      kcp.sndLimit += AMPLIFICATION * bytes;
    }
  }

  /**
   * When the outcome is known, if nothing more comes: both streams have ended, or the session is closing.
   * Infinity while there is something to deliver.
   */
  get #doneAt(): number {
    if (!this.#ended) return Infinity;
    const { kcp } = this;
    if (!kcp.drained) {
      // If only our end is open and the peer has sent its own, it may be gone, with all it needs.
      const content = this.#state === "closing" && this.#remoteEnded && kcp.unacknowledged <= 1;
      return content ? Math.max(this.#endedAt, kcp.heardAt) + TIME_WAIT : Infinity;
    }
    if (this.#remoteEnded) return this.#answersEnd && kcp.pendingAcks > 0 ? Infinity : this.#now;
    // The peer's own end may be on its way, and wants to be acknowledged.
    return this.#state === "closing" ? this.#drainedAt + kcp.rto : Infinity;
  }

  /** When the peer has been silent for long enough to be taken for content. */
  get #quietAt(): number {
    const since = Math.max(this.#endedAt, this.kcp.heardAt);
    return since + Math.max(this.#timeWait, QUIET_RTOS * this.kcp.rto);
  }

  /** Answers late packets for no longer than a session that was dialled does. */
  hurry(): void {
    this.#timeWait = Math.min(this.#timeWait, TIME_WAIT);
    this.onWake?.(this);
  }

  /** Tells the session that time passed. */
  tick(now: number): void {
    if (now > this.#now) this.#now = now;
    if (this.#over) return;
    if (this.#state === "closed") {
      this.#wait();
      return;
    }
    this.#queueEnd();
    this.kcp.tick(now);
    now = this.#now;
    const heard = this.#heardAt;
    if (this.kcp.dead) {
      this.#giveUp(
        new ConnectionError(
          "unreachable",
          this.kcp.dead === "silence"
            ? `The peer ${this.peer} did not answer for ${
              Math.round(now - heard)
            } ms${this.diagnosis}`
            : `The peer ${this.peer} did not acknowledge a segment after ${this.kcp.options.deadLink} transmissions${this.diagnosis}`,
        ),
      );
    } else if (now >= heard + this.#idleTimeout) {
      this.#giveUp(
        new ConnectionError(
          "idle",
          `The peer ${this.peer} was silent for the idle timeout of ${this.#idleTimeout} ms${this.diagnosis}`,
        ),
      );
    } else if (now >= this.#confirmAt) {
      this.#askForAnswer();
    } else {
      this.#settle();
    }
    if (this.state === "closed") return;
    if (now >= this.#keepAliveAt) {
      this.#askedAt = now;
      this.kcp.askWindow();
    }
    if (now >= this.#trimAt) {
      this.#trimAt = Infinity;
      if (this.kcp.deadline === Infinity) {
        this.kcp.trim();
        this.#pipeline.trim();
        this.#scratch.release();
      }
    }
  }

  #askForAnswer(): void {
    this.#confirmTries++;
    const wait = CONFIRM_AFTER[this.#confirmTries];
    if (wait === undefined) {
      this.#finish(
        new ConnectionError("unconfirmed", `The address ${this.peer} sent data but never answered`),
      );
      return;
    }
    this.#confirmAt = this.#now + wait;
    this.kcp.askWindow();
  }

  /** Ends a session whose outcome is known, or that is closing and has no more time. */
  #settle(): void {
    const { kcp } = this;
    if (this.#ended && kcp.drained && this.#drainedAt === Infinity) {
      this.#drainedAt = this.#now;
      this.#tellAt = this.#now + kcp.rto;
    }
    if (this.#now >= this.#doneAt) {
      // If our end was an answer to the peer's, the peer that acknowledged it knows that its own arrived.
      // Otherwise it may have missed the last acknowledgments, and asks again.
      this.#finish(null, this.#answersEnd || !this.#remoteEnded || !kcp.drained);
    } else if (this.#now >= this.#giveUpAt) {
      const left = kcp.sndBytes;
      this.#giveUp(
        new ConnectionError(
          "closed",
          `Closed with ${left} bytes undelivered: the peer ${this.peer} did not take them in ${this.#linger} ms`,
        ),
      );
    }
  }

  /** Appends the packets that are due to `batch`, as many as fit, and returns their number. */
  output(batch: PacketBatch): number {
    if (this.#over) return 0;
    this.#queueEnd();
    batch.destination = this.peer;
    const count = this.#pipeline.output(batch, this.#now);
    this.#fit();
    if (count > 0 && this.#state !== "closed") {
      this.#trimAt = this.#now + TRIM_AFTER;
      this.#settle();
    }
    return count;
  }
}

function checkTime(name: string, value: number, min = 1): number {
  if (typeof value !== "number") {
    throw new TypeError(`Cannot set ${name} to ${String(value)}: it must be a number`);
  }
  if (!(value >= min)) {
    throw new RangeError(`Cannot set ${name} to ${value}: allowed are ${min} to Infinity`);
  }
  return value;
}
