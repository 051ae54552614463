/**
 * What is combined: every cipher, ways to correct errors, and networks.
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

/** Error correction of each side. */
export interface Correction {
  name: string;
  ours: Ratio;
  theirs: Ratio;
}

/** A cipher for both sides. */
export interface SharedCipher {
  name: string;
  key: Uint8Array<ArrayBuffer>;
}

/** Each cipher with a key of the length that kcptun gives it, and none at all. */
export const CIPHERS: SharedCipher[] = [
  { name: "", key: new Uint8Array() },
  ...CIPHER_NAMES.map((name, i) => ({ name, key: pattern(50_001 + i, KEY_SIZES[name]) })),
];

/** Ways to correct errors. */
export const CORRECTIONS: Correction[] = [
  { name: "no FEC", ours: null, theirs: null },
  { name: "FEC 10/3", ours: [10, 3], theirs: [10, 3] },
  { name: "FEC 3/1", ours: [3, 1], theirs: [3, 1] },
  { name: "FEC 5/2 ours, 10/3 theirs", ours: [5, 2], theirs: [10, 3] },
];

/** What our sessions are set to. */
export function ourSettings(cipher: SharedCipher, ours: Ratio): Omit<ConnectOptions, "port"> {
  return {
    ...turbo,
    sndWnd: 1024,
    rcvWnd: 1024,
    // The last acknowledgments may be lost a few times.
    linger: 20_000,
    ...(cipher.name ? { crypt: createCipher(cipher.name as CipherName, cipher.key) } : {}),
    ...(ours ? { fec: { dataShards: ours[0], parityShards: ours[1] } } : {}),
  };
}

/** What their sessions are set to. */
export function theirSettings(cipher: SharedCipher, theirs: Ratio): PeerSettings {
  const [data, parity] = theirs ?? [0, 0];
  return { cipher: cipher.name, key: cipher.key.toHex(), data, parity };
}

/** A network that loses so many packets each way, and brings some late or twice. */
export function lossy(loss: number): LinkOptions {
  return { loss, duplicate: 0.02, reorder: { probability: 0.05, delay: 5 } };
}
