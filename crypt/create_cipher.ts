import { AesCfbCipher } from "./aes_cfb.ts";
import type { BlockCipher } from "./block_cipher.ts";
import { Blowfish } from "./blowfish.ts";
import { Cast5 } from "./cast5.ts";
import { CfbCipher } from "./cfb.ts";
import { ChaCha20Poly1305Cipher } from "./chacha20_poly1305.ts";
import { deriveKey } from "./derive_key.ts";
import { GcmCipher } from "./gcm.ts";
import { NoneCipher } from "./none.ts";
import type { PacketCipher } from "./packet_cipher.ts";
import { Salsa20Cipher } from "./salsa20.ts";
import { Sm4 } from "./sm4.ts";
import { Tea } from "./tea.ts";
import { TripleDes } from "./triple_des.ts";
import { Twofish } from "./twofish.ts";
import { XorCipher } from "./xor.ts";
import { Xtea } from "./xtea.ts";

/** The name of a packet cipher. {@linkcode createCipher} describes the ciphers. */
export type CipherName =
  | "aes-128"
  | "aes-192"
  | "aes-256"
  | "sm4"
  | "twofish"
  | "3des"
  | "blowfish"
  | "cast5"
  | "tea"
  | "xtea"
  | "salsa20"
  | "xor"
  | "none"
  | "aes-128-gcm"
  | "aes-192-gcm"
  | "aes-256-gcm"
  | "chacha20-poly1305";

/** What `createCipher` needs to know about a cipher. */
interface Entry {
  /** Allowed lengths of a key in bytes: a list, or a range. */
  readonly keySizes: readonly number[] | { readonly from: number; readonly to: number };
  /** How many bytes of a derived key kcptun uses for the cipher. */
  readonly derived: 16 | 24 | 32;
  create(key: Uint8Array): PacketCipher;
}

/** Rounds of TEA in kcp-go. The paper has 64. */
const TEA_ROUNDS = 16;

/** A block cipher in CFB mode. */
function cfb(
  name: CipherName,
  keySizes: Entry["keySizes"],
  derived: Entry["derived"],
  block: (key: Uint8Array) => BlockCipher,
): Entry {
  return { keySizes, derived, create: (key) => new CfbCipher(name, block(key)) };
}

/** AES in CFB mode. */
function aes(name: CipherName, keySize: 16 | 24 | 32): Entry {
  return { keySizes: [keySize], derived: keySize, create: (key) => new AesCfbCipher(name, key) };
}

/** AES in Galois/Counter Mode. */
function gcm(name: CipherName, keySize: 16 | 24 | 32): Entry {
  return { keySizes: [keySize], derived: keySize, create: (key) => new GcmCipher(name, key) };
}

const CIPHERS: Readonly<Record<CipherName, Entry>> = {
  "aes-128": aes("aes-128", 16),
  "aes-192": aes("aes-192", 24),
  "aes-256": aes("aes-256", 32),
  "sm4": cfb("sm4", [16], 16, (key) => new Sm4(key)),
  "twofish": cfb("twofish", [16, 24, 32], 32, (key) => new Twofish(key)),
  "3des": cfb("3des", [24], 24, (key) => new TripleDes(key)),
  "blowfish": cfb("blowfish", { from: 1, to: 56 }, 32, (key) => new Blowfish(key)),
  "cast5": cfb("cast5", [16], 16, (key) => new Cast5(key)),
  "tea": cfb("tea", [16], 16, (key) => new Tea(key, TEA_ROUNDS)),
  "xtea": cfb("xtea", [16], 16, (key) => new Xtea(key)),
  "salsa20": { keySizes: [32], derived: 32, create: (key) => new Salsa20Cipher(key) },
  "xor": {
    keySizes: { from: 1, to: Infinity },
    derived: 32,
    create: (key) => new XorCipher(key),
  },
  "none": { keySizes: { from: 0, to: Infinity }, derived: 32, create: () => new NoneCipher() },
  "aes-128-gcm": gcm("aes-128-gcm", 16),
  "aes-192-gcm": gcm("aes-192-gcm", 24),
  "aes-256-gcm": gcm("aes-256-gcm", 32),
  "chacha20-poly1305": {
    keySizes: [32],
    derived: 32,
    create: (key) => new ChaCha20Poly1305Cipher(key),
  },
};

/** The names of all ciphers. */
export const CIPHER_NAMES: readonly CipherName[] = Object.freeze(
  Object.keys(CIPHERS) as CipherName[],
);

/** @throws {TypeError} If there is no such cipher. */
function entryOf(name: CipherName): Entry {
  if (typeof name !== "string" || !Object.hasOwn(CIPHERS, name)) {
    throw new TypeError(
      `Cannot create cipher ${String(name)}: allowed are ${CIPHER_NAMES.join(", ")}`,
    );
  }
  return CIPHERS[name];
}

/** The allowed lengths as text, if the length is not allowed; else null. */
function allowedSizes(keySizes: Entry["keySizes"], size: number): string | null {
  if ("from" in keySizes) {
    const { from, to } = keySizes;
    if (size >= from && size <= to) return null;
    return to === Infinity ? `${from} or more` : `${from} to ${to}`;
  }
  return keySizes.includes(size) ? null : keySizes.join(", ").replace(/, (?=\d+$)/, " or ");
}

