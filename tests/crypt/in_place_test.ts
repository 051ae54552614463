import { assert, assertEquals, assertFalse } from "@std/assert";
import { CIPHER_NAMES, createCipher } from "../../crypt/mod.ts";
import { Arena } from "../../kcp/mod.ts";
import { KernelMemory } from "../../kcp/kernel.ts";
import { Random } from "../../transport/link/random.ts";
import { KEY_SIZES } from "./key_sizes.ts";

/** A full arena: its last block ends at the end of its memory. */
function fullArena(forKernels: boolean): Arena {
  const arena = new Arena(65_536, forKernels);
  for (let size = 65_536; size >= 64; size /= 2) while (arena.alloc(size) >= 0);
  return arena;
}

Deno.test("in place: only an arena made for kernels is in memory that they can access", () => {
  for (const forKernels of [false, true]) {
    const { bytes, view } = fullArena(forKernels);
    const memory = KernelMemory.for(bytes)!;
    assertEquals(memory.bytes.buffer === bytes.buffer, forKernels);
    assertEquals(memory.capacity(bytes), forKernels ? Infinity : 65_536);
    assertEquals([bytes.length, view.byteLength, view.buffer], [65_536, 65_536, bytes.buffer]);
    bytes[5] = 7;
    assertEquals(view.getUint8(5), 7);
  }
});

Deno.test("in place: an arena that grows keeps its bytes", () => {
  const arena = new Arena(undefined, true);
  const first = arena.alloc(64);
  arena.bytes[first] = 42;
  const before = arena.bytes;
  for (const size of [40_000, 100_000, 1_000_000]) {
    arena.alloc(size);
    assertEquals(arena.bytes[first], 42);
    assert(KernelMemory.for(arena.bytes)!.bytes.buffer === arena.bytes.buffer);
  }
  assert(before.length > 0, "the old memory can still be read");
});

for (const name of CIPHER_NAMES) {
  Deno.test(`in place: ${name} gives the same packets in an arena as in other memory`, () => {
    const random = new Random(name);
    const cipher = createCipher(name, random.fill(new Uint8Array(KEY_SIZES[name])));
    const { headroom, tailroom } = cipher;
    const { bytes } = fullArena(true);
    for (let round = 0; round < 60; round++) {
      random.fill(bytes.subarray());
      const expected = bytes.slice();
      const count = 1 + random.below(round % 10 === 0 ? 90 : 8);
      const starts = new Int32Array(count), ends = new Int32Array(count);
      // The packets begin at the first byte of the arena, or end at its last byte.
      let at = 0;
      for (let i = 0; i < count; i++) {
        starts[i] = at;
        ends[i] = at += headroom + tailroom +
          random.below(random.chance(0.5) && count < 9 ? 1400 : 40);
      }
      if (round & 1) {
        const rest = bytes.length - at;
        for (let i = 0; i < count; i++) starts[i] += rest, ends[i] += rest;
      }
      const plain = bytes.slice();
      if (cipher.sealAll) cipher.sealAll(bytes, starts, ends, 0, count);
      else for (let i = 0; i < count; i++) cipher.seal(bytes, starts[i], ends[i]);
      for (let i = 0; i < count; i++) {
        const packet = plain.slice(starts[i], ends[i]);
        cipher.seal(packet, 0, packet.length);
        expected.set(packet, starts[i]);
      }
      assert(bytes.every((byte, i) => byte === expected[i]), `round ${round}`);
      // One packet is damaged. Every cipher detects a single flipped bit.
      const bad = random.below(count);
      bytes[starts[bad] + random.below(ends[bad] - starts[bad])] ^= 1 << random.below(8);
      const all = cipher.openAll ? new Uint8Array(count + 1).fill(7) : null;
      cipher.openAll?.(bytes, starts, ends, 0, count, all!);
      assertEquals(all?.[count] ?? 7, 7);
      for (let i = 0; i < count; i++) {
        const [start, end] = [starts[i], ends[i]];
        const opened = all ? all[i] === 1 : cipher.open(bytes, start, end);
        if (i === bad) {
          // Ciphers that do not authenticate may not detect damage of the nonce.
          if (cipher.authenticates) assertFalse(opened);
          if (!opened) {
            assert(
              bytes.subarray(start, end).every((byte) => byte === 0),
              "a packet that fails must be filled with zeros",
            );
          }
          expected.set(bytes.subarray(start, end), start);
        } else {
          assert(opened);
          const payload = bytes.subarray(start + headroom, end - tailroom);
          const sent = plain.subarray(start + headroom, end - tailroom);
          assert(payload.every((byte, k) => byte === sent[k]));
          expected.set(bytes.subarray(start, end), start);
        }
      }
      assert(bytes.every((byte, i) => byte === expected[i]), `round ${round}: what lies around`);
    }
  });
}
