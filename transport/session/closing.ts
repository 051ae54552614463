/**
 * How a session ends: the end of each stream, linger, and TIME-WAIT.
 *
 * KCP has no end of stream on the wire. A session marks the end of its stream with an empty message
 * behind the last byte. The phases are those of a TCP close (RFC 9293 §3.6), with this empty
 * message in the place of FIN.
 *
 * @module
 */
import type { Kcp } from "../../kcp/kcp.ts";
import { GRACE, LATE } from "../../kcp/liveness.ts";
import type { SessionTimes } from "./session_options.ts";

/** The message that marks the end of a stream. */
const END = new Uint8Array(0);
/** How often the last acknowledgment is repeated in TIME-WAIT: the peer may have missed it. */
const LAST_ACK_REPEATS = 3;
/** TIME-WAIT ends when the peer was silent for this many RTOs. RFC 9000 §10.2. */
const TIME_WAIT_RTOS = 3;
/** An end that a close could not deliver is sent until the peer was silent for this time, in ms. */
const END_PATIENCE = 30_000;
/** Shortest TIME-WAIT of a dialled session, in ms: the peer's RTO may be longer than ours. */
export const DEFAULT_TIME_WAIT = 1_000;

/**
 * Tracks the end of both streams of one session, and decides when the session is finished.
 *
 * It changes only the KCP machine. The session asks it for times and reacts to them.
 */
export class Closing {
  readonly #kcp: Kcp;
  readonly #times: SessionTimes;
  #timeWait: number;
  #endRequested = false;
  /** When the end of our stream was queued; Infinity before. */
  #endQueuedAt = Infinity;
  /** Whether the peer's end had arrived before ours was queued. */
  #peerEndedFirst = false;
  #remoteEnded = false;
  #endArrived = false;
  /** When the close began; Infinity while nothing closes. */
  #closeStartedAt = Infinity;
  #discards = false;
  /** When the peer had acknowledged everything, the end included; Infinity before. */
  #deliveredAt = Infinity;
  #nextRepeatAt = Infinity;
  #repeatsLeft = LAST_ACK_REPEATS;
  /** TIME-WAIT does not end before, in ms. */
  #graceEnds = -Infinity;
  /** When TIME-WAIT began, in ms. */
  #timeWaitSince = Infinity;
  /** How long the session stays at most when it has ended, in ms; -1 before the socket is to close. */
  limit = -1;
  /** After which silence an end that is not acknowledged is no longer sent, in ms. */
  #endPatience = END_PATIENCE;

  /**
   * @param kcp The machine of the session.
   * @param times The times of the session, which may change.
   * @param timeWait The shortest TIME-WAIT, in ms.
   */
  constructor(kcp: Kcp, times: SessionTimes, timeWait: number) {
    this.#kcp = kcp;
    this.#times = times;
    this.#timeWait = timeWait;
  }

  // --- our stream ---

  /** Whether the application has ended our stream. The end may still wait for room in the queue. */
  get endRequested(): boolean {
    return this.#endRequested;
  }

  /** Whether the peer has acknowledged everything that was queued, the end included. */
  get endDelivered(): boolean {
    return this.#endQueued && this.#kcp.drained;
  }

  /** Whether the peer has acknowledged everything so far, and the end if it was requested. */
  get delivered(): boolean {
    return this.#kcp.drained && (this.#endQueued || !this.#endRequested);
  }

