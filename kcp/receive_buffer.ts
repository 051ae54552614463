import { Arena } from "./arena.ts";
import { ByteRing } from "./byte_ring.ts";

// Fields of a segment in the table.
const STRIDE = 4;
const STATE = 0;
const LEN = 1;
const FRG = 2;
/** Place of an early payload: an arena offset (EARLY) or a position in the byte ring (PLACED). */
const PLACE = 3;

const EMPTY = 0;
/** Arrived early. The payload is in a block of its own. */
const EARLY = 1;
/** Arrived in order. The payload is in the byte ring. */
const QUEUED = 2;
/** Arrived early. The payload is ahead in the byte ring, at the expected position. */
const PLACED = 3;

const MIN_CAPACITY = 16;
/** A segment may always be placed this many bytes ahead of the end of the ring. */
const MIN_AHEAD = 65_536;

/** The segment was stored. */
export const STORED = 0;
/** The segment had been stored before. */
export const DUPLICATE = 1;
/** The segment is beyond the window. It must not be acknowledged. */
export const REFUSED = 2;
/** No memory is left for the segment. It must not be acknowledged. */
export const NO_MEMORY = 3;

/**
 * Segments from the first unread one to the end of the receive window, at `sn & mask` of a typed
 * array.
 *
 * Payload that arrives in order is appended to one byte queue, so that a read takes any number of
 * segments in one copy. A segment that arrives early is placed ahead in the queue, on the
 * assumption that all segments before it have the same length, as in a bulk transfer. An early
 * segment of another length waits in a block of its own.
 */
export class ReceiveBuffer {
  /** First sequence number that has not arrived. */
  nxt: number;
  /** Sequence number of the first segment that is not read to its end. */
  read: number;
  /** Segments that arrived early. */
  early = 0;
  /** The sequence number after the last segment that has arrived. */
  end: number;
  /**
   * Payload bytes of a segment that met a full arena: it was refused, or it can't be moved into the
   * queue. -1 when memory was there for the last segment.
   */
  lacking = -1;
  readonly #arena: Arena;
  readonly #ring: ByteRing;
  #mask = 0;
  #table = new Int32Array(0);
  /** Bytes of the first unread segment that have been read. */
  #readOffset = 0;
  /** Payload bytes of the segments that arrived early. */
  #earlyBytes = 0;
  /** Whether more fragments follow the segment that was read last. */
  #midMessage = false;
  /**
   * How many segments are placed ahead in the ring. Each has #stride bytes. #baseSn belongs at
   * #base.
   */
  #placed = 0;
  #stride = 0;
  #baseSn = 0;
  #base = 0;

  constructor(arena: Arena, initialSn: number) {
    this.#arena = arena;
    this.#ring = new ByteRing(arena, true);
    this.nxt = this.read = this.end = initialSn | 0;
  }

  /** Segments that can be read. */
  get queued(): number {
    return (this.nxt - this.read) | 0;
  }

  /** Payload bytes that can be read. */
  get bytes(): number {
    return this.#ring.length;
  }

  /** Unread fragments of the first message. 0 if nothing can be read. */
  get headFragments(): number {
    return this.nxt === this.read ? 0 : this.#table[(this.read & this.#mask) * STRIDE + FRG] + 1;
  }

  /** Payload bytes of the first unread segment. Only valid if one can be read. */
  get headLength(): number {
    return this.#table[(this.read & this.#mask) * STRIDE + LEN];
  }

