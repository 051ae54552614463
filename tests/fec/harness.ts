/**
 * Helpers for the tests of error correction: functions that build and read shards, and a simple,
 * slow Reed-Solomon code. They do not use the code of fec/. So the encoder is not tested with the
 * decoder, nor the decoder with the encoder.
 *
 * @module
 */
import { AssertionError } from "@std/assert";
import { FecDecoder } from "../../fec/decoder.ts";
import { FecEncoder } from "../../fec/encoder.ts";
import type { FecRatio } from "../../fec/ratio.ts";
import { Arena } from "../../kcp/arena.ts";
import type { Random } from "../../transport/link/random.ts";

export const DATA = 0xf1;
export const PARITY = 0xf2;
/** Bytes of `seqid` and `type`. */
export const HEADER = 6;

/** Makes a ratio. */
export function ratioOf(dataShards: number, parityShards: number): FecRatio {
  return { dataShards, parityShards };
}

/** The name of a ratio, such as "10/3". */
export function nameOf({ dataShards, parityShards }: FecRatio): string {
  return `${dataShards}/${parityShards}`;
}

/** Shards in a group. */
export function totalOf({ dataShards, parityShards }: FecRatio): number {
  return dataShards + parityShards;
}

/** The first seqid that is not used, for groups of `total` shards. */
export function limitOf(total: number): number {
  return 0xffffffff - 0xffffffff % total;
}

// --- the code ---

/** The product in GF(2^8) with polynomial 0x11d, bit by bit. */
export function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit++) {
    if (b >> bit & 1) product ^= a;
    a <<= 1;
    if (a & 0x100) a ^= 0x11d;
  }
  return product;
}

/** All products, computed once. */
const products = Array.from(
  { length: 256 },
  (_, a) => Uint8Array.from({ length: 256 }, (_, b) => multiply(a, b)),
);

type Matrix = Uint8Array[];

/** Row `r` is 1, r, r², … */
function vandermonde(rows: number, columns: number): Matrix {
  return Array.from({ length: rows }, (_, r) => {
    const row = new Uint8Array(columns);
    for (let c = 0, power = 1; c < columns; c++, power = multiply(power, r)) row[c] = power;
    return row;
  });
}

/** The inverse of a matrix, by Gauss-Jordan elimination. */
function inverse(matrix: Matrix): Matrix {
  const size = matrix.length;
  const rows = matrix.map((row, r) => {
    const wide = new Uint8Array(2 * size);
    wide.set(row);
    wide[size + r] = 1;
    return wide;
  });
  for (let c = 0; c < size; c++) {
    const pivot = rows.findIndex((row, r) => r >= c && row[c] !== 0);
    if (pivot < 0) throw new AssertionError("The harness inverted a singular matrix");
    [rows[c], rows[pivot]] = [rows[pivot], rows[c]];
    const scale = products[products[rows[c][c]].indexOf(1)];
    rows[c] = rows[c].map((value) => scale[value]);
    for (let r = 0; r < size; r++) {
      const factor = rows[r][c];
      if (r === c || factor === 0) continue;
      const times = products[factor];
      for (let k = 0; k < 2 * size; k++) rows[r][k] ^= times[rows[c][k]];
    }
  }
  return rows.map((row) => row.slice(size));
}

const matrices = new Map<string, Matrix>();

/**
 * The matrix that computes parity from data: the lower part of the Vandermonde matrix, multiplied
 * by the inverse of its upper part.
 */
export function parityMatrix(ratio: FecRatio): Matrix {
  const name = nameOf(ratio);
  const known = matrices.get(name);
  if (known) return known;
  const { dataShards } = ratio;
  const all = vandermonde(totalOf(ratio), dataShards);
  const upper = inverse(all.slice(0, dataShards));
  const matrix = all.slice(dataShards).map((row) =>
    Uint8Array.from({ length: dataShards }, (_, c) => {
      let sum = 0;
      for (let k = 0; k < dataShards; k++) sum ^= products[row[k]][upper[k][c]];
      return sum;
    })
  );
  matrices.set(name, matrix);
  return matrix;
}

