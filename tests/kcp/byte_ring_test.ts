import { assert, assertEquals } from "@std/assert";
import { Arena } from "../../kcp/mod.ts";
import { ByteRing } from "../../kcp/byte_ring.ts";
import { Random } from "../../transport/link/random.ts";
import { pattern } from "./harness.ts";

/**
 * A ring whose first position is `start`, as if that many bytes had passed through it.
 */
function ringAt(start: number, arena = new Arena()): ByteRing {
  const ring = new ByteRing(arena);
  ring.start = ring.end = ring.extent = start | 0;
  return ring;
}

/** Copies bytes to the arena, like a packet that arrives. */
function lay(arena: Arena, bytes: Uint8Array): number {
  const at = arena.alloc(bytes.length);
  arena.bytes.set(bytes, at);
  return at;
}

function take(ring: ByteRing, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  ring.take(bytes, length);
  return bytes;
}

Deno.test("byte ring: bytes come out as they went in, around the edge of the block", () => {
  const ring = ringAt(0);
  ring.append(pattern(700), 700);
  assertEquals(take(ring, 600), pattern(600));
  ring.append(pattern(800, 700), 800);
  assertEquals(ring.length, 900);
  assertEquals(take(ring, 900), pattern(900, 600));
  assertEquals(ring.length, 0);
});

Deno.test("byte ring: it grows while its content lies around the edge", () => {
  for (const start of [0, 5, 1023, 2 ** 31 - 900, 2 ** 32 - 1500]) {
    const ring = ringAt(start);
    ring.append(pattern(1000), 1000);
    assertEquals(take(ring, 900), pattern(900));
    ring.append(pattern(900, 1000), 900);
    ring.append(pattern(5000, 1900), 5000);
    assertEquals(take(ring, 6000), pattern(6000, 900), `from ${start}`);
  }
});

Deno.test("byte ring: append takes a part of a source, or bytes of the arena", () => {
  const arena = new Arena();
  const ring = ringAt(1000, arena);
  ring.append(pattern(50), 20);
  const at = lay(arena, pattern(3000, 20));
  ring.appendInside(at, 3000);
  const to = arena.alloc(3020);
  ring.copyInside(1000, 3020, to);
  assertEquals(arena.bytes.slice(to, to + 3020), pattern(3020));
  assertEquals(take(ring, 3020), pattern(3020));
});

Deno.test("byte ring: bytes placed ahead join the queue when they are admitted", () => {
  for (const start of [0, 700, 2 ** 31 - 250, 2 ** 31 - 50, 2 ** 32 - 250]) {
    const arena = new Arena();
    const ring = ringAt(start, arena);
    ring.append(pattern(100), 100);
    const from = ring.end;
    for (const n of [2, 0, 1]) {
      const position = from + n * 300 | 0;
      const placed = ring.place(position, lay(arena, pattern(300, 100 + n * 300)), 300);
      assertEquals(placed, true, `segment ${n} from ${start}`);
    }
    assertEquals(ring.length, 100, "not before it is admitted");
    for (let n = 0; n < 3; n++) ring.admit(from + n * 300 | 0, 300);
    assertEquals(take(ring, 1000), pattern(1000), `from ${start}`);
  }
});

Deno.test("byte ring: placed bytes survive growth, and move down after shorter segments", () => {
  for (const start of [0, 300, 2 ** 31 - 500, 2 ** 31 - 4500]) {
    const arena = new Arena();
    const ring = ringAt(start, arena);
    ring.append(pattern(10), 10);
    const position = ring.end + 1000 | 0;
    assert(ring.place(position, lay(arena, pattern(1000, 210)), 1000));
    assert(ring.place(position + 7000 | 0, lay(arena, pattern(10, 1210)), 10));
    // 200 bytes instead of the expected 1000.
    ring.append(pattern(200, 10), 200);
    ring.admit(position, 1000);
    ring.admit(position + 7000 | 0, 10);
    assertEquals(take(ring, 1220), pattern(1220), `from ${start}`);
  }
});

