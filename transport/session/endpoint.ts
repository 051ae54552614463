/**
 * Many sessions on one socket, without I/O.
 *
 * @module
 */
import {
  DATA_HEADER,
  packetType,
  TYPE_DATA,
  TYPE_INVALID,
  TYPE_OOB,
  TYPE_PARITY,
} from "../../fec/header.ts";
import { Arena } from "../../kcp/arena.ts";
import type { PacketBatch } from "../../kcp/packet_batch.ts";
import { Scratch } from "../../kcp/scratch.ts";
import { MAX_PROBES } from "../../kcp/path_mtu.ts";
import { CMD, CMD_RESET, CONV, distance, OVERHEAD } from "../../kcp/segment.ts";
import { AddressCookies } from "./address_cookies.ts";
import { Admission, type Refusal } from "./admission.ts";
import { ConnectionError } from "./errors.ts";
import { MAX_RUN, PacketProtection } from "./packet_protection.ts";
import { PathValidation } from "./path_validation.ts";
import { ENDED, findQuote, REFUSED, UNKNOWN } from "./reset.ts";
import { Session } from "./session.ts";
import { checkMemory, type SessionOptions } from "./session_options.ts";
import { type Entry, SessionTable } from "./session_table.ts";
import { shown } from "./shown.ts";
import { StatelessAnswers } from "./stateless_answers.ts";
import { TimerHeap } from "./timer_heap.ts";

/** Settings of an {@linkcode Endpoint}. Those of a session apply to sessions that peers open. */
export interface EndpointOptions extends SessionOptions {
  /** Most sessions that wait for {@linkcode Endpoint.accept}. Default: 128. */
  backlog?: number | undefined;
  /** Most sessions at one time. Default: 65536. */
  maxSessions?: number | undefined;
  /**
   * Most sessions with one address, a host and a port, at one time, with those in TIME-WAIT. A peer
   * opens no further one from there, and moves none there. Those that {@linkcode Endpoint.open}
   * opens count, but are not limited. Default: 1024.
   */
  maxSessionsPerAddress?: number | undefined;
  /** Most sessions at one time whose address is not confirmed. Default: 1024. */
  maxUnconfirmed?: number | undefined;
  /** Most sessions from one host at one time whose address is not confirmed. Default: 256. */
  maxUnconfirmedPerHost?: number | undefined;
  /**
   * Whether a session moves to a new address when a fitting packet comes from there. Default:
   * false. Without an authenticated cipher, an attacker who guesses a packet can take a session
   * over.
   */
  migrate?: boolean | undefined;
  /**
   * TIME-WAIT, in ms. For this time, a delayed packet of an ended session opens no new session, and
   * a session that ended its stream first acknowledges retransmissions of the peer. Default: 30000.
   */
  timeWait?: number | undefined;
}

/** Counters and present state of an {@linkcode Endpoint}. */
export interface EndpointStats {
  /** Packets that arrived. */
  packetsIn: number;
  /** Packets that failed the check of the cipher: made with another key, or damaged. */
  forged: number;
  /** Packets that passed the check of the cipher, but had been received before. */
  replayed: number;
  /** Packets that are not KCP packets, or that do not fit the session that they name. */
  invalid: number;
  /** Packets that belong to no session and that open none. */
  unknown: number;
  /** Packets that arrived after their session had ended. */
  afterEnd: number;
  /** Packets that could have opened a session, but a limit was reached. */
  refused: number;
  /** Packets that were dropped because no memory was left. */
  noMemory: number;
  /**
   * First packets that were answered with a request to prove the address, since too many sessions had
   * an address that was not confirmed.
   */
  asked: number;
  /** Sessions that peers opened. */
  accepted: number;
  /** Moves of a session to another address. */
  migrated: number;
  /** Sessions at present, with those in TIME-WAIT. */
  sessions: number;
  /** Sessions at present whose address is not confirmed. */
  unconfirmed: number;
  /** Bytes of {@linkcode SessionOptions.memoryLimit} that are in use. */
  memoryUsed: number;
  /** Bytes of memory that the endpoint holds from the runtime. */
  memoryHeld: number;
}

