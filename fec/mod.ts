/**
 * Forward error correction (FEC): Reed-Solomon codes over GF(2^8), and groups of packets in the
 * wire format of kcp-go.
 *
 * The sender puts a fixed number of packets, the data shards, into a group. Then it sends parity
 * shards, which are computed from them. If the group has m parity shards, then the receiver
 * restores any m lost packets of the group, without a retransmission.
 *
 * Sessions do this when their `fec` option is set. These classes are for other uses.
 *
 * @example Restore a lost shard
 * ```ts
 * import { ReedSolomon } from "@lowlatency/kcp/fec";
 *
 * const code = new ReedSolomon(2, 1);
 * const shards: (Uint8Array | null)[] = ["ab", "cd", "\0\0"].map((text) =>
 *   new TextEncoder().encode(text)
 * );
 * code.encode(shards as Uint8Array[]); // the third shard is the parity of the first two
 *
 * shards[0] = null;
 * code.reconstructData(shards);
 * console.log(new TextDecoder().decode(shards[0]!)); // ab
 * ```
 *
 * @module
 */
export {
  FecDecoder,
  /** Counters of a decoder. */
  type FecDecoderStats,
} from "./decoder.ts";
export {
  FecEncoder,
  /** Counters of an encoder. */
  type FecEncoderStats,
} from "./encoder.ts";
export type {
  /** How many data shards and parity shards a group has. */
  FecRatio,
} from "./ratio.ts";
export { ReedSolomon } from "./reed_solomon.ts";
