import { AeadCipher, NONCE_SIZE, TAG_SIZE } from "./aead_cipher.ts";
import { Aes, checkAesKey } from "./aes.ts";
import { AesKernel, type ExpandedKey, sharedAesKernel } from "./aes_kernel.ts";
import { checkedKey } from "./key.ts";
import { MemoryView } from "./memory_view.ts";
import type { PacketCipher } from "./packet_cipher.ts";

/** Reverses the bytes of a word. */
function swap(word: number): number {
  return word << 24 | (word & 0xff00) << 8 | word >>> 8 & 0xff00 | word >>> 24;
}

/**
 * The products of the hash key of GHASH with every byte at every place of a block: 16 · 256 blocks
 * of four big-endian words, 64 KiB. The product of the key and a block is the XOR of 16 entries,
 * and needs no reduction.
 *
 * Source: D. McGrew, J. Viega, "The Galois/Counter Mode of Operation", 2005, §4.1. In GHASH the
 * first bit of a block is the power x^0, and the modulus is x^128 + x^7 + x^2 + x + 1 (NIST SP
 * 800-38D §6.3).
 */
function ghashTable(h0: number, h1: number, h2: number, h3: number): Int32Array {
  const table = new Int32Array(16 * 256 * 4);
  for (let place = 0; place < 16; place++) {
    const base = place << 10;
    // A byte with one bit set is a power of x. Its product is the product before it, times x.
    for (let bit = 0x80; bit > 0; bit >>= 1) {
      const entry = base + 4 * bit;
      table[entry] = h0;
      table[entry + 1] = h1;
      table[entry + 2] = h2;
      table[entry + 3] = h3;
      const carry = h3 & 1;
      h3 = h3 >>> 1 | h2 << 31;
      h2 = h2 >>> 1 | h1 << 31;
      h1 = h1 >>> 1 | h0 << 31;
      h0 = h0 >>> 1 ^ (carry ? 0xe1000000 : 0);
    }
    // The product of any other byte is the sum of two products: of its highest bit, and of its
    // other bits.
    for (let byte = 3; byte < 256; byte++) {
      const high = 1 << 31 - Math.clz32(byte);
      for (let word = 0; word < 4; word++) {
        table[base + 4 * byte + word] = table[base + 4 * high + word] ^
          table[base + 4 * (byte ^ high) + word];
      }
    }
  }
  return table;
}

/** GHASH, the hash function of GCM (NIST SP 800-38D §6.4), over data without additional data. */
class Ghash {
  readonly #table: Int32Array;
  /** The state, as four big-endian words. After {@linkcode Ghash.digest} it is the hash. */
  readonly state: Int32Array = new Int32Array(4);

  /** @param key The hash key, as four big-endian words. */
  constructor(key: Int32Array) {
    this.#table = ghashTable(key[0], key[1], key[2], key[3]);
  }

  /** Adds a block to the state, and multiplies the sum by the key. */
  #block(w0: number, w1: number, w2: number, w3: number): void {
    const t = this.#table;
    const y = this.state;
    let y0 = 0, y1 = 0, y2 = 0, y3 = 0;
    for (let word = 0, base = 0; word < 4; word++) {
      let w = y[word] ^ (word < 2 ? word === 0 ? w0 : w1 : word === 2 ? w2 : w3);
      for (let byte = 0; byte < 4; byte++, base += 1024, w <<= 8) {
        const entry = base + (w >>> 24 << 2);
        y0 ^= t[entry];
        y1 ^= t[entry + 1];
        y2 ^= t[entry + 2];
        y3 ^= t[entry + 3];
      }
    }
    y[0] = y0;
    y[1] = y1;
    y[2] = y2;
    y[3] = y3;
  }

  /**
   * Hashes the bytes from `start` to before `end`, padded with zeros to whole blocks, and their
   * length.
   */
  digest(view: DataView, start: number, end: number): void {
    this.state.fill(0);
    let i = start;
    for (; i + 16 <= end; i += 16) {
      this.#block(
        view.getInt32(i),
        view.getInt32(i + 4),
        view.getInt32(i + 8),
        view.getInt32(i + 12),
      );
    }
    if (i < end) {
      const rest = [0, 0, 0, 0];
      for (let k = 0; i + k < end; k++) rest[k >> 2] |= view.getUint8(i + k) << 24 - 8 * (k & 3);
      this.#block(rest[0], rest[1], rest[2], rest[3]);
    }
    // Two lengths in bits, as numbers of 64 bits: of the additional data (none), and of the data.
    const length = end - start;
    this.#block(0, 0, length >>> 29, length << 3);
  }
}

/**
 * GCM without a kernel. The GCM of `@noble/ciphers` is not used because it expands the key and
 * builds the tables of GHASH for each message: with packets of 1400 bytes it seals 43 MB/s on Deno,
 * this class 172 MB/s.
 */
class PortableGcm {
  readonly #aes: Aes;
  readonly #ghash: Ghash;
  /** The counter block, then the key stream. */
  readonly #block: Int32Array = new Int32Array(4);
  readonly #memory = new MemoryView();

  constructor(key: Uint8Array) {
    this.#aes = new Aes(key);
    const block = this.#block;
    this.#aes.encrypt(block);
    this.#ghash = new Ghash(block.map(swap));
  }