Deno.test("byte ring: placing ahead makes room for the gap, where positions wrap too", () => {
  for (const start of [0, 2 ** 31 - 100, 2 ** 31 - 60, 2 ** 32 - 100]) {
    const arena = new Arena();
    const ring = ringAt(start, arena);
    ring.append(pattern(50), 50);
    assert(ring.place(ring.end + 20_000 | 0, lay(arena, pattern(1000, 20_050)), 1000));
    ring.append(pattern(20_000, 50), 20_000);
    ring.admit(ring.end, 1000);
    assertEquals(take(ring, 21_050), pattern(21_050), `from ${start}`);
  }
});

Deno.test("byte ring: discard drops the oldest bytes; an empty ring can start over", () => {
  const ring = ringAt(0);
  ring.append(pattern(500), 500);
  ring.discard(200);
  ring.rewind();
  assertEquals([ring.start, ring.length], [200, 300], "only an empty one");
  assertEquals(take(ring, 100), pattern(100, 200));
  ring.discard(500);
  ring.rewind();
  assertEquals([ring.start, ring.end, ring.extent, ring.length], [0, 0, 0, 0]);
});

Deno.test("byte ring: positions are kept while bytes are placed ahead", () => {
  const arena = new Arena();
  const ring = ringAt(0, arena);
  ring.append(pattern(10), 10);
  assert(ring.place(30, lay(arena, pattern(5, 30)), 5));
  take(ring, 10);
  ring.rewind();
  ring.release();
  ring.append(pattern(20, 10), 20);
  ring.admit(30, 5);
  assertEquals(take(ring, 25), pattern(25, 10));
});

Deno.test("byte ring: release frees memory only if the ring is empty, clear always", () => {
  const arena = new Arena();
  const ring = new ByteRing(arena);
  ring.release();
  ring.append(pattern(10), 10);
  ring.release();
  assertEquals(arena.used, 1024);
  assertEquals(take(ring, 10), pattern(10));
  ring.release();
  assertEquals(arena.used, 0);
  ring.release();
  ring.append(pattern(5000), 5000);
  ring.clear();
  ring.clear();
  assertEquals([arena.used, ring.length], [0, 0]);
  ring.append(pattern(10), 10);
  assertEquals(take(ring, 10), pattern(10));
});

Deno.test("byte ring: it moves down where its own block splits the free memory", () => {
  const arena = new Arena(16_384);
  const kept = arena.alloc(2048);
  const ring = new ByteRing(arena, true);
  let end = 0;
  for (const length of [1000, 1000, 2000, 4000]) {
    assert(ring.append(pattern(length, end), length), `${length} bytes behind ${end}`);
    end += length;
  }
  assertEquals(arena.used, 2048 + 8192);
  assertEquals(take(ring, end), pattern(end));
  ring.release();
  arena.free(kept, 2048);
  assertEquals(arena.used, 0);
});

Deno.test("byte ring: without memory it takes no bytes and keeps its own", () => {
  const arena = new Arena(2048);
  const ring = new ByteRing(arena);
  assert(ring.append(pattern(1000), 1000));
  assertEquals(ring.append(pattern(100), 100), false, "2048 bytes more are not to be had");
  assertEquals(ring.place(1500, 0, 100), false);
  assertEquals(take(ring, 1000), pattern(1000));
});

Deno.test("byte ring: any sequence of appends and takes is a queue, across wraps too", () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = new Random(`ring ${seed}`);
    const arena = new Arena();
    const ring = ringAt([0, 2 ** 31 - 3000, 2 ** 32 - 3000][seed % 3], arena);
    let [written, taken] = [0, 0];
    for (let n = 0; n < 200; n++) {
      if (random.chance(0.5)) {
        const length = 1 + random.below(random.chance(0.1) ? 5000 : 400);
        const bytes = pattern(length, written);
        if (random.chance(0.5)) {
          ring.append(bytes, length);
        } else {
          const at = lay(arena, bytes);
          ring.appendInside(at, length);
          arena.free(at, length);
        }
        written += length;
      } else {
        // One byte stays, so that the positions go on.
        const length = random.below(Math.max(1, ring.length));
        assertEquals(take(ring, length), pattern(length, taken), `seed ${seed}, step ${n}`);
        taken += length;
      }
      assertEquals(ring.length, written - taken);
    }
    assertEquals(take(ring, written - taken), pattern(written - taken, taken));
    ring.release();
    assertEquals(arena.used, 0);
  }
});
