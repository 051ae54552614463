import type { Arena } from "./arena.ts";
import type { Clock } from "./clock.ts";
import type { Receiver } from "./receiver.ts";
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
  EXTENDED,
  FRG,
  isMarked,
  LEN,
  OPENING,
  OVERHEAD,
  SN,
  TS,
  UNA,
  WND,
} from "./segment.ts";
import type { Sender } from "./sender.ts";

/**
 * Tells packets of the present incarnation of the peer, which are meant for the present one of this
 * end, from all others: late packets, packets of a session that a peer had with an earlier process, and
 * first packets of a peer that has restarted.
 *
 * Two things show it: the echo of a `ts` that only this incarnation of ours has sent, and the clock of
 * the peer, which data, probes and marked window announcements carry. See {@linkcode Incarnation}.
 */
export class PacketOrigin {
  /** Whether packets of the peer are known to be meant for this incarnation of ours. */
  linked = true;
  /** Whether the packet that is being read is of an earlier incarnation, or meant for one. */
  foreign = false;
  /**
   * Whether it is meant for this incarnation, and shows another clock than the data of the peer that has
   * arrived.
   */
  rival = false;
  /** See {@linkcode Kcp.believed}. */
  believed = true;
  readonly #arena: Arena;
  readonly #sender: Sender;
  readonly #receiver: Receiver;
  readonly #clock: Clock;
  /** Whether two ends of this library recognize each other. */
  readonly extensions: boolean;
  /** Whether the peer must show by an echo that it has heard this incarnation of ours. */
  #echoRequired = false;
  /** Whether the peer has echoed a `ts` of ours: it always does then. */
  #echoes = false;
  /** Whether a peer at this address has shown its clock, as this library does. */
  #marks = false;
  /** The first segment is not sent again at a request for an echo before this time, in ms. */
  #resumeAt = -Infinity;
  /** The peer is not asked for its clock again before this time, in ms. */
  #clockAskAt = -Infinity;
  /** Whether the peer may have restarted, and is asked of what kind it is. */
  #suspected = false;

  constructor(
    arena: Arena,
    sender: Sender,
    receiver: Receiver,
    clock: Clock,
    extensions: boolean,
  ) {
    this.#arena = arena;
    this.#sender = sender;
    this.#receiver = receiver;
    this.#clock = clock;
    this.extensions = extensions;
  }

  /** See {@linkcode Kcp.requireEcho}. */
  requireEcho(): void {
    this.#echoRequired = true;
    this.linked = this.#sender.trusted = false;
  }

  /** Whether an echo is required, and the peer is told so by the clock beside acknowledgments. */
  get showsClock(): boolean {
    return this.extensions && this.#echoRequired;
  }

