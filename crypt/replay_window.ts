/** Most packets that a window can be asked to remember. */
const MAX_SIZE = 1 << 24;
/** Entries that a table has room for at first. */
const FIRST_ENTRIES = 64;
/**
 * Most slots that are looked at for one nonce.
 *
 * Random nonces in tables that are at most half full come nowhere near: the probability of a run of taken slots
 * falls by the factor √e / 2 = 0.82 with each slot (Chernoff), so that even among 2^24 of them a search as long
 * as this has one below 10^-12.
 */
export const MAX_PROBE = 256;

/** A set of fingerprints of 64 bits, in an open-addressing table with linear probing. */
class Generation {
  /** How many there are. */
  count = 0;
  /** Two words a slot; both zero where the slot is free. */
  #slots: Int32Array;
  /** The number of slots, a power of two, less one. */
  #mask: number;

  constructor(entries: number) {
    this.#slots = new Int32Array(4 * entries);
    this.#mask = 2 * entries - 1;
  }

  get byteLength(): number {
    return this.#slots.byteLength;
  }

  /** The slot that has the fingerprint or could take it, -1 if there is none within reach. */
  #slot(slots: Int32Array, mask: number, low: number, high: number): number {
    let slot = low & mask;
    for (let probe = 0; probe < MAX_PROBE; probe++) {
      const a = slots[2 * slot], b = slots[2 * slot + 1];
      if (a === low && b === high || (a | b) === 0) return slot;
      slot = slot + 1 & mask;
    }
    return -1;
  }

  /** Reads the first slot that a fingerprint could have. */
  touch(low: number): number {
    return this.#slots[2 * (low & this.#mask)];
  }

  has(low: number, high: number): boolean {
    const slot = this.#slot(this.#slots, this.#mask, low, high);
    return slot >= 0 && (this.#slots[2 * slot] | this.#slots[2 * slot + 1]) !== 0;
  }

  /** Returns whether the fingerprint is in the table now. */
  add(low: number, high: number): boolean {
    let slot = this.#slot(this.#slots, this.#mask, low, high);
    if (slot >= 0 && (this.#slots[2 * slot] | this.#slots[2 * slot + 1]) !== 0) return true;
    if (2 * this.count > this.#mask) {
      if (!this.#grow()) return false;
      slot = this.#slot(this.#slots, this.#mask, low, high);
    }
    if (slot < 0) return false;
    this.#slots[2 * slot] = low;
    this.#slots[2 * slot + 1] = high;
    this.count++;
    return true;
  }

  /** Doubles the table. Returns whether all that it has found a place. */
  #grow(): boolean {
    const old = this.#slots;
    const slots = new Int32Array(2 * old.length);
    const mask = 2 * this.#mask + 1;
    for (let i = 0; i < old.length; i += 2) {
      const low = old[i], high = old[i + 1];
      if ((low | high) === 0) continue;
      const slot = this.#slot(slots, mask, low, high);
      if (slot < 0) return false;
      slots[2 * slot] = low;
      slots[2 * slot + 1] = high;
    }
    this.#slots = slots;
    this.#mask = mask;
    return true;
  }

  /** Forgets all, and keeps the memory. */
  clear(): void {
    if (this.count > 0) this.#slots.fill(0);
    this.count = 0;
  }
}

/**
 * Remembers the nonces of packets, so that a packet which someone recorded and sends again is refused.
 *
 * It is for packets that were authenticated: strangers cannot fill it. Nonces are random and have no order, so
 * the window cannot slide over numbers as that of IPsec does (RFC 4303 §3.4.3). There are two sets of them
 * instead, and when the newer has as many as were asked for, the older is forgotten and a new one begins.
 *
 * Of a nonce its first 8 bytes count. With the 2^17 that are remembered at most by default, a new one is taken for
 * one of them with a probability of 2^-47; such a packet counts as lost.
 *
 * Adding and asking look at no more than 256 slots of each set. A peer that has the key can choose
 * nonces that need more; a new set begins early then, and what is remembered of that peer is less.
 */
export class ReplayWindow {
  readonly #size: number;
  #current: Generation;
  #previous: Generation;
  /** What was read for nothing else than to be in the cache. */
  #touched = 0;

  /**
   * @param size How many of the last nonces are remembered at least, 1 to 2^24; at most twice as many are.
   * Memory grows as they come, from 2 KiB up to 32 bytes for each of `size`, rounded up to a power of two.
   * @throws {RangeError} If the size is out of its range.
   */
  constructor(size = 65_536) {
    if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE) {
      throw new RangeError(
        `Cannot remember ${size} packets: allowed are whole numbers 1 to ${MAX_SIZE}`,
      );
    }
    this.#size = size;
    this.#current = new Generation(FIRST_ENTRIES);
    this.#previous = new Generation(FIRST_ENTRIES);
  }

  /** Bytes of memory that the sets take now. */
  get byteLength(): number {
    return this.#current.byteLength + this.#previous.byteLength;
  }

  /**
   * Reads where a nonce would be remembered. The sets are larger than the cache of a CPU: to be asked for many nonces, one
   * after the other, is some ten times faster after this was called for each of them.
   *
   * @param bytes The memory that the nonce lies in.
   * @param at Offset of its first byte.
   */
  prefetch(bytes: Uint8Array, at: number): void {
    const low = word(bytes, at);
    this.#touched ^= this.#current.touch(low) ^ this.#previous.touch(low);
  }

  /**
   * Whether the nonce is remembered.
   *
   * @param bytes The memory that it lies in.
   * @param at Offset of its first byte.
   */
  has(bytes: Uint8Array, at: number): boolean {
    const low = word(bytes, at), high = secondWord(bytes, at, low);
    return this.#current.has(low, high) || this.#previous.has(low, high);
  }

  /**
   * Remembers a nonce.
   *
   * @param bytes The memory that it lies in.
   * @param at Offset of its first byte.
   */
  add(bytes: Uint8Array, at: number): void {
    const low = word(bytes, at), high = secondWord(bytes, at, low);
    if (this.#current.has(low, high)) return;
    if (this.#current.count >= this.#size || !this.#current.add(low, high)) {
      const forgotten = this.#previous;
      forgotten.clear();
      forgotten.add(low, high);
      this.#previous = this.#current;
      this.#current = forgotten;
    }
  }

  /** Forgets all nonces, and gives the memory back. */
  clear(): void {
    this.#current = new Generation(FIRST_ENTRIES);
    this.#previous = new Generation(FIRST_ENTRIES);
  }
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24;
}

/** The second word of a fingerprint, which is not zero if the first one is: that is what a free slot has. */
function secondWord(bytes: Uint8Array, at: number, first: number): number {
  const second = word(bytes, at + 4);
  return (first | second) === 0 ? 1 : second;
}
