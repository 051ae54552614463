/**
 * Packet encryption, wire-compatible with kcp-go. A session seals (encrypts) every packet that it
 * sends, and opens (decrypts and checks) every packet that it receives. Both ends share one key in
 * advance.
 *
 * {@linkcode createCipher} describes the ciphers and says which one to choose.
 *
 * @example Seal a packet, open it, and reject a forged one
 * ```ts
 * import { createCipher } from "@lowlatency/kcp/crypt";
 *
 * const cipher = createCipher("chacha20-poly1305", crypto.getRandomValues(new Uint8Array(32)));
 * const payload = new TextEncoder().encode("hello");
 *
 * const packet = new Uint8Array(cipher.headroom + payload.length + cipher.tailroom);
 * crypto.getRandomValues(packet.subarray(0, cipher.nonceSize));
 * packet.set(payload, cipher.headroom);
 * cipher.seal(packet, 0, packet.length);
 *
 * const forged = packet.slice();
 * forged[20] ^= 1;
 * console.assert(!cipher.open(forged, 0, forged.length));
 *
 * console.assert(cipher.open(packet, 0, packet.length));
 * const opened = packet.subarray(cipher.headroom, packet.length - cipher.tailroom);
 * console.assert(new TextDecoder().decode(opened) === "hello");
 * ```
 *
 * @module
 */
export {
  CIPHER_NAMES,
  type CipherName,
  createCipher,
  createCipherFromPassword,
} from "./create_cipher.ts";
export { deriveKey } from "./derive_key.ts";
export type {
  /** A source of random bytes. */
  Entropy,
  /** Encrypts and decrypts whole packets in place. */
  PacketCipher,
} from "./packet_cipher.ts";
