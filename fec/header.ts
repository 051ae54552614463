/**
 * The header that kcp-go puts before KCP packets when error correction is on, and before
 * out-of-band packets:
 *
 * ```text
 * seqid u32 | type u16 | size u16 | KCP packet              type 0xf1, a data shard
 * seqid u32 | type u16 | parity of the bytes after type     type 0xf2, a parity shard
 * seqid u32 | type u16 | size u16 | conv u32 | payload      type 0xf3, out-of-band
 * ```
 *
 * All integers are little-endian. `size` counts its own two bytes and all bytes after them.
 *
 * A KCP packet has `cmd` and `frg` at bytes 4 and 5, where these packets have `type`. No KCP
 * command is 0xf1 to 0xf3, so these two bytes show which kind of packet it is. Source: kcp-go.
 *
 * @module
 */

/** Bytes of `seqid` and `type`. Reed-Solomon covers the bytes after them. */
export const FEC_HEADER = 6;
/** Bytes before the KCP packet of a data shard. */
export const DATA_HEADER = 8;
/** Bytes before the payload of an out-of-band packet. */
export const OOB_HEADER = 12;
/** Offset of `type`. */
export const TYPE = 4;
/** Offset of `size`. */
export const SIZE = 6;

/** A data shard. */
export const TYPE_DATA = 0xf1;
/** A parity shard. */
export const TYPE_PARITY = 0xf2;
/** An out-of-band packet. */
export const TYPE_OOB = 0xf3;

/** The `seqid` of every out-of-band packet. */
export const OOB_SEQID = 0xffffffff;

/**
 * The first `seqid` that is not used. Sequence numbers wrap to 0 there: it is a multiple of the
 * group size, so every group is whole.
 *
 * @param total Shards in a group.
 */
export function seqidLimit(total: number): number {
  return Math.floor(0xffffffff / total) * total;
}

/** An invalid packet: its `size` does not match its length. */
export const TYPE_INVALID = -1;

/**
 * The kind of a packet, read from bytes 4 and 5: `TYPE_DATA`, `TYPE_PARITY`, `TYPE_OOB`, 0 for a
 * KCP packet, or `TYPE_INVALID`.
 */
export function packetType(view: DataView, start: number, end: number): number {
  if (end - start < DATA_HEADER) return 0;
  const type = view.getUint16(start + TYPE, true);
  if (type < TYPE_DATA || type > TYPE_OOB) return 0;
  if (type === TYPE_PARITY) return type;
  if (type === TYPE_OOB && end - start < OOB_HEADER) return TYPE_INVALID;
  return view.getUint16(start + SIZE, true) === end - start - FEC_HEADER ? type : TYPE_INVALID;
}
