import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";

/**
 * Makes a function that gives a text 32 bits which nobody can guess without the key: the first bits
 * of its HMAC-SHA-256.
 *
 * @param key At least 16 random bytes.
 */
export function shortMac(key: Uint8Array): (text: string) => number {
  const encoder = new TextEncoder();
  return (text) => {
    const mac = hmac(sha256, key, encoder.encode(text));
    return new DataView(mac.buffer, mac.byteOffset).getInt32(0, true);
  };
}