  /** Whether a segment from `nxt` on is stored. */
  has(sn: number): boolean {
    if (((sn - this.read) >>> 0) >= this.#table.length / STRIDE) return false;
    return this.#table[(sn & this.#mask) * STRIDE + STATE] !== EMPTY;
  }

  /**
   * Writes which segments have arrived, as the bitmap of a selective acknowledgment, up to the last one.
   *
   * @param from The segment of the first bit, not before `nxt`.
   * @param at Arena offset of the bitmap.
   * @param most Its bytes at most.
   * @returns Its bytes.
   */
  writeBitmap(from: number, at: number, most: number): number {
    const { bytes } = this.#arena;
    const table = this.#table;
    const count = Math.min(8 * most, (this.end - from) | 0);
    let length = 0, byte = 0;
    for (let n = 0; n < count; n++) {
      if (table[((from + n) & this.#mask) * STRIDE + STATE] !== EMPTY) byte |= 1 << (n & 7);
      if ((n & 7) < 7 && n < count - 1) continue;
      bytes[at + length++] = byte;
      byte = 0;
    }
    return length;
  }

  /**
   * Stores a segment.
   *
   * @param sn Its sequence number, not before `nxt`.
   * @param offset Arena offset of its payload.
   * @param window Segments that may be held, counted from the first unread one.
   * @param budget Bytes that may be held. Early segments do not count when `sn` is the next in
   * order: they must not keep it out.
   * @returns {@linkcode STORED}, {@linkcode DUPLICATE}, {@linkcode REFUSED} or
   * {@linkcode NO_MEMORY}.
   */
  store(
    sn: number,
    frg: number,
    offset: number,
    length: number,
    window: number,
    budget: number,
  ): number {
    const ahead = (sn - this.read) >>> 0;
    if (ahead >= window) return REFUSED;
    const held = this.bytes + length + (sn === this.nxt ? 0 : this.#earlyBytes);
    if (held > budget && held > length) return REFUSED;
    while (ahead >= this.#table.length / STRIDE) this.#grow();
    const at = (sn & this.#mask) * STRIDE;
    if (this.#table[at + STATE] !== EMPTY) return DUPLICATE;
    if (sn !== this.nxt) {
      if (!this.#storeEarly(sn, at, offset, length)) return NO_MEMORY;
      this.early++;
      this.#earlyBytes += length;
    } else {
      if (!this.#fits(length) || !this.#ring.appendInside(offset, length)) {
        return this.#refuse(length);
      }
      this.#table[at + STATE] = QUEUED;
      this.nxt = (sn + 1) | 0;
    }
    this.#table[at + LEN] = length;
    this.#table[at + FRG] = frg;
    this.lacking = -1;
    if (((sn - this.end) | 0) >= 0) this.end = (sn + 1) | 0;
    if (this.early > 0) this.#queueEarly();
    return STORED;
  }

  #refuse(length: number): number {
    this.lacking = length;
    return NO_MEMORY;
  }

  /** Segments of `length` bytes that can be stored in order at present. */
  room(length: number): number {
    return this.#ring.room(length);
  }

  /** Size of the block that the arena must have before data goes on. 0 if no memory is lacking. */
  get shortage(): number {
    return this.lacking < 0 ? 0 : this.#ring.blockFor(this.lacking);
  }

  /**
   * Tries again what met a full arena, and takes the memory for the next segment.
   *
   * @returns Whether memory was lacking and is there now.
   */
  retry(): boolean {
    const { lacking } = this;
    if (lacking < 0) return false;
    this.lacking = -1;
    if (this.early > 0) this.#queueEarly();
    if (this.lacking >= 0) return false;
    if (this.#ring.reserve(lacking)) return true;
    this.lacking = lacking;
    return false;
  }

  #storeEarly(sn: number, at: number, offset: number, length: number): boolean {
    const table = this.#table;
    if (this.#placed === 0) {
      this.#stride = length;
      this.#baseSn = this.nxt;
      this.#base = this.#ring.end;
    }
    if (length > 0 && length === this.#stride) {
      const position = (this.#base + Math.imul(sn - this.#baseSn, length)) | 0;
      const ahead = (position - this.#ring.end) | 0;
      // A place far ahead would reserve memory for data that may never arrive.
      const held = this.#ring.length + this.#placed * length;
      const places = ahead <= MIN_AHEAD + 2 * held &&
        (!this.#arena.scarce || this.#ring.holds(position, length));
      if (places && this.#ring.place(position, offset, length)) {
        table[at + STATE] = PLACED;
        table[at + PLACE] = position;
        this.#placed++;
        return true;
      }
    }
    let block = 0;
    if (length > 0) {
      // Early segments must not keep out those before them: nothing can be read without those.
      block = this.#arena.scarce ? -1 : this.#arena.alloc(length);
      if (block < 0) return false;
      this.#arena.copy(block, offset, length);
    }
    table[at + STATE] = EARLY;
    table[at + PLACE] = block;
    return true;
  }

  /**
   * Makes sure that `length` bytes can be appended without overwriting segments that are placed
   * ahead. If the segment is longer than expected, those move to blocks of their own. False without
   * memory.
   */
  #fits(length: number): boolean {
    if (this.#placed === 0 || length <= this.#stride) return true;
    const table = this.#table;
    for (let sn = this.nxt; this.#placed > 0; sn = (sn + 1) | 0) {
      const at = (sn & this.#mask) * STRIDE;
      if (table[at + STATE] !== PLACED) continue;
      const block = this.#arena.alloc(table[at + LEN]);
      if (block < 0) return false;
      this.#ring.copyInside(table[at + PLACE], table[at + LEN], block);
      table[at + STATE] = EARLY;
      table[at + PLACE] = block;
      this.#unplace();
    }
    return true;
  }

  #unplace(): void {
    this.#placed--;
    if (this.#placed === 0) this.#ring.extent = this.#ring.end;
  }

  /** Moves early segments that are now in order into the byte queue. */
  #queueEarly(): void {
    const table = this.#table;
    const ring = this.#ring;
    for (; this.early > 0; this.early--, this.nxt = (this.nxt + 1) | 0) {
      const at = (this.nxt & this.#mask) * STRIDE;
      const state = table[at + STATE];
      const length = table[at + LEN];
      if (state === PLACED) {
        ring.admit(table[at + PLACE], length);
        this.#unplace();
      } else if (state === EARLY) {
        if (length > 0) {
          // Without memory the segment stays early. See `retry`.
          if (!this.#fits(length) || !ring.appendInside(table[at + PLACE], length)) {
            this.lacking = length;
            return;
          }
          this.#arena.free(table[at + PLACE], length);
        }
      } else {
        return;
      }
      table[at + STATE] = QUEUED;
      this.#earlyBytes -= length;
    }
  }

  /** Whether the next message is empty: a single segment without payload. */
  get atEmptyMessage(): boolean {
    if (this.read === this.nxt || this.#midMessage) return false;
    const at = (this.read & this.#mask) * STRIDE;
    return this.#table[at + LEN] === 0 && this.#table[at + FRG] === 0;
  }

  /** Whether an empty message is the last one that arrived in order, and is not read yet. */
  get endsEmpty(): boolean {
    if (this.queued < 2) return this.atEmptyMessage;
    const table = this.#table;
    const last = ((this.nxt - 1) & this.#mask) * STRIDE;
    const before = ((this.nxt - 2) & this.#mask) * STRIDE;
    return table[last + LEN] === 0 && table[last + FRG] === 0 && table[before + FRG] === 0;
  }

  /** Unread bytes of the first message. -1 if it is not complete. */
  peekSize(): number {
    const fragments = this.headFragments;
    const { queued } = this;
    if (fragments === 0) return -1;
    let size = -this.#readOffset;
    let sn = this.read;
    // A message ends with frg 0; a peer whose countdown is wrong can't make it longer than
    // announced.
    for (let n = 1; n <= queued; n++, sn = (sn + 1) | 0) {
      const at = (sn & this.#mask) * STRIDE;
      size += this.#table[at + LEN];
      if (this.#table[at + FRG] === 0 || n === fragments) return size;
    }
    return -1;
  }

  /** Takes the first message. `size` is the result of `peekSize`. */
  takeMessage(target: Uint8Array, size: number): void {
    const fragments = this.headFragments;
    for (let n = 1; n <= fragments; n++) if (this.#pop() === 0) break;
    this.#midMessage = false;
    this.#ring.take(target, size);
    this.#ring.rewind();
    if (this.early > 0) this.#queueEarly();
  }

  /**
   * Takes bytes until `target` is full, none is left or an empty message is next. Returns how many.
   */
  takeBytes(target: Uint8Array): number {
    const room = target.length;
    const table = this.#table;
    let count = 0;
    while (this.read !== this.nxt) {
      if (this.atEmptyMessage) break;
      const length = table[(this.read & this.#mask) * STRIDE + LEN];
      const left = length - this.#readOffset;
      if (count + left > room) {
        this.#readOffset += room - count;
        count = room;
        break;
      }
      count += left;
      this.#pop();
    }
    if (count > 0) {
      this.#ring.take(target, count);
      this.#ring.rewind();
      if (this.early > 0) this.#queueEarly();
    }
    return count;
  }

  /** Drops the first unread segment. Returns its unread bytes, -1 if there is no segment. */
  skip(): number {
    if (this.read === this.nxt) return -1;
    const left = this.#table[(this.read & this.#mask) * STRIDE + LEN] - this.#readOffset;
    this.#pop();
    this.#ring.discard((this.#ring.start + left) | 0);
    this.#ring.rewind();
    if (this.early > 0) this.#queueEarly();
    return left;
  }

  /** Removes the first unread segment from the table. Returns its frg. */
  #pop(): number {
    const at = (this.read & this.#mask) * STRIDE;
    this.#table[at + STATE] = EMPTY;
    this.read = (this.read + 1) | 0;
    this.#readOffset = 0;
    this.#midMessage = this.#table[at + FRG] > 0;
    return this.#table[at + FRG];
  }

  /** Gives memory back that the payloads do not fill. Returns whether there was any. */
  shrink(): boolean {
    return this.#ring.shrink();
  }

  /** Gives memory back to the arena if no segment is held. */
  release(): void {
    if (this.read !== this.nxt || this.early > 0) return;
    this.#ring.release();
    this.#table = new Int32Array(0);
    this.#mask = 0;
  }

  /**
   * Moves what can be read into memory of its own, and drops the early segments: no more data will
   * come, and the arena is for those that live. Who holds the buffer then holds the data, so the
   * runtime frees both.
   */
  detach(): void {
    this.dropEarly();
    const { queued } = this;
    if (queued === 0) return this.clear();
    this.#ring.moveTo(new Arena(Math.max(1024, this.#ring.blockFor(0))));
    this.#resize(2 ** Math.ceil(Math.log2(queued)));
  }

  /** Drops the segments that arrived ahead of their turn. */
  dropEarly(): void {
    const table = this.#table;
    for (let sn = this.nxt, left = this.early; left > 0; sn = (sn + 1) | 0) {
      const at = (sn & this.#mask) * STRIDE;
      if (table[at + STATE] === EMPTY) continue;
      if (table[at + STATE] === EARLY && table[at + LEN] > 0) {
        this.#arena.free(table[at + PLACE], table[at + LEN]);
      }
      table[at + STATE] = EMPTY;
      left--;
    }
    this.early = this.#earlyBytes = this.#placed = 0;
    this.end = this.nxt;
    this.lacking = -1;
    this.#ring.extent = this.#ring.end;
  }

  /** Drops everything. */
  clear(): void {
    const table = this.#table;
    for (let at = 0; at < table.length; at += STRIDE) {
      if (table[at + STATE] === EARLY && table[at + LEN] > 0) {
        this.#arena.free(table[at + PLACE], table[at + LEN]);
      }
    }
    this.early = this.#earlyBytes = this.#placed = 0;
    this.end = this.nxt;
    this.lacking = -1;
    this.#midMessage = false;
    this.read = this.nxt;
    this.#readOffset = 0;
    this.#ring.clear();
    this.release();
  }

  #grow(): void {
    this.#resize(Math.max(MIN_CAPACITY, 2 * this.#table.length / STRIDE));
  }

  /** Moves the segments to a table of `capacity` segments. */
  #resize(capacity: number): void {
    const old = this.#table;
    const count = Math.min(capacity, old.length / STRIDE);
    const table = new Int32Array(capacity * STRIDE);
    for (let n = 0; n < count; n++) {
      const sn = this.read + n;
      const from = (sn & this.#mask) * STRIDE;
      const to = (sn & (capacity - 1)) * STRIDE;
      for (let i = 0; i < STRIDE; i++) table[to + i] = old[from + i];
    }
    this.#table = table;
    this.#mask = capacity - 1;
  }
}
