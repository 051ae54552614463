/** Bytes of a turn at least, in full segments. */
const LEAST = 2;
/** Bytes of a turn at most, in full segments. */
const MOST = 32;

/** A sender that shares a macroflow with others. */
export interface Sharer {
  /** Segments that are sent and not acknowledged, in bytes. */
  readonly outstanding: number;
  /** The turn has come: a call of `tick` and `output` uses it, or gives it up. */
  wake(): void;
}

/**
 * Lets the senders of a macroflow take turns, so that each gets the same share of the bytes while all
 * have something to send.
 *
 * The next turn belongs to the sender that has sent the fewest bytes. One that had nothing to send
 * before counts as having sent as many as the one whose turn it was then. So it goes first, but its
 * silence earns it no more. Source: Goyal, Vin and Cheng, "Start-time Fair Queuing", SIGCOMM 1996.
 */
export class Turns {
  /** The sender whose turn it is: null if none waits. It may turn out that it wants to send no more. */
  holder: Turn | null = null;
  /** All senders of the macroflow. */
  readonly members: Turn[] = [];
  /** Those that want to send, the holder among them. */
  readonly #waiting: Turn[] = [];
  /** What the sender whose turn it was last had sent before it. */
  #virtual = 0;

  /** Adds a sender. */
  add(sharer: Sharer): Turn {
    const turn = new Turn(this, sharer);
    this.members.push(turn);
    return turn;
  }

  /** Bytes of segments of all senders that are sent and not acknowledged. */
  get outstanding(): number {
    let sum = 0;
    for (const { sharer } of this.members) sum += sharer.outstanding;
    return sum;
  }

  /** How many senders wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** A sender wants to send. */
  enter(turn: Turn): void {
    if (turn.waits) return;
    turn.waits = true;
    turn.sent = Math.max(turn.sent, this.#virtual);
    this.#waiting.push(turn);
    // Nothing leaves at this moment: who has waited for the path lets the new one go first.
    if (this.holder === null || turn.sent <= this.holder.sent) this.#give(turn);
  }

  /** A sender wants to send no more. */
  leave(turn: Turn): void {
    if (!turn.waits) return;
    turn.waits = false;
    this.#waiting.splice(this.#waiting.indexOf(turn), 1);
    if (this.holder === turn) this.pass();
  }

  /** Gives the next turn away. The sender whose turn it was may get it again. */
  pass(): void {
    const before = this.holder;
    let next: Turn | null = null;
    // Of equals, the one that entered last.
    for (const turn of this.#waiting) if (next === null || turn.sent <= next.sent) next = turn;
    this.#give(next);
    if (next !== null && next !== before) next.sharer.wake();
  }

  #give(turn: Turn | null): void {
    this.holder = turn;
    if (turn === null) return;
    turn.used = 0;
    this.#virtual = turn.sent;
  }
}

/** The place of one sender among the {@linkcode Turns} of a macroflow. */
export class Turn {
  readonly turns: Turns;
  readonly sharer: Sharer;
  /** Whether it wants to send. */
  waits = false;
  /** Bytes that it has sent, and those that it had no need to send. */
  sent = 0;
  /** Bytes of the present turn. */
  used = 0;
  /** Bytes of a turn. */
  #quantum = 0;

  constructor(turns: Turns, sharer: Sharer) {
    this.turns = turns;
    this.sharer = sharer;
  }

  /** Whether others want to send, too. */
  get contended(): boolean {
    return this.turns.waiting > (this.waits ? 1 : 0);
  }

  /** Whether it is the turn of another sender. */
  get isOthers(): boolean {
    const { holder } = this.turns;
    return holder !== null && holder !== this;
  }

  /** Bytes that are left of the turn; 0 if it is the turn of another. */
  get left(): number {
    if (this.isOthers) return 0;
    return this.contended ? Math.max(0, this.#quantum - this.used) : Infinity;
  }

  /**
   * Sets the bytes of a turn: as many as the path takes in 1 ms. To change more often costs too much, and
   * a longer turn delays the others.
   *
   * @param rate Bytes per second; `Infinity` if it is unknown.
   * @param mtu Bytes of a full segment.
   */
  configure(rate: number, mtu: number): void {
    this.#quantum = Math.min(MOST * mtu, Math.max(LEAST * mtu, rate / 1000));
  }

  /** Notes that bytes were sent. */
  spend(bytes: number): void {
    this.sent += bytes;
    this.used += bytes;
  }

  /**
   * Whether it may send the next segment. If its turn is over, the next one is given away, and may be
   * its own.
   */
  goesOn(): boolean {
    if (this.isOthers) return false;
    if (this.left > 0) return true;
    this.turns.pass();
    return this.turns.holder === this;
  }

  /** Leaves the others for good. */
  remove(): void {
    const { members } = this.turns;
    this.turns.leave(this);
    const place = members.indexOf(this);
    if (place >= 0) members.splice(place, 1);
  }
}
