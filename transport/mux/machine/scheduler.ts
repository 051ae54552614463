/** Weight of a sender if nothing is said, and the largest weight. As in RFC 7540 §5.3.2. */
export const DEFAULT_WEIGHT = 16;
export const MAX_WEIGHT = 256;
/**
 * Bytes that a sender of weight 1 may send before it is another's turn: so a turn of the default
 * weight is a frame of smux's largest default size.
 */
const QUANTUM = 2048;
/** Bytes that a group may send before it is another's turn. */
const GROUP_QUANTUM = DEFAULT_WEIGHT * QUANTUM;

/**
 * So many bytes of senders that had nothing to send before go ahead of the others without a break.
 * Then the others send one byte for this many.
 */
const FRESH_BURST = 131_072;
const FRESH_RATIO = 4;

/** A stream, as the scheduler sees it. Apart from `sendable`, only the scheduler changes it. */
export interface Sender {
  /** Whether it has something to send, and may. */
  readonly sendable: boolean;
  /** Its share among senders of the same order. */
  weight: number;
  level: SendLevel | null;
  list: SenderList | null;
  previous: Sender | null;
  next: Sender | null;
  /** Bytes that it may still send in its turn. Negative: it has sent too much. */
  deficit: number;
}

/** Senders that wait, linked through themselves. */
export class SenderList {
  first: Sender | null = null;
  last: Sender | null = null;

  push(sender: Sender): void {
    sender.list = this;
    sender.previous = this.last;
    if (this.last) this.last.next = sender;
    else this.first = sender;
    this.last = sender;
  }

  remove(sender: Sender): void {
    if (sender.previous) sender.previous.next = sender.next;
    else this.first = sender.next;
    if (sender.next) sender.next.previous = sender.previous;
    else this.last = sender.previous;
    sender.list = sender.previous = sender.next = null;
  }
}

/** The senders of one order in one group. */
export class SendLevel {
  readonly group: SendGroup;
  readonly order: number;
  /** Senders that had nothing to send before. */
  readonly fresh = new SenderList();
  readonly old = new SenderList();
  /** Bytes of fresh senders that went ahead of old ones, less what those have sent in return. */
  ahead = 0;
  /** Senders that belong to it, also those that have nothing to send. */
  members = 0;
  active = false;

  constructor(group: SendGroup, order: number) {
    this.group = group;
    this.order = order;
  }
}

/** The senders of one group. */
export class SendGroup {
  readonly key: unknown;
  readonly levels = new Map<number, SendLevel>();
  /** Levels where a sender waits, by rising order. */
  readonly active: SendLevel[] = [];
  waiting = false;
  deficit = 0;

  constructor(key: unknown) {
    this.key = key;
  }

  activate(level: SendLevel): void {
    level.active = true;
    const { active } = this;
    active.push(level);
    let at = active.length - 1;
    for (; at > 0 && active[at - 1].order > level.order; at--) active[at] = active[at - 1];
    active[at] = level;
  }
}

/**
 * Says which stream sends next.
 *
 * Groups share the bytes equally. Within a group, a higher order always goes first. Senders of one
 * order share by deficit round robin (Shreedhar and Varghese, SIGCOMM 1995), in proportion to their
 * weights. As in RFC 8290 §4.2, a sender that had nothing to send goes before those that always
 * have, for one turn: so a short message need not wait for a turn of each bulk stream. Where there
 * are new ones without end, those that were there before still get a fifth.
 */
export class Scheduler {
  readonly #groups = new Map<unknown, SendGroup>();
  /** Groups where a sender waits. The first has the turn. */
  readonly #waiting: SendGroup[] = [];
  /** How many bytes the sender that {@linkcode Scheduler.next} gave may send. */
  allowance = 0;

  /** Whether a sender waits. It may turn out to be one that has nothing to send any more. */
  get busy(): boolean {
    return this.#waiting.length > 0;
  }

