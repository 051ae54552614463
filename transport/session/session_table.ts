import type { PathValidation } from "./path_validation.ts";
import type { Session } from "./session.ts";

/** A session of an endpoint, with the endpoint's notes about it. */
export interface Entry {
  readonly session: Session;
  /** The next session with the same peer. */
  sibling: Entry | null;
  /** Whether it is in the ready queue. */
  queued: boolean;
  /** Whether its `tick` must be called before its `output`. */
  tickDue: boolean;
  /** The earliest time at which the timer heap wakes it. */
  wakeAt: number;
  /** Whether the first segment of the peer has not arrived: the application does not know of it yet. */
  embryonic: boolean;
  /** The host that it counts for while its address is not confirmed; null otherwise. */
  unconfirmedHost: string | null;
  /** The address that it had before its last move, and when it moved. */
  previousPeer: string;
  movedAt: number;
  /** The number of its last data shard among those of all sessions: the largest is the newest. */
  lastShard: number;
  removed: boolean;
  /** Finds out whether the peer has moved; null before it may have. */
  validation: PathValidation | null;
}

/** The sessions of an endpoint, by the address of the peer and the conversation id. */
export class SessionTable {
  readonly #entries = new Map<Session, Entry>();
  /** The first session with each peer. The others follow as siblings. */
  readonly #byPeer = new Map<string, Entry>();
  /** The newest session with each conversation id; null if sessions can't move. */
  readonly #byConv: Map<number, Entry> | null;

  /** @param migrate Whether sessions may move to another address. */
  constructor(migrate: boolean) {
    this.#byConv = migrate ? new Map() : null;
  }

  /** Number of sessions. */
  get size(): number {
    return this.#entries.size;
  }

  /** The sessions. */
  sessions(): IterableIterator<Session> {
    return this.#entries.keys();
  }

  /** The sessions with their notes. */
  entries(): IterableIterator<Entry> {
    return this.#entries.values();
  }

  /** The first session with a peer. The others follow as siblings. */
  firstOf(peer: string): Entry | null {
    return this.#byPeer.get(peer) ?? null;
  }

  /** The session with this peer and conversation id. */
  find(peer: string, conv: number): Entry | null {
    let entry = this.firstOf(peer);
    while (entry && entry.session.conv !== conv) entry = entry.sibling;
    return entry;
  }

  /** A session with this conversation id at any address; null if sessions can't move. */
  findConv(conv: number): Entry | null {
    return this.#byConv?.get(conv) ?? null;
  }

  /**
   * The session that a parity shard belongs to. The shard does not name its session. Among several
   * sessions with one peer, it is one that lacks data of that group, or does not know the ratio. If
   * several do, it is the one whose data shard arrived last, since a sender sends parity right behind
   * the data.
   *
   * Sessions whose address is confirmed come first: forged packets may have opened the others.
   */
  findParity(peer: string, seqid: number): Entry | null {
    const first = this.firstOf(peer);
    if (!first?.sibling) return first;
    let found: Entry | null = null;
    for (let entry: Entry | null = first; entry; entry = entry.sibling) {
      const { session, lastShard } = entry;
      const older = found && session.unconfirmed === found.session.unconfirmed &&
        found.lastShard > lastShard;
      if (older || found && session.unconfirmed && !found.session.unconfirmed) continue;
      if (session.needsParity(seqid)) found = entry;
    }
    return found;
  }

  /** Adds a session. */
  add(session: Session): Entry {
    const entry: Entry = {
      session,
      sibling: null,
      queued: false,
      tickDue: true,
      wakeAt: Infinity,
      unconfirmedHost: null,
      embryonic: false,
      previousPeer: "",
      movedAt: -Infinity,
      lastShard: 0,
      removed: false,
      validation: null,
    };
    this.#entries.set(session, entry);
    this.#byConv?.set(session.conv, entry);
    this.#link(entry);
    return entry;
  }

  /** Removes a session. */
  remove(entry: Entry): void {
    const { session } = entry;
    entry.removed = true;
    this.#unlink(entry);
    this.#entries.delete(session);
    if (this.#byConv?.get(session.conv) === entry) this.#byConv.delete(session.conv);
  }

  /** Changes the address of a session. */
  move(entry: Entry, peer: string, now: number): void {
    entry.previousPeer = entry.session.peer;
    entry.movedAt = now;
    this.#unlink(entry);
    entry.session.peer = peer;
    this.#link(entry);
  }

  #link(entry: Entry): void {
    const { peer } = entry.session;
    entry.sibling = this.firstOf(peer);
    this.#byPeer.set(peer, entry);
  }

  #unlink(entry: Entry): void {
    const { peer } = entry.session;
    const first = this.firstOf(peer);
    if (first === entry) {
      if (entry.sibling) this.#byPeer.set(peer, entry.sibling);
      else this.#byPeer.delete(peer);
      return;
    }
    for (let other = first; other; other = other.sibling) {
      if (other.sibling === entry) {
        other.sibling = entry.sibling;
        break;
      }
    }
  }
}
