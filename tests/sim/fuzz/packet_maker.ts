/**
 * Makes packets as an attacker makes them who knows the protocol, and the state of both ends.
 *
 * @module
 */
import type { Random } from "../../../transport/link/random.ts";

/** What the attacker knows of the machine that is attacked. */
export interface Knowledge {
  conv: number;
  sndUna: number;
  sndNxt: number;
  rcvNxt: number;
  rcvWnd: number;
  /** The time on the machine's clock. */
  now: number;
  /** The newest shard number that was seen. */
  seqid: number;
}

/** Longest packet that is made. */
const LONGEST = 1500;
const HEADER = 24;

const PUSH = 81;
const SACK = 89;
const DATA = 0xf1;
const PARITY = 0xf2;
const OUT_OF_BAND = 0xf3;

const EDGES = [0, 1, 2, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
const WINDOWS = [0, 1, 2, 31, 32, 128, 256, 65_535];
/** `frg` of window probes and announcements of this library. */
const MARKS = [0xe0, 0xe0, 0xe1];
const FRAGMENTS = [0, 0, 0, 1, 2, 127, 254, 255];

/** Makes packets; each is valid until the next one is made. */
export class PacketMaker {
  readonly #random: Random;
  readonly #buffer = new Uint8Array(LONGEST);
  readonly #view = new DataView(this.#buffer.buffer);
  /** Packets of honest ends that were seen. */
  readonly #recorded: Uint8Array[] = [];
  /** How often each kind of segment and of packet was made. */
  readonly counts = new Map<string, number>();

  constructor(random: Random) {
    this.#random = random;
    random.fill(this.#buffer);
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.#random.uint32() % values.length];
  }

  /** Remembers a packet for replays and mutations. */
  record(packet: Uint8Array): void {
    if (packet.length > LONGEST) return;
    if (this.#recorded.length < 64) this.#recorded.push(packet.slice());
    else this.#recorded[this.#random.uint32() % 64] = packet.slice();
  }

  /** A number near one of some that matter, or anything. */
  #near(...values: number[]): number {
    const draw = this.#random.uint32() & 7;
    if (draw < 5) return (this.#pick(values) + (this.#random.uint32() % 5) - 2) >>> 0;
    if (draw < 7) return (this.#pick(values) + this.#pick(EDGES)) >>> 0;
    return this.#random.uint32();
  }

  /** Makes a packet; one without the headers of error correction and of datagrams if `bare`. */
  make(known: Knowledge, bare = false): Uint8Array {
    let draw = this.#random.next();
    // Past the kinds that have such a header.
    if (bare && draw >= 0.14) draw = 1;
    if (draw < 0.04) return this.#garbage();
    if (draw < 0.14 && this.#recorded.length > 0) return this.#replay();
    if (draw < 0.2) return this.#parity(known);
    if (draw < 0.24) return this.#outOfBand(known);
    const shard = draw < 0.4;
    const start = shard ? 8 : 0;
    let end = this.#segments(known, start);
    if (shard) {
      this.#view.setUint32(0, this.#near(known.seqid, 0), true);
      this.#view.setUint16(4, DATA, true);
      const size = end - 6 + (this.#random.chance(0.05) ? this.#random.below(5) - 2 : 0);
      this.#view.setUint16(6, size & 0xffff, true);
      this.#count("packet: data shard");
    } else this.#count("packet: bare");
    if (this.#random.chance(0.05)) {
      end = this.#random.below(end + 1);
      this.#count("packet: cut short");
    }
    if (this.#random.chance(0.08)) this.#flip(end);
    return this.#buffer.subarray(0, end);
  }

  #segments(known: Knowledge, start: number): number {
    const random = this.#random;
    const view = this.#view;
    let at = start;
    const count = random.chance(0.6) ? 1 : 1 + random.below(5);
    const conv = random.chance(0.9) ? known.conv : this.#near(known.conv);
    for (let n = 0; n < count; n++) {
      // Most are of the four commands of every implementation, some are those of this library.
      const usual = random.chance(0.8);
      const cmd = random.chance(0.97)
        ? PUSH + random.uint32() % (usual ? 4 : COMMANDS.length)
        : random.uint32() & 255;
      const push = cmd === PUSH;
      const most = Math.min(LONGEST - at - HEADER, random.chance(0.9) ? 60 : 1400);
      if (most < 0) break;
      const long = push || random.chance(0.05);
      // Few bits, so that some selective acknowledgments name nothing that was never sent.
      const length = long ? random.below(most + 1) : cmd === SACK ? random.below(3) : 0;
      view.setUint32(at, conv, true);
      view.setUint8(at + 4, cmd);
      const marks = cmd === PUSH + 2 || cmd === PUSH + 3;
      view.setUint8(at + 5, this.#pick(marks && random.chance(0.6) ? MARKS : FRAGMENTS));
      view.setUint16(at + 6, this.#pick(WINDOWS), true);
      const ts = random.chance(0.7)
        ? Math.floor(known.now) - random.below(500)
        : this.#near(known.now >>> 0, 0);
      view.setUint32(at + 8, ts >>> 0, true);
      const sn = push
        ? this.#near(known.rcvNxt, known.rcvNxt + known.rcvWnd, known.rcvNxt, 0, -1)
        : this.#near(known.sndUna, known.sndNxt, known.sndNxt - 1);
      view.setUint32(at + 12, sn, true);
      const una = random.chance(0.8) ? known.sndUna : this.#near(known.sndUna, known.sndNxt, 0);
      view.setUint32(at + 16, una >>> 0, true);
      const told = random.chance(0.97) ? length : this.#near(length, 0);
      view.setUint32(at + 20, told, true);
      this.#count(COMMANDS[cmd - PUSH] ?? "segment: other");
      at += HEADER + length;
    }
    return at;
  }

  #parity(known: Knowledge): Uint8Array {
    const size = 6 + this.#random.below(this.#random.chance(0.9) ? 120 : 1400);
    this.#view.setUint32(0, this.#near(known.seqid, 0), true);
    this.#view.setUint16(4, PARITY, true);
    this.#count("packet: parity shard");
    return this.#buffer.subarray(0, size);
  }

  #outOfBand(known: Knowledge): Uint8Array {
    const random = this.#random;
    const size = 12 + random.below(100);
    this.#view.setUint32(0, random.chance(0.9) ? 0xffffffff : random.uint32(), true);
    this.#view.setUint16(4, OUT_OF_BAND, true);
    this.#view.setUint16(6, size - 6, true);
    this.#view.setUint32(8, random.chance(0.9) ? known.conv : random.uint32(), true);
    this.#count("packet: out-of-band");
    return this.#buffer.subarray(0, size);
  }

  /** A packet of an honest end, as it was or changed. */
  #replay(): Uint8Array {
    const packet = this.#pick(this.#recorded);
    this.#buffer.set(packet);
    let end = packet.length;
    if (this.#random.chance(0.5)) {
      this.#count("packet: replayed");
      return this.#buffer.subarray(0, end);
    }
    this.#count("packet: changed");
    if (this.#random.chance(0.3)) end = this.#random.below(end + 1);
    this.#flip(end);
    return this.#buffer.subarray(0, end);
  }

  #garbage(): Uint8Array {
    this.#count("packet: garbage");
    const size = this.#random.below(200);
    const from = this.#random.below(LONGEST - 200);
    this.#buffer.copyWithin(0, from, from + size);
    this.#flip(size);
    return this.#buffer.subarray(0, size);
  }

  #flip(end: number): void {
    if (end === 0) return;
    for (let n = 1 + (this.#random.uint32() & 3); n > 0; n--) {
      const at = this.#random.uint32() % Math.min(end, 64);
      this.#buffer[at] = this.#random.uint32();
    }
  }
}

const COMMANDS: readonly (string | undefined)[] = [
  "PUSH",
  "ACK",
  "WASK",
  "WINS",
  "PIECE",
  "PROBE",
  "PROBE_ANSWER",
  "RESET",
  "SACK",
]
  .map((name) => `segment: ${name}`);
