/**
 * Helpers for the tests of the KCP core: segments built and read without any code of kcp/, and a
 * virtual network of two machines.
 *
 * @module
 */
import { AssertionError } from "@std/assert";
import {
  type Arena,
  Kcp,
  type KcpOptions,
  PacketBatch,
  type PacketBatchOptions,
  reference,
} from "../../kcp/mod.ts";
import type { Link } from "../../transport/link/link.ts";
import { type Timed, TimerHeap } from "../../transport/session/timer_heap.ts";

export const PUSH = 81;
export const ACK = 82;
export const WASK = 83;
export const WINS = 84;
export const PIECE = 85;
export const PROBE = 86;
export const PROBE_ANSWER = 87;
export const RESET = 88;
export const SACK = 89;
/** `frg` of window probes and announcements of this library. */
export const EXTENDED = 0xe0;
/** Bit of `EXTENDED`: the sender opens the conversation. */
export const OPENING = 1;
/** Bytes of a segment header. */
export const HEADER = 24;
/** The default conversation id. */
export const CONV = 0x11223344;

/** One segment, field by field. */
export interface Segment {
  conv: number;
  cmd: number;
  frg: number;
  wnd: number;
  ts: number;
  sn: number;
  una: number;
  data: Uint8Array;
}

/** Builds a packet. Defaults: conv CONV, cmd PUSH, wnd 128, other fields 0. */
export function encode(...segments: Partial<Segment>[]): Uint8Array<ArrayBuffer> {
  const size = segments.reduce((sum, { data }) => sum + HEADER + (data?.length ?? 0), 0);
  const packet = new Uint8Array(size);
  const view = new DataView(packet.buffer);
  let at = 0;
  for (const segment of segments) {
    const data = segment.data ?? new Uint8Array();
    view.setUint32(at, segment.conv ?? CONV, true);
    view.setUint8(at + 4, segment.cmd ?? PUSH);
    view.setUint8(at + 5, segment.frg ?? 0);
    view.setUint16(at + 6, segment.wnd ?? 128, true);
    view.setUint32(at + 8, segment.ts ?? 0, true);
    view.setUint32(at + 12, segment.sn ?? 0, true);
    view.setUint32(at + 16, segment.una ?? 0, true);
    view.setUint32(at + 20, data.length, true);
    packet.set(data, at + HEADER);
    at += HEADER + data.length;
  }
  return packet;
}

/** Parses a packet. Throws if it is not a whole number of well-formed segments. */
export function decode(packet: Uint8Array): Segment[] {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const segments: Segment[] = [];
  let at = 0;
  while (at < packet.length) {
    if (packet.length - at < HEADER) {
      throw new AssertionError(`${packet.length - at} bytes after the last segment of a packet`);
    }
    const cmd = view.getUint8(at + 4);
    const length = view.getUint32(at + 20, true);
    if (cmd < PUSH || cmd > SACK) {
      throw new AssertionError(`A segment was sent with cmd ${cmd}`);
    }
    if (length > packet.length - at - HEADER) {
      throw new AssertionError(`A segment was sent with len ${length} past the end of its packet`);
    }
    segments.push({
      conv: view.getUint32(at, true),
      cmd,
      frg: view.getUint8(at + 5),
      wnd: view.getUint16(at + 6, true),
      ts: view.getUint32(at + 8, true),
      sn: view.getUint32(at + 12, true),
      una: view.getUint32(at + 16, true),
      data: packet.slice(at + HEADER, at + HEADER + length),
    });
    at += HEADER + length;
  }
  return segments;
}

/** Bytes `from` to `from + length` of a pattern without a short period. */
export function pattern(length: number, from = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = patternByte(from + i);
  return bytes;
}

/** Byte `position` of the pattern. */
export function patternByte(position: number): number {
  return Math.imul(position, 0x9e3779b1) >>> 21 & 0xff;
}

/** A machine with its batch and its clock. */
export class End {
  readonly kcp: Kcp;
  readonly batch: PacketBatch;
  /** The time of this end's clock at time 0 of the network. */
  offset = 0;
  /** Whether `tick` is called on every event, not only at `deadline`. */
  eager = true;
  /** The time of the last call. */
  now = -Infinity;
  /** Called with a view of every packet that {@linkcode End.serve} outputs. */
  onPacket: (packet: Uint8Array) => void = () => {};

  constructor(options: KcpOptions = {}, arena?: Arena, batch: PacketBatchOptions = {}) {
    this.kcp = new Kcp(CONV, { ...reference, ...options }, arena);
    this.batch = new PacketBatch({ ...batch, arena: this.kcp.arena });
  }

  /** Ticks the machine, and returns every packet that is due. */
  packets(now: number): Uint8Array[] {
    const packets: Uint8Array[] = [];
    this.kcp.tick(now);
    for (;;) {
      this.batch.clear();
      if (this.kcp.output(this.batch) === 0) return packets;
      for (const packet of this.batch) packets.push(packet.slice());
    }
  }

