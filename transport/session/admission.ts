/**
 * Which new peers may open a session at an endpoint.
 *
 * @module
 */
import type { Arena } from "../../kcp/arena.ts";
import type { Incarnation } from "../../kcp/incarnation.ts";
import { findFault } from "../../kcp/packet.ts";
import {
  CMD,
  CMD_ACK,
  CMD_PIECE,
  CMD_PUSH,
  CMD_WASK,
  CMD_WINS,
  CONV,
  EXTENDED,
  FRG,
  LEN,
  OPENING,
  OVERHEAD,
  SN,
  TS,
  UNA,
} from "../../kcp/segment.ts";
import { hostOf } from "./address.ts";
import { EndedSessions } from "./ended_sessions.ts";
import type { Session } from "./session.ts";
import { UnconfirmedSessions } from "./unconfirmed_sessions.ts";

/** Limits of an {@linkcode Admission}. */
export interface AdmissionLimits {
  /** Most sessions that wait for the application to accept them. */
  readonly backlog: number;
  /** Most sessions at one time. */
  readonly maxSessions: number;
  /** Most sessions with one address at one time. */
  readonly maxSessionsPerAddress: number;
  /** Most sessions at one time whose address is not confirmed. */
  readonly maxUnconfirmed: number;
  /** Most such sessions from one host. */
  readonly maxUnconfirmedPerHost: number;
  /** How long a session is remembered after its end, in ms. */
  readonly timeWait: number;
}

/** Why a packet opens no session. */
export type Refusal =
  /** It belongs to a session that has ended. */
  | "afterEnd"
  /** It is not a KCP packet. */
  | "invalid"
  /** It does not begin a conversation, or peers may not open sessions. */
  | "unknown"
  /** A limit is reached. */
  | "refused"
  /** Too many sessions have an address that is not confirmed: this one must be proved first. */
  | "unproved";

/**
 * Most segments that a peer sends before it has received a packet of ours: the receive window that
 * the C reference assumes at first.
 */
const FIRST_WINDOW = 128;

/** Decides which packets may open a session, and counts the sessions that are limited. */
export class Admission {
  readonly #arena: Arena;
  readonly #limits: AdmissionLimits;
  /** Whether this endpoint accepts sessions, until it stops. */
  readonly #listens: boolean;
  #accepting: boolean;
  /** First sequence number that we send, and that we expect from a peer. */
  readonly #firstSent: number;
  readonly #firstExpected: number;
  readonly #backlog: Session[] = [];
  /** Sessions of the backlog that have ended unconfirmed. They give way to others. */
  #givenUp = 0;
  /** Sessions whose address is not confirmed, and those of each host. */
  readonly #unconfirmed = new UnconfirmedSessions();
  readonly #unconfirmedOf = new Map<string, UnconfirmedSessions>();
  readonly #ended: EndedSessions;

  /**
   * @param arena The memory of the packets.
   * @param limits The limits.
   * @param listens Whether peers may open sessions.
   * @param firstSent The sequence number of the first segment that we send to a peer.
   * @param firstExpected The sequence number of the first segment that a peer sends to us.
   */
  constructor(
    arena: Arena,
    limits: AdmissionLimits,
    listens: boolean,
    firstSent: number,
    firstExpected: number,
  ) {
    this.#arena = arena;
    this.#limits = limits;
    this.#listens = this.#accepting = listens;
    this.#firstSent = firstSent;
    this.#firstExpected = firstExpected;
    this.#ended = new EndedSessions(limits.timeWait);
  }

  /** Sessions at present whose address is not confirmed. */
  get unconfirmed(): number {
    return this.#unconfirmed.size;
  }