/**
 * The parity of shards. Each shard counts as if zeros followed it, up to the length of the longest
 * one.
 */
export function parityOf(shards: readonly Uint8Array[], ratio: FecRatio): Uint8Array[] {
  const length = Math.max(...shards.map((shard) => shard.length));
  return parityMatrix(ratio).map((row) => {
    const parity = new Uint8Array(length);
    for (const [c, shard] of shards.entries()) {
      const times = products[row[c]];
      for (let i = 0; i < shard.length; i++) parity[i] ^= times[shard[i]];
    }
    return parity;
  });
}

// --- shards ---

/** The bytes of a shard on the wire. */
export function shard(seqid: number, type: number, body: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(
    seqid & 255,
    seqid >>> 8 & 255,
    seqid >>> 16 & 255,
    seqid >>> 24,
    type & 255,
    type >> 8,
    ...body,
  );
}

/**
 * The bytes of a data shard that Reed-Solomon covers: `size`, which counts its own bytes too, and
 * the packet.
 */
export function sized(packet: Uint8Array, size: number = packet.length + 2): Uint8Array {
  return Uint8Array.of(size & 255, size >> 8, ...packet);
}

/** The parts of a shard. */
export interface Shard {
  seqid: number;
  type: number;
  body: Uint8Array;
}

/** Reads a shard. Throws if the `size` of a data shard does not match its length. */
export function parse(bytes: Uint8Array): Shard {
  const seqid = bytes[0] + bytes[1] * 2 ** 8 + bytes[2] * 2 ** 16 + bytes[3] * 2 ** 24;
  const type = bytes[4] + bytes[5] * 256;
  const body = bytes.slice(HEADER);
  if (type !== DATA && type !== PARITY) throw new AssertionError(`A shard has type ${type}`);
  const size = body[0] + body[1] * 256;
  if (type === DATA && size !== body.length) {
    throw new AssertionError(`A data shard of ${body.length} bytes says that it has ${size}`);
  }
  return { seqid, type, body };
}

/** Makes a packet that begins with its number. All its bytes depend on the number. */
export function packetOf(number: number, size = 20 + number * 37 % 50): Uint8Array<ArrayBuffer> {
  const packet = new Uint8Array(Math.max(4, size));
  for (let i = 4; i < packet.length; i++) packet[i] = number * 31 + i * 7 + (i * number >> 5);
  new DataView(packet.buffer).setUint32(0, number, true);
  return packet;
}

/** The number of a packet that {@linkcode packetOf} made. Throws if a byte of it is wrong. */
export function numberOf(packet: Uint8Array): number {
  const number = new DataView(packet.buffer, packet.byteOffset).getUint32(0, true);
  const made = packetOf(number, packet.length);
  if (packet.length < 4 || made.some((byte, i) => byte !== packet[i])) {
    throw new AssertionError(`A packet was restored that was never sent: ${packet}`);
  }
  return number;
}

/** A peer that sends groups. It does not use the encoder. */
export class Peer {
  ratio: FecRatio;
  seqid: number;
  /** The number of the next packet. */
  next: number;

  constructor(ratio: FecRatio, seqid = 0, next = 0) {
    this.ratio = ratio;

    this.seqid = seqid;
    this.next = next;
  }

  /**
   * The shards of the next group in the order of their numbers, data first.
   *
   * @param parityLimit How many parity shards are made. The numbers of the others are skipped.
   */
  group(parityLimit: number = this.ratio.parityShards): Uint8Array<ArrayBuffer>[] {
    const packets = Array.from(
      { length: this.ratio.dataShards },
      () => packetOf(this.next++),
    );
    return this.groupOf(packets, parityLimit);
  }