  /**
   * Judges a packet, before any of its segments is handled.
   *
   * @returns Whether what it acknowledges counts.
   */
  judge(start: number, end: number, recovered: boolean): boolean {
    this.rival = false;
    // Every segment has the same `una` and window.
    const { view } = this.#arena;
    const wnd = view.getUint16(start + WND, true);
    this.foreign = this.#sender.contradicts(view.getInt32(start + UNA, true), wnd);
    const linked = this.#echoRequired
      ? !this.foreign && this.#isUsual(start, end) || this.#tell(start, end, recovered)
      : !this.foreign;
    this.believed = !this.foreign && (linked || !this.#receiver.initiator);
    return linked;
  }

  /** See {@linkcode Kcp.suspectRestart}. */
  suspectRestart(): boolean {
    const sender = this.#sender;
    const receiver = this.#receiver;
    if (!this.extensions || sender.extended === false) return receiver.peerRestarted = true;
    // While the kind of the peer is unknown, the packet may be a late one of the incarnation before. The
    // answer tells the kind, and the first segment comes again.
    sender.challenge();
    // It does not if the `una` of this end has acknowledged it meanwhile.
    this.#suspected = receiver.initiator;
    return receiver.peerRestarted;
  }

  /** Takes note of the answer that tells the kind of the peer. */
  noteKind(): void {
    if (!this.#suspected || this.#sender.extended === null) return;
    this.#suspected = false;
    if (!this.#sender.extended) this.#receiver.peerRestarted = true;
  }

  /**
   * {@linkcode PacketOrigin.#tell} for the usual packet, in less time: acknowledgments that echo what this end
   * has sent, and data that continues the clock of the peer.
   */
  #isUsual(start: number, end: number): boolean {
    if (!this.#echoes) return false;
    const sender = this.#sender;
    const receiver = this.#receiver;
    const { view } = this.#arena;
    const { now } = this.#clock;
    let echoes = false;
    for (let at = start; end - at >= OVERHEAD;) {
      const cmd = view.getUint8(at + CMD);
      const ts = view.getInt32(at + TS, true);
      if (cmd === CMD_ACK) {
        if (!sender.hasSent(ts)) return false;
        echoes = true;
        at += OVERHEAD + view.getInt32(at + LEN, true);
      } else if (
        cmd === CMD_PUSH && receiver.started && receiver.incarnation.continues(ts, now) ||
        // It comes with an acknowledgment, or has none to give.
        cmd === CMD_SACK && echoes
      ) {
        at += OVERHEAD + view.getInt32(at + LEN, true);
      } else {
        return false;
      }
    }
    receiver.proven = echoes;
    this.rival = false;
    return true;
  }

  /**
   * Whether a packet comes from the present incarnation of the peer, and is meant for the present one of
   * this end.
   */
  #tell(start: number, end: number, recovered: boolean): boolean {
    const sender = this.#sender;
    const receiver = this.#receiver;
    const { incarnation } = receiver;
    const { view } = this.#arena;
    const { now } = this.#clock;
    // The clock of the peer, if a WASK or WINS shows it.
    let shown = false, clock = 0, una = 0;
    let echoes = false, dated = false, opening = false, answersProbe = false;
    const contradicts = this.foreign;
    let foreign = contradicts;
    this.foreign = false;
    const knows = receiver.started || incarnation.known;
    for (let at = start; end - at >= OVERHEAD;) {
      const cmd = view.getUint8(at + CMD);
      const sn = view.getInt32(at + SN, true);
      const ts = view.getInt32(at + TS, true);
      const length = view.getInt32(at + LEN, true);
      if (cmd === CMD_ACK || cmd === CMD_PROBE_ANSWER) {
        if (sender.hasSent(ts) || sender.isProbeEcho(ts)) echoes = true;
        else foreign ||= this.#echoes;
        answersProbe ||= cmd === CMD_PROBE_ANSWER;
      } else if (cmd === CMD_PUSH || cmd === CMD_PIECE || cmd === CMD_PROBE) {
        // The `ts` of a request for an echo may be a cookie.
        if (!receiver.isEchoRequest(sn, length)) {
          dated = true;
          foreign ||= knows && !incarnation.continues(ts, now);
        }
      } else if (cmd === CMD_WASK || cmd === CMD_WINS) {
        const mark = view.getUint8(at + FRG);
        if (isMarked(mark)) {
          shown = dated = true;
          clock = cmd === CMD_WASK ? ts : sn;
          una = view.getInt32(at + UNA, true);
          opening = (mark & OPENING) !== 0;
          // One that opens the conversation has no part in the stream that another has started.
          const set = !opening && sender.isProgress(una);
          if (cmd === CMD_WINS && sender.isProbeEcho(ts)) {
            echoes = true;
            // Another incarnation has acknowledged what this one has not got.
            const lacks = contradicts ||
              receiver.initiator && distance(una, sender.challengeUna) < 0;
            const restarted = lacks || receiver.started &&
                // The answer may be late, and the peer has linked since then.
                (!incarnation.continues(clock, now) && !set || opening && sender.peerWasLinked);
            if (sender.takeChallenge(ts) && restarted) receiver.peerRestarted = true;
          }
          foreign ||= knows && !incarnation.continues(clock, now) &&
            (receiver.started && !set || !incarnation.wasSet(clock, now));
        }
      }
      at += OVERHEAD + length;
    }
    // Error correction may have mixed shards of two incarnations. Then its times are wrong, too.
    foreign ||= recovered && !echoes && !dated;
    // A peer of this library shows its clock beside its first echoes. Without it, late packets of an
    // earlier incarnation could not be told apart later.
    if (echoes && (shown || !recovered && !this.#marks && !answersProbe)) {
      this.linked = this.#echoes = sender.trusted = true;
    } else if (echoes && !this.linked) {
      // The peer may not know that it has to show its clock. The answer to a window probe shows it.
      this.#askClock();
    }
    receiver.proven = echoes && this.linked;
    this.#marks ||= shown;
    if (contradicts || foreign && !receiver.proven) {
      this.foreign = true;
      // It may be a new incarnation.
      if (contradicts ? sender.extended : shown && (sender.extended || receiver.started)) {
        sender.challenge();
      }
      return false;
    }
    // The first segment of this end may have reached two incarnations of the peer. Before either has sent
    // data, nothing tells which is the present one.
    const other = shown && receiver.proven && knows && !incarnation.continues(clock, now);
    this.rival = other && receiver.started;
    if (other) sender.challenge();
    if (shown && receiver.proven) {
      // A listener that has restarted gets the first segments again while they are in flight. It lacks
      // those that the process before it has acknowledged: they are not sent again.
      const lacks = receiver.initiator && distance(una, sender.buffer.una) < 0;
      if (lacks && receiver.showsRestart(clock)) receiver.peerRestarted = true;
      receiver.learnClock(clock);
    } else if (shown && receiver.started && incarnation.continues(clock, now)) {
      incarnation.advance(clock, now);
    }
    return this.linked || this.#linkLater();
  }

  /** Asks a peer of this library for its clock, at most once in an RTO. */
  #askClock(): void {
    const { now } = this.#clock;
    if (!this.extensions || now < this.#clockAskAt) return;
    this.#clockAskAt = now + this.#sender.rto.rto;
    this.#sender.askWindow = true;
  }

  /**
   * Whether the peer is trusted though it has echoed nothing: there is nothing yet that it could
   * acknowledge, or its answer to that has begun. No time of waiting is a proof: while packets to the
   * peer are lost, its session with an earlier incarnation may go on.
   */
  #linkLater(): boolean {
    const sender = this.#sender;
    const receiver = this.#receiver;
    // A peer that was asked says whether it echoes. A session with an earlier incarnation may not know yet
    // that this one has taken its place.
    const asks = receiver.initiator && sender.asked && this.extensions;
    if (sender.silent && (!asks || sender.reported && !this.#marks)) return true;
    this.linked = receiver.initiator && receiver.started;
    return this.linked;
  }

  /**
   * An end that opens a conversation is asked before anything is acknowledged: the listener keeps
   * nothing of it before it is sure of the address, or has a session of an earlier incarnation. So what
   * was sent is sent again with the answer.
   */
  answerListener(): void {
    const { now } = this.#clock;
    if (this.linked || !this.#receiver.initiator || now < this.#resumeAt) return;
    this.#resumeAt = now + this.#sender.rto.rto;
    this.#sender.resume(true);
    // Without data, a question opens the conversation.
    if (this.extensions && this.#sender.buffer.inFlight === 0) this.#sender.askWindow = true;
  }

  /** `frg` of window probes and announcements. */
  get mark(): number {
    if (!this.extensions) return 0;
    return this.linked || !this.#receiver.initiator ? EXTENDED : EXTENDED | OPENING;
  }
}
