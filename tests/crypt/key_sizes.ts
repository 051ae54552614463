import type { CipherName } from "../../crypt/mod.ts";

/** The length of a key in bytes, for each cipher. */
export const KEY_SIZES: Readonly<Record<CipherName, number>> = {
  "aes-128": 16,
  "aes-192": 24,
  "aes-256": 32,
  "sm4": 16,
  "twofish": 32,
  "3des": 24,
  "blowfish": 32,
  "cast5": 16,
  "tea": 16,
  "xtea": 16,
  "salsa20": 32,
  "xor": 32,
  "none": 0,
  "aes-128-gcm": 16,
  "aes-192-gcm": 24,
  "aes-256-gcm": 32,
  "chacha20-poly1305": 32,
};
