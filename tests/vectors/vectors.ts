/**
 * Reads the test vectors. kcp-go 5.6.72 made them, by the program in `tests/interop/peer`:
 *
 * ```sh
 * cd tests/interop/peer
 * # Ciphers, checksums, derived keys, Reed-Solomon: the same each time.
 * go run -modfile=go-5.6.72.mod . vectors ../../vectors
 * # Packets of live sessions, with timestamps: new ones each time.
 * go run -modfile=go-5.6.72.mod . record ../../vectors
 * ```
 *
 * smux 1.5.58 made `smux.json`, by the program in `tests/interop/smux`, the same each time:
 *
 * ```sh
 * cd tests/interop/smux && go run . vectors ../../vectors
 * ```
 *
 * kcp-go 5.7.5 makes the same vectors, except for one packet of 1500 bytes in the XOR cipher: its
 * packets have at most 1472 bytes.
 *
 * @module
 */

export { fromBase64, fromHex, sha256 } from "./bytes.ts";

/** Packets that a cipher of kcp-go sealed. */
export interface CipherVector {
  cipher: string;
  /** The key in hexadecimal. Nonces and packets are in hexadecimal, too. */
  key: string;
  packets: { seed: number; length: number; nonce: string; sealed: string }[];
}

/** The CRC-32 of a pattern. */
export interface ChecksumVector {
  seed: number;
  length: number;
  crc32: number;
}

/** A password and the key that kcptun derives from it, in hexadecimal. */
export interface KeyVector {
  password: string;
  key: string;
}

/** Parity shards that klauspost/reedsolomon computed. */
export interface CodeVector {
  data: number;
  parity: number;
  size: number;
  seed: number;
  /** The parity shards, one after the other, in base64. */
  shards: string;
  /** The coefficients, in hexadecimal: a row for each parity shard. */
  matrix?: string[];
  /** Sets of shard indexes that klauspost/reedsolomon restored when they were missing. */
  erasures: number[][];
}

/** A packet that kcp-go sent. */
export interface RecordedPacket {
  from: "client" | "server";
  /** When it was sent, in ms since the start. */
  at: number;
  /** The packet in base64. */
  bytes: string;
}

/** The data and parity shards that a client sent. */
export interface FecRecording {
  name: string;
  data: number;
  parity: number;
  packets: RecordedPacket[];
}

/**
 * The packets of a client that sends a pattern, and of a server that sends it back after the last
 * byte.
 */
export interface ExchangeRecording {
  name: string;
  cipher: string;
  key: string;
  data: number;
  parity: number;
  conv: number;
  seed: number;
  writes: number[];
  sha256: string;
  packets: RecordedPacket[];
}

/** Streams and blocks of golang/snappy 1.0.0, made by the program in `tests/vectors/snappy`. */
export interface SnappyVectors {
  /** What the writer gave when each write was flushed, in base64. */
  streams: {
    name: string;
    /** A write is a text again and again, or random bytes in base64. */
    writes: { length: number; text?: string; random?: string }[];
    bytes: string;
  }[];
  /** Blocks in hexadecimal, and what is in them; null if they are not valid. */
  blocks: { block: string; decoded: string | null }[];
}

/** Times as Go formats them, made by the program in `tests/vectors/go_time`. */
export interface GoTimeVectors {
  /** Moments: seconds and nanoseconds since 1970, and the zone: seconds east, and its name. */
  times: { unix: number; nanos: number; offset: number; zone: string }[];
  /** Layouts, and what they make of each of the moments. */
  layouts: { layout: string; texts: string[] }[];
}

/** What was done to a session of smux, and what it wrote then. */
export interface SmuxStep {
  do: "open" | "accept" | "write" | "read" | "closeWrite" | "close" | "input" | "wait";
  /** The id of the stream. For `open` and `accept`, it is the result. */
  stream?: number;
  /** How many bytes of the pattern with `seed` were written or sent by the peer, or how many were read. */
  bytes?: number;
  seed?: number;
  /** The length of the buffer of a read. */
  size?: number;
  /** What was read, or what the peer has sent, in hexadecimal. */
  data?: string;
  /** The error of the session. */
  error?: string;
  /** Whether a read has seen the end. */
  end?: boolean;
  /** Whether the write waits: the window is full. */
  waits?: boolean;
  /** What smux wrote, in hexadecimal, or "" if there is `long`. */
  wire: string;
  /** What smux wrote, if it is long: the headers of the frames are in hexadecimal. */
  long?: { bytes: number; sha256: string; headers: string[] };
}

/** A session of smux, whose peer was the program that made the vectors. */
export interface SmuxTalk {
  name: string;
  version: 1 | 2;
  /** Whether smux was the client. */
  client: boolean;
  /** Settings of smux. `keepAlive` is in ms, or -1. */
  settings: {
    version: 1 | 2;
    keepAlive?: number;
    keepAliveTimeout?: number;
    maxFrameSize?: number;
    maxStreamBuffer?: number;
  };
  steps: SmuxStep[];
}

/** The files of vectors and their content. */
export interface VectorFiles {
  "ciphers.json": CipherVector[];
  "checksums.json": ChecksumVector[];
  "derive_key.json": KeyVector[];
  "reed_solomon.json": CodeVector[];
  "fec.json": FecRecording[];
  "exchange.json": ExchangeRecording[];
  "snappy.json": SnappyVectors;
  "go_time.json": GoTimeVectors;
  "smux.json": SmuxTalk[];
}

/** Reads a file of vectors. */
export function readVectors<N extends keyof VectorFiles>(name: N): VectorFiles[N] {
  return JSON.parse(Deno.readTextFileSync(new URL(name, import.meta.url)));
}