  get #endQueued(): boolean {
    return this.#endQueuedAt !== Infinity;
  }

  /** Ends our stream: the end is queued now, or later when the send queue has room. */
  requestEnd(now: number): void {
    this.#endRequested = true;
    this.queueEnd(now);
  }

  /** Queues the end of our stream if it was requested and the send queue has room. */
  queueEnd(now: number): void {
    if (!this.#endRequested || this.#endQueued || !this.#kcp.send(END)) return;
    this.#endQueuedAt = now;
    this.#peerEndedFirst = this.#endArrived;
  }

  // --- the peer's stream ---

  /** Whether all of the peer's stream has been read, up to its end. */
  get remoteEnded(): boolean {
    return this.#remoteEnded;
  }

  /** Whether all of the peer's stream has arrived, up to its end. It may be unread. */
  get endArrived(): boolean {
    return this.#endArrived;
  }

  /** Notes the end of the peer's stream if it has arrived, or is the next thing to read. */
  noticeRemoteEnd(): void {
    if (this.#kcp.atEmptyMessage) this.#remoteEnded = true;
    if (this.#remoteEnded || this.#kcp.endsEmpty) this.#endArrived = true;
  }

  /** Drops unread data now, and from now on all data that arrives. */
  discard(): void {
    this.#discards = true;
    this.dropDiscarded();
  }

  /** Drops data that arrived after {@linkcode Closing.discard}, up to the end of the stream. */
  dropDiscarded(): void {
    if (!this.#discards) return;
    this.noticeRemoteEnd();
    while (!this.#remoteEnded && this.#kcp.skip() >= 0) this.noticeRemoteEnd();
  }

  // --- close ---

  /** Starts a close: ends our stream, and drops what the peer sends from now on. */
  startClose(now: number): void {
    this.#closeStartedAt = now;
    this.discard();
  }

  /** When the close gives up on the peer, in ms; Infinity while nothing closes. */
  get lingerEndsAt(): number {
    // A linger of 0 still sends what is queued once.
    return this.#closeStartedAt + Math.max(1, this.#times.linger);
  }

  /** Notes whether everything is delivered now. Call it after the machine has changed. */
  noteDelivery(now: number): void {
    if (this.#deliveredAt !== Infinity || !this.endDelivered) return;
    this.#deliveredAt = now;
    this.#nextRepeatAt = now + this.#kcp.rto;
  }

  /**
   * When the session is finished if nothing more arrives; Infinity while there is data to deliver.
   * A session that is not closing is finished when both streams have ended.
   */
  finishedAt(now: number): number {
    if (!this.#endQueued) return Infinity;
    const kcp = this.#kcp;
    if (!kcp.drained) return Infinity;
    // Our acknowledgment of the peer's end must leave before.
    if (this.#endArrived) return this.#peerEndedFirst && kcp.pendingAcks > 0 ? Infinity : now;
    // The peer's end may be on its way, and needs an acknowledgment.
    return this.#closeStartedAt < Infinity ? this.#deliveredAt + kcp.rto : Infinity;
  }

  /**
   * Whether the peer has ended its stream and lacks at most the end of ours, which was sent. Such a peer
   * may have gone away with all the data that it needs.
   */
  get peerHasAllData(): boolean {
    const kcp = this.#kcp;
    return this.#endQueued && this.#endArrived && kcp.unacknowledged <= 1 && !kcp.waiting;
  }

  // --- TIME-WAIT ---

  /**
   * Whether a finished session must stay to repeat its last acknowledgment.
   *
   * If the peer ended first, it acknowledged our end and so knows that its own end arrived. If we
   * ended first, the peer may have missed our acknowledgment of its end, or has not sent its end yet.
   */
  get needsTimeWait(): boolean {
    return !this.#peerEndedFirst && this.#kcp.drained;
  }

  /** When {@linkcode Closing.tickTimeWait} is next due. */
  get timeWaitDeadline(): number {
    return Math.min(this.#kcp.deadline, this.#timeWaitEndsAt, this.#nextRepeatAt);
  }

  /** The peer has nothing more to ask when it was silent until then. */
  get #timeWaitEndsAt(): number {
    const { drained, heardAt, pendingAcks, rto } = this.#kcp;
    const since = Math.max(this.#endQueuedAt, heardAt);
    const rtos = TIME_WAIT_RTOS * rto;
    // A peer that has ended its stream, too, asks for the last acknowledgment only.
    const least = this.limit >= 0 && drained && this.#endArrived ? rtos : this.#timeWait;
    const wait = Math.max(least, drained ? rtos : this.#endPatience);
    const endsAt = Math.max(since + wait, this.#graceEnds);
    if (this.limit < 0 || pendingAcks > 0) return endsAt;
    return Math.min(endsAt, this.#timeWaitSince + this.limit);
  }

  /** Begins TIME-WAIT. */
  startTimeWait(now: number): void {
    this.#timeWaitSince = now;
  }

  /**
   * Makes TIME-WAIT as short as that of a dialled session, or three RTOs if both ends have ended their
   * streams: the socket is to be closed.
   *
   * @param limit How long it takes at most, in ms.
   */
  shortenTimeWait(limit: number): void {
    this.#timeWait = Math.min(this.#timeWait, DEFAULT_TIME_WAIT);
    this.#endPatience = DEFAULT_TIME_WAIT;
    this.limit = limit;
  }

  /**
   * Runs TIME-WAIT: answers retransmissions of the peer, and repeats the last acknowledgment.
   *
   * @returns Whether TIME-WAIT goes on.
   */
  tickTimeWait(now: number): boolean {
    const kcp = this.#kcp;
    // A process that was blocked finds retransmissions of the peer in its socket.
    if (now > this.#timeWaitEndsAt + LATE) this.#graceEnds = now + GRACE;
    kcp.tick(now);
    if (kcp.dead || now >= this.#timeWaitEndsAt) return false;
    if (now >= this.#nextRepeatAt) {
      if (this.#endArrived) kcp.announceWindow();
      this.#nextRepeatAt = --this.#repeatsLeft > 0 ? now + kcp.rto : Infinity;
    }
    return true;
  }
}
