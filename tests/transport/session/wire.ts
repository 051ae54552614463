/**
 * An independent implementation of packets on the wire: encryption, FEC groups, and a reader. It
 * uses no code of crypt/, fec/ or transport/. AES and the AEAD ciphers come from `node:crypto`.
 *
 * @module
 */
import { AssertionError } from "@std/assert";
import { createCipheriv, createDecipheriv } from "node:crypto";
import { type Arena, PacketBatch, type PacketBatchOptions } from "../../../kcp/mod.ts";
import type { CipherName, Entropy } from "../../../crypt/mod.ts";
import type { Endpoint, Session } from "../../../transport/mod.ts";
import { decode, type Segment } from "../../kcp/harness.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Joins byte arrays. */
export function concat(...pieces: Uint8Array[]): Bytes {
  const joined = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}

/** Whether `bytes` contains `needle`. */
export function contains(bytes: Uint8Array, needle: Uint8Array): boolean {
  for (let at = bytes.indexOf(needle[0]); at >= 0; at = bytes.indexOf(needle[0], at + 1)) {
    if (at + needle.length > bytes.length) return false;
    if (needle.every((byte, i) => bytes[at + i] === byte)) return true;
  }
  return false;
}

// --- encryption ---

/** An independent packet cipher. */
export interface HandCipher {
  readonly name: CipherName;
  readonly key: Bytes;
  readonly nonceSize: number;
  /** Bytes that it adds to a packet. */
  readonly overhead: number;
  readonly authenticates: boolean;
  seal(payload: Uint8Array, nonce: Uint8Array): Bytes;
  /** The nonce and the payload; null if the check fails. */
  open(packet: Uint8Array): { nonce: Bytes; payload: Bytes } | null;
}

/** A key of `length` bytes, different for each `salt`. */
export function keyOf(length: number, salt = 0): Bytes {
  return Uint8Array.from({ length }, (_, i) => 7 * i + 31 * salt + 11);
}

export { KEY_SIZES } from "../../crypt/key_sizes.ts";

/** CRC-32 of IEEE 802.3, bit by bit. */
export function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc >>> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

const IV = [167, 115, 79, 156, 18, 172, 27, 1, 164, 21, 242, 193, 252, 120, 230, 107];

function checksummed(
  name: CipherName,
  key: Bytes,
  encrypt: (bytes: Bytes) => Bytes,
  decrypt: (bytes: Bytes) => Bytes,
): HandCipher {
  return {
    name,
    key,
    nonceSize: 16,
    overhead: 20,
    authenticates: false,
    seal(payload, nonce) {
      const sum = new Uint8Array(4);
      new DataView(sum.buffer).setUint32(0, crc32(payload), true);
      return encrypt(concat(nonce, sum, payload));
    },
    open(packet) {
      if (packet.length < 20) return null;
      const clear = decrypt(packet.slice());
      const payload = clear.slice(20);
      if (new DataView(clear.buffer).getUint32(16, true) !== crc32(payload)) return null;
      return { nonce: clear.slice(0, 16), payload };
    },
  };
}

/** AES-128 in CFB mode, with the checksum. */
export function handAes(salt = 0): HandCipher {
  const key = keyOf(16, salt);
  const block = (bytes: Uint8Array) => {
    const cipher = createCipheriv("aes-128-ecb", key, null);
    cipher.setAutoPadding(false);
    return cipher.update(bytes);
  };
  const cfb = (bytes: Bytes, decrypting: boolean) => {
    const done = bytes.slice();
    let feedback: Uint8Array = Uint8Array.from(IV);
    for (let at = 0; at < bytes.length; at += 16) {
      const stream = block(feedback);
      const end = Math.min(bytes.length, at + 16);
      for (let i = at; i < end; i++) done[i] ^= stream[i - at];
      feedback = (decrypting ? bytes : done).slice(at, at + 16);
    }
    return done;
  };
  return checksummed("aes-128", key, (bytes) => cfb(bytes, false), (bytes) => cfb(bytes, true));
}

/** No encryption, with the checksum. */
export function handNone(): HandCipher {
  return checksummed("none", keyOf(0), (bytes) => bytes, (bytes) => bytes);
}

