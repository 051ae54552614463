/**
 * One flow through a path: two endpoints of this module, and what the application sends and reads.
 *
 * @module
 */
import type { SessionOptions } from "../../mod.ts";
import { Endpoint, type Session } from "../../transport/mod.ts";
import type { Attachment } from "../../transport/simulated.ts";
import { type Dumbbell, noFates } from "./dumbbell.ts";

/** What all applications write from. */
const CHUNK = new Uint8Array(65_536);
const TARGET = new Uint8Array(65_536);

/**
 * Two endpoints with one session, which the left one opens, or with several that share congestion
 * control and pacing on the left.
 */
export class Flow {
  readonly bell: Dumbbell;
  readonly name: string;
  readonly fates = noFates();
  readonly left: Session;
  /** All sessions of the left end. */
  readonly lefts: readonly Session[];
  /** The session of the right end, once it is accepted. */
  right: Session | null = null;
  /** Called when the right end can read. */
  onRight: (() => void) | null = null;
  /** All sessions of the right end that are accepted. */
  readonly rights: Session[] = [];
  readonly #leftSide: Attachment;
  readonly #rightSide: Attachment;

  /**
   * Connects the endpoints. Nothing is sent yet.
   *
   * @param name A name that no other flow has.
   * @param options Settings of both ends.
   * @param access How much longer than the path the round trip is, in ms.
   * @param sessions How many sessions it has.
   */
  constructor(
    bell: Dumbbell,
    name: string,
    options: SessionOptions,
    access = 0,
    sessions = 1,
  ) {
    this.bell = bell;
    this.name = name;

    const random = bell.random.fork(name);
    const settings: SessionOptions = {
      ...options,
      entropy: (target) => random.fill(target),
    };
    const left = new Endpoint(settings);
    const right = new Endpoint(settings, true);
    const sides = bell.connect(name, left, right, access, this.fates);
    this.#leftSide = sides.left;
    this.#rightSide = sides.right;
    const conv = random.fork("conv").uint32();
    this.lefts = Array.from({ length: sessions }, (_, i) => {
      return left.open(sides.rightAddress, (conv + i) >>> 0, bell.now);
    });
    this.left = this.lefts[0];
    for (const session of this.lefts.slice(1)) session.share(this.left);
    right.onAccept = () => {
      const session = right.accept()!;
      this.rights.push(session);
      this.right ??= session;
      session.onChange = () => this.onRight?.();
      this.onRight?.();
    };
  }

  /** Sends what the left end has written. */
  flushLeft(): void {
    this.#leftSide.flush();
  }

  /** Sends what the right end has written. */
  flushRight(): void {
    this.#rightSide.flush();
  }

  /** Payload bytes that have arrived at the right end; those that arrived again do not count. */
  get arrived(): number {
    return this.rights.reduce((sum, { kcp }) => sum + kcp.payloadIn, 0);
  }

  /** Reads all that the right end has, and forgets it. Returns how many bytes. */
  drain(session: Session): number {
    let total = 0;
    for (let count; (count = session.read(TARGET)) > 0;) total += count;
    return total;
  }

  /** Takes both ends off the path: nothing happens any more. */
  stop(): void {
    for (const session of this.lefts) session.onChange = null;
    this.onRight = null;
    this.#leftSide.detach();
    this.#rightSide.detach();
  }
}

/** Sends as much as it can over all sessions, from now on. */
export function sendBulk(flow: Flow): void {
  for (const session of flow.lefts) {
    session.onChange = () => {
      while (session.write(CHUNK) === CHUNK.length);
    };
  }
  flow.onRight = () => {
    for (const session of flow.rights) flow.drain(session);
  };
  for (const session of flow.lefts) session.onChange!();
  flow.flushLeft();
}

/** The game of the frontier: messages a second, and bytes of each. */
const GAME = { rate: 60, size: 200 };

/**
 * Sends messages at a steady rate, from now on.
 *
 * @param onDelay Told how long each message took, in ms, from when it was due.
 * @returns Tells `onDelay` of the messages that have not arrived, as if they arrived now.
 */
export function sendGame(flow: Flow, onDelay: (dueAt: number, delay: number) => void): () => void {
  const { bell, left } = flow;
  const start = bell.now;
  const dueAt = (index: number) => start + index * 1000 / GAME.rate;
  const message = new Uint8Array(GAME.size);
  let due = 0;
  let sent = 0;
  let read = 0;
  const pump = () => {
    while (sent < due && left.send(message)) sent++;
  };
  const arrive = () => {
    onDelay(dueAt(read), bell.now - dueAt(read));
    read++;
  };
  const tick = () => {
    due++;
    pump();
    flow.flushLeft();
    bell.time.schedule(dueAt(due), tick);
  };
  left.onChange = pump;
  flow.onRight = () => {
    const right = flow.right!;
    while (right.peekSize() >= 0) {
      right.recv(TARGET);
      arrive();
    }
  };
  tick();
  return () => {
    while (read < due) arrive();
  };
}

/** Bytes of a request. */
const REQUEST = 100;

/**
 * Asks for answers of `size` bytes, one after the other, from now on.
 *
 * @param onEnd Told how long each took, in ms.
 */
export function sendRequests(
  flow: Flow,
  size: number,
  count: number,
  onEnd: (time: number) => void,
): void {
  const { bell, left } = flow;
  let askedAt = 0;
  let ended = 0;
  /** Bytes of the answer that have not come. */
  let missing = 0;
  /** Bytes of a request that have come, and bytes that were asked for and are not written yet. */
  let heard = 0;
  let owed = 0;
  const ask = () => {
    askedAt = bell.now;
    missing = size;
    left.write(CHUNK.subarray(0, REQUEST));
  };
  left.onChange = () => {
    if (missing === 0) return;
    missing -= flow.drain(left);
    if (missing > 0) return;
    onEnd(bell.now - askedAt);
    if (++ended < count) ask();
  };
  flow.onRight = () => {
    const right = flow.right!;
    for (heard += flow.drain(right); heard >= REQUEST; heard -= REQUEST) owed += size;
    while (owed > 0) {
      const taken = right.write(CHUNK.subarray(0, Math.min(owed, CHUNK.length)));
      if (taken === 0) return;
      owed -= taken;
    }
  };
  ask();
  flow.flushLeft();
}
