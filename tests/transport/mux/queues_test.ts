/**
 * The queues of a stream beside plain arrays.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { Random } from "../../../transport/link/random.ts";
import { ReceiveMemory } from "../../../transport/mux/machine/memory.ts";
import { ReceiveQueue } from "../../../transport/mux/machine/receive_queue.ts";
import { SendQueue } from "../../../transport/mux/machine/send_queue.ts";
import { OutputBatch } from "../../../transport/mux.ts";
import { concat } from "./harness.ts";

Deno.test("receive queues: bytes come out as they went in, and all memory comes back", () => {
  for (let seed = 0; seed < 40; seed++) {
    const random = new Random(`queues ${seed}`);
    const memory = new ReceiveMemory(1 << 20);
    // Each byte says which queue and place it is of.
    const all = Array.from({ length: 1 + random.below(8) }, (_, n) => ({
      queue: new ReceiveQueue(),
      written: 0,
      read: 0,
      byteAt: (at: number) => (at * 31 + (at >>> 8) + 77 * n) & 0xff,
    }));
    for (let step = 0; step < 200; step++) {
      const one = all[random.below(all.length)];
      const { queue, byteAt } = one;
      const kind = random.below(10);
      if (kind < 5) {
        const size = Math.min(memory.room, random.below(random.chance(0.1) ? 70_000 : 2000));
        const bytes = new Uint8Array(size);
        for (let i = 0; i < size; i++) bytes[i] = byteAt(one.written + i);
        for (let done = 0; done < size;) {
          const offset = memory.copied(bytes, done);
          const count = Math.min(1 + random.below(3000), memory.copiedTo - done);
          queue.append(memory.arena, offset, count);
          done += count;
        }
        memory.endCopy();
        one.written += size;
      } else if (kind < 9) {
        const target = new Uint8Array(random.below(random.chance(0.1) ? 100_000 : 1500));
        const count = queue.take(memory.arena, target);
        assertEquals(count, Math.min(target.length, one.written - one.read));
        for (let i = 0; i < count; i++) {
          if (target[i] !== byteAt(one.read + i)) {
            throw new Error(`seed ${seed}: byte ${i} is wrong`);
          }
        }
        one.read += count;
      } else {
        queue.clear(memory.arena);
        one.read = one.written;
      }
      assertEquals(queue.length, one.written - one.read);
      const held = all.reduce((sum, { queue }) => sum + queue.length, 0);
      // Little is taken and not used: a part of the last block of each stream, and what was read of
      // the first one.
      const most = 1.5 * held + all.length * (2 * 4096 + 65_536);
      assert(memory.used >= held && memory.used <= most, `${memory.used} in use for ${held}`);
    }
    for (const { queue } of all) queue.clear(memory.arena);
    assertEquals([memory.used, memory.arena.used], [0, 0]);
  }
});

Deno.test("receive queues: much data takes few blocks, little data a small one", () => {
  const memory = new ReceiveMemory(1 << 22);
  const queue = new ReceiveQueue();
  const add = (size: number) => {
    const bytes = new Uint8Array(size);
    queue.append(memory.arena, memory.copied(bytes, 0), size);
    memory.endCopy();
  };
  add(1);
  assertEquals(memory.used, 256);
  for (let i = 0; i < 1000; i++) add(1000);
  assert(memory.used < 1.2 * 1_000_000, `${memory.used} for 1000001`);
});

Deno.test("send queues: pieces leave in order, cut anywhere, and without a copy", () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = new Random(`send queue ${seed}`);
    const queue = new SendQueue();
    const batch = new OutputBatch();
    const [written, sent]: Uint8Array[][] = [[], []];
    let length = 0;
    for (let step = 0; step < 300; step++) {
      if (random.chance(0.5)) {
        const piece = random.fill(new Uint8Array(1 + random.below(random.chance(0.1) ? 3000 : 30)));
        queue.push(piece);
        written.push(piece);
        length += piece.length;
      } else {
        const size = Math.min(queue.length, random.below(500));
        const moved = queue.moveTo(batch, size);
        assertEquals(moved, size);
        length -= moved;
        for (let i = 0; i < batch.count; i++) assert(written.includes(batch.memory(i)));
        sent.push(...batch.views().map((view) => view.slice()));
        batch.clear();
      }
      assertEquals(queue.length, length);
    }
    queue.moveTo(batch, queue.length);
    assertEquals(concat([...sent, ...batch.views()]), concat(written), `seed ${seed}`);
    assertEquals(queue.length, 0);
  }
});

Deno.test("receive memory: bytes are copied in smaller parts when only small pieces are free", () => {
  const memory = new ReceiveMemory(100_000);
  const { arena } = memory;
  const blocks: number[] = [];
  for (let block; (block = arena.alloc(256)) >= 0;) blocks.push(block);
  blocks.forEach((block, i) => {
    if (i % 2 === 0) arena.free(block, 256);
  });
  const bytes = Uint8Array.from({ length: 2000 }, (_, i) => i);
  let parts = 0;
  for (let at = 0; at < bytes.length; at = memory.copiedTo, parts++) {
    const offset = memory.copied(bytes, at);
    const count = memory.copiedTo - at;
    assertEquals(arena.bytes.slice(offset, offset + count), bytes.slice(at, at + count));
  }
  assertEquals(parts, 8);
  memory.endCopy();
  // What is stored finds room, too.
  const queue = new ReceiveQueue();
  queue.append(arena, memory.copied(bytes.subarray(0, 200), 0), 200);
  memory.endCopy();
  const target = new Uint8Array(300);
  assertEquals(queue.take(arena, target), 200);
  assertEquals(target.subarray(0, 200), bytes.subarray(0, 200));
});
