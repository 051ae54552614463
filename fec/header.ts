/**
 * The header that kcp-go puts in front of KCP packets when error correction is on, and of out-of-band
 * packets:
 *
 * ```text
 * seqid u32 | type u16 | size u16 | KCP packet              type 0xf1, a data shard
 * seqid u32 | type u16 | parity of what follows the type    type 0xf2, a parity shard
 * seqid u32 | type u16 | size u16 | conv u32 | payload      type 0xf3, out-of-band
 * ```
 *
 * All integers are little-endian. `size` counts itself and what follows it. The second byte of a type is
 * 0 and the first is no KCP command, so that bytes 4 and 5 tell these packets from KCP packets, whose
 * `cmd` and `frg` are there. Source: kcp-go.
 *
 * @module
 */

/** Bytes of `seqid` and `type`. Reed-Solomon covers what is behind them. */
export const FEC_HEADER = 6;
/** Bytes in front of the KCP packet of a data shard. */
export const DATA_HEADER = 8;
/** Bytes in front of the payload of an out-of-band packet. */
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
 * The first `seqid` that is not used: they wrap there, so that no group is cut.
 *
 * @param total Shards in a group.
 */
export function seqidLimit(total: number): number {
  return Math.floor(0xffffffff / total) * total;
}

/** No packet that anyone sends: its size is not what it says. */
export const TYPE_INVALID = -1;

/**
 * What a packet is by bytes 4 and 5: `TYPE_DATA`, `TYPE_PARITY`, `TYPE_OOB`, 0 for a KCP packet, or
 * `TYPE_INVALID`.
 */
export function packetType(view: DataView, start: number, end: number): number {
  if (end - start < DATA_HEADER) return 0;
  const type = view.getUint16(start + TYPE, true);
  if (type < TYPE_DATA || type > TYPE_OOB) return 0;
  if (type === TYPE_PARITY) return type;
  if (type === TYPE_OOB && end - start < OOB_HEADER) return TYPE_INVALID;
  return view.getUint16(start + SIZE, true) === end - start - FEC_HEADER ? type : TYPE_INVALID;
}
