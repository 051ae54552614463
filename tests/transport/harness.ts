/**
 * Tools for the tests of sessions, endpoints and connections. The harness of the KCP tests builds
 * and reads the segments, without any code of kcp/.
 *
 * @module
 */
import { AssertionError } from "@std/assert";
import { PacketBatch } from "../../kcp/mod.ts";
import type {
  Clock,
  Connection,
  DatagramReceiver,
  DatagramSocket,
  Endpoint,
  Session,
} from "../../transport/mod.ts";
import { ACK, decode, EXTENDED, pattern, PUSH, type Segment, WASK, WINS } from "../kcp/harness.ts";

/** A packet that a machine sent. */
export interface Sent {
  readonly to: string;
  readonly packet: Uint8Array<ArrayBuffer>;
  readonly segments: readonly Segment[];
}

/** A session or an endpoint, with a batch for its packets. */
export class Runner<M extends Session | Endpoint> {
  readonly machine: M;
  readonly batch: PacketBatch;

  constructor(machine: M) {
    this.machine = machine;

    this.batch = new PacketBatch({ arena: machine.arena });
  }

  /** Tells the machine the time, and returns the packets that are due. */
  sent(now: number): Sent[] {
    const { batch, machine } = this;
    const sent: Sent[] = [];
    machine.tick(now);
    for (batch.clear(); machine.output(batch) > 0; batch.clear()) {
      for (let i = 0; i < batch.count; i++) {
        const packet = batch.packet(i).slice();
        sent.push({ to: batch.to[i], packet, segments: decode(packet) });
      }
    }
    return sent;
  }

  /** The segments of {@linkcode Runner.sent}. */
  segments(now: number): Segment[] {
    return this.sent(now).flatMap(({ segments }) => segments);
  }

  /** Lets time pass up to `end` while no packet arrives. Returns what was sent, and when. */
  idle(from: number, end: number): { at: number; segments: readonly Segment[] }[] {
    const seen = [];
    let now = from;
    for (let turns = 0; now <= end; turns++) {
      if (turns > 10_000) throw new AssertionError(`The machine does not stop waking at ${now} ms`);
      for (const { segments } of this.sent(now)) seen.push({ at: now, segments });
      now = Math.max(now, this.machine.deadline);
    }
    return seen;
  }
}

/** Passes packets between two sessions without delay until none is left at `now`. */
export function exchange(a: Runner<Session>, b: Runner<Session>, now: number): void {
  for (let turns = 0; turns < 1000; turns++) {
    const toB = a.sent(now);
    for (const { packet } of toB) b.machine.input(packet, now);
    const toA = b.sent(now);
    for (const { packet } of toA) a.machine.input(packet, now);
    if (toA.length === 0 && toB.length === 0) return;
  }
  throw new AssertionError(`The sessions do not stop sending at ${now} ms`);
}

/** Passes packets between two sessions, event by event, up to `end`. */
export function exchangeUntil(
  a: Runner<Session>,
  b: Runner<Session>,
  from: number,
  end: number,
): void {
  for (let now = from, turns = 0; now <= end; turns++) {
    if (turns > 10_000) throw new AssertionError(`The sessions do not stop waking at ${now} ms`);
    exchange(a, b, now);
    now = Math.max(now, Math.min(a.machine.deadline, b.machine.deadline));
  }
}

/**
 * What a peer of another implementation answers to segments: its window, and acknowledgments. They
 * confirm its address, since they echo what was sent there.
 */
export function foreignAnswers(segments: readonly Segment[]): Partial<Segment>[] {
  return segments.flatMap(({ conv, cmd, sn, ts }): Partial<Segment>[] => {
    if (cmd === WASK) return [{ conv, cmd: WINS }];
    // The request for an echo has the number before the first one.
    return cmd === PUSH ? [{ conv, cmd: ACK, sn, ts, una: (sn + 1) | 0 }] : [];
  });
}

/**
 * What a peer of this library answers to segments: it echoes the time of a window probe, which
 * confirms its address, and tells the time of its own clock.
 */
