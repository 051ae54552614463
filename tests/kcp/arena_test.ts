import { assert, assertEquals, assertThrows } from "@std/assert";
import { Arena, type MemoryWaiter, PacketBatch } from "../../kcp/mod.ts";
import { Random } from "../../transport/link/random.ts";
import { encode, End, opened, pattern, WINS } from "./harness.ts";

Deno.test("arena: blocks are powers of two from 64 bytes, at multiples of 64", () => {
  const arena = new Arena();
  for (const [size, block] of [[0, 64], [1, 64], [64, 64], [65, 128], [128, 128], [5000, 8192]]) {
    const before = arena.used;
    const at = arena.alloc(size);
    assertEquals(at % 64, 0);
    assertEquals(arena.used - before, block, `a block for ${size} bytes`);
    arena.free(at, size);
    assertEquals(arena.used, before);
  }
});

Deno.test("arena: a freed block is used again before the arena grows", () => {
  const arena = new Arena();
  const blocks = [arena.alloc(100), arena.alloc(100), arena.alloc(100)];
  const { capacity } = arena;
  for (const at of blocks) arena.free(at, 100);
  assertEquals(arena.used, 0);
  const again = [arena.alloc(128), arena.alloc(65), arena.alloc(100)];
  assertEquals([...again].sort(), [...blocks].sort());
  assertEquals(arena.capacity, capacity);
});

Deno.test("arena: blocks never overlap, and keep their bytes when the arena grows", () => {
  const arena = new Arena();
  const random = new Random("arena");
  const blocks: { at: number; size: number; from: number }[] = [];
  for (let n = 0; n < 3000; n++) {
    if (blocks.length > 50 || blocks.length > 0 && random.chance(0.4)) {
      const [{ at, size, from }] = blocks.splice(random.below(blocks.length), 1);
      assertEquals(arena.bytes.slice(at, at + size), pattern(size, from), `step ${n}`);
      arena.free(at, size);
    } else {
      const size = random.below(random.chance(0.1) ? 20_000 : 300);
      const at = arena.alloc(size);
      assert(at >= 0 && at + size <= arena.capacity);
      arena.bytes.set(pattern(size, n), at);
      blocks.push({ at, size, from: n });
    }
  }
  for (const { at, size } of blocks) arena.free(at, size);
  assertEquals(arena.used, 0);
});

Deno.test("arena: it refuses with -1 at its limit, and goes on with what is freed", () => {
  const arena = new Arena(4096);
  const blocks = [];
  for (let at; (at = arena.alloc(1000)) >= 0;) blocks.push(at);
  assertEquals([blocks.length, arena.used, arena.capacity], [4, 4096, 4096]);
  assertEquals([arena.alloc(1), arena.alloc(1 << 20), arena.alloc(2 ** 30)], [-1, -1, -1]);
  arena.free(blocks[2], 1000);
  assertEquals(arena.alloc(1024), blocks[2]);
});

Deno.test("arena: a block of more than 1 GiB is refused, not handed out", () => {
  const arena = new Arena();
  for (const size of [2 ** 30 + 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 + 5]) {
    assertEquals(arena.alloc(size), -1, `${size} bytes`);
  }
  assertEquals([arena.used, arena.capacity], [0, 1024]);
});

Deno.test("arena: its limit is 1 KiB to 1 GiB", () => {
  for (const limit of [1024, 5000, 2 ** 30]) assertEquals(new Arena(limit).limit, limit);
  for (const limit of [1023, 2 ** 30 + 1, NaN, 2000.5, -1]) {
    assertThrows(() => new Arena(limit), RangeError, String(limit));
  }
});

Deno.test("arena: the integer view and the bytes are the same memory, before and after growth", () => {
  const arena = new Arena();
  const at = arena.alloc(64);
  arena.view.setUint32(at, 0x01020304, true);
  arena.alloc(100_000);
  assertEquals(arena.bytes.slice(at, at + 4), Uint8Array.of(4, 3, 2, 1));
  assertEquals(arena.view.getUint32(at, true), 0x01020304);
});

