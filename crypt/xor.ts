import { sha1 } from "@noble/hashes/legacy.js";
import { pbkdf2 } from "@noble/hashes/pbkdf2.js";
import { MemoryView } from "./memory_view.ts";
import { ChecksumCipher } from "./checksum_cipher.ts";
import { checkedKey } from "./key.ts";
import type { PacketCipher } from "./packet_cipher.ts";

/** The salt of PBKDF2. Source: kcp-go. */
const SALT = "sH3CIVoF#rWLtJo6";
/** Rounds of PBKDF2. Source: kcp-go. */
const ROUNDS = 32;
/** Bytes of the table: the longest packet of kcp-go. */
const TABLE_SIZE = 1500;

/**
 * Packets XORed with a table that is derived from the key, in the format of kcp-go:
 * `nonce 16 | checksum 4 | payload`.
 *
 * All packets are XORed with the same table. Therefore two packets reveal the XOR of their
 * contents, and one packet of known content reveals the table. Bytes after the first 1500 are not
 * changed, because the table ends there. kcp-go sends no longer packets.
 */
export class XorCipher extends ChecksumCipher {
  readonly #table: Uint8Array;
  readonly #tableView: DataView;
  readonly #memory = new MemoryView();

  /**
   * @param key At least 1 byte.
   * @throws {RangeError} If the key is empty.
   */
  constructor(key: Uint8Array) {
    super("xor");
    if (key.length === 0) {
      throw new RangeError("Cannot key xor with 0 bytes: allowed are 1 or more");
    }
    this.#table = pbkdf2(sha1, key, SALT, { c: ROUNDS, dkLen: TABLE_SIZE });
    this.#tableView = new DataView(this.#table.buffer);
  }

  /** Encrypts a packet in place. */
  protected override encrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    const view = this.#memory.of(bytes);
    const tableView = this.#tableView;
    const length = Math.min(end - start, TABLE_SIZE);
    let i = 0;
    // Whole words are four times as fast as single bytes.
    for (; i + 4 <= length; i += 4) {
      view.setInt32(start + i, view.getInt32(start + i, true) ^ tableView.getInt32(i, true), true);
    }
    for (; i < length; i++) bytes[start + i] ^= this.#table[i];
  }

  /** Decrypts a packet in place. */
  protected override decrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    this.encrypt(bytes, start, end);
  }
}

/**
 * Creates a cipher that XORs packets with a table, and adds a checksum: `xor` of `createCipher`. It
 * protects nearly nothing.
 *
 * @param key The key, 1 byte or more. It is copied.
 * @throws {TypeError} If the key is not a Uint8Array.
 * @throws {RangeError} If it is empty.
 */
export function simpleXor(key: Uint8Array): PacketCipher {
  return new XorCipher(checkedKey("xor", key, { from: 1, to: Infinity }));
}