/** The counters of an endpoint that has done nothing. */
export function emptyCounters(): Omit<
  EndpointStats,
  "sessions" | "unconfirmed" | "memoryUsed" | "memoryHeld"
> {
  return {
    packetsIn: 0,
    forged: 0,
    replayed: 0,
    invalid: 0,
    unknown: 0,
    afterEnd: 0,
    refused: 0,
    noMemory: 0,
    asked: 0,
    accepted: 0,
    migrated: 0,
  };
}

/** Memory is given back to the runtime when most of it was unused for this time, in ms. */
const TRIM_AFTER = 2_000;
/** How long (ms) after a move packets from the old address are accepted without moving back. */
const MOVE_GRACE = 1_000;

/**
 * Many sessions on one socket, as a machine without I/O with the four members of a session:
 * `input`, `tick`, `output` and `deadline`.
 *
 * A peer is known by its address, a string that the adapter makes. A session is known by the
 * address and the conversation id. So one peer may have several sessions, and several peers may use
 * the same conversation id.
 */
export class Endpoint {
  /** The memory of all sessions. A {@linkcode PacketBatch} for this machine must share it. */
  readonly arena: Arena;
  /** Called when a peer opened a session that {@linkcode Endpoint.accept} can take. */
  onAccept: (() => void) | null = null;
  /** Called when a call of the application makes output due. */
  onWake: (() => void) | null = null;
  /** Called when a session begins. */
  onBegin: (() => void) | null = null;
  /** Called when the outcome of a session is known. */
  onEnd: ((session: Session) => void) | null = null;
  /** Called when a session is over and removed. */
  onRemove: ((session: Session) => void) | null = null;
  /**
   * Tells the largest packet in bytes that reaches a peer without being split, 0 if that is not known:
   * see {@linkcode Session.offerPath}. Null for a socket that never knows.
   */
  wholePacketSize: ((peer: string) => number) | null = null;
  readonly #sessionOptions: SessionOptions;
  readonly #migrate: boolean;
  readonly #protection: PacketProtection | null;
  readonly #admission: Admission;
  readonly #table: SessionTable;
  readonly #answers: StatelessAnswers;
  /** Proves the addresses of new peers under a flood; null without entropy. */
  readonly #cookies: AddressCookies | null;
  readonly #initialSndSn: number;
  readonly #initialRcvSn: number;
  /** The ready queue: sessions whose `tick` or `output` is due, from #readyHead on. */
  readonly #ready: Entry[] = [];
  #readyHead = 0;
  /** Whether the packet that is being read is followed by others of its run. */
  #more = false;
  /** The session that the packet before it belonged to, if both are of one run. */
  #untold: Session | null = null;
  readonly #timers = new TimerHeap<Entry>();
  #now = -Infinity;
  /** The largest packet that the socket takes, in bytes; Infinity if it does not tell. */
  #pathLimit = Infinity;
  /** When the arena is trimmed, in ms; Infinity while most of it is in use. */
  #trimAt = Infinity;
  readonly #scratch: Scratch;
  readonly #stats = emptyCounters();

