import { MAX_MTU } from "./options.ts";
import { OVERHEAD } from "./segment.ts";

/** Bytes of a piece before its part of the payload: `total u16 | offset u16`. */
export const PIECE_HEADER = 4;
const OFFSET = 2;
/** Largest payload of a data segment in bytes. */
const MAX_TOTAL = MAX_MTU - OVERHEAD;

/** Payload bytes of the whole segment that a piece belongs to. `at` is the piece's data. */
export function pieceTotal(view: DataView, at: number): number {
  return view.getUint16(at, true);
}

/** Where the bytes of a piece lie in the payload of the whole segment. */
export function pieceOffset(view: DataView, at: number): number {
  return view.getUint16(at + OFFSET, true);
}

/** Writes what stands before the bytes of a piece. */
export function writePieceHeader(view: DataView, at: number, total: number, offset: number): void {
  view.setUint16(at, total, true);
  view.setUint16(at + OFFSET, offset, true);
}

/** Whether the data of a piece has bytes, and they lie inside a segment of a possible size. */
export function isPieceValid(view: DataView, at: number, length: number): boolean {
  if (length <= PIECE_HEADER) return false;
  const total = pieceTotal(view, at);
  return total <= MAX_TOTAL && pieceOffset(view, at) + length - PIECE_HEADER <= total;
}