function aead(name: "aes-128-gcm" | "chacha20-poly1305", key: Bytes): HandCipher {
  // The types of node:crypto have one overload a mode. Both modes take the same arguments here.
  const mode = name as "aes-128-gcm";
  return {
    name,
    key,
    nonceSize: 12,
    overhead: 28,
    authenticates: true,
    seal(payload, nonce) {
      const cipher = createCipheriv(mode, key, nonce, { authTagLength: 16 });
      const sealed = concat(nonce, cipher.update(payload), cipher.final());
      return concat(sealed, cipher.getAuthTag());
    },
    open(packet) {
      if (packet.length < 28) return null;
      const nonce = packet.slice(0, 12);
      const cipher = createDecipheriv(mode, key, nonce, { authTagLength: 16 });
      cipher.setAuthTag(packet.slice(-16));
      const payload = concat(cipher.update(packet.slice(12, -16)));
      try {
        cipher.final();
      } catch {
        return null;
      }
      return { nonce, payload };
    },
  };
}

/** AES-128-GCM. */
export const handGcm = (salt = 0): HandCipher => aead("aes-128-gcm", keyOf(16, salt));
/** ChaCha20-Poly1305. */
export const handChaCha = (salt = 0): HandCipher => aead("chacha20-poly1305", keyOf(32, salt));

/** Encrypts packets with nonces that never repeat. */
export class Sealer {
  readonly cipher: HandCipher;
  #count: number;

  constructor(cipher: HandCipher, first = 0x5eed0000) {
    this.cipher = cipher;

    this.#count = first;
  }

  seal(payload: Uint8Array): Bytes {
    const nonce = new Uint8Array(this.cipher.nonceSize);
    new DataView(nonce.buffer).setUint32(0, this.#count++);
    return this.cipher.seal(payload, nonce);
  }

  /** Decrypts a packet that a machine sent. Fails if the packet does not pass the check. */
  open(packet: Uint8Array): Bytes {
    const opened = this.cipher.open(packet);
    if (!opened) {
      throw new AssertionError(`A packet does not pass the check of ${this.cipher.name}`);
    }
    return opened.payload;
  }
}

/** Entropy of 32-bit words that count up from `first`, so that a test recognizes them. */
export function countingEntropy(first = 0): Entropy {
  let word = first;
  return (target) => {
    const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
    for (let at = 0; at + 4 <= target.length; at += 4) view.setUint32(at, word++);
    for (let at = target.length & ~3; at < target.length; at++) target[at] = word++;
  };
}

// --- error correction ---

export const DATA = 0xf1;
export const PARITY = 0xf2;
export const OOB = 0xf3;

function header(seqid: number, type: number): Bytes {
  const bytes = new Uint8Array(6);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, seqid, true);
  view.setUint16(4, type, true);
  return bytes;
}

/** The part of a data shard that Reed-Solomon covers: the size and the packet. */
export function shard(packet: Uint8Array, size = packet.length + 2): Bytes {
  return concat(Uint8Array.of(size & 0xff, size >> 8), packet);
}

/** A data shard. `size` is the size field; a wrong value makes the shard invalid. */
export function dataPacket(seqid: number, packet: Uint8Array, size?: number): Bytes {
  return concat(header(seqid, DATA), shard(packet, size));
}

/** A parity shard. */
export function parityPacket(seqid: number, parity: Uint8Array): Bytes {
  return concat(header(seqid, PARITY), parity);
}

/** An out-of-band packet. */
export function oobPacket(conv: number, payload: Uint8Array, size = payload.length + 6): Bytes {
  const id = new Uint8Array(4);
  new DataView(id.buffer).setUint32(0, conv, true);
  return concat(header(0xffffffff, OOB), shard(concat(id, payload), size));
}

/** The parts of a packet without encryption. */
export interface WirePacket {
  readonly type: "kcp" | "data" | "parity" | "oob";
  /** -1 without error correction. */
  readonly seqid: number;
  /** The segments of a KCP packet or data shard. */
  readonly segments: readonly Segment[];
  /** The part of a shard that Reed-Solomon covers. */
  readonly body: Bytes;
  /** The conversation and the payload of an out-of-band packet. */
  readonly conv: number;
  readonly payload: Bytes;
}

