import { sha1 } from "@noble/hashes/legacy.js";
import { pbkdf2 } from "@noble/hashes/pbkdf2.js";

/** The salt. It is not secret. Source: kcptun. */
const SALT = "kcp-go";
/** Rounds of PBKDF2. Source: kcptun. */
const ROUNDS = 4096;
/** Bytes of the derived key. */
const KEY_SIZE = 32;

/**
 * Derives a key from a password in the way of kcptun: PBKDF2-HMAC-SHA1 (RFC 8018 §5.2), salt
 * `kcp-go`, 4096 rounds.
 *
 * Few rounds and a public salt make it cheap to try many passwords: an attacker can find a password
 * that people can remember from one recorded packet. Use a long random password, or 32 random bytes
 * as the key and no password.
 *
 * @param password The password: bytes, or a string that is encoded as UTF-8.
 * @returns 32 bytes. For ciphers with a shorter key, kcptun uses the first 16 or 24 of them.
 * @throws {TypeError} If the password is neither a string nor a Uint8Array.
 *
 * @example
 * ```ts
 * import { createCipher, deriveKey } from "@lowlatency/kcp/crypt";
 *
 * const cipher = createCipher("chacha20-poly1305", deriveKey("correct horse battery staple"));
 * ```
 */
export function deriveKey(password: string | Uint8Array): Uint8Array<ArrayBuffer> {
  if (typeof password !== "string" && !(password instanceof Uint8Array)) {
    throw new TypeError(
      `Cannot derive a key from a password of type ${typeof password}: ` +
        "allowed are a string or a Uint8Array",
    );
  }
  return pbkdf2(sha1, password, SALT, { c: ROUNDS, dkLen: KEY_SIZE }) as Uint8Array<ArrayBuffer>;
}