/** Sends `bytes` from `a` to `b`, the first packet last, and reads none of it. */
function fill(a: End, b: End, bytes: number): void {
  a.kcp.write(pattern(bytes));
  const packets = a.packets(0);
  packets.push(packets.shift()!);
  for (const packet of packets) b.kcp.input(packet, 0);
}

Deno.test("memory: an idle machine that is trimmed holds nothing, and works on", () => {
  const a = opened();
  const b = new End({ rcvWnd: 200 });
  for (let round = 0; round < 3; round++) {
    fill(a, b, 100_000);
    assertEquals(b.read(), pattern(100_000));
    for (const packet of b.packets(round)) a.kcp.input(packet, round);
    assert(a.kcp.drained);
    for (const { kcp } of [a, b]) {
      kcp.trim();
      assertEquals(kcp.arena.used, 65536, "the batch");
    }
  }
});

Deno.test("memory: trim keeps what is queued, in flight, early or unread", () => {
  const a = opened({ sndWnd: 3 });
  const b = new End();
  for (let i = 0; i < 6; i++) a.kcp.send(pattern(1000, i));
  const packets = a.packets(0);
  b.kcp.input(packets[0], 0);
  b.kcp.input(packets[2], 0);
  a.kcp.trim();
  b.kcp.trim();
  b.kcp.input(packets[1], 1);
  a.input(1, { cmd: WINS, wnd: 100, una: 3 });
  a.kcp.trim();
  for (const packet of a.packets(1)) b.kcp.input(packet, 1);
  b.kcp.trim();
  for (let i = 0; i < 6; i++) assertEquals(b.recv(), pattern(1000, i));
});

Deno.test("memory: close gives all back, whatever is queued, in flight, early or unread", () => {
  const a = opened({ sndWnd: 30 });
  const b = new End({ rcvWnd: 200 });
  a.kcp.write(pattern(100_000));
  const packets = a.packets(0);
  for (const packet of packets.slice(0, 5)) b.kcp.input(packet, 0);
  for (const packet of packets.slice(7, 20)) b.kcp.input(packet, 0);
  // Early ones of another size wait in blocks of their own.
  b.input(0, { sn: 100, data: pattern(7) }, { sn: 105, data: pattern(3000) }, { sn: 107 });
  b.read(1500);
  for (const { kcp } of [a, b]) {
    assert(kcp.arena.used > 65536 + 10_000);
    kcp.close();
    assertEquals(kcp.arena.used, 65536);
    assertEquals(kcp.stats.bytesHeld, 0);
    assertEquals(kcp.deadline, Infinity);
    kcp.close();
    assertEquals(kcp.arena.used, 65536, "a second close does nothing");
  }
});

Deno.test("memory: many rounds do not make the arena grow", () => {
  const a = opened();
  const b = new End({ rcvWnd: 200 }, a.kcp.arena);
  let capacity = 0;
  for (let round = 0; round < 200; round++) {
    fill(a, b, 50_000);
    assertEquals(b.read().length, 50_000);
    for (const packet of b.packets(round)) a.kcp.input(packet, round);
    if (round === 5) capacity = a.kcp.arena.capacity;
  }
  assertEquals(a.kcp.arena.capacity, capacity);
});

