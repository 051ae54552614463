import { assert, assertEquals } from "@std/assert";
import { Arena } from "../../kcp/mod.ts";
import { DUPLICATE, ReceiveBuffer, REFUSED, STORED } from "../../kcp/receive_buffer.ts";
import { Random } from "../../transport/link/random.ts";
import { pattern } from "./harness.ts";

/** A receive buffer, and packets that arrive in its arena. */
class Receiver {
  readonly start: number;
  readonly window: number;
  readonly arena = new Arena();
  readonly buffer: ReceiveBuffer;
  readonly #at = this.arena.alloc(8192);

  constructor(start = 0, window = 1000) {
    this.start = start;
    this.window = window;

    this.buffer = new ReceiveBuffer(this.arena, start);
  }

  store(n: number, data: Uint8Array, frg = 0): number {
    this.arena.bytes.set(data, this.#at);
    return this.buffer.store(this.start + n | 0, frg, this.#at, data.length, this.window, Infinity);
  }

  read(most = 1 << 20): Uint8Array {
    const target = new Uint8Array(most);
    return target.subarray(0, this.buffer.takeBytes(target));
  }

  /** Bytes of the arena that the buffer holds. */
  get used(): number {
    return this.arena.used - 8192;
  }
}

const STARTS = [0, 2 ** 31 - 5, 2 ** 32 - 5];

Deno.test("receive buffer: early segments of one size are read in order", () => {
  for (const start of STARTS) {
    const receiver = new Receiver(start);
    for (const n of [3, 1, 7, 2, 5, 6, 4]) {
      assertEquals(receiver.store(n, pattern(100, 100 * n)), STORED);
    }
    assertEquals([receiver.buffer.early, receiver.buffer.queued], [7, 0]);
    receiver.store(0, pattern(100));
    assertEquals([receiver.buffer.early, receiver.buffer.queued], [0, 8]);
    assertEquals(receiver.read(), pattern(800));
    receiver.buffer.release();
    assertEquals(receiver.used, 0);
  }
});

Deno.test("receive buffer: an unexpectedly long segment overwrites no placed one", () => {
  for (const start of STARTS) {
    const receiver = new Receiver(start);
    for (const n of [2, 4, 1]) receiver.store(n, pattern(100, 900 + 100 * n));
    receiver.store(0, pattern(1000));
    receiver.store(3, pattern(100, 1200));
    assertEquals(receiver.read(), pattern(1400), `from ${start}`);
    receiver.buffer.clear();
    assertEquals(receiver.used, 0);
  }
});

Deno.test("receive buffer: a longer early block overwrites no placed segment", () => {
  const receiver = new Receiver();
  receiver.store(3, pattern(100, 1200));
  receiver.store(1, pattern(1000, 100));
  receiver.store(2, pattern(100, 1100));
  receiver.store(5, pattern(100, 1400));
  receiver.store(0, pattern(100));
  assertEquals(receiver.read(), pattern(1300));
  receiver.store(4, pattern(100, 1300));
  assertEquals(receiver.read(), pattern(200, 1300));
  receiver.buffer.release();
  assertEquals(receiver.used, 0);
});

Deno.test("receive buffer: shorter and empty segments before placed ones leave no gap", () => {
  const receiver = new Receiver();
  receiver.store(2, pattern(500, 10));
  receiver.store(4, pattern(500, 517));
  receiver.store(0, pattern(10));
  receiver.store(1, new Uint8Array());
  assertEquals(receiver.read(300), pattern(10), "up to the empty segment");
  assertEquals(receiver.buffer.peekSize(), 0);
  receiver.buffer.takeMessage(new Uint8Array(), 0);
  receiver.store(3, pattern(7, 510));
  assertEquals(receiver.read(), pattern(1007, 10));
  receiver.buffer.release();
  assertEquals(receiver.used, 0);
});

Deno.test("receive buffer: the table grows while segments are early, across a wrap", () => {
  for (const start of STARTS) {
    const receiver = new Receiver(start);
    for (const n of [5, 15, 16, 40, 200, 600]) receiver.store(n, pattern(20, 20 * n));
    for (let n = 0; n < 601; n++) {
      const known = [5, 15, 16, 40, 200, 600].includes(n);
      assertEquals(receiver.store(n, pattern(20, 20 * n)), known ? DUPLICATE : STORED, `${n}`);
      if (n % 100 === 99) receiver.read(20 * 50);
    }
    assertEquals(receiver.read(), pattern(20 * 301, 20 * 300));
  }
});

Deno.test("receive buffer: duplicates and segments beyond the window differ in result", () => {
  const receiver = new Receiver(0, 4);
  assertEquals(receiver.store(3, pattern(1)), STORED);
  assertEquals(receiver.store(3, pattern(1)), DUPLICATE);
  assertEquals(receiver.store(4, pattern(1)), REFUSED);
  assertEquals(receiver.store(0, pattern(1)), STORED);
  assertEquals(receiver.store(4, pattern(1)), REFUSED, "segment 0 is not read yet");
  receiver.read();
  assertEquals(receiver.store(4, pattern(1)), STORED);
});

Deno.test("receive buffer: skip drops one segment, also if partly read; early ones stay", () => {
  const receiver = new Receiver();
  assertEquals(receiver.buffer.skip(), -1);
  receiver.store(4, pattern(100, 400));
  for (const n of [0, 1, 2]) receiver.store(n, pattern(100, 100 * n));
  assertEquals(receiver.read(30), pattern(30));
  assertEquals(receiver.buffer.skip(), 70);
  assertEquals(receiver.buffer.skip(), 100);
  assertEquals(receiver.read(50), pattern(50, 200));
  receiver.store(3, pattern(100, 300));
  assertEquals(receiver.buffer.skip(), 50);
  assertEquals(receiver.read(), pattern(200, 300));
  assertEquals(receiver.buffer.skip(), -1);
  receiver.store(5, new Uint8Array());
  assertEquals(receiver.buffer.skip(), 0);
  receiver.buffer.release();
  assertEquals(receiver.used, 0);
});

Deno.test("receive buffer: the bytes are in order for any order, lengths and reads", () => {
  for (let seed = 0; seed < 400; seed++) {
    const random = new Random(`receive buffer ${seed}`);
    const window = 1 + random.below(80);
    const receiver = new Receiver(STARTS[seed % 3], window);
    const usual = 1 + random.below(600);
    const odd = random.next();
    // Every segment of the conversation, and where its bytes begin.
    const lengths: number[] = [];
    const from: number[] = [0];
    for (let n = 0; n < 200; n++) {
      lengths.push(
        random.chance(odd) ? random.below(random.chance(0.2) ? 4000 : 2 * usual) : usual,
      );
      from.push(from[n] + lengths[n]);
    }
    const arrived = new Set<number>();
    let [next, read, offset] = [0, 0, 0];
    let taken = 0;
    for (let step = 0; read < 200; step++) {
      const context = `seed ${seed}, step ${step}`;
      assert(step < 20_000, context);
      const n = Math.min(199, read + random.below(window + 3));
      if (random.chance(0.7)) {
        if (n >= next) {
          const expected = n >= read + window ? REFUSED : arrived.has(n) ? DUPLICATE : STORED;
          assertEquals(receiver.store(n, pattern(lengths[n], from[n])), expected, context);
          if (expected === STORED) arrived.add(n);
          while (arrived.has(next)) next++;
        }
      } else if (random.chance(0.5)) {
        const bytes = receiver.read(random.below(3000));
        assertEquals(bytes, pattern(bytes.length, taken), context);
        taken += bytes.length;
      } else if (receiver.buffer.peekSize() >= 0) {
        const size = receiver.buffer.peekSize();
        assertEquals(size, lengths[read] - offset, context);
        const target = new Uint8Array(size);
        receiver.buffer.takeMessage(target, size);
        assertEquals(target, pattern(size, taken), context);
        taken += size;
        read++;
      }
      while (read < next && from[read + 1] <= taken && lengths[read] > 0) read++;
      offset = taken - from[read];
      assertEquals(receiver.buffer.read, receiver.start + read | 0, context);
      assertEquals(receiver.buffer.nxt, receiver.start + next | 0, context);
      assertEquals(receiver.buffer.early, [...arrived].filter((k) => k >= next).length, context);
      assertEquals(receiver.buffer.bytes, from[next] - taken, context);
      if (random.chance(0.02)) receiver.buffer.release();
    }
    receiver.buffer.release();
    assertEquals(receiver.used, 0, `seed ${seed}`);
  }
});

Deno.test("receive buffer: clear frees every block, of placed and early segments too", () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = new Random(`clear ${seed}`);
    const receiver = new Receiver(STARTS[seed % 3], 300);
    for (let step = 0; step < 100; step++) {
      const n = random.below(300);
      if (n >= receiver.buffer.queued) receiver.store(n, pattern(random.chance(0.5) ? 100 : n));
    }
    receiver.buffer.clear();
    assertEquals([receiver.used, receiver.buffer.early, receiver.buffer.bytes], [0, 0, 0]);
  }
});
