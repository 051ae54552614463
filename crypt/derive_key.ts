import { sha1 } from "@noble/hashes/legacy.js";
import { pbkdf2 } from "@noble/hashes/pbkdf2.js";

/** The salt, which is the same for everyone. Source: kcptun. */
const SALT = "kcp-go";
/** Rounds of PBKDF2. Source: kcptun. */
const ROUNDS = 4096;
/** Bytes of the key that comes out. */
const KEY_SIZE = 32;

/**
 * Makes a key of a password as kcptun does: PBKDF2-HMAC-SHA1 (RFC 8018 §5.2), salt `kcp-go`, 4096 rounds.
 *
 * That is little work by today's measure, and the salt is known to all: a password that people can remember can
 * be found from one recorded packet. Use a long random one, or 32 random bytes as a key without a password.
 *
 * @param password Bytes, or a string, of which the UTF-8 bytes count.
 * @returns 32 bytes, of which kcptun takes the first 16 or 24 for ciphers with a shorter key.
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
