import type { Random } from "../../../transport/link/random.ts";

/** A frame that a peer may send: in most cases, but not always, one of smux. */
export interface MadeFrame {
  readonly version: number;
  readonly cmd: number;
  readonly length: number;
  readonly sid: number;
  /** The header, and `length` bytes. The memory is used again for the next frame. */
  readonly bytes: Uint8Array;
}

/** First stream ids of the notes of this module's peers. */
const NOTES = [0x01_50_43_4b, 0x02_50_43_4b, 0x03_50_43_4b, 0x04_50_43_4b];
const FATAL = 0.0005;

/** Makes frames of a peer that is hostile, or only careless. */
export class FrameMaker {
  readonly #memory = new Uint8Array(8 + 65_535);
  readonly #view = new DataView(this.#memory.buffer);
  readonly #random: Random;
  readonly #version: number;
  readonly #client: boolean;
  /** Ids for the next NOPs. */
  readonly #note: number[] = [];

  /**
   * @param random Where choices come from.
   * @param version Version of the session.
   * @param client Whether the peer is the client.
   */
  constructor(random: Random, version: number, client: boolean) {
    this.#random = random;
    this.#version = version;
    this.#client = client;
    random.fill(this.#memory);
  }

  /** The next frame. It uses ids of few streams, so that many frames are for the same. */
  make(): MadeFrame {
    const random = this.#random;
    if (this.#note.length > 0 && random.chance(0.97)) return this.#frame(3, this.#note.shift()!, 0);
    this.#note.length = 0;
    const theirs = 2 * (1 + random.below(12)) + (this.#client ? 1 : 0);
    const ours = 2 * (1 + random.below(12)) + (this.#client ? 0 : 1);
    const sid = random.chance(0.8) ? theirs : random.chance(0.9) ? ours : random.uint32();
    const kind = random.below(100);
    if (kind < 12) return this.#frame(0, random.chance(FATAL) ? ours : theirs, 0);
    if (kind < 20) return this.#frame(1, sid, 0);
    if (kind < 70) return this.#frame(2, sid, this.#size());
    if (kind < 74) return this.#frame(3, random.chance(0.8) ? 0 : random.uint32(), 0);
    if (kind < 78) return this.#makeNote(sid);
    if (this.#version === 2) return this.#update(sid);
    if (random.chance(FATAL)) return this.#fatal(sid);
    return this.#frame(2, sid, this.#size());
  }

  #size(): number {
    const random = this.#random;
    const kind = random.below(10);
    if (kind === 0) return 0;
    if (kind === 1) return 1;
    return random.chance(0.01) ? random.below(65_536) : random.below(600);
  }

  #makeNote(sid: number): MadeFrame {
    const random = this.#random;
    const note = NOTES[random.chance(0.002) ? 3 : random.below(3)];
    if (note === NOTES[3]) {
      const length = random.chance(0.2) ? random.uint32() : random.below(300);
      this.#note.push(random.below(1000), length);
      for (let i = 0; i < Math.min(length, 400); i += 4) this.#note.push(random.uint32());
    } else {
      this.#note.push(
        sid,
        random.chance(0.3) ? 0xff_ff_ff_00 + random.below(256) : random.below(99),
      );
    }
    return this.#frame(3, note, 0);
  }

  #update(sid: number): MadeFrame {
    const random = this.#random;
    if (random.chance(FATAL)) return this.#fatal(sid);
    const consumed = random.chance(0.02)
      ? random.uint32()
      : random.chance(0.5)
      ? random.below(200)
      : random.below(20_000);
    const window = random.chance(0.1) ? random.uint32() : random.below(100_000);
    this.#view.setUint32(8, consumed, true);
    this.#view.setUint32(12, window, true);
    return this.#frame(4, sid, 8, false);
  }

  /** A frame that ends the session. */
  #fatal(sid: number): MadeFrame {
    const random = this.#random;
    const kind = random.below(4);
    if (kind === 0) return this.#frame(random.chance(0.5) ? 0 : 1, sid, 1 + random.below(300));
    if (kind === 1) return this.#frame(5 + random.below(251), sid, random.below(300));
    if (kind === 2) return this.#frame(4, sid, random.below(8));
    const frame = this.#frame(2, sid, 5);
    const version = random.chance(0.5) ? 3 - this.#version : 3 + random.below(253);
    this.#memory[0] = version;
    return { ...frame, version };
  }

  #frame(cmd: number, sid: number, length: number, fill = true): MadeFrame {
    const view = this.#view;
    view.setUint8(0, this.#version);
    view.setUint8(1, cmd);
    view.setUint16(2, length, true);
    view.setUint32(4, sid, true);
    if (fill && length > 0) {
      // Other bytes for each frame, without filling all of them.
      const at = 8 + this.#random.below(length);
      this.#memory[at] = this.#random.below(256);
    }
    const bytes = this.#memory.subarray(0, 8 + length);
    return { version: this.#version, cmd, sid: sid >>> 0, length, bytes };
  }
}
