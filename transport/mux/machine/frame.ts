/**
 * The frames of smux: `ver u8 | cmd u8 | length u16 | sid u32 | data`, little-endian.
 *
 * Commands 0 to 4 are smux's. A peer that runs this module says so with a NOP whose stream id is
 * {@linkcode ANNOUNCEMENT}; smux and its ports ignore the stream id of a NOP. Only after that it is
 * sent frames of the commands from 128 on.
 *
 * @module
 */

/** Bytes of a frame's header. */
export const HEADER_SIZE = 8;
/** Most payload bytes of a frame: its length has 16 bits. */
export const MAX_PAYLOAD = 65_535;

/** Opens a stream. No payload. */
export const CMD_SYN = 0;
/** Ends the sender's direction of a stream, behind its data. No payload. */
export const CMD_FIN = 1;
/** Data of a stream. */
export const CMD_PSH = 2;
/** Nothing: shows that the sender is alive. No payload. */
export const CMD_NOP = 3;
/** Version 2: bytes of a stream that were consumed, u32, and the receiver's window, u32. */
export const CMD_UPD = 4;
/** Between peers that run this module: the sender's direction of a stream ends here. Code, u32. */
export const CMD_RST = 128;
/** Between peers that run this module: the other direction is not read any more. Code, u32. */
export const CMD_STOP = 129;
/** Between peers that run this module: the session ends. Code, u32, and a reason in UTF-8. */
export const CMD_CLOSE = 130;

/** Payload bytes of a window update. */
export const UPD_SIZE = 8;
/** Payload bytes of RST and STOP. */
export const CODE_SIZE = 4;
/** Most bytes of the reason in a CLOSE frame. */
export const MAX_REASON = 1024;

/** Stream id of the NOP by which a peer says that it runs this module: "KCP", 1. */
export const ANNOUNCEMENT = 0x01_50_43_4b;

/** Bytes that a version 2 sender may have in flight on a stream before the first window update. */
export const INITIAL_WINDOW = 262_144;

/** The first code that RST and STOP keep for what the machine itself has to say. */
export const FIRST_RESERVED_CODE = 0xff_ff_ff_00;
/** The peer's accept queue, or its table of streams, is full. */
export const CODE_REFUSED = 0xff_ff_ff_01;
/** Nobody read the stream while the receive buffer of the session was full. */
export const CODE_STALLED = 0xff_ff_ff_02;
/** More data came than the window allowed, or a window update is impossible. */
export const CODE_FLOW = 0xff_ff_ff_03;

/** Writes the header of a frame. */
export function writeHeader(
  target: Uint8Array,
  at: number,
  version: number,
  cmd: number,
  length: number,
  sid: number,
): void {
  target[at] = version;
  target[at + 1] = cmd;
  target[at + 2] = length;
  target[at + 3] = length >>> 8;
  writeUint32(target, at + 4, sid);
}

/** Writes an unsigned 32-bit integer. */
export function writeUint32(target: Uint8Array, at: number, value: number): void {
  target[at] = value;
  target[at + 1] = value >>> 8;
  target[at + 2] = value >>> 16;
  target[at + 3] = value >>> 24;
}

/** Reads a 32-bit integer; it is negative from 2^31 on. */
export function readInt32(source: Uint8Array, at: number): number {
  return source[at] | source[at + 1] << 8 | source[at + 2] << 16 | source[at + 3] << 24;
}