Deno.test("memory: without room, send and write refuse, segments are not acknowledged, nothing breaks", () => {
  const arena = new Arena(1 << 17);
  const a = new End({ nc: true, burst: Infinity }, arena);
  a.input(0, { cmd: WINS, wnd: 100 });
  let queued = 0;
  while (a.kcp.send(pattern(1000, queued))) queued++;
  assert(queued > 3 && queued < 128, `${queued} messages`);
  const rest = a.kcp.write(pattern(1000));
  assert(rest < 1000, "a write takes only what the queue's own block still holds");
  assertEquals(a.kcp.write(pattern(1000)), 0);
  assert(a.kcp.sndShortage > 0, "the machine says what it lacks");
  const data = a.segments(0).filter((s) => s.data.length > 0).map((s) => s.data);
  const messages = Array.from({ length: queued }, (_, n) => pattern(1000, n));
  assertEquals(data, rest > 0 ? [...messages, pattern(rest)] : messages);
  const una = a.kcp.sndNxt;
  for (let sn = 60; sn >= 0; sn--) a.input(1, { sn, data: pattern(1000, sn) });
  const { noMemory, rcvQueue, rcvBuffer } = a.kcp.stats;
  assert(noMemory > 0, "no memory was left for some");
  const acknowledged = a.segments(1).filter((s) => s.cmd === 82);
  assert(acknowledged.length <= rcvQueue + rcvBuffer + 1, "only what is kept is acknowledged");
  a.input(2, { cmd: WINS, una });
  a.kcp.trim();
  for (let sn = 0; sn <= 60; sn++) {
    a.input(3, { sn, una, data: pattern(1000, sn) });
    const message = a.recv();
    assertEquals(message, pattern(1000, sn), `message ${sn}, once there was room`);
  }
  a.kcp.close();
  assertEquals(arena.used, 65536);
});

Deno.test("arena: where nothing larger can be had, free blocks are cut into smaller ones", () => {
  const arena = new Arena(1 << 16);
  const large = arena.alloc(1 << 16);
  arena.free(large, 1 << 16);
  const small = new Set<number>();
  for (let n = 0; n < 1024; n++) small.add(arena.alloc(64));
  assertEquals(small.size, 1024, "each is another place");
  assert([...small].every((offset) => offset >= 0 && offset < 1 << 16 && offset % 64 === 0));
  assertEquals([arena.alloc(64), arena.used], [-1, 1 << 16]);
});

Deno.test("arena: free neighbours join, so small blocks leave room for a large one", () => {
  const arena = new Arena(1 << 16);
  const random = new Random("join");
  const blocks = Array.from({ length: 1024 }, () => arena.alloc(64));
  assertEquals(arena.fits(64), false);
  while (blocks.length > 0) arena.free(blocks.splice(random.below(blocks.length), 1)[0], 64);
  assertEquals([arena.used, arena.fits(1 << 16), arena.alloc(1 << 16)], [0, true, 0]);
});

Deno.test("arena: a block lies at a multiple of its size, whatever came before", () => {
  const arena = new Arena();
  const random = new Random("align");
  const held: [number, number][] = [];
  for (let n = 0; n < 5000; n++) {
    if (held.length > 40 || held.length > 0 && random.chance(0.45)) {
      arena.free(...held.splice(random.below(held.length), 1)[0]);
      continue;
    }
    const size = 2 ** (6 + random.below(9));
    const at = arena.alloc(size);
    assertEquals(at % size, 0, `${size} bytes at ${at}`);
    for (const [other, length] of held) {
      assert(at + size <= other || other + length <= at, `step ${n}: two blocks overlap`);
    }
    held.push([at, size]);
  }
  for (const block of held) arena.free(...block);
  assertEquals(arena.used, 0);
  // All is one block again: the next one begins at the start.
  assertEquals(arena.alloc(1 << 20), 0);
});

/** A waiter that writes its name into `called`. */
function waiter(name: string, need: number, called: string[]): MemoryWaiter {
  return { need, received: false, onMemory: () => called.push(name) };
}

Deno.test("arena: one waiter at a time is woken, in order, once the arena has what it needs", () => {
  const arena = new Arena(4096);
  const blocks = Array.from({ length: 4 }, () => arena.alloc(1024));
  const called: string[] = [];
  const [first, second, third] = ["first", "second", "third"].map((name) =>
    waiter(name, 2048, called)
  );
  for (const each of [first, second, third, first]) arena.wait(each);
  assertEquals(arena.waiting, 3, "who waits already is not counted again");
  arena.free(blocks[0], 1024);
  assertEquals(called, [], "1024 bytes are not enough");
  arena.free(blocks[1], 1024);
  assertEquals(called, ["first"]);
  arena.free(blocks[2], 1024);
  arena.free(blocks[3], 1024);
  assertEquals(called, ["first"], "the second waits until the first has tried");
  arena.leave(first);
  assertEquals(called, ["first", "second"]);
  // The memory is gone again before the second one has tried.
  const taken = arena.alloc(4096);
  arena.wait(second);
  arena.free(taken, 4096);
  assertEquals(called, ["first", "second", "second"], "it keeps its place");
  arena.leave(second);
  arena.leave(third);
  arena.leave(third);
  assertEquals([called.at(-1), arena.waiting], ["third", 0]);
});

