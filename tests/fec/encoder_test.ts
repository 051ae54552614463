import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { FecEncoder } from "../../fec/encoder.ts";
import { Arena } from "../../kcp/arena.ts";
import { Random } from "../../transport/link/random.ts";
import {
  DATA,
  limitOf,
  nameOf,
  packetOf,
  PARITY,
  parityOf,
  parse,
  ratioOf,
  Sender,
  sized,
  totalOf,
} from "./harness.ts";

/** The types and numbers of shards as a short text, such as "d5 p6". */
function outline(shards: readonly Uint8Array[]): string {
  return shards.map(parse).map(({ type, seqid }) => (type === DATA ? "d" : "p") + seqid).join(" ");
}

/** Sends the packets from `from` to before `to`, all at the same time. */
function sendAll(sender: Sender, from: number, to: number): Uint8Array[] {
  const shards = [];
  for (let n = from; n < to; n++) shards.push(...sender.send(packetOf(n)));
  return shards;
}

Deno.test("encoder: the harness gives the parity of klauspost/reedsolomon v1.14.2", () => {
  const golden = {
    "1/2": ["0314479c13", "0314479c13"],
    "3/1": ["512a955221"],
    "4/2": ["f019318aae", "4c6ca285ef"],
    "10/3": ["d311181738", "05f0d530bb", "b0d7daa11b"],
  };
  for (const [name, expected] of Object.entries(golden)) {
    const [d, p] = name.split("/").map(Number);
    const data = Array.from(
      { length: d },
      (_, i) => Uint8Array.from({ length: 5 }, (_, j) => i * 50 + j * j * 17 + 3),
    );
    assertEquals(parityOf(data, ratioOf(d, p)).map((shard) => shard.toHex()), expected, name);
  }
});

Deno.test("encoder: a data shard is seqid, type 0xf1, size and the packet, little-endian", () => {
  const sender = new Sender(ratioOf(2, 1), 0x0306090c);
  assertEquals(sender.send(Uint8Array.of(7, 8, 9))[0].toHex(), "0c090603f1000500070809");
  assertEquals(
    sender.send(new Uint8Array(0x1234 - 2))[0].slice(0, 8).toHex(),
    "0d090603f1003412",
    "a size of two bytes",
  );
});

Deno.test("encoder: a parity shard is seqid, type 0xf2 and the parity of size and packet", () => {
  const sender = new Sender(ratioOf(1, 1));
  sender.send(Uint8Array.of(1));
  const [data, parity] = sender.send(Uint8Array.of(7, 8, 9));
  assertEquals(data.toHex(), "02000000f1000500070809");
  assertEquals(parity.toHex(), "03000000f2000500070809", "the parity of one shard is that shard");
});

Deno.test("encoder: seal writes only the header, and takeParity only the parity packet", () => {
  const arena = new Arena();
  const at = arena.alloc(512);
  const encoder = new FecEncoder(ratioOf(2, 2));
  arena.bytes.fill(0xaa, at, at + 512);
  encoder.seal(arena, at + 100, at + 150, 0);
  encoder.seal(arena, at + 200, at + 230, 0);
  const written = [...arena.bytes.subarray(at, at + 512).entries()]
    .filter(([, byte]) => byte !== 0xaa).map(([i]) => i);
  const header = (start: number) => Array.from({ length: 8 }, (_, i) => start + i);
  assertEquals(written, [...header(100), ...header(200)]);
  arena.bytes.fill(0xaa, at, at + 512);
  assertEquals(encoder.paritySize, 50);
  assertEquals(encoder.takeParity(arena, at + 300), at + 350);
  assert(
    arena.bytes.subarray(at, at + 300).every((byte) => byte === 0xaa),
    "a byte before it changed",
  );
  assert(
    arena.bytes.subarray(at + 350, at + 512).every((byte) => byte === 0xaa),
    "a byte after it changed",
  );
});

