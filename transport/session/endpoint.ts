/**
 * Many conversations on one socket, without I/O.
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
import { findFault } from "../../kcp/packet.ts";
import type { PacketBatch } from "../../kcp/packet_batch.ts";
import { Scratch } from "../../kcp/scratch.ts";
import { CMD, CMD_ACK, CMD_PUSH, CONV, LEN, OVERHEAD, SN, UNA } from "../../kcp/segment.ts";
import { hostOf } from "./address.ts";
import { ConnectionError } from "./errors.ts";
import { MAX_RUN, PacketProtection } from "./packet_protection.ts";
import { Session, type SessionOptions } from "./session.ts";
import { TimerHeap } from "./timer_heap.ts";

/** Settings of an {@linkcode Endpoint}; those of a session are for the sessions that peers open. */
export interface EndpointOptions extends SessionOptions {
  /** Sessions that peers opened and {@linkcode Endpoint.accept} has not taken: 128 unless given. */
  backlog?: number;
  /** Sessions at one time, 65536 unless given. */
  maxSessions?: number;
  /** Sessions at one time whose peer's address has not answered yet, 1024 unless given. */
  maxUnconfirmed?: number;
  /** The same from one host, 256 unless given. */
  maxUnconfirmedPerHost?: number;
  /**
   * Whether a session follows its peer to a new address when a fitting packet comes from there. Off
   * unless given: without authentication, whoever can guess a packet could take a session over.
   */
  migrate?: boolean;
  /**
   * For so many ms, late packets of a session that is over open no new one, and a session that ended
   * first still answers its peer: 30000 unless given.
   */
  timeWait?: number;
}

/** What an {@linkcode Endpoint} has counted. */
export interface EndpointStats {
  /** Packets taken from the network. */
  packetsIn: number;
  /** Packets that failed the check of the cipher: of somebody with another key, or damaged. */
  forged: number;
  /** Packets that the cipher let pass, but that were seen before. */
  replayed: number;
  /** Packets that are no KCP packet, or not one of the session that they name. */
  invalid: number;
  /** Packets of a conversation that does not exist, and that open none. */
  unknown: number;
  /** Late packets of a session that is over. */
  late: number;
  /** Conversations that peers tried to open and that a limit refused. */
  refused: number;
  /** Sessions that peers opened. */
  accepted: number;
  /** Sessions that followed their peer to a new address. */
  migrated: number;
  /** Sessions at the moment, those included that are over but still answer their peer. */
  sessions: number;
  /** Sessions at the moment whose peer's address has not answered yet. */
  unconfirmed: number;
}

/** What the endpoint knows about a session beside the session itself. */
interface Entry {
  readonly session: Session;
  /** The next session with the same peer. */
  sibling: Entry | null;
  /** Whether it waits for its turn at `tick` and `output`. */
  ready: boolean;
  /** Whether it must be told the time before its turn at `output`. */
  stale: boolean;
  /** The earliest wake-up that stands in the heap. */
  wakeAt: number;
  unconfirmed: boolean;
  /** The address that it moved from last, and when. */
  leftFrom: string;
  movedAt: number;
  /** When its last data shard came, in an order of all. */
  lastShard: number;
  /** The host that it is counted for while it is unconfirmed. */
  host: string;
  removed: boolean;
}

/** So many sessions that are over may stand in the heap, however few others do. */
const MIN_SWEEP = 256;
/** For so many ms after a peer has moved, packets still come from where it was. */
const MOVING = 1_000;
/** Closed conversations that are remembered at one time. */
const MAX_REMEMBERED = 65_536;

/**
 * Many conversations on one socket, as a machine without I/O with the four members of a session.
 *
 * Peers are known by the string that the adapter makes of their address; a session is found by that and
 * its conv, so one address may have several, and a conv may come from several addresses.
 */
