import { NoncePool } from "../../crypt/nonce_pool.ts";
import type { Entropy, PacketCipher } from "../../crypt/packet_cipher.ts";
import { ReplayWindow } from "../../crypt/replay_window.ts";
import type { PacketBatch } from "../../kcp/packet_batch.ts";

/** Settings of the encryption of packets. */
export interface ProtectionOptions {
  /**
   * Encrypts every packet, with the key that both ends share: made by `createCipher`. Packets that fail its check
   * are dropped. None unless given.
   */
  crypt?: PacketCipher;
  /**
   * Fills bytes with randomness that nobody can foresee: for nonces. `listen` and `connect` bring the
   * runtime's, {@linkcode systemEntropy}.
   */
  entropy?: Entropy;
  /**
   * With a cipher that authenticates, packets that were seen before, or that were sent from here, are refused: so
   * many of both together are remembered at least, 65536 unless given; 0 for none.
   */
  replayWindow?: number;
}

/** Most packets of a run that is opened at once. */
export const MAX_RUN = 64;

/** A cipher with all that it needs around it: nonces, and a memory of packets that were seen. */
export class PacketProtection {
  /** Bytes that it adds in front of a packet. */
  readonly headroom: number;
  /** Bytes that it adds behind a packet. */
  readonly tailroom: number;
  readonly #cipher: PacketCipher;
  readonly #nonces: NoncePool;
  readonly #seen: ReplayWindow | null;
  /** The packets that are opened at the moment. */
  readonly #run = {
    starts: new Int32Array(MAX_RUN),
    ends: new Int32Array(MAX_RUN),
    opened: new Uint8Array(MAX_RUN),
  };

  /** Whether a packet that opens was made by somebody who has the key. */
  get authenticates(): boolean {
    return this.#cipher.authenticates;
  }

  constructor(cipher: PacketCipher, entropy: Entropy, replayWindow: number) {
    this.#cipher = cipher;
    this.headroom = cipher.headroom;
    this.tailroom = cipher.tailroom;
    this.#nonces = new NoncePool(entropy);
    this.#seen = cipher.authenticates && replayWindow > 0 ? new ReplayWindow(replayWindow) : null;
  }

  /**
   * What the settings ask for, null for none.
   *
   * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range.
   */
  static of(options: ProtectionOptions): PacketProtection | null {
    const { crypt, entropy, replayWindow = 65_536 } = options;
    if (typeof replayWindow !== "number") {
      throw new TypeError(
        `Cannot set replayWindow to ${String(replayWindow)}: it must be a number`,
      );
    }
    if (!Number.isInteger(replayWindow) || replayWindow < 0 || replayWindow > 1 << 24) {
      throw new RangeError(
        `Cannot set replayWindow to ${replayWindow}: allowed are whole numbers 0 to ${1 << 24}`,
      );
    }
    if (crypt === undefined) return null;
    if (typeof crypt?.seal !== "function" || typeof crypt.open !== "function") {
      throw new TypeError(
        // Not the value: it may be the key.
        `Cannot set crypt to a value of type ${
          crypt === null ? "null" : typeof crypt
        }: it must be a cipher that createCipher made`,
      );
    }
    if (typeof entropy !== "function") {
      throw new TypeError(
        "Cannot encrypt without entropy: pass { entropy: systemEntropy }, or another source of unforeseeable bytes",
      );
    }
    return new PacketProtection(crypt, entropy, replayWindow);
  }

  /** Seals the packets of a batch from `first` on: see {@linkcode PacketCipher.seal}. */
  seal(batch: PacketBatch, first: number): void {
    const { starts, ends, count } = batch;
    const { bytes } = batch.arena;
    const cipher = this.#cipher;
    for (let i = first; i < count; i++) this.#nonces.fill(bytes, starts[i], cipher.nonceSize);
    if (cipher.sealAll && count - first > 1) cipher.sealAll(bytes, starts, ends, first, count);
    else for (let i = first; i < count; i++) cipher.seal(bytes, starts[i], ends[i]);
    if (!this.#seen) return;
    // Both directions have the same key: what was sent could be thrown back.
    for (let i = first; i < count; i++) this.#seen.prefetch(bytes, starts[i]);
    for (let i = first; i < count; i++) this.#seen.add(bytes, starts[i]);
  }

  /**
   * Opens packets in place that lie one behind the other, at most {@linkcode MAX_RUN}. Whether a packet was seen before is to
   * be asked once those before it are taken: they may be the same.
   *
   * @param size Bytes of each; the last one may be shorter.
   * @returns For each, whether it is whole: 1 or 0. Valid until the next call.
   */
  openRun(
    bytes: Uint8Array<ArrayBuffer>,
    start: number,
    end: number,
    size: number,
  ): Uint8Array {
    const cipher = this.#cipher;
    const { starts, ends, opened } = this.#run;
    let count = 0, at = start;
    // An empty packet is one, too.
    do {
      starts[count] = at;
      ends[count++] = Math.min(at + size, end);
      if (end - at >= this.headroom) this.#seen?.prefetch(bytes, at);
      at += size;
    } while (at < end);
    // Only the last one can be too short to be one. Ciphers of others need not expect that.
    const shortest = this.headroom + this.tailroom;
    if (cipher.openAll && count > 1 && ends[count - 1] - starts[count - 1] >= shortest) {
      cipher.openAll(bytes, starts, ends, 0, count, opened);
    } else {
      for (let i = 0; i < count; i++) {
        const whole = ends[i] - starts[i] >= shortest && cipher.open(bytes, starts[i], ends[i]);
        opened[i] = Number(whole);
      }
    }
    return opened;
  }

  /** Whether a packet that was opened had been taken before, or was sent from here. */
  isReplay(bytes: Uint8Array<ArrayBuffer>, start: number): boolean {
    // The nonce stays as it is when an authenticated packet is opened.
    return this.#seen?.has(bytes, start) ?? false;
  }

  /**
   * Notes that a packet that was opened is taken: when it comes again, it is refused. Until then a copy from elsewhere
   * does not take its place.
   */
  remember(bytes: Uint8Array<ArrayBuffer>, start: number): void {
    this.#seen?.add(bytes, start);
  }
}