Deno.test("encoder: numbers increase by one: first the data of a group, then its parity", () => {
  assertEquals(
    outline(sendAll(new Sender(ratioOf(3, 2)), 0, 7)),
    "d0 d1 d2 p3 p4 d5 d6 d7 p8 p9 d10",
  );
  assertEquals(outline(sendAll(new Sender(ratioOf(2, 1), 33), 0, 3)), "d33 d34 p35 d36");
});

Deno.test("encoder: pending and atGroupStart are right after each step", () => {
  const arena = new Arena();
  const at = arena.alloc(256);
  const encoder = new FecEncoder(ratioOf(2, 3));
  const seen = [[encoder.pending, encoder.atGroupStart]];
  for (let i = 0; i < 2; i++) {
    encoder.seal(arena, at, at + 60, 0);
    seen.push([encoder.pending, encoder.atGroupStart]);
  }
  for (let i = 0; i < 3; i++) {
    encoder.takeParity(arena, at);
    seen.push([encoder.pending, encoder.atGroupStart]);
  }
  assertEquals(seen, [[0, true], [0, false], [3, false], [2, false], [1, false], [0, true]]);
});

Deno.test("encoder: seqids wrap to 0 at the largest multiple of the group below 2^32 - 1", () => {
  for (
    const ratio of [
      ratioOf(1, 1),
      ratioOf(2, 1), // 0xffffffff itself is a multiple of 3
      ratioOf(4, 2),
      ratioOf(10, 3),
      ratioOf(20, 10),
      ratioOf(3, 252), // and of 255
      ratioOf(128, 128),
      ratioOf(255, 1),
    ]
  ) {
    const total = totalOf(ratio);
    const limit = limitOf(total);
    const sender = new Sender(ratio, limit - 2 * total);
    const seqids = [];
    for (let n = 0; n < 4 * ratio.dataShards; n++) {
      // There is no packet before the first one, so a first group of one data shard gets no parity.
      for (const shard of sender.send(packetOf(n, 30), n)) seqids.push(parse(shard).seqid);
    }
    const expected = [];
    for (let i = -2 * total; i < 2 * total; i++) expected.push(i < 0 ? limit + i : i);
    if (ratio.dataShards === 1) expected.splice(1, ratio.parityShards);
    assertEquals(seqids, expected, nameOf(ratio));
  }
});

Deno.test("encoder: the numbers wrap even when the last parity before the wrap is not sent", () => {
  for (const parityLimit of [0, 1, 2]) {
    const sender = new Sender(ratioOf(2, 3), limitOf(5) - 5);
    sender.encoder.parityLimit = parityLimit;
    const kept = outline(sendAll(sender, 0, 4)).split(" ").filter((name) => name[0] === "d");
    assertEquals(kept, [`d${limitOf(5) - 5}`, `d${limitOf(5) - 4}`, "d0", "d1"]);
  }
  const late = new Sender(ratioOf(2, 1), limitOf(3) - 3);
  late.send(packetOf(0), 0);
  late.send(packetOf(1), 600);
  assertEquals(outline(late.send(packetOf(2), 601)), "d0");
});

/**
 * Sends one group of packets of random lengths, and compares its parity with that of the harness.
 */
function compareGroup(sender: Sender, random: Random, longest: number): void {
  const ratio = sender.encoder.ratio!;
  const packets = Array.from(
    { length: ratio.dataShards },
    () => random.fill(new Uint8Array(random.below(longest + 1))),
  );
  const shards = packets.flatMap((packet) => sender.send(packet)).map(parse);
  const expected = parityOf(packets.map((packet) => sized(packet)), ratio);
  const parity = shards.filter(({ type }) => type === PARITY).map(({ body }) => body);
  assertEquals(parity, expected, `${nameOf(ratio)}, lengths ${packets.map((p) => p.length)}`);
}

Deno.test("encoder: parity equals the harness's, for any ratio and packet lengths", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 24 }),
      fc.integer({ min: 1, max: 24 }),
      fc.integer({ min: 1, max: 200 }),
      fc.integer({ min: 0, max: 2 ** 31 }),
      (d, p, longest, seed) => {
        const sender = new Sender(ratioOf(d, p));
        const random = new Random(seed);
        if (d === 1) sender.send(packetOf(0));
        for (let group = 0; group < 3; group++) compareGroup(sender, random, longest);
      },
    ),
    { numRuns: 150 },
  );
});