  /** The segments of {@linkcode End.packets}, in order. */
  segments(now: number): Segment[] {
    return this.packets(now).flatMap(decode);
  }

  /** Passes a packet of `segments` to the machine. */
  input(now: number, ...segments: Partial<Segment>[]): boolean {
    return this.kcp.input(encode(...segments), now);
  }

  /** The next message, null if none is complete. */
  recv(): Uint8Array | null {
    const size = this.kcp.peekSize();
    if (size < 0) return null;
    const message = new Uint8Array(size);
    this.kcp.recv(message);
    return message;
  }

  /** Up to `most` bytes of the stream. */
  read(most = 1 << 20): Uint8Array {
    const bytes = new Uint8Array(most);
    return bytes.subarray(0, this.kcp.read(bytes));
  }

  /**
   * The time of this end's clock at network time `t`. A deadline that was computed for `t` is due.
   */
  clock(t: number): number {
    let now = Math.max(this.now, t + this.offset);
    const { deadline } = this.kcp;
    // The sum of a large offset and a time is off by some nanoseconds.
    if (deadline > now && deadline < now + 0.001) now = deadline;
    return this.now = now;
  }

  /** The next deadline in network time. */
  get deadline(): number {
    return this.kcp.deadline - this.offset;
  }

  /**
   * Does all work that is due at network time `t`. Throws if the deadline is still due then.
   */
  serve(t: number): void {
    const { kcp, batch } = this;
    const now = this.clock(t);
    for (;;) {
      const ticked = this.eager || kcp.deadline <= now;
      if (ticked) kcp.tick(now);
      for (;;) {
        batch.clear();
        if (kcp.output(batch) === 0) break;
        for (let i = 0; i < batch.count; i++) this.onPacket(batch.packet(i));
      }
      const { deadline } = kcp;
      if (deadline > now) return;
      if (ticked) {
        throw new AssertionError(
          `Livelock: at ${now}, after tick and an output that returned 0, deadline is ${deadline}`,
        );
      }
    }
  }
}

/** Two machines, the link from each to the other, and one virtual clock. */
export class Network {
  readonly a: End;
  readonly b: End;
  /** The time, on a clock that starts at 0. */
  now = 0;
  /** Called after every event, when both ends have done what was due. */
  onStep: () => void = () => {};
  /** Called with every packet sent. */
  onTransmit: (from: End, packet: Uint8Array) => void = () => {};
  /** Decides whether a packet that arrives counts as recovered by error correction. */
  recovered: () => boolean = () => false;
  readonly #wire = new TimerHeap<Timed & { action(): void }>();

  constructor(a: End, b: End, aToB: Link, bToA: Link) {
    this.a = a;
    this.b = b;

    this.#connect(a, b, aToB);
    this.#connect(b, a, bToA);
  }

  #connect(from: End, to: End, link: Link): void {
    from.onPacket = (packet) => {
      this.onTransmit(from, packet);
      link.transmit(packet, this.now, (arrived, at) => {
        this.at(at, () => to.kcp.input(arrived, to.clock(this.now), this.recovered()));
      });
    };
  }

  /** Schedules an action. */
  at(time: number, action: () => void): void {
    this.#wire.push(time, { action, place: -1 });
  }

  /** Packets and actions that are still to come. */
  get pending(): number {
    return this.#wire.size;
  }

  /** Does all work that is due now at both ends. */
  serve(): void {
    this.a.serve(this.now);
    this.b.serve(this.now);
    this.onStep();
  }

  /**
   * Runs until nothing is pending, `until` is reached or `done` returns true. Returns false if
   * `until` was reached.
   */
  run(until: number, done: () => boolean = () => false): boolean {
    this.serve();
    while (!done()) {
      const next = Math.min(this.#wire.deadline, this.a.deadline, this.b.deadline);
      if (Number.isNaN(next)) {
        throw new AssertionError(
          `A deadline is NaN: ${this.a.kcp.deadline}, ${this.b.kcp.deadline}`,
        );
      }
      if (next > until) {
        this.now = Math.max(this.now, until === Infinity ? this.now : until);
        return next === Infinity;
      }
      this.now = Math.max(this.now, next);
      for (let due; (due = this.#wire.popDue(this.now));) due.action();
      this.serve();
    }
    return true;
  }
}

/**
 * A machine without congestion control and burst limit. Its peer announced a window of 60000 at
 * `now`.
 */
export function opened(options: KcpOptions = {}, now = 0): End {
  const end = new End({ nc: true, sndWnd: 1024, burst: Infinity, ...options });
  end.input(now, { cmd: WINS, wnd: 60000, una: options.initialSndSn ?? 0 });
  return end;
}

/** The `sn` of the data segments among `segments`. */
export function sent(segments: readonly Segment[]): number[] {
  return segments.filter(({ cmd }) => cmd === PUSH).map(({ sn }) => sn);
}

/** Queues `count` messages of one byte. */
export function queue(end: End, count: number): void {
  for (let i = 0; i < count; i++) end.kcp.send(Uint8Array.of(i));
}

/** The numbers from `from` to before `to`. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
