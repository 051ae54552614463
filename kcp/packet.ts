import {
  CMD,
  CMD_ACK,
  CMD_PIECE,
  CMD_PUSH,
  CMD_SACK,
  CONV,
  distance,
  isCommand,
  LEN,
  MAX_SACK,
  OVERHEAD,
  SN,
  UNA,
} from "./segment.ts";
import { isPieceValid } from "./piece.ts";
import type { InputErrors } from "./stats.ts";

/**
 * Most segments that a peer sends before it has heard our window, which may be smaller: the receive
 * window that the C reference assumes.
 */
const FIRST_WINDOW = 128;

/**
 * Checks every segment of a packet, before any of them has an effect.
 *
 * @param view The arena.
 * @param start Offset of the packet's first byte.
 * @param end Offset after its last byte. Trailing bytes that are shorter than a header are ignored,
 * as in the C reference.
 * @param conv The conversation that the packet must belong to.
 * @param sndNxt The first sequence number that has not been sent. An acknowledgment of it is an
 * error.
 * @returns Which error the packet has, null if it is valid.
 */
export function findFault(
  view: DataView,
  start: number,
  end: number,
  conv: number,
  sndNxt: number,
): keyof InputErrors | null {
  if (end - start < OVERHEAD) return "short";
  for (let at = start; end - at >= OVERHEAD;) {
    const cmd = view.getUint8(at + CMD);
    if (view.getUint32(at + CONV, true) !== conv) return "conv";
    const data = cmd === CMD_PUSH;
    if (!data && !isCommand(cmd)) return "cmd";
    const length = view.getUint32(at + LEN, true);
    if (length > end - at - OVERHEAD) return "length";
    if (distance(view.getInt32(at + UNA, true), sndNxt) > 0) return "una";
    at += OVERHEAD + length;
    if (data) continue;
    const from = at - length - OVERHEAD;
    if (cmd === CMD_ACK && distance(view.getInt32(from + SN, true), sndNxt) >= 0) return "ack";
    if (cmd === CMD_SACK && !isSackValid(view, from, length, sndNxt)) return "ack";
    if (cmd === CMD_PIECE && !isPieceValid(view, at - length, length)) return "piece";
  }
  return null;
}

/**
 * Whether a selective acknowledgment names sent segments only. Of one that begins far ahead, the end may
 * lie behind: half of all numbers are.
 */
function isSackValid(view: DataView, at: number, length: number, sndNxt: number): boolean {
  return length <= MAX_SACK && distance(view.getInt32(at + SN, true), sndNxt) <= 0 &&
    distance(sackEnd(view, at), sndNxt) <= 0;
}

/** The sequence number after the last one that a selective acknowledgment names. */
function sackEnd(view: DataView, at: number): number {
  const sn = view.getInt32(at + SN, true);
  let length = view.getInt32(at + LEN, true);
  while (length > 0 && view.getUint8(at + OVERHEAD + length - 1) === 0) length--;
  if (length === 0) return sn;
  const last = view.getUint8(at + OVERHEAD + length - 1);
  return (sn + 8 * length - Math.clz32(last) + 24) | 0;
}

/**
 * Whether the peer may send this packet now: it acknowledges segments that are in flight or were
 * the last to be, and its data is in the receive window or just before it.
 *
 * @param view The arena.
 * @param start Offset of the packet's first byte.
 * @param end Offset after its last byte.
 * @param conv The conversation that the packet must belong to.
 * @param una The highest `una` that the peer has sent.
 * @param sndNxt The first sequence number that has not been sent.
 * @param rcvNxt The first sequence number that has not arrived.
 * @param window The receive window in segments.
 */
export function isExpected(
  view: DataView,
  start: number,
  end: number,
  conv: number,
  una: number,
  sndNxt: number,
  rcvNxt: number,
  window: number,
): boolean {
  const reach = Math.max(window, FIRST_WINDOW);
  for (let at = start; end - at >= OVERHEAD;) {
    const length = view.getUint32(at + LEN, true);
    if (view.getUint32(at + CONV, true) !== conv) return false;
    if (length > end - at - OVERHEAD) return false;
    const acked = view.getInt32(at + UNA, true);
    if (distance(acked, una) < 0 || distance(acked, sndNxt) > 0) return false;
    const cmd = view.getUint8(at + CMD);
    if (cmd === CMD_PUSH || cmd === CMD_PIECE) {
      const ahead = distance(view.getInt32(at + SN, true), rcvNxt);
      if (ahead < -reach || ahead >= reach) return false;
    }
    at += OVERHEAD + length;
  }
  return end - start >= OVERHEAD;
}