  /** Adds a stream, which has nothing to send yet. */
  join(sender: Sender, group: unknown, order: number): void {
    let found = this.#groups.get(group);
    if (!found) this.#groups.set(group, found = new SendGroup(group));
    let level = found.levels.get(order);
    if (!level) found.levels.set(order, level = new SendLevel(found, order));
    level.members++;
    sender.level = level;
  }

  /** Removes a stream. Nothing happens if it was removed before. */
  leave(sender: Sender): void {
    const { level } = sender;
    if (!level) return;
    sender.list?.remove(sender);
    sender.level = null;
    if (--level.members > 0) return;
    const { group } = level;
    group.levels.delete(level.order);
    if (level.active) group.active.splice(group.active.indexOf(level), 1);
    if (group.levels.size > 0) return;
    this.#groups.delete(group.key);
    if (group.waiting) this.#waiting.splice(this.#waiting.indexOf(group), 1);
  }

  /** Changes the order of a stream. */
  setOrder(sender: Sender, order: number): void {
    const { level } = sender;
    if (!level || level.order === order) return;
    const { key } = level.group;
    const waits = sender.list !== null;
    this.leave(sender);
    this.join(sender, key, order);
    if (waits) this.ready(sender);
  }

  /** A stream has something to send. Nothing happens if it waits already. */
  ready(sender: Sender): void {
    const { level } = sender;
    if (!level || sender.list) return;
    sender.deficit = sender.weight * QUANTUM;
    level.fresh.push(sender);
    const { group } = level;
    if (!level.active) group.activate(level);
    if (group.waiting) return;
    group.waiting = true;
    group.deficit = GROUP_QUANTUM;
    this.#waiting.push(group);
  }

  /**
   * The stream that sends next, and how much it may send: see {@linkcode Scheduler.allowance}. Null
   * if none has something to send.
   */
  next(): Sender | null {
    for (;;) {
      const group = this.#group();
      if (!group) return null;
      const level = group.active[group.active.length - 1];
      const { fresh, old } = level;
      const late = old.first !== null && level.ahead >= FRESH_BURST;
      const list = fresh.first && !late ? fresh : old;
      const sender = list.first;
      if (!sender) {
        group.active.pop();
        level.active = false;
      } else if (!sender.sendable) {
        list.remove(sender);
        // Else it could be new again and again, and those that are not would starve.
        if (list === fresh && old.first) old.push(sender);
      } else if (sender.deficit <= 0) {
        sender.deficit += sender.weight * QUANTUM;
        list.remove(sender);
        old.push(sender);
      } else {
        this.allowance = this.#alone(level, sender) ? Infinity : sender.deficit;
        if (this.#waiting.length > 1) this.allowance = Math.min(this.allowance, group.deficit);
        return sender;
      }
    }
  }

  /** The stream that {@linkcode Scheduler.next} gave has sent bytes. */
  sent(sender: Sender, bytes: number): void {
    const level = sender.level!;
    if (this.#waiting.length > 1) level.group.deficit -= bytes;
    if (sender.list === level.fresh && level.old.first) level.ahead += bytes;
    else level.ahead = Math.max(0, level.ahead - FRESH_RATIO * bytes);
    // It owes nothing to anyone, but is not new any more.
    sender.deficit = this.#alone(level, sender) ? 0 : sender.deficit - bytes;
  }

  /** The group whose turn it is. */
  #group(): SendGroup | null {
    const waiting = this.#waiting;
    for (;;) {
      if (waiting.length === 0) return null;
      const group = waiting[0];
      if (group.active.length === 0) group.waiting = false;
      else if (waiting.length === 1 || group.deficit > 0) return group;
      waiting.copyWithin(0, 1);
      if (group.waiting) {
        group.deficit += GROUP_QUANTUM;
        waiting[waiting.length - 1] = group;
      } else {
        waiting.pop();
      }
    }
  }

  /** Whether no other sender of the level waits. */
  #alone({ fresh, old }: SendLevel, sender: Sender): boolean {
    return sender.next === null && sender.previous === null &&
      (fresh.first === null || old.first === null);
  }
}