Deno.test("encoder: parity equals the harness's, for usual and large packets", () => {
  for (const longest of [1400, 9000, 65_000]) {
    const sender = new Sender(ratioOf(3, 5));
    for (let group = 0; group < 3; group++) {
      compareGroup(sender, new Random(longest + group), longest);
    }
  }
});

Deno.test("encoder: parity equals the harness's, for 128/128, 255/1, 1/255 and 200/56", () => {
  for (const ratio of [ratioOf(128, 128), ratioOf(255, 1), ratioOf(1, 255), ratioOf(200, 56)]) {
    const sender = new Sender(ratio);
    const random = new Random(nameOf(ratio));
    if (ratio.dataShards === 1) sender.send(packetOf(0));
    for (let group = 0; group < 2; group++) compareGroup(sender, random, 40);
  }
});

Deno.test("encoder: a group of short packets has short parity after a group of long ones", () => {
  const sender = new Sender(ratioOf(2, 1));
  const lengths = [];
  for (const size of [1000, 1200, 10, 20, 700, 4]) {
    for (const shard of sender.send(new Uint8Array(size).fill(size)).map(parse)) {
      if (shard.type === PARITY) lengths.push(shard.body.length);
    }
  }
  assertEquals(lengths, [1202, 22, 702]);
});

Deno.test("encoder: a gap of 500 ms before the last packet skips the parity", () => {
  for (const [gap, sent] of [[0, true], [499, true], [499.99, true], [500, false], [9e9, false]]) {
    const sender = new Sender(ratioOf(3, 2));
    sender.send(packetOf(0), 1000);
    sender.send(packetOf(1), 1000);
    const last = outline(sender.send(packetOf(2), 1000 + Number(gap)));
    assertEquals(last, sent ? "d2 p3 p4" : "d2", `after ${gap} ms`);
    assertEquals(sender.encoder.atGroupStart, true);
    assertEquals(outline(sender.send(packetOf(3), 1001 + Number(gap))), "d5");
  }
});

Deno.test("encoder: only a gap before the last packet of a group stops its parity", () => {
  const sender = new Sender(ratioOf(3, 1));
  sender.send(packetOf(0), 0);
  sender.send(packetOf(1), 5000);
  assertEquals(outline(sender.send(packetOf(2), 5001)), "d2 p3");
  sender.send(packetOf(3), 99_000);
  sender.send(packetOf(4), 99_001);
  assertEquals(outline(sender.send(packetOf(5), 99_002)), "d6 p7");
});

Deno.test("encoder: parity is right in the group after a group without parity", () => {
  const sender = new Sender(ratioOf(2, 2));
  sender.send(packetOf(0, 900), 0);
  sender.send(packetOf(1, 900), 700);
  compareGroup(sender, new Random("after a gap"), 60);
});

Deno.test("encoder: with one data shard, the gap to the previous group counts", () => {
  const sender = new Sender(ratioOf(1, 2));
  assertEquals(outline(sender.send(packetOf(0), 50)), "d0", "as in kcp-go");
  assertEquals(outline(sender.send(packetOf(1), 549)), "d3 p4 p5");
  assertEquals(outline(sender.send(packetOf(2), 1049)), "d6");
  assertEquals(outline(sender.send(packetOf(3), 1050)), "d9 p10 p11");
});

Deno.test("encoder: parityLimit sends the first parity shards, and skips the others", () => {
  const ratio = ratioOf(4, 3);
  for (let limit = 0; limit <= 3; limit++) {
    const sender = new Sender(ratio);
    sender.encoder.parityLimit = limit;
    const packets = Array.from({ length: 4 }, (_, n) => packetOf(n));
    const shards = packets.flatMap((packet) => sender.send(packet)).map(parse).slice(4);
    const expected = parityOf(packets.map((packet) => sized(packet)), ratio).slice(0, limit);
    assertEquals(shards.map(({ body }) => body), expected, `limit ${limit}`);
    assertEquals(shards.map(({ seqid }) => seqid), [4, 5, 6].slice(0, limit));
    assertEquals(sender.encoder.atGroupStart, true);
    assertEquals(outline(sender.send(packetOf(4))), "d7");
  }
});