/**
 * Creates a packet cipher. It encrypts and decrypts. Both ends must use the same cipher and the
 * same key.
 *
 * | name | key, bytes | protection |
 * | --- | --- | --- |
 * | `chacha20-poly1305` | 32 | encryption and authentication: forged packets are rejected |
 * | `aes-128-gcm` | 16 | encryption and authentication |
 * | `aes-192-gcm` | 24 | encryption and authentication |
 * | `aes-256-gcm` | 32 | encryption and authentication |
 * | `aes-128` | 16 | encryption without authentication; a checksum detects accidental damage |
 * | `aes-192` | 24 | encryption without authentication; a checksum |
 * | `aes-256` | 32 | encryption without authentication; a checksum |
 * | `sm4`, `cast5`, `tea`, `xtea` | 16 | encryption without authentication; a checksum |
 * | `twofish` | 16, 24 or 32 | encryption without authentication; a checksum |
 * | `3des` | 24 | encryption without authentication; a checksum |
 * | `blowfish` | 1 to 56 | encryption without authentication; a checksum |
 * | `salsa20` | 32 | encryption without authentication; a checksum |
 * | `xor` | 1 or more | nearly none: two packets reveal the XOR of their contents; a checksum |
 * | `none` | no key | none: packets are readable; a checksum |
 *
 * Choose `chacha20-poly1305` or one of `aes-*-gcm` if both ends support it. All other ciphers exist
 * for peers that use them. They do not authenticate: an attacker who can change packets can flip
 * bits of the payload and correct the checksum to match. An attacker can also send recorded packets
 * again.
 *
 * The time of `chacha20-poly1305` does not depend on the key, so it reveals nothing about the key.
 * The AES ciphers have this property only where the runtime has WebAssembly with SIMD. Without it,
 * AES looks up secret bytes in tables, as some of the other block ciphers always do. An attacker
 * who runs code on the same CPU may learn the key from this.
 *
 * Limits:
 *
 * - No cipher has forward secrecy. The key never changes. An attacker who learns it can decrypt all
 *   packets that were ever recorded.
 * - A cipher that authenticates must not seal more than 2^32 packets with one key. Its nonces are
 *   96 random bits: with at most 2^32 packets, the probability that two nonces are equal is below
 *   2^-32 (NIST SP 800-38D §8.3). Two packets with the same nonce reveal the XOR of their contents,
 *   and allow forged packets. Count the packets of both directions and of all sessions that share
 *   the key. At 100,000 packets per second, 2^32 packets take 12 hours.
 *
 * @param name One of {@linkcode CIPHER_NAMES}.
 * @param key The key. It is copied, so the caller may overwrite it. `none` needs no key and ignores
 * it.
 * @returns The cipher. Any number of sessions may share it.
 * @throws {TypeError} If there is no cipher of that name, or the key is not a Uint8Array.
 * @throws {RangeError} If the cipher does not allow a key of that length.
 *
 * @example
 * ```ts
 * import { createCipher } from "@lowlatency/kcp/crypt";
 *
 * const key = crypto.getRandomValues(new Uint8Array(32));
 * const cipher = createCipher("chacha20-poly1305", key);
 * ```
 */
export function createCipher(name: CipherName, key?: Uint8Array): PacketCipher {
  const { keySizes, create } = entryOf(name);
  if (key === undefined && name === "none") return create(new Uint8Array());
  if (!(key instanceof Uint8Array)) {
    throw new TypeError(
      `Cannot key ${name} with a value of type ${key === null ? "null" : typeof key}: ` +
        "it must be a Uint8Array",
    );
  }
  const allowed = allowedSizes(keySizes, key.length);
  if (allowed !== null) {
    throw new RangeError(`Cannot key ${name} with ${key.length} bytes: allowed are ${allowed}`);
  }
  // `slice` would not copy a Buffer of Node: it shares its memory with the result.
  return create(new Uint8Array(key));
}

/**
 * Creates a packet cipher from a password. Use it to connect to kcptun, or to a program that
 * derives keys in the same way.
 *
 * {@linkcode deriveKey} derives 32 bytes. `aes-128`, `aes-128-gcm`, `sm4`, `cast5`, `tea` and
 * `xtea` use the first 16 of them. `aes-192`, `aes-192-gcm` and `3des` use the first 24. All other
 * ciphers use all 32. The cipher `aes` of kcptun is `aes-256` here. For `null` of kcptun, use no
 * cipher.
 *
 * Deriving the key takes a few ms. Do it once, and share the cipher between all sessions.
 *
 * @param name One of {@linkcode CIPHER_NAMES}.
 * @param password The password: bytes, or a string that is encoded as UTF-8.
 * @returns The cipher.
 * @throws {TypeError} If there is no cipher of that name, or the password is neither a string nor a
 * Uint8Array.
 *
 * @example
 * ```ts
 * import { createCipherFromPassword } from "@lowlatency/kcp/crypt";
 *
 * const cipher = createCipherFromPassword("aes-256", "a long secret that both ends know");
 * ```
 */
export function createCipherFromPassword(
  name: CipherName,
  password: string | Uint8Array,
): PacketCipher {
  const { derived } = entryOf(name);
  return createCipher(name, deriveKey(password).subarray(0, derived));
}