export function ownAnswers(segments: readonly Segment[], clock = 1): Partial<Segment>[] {
  return segments.filter(({ cmd, frg }) => cmd === WASK && frg === EXTENDED).map(
    ({ conv, ts }) => ({ conv, cmd: WINS, frg: EXTENDED, ts, sn: clock }),
  );
}

/** Reads all data that a session has now. */
export function drain(session: Session): Uint8Array<ArrayBuffer> {
  const buffer = new Uint8Array(1 << 20);
  let length = 0;
  for (let count; (count = session.read(buffer.subarray(length))) > 0;) length += count;
  return buffer.slice(0, length);
}

/** Writes all of `bytes`. */
export async function writeAll(conn: Connection, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await conn.write(bytes.subarray(done));
}

/** Writes until a write takes more than 100 ms, and returns the number of bytes written. */
export async function fill(conn: Connection): Promise<number> {
  for (let written = 0;;) {
    const piece = pattern(10_000, written);
    const count = await conn.write(piece, { timeout: 100 }).catch((error) => {
      if (error.kind === "timeout") return 0;
      throw error;
    });
    if (count === 0) return written;
    written += count;
  }
}

/** Reads exactly `length` bytes. Fails if the stream ends before. */
export async function readExactly(
  conn: Pick<Connection, "read">,
  length: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const count = await conn.read(bytes.subarray(done));
    if (count === null) {
      throw new AssertionError(`The stream ended after ${done} of ${length} bytes`);
    }
    done += count;
  }
  return bytes;
}

/** Reads to the end of the stream. */
export async function readAll(conn: Connection): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (const buffer = new Uint8Array(16_384);;) {
    const count = await conn.read(buffer);
    if (count === null) break;
    pieces.push(buffer.slice(0, count));
  }
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** The state of a promise: `pending`, `resolved`, or the error that it rejected with. */
export function outcome(promise: Promise<unknown>): { state: unknown } {
  const seen: { state: unknown } = { state: "pending" };
  promise.then(() => seen.state = "resolved", (error) => seen.state = error);
  return seen;
}

/** Waits until every promise that can settle has settled. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      port2.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/** A clock that a test moves, and that counts its calls. */
export class FakeClock implements Clock {
  time = 0;
  /** Number of calls of `wake`, and of the callback. */
  asked = 0;
  woken = 0;
  readonly refs: string[] = [];
  #at = Infinity;
  #callback: (() => void) | null = null;

  /** When the pending callback is due; `Infinity` if there is none. */
  get pendingAt(): number {
    return this.#at;
  }

  now(): number {
    return this.time;
  }

  wake(at: number, callback: () => void): void {
    this.asked++;
    this.#at = at;
    this.#callback = callback;
  }

  stop(): void {
    this.#at = Infinity;
    this.#callback = null;
  }

  ref(): void {
    this.refs.push("ref");
  }

  unref(): void {
    this.refs.push("unref");
  }

  /** Lets time pass. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    await settle();
    while (this.#at <= end) {
      this.time = Math.max(this.time, this.#at);
      const callback = this.#callback;
      this.stop();
      this.woken++;
      callback?.();
      await settle();
    }
    this.time = end;
  }
}

/** A socket that keeps the packets that are sent. */
export class FakeSocket implements DatagramSocket {
  readonly address: string;
  receiver: DatagramReceiver | null = null;
  closed = false;
  readonly sent: { to: string; packet: Uint8Array<ArrayBuffer> }[] = [];
  readonly refs: string[] = [];
  /** Called by `send` after it has kept the packets. */
  onSend: () => void | Promise<void> = () => {};

  constructor(address = "10.0.0.9:9") {
    this.address = address;
  }

  open(receiver: DatagramReceiver): void {
    this.receiver = receiver;
  }

  send(batch: PacketBatch): void | Promise<void> {
    for (let i = 0; i < batch.count; i++) {
      this.sent.push({ to: batch.to[i], packet: batch.packet(i).slice() });
    }
    return this.onSend();
  }

  close(): void {
    this.closed = true;
  }

  ref(): void {
    this.refs.push("ref");
  }

  unref(): void {
    this.refs.push("unref");
  }
}
