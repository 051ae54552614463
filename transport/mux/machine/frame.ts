/**
 * The frames of smux: `ver u8 | cmd u8 | length u16 | sid u32 | data`, little-endian.
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
/** Payload bytes of a window update. */
export const UPD_SIZE = 8;
/** Bytes that a version 2 sender may have in flight on a stream before the first window update. */
export const INITIAL_WINDOW = 262_144;

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