  /** Computes the key stream for block `counter` of a packet. */
  #keyStream(view: DataView, nonce: number, counter: number): Int32Array {
    const block = this.#block;
    // The words for AES are little-endian, but the counter is big-endian.
    block[0] = view.getInt32(nonce, true);
    block[1] = view.getInt32(nonce + 4, true);
    block[2] = view.getInt32(nonce + 8, true);
    block[3] = swap(counter);
    this.#aes.encrypt(block);
    return block;
  }

  /**
   * XORs the payload with the key stream, which begins with counter 2. Counter 1 is for the tag.
   */
  #crypt(view: DataView, start: number, end: number): void {
    let i = start + NONCE_SIZE;
    let counter = 2;
    for (; i + 16 <= end; i += 16) {
      const block = this.#keyStream(view, start, counter++);
      view.setInt32(i, view.getInt32(i, true) ^ block[0], true);
      view.setInt32(i + 4, view.getInt32(i + 4, true) ^ block[1], true);
      view.setInt32(i + 8, view.getInt32(i + 8, true) ^ block[2], true);
      view.setInt32(i + 12, view.getInt32(i + 12, true) ^ block[3], true);
    }
    if (i === end) return;
    const block = this.#keyStream(view, start, counter);
    for (let k = 0; i + k < end; k++) {
      view.setUint8(i + k, view.getUint8(i + k) ^ block[k >> 2] >>> 8 * (k & 3));
    }
  }

  /** The tag of a packet whose ciphertext ends before `end`, as four big-endian words. */
  #tag(view: DataView, start: number, end: number): Int32Array {
    const tag = this.#ghash.state;
    this.#ghash.digest(view, start + NONCE_SIZE, end);
    const mask = this.#keyStream(view, start, 1);
    for (let word = 0; word < 4; word++) tag[word] ^= swap(mask[word]);
    return tag;
  }

  /** Encrypts the payload in place and writes the tag. */
  seal(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    const view = this.#memory.of(bytes);
    const at = end - TAG_SIZE;
    this.#crypt(view, start, at);
    const tag = this.#tag(view, start, at);
    for (let word = 0; word < 4; word++) view.setInt32(at + 4 * word, tag[word]);
  }

  /** Checks the tag. If it is right, decrypts the payload in place. */
  open(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): boolean {
    const view = this.#memory.of(bytes);
    const at = end - TAG_SIZE;
    const tag = this.#tag(view, start, at);
    // All words are compared, even after a difference. Otherwise the time would reveal how many
    // bytes of a guessed tag are right.
    let difference = 0;
    for (let word = 0; word < 4; word++) difference |= view.getInt32(at + 4 * word) ^ tag[word];
    if (difference !== 0) return false;
    this.#crypt(view, start, at);
    return true;
  }
}

/**
 * Packets encrypted with AES in Galois/Counter Mode (NIST SP 800-38D).
 *
 * Where the runtime has WebAssembly with SIMD, a kernel is used, whose time depends only on the
 * packet's length. Elsewhere both AES and GHASH look bytes up in tables, so their time depends on
 * key and data: see {@linkcode Aes}.
 */
export class GcmCipher extends AeadCipher {
  readonly #key: Uint8Array;
  readonly #kernel: AesKernel | null;
  readonly #expanded: ExpandedKey | null;
  /** Made at first use, because it has tables of 64 KiB. */
  #portable: PortableGcm | null = null;

  /**
   * @param name The name of the cipher, as for `createCipher`.
   * @param key 16, 24 or 32 bytes. The cipher keeps a reference to it.
   * @param kernel The WebAssembly kernel; null to work without it. Default: the shared kernel.
   * @throws {RangeError} If the key has another length.
   */
  constructor(name: string, key: Uint8Array, kernel: AesKernel | null = sharedAesKernel()) {
    super(name);
    checkAesKey(key);
    this.#key = key;
    this.#kernel = kernel;
    this.#expanded = kernel && kernel.expand(key, true);
  }

  /** Whether the WebAssembly kernel is used. */
  get accelerated(): boolean {
    return this.#kernel !== null;
  }

  #withoutKernel(): PortableGcm {
    return this.#portable ??= new PortableGcm(this.#key);
  }

  /** Encrypts the payload in place and writes the tag. */
  protected override encrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    if (this.#kernel && this.#expanded && end - start <= AesKernel.MAX_PACKET) {
      this.#kernel.sealGcm(this.#expanded, bytes, start, end);
    } else {
      this.#withoutKernel().seal(bytes, start, end);
    }
  }

  /** Checks the tag. If it is right, decrypts the payload in place. */
  protected override decrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): boolean {
    if (this.#kernel && this.#expanded && end - start <= AesKernel.MAX_PACKET) {
      return this.#kernel.openGcm(this.#expanded, bytes, start, end);
    }
    return this.#withoutKernel().open(bytes, start, end);
  }
}

/**
 * Creates a cipher that encrypts and authenticates packets with AES in Galois/Counter Mode:
 * `aes-128-gcm`, `aes-192-gcm` or `aes-256-gcm` of `createCipher`, which says how many packets a key
 * may seal.
 *
 * @param key The key, 16, 24 or 32 bytes. It is copied.
 * @throws {TypeError} If the key is not a Uint8Array.
 * @throws {RangeError} If it has another length.
 *
 * @example
 * ```ts
 * import { listen } from "@lowlatency/kcp";
 * import { aesGcm } from "@lowlatency/kcp/crypt";
 *
 * const crypt = aesGcm(crypto.getRandomValues(new Uint8Array(16)));
 * const listener = await listen({ hostname: "127.0.0.1", crypt });
 * listener.close();
 * ```
 */
export function aesGcm(key: Uint8Array): PacketCipher {
  const copy = checkedKey("aes-gcm", key, [16, 24, 32]);
  return new GcmCipher(`aes-${8 * copy.length}-gcm`, copy);
}
