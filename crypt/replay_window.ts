/** Most packets that a window can remember. */
const MAX_SIZE = 1 << 24;
/** Entries of a new table. */
const FIRST_ENTRIES = 64;
/**
 * Most slots that a search for one nonce reads.
 *
 * Random nonces do not reach this limit, because a table is at most half full. The probability of a
 * run of occupied slots falls by the factor √e / 2 = 0.82 with each slot (Chernoff bound). Even
 * with 2^24 nonces, the probability of a search of this length is below 10^-12.
 */
export const MAX_PROBE = 256;

/** A set of 64-bit fingerprints: a hash table with open addressing and linear probing. */
class Generation {
  /** Number of fingerprints. */
  count = 0;
  /** Two words for each slot. Both are zero if the slot is free. */
  #slots: Int32Array;
  /** The number of slots minus one. The number of slots is a power of two. */
  #mask: number;

  constructor(entries: number) {
    this.#slots = new Int32Array(4 * entries);
    this.#mask = 2 * entries - 1;
  }

  get byteLength(): number {
    return this.#slots.byteLength;
  }

  /**
   * The slot that holds the fingerprint, or a free slot for it. -1 if `MAX_PROBE` slots have
   * neither.
   */
  #slot(slots: Int32Array, mask: number, low: number, high: number): number {
    let slot = low & mask;
    for (let probe = 0; probe < MAX_PROBE; probe++) {
      const a = slots[2 * slot], b = slots[2 * slot + 1];
      if (a === low && b === high || (a | b) === 0) return slot;
      slot = slot + 1 & mask;
    }
    return -1;
  }

  /** Reads the first slot for a fingerprint, so that the CPU loads it into its cache. */
  touch(low: number): number {
    return this.#slots[2 * (low & this.#mask)];
  }

  has(low: number, high: number): boolean {
    const slot = this.#slot(this.#slots, this.#mask, low, high);
    return slot >= 0 && (this.#slots[2 * slot] | this.#slots[2 * slot + 1]) !== 0;
  }

  /** Adds a fingerprint. Returns false if there is no slot for it. */
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

  /** Doubles the table. Returns false, and changes nothing, if a fingerprint finds no slot. */
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

  /** Removes all fingerprints, and keeps the memory. */
  clear(): void {
    if (this.count > 0) this.#slots.fill(0);
    this.count = 0;
  }
}

/**
 * Remembers the nonces of recent packets, so that a replayed packet (one that an attacker recorded
 * and sends again) is rejected.
 *
 * Use it only for authenticated packets, so that an attacker without the key cannot fill it. Nonces
 * are random and have no order, so there is no sliding window of sequence numbers as in IPsec (RFC
 * 4303 §3.4.3). Instead, there are two sets of nonces. When the newer set is full, the older set is
 * emptied and becomes the newer one.
 *
 * Only the first 8 bytes of a nonce are compared. By default at most 2^17 nonces are remembered.
 * The probability that a new nonce equals one of them is 2^-47. Such a packet is rejected, as if it
 * were lost.
 *
 * Every search reads at most 256 slots of each set. A peer that has the key can choose nonces that
 * need more slots. Then the sets are exchanged early, and fewer nonces of this peer are remembered.
 */
export class ReplayWindow {
  readonly #size: number;
  #current: Generation;
  #previous: Generation;
  /** Combines the words that `prefetch` reads, so that the compiler does not remove the reads. */
  #touched = 0;

  /**
   * @param size How many of the newest nonces are remembered at least: 1 to 2^24. At most twice as
   * many are remembered. The memory grows with the number of nonces, from 2 KiB up to 32 bytes for
   * each of `size`, rounded up to a power of two. Default: 65536.
   * @throws {RangeError} If the size is out of range.
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

  /** Bytes of memory that the sets occupy now. */
  get byteLength(): number {
    return this.#current.byteLength + this.#previous.byteLength;
  }

  /**
   * Reads the memory where a nonce would be stored. The sets are larger than the cache of a CPU. If
   * this method is called for many nonces first, then looking them up is about ten times faster.
   *
   * @param bytes The memory that holds the nonce.
   * @param at Offset of its first byte.
   */
  prefetch(bytes: Uint8Array, at: number): void {
    const low = word(bytes, at);
    this.#touched ^= this.#current.touch(low) ^ this.#previous.touch(low);
  }

  /**
   * Whether the nonce is remembered.
   *
   * @param bytes The memory that holds the nonce.
   * @param at Offset of its first byte.
   */
  has(bytes: Uint8Array, at: number): boolean {
    const low = word(bytes, at), high = secondWord(bytes, at, low);
    return this.#current.has(low, high) || this.#previous.has(low, high);
  }

  /**
   * Remembers a nonce.
   *
   * @param bytes The memory that holds the nonce.
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

  /** Forgets all nonces, and frees the memory. */
  clear(): void {
    this.#current = new Generation(FIRST_ENTRIES);
    this.#previous = new Generation(FIRST_ENTRIES);
  }
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24;
}

/**
 * The second word of a fingerprint. It is 1 if both words would be zero, because a free slot is
 * zero.
 */
function secondWord(bytes: Uint8Array, at: number, first: number): number {
  const second = word(bytes, at + 4);
  return (first | second) === 0 ? 1 : second;
}
