import type { InvalidPackets } from "./peer_activity.ts";
import type { Entry } from "./session_table.ts";

/** Among how many sessions of each kind the one that a parity shard belongs to is searched. */
export const MAX_RECENT = 8;

/**
 * The sessions with one peer, if there are several. An address with one session needs none of this.
 *
 * What a packet costs does not depend on their number.
 */
export class Siblings implements InvalidPackets {
  /** Packets from this address that were not valid, and that belong to no session. */
  invalid = 0;
  /** The sessions by conversation id, as a signed integer: V8 keeps it without an allocation. */
  readonly #byConv = new Map<number, Entry>();
  /**
   * The sessions whose data shards arrived last, the newest one first. Those whose address was not
   * confirmed have a list of their own: forged packets may have opened them, and must not displace
   * the others.
   */
  readonly #confirmed: Entry[] = [];
  readonly #unconfirmed: Entry[] = [];

  /** Number of sessions. */
  get size(): number {
    return this.#byConv.size;
  }

  /** The session, if there is only one. */
  get only(): Entry {
    return this.#byConv.values().next().value!;
  }

  /** The session with this conversation id. */
  find(conv: number): Entry | null {
    return this.#byConv.get(conv | 0) ?? null;
  }

  /** Adds a session. */
  add(entry: Entry): void {
    this.#byConv.set(entry.session.conv | 0, entry);
    entry.siblings = this;
    entry.session.shareInvalid(this);
    const recent = this.#listOf(entry);
    if (recent.length < MAX_RECENT) recent.push(entry);
  }

  /** Removes a session. */
  remove(entry: Entry): void {
    this.#byConv.delete(entry.session.conv | 0);
    entry.siblings = null;
    entry.session.shareInvalid(null);
    removeFrom(this.#confirmed, entry);
    removeFrom(this.#unconfirmed, entry);
  }

  /** Notes that a data shard of a session arrived. */
  receivedData(entry: Entry): void {
    const recent = this.#listOf(entry);
    if (recent[0] === entry) return;
    // The address of the session may have been confirmed since its last data shard.
    if (recent === this.#confirmed) removeFrom(this.#unconfirmed, entry);
    let place = recent.indexOf(entry);
    if (place < 0) place = Math.min(recent.length, MAX_RECENT - 1);
    for (; place > 0; place--) recent[place] = recent[place - 1];
    recent[0] = entry;
  }

  /** See {@linkcode SessionTable.findParity}. */
  findParity(seqid: number): Entry | null {
    return better(newest(this.#confirmed, seqid), newest(this.#unconfirmed, seqid));
  }

  #listOf(entry: Entry): Entry[] {
    return entry.session.unconfirmed ? this.#unconfirmed : this.#confirmed;
  }
}

/** The best session of a list that a parity shard may belong to. */
function newest(recent: readonly Entry[], seqid: number): Entry | null {
  let found: Entry | null = null;
  for (const entry of recent) {
    if (better(found, entry) === entry && entry.session.needsParity(seqid)) found = entry;
  }
  return found;
}

/** The session of two whose address is confirmed, or whose data shard arrived later. */
function better(a: Entry | null, b: Entry | null): Entry | null {
  if (!a || !b) return a ?? b;
  if (a.session.unconfirmed !== b.session.unconfirmed) return a.session.unconfirmed ? b : a;
  return a.lastShard > b.lastShard ? a : b;
}

function removeFrom(list: Entry[], entry: Entry): void {
  const place = list.indexOf(entry);
  if (place >= 0) list.splice(place, 1);
}
