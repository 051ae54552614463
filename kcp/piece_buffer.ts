import type { Arena } from "./arena.ts";
import { distance } from "./segment.ts";

/** Most segments that are put together at one time. */
const MAX_SEGMENTS = 16;
/** Most payload bytes of pieces that are held: the largest segment, and what its pieces overlap. */
const MAX_BYTES = 131_072;
/** Most pieces of one segment: more than the largest has at the smallest MTU. */
const MAX_PIECES = 4096;
/**
 * How far the `ts` of two pieces of one segment may lie apart, in ms. After a restart of the peer its
 * clock starts anew, and so does the segment.
 */
const MAX_AGE = 120_000;

/** The segment is not complete, or the piece was dropped for lack of memory. */
export const INCOMPLETE = -1;
/** The piece contradicts an earlier piece of the segment. */
export const CONTRADICTION = -2;

/** A segment of which pieces have arrived. */
interface Assembly {
  readonly sn: number;
  readonly frg: number;
  /** Payload bytes of the whole segment. */
  readonly total: number;
  /** The newest `ts` of a piece. */
  ts: number;
  /** Bytes of all pieces that are held. They may overlap. */
  bytes: number;
  /** Offset in the segment, length and arena block of each piece, sorted by offset. */
  readonly pieces: { readonly offset: number; readonly length: number; readonly block: number }[];
}

/**
 * Puts data segments together whose pieces arrive one by one. See {@linkcode CMD_PIECE}.
 *
 * Memory is taken for bytes that arrived, never for a size that a packet announces. When there are
 * too many pieces, those of the segment that is needed last are dropped. The peer sends them again.
 */
export class PieceBuffer {
  readonly #arena: Arena;
  readonly #assemblies: Assembly[] = [];
  #bytes = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /** Segments of which pieces are held. */
  get count(): number {
    return this.#assemblies.length;
  }

  /**
   * Takes a piece.
   *
   * @param sn Sequence number of the segment, not before `nxt`.
   * @param total Payload bytes of the whole segment.
   * @param offset Where the piece lies in the segment.
   * @param at Arena offset of the piece's bytes.
   * @param length How many there are, at least 1.
   * @param nxt The first sequence number that has not arrived.
   * @returns The arena block with the payload of the segment if it is complete. The caller frees its
   * `total` bytes. {@linkcode INCOMPLETE} or {@linkcode CONTRADICTION} otherwise.
   */
  add(
    sn: number,
    frg: number,
    ts: number,
    total: number,
    offset: number,
    at: number,
    length: number,
    nxt: number,
  ): number {
    let assembly = this.#assemblies.find((one) => one.sn === sn);
    if (assembly && Math.abs(distance(ts, assembly.ts)) > MAX_AGE) {
      this.drop(sn);
      assembly = undefined;
    }
    if (assembly && (assembly.total !== total || assembly.frg !== frg)) return CONTRADICTION;
    if (!assembly) {
      assembly = { sn, frg, total, ts, bytes: 0, pieces: [] };
      this.#assemblies.push(assembly);
    }
    assembly.ts = ts;
    this.#makeRoom(length, nxt);
    if (!this.#assemblies.includes(assembly)) return INCOMPLETE;
    this.#store(assembly, offset, at, length);
    if (!isWhole(assembly)) {
      if (assembly.bytes === 0) this.drop(sn);
      return INCOMPLETE;
    }
    const block = this.#arena.alloc(total);
    if (block >= 0) {
      for (const piece of assembly.pieces) {
        this.#arena.copy(block + piece.offset, piece.block, piece.length);
      }
    }
    this.drop(sn);
    return block < 0 ? INCOMPLETE : block;
  }

  #store(assembly: Assembly, offset: number, at: number, length: number): void {
    const { pieces } = assembly;
    const end = offset + length;
    if (pieces.length >= MAX_PIECES) return;
    let index = pieces.length;
    while (index > 0 && pieces[index - 1].offset > offset) index--;
    const before = pieces[index - 1];
    if (before && before.offset + before.length >= end) return;
    const block = this.#arena.alloc(length);
    if (block < 0) return;
    this.#arena.copy(block, at, length);
    pieces.splice(index, 0, { offset, length, block });
    assembly.bytes += length;
    this.#bytes += length;
  }

  /** Drops the segments that are needed last until there is room for `length` bytes. */
  #makeRoom(length: number, nxt: number): void {
    while (this.#assemblies.length > MAX_SEGMENTS || this.#bytes + length > MAX_BYTES) {
      let last = this.#assemblies[0];
      for (const assembly of this.#assemblies) {
        if (isNeededLater(assembly, last, nxt)) last = assembly;
      }
      this.drop(last.sn);
    }
  }

  /** Drops the pieces of a segment. */
  drop(sn: number): void {
    const index = this.#assemblies.findIndex((one) => one.sn === sn);
    if (index < 0) return;
    const [{ pieces, bytes }] = this.#assemblies.splice(index, 1);
    for (const { block, length } of pieces) this.#arena.free(block, length);
    this.#bytes -= bytes;
  }

  /** Drops the pieces of segments before `nxt`, which have arrived whole. */
  trim(nxt: number): void {
    for (const { sn } of [...this.#assemblies]) if (distance(sn, nxt) < 0) this.drop(sn);
  }

  /** Drops every piece. */
  clear(): void {
    while (this.#assemblies.length > 0) this.drop(this.#assemblies[0].sn);
  }
}

/** Whether the segment of `a` is needed later than that of `b`. One before `nxt` is not needed. */
function isNeededLater(a: Assembly, b: Assembly, nxt: number): boolean {
  return ((a.sn - nxt) >>> 0) > ((b.sn - nxt) >>> 0);
}

/** Whether the pieces cover the whole segment. */
function isWhole({ pieces, total }: Assembly): boolean {
  let end = 0;
  for (const { offset, length } of pieces) {
    if (offset > end) return false;
    end = Math.max(end, offset + length);
  }
  return end === total;
}
