import { NoncePool } from "../../crypt/nonce_pool.ts";
import type { Entropy, PacketCipher } from "../../crypt/packet_cipher.ts";
import { ReplayWindow } from "../../crypt/replay_window.ts";
import type { PacketBatch } from "../../kcp/packet_batch.ts";
import { shown } from "./shown.ts";

/** Settings of packet encryption. */
export interface ProtectionOptions {
  /**
   * The cipher of every packet, made by `createCipher`. Both ends need the same cipher and key.
   * Packets that fail its check are dropped. Default: none.
   */
  crypt?: PacketCipher | undefined;
  /**
   * Fills bytes with unpredictable random values, for nonces. Required with `crypt`. `listen` and
   * `connect` set it to `systemEntropy`, the random source of the runtime.
   */
  entropy?: Entropy | undefined;
  /**
   * With an authenticated cipher, a packet that was received before, or that this end sent, is
   * refused. This is the least number of packets of both directions that are remembered, 0 to 2^24.
   * 0: replays are accepted. Default: 65536.
   */
  replayWindow?: number | undefined;
}

/** What no encryption adds to a packet. */
export const NO_PROTECTION = { headroom: 0, tailroom: 0 };

/** Most packets that {@linkcode PacketProtection.openRun} takes at once. */
export const MAX_RUN = 64;

/** A cipher with its nonces, and the nonces of past packets, which must not be accepted again. */
export class PacketProtection {
  /** Bytes that it adds in front of a packet. */
  readonly headroom: number;
  /** Bytes that it adds behind a packet. */
  readonly tailroom: number;
  readonly #cipher: PacketCipher;
  readonly #nonces: NoncePool;
  readonly #seen: ReplayWindow | null;
  /** The packets of the present call of openRun. */
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
   * Makes the protection for checked settings; null without a cipher.
   *
   * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range.
   */
  static of(options: ProtectionOptions): PacketProtection | null {
    const { crypt, entropy, replayWindow = 65_536 } = options;
    if (typeof replayWindow !== "number") {
      throw new TypeError(
        `Cannot set replayWindow to ${shown(replayWindow)}: it must be a number`,
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
        // The message must not show the value: it may be the key.
        `Cannot set crypt to a value of type ${
          crypt === null ? "null" : typeof crypt
        }: it must be a cipher that createCipher made`,
      );
    }
    if (typeof entropy !== "function") {
      throw new TypeError(
        "Cannot encrypt without entropy: pass { entropy: systemEntropy }, " +
          "or another source of unpredictable bytes",
      );
    }
    return new PacketProtection(crypt, entropy, replayWindow);
  }

  /** Encrypts the packets of a batch from index `first` on: see {@linkcode PacketCipher.seal}. */
  seal(batch: PacketBatch, first: number): void {
    const { starts, ends, count } = batch;
    const { bytes } = batch.arena;
    const cipher = this.#cipher;
    for (let i = first; i < count; i++) this.#nonces.fill(bytes, starts[i], cipher.nonceSize);
    if (cipher.sealAll && count - first > 1) cipher.sealAll(bytes, starts, ends, first, count);
    else for (let i = first; i < count; i++) cipher.seal(bytes, starts[i], ends[i]);
    if (!this.#seen) return;
    // Both directions have the same key, so an attacker could send our own packets back to us.
    for (let i = first; i < count; i++) this.#seen.prefetch(bytes, starts[i]);
    for (let i = first; i < count; i++) this.#seen.add(bytes, starts[i]);
  }

  /**
   * Decrypts up to {@linkcode MAX_RUN} packets in place. They lie one behind the other without
   * gaps. Call {@linkcode PacketProtection.isReplay} for a packet only after the packets before it
   * were accepted: the run may contain a packet twice.
   *
   * @param size Bytes of each packet. The last one may be shorter.
   * @returns For each packet, 1 if it passed the check of the cipher, otherwise 0. The array is
   * valid until the next call.
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
    // A run of 0 bytes is one empty packet.
    do {
      starts[count] = at;
      ends[count++] = Math.min(at + size, end);
      if (end - at >= this.headroom) this.#seen?.prefetch(bytes, at);
      at += size;
    } while (at < end);
    // Only the last packet can be too short for the cipher. A custom cipher need not check for
    // that.
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

  /** Whether a decrypted packet was accepted before, or was sent by this end. */
  isReplay(bytes: Uint8Array<ArrayBuffer>, start: number): boolean {
    // Decryption with an authenticated cipher leaves the nonce as it is.
    return this.#seen?.has(bytes, start) ?? false;
  }

  /**
   * Remembers a decrypted packet that a session has accepted: its copies are replays from now on. A
   * packet that no session accepted is not remembered, so a copy from a wrong address, sent by an
   * attacker, does not block the original.
   */
  remember(bytes: Uint8Array<ArrayBuffer>, start: number): void {
    this.#seen?.add(bytes, start);
  }
}
