/**
 * The KCP segment on the wire: a header of 24 bytes, little-endian, then the data.
 *
 * ```text
 * conv u32 | cmd u8 | frg u8 | wnd u16 | ts u32 | sn u32 | una u32 | len u32 | data
 * ```
 *
 * Source: the C reference, https://github.com/skywind3000/kcp
 *
 * @module
 */

/** Bytes of a segment header. */
export const OVERHEAD = 24;

/** Offsets of the header's fields in bytes. */
export const CONV = 0;
export const CMD = 4;
export const FRG = 5;
export const WND = 6;
export const TS = 8;
export const SN = 12;
export const UNA = 16;
export const LEN = 20;

/** `cmd` of a segment that carries data. */
export const CMD_PUSH = 81;
/** `cmd` of an acknowledgment. It echoes `sn` and `ts` of the segment that arrived. */
export const CMD_ACK = 82;
/** `cmd` of a window probe: it asks the peer to announce its window. */
export const CMD_WASK = 83;
/** `cmd` of a window announcement. Only `wnd` and `una` count. */
export const CMD_WINS = 84;

/**
 * Extension segments, for the path MTU. Only this library knows them. Every other implementation
 * drops a packet whose `cmd` it does not know, and keeps the conversation. So a packet with an
 * extension segment carries nothing else, and a peer gets pieces only after it has answered a probe.
 * With the option `extensions`, a peer gets a probe only after it has shown {@linkcode EXTENDED}.
 */
/**
 * `cmd` of a piece: a part of a data segment that is too large for the path. The header is that of
 * the whole segment, apart from `len`. The data is `total u16 | offset u16 | bytes`: the payload
 * bytes of the whole segment, and where `bytes` lie in them. See {@linkcode PieceBuffer}.
 */
export const CMD_PIECE = 85;
/** `cmd` of a path MTU probe. Its data is padding. The peer answers at once. */
export const CMD_PROBE = 86;
/**
 * `cmd` of the answer to a probe. It echoes `ts`, and the `sn` of the largest probe with this `ts`
 * that has arrived.
 */
export const CMD_PROBE_ANSWER = 87;

/**
 * `cmd` of a packet that ends the conversation. It quotes `sn` and `ts` of a packet that its receiver
 * has sent, so nobody who does not see the packets can make one. `frg` is the cause, `wnd` a code of
 * the application, the data is the reason in UTF-8.
 */
export const CMD_RESET = 88;

/**
 * `cmd` of a selective acknowledgment, which only this library knows. It tells what has arrived
 * beyond the first gap. So a packet of acknowledgments that is lost makes nobody send again what has
 * arrived. A packet may have two of them. The data is a bitmap: bit n of it, from the lowest one of the first byte on, is set if the
 * segment `sn` + n has arrived. A peer gets it only after it has shown {@linkcode EXTENDED}.
 */
export const CMD_SACK = 89;
/** Most bytes of its bitmap. */
export const MAX_SACK = 256;

/** Whether a machine knows this `cmd`. */
export function isCommand(cmd: number): boolean {
  return cmd >= CMD_PUSH && cmd <= CMD_PROBE_ANSWER || cmd === CMD_SACK;
}

/**
 * `frg` of a window probe or announcement of this library. Other implementations send 0 there, and
 * ignore it. So two ends of this library recognize each other. Such a probe has the time of its sender
 * in `ts`. The announcement that answers it echoes this `ts`, and has the time of its own sender in
 * `sn`.
 */
export const EXTENDED = 0xe0;
/**
 * Bit of {@linkcode EXTENDED}: the sender has opened the conversation, and nothing has shown it yet
 * that the peer has heard it. A listener takes such a probe as the start of a conversation.
 */
export const OPENING = 0x01;

/** Whether a window probe or announcement with this `frg` is of this library. */
export function isMarked(frg: number): boolean {
  return (frg & ~OPENING) === EXTENDED;
}

/** Most fragments of a message. `frg` is a u8 and counts down from 254. */
export const MAX_FRAGMENTS = 255;

/**
 * How far the `ts` of an acknowledgment may run ahead of the clock of its receiver, in ms. A repeated
 * acknowledgment adds the time since the segment arrived. The clock of the receiver may have stood
 * still in that time, or the clock of the sender may have been set.
 */
export const MAX_ECHO_LEAD = 10_000;

/** Distance from sequence number (or 32-bit time) `b` to `a`, negative when `a` is before `b`. */
export function distance(a: number, b: number): number {
  return (a - b) | 0;
}

/** A monotonic time in milliseconds as the wire carries it: whole milliseconds modulo 2^32. */
export function timestamp(now: number): number {
  return Math.floor(now) >>> 0;
}