  /** A group of these packets. */
  groupOf(
    packets: readonly Uint8Array[],
    parityLimit: number = this.ratio.parityShards,
  ): Uint8Array<ArrayBuffer>[] {
    const { dataShards } = this.ratio;
    const first = this.seqid;
    const total = totalOf(this.ratio);
    this.seqid = first + total === limitOf(total) ? 0 : first + total;
    const bodies = packets.map((packet) => sized(packet));
    const parity = parityLimit > 0 ? parityOf(bodies, this.ratio).slice(0, parityLimit) : [];
    return [
      ...bodies.map((body, i) => shard(first + i, DATA, body)),
      ...parity.map((body, i) => shard(first + dataShards + i, PARITY, body)),
    ];
  }

  /** Continues with another ratio, at the next number that begins a group of this ratio. */
  change(ratio: FecRatio): void {
    const total = totalOf(ratio);
    this.ratio = ratio;
    this.seqid = Math.ceil(this.seqid / total) * total % limitOf(total);
  }
}

/** A decoder, and the packets that it restored. */
export class Receiver {
  readonly arena = new Arena();
  readonly decoder: FecDecoder;
  /** Numbers of the packets that were restored, in order. */
  readonly recovered: number[] = [];
  /** The restored packets, in order, if they are not checked. */
  readonly raw: Uint8Array[] = [];

  /**
   * @param checked Whether to throw when {@linkcode packetOf} did not make a restored packet.
   * @param guess Whether the ratio is a guess.
   */
  constructor(ratio?: FecRatio, checked = true, guess = false) {
    this.decoder = new FecDecoder(
      this.arena,
      (packet) => {
        if (checked) this.recovered.push(numberOf(packet));
        else this.raw.push(packet.slice());
      },
      ratio,
      guess,
    );
  }

  /** Gives shards to the decoder. */
  input(...shards: readonly Uint8Array[]): void {
    for (const bytes of shards) {
      const start = this.arena.alloc(bytes.length);
      this.arena.bytes.set(bytes, start);
      this.decoder.input(start, start + bytes.length);
      this.arena.free(start, bytes.length);
    }
  }

  /** The numbers of the packets restored since the last call, in ascending order. */
  take(): number[] {
    return this.recovered.splice(0).sort((a, b) => a - b);
  }
}

/** An encoder and its memory. */
export class Sender {
  readonly arena = new Arena();
  readonly encoder: FecEncoder;

  constructor(ratio: FecRatio, firstSeqid?: number) {
    this.encoder = new FecEncoder(ratio, firstSeqid);
  }

  /** Seals a packet. Returns the data shard, and the parity shards that follow it. */
  send(packet: Uint8Array, now = 0): Uint8Array[] {
    const { arena, encoder } = this;
    const size = packet.length + 8;
    const start = arena.alloc(size);
    arena.bytes.set(packet, start + 8);
    encoder.seal(arena, start, start + size, now);
    const shards = [arena.bytes.slice(start, start + size)];
    arena.free(start, size);
    while (encoder.pending > 0) {
      const at = arena.alloc(encoder.paritySize);
      const end = encoder.takeParity(arena, at);
      shards.push(arena.bytes.slice(at, end));
      arena.free(at, encoder.paritySize);
    }
    return shards;
  }
}

/** A copy of a list in random order. */
export function shuffle<T>(list: readonly T[], random: Random): T[] {
  const shuffled = [...list];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const k = random.below(i + 1);
    [shuffled[i], shuffled[k]] = [shuffled[k], shuffled[i]];
  }
  return shuffled;
}

/** A copy of a list in which each item is late by up to `distance` places. */
export function reorder<T>(list: readonly T[], distance: number, random: Random): T[] {
  return list
    .map((item, i) => ({ item, at: i + random.next() * distance }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** All subsets of the numbers 0 to n - 1 that have at most `most` members. */
export function* subsets(n: number, most: number): Generator<number[]> {
  for (let bits = 0; bits < 2 ** n; bits++) {
    const members = Array.from({ length: n }, (_, i) => i).filter((i) => bits >> i & 1);
    if (members.length <= most) yield members;
  }
}
