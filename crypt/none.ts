import { ChecksumCipher } from "./checksum_cipher.ts";

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