export class Endpoint {
  /** The memory of all sessions; a {@linkcode PacketBatch} for this machine must share it. */
  readonly arena: Arena;
  /** Called when a session that a peer opened can be taken by {@linkcode Endpoint.accept}. */
  onAccept: (() => void) | null = null;
  /** Called when the application did something that makes output due. */
  onWake: (() => void) | null = null;
  /** Called when a session is over and forgotten. */
  onRemove: ((session: Session) => void) | null = null;
  readonly #accepts: boolean;
  readonly #sessionOptions: SessionOptions;
  readonly #limits: {
    readonly backlog: number;
    readonly maxSessions: number;
    readonly maxUnconfirmed: number;
    readonly maxUnconfirmedPerHost: number;
    readonly timeWait: number;
  };
  readonly #migrate: boolean;
  readonly #protection: PacketProtection | null;
  readonly #peers = new Map<string, Entry>();
  readonly #entries = new Map<Session, Entry>();
  /** Sessions by conv, kept only to find those that moved. */
  readonly #convs = new Map<number, Entry>();
  readonly #unconfirmedHosts = new Map<string, number>();
  readonly #backlog: Session[] = [];
  #accepting: boolean;
  /** The line of sessions that wait for their turn, from #readyHead on. */
  readonly #ready: Entry[] = [];
  #readyHead = 0;
  readonly #timers = new TimerHeap<Entry>();
  /** When the memory of a session that is over ends, in the order of ending. */
  readonly #late = new Map<string, number>();
  /** Sessions that are over and still stand in the heap, about. */
  #stale = 0;
  #now = -Infinity;
  #unconfirmed = 0;
  /** Data shards that came. */
  #shards = 0;
  readonly #scratch: Scratch;
  readonly #stats = {
    packetsIn: 0,
    forged: 0,
    replayed: 0,
    invalid: 0,
    unknown: 0,
    late: 0,
    refused: 0,
    accepted: 0,
    migrated: 0,
  };

  /**
   * Makes an endpoint without sessions.
   *
   * @param options Settings.
   * @param accepts Whether peers may open sessions.
   * @param arena Memory to share with other machines.
   * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range.
   */
  constructor(
    options: EndpointOptions = {},
    accepts = false,
    arena: Arena = new Arena(undefined, options.crypt !== undefined),
  ) {
    const {
      backlog = 128,
      maxSessions = 65_536,
      maxUnconfirmed = 1024,
      maxUnconfirmedPerHost = 256,
      timeWait = 30_000,
      migrate = false,
      ...session
    } = options;
    const limits = { backlog, maxSessions, maxUnconfirmed, maxUnconfirmedPerHost, timeWait };
    for (const [name, value] of Object.entries(limits)) {
      if (typeof value !== "number") {
        throw new TypeError(`Cannot set ${name} to ${String(value)}: it must be a number`);
      }
      if (!(value >= 0)) {
        throw new RangeError(`Cannot set ${name} to ${value}: allowed are 0 to Infinity`);
      }
    }
    if (typeof migrate !== "boolean") {
      throw new TypeError(`Cannot set migrate to ${String(migrate)}: it must be a boolean`);
    }
    this.arena = arena;
    this.#scratch = new Scratch(arena);
    this.#accepts = this.#accepting = accepts;
    this.#limits = limits;
    this.#migrate = migrate;
    this.#sessionOptions = { ...session, timeWait: accepts ? timeWait : options.timeWait };
    this.#protection = PacketProtection.of(session);
    // Settings are refused here, not when the first peer comes.
    new Session(0, "", 0, this.#sessionOptions, arena, this.#protection);
  }

  /** What was counted so far: a snapshot. */
  get stats(): EndpointStats {
    return { ...this.#stats, sessions: this.#entries.size, unconfirmed: this.#unconfirmed };
  }

  /** Whether packets are encrypted or have parity, so that to make them takes longer than to send them. */
  get elaborate(): boolean {
    return this.#protection !== null || this.#sessionOptions.fec !== undefined;
  }

  /** Sessions at the moment. */
  get size(): number {
    return this.#entries.size;
  }

  /** The sessions at the moment. */
  get sessions(): IterableIterator<Session> {
    return this.#entries.keys();
  }

  /**
   * Opens a session. Nothing is sent until it has data.
   *
   * @param peer Where the peer is.
   * @param conv The conversation id, which should be hard to guess: draw it at random.
   * @param now The time in ms.
   * @param options Settings, those of the endpoint unless given. The encryption is always the endpoint's.
   * @throws {TypeError} When that conversation with that peer exists already.
   */
  open(
    peer: string,
    conv: number,
    now: number,
    options: SessionOptions = this.#sessionOptions,
  ): Session {
    if (this.#find(peer, conv)) {
      throw new TypeError(`Cannot open conversation ${conv} with ${peer}: it exists already`);
    }
    return this.#add(new Session(conv, peer, now, options, this.arena, this.#protection)).session;
  }

  /** Takes the longest waiting session that a peer opened, null if there is none. */
  accept(): Session | null {
    return this.#backlog.shift() ?? null;
  }

  /** Opens no more sessions for peers, and drops those that nobody took. */
  stopAccepting(): void {
    this.#accepting = false;
    for (const session of this.#entries.keys()) session.hurry();
    for (const session of this.#backlog.splice(0)) {
      session.abort(
        new ConnectionError("closed", "The listener was closed before it was accepted"),
      );
    }
  }

  /** Ends every session at once, with `error` as the reason. */
  abort(error: ConnectionError): void {
    this.#accepting = false;
    this.#backlog.length = 0;
    for (const [session, entry] of [...this.#entries]) {
      session.abort(error);
      if (!entry.removed) this.#settle(entry);
    }
  }

  // --- the network's side ---

  /**
   * Takes a packet from the network. Hostile bytes never throw: they are counted and dropped.
   *
   * @param packet As it came: encrypted, if the endpoint is. It is not kept; if it lies in the arena, it is decrypted
   * there.
   * @param now The time in ms.
   * @param from Where it came from.
   * @returns Whether the packet belonged to a session and was valid.
   */
  input(packet: Uint8Array, now: number, from: string): boolean {
    const start = this.#scratch.lay(packet);
    if (start < 0) {
      this.#stats.packetsIn++;
      this.#stats.refused++;
      return false;
    }
    const { length } = packet;
    return this.inputRun(start, start + length, length, now, from) > 0;
  }

  /**
   * {@linkcode Endpoint.input} for packets that lie in the arena one behind the other, from `start` to before `end`; they are
   * changed there.
   *
   * It must not be called again before it returns, as by what `onWake` calls.
   *
   * @param size Bytes of each; the last one may be shorter.
   * @returns How many of them belonged to a session and were valid.
   */
  inputRun(start: number, end: number, size: number, now: number, from: string): number {
    if (now > this.#now) this.#now = now;
    // A run of nothing is one packet.
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
        if (!opened) valid += Number(this.#dispatch(at, packetEnd, from));
        else if (opened[k] === 1) valid += Number(this.#accept(at, packetEnd, from));
        else {
          this.#stats.forged++;
          this.#suspect(from);
        }
      }
    }
    return valid;
  }

  /** Takes a packet that was opened. */
  #accept(start: number, end: number, from: string): boolean {
    const protection = this.#protection!;
    if (protection.isReplay(this.arena.bytes, start)) {
      this.#stats.replayed++;
      this.#suspect(from);
      return false;
    }
    const valid = this.#dispatch(start + protection.headroom, end - protection.tailroom, from);
    if (valid) protection.remember(this.arena.bytes, start);
    return valid;
  }

  #dispatch(start: number, end: number, from: string): boolean {
    const { view } = this.arena;
    const type = packetType(view, start, end);
    // Where the KCP packet begins, or the conv of an out-of-band packet, which has nothing more.
    const inner = type === 0 ? start : start + DATA_HEADER;
    let entry: Entry | null;
    if (type === TYPE_PARITY) {
      entry = this.#findParity(from, view.getUint32(start, true));
      if (!entry) this.#stats.unknown++;
    } else if (type === TYPE_INVALID || type !== TYPE_OOB && end - inner < OVERHEAD) {
      this.#stats.invalid++;
      this.#suspect(from);
      return false;
    } else {
      const conv = view.getUint32(inner + CONV, true);
      entry = this.#find(from, conv);
      if (!entry && type !== TYPE_OOB) entry = this.#findMoved(from, conv, inner, end);
      // A datagram does not show that its sender is the peer that has moved.
      const moves = type === TYPE_OOB && this.#convs.has(conv);
      if (!moves) entry ??= this.#admit(from, conv, inner, end, type === TYPE_OOB);
      else if (!entry) this.#stats.unknown++;
      if (!entry) this.#suspect(from);
    }
    if (!entry) return false;
    const valid = entry.session.inputAt(start, end, this.#now);
    if (!valid) this.#stats.invalid++;
    else this.#touch(entry);
    if (valid && type === TYPE_DATA) entry.lastShard = ++this.#shards;
    return valid;
  }

  /** Lets the sessions with a peer know that something came from there that was not for them. */
  #suspect(from: string): void {
    for (let entry = this.#peers.get(from) ?? null; entry; entry = entry.sibling) {
      entry.session.suspect();
    }
  }

  /**
   * The session that a parity shard belongs to. It names none: among several at one address it is of one that
   * lacks data of that group, and rather of the one whose data came last, since parity follows it.
   */
  #findParity(from: string, seqid: number): Entry | null {
    const first = this.#peers.get(from) ?? null;
    if (!first?.sibling) return first;
    let found: Entry | null = null;
    for (let entry: Entry | null = first; entry; entry = entry.sibling) {
      if (found && found.lastShard > entry.lastShard) continue;
      if (entry.session.awaits(seqid)) found = entry;
    }
    return found;
  }

  #find(peer: string, conv: number): Entry | null {
    let entry = this.#peers.get(peer) ?? null;
    while (entry && entry.session.conv !== conv) entry = entry.sibling;
    return entry;
  }

  /** The session that the packet's sender had under another address, if the packet fits it. */
  #findMoved(from: string, conv: number, start: number, end: number): Entry | null {
    if (!this.#migrate) return null;
    const entry = this.#convs.get(conv);
    if (!entry || !entry.session.kcp.fits(start, end)) return null;
    // What was on its way when the peer moved does not take it back.
    if (from === entry.leftFrom && this.#now < entry.movedAt + MOVING) return entry;
    entry.leftFrom = entry.session.peer;
    entry.movedAt = this.#now;
    this.#remember(entry.session);
    this.#unlink(entry);
    entry.session.peer = from;
    this.#link(entry);
    this.#stats.migrated++;
    return entry;
  }

  /** Opens a session for a packet that begins a conversation. */
  #admit(
    from: string,
    conv: number,
    start: number,
    end: number,
    datagram: boolean,
  ): Entry | null {
    const late = this.#late.get(`${from}#${conv}`);
    if (late !== undefined && late > this.#now) {
      this.#stats.late++;
      return null;
    }
    if (!this.#accepting || !datagram && this.#begins(start, end) < 0) {
      if (this.#accepts && !datagram && !this.#isPacket(start, end)) this.#stats.invalid++;
      else this.#stats.unknown++;
      return null;
    }
    const { backlog, maxSessions, maxUnconfirmed, maxUnconfirmedPerHost } = this.#limits;
    const host = hostOf(from);
    const ofHost = this.#unconfirmedHosts.get(host) ?? 0;
    if (
      this.#backlog.length >= backlog || this.#entries.size >= maxSessions ||
      this.#unconfirmed >= maxUnconfirmed || ofHost >= maxUnconfirmedPerHost
    ) {
      this.#stats.refused++;
      return null;
    }
    const session = new Session(
      conv,
      from,
      this.#now,
      this.#sessionOptions,
      this.arena,
      this.#protection,
    );
    session.confirm();
    const entry = this.#add(session);
    entry.unconfirmed = true;
    entry.host = host;
    this.#unconfirmed++;
    this.#unconfirmedHosts.set(host, ofHost + 1);
    this.#stats.accepted++;
    this.#backlog.push(session);
    this.onAccept?.();
    return entry;
  }

  /** Whether the packet could be the first of a conversation or a later one: it is well-formed. */
  #isPacket(start: number, end: number): boolean {
    const { view } = this.arena;
    const fault = findFault(view, start, end, view.getUint32(start + CONV, true), 0);
    return fault === null || fault === "una" || fault === "ack";
  }

  /** Sequence number that a peer's first segment has. */
  get #firstSn(): number {
    return this.#sessionOptions.initialRcvSn ?? 0;
  }

  /**
   * How far from the first the first data segment is of a packet that a peer sends before it has heard
   * anything: data of the first window, and nothing acknowledged. -1 for any other packet; a late one of
   * an old conversation hardly ever looks so.
   */
  #begins(start: number, end: number): number {
    const { view } = this.arena;
    const una = this.#sessionOptions.initialSndSn ?? 0;
    if (findFault(view, start, end, view.getUint32(start + CONV, true), una)) return -1;
    let first = -1;
    for (let at = start; end - at >= OVERHEAD;) {
      const cmd = view.getUint8(at + CMD);
      if (cmd === CMD_ACK || view.getUint32(at + UNA, true) !== una) return -1;
      if (cmd === CMD_PUSH && first < 0) {
        first = (view.getUint32(at + SN, true) - this.#firstSn) | 0;
        if (first < 0 || first >= FIRST_WINDOW) return -1;
      }
      at += OVERHEAD + view.getUint32(at + LEN, true);
    }
    return first;
  }

  #add(session: Session): Entry {
    const entry: Entry = {
      session,
      sibling: null,
      ready: false,
      stale: true,
      wakeAt: Infinity,
      unconfirmed: false,
      leftFrom: "",
      movedAt: -Infinity,
      lastShard: 0,
      host: "",
      removed: false,
    };
    this.#entries.set(session, entry);
    if (this.#migrate) this.#convs.set(session.conv, entry);
    this.#link(entry);
    session.onWake = () => {
      this.#touch(entry);
      this.onWake?.();
    };
    this.#touch(entry);
    return entry;
  }

  #link(entry: Entry): void {
    entry.sibling = this.#peers.get(entry.session.peer) ?? null;
    this.#peers.set(entry.session.peer, entry);
  }

  #unlink(entry: Entry): void {
    const { peer } = entry.session;
    const first = this.#peers.get(peer);
    if (first === entry) {
      if (entry.sibling) this.#peers.set(peer, entry.sibling);
      else this.#peers.delete(peer);
    } else {
      for (let other = first ?? null; other; other = other.sibling) {
        if (other.sibling === entry) {
          other.sibling = entry.sibling;
          break;
        }
      }
    }
  }

  /** Puts a session in line for `tick` and `output`. */
  #touch(entry: Entry): void {
    entry.stale = true;
    if (entry.ready || entry.removed) return;
    entry.ready = true;
    this.#ready.push(entry);
  }

  /** The time at which {@linkcode Endpoint.tick} is next due, `Infinity` when nothing is pending. */
  get deadline(): number {
    return this.#ready.length > this.#readyHead ? this.#now : this.#timers.deadline;
  }

  /** Tells the endpoint that time passed; each session that it concerns is told. */
  tick(now: number): void {
    if (now > this.#now) this.#now = now;
    for (let entry; (entry = this.#timers.popDue(this.#now)) !== undefined;) {
      // A wake-up that was brought forward has left its old entry behind.
      if (entry.removed) this.#stale--;
      if (entry.removed || entry.wakeAt > this.#now) continue;
      entry.wakeAt = Infinity;
      this.#touch(entry);
    }
    // Sessions that a tick wakes join the line behind those that are in it.
    for (let i = this.#readyHead; i < this.#ready.length; i++) this.#refresh(this.#ready[i]);
  }

  #refresh(entry: Entry): void {
    if (!entry.stale) return;
    entry.stale = false;
    entry.session.tick(this.#now);
  }

  /**
   * Appends the packets that are due to `batch`, as many as fit, session by session; a session that has
   * more than fits waits until the others had their turn.
   *
   * @param batch A batch in the arena of this machine.
   * @returns How many packets were appended. When it is 0, nothing more is due now.
   */
  output(batch: PacketBatch): number {
    const before = batch.count;
    const line = this.#ready;
    let full = false;
    while (this.#readyHead < line.length && !full) {
      const entry = line[this.#readyHead++];
      if (entry.removed) continue;
      this.#refresh(entry);
      entry.session.output(batch);
      full = batch.full;
      if (full) {
        line.push(entry);
      } else {
        entry.ready = false;
        this.#settle(entry);
      }
    }
    if (2 * this.#readyHead >= line.length) {
      line.splice(0, this.#readyHead);
      this.#readyHead = 0;
    }
    return batch.count - before;
  }

  /** Notes when a session is next due, or forgets it. */
  #settle(entry: Entry): void {
    const { session } = entry;
    if (entry.unconfirmed && (!session.unconfirmed || session.over)) {
      entry.unconfirmed = false;
      this.#unconfirmed--;
      const left = this.#unconfirmedHosts.get(entry.host)! - 1;
      if (left > 0) this.#unconfirmedHosts.set(entry.host, left);
      else this.#unconfirmedHosts.delete(entry.host);
    }
    if (session.over) {
      this.#remove(entry);
      return;
    }
    const { deadline } = session;
    if (deadline < entry.wakeAt) {
      entry.wakeAt = deadline;
      this.#timers.push(deadline, entry);
    }
  }

  #remove(entry: Entry): void {
    const { session } = entry;
    entry.removed = true;
    if (entry.wakeAt !== Infinity) this.#stale++;
    if (this.#stale > MIN_SWEEP && this.#stale > this.#timers.size / 2) {
      this.#timers.retain((waiting) => !waiting.removed);
      this.#stale = 0;
    }
    this.#unlink(entry);
    this.#entries.delete(session);
    if (this.#convs.get(session.conv) === entry) this.#convs.delete(session.conv);
    const waiting = this.#backlog.indexOf(session);
    if (waiting >= 0) this.#backlog.splice(waiting, 1);
    // What nobody has taken nobody will read.
    if (!session.onChange) session.kcp.close();
    this.#remember(session);
    this.onRemove?.(session);
  }

  /** Lets late packets of a session open no new one. */
  #remember(session: Session): void {
    if (!this.#accepts || this.#limits.timeWait === 0) return;
    for (const [key, until] of this.#late) {
      if (until > this.#now && this.#late.size < MAX_REMEMBERED) break;
      this.#late.delete(key);
    }
    const key = `${session.peer}#${session.conv}`;
    this.#late.delete(key);
    this.#late.set(key, this.#now + this.#limits.timeWait);
  }
}

/** A peer sends at most so many segments before it has heard from us: the C reference's window. */
const FIRST_WINDOW = 128;
