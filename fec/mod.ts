/**
 * Forward error correction: Reed-Solomon over GF(2^8), and groups of packets that kcp-go understands.
 *
 * @module
 */
export { FecDecoder, type FecDecoderStats } from "./decoder.ts";
export { FecEncoder, type FecEncoderStats } from "./encoder.ts";
export type { FecRatio } from "./ratio.ts";
export { ReedSolomon } from "./reed_solomon.ts";
