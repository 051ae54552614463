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

/** The name of a packet cipher: see {@linkcode createCipher} for what each gives. */
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

/** What `createCipher` knows of a cipher. */
interface Entry {
  /** Lengths of a key in bytes: the allowed ones, or a shortest and a longest. */
  readonly keySizes: readonly number[] | { readonly from: number; readonly to: number };
  /** Bytes of a derived key that kcptun keys the cipher with. */
  readonly derived: 16 | 24 | 32;
  create(key: Uint8Array): PacketCipher;
}

/** TEA rounds of kcp-go, a quarter of the paper's. */
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

/** The names of all ciphers that there are. */
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

/** The allowed lengths, in words, if this is none of them; null if it is. */
function allowedSizes(keySizes: Entry["keySizes"], size: number): string | null {
  if ("from" in keySizes) {
    const { from, to } = keySizes;
    if (size >= from && size <= to) return null;
    return to === Infinity ? `${from} or more` : `${from} to ${to}`;
  }
  return keySizes.includes(size) ? null : keySizes.join(", ").replace(/, (?=\d+$)/, " or ");
}

/**
 * Creates a packet cipher of the name, for both directions: both ends must have the same cipher and the same key.
 *
 * | name | key, bytes | what it gives |
 * | --- | --- | --- |
 * | `chacha20-poly1305` | 32 | secrecy, and authentication: forged packets are refused |
 * | `aes-128-gcm`, `aes-192-gcm`, `aes-256-gcm` | 16, 24, 32 | the same |
 * | `aes-128`, `aes-192`, `aes-256` | 16, 24, 32 | obfuscation; a checksum against accidents |
 * | `sm4`, `cast5`, `tea`, `xtea` | 16 | the same |
 * | `twofish` | 16, 24 or 32 | the same |
 * | `3des` | 24 | the same |
 * | `blowfish` | 1 to 56 | the same |
 * | `salsa20` | 32 | the same |
 * | `xor` | 1 or more | what a look at two packets undoes; a checksum |
 * | `none` | none | a checksum; packets are readable |
 *
 * Which to choose: `chacha20-poly1305`, or one of `aes-*-gcm`, when both ends can. Neither looks anything up in memory by
 * secret bytes, so their time tells nothing of the key; but where there is no WebAssembly with SIMD, AES does, as the
 * other block ciphers do everywhere, and someone who runs code on the same CPU may learn from that. All others are there for peers that are configured so: whoever can alter their packets can flip bits of the
 * payload through the cipher and correct the checksum to match, and can send recorded packets again.
 *
 * What none of them gives:
 *
 * - Forward secrecy. The key is shared in advance and stays the same: whoever learns it can read all
 *   packets that were ever recorded.
 * - More than 2^32 packets under one key with the ciphers that authenticate, whose nonces are 96 random bits
 *   (NIST SP 800-38D §8.3: the chance that any two are equal stays below 2^-32). Two packets with one nonce give
 *   away the XOR of their contents, and let packets be forged. The count is that of both directions and of all
 *   sessions that share the key: at 100,000 packets a second it is reached in 12 hours.
 *
 * @param name One of {@linkcode CIPHER_NAMES}.
 * @param key The key. It is copied: the caller may wipe it. `none` takes none and ignores one.
 * @returns The cipher. One may serve any number of sessions.
 * @throws {TypeError} If there is no such cipher, or the key is not a Uint8Array.
 * @throws {RangeError} If the key has a length that the cipher does not take.
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
  // Not slice: a Buffer of Node shares its memory with what that gives.
  return create(new Uint8Array(key));
}

/**
 * Creates a packet cipher from a password, to talk to a kcptun or to a program that derives keys as it does.
 *
 * The key is that of {@linkcode deriveKey}, cut to the first 16 bytes for `aes-128`, `aes-128-gcm`, `sm4`, `cast5`,
 * `tea` and `xtea`, to 24 for `aes-192`, `aes-192-gcm` and `3des`, and whole for all others. What kcptun calls `aes`
 * is `aes-256` here; its `null` is no cipher at all.
 *
 * Deriving takes some milliseconds: do it once, and use the cipher for all sessions.
 *
 * @param name One of {@linkcode CIPHER_NAMES}.
 * @param password Bytes, or a string, of which the UTF-8 bytes count.
 * @returns The cipher.
 * @throws {TypeError} If there is no such cipher, or the password is neither a string nor a Uint8Array.
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