  /**
   * Makes an endpoint without sessions.
   *
   * @param options Settings.
   * @param accepts Whether peers may open sessions.
   * @param arena Memory to share with other machines. Default: a new arena with the limit of the
   * settings.
   * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range.
   */
  constructor(
    options: EndpointOptions = {},
    accepts = false,
    arena: Arena = new Arena(checkMemory(options.memoryLimit), options.crypt !== undefined),
  ) {
    const {
      backlog = 128,
      maxSessions = 65_536,
      maxSessionsPerAddress = 1024,
      maxUnconfirmed = 1024,
      maxUnconfirmedPerHost = 256,
      timeWait = 30_000,
      migrate = false,
      ...session
    } = options;
    const limits = {
      backlog,
      maxSessions,
      maxSessionsPerAddress,
      maxUnconfirmed,
      maxUnconfirmedPerHost,
      timeWait,
    };
    for (const [name, value] of Object.entries(limits)) {
      if (typeof value !== "number") {
        throw new TypeError(`Cannot set ${name} to ${shown(value)}: it must be a number`);
      }
      if (!(value >= 0)) {
        throw new RangeError(`Cannot set ${name} to ${value}: allowed are 0 to Infinity`);
      }
    }
    if (typeof migrate !== "boolean") {
      throw new TypeError(`Cannot set migrate to ${shown(migrate)}: it must be a boolean`);
    }
    this.arena = arena;
    this.#scratch = new Scratch(arena);
    // Acknowledgments must get in when the arena is full, since they free memory.
    this.#scratch.reserve(0);
    this.#migrate = migrate;
    this.#table = new SessionTable(migrate);
    this.#sessionOptions = { ...session, timeWait: accepts ? timeWait : options.timeWait };
    this.#protection = PacketProtection.of(session);
    this.#answers = new StatelessAnswers(this.#protection);
    const { initialSndSn = 0, initialRcvSn = 0, entropy } = session;
    this.#cookies = entropy ? new AddressCookies(entropy) : null;
    this.#initialSndSn = initialSndSn;
    this.#initialRcvSn = initialRcvSn;
    this.#admission = new Admission(arena, limits, accepts, initialSndSn, initialRcvSn);
    // Wrong settings of a session throw here, not when the first peer comes.
    new Session(0, "", 0, this.#sessionOptions, arena, this.#protection);
  }

  /** The counters and the present state: a snapshot. */
  get stats(): EndpointStats {
    const { packetsIn, forged, replayed, invalid, unknown, afterEnd } = this.#stats;
    const { refused, noMemory, asked, accepted, migrated } = this.#stats;
    return {
      packetsIn,
      forged,
      replayed,
      invalid,
      unknown,
      afterEnd,
      refused,
      noMemory,
      asked,
      accepted,
      migrated,
      sessions: this.#table.size,
      unconfirmed: this.#admission.unconfirmed,
      memoryUsed: this.arena.used,
      memoryHeld: this.arena.capacity,
    };
  }

  /** Whether it takes longer to build a packet than to send it, because of encryption or FEC. */
  get expensivePackets(): boolean {
    return this.#protection !== null || this.#sessionOptions.fec !== undefined;
  }

  /** Number of sessions at present. */
  get size(): number {
    return this.#table.size;
  }

  /** The sessions at present. */
  get sessions(): IterableIterator<Session> {
    return this.#table.sessions();
  }

  /**
   * Opens a session. Nothing is sent until the session has data.
   *
   * @param peer The address of the peer.
   * @param conv The conversation id. It should be hard to guess: draw it at random.
   * @param now The time in ms.
   * @param options Settings. Default: those of the endpoint. The cipher is always the endpoint's.
   * @throws {TypeError} When this peer has a session with this conversation id.
   */
  open(
    peer: string,
    conv: number,
    now: number,
    options: SessionOptions = this.#sessionOptions,
  ): Session {
    if (this.#table.find(peer, conv)) {
      throw new TypeError(`Cannot open conversation ${conv} with ${peer}: it exists already`);
    }
    const session = new Session(conv, peer, now, options, this.arena, this.#protection);
    session.kcp.requireEcho(true);
    return this.#add(session).session;
  }

  /**
   * Tells every session, and those that begin later, the largest packet that the socket takes: see
   * {@linkcode Session.limitPath}.
   */
  limitPath(size: number): void {
    this.#pathLimit = size;
    for (const session of this.#table.sessions()) session.limitPath(size);
  }

  /** Takes the oldest session that waits to be accepted; null if there is none. */
  accept(): Session | null {
    return this.#admission.accept();
  }

  /**
   * Lets peers open no more sessions, and ends those that were not accepted yet.
   *
   * @param now The time in ms. Default: that of the last call.
   * @param timeWait How long (ms) each session stays at most when it has ended: see {@linkcode
   * ListenerCloseOptions.timeWait}. Default: Infinity.
   */
  stopAccepting(now: number = this.#now, timeWait = Infinity): void {
    if (now > this.#now) this.#now = now;
    const waiting = this.#admission.stop();
    for (const session of this.#table.sessions()) session.shortenTimeWait(timeWait);
    for (const session of waiting) {
      session.advance(this.#now);
      session.reset(
        new ConnectionError("closed", "The listener closed before it accepted the session"),
        REFUSED,
      );
    }
  }

  /** Ends every session at once, with `error` as the reason. */
  abort(error: ConnectionError): void {
    this.#admission.stop();
    for (const entry of [...this.#table.entries()]) {
      entry.session.abort(error);
      if (!entry.removed) this.#settle(entry);
    }
  }

  /** Ends every session at once, and tells the peers: see {@linkcode Session.reset}. */
  resetAll(error: ConnectionError, cause: number): void {
    this.#admission.stop();
    for (const session of this.#table.sessions()) {
      session.advance(this.#now);
      session.reset(error, cause);
    }
  }

  // --- the network's side ---

  /**
   * Takes a packet from the network. Hostile bytes never throw: they are counted and dropped.
   *
   * @param packet The packet as it arrived, still encrypted if the endpoint encrypts. It is not
   * kept. A packet in the arena is decrypted in place.
   * @param now The time in ms.
   * @param from The address that it came from.
   * @returns Whether the packet belonged to a session and was valid.
   */
  input(packet: Uint8Array, now: number, from: string): boolean {
    const start = this.#scratch.lay(packet);
    if (start < 0) {
      this.#stats.packetsIn++;
      this.#stats.noMemory++;
      return false;
    }
    const { length } = packet;
    return this.inputRun(start, start + length, length, now, from) > 0;
  }

  /**
   * {@linkcode Endpoint.input} for packets from one address that lie in the arena without gaps,
   * from `start` to before `end`. They are decrypted in place.
   *
   * It must not be called again before it returns, for example from `onWake`.
   *
   * @param size Bytes of each packet. The last one may be shorter.
   * @returns How many of the packets belonged to a session and were valid.
   */
  inputRun(start: number, end: number, size: number, now: number, from: string): number {
    if (now > this.#now) this.#now = now;
    // A run of 0 bytes is one empty packet.
    const count = end > start ? Math.ceil((end - start) / size) : 1;
    this.#stats.packetsIn += count;
    const protection = this.#protection;
    let valid = 0;
    for (let i = 0; i < count;) {
      const first = start + i * size;
      const next = Math.min(i + MAX_RUN, count);
      const last = Math.min(start + next * size, end);
      const opened = protection?.openRun(this.arena.bytes, first, last, size);
      for (let at = first, k = 0; i < next; i++, k++, at += size) {
        const packetEnd = Math.min(at + size, end);
        this.#more = i < count - 1;
        if (!opened) valid += Number(this.#dispatch(at, packetEnd, from));
        else if (opened[k] === 1) valid += Number(this.#inputOpened(at, packetEnd, from));
        else {
          this.#stats.forged++;
          this.#table.countInvalid(from);
        }
      }
    }
    this.#tell();
    return valid;
  }

  /** Takes a packet that has passed the check of the cipher. */
  #inputOpened(start: number, end: number, from: string): boolean {
    const protection = this.#protection!;
    if (protection.isReplay(this.arena.bytes, start)) {
      this.#stats.replayed++;
      this.#table.countInvalid(from);
      this.#noteReplay(start + protection.headroom, end - protection.tailroom, from);
      return false;
    }
    const valid = this.#dispatch(start + protection.headroom, end - protection.tailroom, from);
    if (valid) protection.remember(this.arena.bytes, start);
    return valid;
  }

  /**
   * Takes note of the address of a replay: of two copies of a packet, that of an eavesdropper may arrive
   * first, while the peer has moved to the address of the other.
   */
  #noteReplay(start: number, end: number, from: string): void {
    const { view } = this.arena;
    const type = packetType(view, start, end);
    const inner = type === 0 ? start : start + DATA_HEADER;
    const known = type === 0 || type === TYPE_DATA || type === TYPE_OOB;
    if (!this.#migrate || !this.#authenticates || !known || end - inner < 4) return;
    const conv = view.getUint32(inner + CONV, true);
    const entry = this.#table.find(from, conv) ? null : this.#table.onlyWith(conv);
    if (!entry) return;
    this.#validate(entry, from);
    this.#enqueue(entry);
  }

  /** Gives a decrypted packet to its session. */
  #dispatch(start: number, end: number, from: string): boolean {
    const { view } = this.arena;
    const type = packetType(view, start, end);
    let entry: Entry | null;
    if (type === TYPE_PARITY) {
      entry = this.#table.findParity(from, view.getUint32(start, true));
      if (!entry) this.#stats.unknown++;
    } else if (type === 0 && end - start >= OVERHEAD && view.getUint8(start + CMD) === CMD_RESET) {
      // It ends a session, but never opens or moves one.
      entry = this.#table.find(from, view.getUint32(start + CONV, true));
      if (!entry) this.#stats.unknown++;
    } else {
      // The KCP packet starts here; in an out-of-band packet, only its conv does.
      const inner = type === 0 ? start : start + DATA_HEADER;
      const datagram = type === TYPE_OOB;
      if (type === TYPE_INVALID || !datagram && end - inner < OVERHEAD) {
        this.#stats.invalid++;
        this.#table.countInvalid(from);
        return false;
      }
      entry = this.#find(from, inner, end, datagram);
      if (!entry) this.#table.countInvalid(from);
    }
    if (!entry) return false;
    const valid = this.#give(entry, start, end, type);
    if (!entry.session.kcp.peerRestarted || type !== 0 && type !== TYPE_DATA) return valid;
    // The packet has shown that the peer has restarted. It may begin the new conversation, too.
    if (!entry.removed) this.#settle(entry);
    const inner = type === 0 ? start : start + DATA_HEADER;
    const next = this.#admit(from, entry.session.conv, inner, end);
    return next ? this.#give(next, start, end, type) : valid;
  }

  /** Tells an application of the packets of the present run. It reads and answers them together. */
  #tell(): void {
    this.#untold?.tellChange();
    this.#untold = null;
  }

  /** Gives a packet to a session, and does what follows from it. */
  #give(entry: Entry, start: number, end: number, type: number): boolean {
    const { session } = entry;
    if (session !== this.#untold) this.#tell();
    const valid = session.inputAt(start, end, this.#now, this.#more);
    this.#untold = session;
    if (!valid) {
      this.#stats.invalid++;
      if (entry.embryonic) this.#refuseForeign(entry, start, end, type);
    } else {
      const { kcp } = entry.session;
      if (entry.unconfirmedHost !== null && !entry.embryonic) {
        this.#admission.heard(entry.session, entry.unconfirmedHost);
      }
      if (entry.embryonic && (kcp.started || kcp.peerOpened)) this.#offer(entry);
      else if (entry.embryonic && kcp.extended) this.#refuseMiddle(entry, start, end);
      if (entry.validation) this.#judge(entry);
      this.#enqueue(entry);
    }
    if (valid && type === TYPE_DATA) this.#table.receivedData(entry);
    return valid;
  }

  /** The session of a packet: one that exists, one that moves here, or a new one. */
  #find(from: string, start: number, end: number, datagram: boolean): Entry | null {
    const conv = this.arena.view.getUint32(start + CONV, true);
    const entry = this.#table.find(from, conv);
    if (entry && (datagram || !this.#restarted(entry, start, end))) return entry;
    if (entry && entry.session.state !== "closed" && !entry.session.kcp.suspectRestart()) {
      // The peer is asked before. The packet comes again if it is right.
      this.#stats.unknown++;
      this.#enqueue(entry);
      return null;
    }
    if (entry) {
      entry.session.abort(entry.session.restartError());
      if (!entry.removed) this.#settle(entry);
    }
    if (datagram) {
      const moved = this.#authenticates ? this.#table.onlyWith(conv) : null;
      if (moved) {
        this.#validate(moved, from);
        return moved;
      }
    } else {
      return this.#findMoved(from, conv, start, end) ?? this.#admit(from, conv, start, end);
    }
    this.#stats.unknown++;
    // The peer may believe that it has a session. Its answer can be quoted by a reset.
    if (end - start >= OVERHEAD && !this.#admission.isForeign(from, conv, this.#now)) {
      this.#answers.ask(from, conv);
    }
    return null;
  }

  /**
   * Whether a packet begins the conversation of a session anew, because its peer has restarted. The
   * session has then lost its peer, whose new incarnation must not get into the old stream.
   */
  #restarted(entry: Entry, start: number, end: number): boolean {
    // Behind another segment, it is left to the session: that may answer a question to the peer.
    return this.#admission.findFirst(start, end) === start &&
      entry.session.kcp.incarnation.differsFrom(this.arena.view, start, this.#now);
  }

  /** The session that the sender of a packet had at another address, if the packet fits it. */
  #findMoved(from: string, conv: number, start: number, end: number): Entry | null {
    if (!this.#migrate) return null;
    const entry = this.#table.findConv(
      conv,
      ({ session }) => session.kcp.fits(start, end, this.#now),
    );
    if (!entry) return null;
    if (this.#restarted(entry, start, end)) return null;
    if (this.#authenticates) this.#validate(entry, from);
    // A packet that was in flight during the move does not move the session back.
    else if (from !== entry.previousPeer || this.#now >= entry.movedAt + MOVE_GRACE) {
      if (this.#admission.isFull(this.#table.countOf(from))) return null;
      this.#move(entry, from);
    }
    return entry;
  }

  /** Whether a packet shows that its sender has the key. */
  get #authenticates(): boolean {
    return this.#protection?.authenticates ?? false;
  }

  /** Finds out whether the peer of a session has moved to the address of a packet. */
  #validate(entry: Entry, from: string): void {
    const { session } = entry;
    entry.validation ??= new PathValidation(session.kcp, (address, ts) => {
      const { wnd, una } = session.kcp.header;
      const { conv } = session;
      const sn = (this.#initialSndSn - 1) | 0;
      const { extended } = session.kcp;
      // A peer that has moved before it was answered is asked as both kinds are.
      if (extended !== false) this.#answers.probe(address, conv, ts, una, wnd);
      if (!extended) this.#answers.askEcho(address, conv, ts, sn, una, wnd);
    });
    if (from === entry.previousPeer && this.#now < entry.movedAt + MOVE_GRACE) return;
    entry.validation.packetFrom(from, session.peer, this.#now);
  }

  #move(entry: Entry, to: string): void {
    const { session } = entry;
    if (this.#table.find(to, session.conv)) return;
    const from = session.peer;
    this.#admission.left(session, this.#now);
    this.#table.move(entry, to, this.#now);
    this.#stats.migrated++;
    // What was sent meanwhile has gone to the old address.
    session.resume();
    // The shortest round trip was measured on the way to the old address.
    session.offerPath(0);
    session.kcp.announceWindow();
    session.onMove?.(from, to);
  }

  /** Moves a session if its peer has shown where it is. */
  #judge(entry: Entry): void {
    const target = entry.validation!.judge(this.#now);
    if (target !== null) this.#move(entry, target);
  }

  /** Opens a session for the first packet of a conversation, or counts why not. */
  #admit(from: string, conv: number, start: number, end: number): Entry | null {
    const now = this.#now;
    const { size } = this.#table;
    const there = this.#table.countOf(from);
    const admission = this.#admission;
    const cookie = admission.echoedCookie(start, end);
    const proved = cookie !== null && this.#cookies !== null &&
      this.#cookies.check(cookie, from, conv, now);
    const refusal = admission.check(from, conv, start, end, proved, now, size, there);
    if (refusal === "unproved") {
      const displaced = admission.givesWay(from, now, this.#cookies === null);
      if (!displaced) {
        this.#askForProof(from, conv, now);
        return null;
      }
      displaced.abort(
        new ConnectionError("unconfirmed", `The address ${displaced.peer} did not answer in time`),
      );
      this.#settle(this.#table.find(displaced.peer, displaced.conv)!);
    } else if (refusal) {
      this.#stats[refusal]++;
      this.#answer(refusal, from, conv, start, end);
      return null;
    }
    const session = new Session(
      conv,
      from,
      now,
      this.#sessionOptions,
      this.arena,
      this.#protection,
    );
    const entry = this.#add(session);
    if (proved) session.kcp.prove();
    else entry.unconfirmedHost = this.#admission.count(session);
    entry.embryonic = true;
    session.kcp.requireEcho(false);
    session.kcp.incarnation.follow(this.#admission.endedBefore(from, conv, now));
    session.awaitFirst();
    // The first segment may be on its way, or another process may have had it. The peer tells.
    if (!proved && !admission.opens(start, end)) this.#answers.ask(from, conv);
    return entry;
  }

  /** Resets a peer that acknowledges data, though this side has sent none. */
  #refuseForeign(entry: Entry, start: number, end: number, type: number): void {
    if (type !== 0 && type !== TYPE_DATA) return;
    const inner = type === 0 ? start : start + DATA_HEADER;
    if (!this.#admission.isWellFormed(inner, end)) return;
    this.#refuseMiddle(entry, start, end);
    this.#enqueue(entry);
  }

  /**
   * Resets a peer that sends the middle of a conversation which another process has had: it tells
   * that it has heard from this side, but nothing was said.
   */
  #refuseMiddle(entry: Entry, start: number, end: number): void {
    const { session } = entry;
    const { view } = this.arena;
    const inner = packetType(view, start, end) === 0 ? start : start + DATA_HEADER;
    const quote = findQuote(view, inner, end);
    if (quote) this.#answers.reset(session.peer, session.conv, quote, UNKNOWN, this.#now);
    session.abort(new ConnectionError("unconfirmed", "The conversation began before"));
  }

  /** Asks a new peer to prove its address, since there are too many that have not. */
  #askForProof(from: string, conv: number, now: number): void {
    this.#stats.asked++;
    const cookie = this.#cookies!.make(from, conv, now);
    const window = this.#sessionOptions.rcvWnd ?? 256;
    const sn = (this.#initialSndSn - 1) | 0;
    this.#answers.askEcho(from, conv, cookie, sn, this.#initialRcvSn, Math.min(window, 65_535));
  }

  /** Tells the sender of a packet that it has no session here. */
  #answer(refusal: Refusal, from: string, conv: number, start: number, end: number): void {
    if (refusal === "invalid" || refusal === "refused" && this.#admission.accepting) return;
    const now = this.#now;
    if (this.#admission.isForeign(from, conv, now)) return;
    const quote = findQuote(this.arena.view, start, end);
    if (!quote) return;
    // How far the segment is behind the first one. A data segment before it is a probe.
    const order = quote.data ? distance(quote.sn, this.#initialRcvSn) : 0;
    if (order === -1) return;
    if (order < 0 && order >= -1 - MAX_PROBES) {
      // The first segment of its sender may be late. Only an answer of the session tells.
      this.#answers.ask(from, conv);
      return;
    }
    const isOfEnded = refusal === "afterEnd" &&
      this.#admission.endedBefore(from, conv, now)!.continues(quote.ts, now);
    if (refusal === "afterEnd" && !isOfEnded && !quote.linked) {
      // It is of a later incarnation, whose first segment may be late.
      this.#answers.ask(from, conv);
      return;
    }
    const cause = isOfEnded ? ENDED : refusal === "refused" ? REFUSED : UNKNOWN;
    this.#answers.reset(from, conv, quote, cause, now);
  }

  /** Offers a session to the application, now that the first segment of its peer has arrived. */
  #offer(entry: Entry): void {
    const { session } = entry;
    if (!this.#admission.add(session)) {
      // Nothing was acknowledged: a retransmission may find room.
      this.#stats.refused++;
      session.abort(new ConnectionError("closed", "The backlog of the listener is full"));
      return;
    }
    entry.embryonic = false;
    session.confirm(this.#authenticates);
    this.#stats.accepted++;
    this.onAccept?.();
  }

  #add(session: Session): Entry {
    const entry = this.#table.add(session);
    if (this.#pathLimit < Infinity) session.limitPath(this.#pathLimit);
    if (this.wholePacketSize) session.offerPath(this.wholePacketSize(session.peer));
    this.onBegin?.();
    session.onWake = () => {
      this.#enqueue(entry);
      this.onWake?.();
    };
    this.#enqueue(entry);
    return entry;
  }

  // --- the time of each session ---

  /** Puts a session into the ready queue. */
  #enqueue(entry: Entry): void {
    entry.tickDue = true;
    if (entry.queued || entry.removed) return;
    entry.queued = true;
    this.#ready.push(entry);
  }

  /** When {@linkcode Endpoint.tick} is next due; `Infinity` when nothing is pending. */
  get deadline(): number {
    if (this.#ready.length > this.#readyHead || this.#answers.waiting) return this.#now;
    return Math.min(this.#timers.deadline, this.#trimAt);
  }

  /** Tells the endpoint the time, and each session for which something is due. */
  tick(now: number): void {
    if (now > this.#now) this.#now = now;
    if (this.#now >= this.#trimAt) {
      this.#trimAt = Infinity;
      this.arena.trim();
    }
    for (let entry; (entry = this.#timers.popDue(this.#now)) !== undefined;) {
      this.#enqueue(entry);
    }
    // The queue may grow in the loop: a tick of one session may wake another.
    for (let i = this.#readyHead; i < this.#ready.length; i++) this.#tickSession(this.#ready[i]);
  }

  #tickSession(entry: Entry): void {
    if (!entry.tickDue) return;
    entry.tickDue = false;
    entry.validation?.tick(this.#now);
    entry.session.tick(this.#now);
  }

  /**
   * Appends the packets that are due to `batch`, as many as fit, session by session. A session
   * whose packets do not fit goes to the back of the queue, so that each one gets its turn.
   *
   * @param batch A batch in the arena of this machine.
   * @returns How many packets were appended. When it is 0, nothing more is due now.
   */
  output(batch: PacketBatch): number {
    const before = batch.count;
    const ready = this.#ready;
    if (this.#answers.waiting) this.#answers.output(batch);
    let full = this.#answers.waiting;
    while (this.#readyHead < ready.length && !full) {
      const entry = ready[this.#readyHead++];
      if (entry.removed) continue;
      this.#tickSession(entry);
      entry.session.output(batch);
      // An application that is called in the output may end sessions.
      if (entry.removed) continue;
      full = batch.full;
      if (full) {
        ready.push(entry);
      } else {
        entry.queued = false;
        this.#settle(entry);
      }
    }
    if (2 * this.#readyHead >= ready.length) {
      ready.splice(0, this.#readyHead);
      this.#readyHead = 0;
    }
    return batch.count - before;
  }

  /** Schedules the next wake-up of a session, or removes the session if it is over. */
  #settle(entry: Entry): void {
    const { session } = entry;
    if (entry.unconfirmedHost !== null && (!session.unconfirmed || session.over)) {
      this.#admission.releaseUnconfirmed(session, entry.unconfirmedHost);
      entry.unconfirmedHost = null;
    }
    if (session.state === "closed" && !entry.ended) {
      entry.ended = true;
      this.onEnd?.(session);
    }
    if (session.over) this.#remove(entry);
    if (this.#trimAt === Infinity && this.arena.wasteful) this.#trimAt = this.#now + TRIM_AFTER;
    const deadline = Math.min(session.deadline, entry.validation?.deadline ?? Infinity);
    const timers = this.#timers;
    if (deadline === timers.timeOf(entry)) return;
    if (deadline < Infinity) timers.push(deadline, entry);
    else timers.remove(entry);
  }

  #remove(entry: Entry): void {
    const { session } = entry;
    this.#table.remove(entry);
    this.#timers.remove(entry);
    this.#admission.ended(session, this.#now, !entry.embryonic);
    // What no connection can read is freed.
    if (!session.onChange && !this.#admission.waits(session)) session.kcp.close();
    this.onRemove?.(session);
  }
}
