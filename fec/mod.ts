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
 * @module
 */
export { FecDecoder, type FecDecoderStats } from "./decoder.ts";
export { FecEncoder, type FecEncoderStats } from "./encoder.ts";
export type { FecRatio } from "./ratio.ts";
export { ReedSolomon } from "./reed_solomon.ts";