/** Reads a packet without encryption. Fails if it is not well-formed. */
export function readWire(packet: Uint8Array): WirePacket {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const none = new Uint8Array();
  const type = packet.length < 8 ? 0 : view.getUint16(4, true);
  if (type < DATA || type > OOB) {
    const segments = decode(packet);
    return { type: "kcp", seqid: -1, segments, body: none, conv: -1, payload: none };
  }
  const seqid = view.getUint32(0, true);
  const body = packet.slice(6);
  if (type === PARITY) {
    return { type: "parity", seqid, segments: [], body, conv: -1, payload: none };
  }
  if (view.getUint16(6, true) !== body.length) {
    throw new AssertionError(
      `A packet of ${body.length} bytes has the size field ${view.getUint16(6, true)}`,
    );
  }
  if (type === DATA) {
    const segments = decode(packet.slice(8));
    return { type: "data", seqid, segments, body, conv: -1, payload: none };
  }
  if (seqid !== 0xffffffff) throw new AssertionError(`An out-of-band packet has seqid ${seqid}`);
  const conv = view.getUint32(8, true);
  return { type: "oob", seqid, segments: [], body, conv, payload: packet.slice(12) };
}

/** Product in GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1. */
function product(a: number, b: number): number {
  let sum = 0;
  for (; b > 0; b >>= 1, a = a << 1 ^ (a & 0x80 ? 0x11d : 0)) if (b & 1) sum ^= a;
  return sum;
}

function inverse(a: number): number {
  for (let b = 1; b < 256; b++) if (product(a, b) === 1) return b;
  throw new AssertionError("0 has no inverse");
}

/**
 * The parity of shards. V is the Vandermonde matrix of the points 0, 1, 2, ..., and T is its upper
 * square. The upper part of V·T⁻¹ is the identity; the lower part is the code.
 */
export function parityOf(shards: readonly Uint8Array[], count: number): Bytes[] {
  const n = shards.length;
  const row = (point: number) => {
    const powers = [1];
    while (powers.length < n) powers.push(product(powers[powers.length - 1], point));
    return powers;
  };
  // Gauss-Jordan elimination turns T | shards into I | T⁻¹·shards.
  const length = Math.max(...shards.map(({ length }) => length));
  const left = shards.map((_, point) => row(point));
  const right = shards.map((shard) => concat(shard, new Uint8Array(length - shard.length)));
  const scale = (line: number[] | Bytes, factor: number) => {
    for (let i = 0; i < line.length; i++) line[i] = product(line[i], factor);
  };
  const subtract = (line: number[] | Bytes, other: number[] | Bytes, factor: number) => {
    for (let i = 0; i < line.length; i++) line[i] ^= product(other[i], factor);
  };
  for (let i = 0; i < n; i++) {
    const pivot = left.findIndex((line, k) => k >= i && line[i] !== 0);
    [left[i], left[pivot]] = [left[pivot], left[i]];
    [right[i], right[pivot]] = [right[pivot], right[i]];
    const factor = inverse(left[i][i]);
    scale(left[i], factor);
    scale(right[i], factor);
    for (let k = 0; k < n; k++) {
      const factor = left[k][i];
      if (k === i || factor === 0) continue;
      subtract(left[k], left[i], factor);
      subtract(right[k], right[i], factor);
    }
  }
  return Array.from({ length: count }, (_, i) => {
    const parity = new Uint8Array(length);
    row(n + i).forEach((factor, k) => subtract(parity, right[k], factor));
    return parity;
  });
}

// --- machines ---

/** A packet that a machine sent. */
export interface RawPacket {
  readonly to: string;
  readonly packet: Bytes;
}

/** A session or an endpoint, with a batch of any size for its packets. */
export class Outlet<M extends Session | Endpoint> {
  readonly machine: M;
  readonly batch: PacketBatch;

  constructor(machine: M, options: Omit<PacketBatchOptions, "arena"> = {}) {
    this.machine = machine;

    this.batch = new PacketBatch({ ...options, arena: machine.arena as Arena });
  }

  /** Tells the machine the time, and returns the packets that are due. */
  packets(now: number): RawPacket[] {
    this.machine.tick(now);
    return this.rest();
  }

  /** Returns the packets that are due, without a tick. */
  rest(): RawPacket[] {
    const { batch, machine } = this;
    const taken: RawPacket[] = [];
    for (batch.clear(); machine.output(batch) > 0; batch.clear()) {
      for (let i = 0; i < batch.count; i++) {
        taken.push({ to: batch.to[i], packet: batch.packet(i).slice() });
      }
      if (taken.length > 100_000) throw new AssertionError("The machine does not stop sending");
    }
    return taken;
  }

  /** Reads the packets of {@linkcode Outlet.packets}, after decryption if there is a cipher. */
  read(now: number, cipher?: HandCipher): WirePacket[] {
    return this.packets(now).map(({ packet }) =>
      readWire(cipher ? new Sealer(cipher).open(packet) : packet)
    );
  }
}
