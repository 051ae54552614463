/**
 * The packet that ends a conversation, and what it quotes.
 *
 * A reset quotes `sn` and `ts` of a packet that its receiver has sent. Both start at values that
 * nobody can guess who does not see the packets. So an attacker off the path can't end a conversation,
 * and an end that has lost its state can still tell a peer: it quotes what has just arrived.
 *
 * @module
 */
import {
  CMD,
  CMD_PIECE,
  CMD_PROBE,
  CMD_PUSH,
  CMD_RESET,
  CMD_WASK,
  CMD_WINS,
  CONV,
  FRG,
  isMarked,
  LEN,
  OPENING,
  OVERHEAD,
  SN,
  TS,
  UNA,
  WND,
} from "../../kcp/segment.ts";

/** Why an end resets a conversation: `frg` of the packet. */
export const ABORTED = 0;
/** The conversation has ended, and data arrives that nobody reads. */
export const ENDED = 1;
/** There is no such conversation: the process has restarted, or the address of the peer is new. */
export const UNKNOWN = 2;
/** The end gave up on its peer. */
export const GIVEN_UP = 3;
/** The listener accepts nothing more. */
export const REFUSED = 4;
/** The process of the peer has ended. */
export const EXITED = 5;

/** Most bytes of a reason. */
export const MAX_REASON = 512;
/** Largest code of an application. */
export const MAX_CODE = 0xffff;

/** The content of a reset. */
export interface Reset {
  /** The quoted packet. */
  readonly sn: number;
  readonly ts: number;
  /** {@linkcode ABORTED} to {@linkcode EXITED}. */
  readonly cause: number;
  /** The application's code, 0 to 65535. */
  readonly closeCode: number;
  /** The application's reason. */
  readonly reason: string;
}

/** The packet that a reset quotes. */
export interface Quote {
  readonly sn: number;
  readonly ts: number;
}

/** What a reset can quote of a packet that has just arrived. */
export interface FoundQuote extends Quote {
  /** Whether it is a data segment, or a probe that looks like one. */
  readonly data: boolean;
  /** Whether it shows that its sender has heard the end that it asks or answers. */
  readonly linked: boolean;
}

/**
 * Finds what a reset can quote of a packet. Acknowledgments are not answered, and resets are not: two
 * ends would answer each other.
 *
 * @param view The arena.
 * @param start Offset of the first segment.
 * @param end Offset after the last one.
 * @returns Null if it has nothing to quote.
 */
export function findQuote(view: DataView, start: number, end: number): FoundQuote | null {
  for (let at = start; end - at >= OVERHEAD;) {
    const cmd = view.getUint8(at + CMD);
    const sn = view.getInt32(at + SN, true);
    const ts = view.getInt32(at + TS, true);
    const mark = view.getUint8(at + FRG);
    const marked = isMarked(mark);
    const linked = marked && (mark & OPENING) === 0;
    if (cmd === CMD_PUSH || cmd === CMD_PIECE) return { sn, ts, data: true, linked: false };
    if (cmd === CMD_WASK && marked) return { sn, ts, data: false, linked };
    // A window announcement has the time of its sender in `sn`.
    if (cmd === CMD_WINS && marked) return { sn: 0, ts: sn, data: false, linked };
    if (cmd !== CMD_PROBE && cmd !== CMD_WASK && (cmd < CMD_PUSH || cmd > CMD_WINS)) return null;
    const length = view.getUint32(at + LEN, true);
    if (length > end - at - OVERHEAD) return null;
    at += OVERHEAD + length;
  }
  return null;
}

/** Whether a packet in the arena is a reset. */
export function isReset(view: DataView, start: number, end: number): boolean {
  return end - start >= OVERHEAD && view.getUint8(start + CMD) === CMD_RESET;
}

/** Reads a reset; null if it is malformed. */
export function readReset(
  view: DataView<ArrayBuffer>,
  start: number,
  end: number,
): Reset | null {
  const length = view.getUint32(start + LEN, true);
  if (length > MAX_REASON || start + OVERHEAD + length !== end) return null;
  const reason = new Uint8Array(view.buffer, view.byteOffset + start + OVERHEAD, length);
  return {
    sn: view.getInt32(start + SN, true),
    ts: view.getInt32(start + TS, true),
    cause: view.getUint8(start + FRG),
    closeCode: view.getUint16(start + WND, true),
    reason: new TextDecoder().decode(reason),
  };
}

/**
 * Writes a reset.
 *
 * @param view The arena, with room for the header and the reason.
 * @param at Offset of the first byte.
 * @param reason The reason in UTF-8, at most {@linkcode MAX_REASON} bytes.
 * @returns The offset after the last byte.
 */
export function writeReset(
  view: DataView<ArrayBuffer>,
  at: number,
  conv: number,
  { sn, ts }: Quote,
  cause: number,
  closeCode: number,
  reason: Uint8Array,
): number {
  writeHeader(view, at, conv, CMD_RESET, cause, closeCode, ts, sn, 0, reason.length);
  new Uint8Array(view.buffer, view.byteOffset).set(reason, at + OVERHEAD);
  return at + OVERHEAD + reason.length;
}

/** Writes the header of a segment. */
export function writeHeader(
  view: DataView,
  at: number,
  conv: number,
  cmd: number,
  frg: number,
  wnd: number,
  ts: number,
  sn: number,
  una: number,
  length: number,
): void {
  view.setUint32(at + CONV, conv, true);
  view.setUint8(at + CMD, cmd);
  view.setUint8(at + FRG, frg);
  view.setUint16(at + WND, wnd, true);
  view.setInt32(at + TS, ts, true);
  view.setInt32(at + SN, sn, true);
  view.setInt32(at + UNA, una, true);
  view.setUint32(at + LEN, length, true);
}

/** A reason in UTF-8, cut between two characters if it is too long. */
export function encodeReason(reason: string): Uint8Array<ArrayBuffer> {
  const target = new Uint8Array(MAX_REASON);
  const { written } = new TextEncoder().encodeInto(reason, target);
  return target.slice(0, written);
}

/** What a reset says, as a sentence about `peer`. */
export function describeReset({ cause, closeCode, reason }: Reset, peer: string): string {
  const code = closeCode === 0 ? "" : ` with code ${closeCode}`;
  const words = reason === "" ? "" : `: ${reason}`;
  switch (cause) {
    case ENDED:
      return `The peer ${peer} has closed the connection and reads nothing more${words}`;
    case UNKNOWN:
      return `The peer ${peer} does not know the connection: ` +
        `it has restarted, or it sees another address of this side${words}`;
    case GIVEN_UP:
      return `The peer ${peer} has given up the connection${words}`;
    case REFUSED:
      return `The listener ${peer} accepts no connections any more${words}`;
    case EXITED:
      return `The process of the peer ${peer} has ended${words}`;
    default:
      return `The peer ${peer} has aborted the connection${code}${words}`;
  }
}