  /**
   * Decides whether a packet that belongs to no session may open one.
   *
   * @param from The address that it came from.
   * @param conv Its conversation id.
   * @param start Arena offset of the first segment.
   * @param end Arena offset after the last segment.
   * @param proved Whether it echoes a cookie, so that its address is confirmed.
   * @param now The time in ms.
   * @param sessions Number of sessions at present.
   * @param there Number of sessions with this address at present.
   * @returns Why not; null if it may.
   */
  check(
    from: string,
    conv: number,
    start: number,
    end: number,
    proved: boolean,
    now: number,
    sessions: number,
    there: number,
  ): Refusal | null {
    const ended = this.#ended.find(from, conv, now);
    if (ended && !this.#isNext(ended, start, end, now)) return "afterEnd";
    if (!this.#beginsConversation(start, end, proved)) {
      return this.#listens && !this.isWellFormed(start, end) ? "invalid" : "unknown";
    }
    if (!this.#accepting) return this.#listens ? "refused" : "unknown";
    const { backlog, maxSessions, maxUnconfirmed, maxUnconfirmedPerHost } = this.#limits;
    if (
      this.#backlog.length - this.#givenUp >= backlog || sessions >= maxSessions ||
      this.isFull(there)
    ) return "refused";
    if (proved) return null;
    const crowded = this.#unconfirmed.size >= maxUnconfirmed ||
      (this.#unconfirmedOf.get(hostOf(from))?.size ?? 0) >= maxUnconfirmedPerHost;
    return crowded ? "unproved" : null;
  }

  /** Whether this endpoint still accepts sessions. */
  get accepting(): boolean {
    return this.#accepting;
  }

  /**
   * The session that gives way to a new one of an address that is not confirmed, of the same host if
   * that has its share. Null if all are new.
   *
   * @param anyAge Whether a new session gives way, too.
   */
  givesWay(from: string, now: number, anyAge: boolean): Session | null {
    const host = this.#unconfirmedOf.get(hostOf(from));
    const full = host !== undefined && host.size >= this.#limits.maxUnconfirmedPerHost;
    return (full ? host : this.#unconfirmed).next(now, anyAge);
  }

  /** Whether a peer that ended lately is of another implementation. */
  isForeign(from: string, conv: number, now: number): boolean {
    return this.#ended.isForeign(from, conv, now);
  }

  /** Whether an address with this number of sessions may get no further one. */
  isFull(there: number): boolean {
    return there >= this.#limits.maxSessionsPerAddress;
  }

  /** The incarnation of a peer that ended a short time ago; null if none is known. */
  endedBefore(from: string, conv: number, now: number): Incarnation | null {
    return this.#ended.find(from, conv, now);
  }

  /** Whether a packet is the first one of another incarnation of the peer than `ended`. */
  #isNext(ended: Incarnation, start: number, end: number, now: number): boolean {
    const { view } = this.#arena;
    if (isQuestion(view, start)) {
      // The clock of another incarnation starts elsewhere. A window announcement has it in `sn`.
      const clock = view.getUint8(start + CMD) === CMD_WASK ? TS : SN;
      if (!this.#beginsConversation(start, end, false)) return false;
      if (!ended.continues(view.getInt32(start + clock, true), now)) return true;
    }
    const first = this.findFirst(start, end);
    return first >= 0 && (!ended.started || ended.differsFrom(view, first, now));
  }

  /**
   * Finds the first segment of a conversation in a packet that a peer may send first.
   *
   * @returns The arena offset of its header; -1 if it is not there.
   */
  findFirst(start: number, end: number): number {
    const { view } = this.#arena;
    for (let at = start; end - at >= OVERHEAD;) {
      if (view.getUint8(at + CMD) === CMD_PUSH) {
        const first = view.getUint32(at + SN, true) === this.#firstExpected;
        return first && this.#beginsConversation(start, end, false) ? at : -1;
      }
      const length = view.getUint32(at + LEN, true);
      if (length > end - at - OVERHEAD) return -1;
      at += OVERHEAD + length;
    }
    return -1;
  }

  /** Whether the first segment of a packet begins a conversation, or asks for it. */
  opens(start: number, end: number): boolean {
    const { view } = this.#arena;
    return isQuestion(view, start) || this.findFirst(start, end) >= 0;
  }

  /** Whether a packet has the form of a KCP packet, at the start of a conversation or later. */
  isWellFormed(start: number, end: number): boolean {
    const { view } = this.#arena;
    const fault = findFault(view, start, end, view.getUint32(start + CONV, true), 0);
    // A later packet acknowledges segments that a new session has not sent.
    return fault === null || fault === "una" || fault === "ack";
  }

  /**
   * The cookie that a packet echoes: a request for an echo has the sequence number before our first
   * one. Null if it echoes none.
   */
  echoedCookie(start: number, end: number): number | null {
    const { view } = this.#arena;
    if (end - start < OVERHEAD || view.getUint8(start + CMD) !== CMD_ACK) return null;
    const isEcho = view.getInt32(start + SN, true) === ((this.#firstSent - 1) | 0);
    return isEcho ? view.getInt32(start + TS, true) : null;
  }

  /**
   * Whether a peer that has heard nothing from us may have sent this packet: it carries data of the
   * first window or asks whether we are there, and acknowledges nothing. A delayed packet of an old
   * conversation seldom does.
   *
   * @param proved Whether it begins with the echo of a cookie.
   */
  #beginsConversation(start: number, end: number, proved: boolean): boolean {
    const { view } = this.#arena;
    const una = this.#firstSent;
    if (findFault(view, start, end, view.getUint32(start + CONV, true), una)) return false;
    let hasData = proved;
    for (let at = proved ? start + OVERHEAD : start; end - at >= OVERHEAD;) {
      const cmd = view.getUint8(at + CMD);
      if (cmd === CMD_ACK || view.getUint32(at + UNA, true) !== una) return false;
      if (isQuestion(view, at)) hasData = true;
      const length = view.getUint32(at + LEN, true);
      if (cmd === CMD_PUSH || cmd === CMD_PIECE) {
        const ahead = (view.getUint32(at + SN, true) - this.#firstExpected) | 0;
        // A probe of the path MTU may travel with the first data.
        const probes = cmd === CMD_PUSH && ahead < 0 && length === 0;
        if (!probes && (ahead < 0 || ahead >= FIRST_WINDOW)) return false;
        if (!probes) hasData = true;
      }
      at += OVERHEAD + length;
    }
    return hasData;
  }

  // --- sessions that wait for the application ---

  /**
   * Counts a session that a peer opens as one whose address is not confirmed.
   *
   * @returns The host for {@linkcode Admission.releaseUnconfirmed}.
   */
  count(session: Session): string {
    const host = hostOf(session.peer);
    this.#unconfirmed.add(session);
    let ofHost = this.#unconfirmedOf.get(host);
    if (!ofHost) this.#unconfirmedOf.set(host, ofHost = new UnconfirmedSessions());
    ofHost.add(session);
    return host;
  }

  /**
   * Adds a session to the backlog once its first segment has arrived.
   *
   * @returns False when the backlog is full, or the endpoint accepts no more.
   */
  add(session: Session): boolean {
    if (!this.#accepting) return false;
    if (this.#backlog.length >= this.#limits.backlog) {
      // Forged addresses must not keep others out.
      if (this.#givenUp === 0) return false;
      const [dropped] = this.#backlog.splice(this.#backlog.findIndex(isGivenUp), 1);
      this.#givenUp--;
      dropped.kcp.close();
    }
    this.#backlog.push(session);
    return true;
  }

  /** Takes the oldest session of the backlog; null if there is none. */
  accept(): Session | null {
    const session = this.#backlog.shift() ?? null;
    if (session && isGivenUp(session)) this.#givenUp--;
    return session;
  }

  /**
   * Lets peers open no more sessions.
   *
   * @returns The sessions of the backlog, which are removed from it.
   */
  stop(): Session[] {
    this.#accepting = false;
    this.#givenUp = 0;
    return this.#backlog.splice(0);
  }

  // --- sessions that change ---

  /** Notes a further packet of a session whose address is not confirmed. */
  heard(session: Session, host: string): void {
    this.#unconfirmed.heard(session);
    this.#unconfirmedOf.get(host)!.heard(session);
  }

  /** Counts a session no longer as unconfirmed: its address is confirmed, or it has ended. */
  releaseUnconfirmed(session: Session, host: string): void {
    this.#unconfirmed.delete(session);
    const ofHost = this.#unconfirmedOf.get(host)!;
    ofHost.delete(session);
    if (ofHost.size === 0) this.#unconfirmedOf.delete(host);
  }

  /**
   * Notes that a session ended. It stays in the backlog if the application can still read something
   * that the peer has sent: it was acknowledged.
   *
   * @param remember Whether its delayed packets must open no session.
   */
  ended(session: Session, now: number, remember: boolean): void {
    const index = this.#backlog.indexOf(session);
    if (index >= 0 && !session.readable) this.#backlog.splice(index, 1);
    else if (index >= 0 && isGivenUp(session)) this.#givenUp++;
    if (remember) this.left(session, now);
  }

  /** Whether a session waits for the application to accept it. */
  waits(session: Session): boolean {
    return this.#backlog.includes(session);
  }

  /** Notes that a session leaves its address: delayed packets from there open no session. */
  left(session: Session, now: number): void {
    const { peer, conv, kcp: { incarnation } } = session;
    // A session without a first segment delivered nothing, so nothing can be delivered twice.
    if (this.#listens && (incarnation.started || session.kcp.peerOpened)) {
      this.#ended.add(peer, conv, incarnation, session.kcp.extended === false, now);
    }
  }
}

/**
 * Whether a segment asks a listener to open a conversation: a window probe, or the answer to one that a
 * datagram has drawn.
 */
function isQuestion(view: DataView, at: number): boolean {
  const cmd = view.getUint8(at + CMD);
  return (cmd === CMD_WASK || cmd === CMD_WINS) &&
    view.getUint8(at + FRG) === (EXTENDED | OPENING);
}

/** Whether a session has ended because its address, which may be forged, never answered. */
function isGivenUp(session: Session): boolean {
  return session.over && session.error?.kind === "unconfirmed";
}
