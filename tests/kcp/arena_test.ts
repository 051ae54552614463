import { assert, assertEquals, assertThrows } from "@std/assert";
import { Arena, PacketBatch } from "../../kcp/mod.ts";
import { Random } from "../../transport/link/random.ts";
import { End, opened, pattern, WINS } from "./harness.ts";

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

Deno.test("arena: alloc returns -1 at the limit, and succeeds again after a free", () => {
  const arena = new Arena(4096);
  const blocks = [];
  for (let at; (at = arena.alloc(1000)) >= 0;) blocks.push(at);
  assertEquals([blocks.length, arena.used, arena.capacity], [4, 4096, 4096]);
  assertEquals([arena.alloc(1), arena.alloc(1 << 20), arena.alloc(2 ** 30)], [-1, -1, -1]);
  arena.free(blocks[2], 1000);
  assertEquals(arena.alloc(1024), blocks[2]);
});

Deno.test("arena: a block of more than 1 GiB is refused", () => {
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

Deno.test("arena: view and bytes share memory, before and after growth", () => {
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

Deno.test("memory: a trimmed idle machine holds no memory, and still works", () => {
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

Deno.test("memory: close frees all data: queued, in flight, early and unread", () => {
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

Deno.test("memory: without memory, send and write refuse, and segments get no ACK", () => {
  const arena = new Arena(1 << 17);
  const a = new End({ nc: true, burst: Infinity }, arena);
  a.input(0, { cmd: WINS, wnd: 100 });
  let queued = 0;
  while (a.kcp.send(pattern(1000, queued))) queued++;
  assert(queued > 3 && queued < 128, `${queued} messages`);
  assertEquals(a.kcp.write(pattern(1000)), 0);
  const data = a.segments(0).map((s) => s.data);
  assertEquals(data, Array.from({ length: queued }, (_, n) => pattern(1000, n)));
  for (let sn = 60; sn >= 0; sn--) a.input(1, { sn, data: pattern(1000, sn) });
  const { refused, rcvQueue, rcvBuffer } = a.kcp.stats;
  assert(refused > 0, "some were refused");
  const acknowledged = a.segments(1).filter((s) => s.cmd === 82);
  assert(acknowledged.length <= rcvQueue + rcvBuffer + 1, "only what is kept is acknowledged");
  a.input(2, { cmd: WINS, una: queued });
  a.kcp.trim();
  for (let sn = 0; sn <= 60; sn++) {
    a.input(3, { sn, una: queued, data: pattern(1000, sn) });
    const message = a.recv();
    assertEquals(message, pattern(1000, sn), `message ${sn}, once there was room`);
  }
  a.kcp.close();
  assertEquals(arena.used, 65536);
});

Deno.test("arena: at the limit, free blocks are cut into smaller ones", () => {
  const arena = new Arena(1 << 16);
  const large = arena.alloc(1 << 16);
  arena.free(large, 1 << 16);
  const small = new Set<number>();
  for (let n = 0; n < 1024; n++) small.add(arena.alloc(64));
  assertEquals(small.size, 1024, "each is another place");
  assert([...small].every((offset) => offset >= 0 && offset < 1 << 16 && offset % 64 === 0));
  assertEquals([arena.alloc(64), arena.used], [-1, 1 << 16]);
});

Deno.test("memory: oversized segments are limited to the bytes of a normal window", () => {
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

Deno.test("batch: it holds the packets that fit, and then reports full", () => {
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

Deno.test("batch: a layer gets headroom and tailroom, and completes each packet", () => {
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

Deno.test("batch: a layer's packets count, and a pending layer blocks the machine", () => {
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