Deno.test("encoder: parityLimit applies from the next group on", () => {
  const sender = new Sender(ratioOf(2, 2));
  sender.send(packetOf(0));
  sender.encoder.parityLimit = 0;
  assertEquals(outline(sender.send(packetOf(1))), "d1 p2 p3", "the open group has its parity");
  sender.send(packetOf(2));
  sender.encoder.parityLimit = 2;
  assertEquals(outline(sender.send(packetOf(3))), "d5", "this group has no parity");
  assertEquals(outline(sendAll(sender, 4, 6)), "d8 d9 p10 p11");
});

Deno.test("encoder: parity is right in a group of limit 1 after one of limit 0", () => {
  const sender = new Sender(ratioOf(3, 2));
  for (const limit of [0, 1, 0, 2, 1]) {
    sender.encoder.parityLimit = limit;
    const packets = Array.from({ length: 3 }, (_, n) => packetOf(n * 7 + limit));
    const parity = packets.flatMap((packet) => sender.send(packet)).slice(3).map(parse);
    const expected = parityOf(packets.map((packet) => sized(packet)), ratioOf(3, 2));
    assertEquals(parity.map(({ body }) => body), expected.slice(0, limit));
  }
});

Deno.test("encoder: stats are a snapshot of the counters", () => {
  const sender = new Sender(ratioOf(3, 2));
  const before = sender.encoder.stats;
  sendAll(sender, 0, 7);
  assertEquals(sender.encoder.stats, { dataOut: 7, parityOut: 4 });
  assertEquals(before, { dataOut: 0, parityOut: 0 });
});

Deno.test("encoder: two encoders of the same ratio do not share their sums", () => {
  const [a, b] = [new Sender(ratioOf(2, 2)), new Sender(ratioOf(2, 2))];
  const expected = outlineBytes([...a.send(packetOf(1)), ...a.send(packetOf(2))]);
  const c = new Sender(ratioOf(2, 2));
  const mixed = [...c.send(packetOf(1))];
  b.send(packetOf(8));
  b.send(packetOf(9));
  mixed.push(...c.send(packetOf(2)));
  assertEquals(outlineBytes(mixed), expected);
});

function outlineBytes(shards: readonly Uint8Array[]): string[] {
  return shards.map((shard) => shard.toHex());
}

Deno.test("encoder: a ratio out of range throws", () => {
  for (const [d, p] of [[1, 1], [255, 1], [1, 255], [128, 128]]) new FecEncoder(ratioOf(d, p));
  for (
    const [d, p] of [[0, 1], [1, 0], [-1, 3], [256, 1], [1, 256], [200, 57], [1.5, 2], [NaN, 1]]
  ) {
    assertThrows(() => new FecEncoder(ratioOf(d, p)), RangeError, "Cannot", `${d}/${p}`);
  }
  for (const wrong of ["3", null, undefined, 3n, {}]) {
    const ratio = { dataShards: wrong, parityShards: 1 } as unknown as { [key: string]: number };
    assertThrows(
      () => new FecEncoder(ratio as unknown as ReturnType<typeof ratioOf>),
      TypeError,
      "Cannot",
    );
  }
});

Deno.test("encoder: the first seqid must begin a group below the wrap", () => {
  const ratio = ratioOf(10, 3);
  for (const good of [0, 13, limitOf(13) - 13]) new FecEncoder(ratio, good);
  for (const bad of [1, 12, -13, limitOf(13), 2 ** 32, NaN, Infinity, 6.5]) {
    assertThrows(() => new FecEncoder(ratio, bad), RangeError, String(bad));
  }
});