Deno.test("arena: who needs much does not hold up those who need less", () => {
  const arena = new Arena(4096);
  const blocks = Array.from({ length: 4 }, () => arena.alloc(1024));
  const called: string[] = [];
  const large = waiter("large", 4096, called);
  const small = waiter("small", 1000, called);
  arena.wait(large);
  arena.wait(small);
  arena.free(blocks[0], 1024);
  assertEquals(called, ["small"]);
  arena.leave(small);
  for (const block of blocks.slice(1)) arena.free(block, 1024);
  assertEquals(called, ["small", "large"]);
});

Deno.test("arena: trim gives most of an unused buffer back, and keeps what is in use", () => {
  const arena = new Arena();
  const kept = arena.alloc(1000);
  arena.bytes.set(pattern(1000), kept);
  const large = arena.alloc(1 << 24);
  arena.trim();
  assert(arena.capacity >= 1 << 24, "all of it is in use");
  arena.free(large, 1 << 24);
  arena.trim();
  assertEquals(arena.capacity, 1 << 20);
  assertEquals(arena.bytes.slice(kept, kept + 1000), pattern(1000));
  const again = arena.alloc(1 << 22);
  arena.bytes.set(pattern(1 << 22), again);
  assertEquals(arena.bytes.slice(kept, kept + 1000), pattern(1000));
});

/** Takes all memory of an arena. Returns a function that gives it back. */
function exhaust(arena: Arena): () => void {
  const blocks: [number, number][] = [];
  for (let size = arena.limit; size >= 64; size /= 2) {
    for (let at; (at = arena.alloc(size)) >= 0;) blocks.push([at, size]);
  }
  return () => blocks.forEach(([at, size]) => arena.free(at, size));
}

/** A machine whose peer has sent its first byte, which was read and acknowledged. */
function started(): End {
  const end = new End({ ackNoDelay: true }, new Arena(1 << 20));
  end.input(0, { sn: 0, data: pattern(1) });
  assertEquals(end.recv(), pattern(1));
  end.segments(0);
  return end;
}

Deno.test("memory: a segment that met full memory closes the window, and memory opens it", () => {
  const b = started();
  b.kcp.trim();
  const restore = exhaust(b.kcp.arena);
  // The packet is in the batch's block, as one that a socket has received there.
  const packet = encode({ sn: 1, data: pattern(500) });
  const at = b.batch.reserve(packet.length);
  b.kcp.arena.bytes.set(packet, at);
  assert(b.kcp.inputAt(at, at + packet.length, 1));
  assertEquals(b.segments(1).map(({ cmd, wnd }) => [cmd, wnd]), [[WINS, 0]]);
  assertEquals([b.kcp.rcvShortage, b.kcp.deadline > 1], [1024, true]);
  restore();
  assertEquals(b.segments(2).map(({ cmd, wnd }) => [cmd, wnd]), [[WINS, 256]]);
  assertEquals([b.kcp.rcvShortage, b.segments(3)], [0, []]);
  b.input(4, { sn: 1, data: pattern(500) });
  assertEquals(b.recv(), pattern(500));
});

