import { ChecksumCipher } from "./checksum_cipher.ts";
import type { PacketCipher } from "./packet_cipher.ts";

/** Nonce and checksum without encryption. Anyone can read the packets and forge them. */
export class NoneCipher extends ChecksumCipher {
  /** Makes the cipher. It has no key. */
  constructor() {
    super("none");
  }

  /** Does nothing. */
  protected override encrypt(): void {}

  /** Does nothing. */
  protected override decrypt(): void {}
}

/** Creates a cipher that adds a nonce and a checksum, and encrypts nothing: `none` of `createCipher`. */
export function noEncryption(): PacketCipher {
  return new NoneCipher();
}
