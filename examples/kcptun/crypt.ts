import {
  type CipherName,
  createCipherFromPassword,
  type PacketCipher,
} from "@lowlatency/kcp/crypt";

/** The ciphers that have another name in kcptun. */
const OTHER_NAMES: Readonly<Record<string, CipherName>> = { aes: "aes-256" };

/**
 * The cipher that kcptun has under a name. The key is derived from the secret, and has as many
 * bytes as kcptun uses.
 *
 * @param crypt A name of kcptun: see `CRYPT_NAMES`.
 * @param key The secret.
 * @returns Undefined for `null`: packets without encryption and without a checksum.
 */
export function cipherOf(crypt: string, key: string): PacketCipher | undefined {
  if (crypt === "null") return undefined;
  const name = Object.hasOwn(OTHER_NAMES, crypt) ? OTHER_NAMES[crypt] : crypt as CipherName;
  return createCipherFromPassword(name, key);
}
