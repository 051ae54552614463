import { aesCfb } from "./aes_cfb.ts";
import { blowfishCfb } from "./blowfish.ts";
import { cast5Cfb } from "./cast5.ts";
import { chacha20Poly1305 } from "./chacha20_poly1305.ts";
import { deriveKey } from "./derive_key.ts";
import { aesGcm } from "./gcm.ts";
import { checkedKey } from "./key.ts";
import { noEncryption } from "./none.ts";
import type { PacketCipher } from "./packet_cipher.ts";
import { salsa20 } from "./salsa20.ts";
import { sm4Cfb } from "./sm4.ts";
import { teaCfb } from "./tea.ts";
import { tripleDesCfb } from "./triple_des.ts";
import { twofishCfb } from "./twofish.ts";
import { simpleXor } from "./xor.ts";
import { xteaCfb } from "./xtea.ts";

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
  /** How many bytes of a derived key kcptun uses for the cipher. */
  readonly derived: 16 | 24 | 32;
  /** The only allowed length of a key in bytes, if `create` allows more. */
  readonly keySize?: number;
  create(key: Uint8Array): PacketCipher;
}

const CIPHERS: Readonly<Record<CipherName, Entry>> = {
  "aes-128": { derived: 16, keySize: 16, create: aesCfb },
  "aes-192": { derived: 24, keySize: 24, create: aesCfb },
  "aes-256": { derived: 32, keySize: 32, create: aesCfb },
  "sm4": { derived: 16, create: sm4Cfb },
  "twofish": { derived: 32, create: twofishCfb },
  "3des": { derived: 24, create: tripleDesCfb },
  "blowfish": { derived: 32, create: blowfishCfb },
  "cast5": { derived: 16, create: cast5Cfb },
  "tea": { derived: 16, create: teaCfb },
  "xtea": { derived: 16, create: xteaCfb },
  "salsa20": { derived: 32, create: salsa20 },
  "xor": { derived: 32, create: simpleXor },
  "none": { derived: 32, create: noEncryption },
  "aes-128-gcm": { derived: 16, keySize: 16, create: aesGcm },
  "aes-192-gcm": { derived: 24, keySize: 24, create: aesGcm },
  "aes-256-gcm": { derived: 32, keySize: 32, create: aesGcm },
  "chacha20-poly1305": { derived: 32, create: chacha20Poly1305 },
};

/** The names of all ciphers. */
export const CIPHER_NAMES: readonly CipherName[] = /* @__PURE__ */ Object.freeze(
  /* @__PURE__ */ Object.keys(CIPHERS) as CipherName[],
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

/**
 * Creates a packet cipher. It encrypts and decrypts. Both ends must use the same cipher and the
 * same key.
 *
 * A bundle that has this function has every cipher. Each cipher also has a function of its own, such
 * as {@linkcode chacha20Poly1305} or {@linkcode aesGcm}. A bundle with that one has no other cipher.
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
  const { keySize, create } = entryOf(name);
  if (keySize !== undefined) checkedKey(name, key, [keySize]);
  // `none` takes no key, and says so for what is none.
  if (name === "none" && key !== undefined) checkedKey(name, key, { from: 0, to: Infinity });
  return create(key as Uint8Array);
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
