/**
 * The ciphers, settings of error correction and networks that the tests combine.
 *
 * @module
 */
import { CIPHER_NAMES, type CipherName, createCipher } from "../../crypt/mod.ts";
import { type ConnectOptions, turbo } from "../../mod.ts";
import type { LinkOptions } from "../../transport/link/mod.ts";
import { KEY_SIZES } from "../crypt/key_sizes.ts";
import { pattern } from "../vectors/pattern.ts";
import type { PeerSettings } from "./peer.ts";

/** Data and parity shards; null for none. */
export type Ratio = readonly [data: number, parity: number] | null;

/** Error correction of each end. */
export interface Correction {
  name: string;
  ours: Ratio;
  theirs: Ratio;
}

/** A cipher for both ends. */
export interface SharedCipher {
  name: string;
  key: Uint8Array<ArrayBuffer>;
}

/** Each cipher, with a key of the length that kcptun uses, and no encryption. */
export const CIPHERS: SharedCipher[] = [
  { name: "", key: new Uint8Array() },
  ...CIPHER_NAMES.map((name, i) => ({ name, key: pattern(50_001 + i, KEY_SIZES[name]) })),
];

/** Settings of error correction. */
export const CORRECTIONS: Correction[] = [
  { name: "no FEC", ours: null, theirs: null },
  { name: "FEC 10/3", ours: [10, 3], theirs: [10, 3] },
  { name: "FEC 3/1", ours: [3, 1], theirs: [3, 1] },
  { name: "FEC 5/2 ours, 10/3 theirs", ours: [5, 2], theirs: [10, 3] },
];

/** The settings of our sessions. */
export function ourSettings(cipher: SharedCipher, ours: Ratio): Omit<ConnectOptions, "port"> {
  return {
    ...turbo,
    sndWnd: 1024,
    rcvWnd: 1024,
    // The network may lose the last acknowledgments several times.
    linger: 20_000,
    ...(cipher.name ? { crypt: createCipher(cipher.name as CipherName, cipher.key) } : {}),
    ...(ours ? { fec: { dataShards: ours[0], parityShards: ours[1] } } : {}),
  };
}

/** The settings of kcp-go's sessions. */
export function theirSettings(cipher: SharedCipher, theirs: Ratio): PeerSettings {
  const [data, parity] = theirs ?? [0, 0];
  return { cipher: cipher.name, key: cipher.key.toHex(), data, parity };
}

/** A network that loses this share of the packets, duplicates some, and reorders some. */
export function lossy(loss: number): LinkOptions {
  return { loss, duplicate: 0.02, reorder: { probability: 0.05, delay: 5 } };
}