Deno.test("memory: acknowledged early segments that can't be moved are read once memory is back", () => {
  const b = started();
  // The first of them is placed in the queue. The others wait in blocks of their own.
  b.input(1, { sn: 4, data: pattern(100, 4) });
  b.input(1, { sn: 3, data: pattern(2000, 3) });
  b.input(1, { sn: 2, frg: 1, data: pattern(900, 2) });
  assertEquals(b.segments(1).map(({ sn }) => sn), [4, 3, 2]);
  const restore = exhaust(b.kcp.arena);
  b.input(2, { sn: 1, data: pattern(100) });
  // An open window beside this una would say that segment 2 is lacking.
  assertEquals(b.segments(2).map(({ una, wnd }) => [una, wnd]), [[2, 0]]);
  assertEquals([b.recv(), b.kcp.rcvNxt], [pattern(100), 2]);
  restore();
  // The peer sends nothing more: it has every acknowledgment.
  b.kcp.tick(3);
  assertEquals(b.recv(), Uint8Array.of(...pattern(900, 2), ...pattern(2000, 3)));
  assertEquals([b.recv(), b.kcp.arena.used < 100_000], [pattern(100, 4), true]);
});

Deno.test("memory: after a flood of early segments of every size, a large write finds room", () => {
  const a = new End({ nc: true, rcvWnd: 1024, sndQueue: 1024 }, new Arena(1 << 20));
  a.input(0, { cmd: WINS, wnd: 1000 });
  for (let sn = 1000; sn > 0; sn--) a.input(0, { sn, data: pattern(sn, sn) });
  assert(a.kcp.stats.rcvBuffer > 500, "the flood was taken");
  a.input(1, { sn: 0, data: pattern(10) });
  while (a.recv()) assert(true);
  for (let sn = a.kcp.rcvNxt; sn <= 1000; sn++) {
    a.input(2, { sn, data: pattern(sn, sn) });
    while (a.recv());
  }
  a.kcp.trim();
  assertEquals(a.kcp.write(pattern(500_000)), 500_000);
});

Deno.test("memory: early segments leave room for the segments before them", () => {
  const a = new End({ rcvWnd: 1024 }, new Arena(1 << 18));
  for (let sn = 1000; sn > 0; sn--) a.input(0, { sn, data: pattern(1000 + sn % 7, sn) });
  for (let sn = 0; sn <= 1000; sn++) {
    a.input(1, { sn, data: pattern(1000 + sn % 7, sn) });
    assertEquals(a.recv()?.length, 1000 + sn % 7, `segment ${sn}`);
  }
});

Deno.test("memory: the end of a stream needs none", () => {
  const a = new End({ nc: true, ackNoDelay: true }, new Arena(1 << 17));
  a.input(0, { cmd: WINS, wnd: 100 });
  exhaust(a.kcp.arena);
  assertEquals(a.kcp.write(pattern(1)), 0);
  assert(a.kcp.send(new Uint8Array(0)), "the end is sent");
  a.input(1, { sn: 0 });
  assert(a.kcp.atEmptyMessage, "the peer's end is taken");
});

Deno.test("memory: unread data of an abandoned machine leaves the arena, and can be read", () => {
  const b = new End({ rcvWnd: 256 });
  for (let sn = 0; sn < 100; sn++) b.input(0, { sn, data: pattern(1000, sn) });
  b.read(500);
  b.input(0, { sn: 120, data: pattern(5) });
  b.kcp.abandon();
  assertEquals(b.kcp.arena.used, 65_536, "only the batch is left");
  assertEquals(b.read(500), pattern(500, 500));
  for (let sn = 1; sn < 100; sn++) assertEquals(b.recv(), pattern(1000, sn));
  assertEquals(b.kcp.peekSize(), -1);
  b.kcp.close();
  assertEquals(b.kcp.arena.used, 65_536);
});

Deno.test("memory: oversized segments are held to the bytes of a window of usual ones", () => {
  const b = new End({ rcvWnd: 32, ackNoDelay: true });
  for (let sn = 31; sn >= 0; sn--) b.input(0, { sn, data: pattern(60_000, sn) });
  assert(b.kcp.stats.refused > 20, `${b.kcp.stats.refused} of 32 were refused`);
  assert(b.kcp.arena.used < 1 << 19, `${b.kcp.arena.used} bytes are in use`);
  // In order, every one gets through to a reader all the same.
  while (b.recv());
  for (let sn = b.kcp.rcvNxt; sn < 32; sn = b.kcp.rcvNxt) {
    b.input(1, { sn, data: pattern(60_000, sn) });
    assert(b.kcp.rcvNxt > sn, `segment ${sn} is kept out`);
    while (b.recv());
  }
});

