import type { PathValidation } from "./path_validation.ts";
import type { Session } from "./session.ts";
import { Siblings } from "./siblings.ts";

/** A session of an endpoint, with the endpoint's notes about it. */
export interface Entry {
  readonly session: Session;
  /** The sessions with the same peer, this one among them; null if it is the only one. */
  siblings: Siblings | null;
  /** Whether it is in the ready queue. */
  queued: boolean;
  /** Whether its `tick` must be called before its `output`. */
  tickDue: boolean;
  /** Its place in the timer heap. */
  place: number;
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
  /** Whether its outcome is known. */
  ended: boolean;
  /** Finds out whether the peer has moved; null before it may have. */
  validation: PathValidation | null;
}

/** Most sessions with one conversation id that a packet from an unknown address is tried with. */
const MAX_TRIED = 8;

/** The sessions of an endpoint, by the address of the peer and the conversation id. */
export class SessionTable {
  readonly #entries = new Map<Session, Entry>();
  /** The session with each peer, or the sessions if there are several. */
  readonly #byPeer = new Map<string, Entry | Siblings>();
  /**
   * The session with each conversation id, or the sessions if there are several, the oldest first.
   * The id is a signed integer: V8 keeps it without an allocation. Null if sessions can't move.
   */
  readonly #byConv: Map<number, Entry | Entry[]> | null;
  /** Number of data shards that arrived. */
  #shards = 0;

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

  /** Number of sessions with a peer. */
  countOf(peer: string): number {
    const found = this.#byPeer.get(peer);
    if (!found) return 0;
    return found instanceof Siblings ? found.size : 1;
  }

  /** The session with this peer and conversation id. */
  find(peer: string, conv: number): Entry | null {
    const found = this.#byPeer.get(peer);
    if (!found) return null;
    if (found instanceof Siblings) return found.find(conv);
    return found.session.conv === conv ? found : null;
  }

  /**
   * A session with this conversation id at any address that passes a test. Only the newest of many are
   * tried. Null if sessions can't move.
   */
  findConv(conv: number, test: (entry: Entry) => boolean): Entry | null {
    const found = this.#byConv?.get(conv | 0);
    if (!found) return null;
    if (!Array.isArray(found)) return test(found) ? found : null;
    for (let i = found.length - 1; i >= 0 && i >= found.length - MAX_TRIED; i--) {
      if (test(found[i])) return found[i];
    }
    return null;
  }

  /** The session with this conversation id, if no other has it; null if sessions can't move. */
  onlyWith(conv: number): Entry | null {
    const found = this.#byConv?.get(conv | 0);
    return found && !Array.isArray(found) ? found : null;
  }

  /**
   * The session that a parity shard belongs to. The shard does not name its session. Among several
   * sessions with one peer, it is one that lacks data of that group, or does not know the ratio. If
   * several do, it is the one whose data shard arrived last, since a sender sends parity right behind
   * the data. So it is enough to search the sessions whose data shards arrived last.
   *
   * Sessions whose address is confirmed come first: forged packets may have opened the others.
   */
  findParity(peer: string, seqid: number): Entry | null {
    const found = this.#byPeer.get(peer) ?? null;
    return found instanceof Siblings ? found.findParity(seqid) : found;
  }

  /** Notes that a data shard of a session arrived. */
  receivedData(entry: Entry): void {
    entry.lastShard = ++this.#shards;
    entry.siblings?.receivedData(entry);
  }

  /** Counts a packet from a peer that was not valid, and that belongs to no session. */
  countInvalid(peer: string): void {
    const found = this.#byPeer.get(peer);
    if (!found) return;
    if (found instanceof Siblings) found.invalid++;
    else found.session.countInvalid();
  }

  /** Adds a session. */
  add(session: Session): Entry {
    const entry: Entry = {
      session,
      siblings: null,
      queued: false,
      tickDue: true,
      place: -1,
      unconfirmedHost: null,
      embryonic: false,
      previousPeer: "",
      movedAt: -Infinity,
      lastShard: 0,
      removed: false,
      ended: false,
      validation: null,
    };
    this.#entries.set(session, entry);
    this.#addConv(session.conv | 0, entry);
    this.#link(entry);
    return entry;
  }

  /** Removes a session. */
  remove(entry: Entry): void {
    const { session } = entry;
    entry.removed = true;
    this.#unlink(entry);
    this.#entries.delete(session);
    this.#removeConv(session.conv | 0, entry);
  }

  #addConv(conv: number, entry: Entry): void {
    if (!this.#byConv) return;
    const found = this.#byConv.get(conv);
    if (!found) this.#byConv.set(conv, entry);
    else if (Array.isArray(found)) found.push(entry);
    else this.#byConv.set(conv, [found, entry]);
  }

  #removeConv(conv: number, entry: Entry): void {
    if (!this.#byConv) return;
    const found = this.#byConv.get(conv);
    if (!Array.isArray(found)) {
      this.#byConv.delete(conv);
      return;
    }
    found.splice(found.indexOf(entry), 1);
    if (found.length === 1) this.#byConv.set(conv, found[0]);
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
    let found = this.#byPeer.get(peer);
    if (found && !(found instanceof Siblings)) {
      const siblings = new Siblings();
      siblings.add(found);
      this.#byPeer.set(peer, found = siblings);
    }
    if (found) found.add(entry);
    else this.#byPeer.set(peer, entry);
  }

  #unlink(entry: Entry): void {
    const { siblings, session: { peer } } = entry;
    if (!siblings) {
      this.#byPeer.delete(peer);
      return;
    }
    siblings.remove(entry);
    if (siblings.size > 1) return;
    const last = siblings.only;
    siblings.remove(last);
    this.#byPeer.set(peer, last);
  }
}