Deno.test("encoder: the encoder copies the ratio", () => {
  const ratio = { dataShards: 2, parityShards: 1 };
  const sender = new Sender(ratio);
  ratio.dataShards = 5;
  assertEquals(outline(sendAll(sender, 0, 4)), "d0 d1 p2 d3 d4 p5");
});

Deno.test("encoder: a parityLimit out of range throws at once", () => {
  const arena = new Arena();
  const at = arena.alloc(256);
  for (const limit of [-1, 0.5, 3, NaN]) {
    const encoder = new FecEncoder(ratioOf(2, 2));
    const misuse = () => {
      encoder.parityLimit = limit;
      encoder.seal(arena, at, at + 30, 0);
    };
    assertThrows(misuse, RangeError, "Cannot", `${limit}`);
  }
});

Deno.test("encoder: seal throws while parity is pending, takeParity while none is", () => {
  const arena = new Arena();
  const at = arena.alloc(256);
  const encoder = new FecEncoder(ratioOf(1, 1));
  assertThrows(() => encoder.takeParity(arena, at), Error, "Cannot", "nothing is pending");
  encoder.seal(arena, at, at + 30, 0);
  encoder.seal(arena, at, at + 30, 0);
  assertEquals(encoder.pending, 1);
  assertThrows(() => encoder.seal(arena, at, at + 30, 0), Error, "Cannot", "parity is pending");
});

Deno.test("encoder: another ratio begins at a multiple of its group size", () => {
  const sender = new Sender(ratioOf(2, 1));
  assertEquals(
    outline([0, 1, 2, 3].flatMap((n) => sender.send(packetOf(n), n))),
    "d0 d1 p2 d3 d4 p5",
  );
  const { encoder } = sender;
  encoder.restart(null);
  assertEquals([encoder.ratio, encoder.parityLimit, encoder.nextSeqid], [null, 0, 6]);
  assertEquals(outline([0, 1, 2].flatMap((n) => sender.send(packetOf(n), n))), "d6 d7 d8");
  encoder.skip(2);
  assertEquals(outline(sender.send(packetOf(0), 9)), "d11");
  encoder.restart(ratioOf(3, 2));
  assertEquals(encoder.nextSeqid, 15);
  const shards = [0, 1, 2, 3].flatMap((n) => sender.send(packetOf(n), 10));
  assertEquals(outline(shards), "d15 d16 d17 p18 p19 d20");
  assertThrows(() => encoder.restart(null), TypeError, "while a group is open");
  assertThrows(() => encoder.skip(1), TypeError, "of groups");
});

Deno.test("encoder: the parity after a change of the ratio is that of the new one", () => {
  const random = new Random("restart");
  const sender = new Sender(ratioOf(4, 4));
  for (const ratio of [ratioOf(4, 4), ratioOf(7, 2), ratioOf(1, 3), ratioOf(20, 10)]) {
    sender.encoder.restart(null);
    sender.send(random.fill(new Uint8Array(90)), 0);
    sender.encoder.restart(ratio);
    compareGroup(sender, random, 300);
    compareGroup(sender, random, 1400);
  }
});

Deno.test("encoder: after a change of the ratio, a late lone packet has its parity, too", () => {
  const sender = new Sender(ratioOf(2, 1));
  sender.encoder.restart(ratioOf(1, 2));
  assertEquals(outline(sender.send(packetOf(0), 0)), "d0 p1 p2");
  assertEquals(outline(sender.send(packetOf(0), 5000)), "d3 p4 p5");
});

Deno.test("encoder: sequence numbers wrap while packets form no groups", () => {
  const limit = Math.floor(0xffffffff / 3) * 3;
  const sender = new Sender(ratioOf(2, 1), limit - 3);
  sender.encoder.restart(null);
  const most = 0xffffffff - limit + 3;
  const seqids = Array.from(
    { length: most + 2 },
    (_, n) => parse(sender.send(packetOf(0), n)[0]).seqid,
  );
  assertEquals(seqids.at(-3), 0xfffffffe);
  assertEquals(seqids.slice(-2), [0, 1]);
});