Deno.test("batch: it holds what fits, and says when it is full", () => {
  const batch = new PacketBatch({ bytes: 200, packets: 3 });
  assertEquals(batch.reserve(201), -1);
  const at = batch.reserve(100);
  batch.commit(at + 60);
  assertEquals(batch.reserve(141), -1);
  const second = batch.reserve(140);
  assertEquals(second, at + 60);
  batch.commit(second + 1);
  batch.commit(batch.reserve(1) + 1);
  assertEquals(batch.reserve(1), -1, "3 packets");
  assertEquals([...batch].map((packet) => packet.length), [60, 1, 1]);
  batch.clear();
  assertEquals([batch.count, batch.reserve(200)], [0, at]);
});

Deno.test("batch: a layer gets its room around each packet, and is told of each", () => {
  const a = opened({ mtu: 100 });
  const completed: [number, number][] = [];
  a.batch.layer = {
    headroom: 20,
    tailroom: 5,
    pending: false,
    complete: (batch, start, end) => {
      completed.push([start, end]);
      batch.append(end);
    },
  };
  for (let i = 0; i < 3; i++) a.kcp.send(pattern(76, i));
  a.kcp.tick(0);
  assertEquals(a.kcp.output(a.batch), 3);
  for (const [i, packet] of [...a.batch].entries()) {
    assertEquals(packet.length, 125);
    assertEquals(packet.slice(44, 120), pattern(76, i));
    assertEquals(completed[i], [a.batch.starts[i], a.batch.ends[i]]);
  }
});

Deno.test("batch: what a layer appends counts, and a layer that is not done holds the machine back", () => {
  const a = opened({ mtu: 100 });
  const { batch } = a;
  const layer = {
    headroom: 1,
    tailroom: 0,
    pending: false,
    complete: (_: PacketBatch, _start: number, end: number) => {
      batch.append(end);
      // Behind each packet comes one of the layer's; from the second on it finds no room for it.
      if (batch.count === 3) {
        layer.pending = true;
        return;
      }
      const at = batch.place(7);
      batch.append(at + 7);
    },
  };
  batch.layer = layer;
  for (let i = 0; i < 3; i++) a.kcp.send(pattern(76, i));
  a.kcp.tick(0);
  assertEquals(a.kcp.output(batch), 3);
  assertEquals([...batch].map((packet) => packet.length), [101, 7, 101]);
  assertEquals([batch.full, a.kcp.deadline], [true, 0], "the third packet is still due");
  batch.clear();
  assertEquals(a.kcp.output(batch), 0);
  layer.pending = false;
  assertEquals(a.kcp.output(batch), 2);
});

Deno.test("batch: one in another arena is refused", () => {
  const a = new End();
  assertThrows(() => a.kcp.output(new PacketBatch()), TypeError, "arena");
  assertThrows(() => new PacketBatch({ arena: new Arena(1024) }), RangeError, "65536");
});

Deno.test("arena: bytes are copied as by copyWithin, before and after kernels reach the arena", () => {
  const random = new Random(1);
  for (const size of [32_768, 262_144]) {
    const arena = new Arena();
    const block = arena.alloc(size);
    random.fill(arena.bytes);
    for (let n = 0; n < 60; n++) {
      const length = random.below(3001);
      const from = block + random.below(size - 3000);
      // Half of the ranges overlap.
      const to = n % 2 ? block + random.below(size - 3000) : Math.max(block, from - 1500 + n);
      const expected = arena.bytes.slice().copyWithin(to, from, from + length);
      arena.copy(to, from, length);
      const same = arena.bytes.every((byte, i) => byte === expected[i]);
      assert(same, `${length} bytes from ${from} to ${to} of ${size}`);
    }
  }
});
