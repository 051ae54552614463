/**
 * Packet encryption, wire-compatible with kcp-go. A session seals (encrypts) every packet that it
 * sends, and opens (decrypts and checks) every packet that it receives. Both ends share one key in
 * advance.
 *
 * {@linkcode createCipher} describes the ciphers and says which one to choose. A bundle with one of
 * the other functions, such as {@linkcode chacha20Poly1305}, has only that cipher.
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
export { aesCfb } from "./aes_cfb.ts";
export { blowfishCfb } from "./blowfish.ts";
export { cast5Cfb } from "./cast5.ts";
export { chacha20Poly1305 } from "./chacha20_poly1305.ts";
export {
  CIPHER_NAMES,
  type CipherName,
  createCipher,
  createCipherFromPassword,
} from "./create_cipher.ts";
export { deriveKey } from "./derive_key.ts";
export { aesGcm } from "./gcm.ts";
export { noEncryption } from "./none.ts";
export type {
  /** A source of random bytes. */
  Entropy,
  /** Encrypts and decrypts whole packets in place. */
  PacketCipher,
} from "./packet_cipher.ts";
export { salsa20 } from "./salsa20.ts";
export { sm4Cfb } from "./sm4.ts";
export { teaCfb } from "./tea.ts";
export { tripleDesCfb } from "./triple_des.ts";
export { twofishCfb } from "./twofish.ts";
export { simpleXor } from "./xor.ts";
export { xteaCfb } from "./xtea.ts";
