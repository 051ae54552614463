import { assert, assertEquals, assertThrows } from "@std/assert";
import { FecDecoder } from "../../fec/decoder.ts";
import type { FecRatio } from "../../fec/ratio.ts";
import { Arena } from "../../kcp/arena.ts";
import { Random } from "../../transport/link/random.ts";
import {
  DATA,
  limitOf,
  nameOf,
  numberOf,
  packetOf,
  PARITY,
  parityMatrix,
  parityOf,
  Peer,
  ratioOf,
  Receiver,
  shard,
  shuffle,
  sized,
  subsets,
  totalOf,
} from "./harness.ts";

/**
 * The numbers of the packets that a decoder must restore when the shards `lost` of a group are
 * lost: all lost data if enough shards are left, else none.
 */
function restorable(lost: readonly number[], ratio: FecRatio, from = 0): number[] {
  if (lost.length > ratio.parityShards) return [];
  return lost.filter((place) => place < ratio.dataShards).map((place) => from + place)
    .sort((a, b) => a - b);
}

function without<T>(list: readonly T[], lost: readonly number[]): T[] {
  return list.filter((_, i) => !lost.includes(i));
}

Deno.test("decoder: every repairable loss pattern is repaired, in 3/1, 4/2, 2/3 and 1/4", () => {
  for (const ratio of [ratioOf(3, 1), ratioOf(4, 2), ratioOf(2, 3), ratioOf(1, 4)]) {
    for (const lost of subsets(totalOf(ratio), totalOf(ratio))) {
      const b = new Receiver(ratio);
      b.input(...without(new Peer(ratio).group(), lost));
      assertEquals(b.take(), restorable(lost, ratio), `${nameOf(ratio)} without ${lost}`);
    }
  }
});

Deno.test("decoder: the repair does not depend on the order of arrival, in 3/2", () => {
  const ratio = ratioOf(3, 2);
  const random = new Random("order");
  for (const lost of subsets(5, 2)) {
    for (let n = 0; n < 20; n++) {
      const b = new Receiver(ratio);
      const arriving = shuffle(without(new Peer(ratio).group(), lost), random);
      b.input(...arriving);
      // The order is random, so a packet may be restored before its own shard arrives.
      const restored = b.take();
      for (const number of restorable(lost, ratio)) {
        assert(restored.includes(number), `without ${lost}, packet ${number} is missing`);
      }
      assertEquals(new Set(restored).size, restored.length, "a packet was restored twice");
      assertEquals(b.arena.used, 0);
    }
  }
});

Deno.test("decoder: random losses are repaired in 10/3, 20/10 and 1/1, 30 groups each", () => {
  const random = new Random("losses");
  for (const ratio of [ratioOf(10, 3), ratioOf(20, 10), ratioOf(1, 1)]) {
    const peer = new Peer(ratio);
    const b = new Receiver(ratio);
    for (let g = 0; g < 30; g++) {
      const from = peer.next;
      const places = shuffle([...Array(totalOf(ratio)).keys()], random);
      const lost = places.slice(0, random.below(ratio.parityShards + 1));
      b.input(...without(peer.group(), lost));
      assertEquals(b.take(), restorable(lost, ratio, from), `${nameOf(ratio)} without ${lost}`);
      assertEquals(b.arena.used, 0, "the memory of a finished group");
    }
    assertEquals([b.decoder.stats.failures, b.decoder.stats.incomplete], [0, 0]);
  }
});

Deno.test("decoder: 128/128, 255/1, 1/255 and 200/56 are repaired", () => {
  const random = new Random("large");
  for (const ratio of [ratioOf(128, 128), ratioOf(255, 1), ratioOf(1, 255), ratioOf(200, 56)]) {
    const peer = new Peer(ratio);
    const b = new Receiver(ratio);
    for (let g = 0; g < 3; g++) {
      const from = peer.next;
      const lost = shuffle([...Array(totalOf(ratio)).keys()], random).slice(0, ratio.parityShards);
      b.input(...without(peer.group(), lost));
      assertEquals(b.take(), restorable(lost, ratio, from), nameOf(ratio));
    }
    assertEquals(b.arena.used, 0);
  }
});

Deno.test("decoder: packets of unequal lengths are restored with their own lengths", () => {
  const ratio = ratioOf(4, 3);
  const sizes = [1400, 4, 24, 700];
  for (const lost of subsets(4, 3)) {
    const b = new Receiver(ratio, false);
    const packets = sizes.map((size, n) => packetOf(n, size));
    b.input(...without(new Peer(ratio).groupOf(packets), lost));
    assertEquals(b.raw, lost.map((place) => packets[place]), `without ${lost}`);
  }
});

Deno.test("decoder: a packet is restored as soon as enough shards have arrived", () => {
  const ratio = ratioOf(4, 3);
  const b = new Receiver(ratio);
  const shards = new Peer(ratio).group();
  const progress = [6, 0, 4, 3, 1, 2].map((place) => {
    b.input(shards[place]);
    return b.take();
  });
  assertEquals(progress, [[], [], [], [1, 2], [], []]);
});

Deno.test("decoder: parity may arrive before data, or without data", () => {
  const ratio = ratioOf(3, 3);
  const peer = new Peer(ratio);
  const first = peer.group();
  const b = new Receiver(ratio);
  b.input(first[5], first[3], first[4]);
  assertEquals(b.take(), [0, 1, 2], "three parity shards restore three packets");
  const second = peer.group();
  b.input(second[4], second[1], second[0]);
  assertEquals(b.take(), [5]);
});

Deno.test("decoder: duplicates count once", () => {
  const ratio = ratioOf(3, 2);
  const b = new Receiver(ratio);
  const shards = new Peer(ratio).group();
  b.input(shards[0], shards[0], shards[0], shards[4], shards[4], shards[4]);
  assertEquals(b.take(), [], "only two different shards of three have arrived");
  const { used } = b.arena;
  b.input(shards[4], shards[0]);
  assertEquals(b.arena.used, used, "a duplicate uses no memory");
  b.input(shards[1]);
  assertEquals(b.take(), [2]);
});

Deno.test("decoder: late shards of a finished group are ignored", () => {
  const ratio = ratioOf(3, 2);
  for (const done of [[0, 1, 2], [0, 1, 3], [3, 4, 2]]) {
    const b = new Receiver(ratio);
    const shards = new Peer(ratio).group();
    b.input(...done.map((place) => shards[place]));
    const before = b.decoder.stats.recovered;
    b.take();
    b.input(...shards, ...shards);
    assertEquals([b.take(), b.arena.used], [[], 0], `after ${done}`);
    assertEquals(b.decoder.stats.recovered, before);
  }
});

Deno.test("decoder: groups are repaired when their shards arrive interleaved", () => {
  const random = new Random("mixed");
  for (const ratio of [ratioOf(4, 2), ratioOf(10, 3), ratioOf(20, 10), ratioOf(100, 20)]) {
    const peer = new Peer(ratio);
    const b = new Receiver(ratio);
    for (let round = 0; round < 5; round++) {
      // Three groups at once. kcp-go keeps as many.
      const expected: number[] = [];
      const arriving: Uint8Array[] = [];
      for (let g = 0; g < 3; g++) {
        const lost = shuffle([...Array(ratio.dataShards).keys()], random).slice(
          0,
          ratio.parityShards,
        );
        expected.push(...restorable(lost, ratio, peer.next));
        arriving.push(...without(peer.group(), lost));
      }
      b.input(...shuffle(arriving, random));
      assertEquals(b.take(), expected, nameOf(ratio));
      assertEquals(b.arena.used, 0);
    }
  }
});

Deno.test("decoder: a group is kept until three newer groups have arrived, or longer", () => {
  for (const ratio of [ratioOf(1, 1), ratioOf(4, 2), ratioOf(10, 3), ratioOf(128, 128)]) {
    const peer = new Peer(ratio);
    const b = new Receiver(ratio);
    const first = peer.group();
    const held = first.slice(0, ratio.dataShards - 1);
    b.input(...held);
    for (let g = 0; g < 3; g++) b.input(...peer.group());
    b.input(first.at(-1)!);
    assertEquals(b.take(), [ratio.dataShards - 1], nameOf(ratio));
  }
});

Deno.test("decoder: a group that leaves the window with a data shard missing is counted", () => {
  const ratio = ratioOf(4, 1);
  const peer = new Peer(ratio);
  const b = new Receiver(ratio);
  b.input(...without(peer.group(), [0, 1]));
  b.input(...without(peer.group(), [4]), ...without(peer.group(), [2]));
  assertEquals(b.take(), [10]);
  for (let g = 0; g < 300; g++) b.input(...peer.group());
  assertEquals(b.decoder.stats.incomplete, 1);
  assertEquals(b.arena.used, 0);
});

Deno.test("decoder: memory stays bounded when too many shards are lost for a long time", () => {
  for (const ratio of [ratioOf(2, 1), ratioOf(10, 3), ratioOf(100, 50)]) {
    const peer = new Peer(ratio);
    const b = new Receiver(ratio);
    let most = 0;
    for (let n = 0; n < 20_000; n += totalOf(ratio)) {
      b.input(...peer.group().slice(0, ratio.dataShards - 1));
      most = Math.max(most, b.arena.used);
    }
    assert(b.decoder.stats.incomplete > 20, nameOf(ratio));
    assert(most < 1024 * 128, `${most} bytes in use with ${nameOf(ratio)}`);
    b.decoder.clear();
    assertEquals(b.arena.used, 0, "after clear");
  }
});

Deno.test("decoder: clear frees all memory, and later groups are repaired", () => {
  const ratio = ratioOf(6, 3);
  const peer = new Peer(ratio);
  const b = new Receiver(ratio);
  for (let g = 0; g < 5; g++) b.input(...peer.group().slice(0, 4));
  assert(b.arena.used > 0);
  b.decoder.clear();
  assertEquals(b.arena.used, 0);
  b.decoder.clear();
  assertEquals(b.decoder.ratio, ratio, "the ratio is kept");
  const from = peer.next;
  b.input(...without(peer.group(), [1, 2, 5]));
  assertEquals(b.take(), [from + 1, from + 2, from + 5]);
});

Deno.test("decoder: groups around the wrap are repaired, in order and interleaved", () => {
  const random = new Random("wrap");
  for (const ratio of [ratioOf(1, 1), ratioOf(2, 1), ratioOf(10, 3), ratioOf(128, 128)]) {
    const total = totalOf(ratio);
    for (const mixed of [false, true]) {
      const peer = new Peer(ratio, limitOf(total) - 3 * total);
      const b = new Receiver(ratio);
      const expected: number[] = [];
      const arriving: Uint8Array[] = [];
      for (let g = 0; g < 6; g++) {
        const lost = [random.below(ratio.dataShards)];
        expected.push(...restorable(lost, ratio, peer.next));
        arriving.push(...without(peer.group(), lost));
      }
      const pairs = [0, 2, 4].flatMap((g) =>
        shuffle(arriving.slice(g * (total - 1), (g + 2) * (total - 1)), random)
      );
      b.input(...mixed ? pairs : arriving);
      // A late packet may be restored before its own shard arrives.
      const restored = b.take().filter((n) => !mixed || expected.includes(n));
      assertEquals(restored, expected, `${nameOf(ratio)}, mixed: ${mixed}`);
      assertEquals([b.decoder.stats.incomplete, b.arena.used], [0, 0]);
    }
  }
});

Deno.test("decoder: a late shard from before the wrap completes its group", () => {
  const ratio = ratioOf(3, 1);
  const peer = new Peer(ratio, limitOf(4) - 4);
  const b = new Receiver(ratio);
  const before = peer.group();
  b.input(before[0], before[2]);
  for (let g = 0; g < 3; g++) b.input(...peer.group());
  b.input(before[3]);
  assertEquals(b.take(), [1]);
});

Deno.test("decoder: parity that is not sent has the effect of lost parity", () => {
  const ratio = ratioOf(5, 3);
  for (let limit = 0; limit <= 3; limit++) {
    const peer = new Peer(ratio);
    const b = new Receiver(ratio);
    for (let g = 0; g < 10; g++) {
      const from = peer.next;
      const lost = [0, 2, 4].slice(0, limit);
      b.input(...without(peer.group(limit), lost));
      assertEquals(b.take(), restorable(lost, ratio, from), `limit ${limit}`);
    }
    assertEquals(b.arena.used, 0);
  }
});

Deno.test("decoder: awaits is true for parity of the groups in the window only", () => {
  const ratio = ratioOf(10, 3);
  const b = new Receiver(ratio);
  assertEquals(b.decoder.awaits(10), false, "before the first packet");
  const peer = new Peer(ratio, 13_000);
  b.input(...peer.group().slice(0, 10), ...peer.group().slice(0, 9));
  for (const parity of [13_010, 13_012, 13_023, 13_024, 13_025]) {
    assert(b.decoder.awaits(parity), `${parity}`);
  }
  for (const other of [13_000, 13_013, 13_022, 13_026, 13_036, 12_999, 10]) {
    assertEquals(b.decoder.awaits(other), false, `${other}`);
  }
  for (const far of [1_000_010, limitOf(13) - 1, limitOf(13), 0xffffffff]) {
    assertEquals(b.decoder.awaits(far), false, `${far}`);
  }
  assertEquals(new Receiver().decoder.awaits(10), false, "before the ratio is known");
  b.decoder.clear();
  assertEquals(b.decoder.awaits(13_023), false, "after clear");
});

Deno.test("decoder: stats are a snapshot of the counters", () => {
  const ratio = ratioOf(3, 2);
  const b = new Receiver(ratio);
  const before = b.decoder.stats;
  const shards = new Peer(ratio).group();
  b.input(shards[0], shards[3], shards[4], shards[4], shards[1]);
  assertEquals(b.decoder.stats, {
    dataIn: 2,
    parityIn: 3,
    recovered: 2,
    failures: 0,
    complete: 0,
    incomplete: 0,
    groups: 0,
  });
  assertEquals(before.dataIn, 0);
});

Deno.test("decoder: stats count groups that are complete, incomplete, and that wait", () => {
  const ratio = ratioOf(3, 2);
  const peer = new Peer(ratio);
  const b = new Receiver(ratio);
  const first = peer.group();
  b.input(first[2], first[0]);
  assertEquals([b.decoder.stats.complete, b.decoder.stats.groups], [0, 1]);
  b.input(first[1], first[3]);
  assertEquals([b.decoder.stats.complete, b.decoder.stats.groups], [1, 0]);
  b.input(peer.group()[0]);
  for (let i = 0; i < 100; i++) b.input(...peer.group().slice(0, 3));
  assertEquals([b.decoder.stats.complete, b.decoder.stats.incomplete], [101, 1]);
});

Deno.test("decoder: a ratio out of range throws", () => {
  const arena = new Arena();
  for (const [d, p] of [[0, 1], [1, 0], [200, 57], [NaN, 1]]) {
    assertThrows(
      () => new FecDecoder(arena, () => {}, ratioOf(d, p)),
      RangeError,
      "Cannot",
      `${d}/${p}`,
    );
  }
});

Deno.test("decoder: the arena may grow while a packet is restored", () => {
  const ratio = ratioOf(2, 2);
  const arena = new Arena();
  const restored: Uint8Array[] = [];
  const decoder = new FecDecoder(arena, (packet) => {
    // A Kcp allocates memory for a payload in the same way.
    arena.alloc(arena.capacity * 2);
    restored.push(packet.slice());
  }, ratio);
  const [, , third, fourth] = new Peer(ratio).group();
  for (const bytes of [third, fourth]) {
    const start = arena.alloc(bytes.length);
    arena.bytes.set(bytes, start);
    decoder.input(start, start + bytes.length);
  }
  assertEquals(restored, [packetOf(0), packetOf(1)]);
});

Deno.test("decoder: the callback may call clear, as a session does when it closes", () => {
  const ratio = ratioOf(2, 2);
  const arena = new Arena();
  let calls = 0;
  const decoder: FecDecoder = new FecDecoder(arena, () => {
    calls++;
    decoder.clear();
  }, ratio);
  const shards = new Peer(ratio).group();
  for (const bytes of [shards[2], shards[3], ...shards]) {
    const start = arena.alloc(bytes.length);
    arena.bytes.set(bytes, start);
    decoder.input(start, start + bytes.length);
    arena.free(start, bytes.length);
  }
  decoder.clear();
  assert(calls > 0);
  assertEquals(arena.used, 0);
});

Deno.test("decoder: the callback may give shards to another decoder, or to the same one", () => {
  const ratio = ratioOf(3, 3);
  const inner = new Peer(ratio, 6, 100).group();
  for (const itself of [false, true]) {
    const arena = new Arena();
    const numbers: number[] = [];
    const input = (decoder: FecDecoder, shards: readonly Uint8Array[]) => {
      for (const bytes of shards) {
        const start = arena.alloc(bytes.length);
        arena.bytes.set(bytes, start);
        decoder.input(start, start + bytes.length);
        arena.free(start, bytes.length);
      }
    };
    // This happens in a tunnel within a tunnel.
    const other = new FecDecoder(arena, (packet) => numbers.push(numberOf(packet)), ratio);
    const decoder: FecDecoder = new FecDecoder(arena, (packet) => {
      if (numbers.push(numberOf(packet)) === 1) input(itself ? decoder : other, inner.slice(2, 5));
    }, ratio);
    input(decoder, new Peer(ratio).group().slice(3));
    assertEquals(numbers.sort((a, b) => a - b), [0, 1, 2, 100, 101], `itself: ${itself}`);
    assertEquals(arena.used, 0);
  }
});

Deno.test("decoder: with a guess, repair starts as soon as the content of a group confirms it", () => {
  const ratio = ratioOf(4, 2);
  const b = new Receiver(ratio, true, true);
  assertEquals(b.decoder.ratio, null);
  const peer = new Peer(ratio);
  b.input(...without(peer.group(), [1, 2]));
  assertEquals(b.take(), [], "four packets fit many ratios");
  b.input(...without(peer.group(), [0, 3]));
  assertEquals(b.decoder.ratio, ratio);
  assertEquals(b.take(), [], "types and numbers may be forged");
  b.input(...peer.group());
  assertEquals(b.take(), [1, 2, 4, 7], "packets of the previous groups, too");
  assertEquals(b.arena.used, 0);
});

Deno.test("decoder: with a wrong guess, no packet is restored that was never sent", () => {
  const random = new Random("wrong guesses");
  for (let n = 0; n < 1500; n++) {
    const guess = ratioOf(1 + random.below(8), 1 + random.below(6));
    const ratio = ratioOf(1 + random.below(8), 1 + random.below(6));
    const peer = new Peer(ratio, random.below(1000) * totalOf(ratio));
    // The receiver throws when a restored packet is wrong.
    const b = new Receiver(guess, true, true);
    for (let g = 0; g < 12; g++) {
      b.input(...peer.group().filter(() => random.chance(0.8)));
    }
  }
});

Deno.test("decoder: with a learned ratio, a stream at lower numbers is repaired", () => {
  for (const ratio of [ratioOf(4, 2), ratioOf(10, 3)]) {
    const total = totalOf(ratio);
    for (const seqid of [0, 500 * total, 990 * total]) {
      const peer = new Peer(ratio, 1000 * total);
      const b = new Receiver();
      for (let g = 0; g < 6; g++) b.input(...peer.group());
      assertEquals(b.decoder.ratio, ratio);
      // Outside the window, so that no group of before is in it.
      peer.seqid = 3000 * total;
      for (let g = 0; g < 6; g++) b.input(...peer.group());
      peer.seqid = seqid;
      for (let g = 0; g < 6; g++) b.input(...peer.group());
      b.take();
      const from = peer.next;
      b.input(...without(peer.group(), [0]));
      assertEquals(b.take(), [from], `${nameOf(ratio)} from ${seqid}`);
    }
  }
});

Deno.test("decoder: with a learned ratio, a stream at any numbers is repaired", () => {
  for (const ratio of [ratioOf(4, 2), ratioOf(10, 3)]) {
    const total = totalOf(ratio);
    const peer = new Peer(ratio);
    const b = new Receiver();
    for (let g = 0; g < 6; g++) b.input(...peer.group());
    assertEquals(b.decoder.ratio, ratio);
    for (const part of [0.25, 0.49, 0.51, 0.75, 0.99]) {
      peer.seqid = Math.floor(limitOf(total) / total * part) * total;
      for (let g = 0; g < 6; g++) b.input(...peer.group());
      b.take();
      const from = peer.next;
      b.input(...without(peer.group(), [1]));
      assertEquals(b.take(), [from + 1], `${nameOf(ratio)} at ${part} of the numbers`);
    }
  }
});

Deno.test("decoder: it stores no more bytes than its limit", () => {
  const ratio = ratioOf(10, 3);
  for (const limit of [0, 500, 5000]) {
    const b = new Receiver(ratio);
    b.decoder.limit = limit;
    const peer = new Peer(ratio);
    for (let g = 0; g < 40; g++) {
      b.input(...peer.group().slice(0, 9));
      // The arena rounds the size of a block up to a power of two.
      assert(b.arena.used <= 2 * limit, `${b.arena.used} bytes, the limit is ${limit}`);
    }
    b.decoder.limit = Infinity;
    b.decoder.clear();
    const from = peer.next;
    b.input(...without(peer.group(), [0, 1, 2]));
    assertEquals(b.take(), [from, from + 1, from + 2], "repair continues with a higher limit");
  }
});

Deno.test("decoder: shards of the largest size use 8 MiB at most", () => {
  const ratio = ratioOf(128, 128);
  const b = new Receiver(ratio, false);
  const body = new Uint8Array(65_000);
  for (let g = 0; g < 4; g++) {
    for (let i = 0; i < 100; i++) b.input(shard(256 * g + 128 + i, PARITY, body));
    assert(b.arena.used <= 1 << 23, `${b.arena.used} bytes`);
  }
  const peer = new Peer(ratio, 256 * 4);
  for (let g = 0; g < 8; g++) b.input(...peer.group());
  b.raw.length = 0;
  const from = peer.next;
  b.input(...without(peer.group(), [5, 6]));
  assertEquals(b.raw, [packetOf(from + 5), packetOf(from + 6)]);
});

Deno.test("decoder: a full arena stops repair, and repair continues when memory is free", () => {
  const ratio = ratioOf(4, 2);
  const arena = new Arena(4096);
  const restored: number[] = [];
  const decoder = new FecDecoder(arena, (packet) => restored.push(packet.length), ratio);
  const at = arena.alloc(64);
  const input = (bytes: Uint8Array) => {
    arena.bytes.set(bytes, at);
    decoder.input(at, at + bytes.length);
  };
  const peer = new Peer(ratio);
  const small = () => [0, 1, 2, 3].map(() => packetOf(peer.next++, 30));
  const blocks: number[] = [];
  for (let block; (block = arena.alloc(64)) >= 0;) blocks.push(block);
  peer.groupOf(small()).slice(1).forEach(input);
  assertEquals(restored, []);
  for (const block of blocks) arena.free(block, 64);
  for (let g = 0; g < 3; g++) peer.groupOf(small()).slice(1).forEach(input);
  assertEquals(restored, [30, 30, 30]);
});

// --- hostile input ---

/**
 * Sends groups with one lost packet each. After the first two groups, a forged shard may arrive
 * before each packet. Returns how many lost packets were not restored.
 */
function unrepaired(
  ratio: FecRatio,
  groups: number,
  forged: (seqid: number, place: number) => Uint8Array | null,
): number {
  const peer = new Peer(ratio, totalOf(ratio) * 1000);
  const b = new Receiver(ratio, false);
  let missed = 0;
  for (let g = 0; g < groups + 2; g++) {
    const lost = g % ratio.dataShards;
    const shards = peer.group();
    const before = b.raw.length;
    for (const [place, bytes] of shards.entries()) {
      const extra = g < 2 ? null : forged(peer.seqid - totalOf(ratio), place);
      if (extra) b.input(extra);
      if (place !== lost) b.input(bytes);
    }
    const wanted = packetOf(g * ratio.dataShards + lost);
    if (!b.raw.slice(before).some((packet) => packet.toHex() === wanted.toHex())) missed++;
  }
  return missed;
}

/** A shard whose type fits its sequence number. */
function fittingShard(seqid: number, ratio: FecRatio): Uint8Array {
  const place = seqid % totalOf(ratio);
  return shard(seqid, place < ratio.dataShards ? DATA : PARITY, sized(packetOf(seqid)));
}

Deno.test("decoder: a forged seqid far from the window does not stop the repair", () => {
  for (const ratio of [ratioOf(1, 1), ratioOf(4, 2), ratioOf(10, 3), ratioOf(100, 28)]) {
    const total = totalOf(ratio);
    for (const far of [total * 5000, limitOf(total) - 1, total * 2 ** 20, 0]) {
      for (let when = 0; when < total; when += Math.ceil(total / 16)) {
        let once = true;
        const missed = unrepaired(ratio, 6, (_, place) => {
          if (!once || place !== when) return null;
          once = false;
          return fittingShard(far, ratio);
        });
        assertEquals(missed, 0, `${nameOf(ratio)}, seqid ${far} before place ${when}`);
      }
    }
  }
});

Deno.test("decoder: many forged seqids far from the window do not stop the repair", () => {
  for (const ratio of [ratioOf(1, 1), ratioOf(4, 2), ratioOf(10, 3), ratioOf(100, 28)]) {
    const total = totalOf(ratio);
    const random = new Random(nameOf(ratio));
    const agreeing = unrepaired(
      ratio,
      20,
      (_, place) => fittingShard(total * 90_000 + place, ratio),
    );
    assertEquals(agreeing, 0, `${nameOf(ratio)}, all from the same place`);
    const scattered = unrepaired(
      ratio,
      20,
      () => fittingShard(random.below(limitOf(total)), ratio),
    );
    assertEquals(scattered, 0, `${nameOf(ratio)}, from anywhere`);
  }
});

Deno.test("decoder: a forged seqid a few groups ahead affects its own group at most", () => {
  for (const ratio of [ratioOf(1, 1), ratioOf(4, 2), ratioOf(10, 3), ratioOf(100, 28)]) {
    for (let groups = 1; groups <= 80; groups += totalOf(ratio) > 100 ? 3 : 1) {
      let once = true;
      const missed = unrepaired(ratio, 5, (first, place) => {
        if (!once || place !== 1) return null;
        once = false;
        return fittingShard(first + groups * totalOf(ratio), ratio);
      });
      // At most the group of the forged shard is not repaired.
      assert(missed <= (groups < 5 ? 1 : 0), `${nameOf(ratio)}, ${groups} ahead: ${missed} missed`);
    }
  }
});

Deno.test("decoder: forged seqids that move ahead stop the repair for two packets only", () => {
  for (const ratio of [ratioOf(4, 2), ratioOf(10, 3), ratioOf(100, 28)]) {
    const total = totalOf(ratio);
    const peer = new Peer(ratio, 1000 * total);
    const b = new Receiver(ratio, false);
    b.input(...peer.group());
    for (let ahead = 1; ahead < 500; ahead++) {
      b.input(fittingShard(peer.seqid + ahead * total, ratio));
    }
    b.input(...peer.group());
    b.raw.length = 0;
    const from = peer.next;
    b.input(...without(peer.group(), [0]));
    assertEquals(b.raw, [packetOf(from)], nameOf(ratio));
  }
});

Deno.test("decoder: after a jump, repair continues after one group and three packets", () => {
  for (const ratio of [ratioOf(1, 1), ratioOf(4, 2), ratioOf(10, 3), ratioOf(128, 128)]) {
    const total = totalOf(ratio);
    for (const seqid of [0, total * 7777, limitOf(total) - 2 * total]) {
      const peer = new Peer(ratio, 500 * total);
      const b = new Receiver(ratio);
      for (let g = 0; g < 4; g++) b.input(...peer.group());
      peer.seqid = seqid;
      // With groups of two shards, three packets are two groups.
      for (let sent = 0; sent < 3; sent += total) b.input(...peer.group());
      b.take();
      const from = peer.next;
      b.input(...without(peer.group(), [0]));
      assertEquals(b.take(), [from], `${nameOf(ratio)} from ${seqid}`);
    }
  }
});

Deno.test("decoder: a forged first packet does not stop the repair of the stream", () => {
  const ratio = ratioOf(5, 2);
  for (const seqid of [7 * 10_000, limitOf(7) - 7, 0]) {
    const b = new Receiver(ratio, false);
    b.input(fittingShard(seqid, ratio));
    const peer = new Peer(ratio, 700);
    b.input(...peer.group());
    b.raw.length = 0;
    const from = peer.next;
    b.input(...without(peer.group(), [0, 3]));
    assertEquals(b.raw, [packetOf(from), packetOf(from + 3)]);
  }
});

Deno.test("decoder: seqids at and past the limit are ignored", () => {
  for (const ratio of [ratioOf(4, 2), ratioOf(10, 3), ratioOf(128, 128)]) {
    const total = totalOf(ratio);
    const limit = limitOf(total);
    const seqids = [limit, limit + 1, 0xfffffffe, 0xffffffff].filter((s) => s <= 0xffffffff);
    for (const type of [DATA, PARITY]) {
      let at = 0;
      const missed = unrepaired(
        ratio,
        12,
        (_, place) =>
          place === 0 && at < seqids.length ? shard(seqids[at++], type, sized(packetOf(1))) : null,
      );
      assertEquals(missed, 0, `${nameOf(ratio)}, type ${type}`);
    }
  }
});

Deno.test("decoder: one shard of the wrong type does not stop the repair", () => {
  const failed: string[] = [];
  for (
    const ratio of [
      ratioOf(1, 1),
      ratioOf(2, 1),
      ratioOf(4, 2),
      ratioOf(3, 4),
      ratioOf(5, 5),
      ratioOf(10, 3),
      ratioOf(20, 10),
    ]
  ) {
    const total = totalOf(ratio);
    for (const start of [0, 3 * total, 1000 * total, 123_457 * total]) {
      for (let place = 0; place < total; place++) {
        const peer = new Peer(ratio, start);
        const b = new Receiver(ratio, false);
        b.input(...peer.group());
        const type = place < ratio.dataShards ? PARITY : DATA;
        b.input(shard(peer.seqid + place, type, sized(packetOf(5))));
        for (let g = 0; g < 12; g++) {
          const lost = g % ratio.dataShards;
          const wanted = packetOf(peer.next + lost).toHex();
          b.raw.length = 0;
          b.input(...without(peer.group(), [lost]));
          if (b.raw.some((packet) => packet.toHex() === wanted)) continue;
          failed.push(`${nameOf(ratio)}, seqid ${start + total + place}: group ${g} after it`);
        }
      }
    }
  }
  assertEquals(failed, []);
});

Deno.test("decoder: a group whose parity has the wrong length is counted as one failure", () => {
  const ratio = ratioOf(3, 2);
  const peer = new Peer(ratio);
  const b = new Receiver(ratio, false);
  const shards = peer.group();
  // The parity is shorter than a data shard.
  b.input(shards[0], shards[1], shard(3, PARITY, new Uint8Array(2)));
  assertEquals([b.raw.length, b.decoder.stats.failures], [0, 1]);
  const second = peer.group();
  // Two parity shards have different lengths.
  b.input(second[0], second[3], shard(9, PARITY, new Uint8Array(1400)));
  assertEquals([b.raw.length, b.decoder.stats.failures], [0, 2]);
  const from = peer.next;
  b.input(...without(peer.group(), [0, 1]));
  assertEquals(b.raw, [packetOf(from), packetOf(from + 1)], "the next group is repaired");
  b.decoder.clear();
  assertEquals(b.arena.used, 0);
});

Deno.test("decoder: a parity shard that is too long restores no packet longer than it", () => {
  const ratio = ratioOf(2, 1);
  for (const length of [200, 5000, 65_000]) {
    const b = new Receiver(ratio, false);
    b.input(
      new Peer(ratio).group()[0],
      shard(2, PARITY, new Random(length).fill(new Uint8Array(length))),
    );
    assert(b.raw.every((packet) => packet.length <= length - 2));
    assertEquals(b.raw.length + b.decoder.stats.failures, 1);
    b.decoder.clear();
    assertEquals(b.arena.used, 0);
  }
});

/**
 * A group without its second packet. The `size` field of this packet is `size`, its length
 * `length`.
 */
function withFalseSize(size: number, length: number, ratio: FecRatio): Uint8Array[] {
  const bodies = Array.from(
    { length: ratio.dataShards },
    (_, i) => i === 1 ? sized(new Uint8Array(length - 2).fill(7), size) : sized(packetOf(i, 18)),
  );
  const parity = parityOf(bodies, ratio);
  return [...bodies, ...parity]
    .map((body, i) => shard(i, i < ratio.dataShards ? DATA : PARITY, body))
    .filter((_, i) => i !== 1);
}

Deno.test("decoder: a restored shard with an impossible size is rejected", () => {
  const ratio = ratioOf(3, 1);
  for (const size of [0, 1, 61, 62, 1400, 0x7fff, 0xffff]) {
    const b = new Receiver(ratio, false);
    b.input(...withFalseSize(size, 60, ratio));
    assertEquals([b.raw.length, b.decoder.stats.recovered], [0, 0], `size ${size} of 60`);
    assertEquals(b.decoder.stats.failures, 1, `size ${size}`);
    b.decoder.clear();
    assertEquals(b.arena.used, 0, `size ${size}`);
  }
  for (const size of [3, 30, 60]) {
    const b = new Receiver(ratio, false);
    b.input(...withFalseSize(size, 60, ratio));
    assertEquals(b.raw, [new Uint8Array(size - 2).fill(7)], `size ${size} of 60`);
  }
});

Deno.test("decoder: two restored shards of impossible size in one group are one failure", () => {
  const ratio = ratioOf(2, 2);
  const b = new Receiver(ratio, false);
  b.input(shard(2, PARITY, new Uint8Array(40)), shard(3, PARITY, new Uint8Array(40)));
  assertEquals([b.raw.length, b.decoder.stats.failures], [0, 1], "failures counts groups");
});

Deno.test("decoder: shards with two bytes after the header do not stop the repair", () => {
  const ratio = ratioOf(4, 2);
  const b = new Receiver(ratio, false);
  for (let seqid = 0; seqid < 60; seqid++) {
    const type = seqid % 6 < 4 ? DATA : PARITY;
    b.input(shard(seqid, type, Uint8Array.of(2, 0)));
    if (seqid % 6 === 3) b.input(shard(seqid - 2, DATA, Uint8Array.of(2, 0)));
  }
  for (let seqid = 60; seqid < 120; seqid++) {
    if (seqid % 6 !== 1) b.input(shard(seqid, seqid % 6 < 4 ? DATA : PARITY, Uint8Array.of(0, 0)));
  }
  const peer = new Peer(ratio, 120);
  b.raw.length = 0;
  b.input(...without(peer.group(), [3, 5]));
  assertEquals(b.raw, [packetOf(3)]);
  b.decoder.clear();
  assertEquals(b.arena.used, 0);
});

Deno.test("decoder: forged parity in a group does not affect the next group", () => {
  const ratio = ratioOf(10, 3);
  const peer = new Peer(ratio);
  const b = new Receiver(ratio, false);
  const random = new Random("poison");
  for (let g = 0; g < 50; g++) {
    const group = peer.group();
    for (const bytes of group.slice(1)) {
      b.input(
        random.chance(0.5)
          ? shard(peer.seqid - 13 + 12, PARITY, random.fill(new Uint8Array(80)))
          : bytes,
      );
    }
    b.raw.length = 0;
    const from = peer.next;
    b.input(...without(peer.group(), [4, 7, 11]));
    assertEquals(b.raw, [packetOf(from + 4), packetOf(from + 7)], `after group ${g}`);
  }
});

Deno.test("decoder: a parity row does not depend on the number of parity shards", () => {
  // The first rows of 5/5 are the rows of 5/2. Skipped parity depends on this.
  assertEquals(parityMatrix(ratioOf(5, 5)).slice(0, 2), parityMatrix(ratioOf(5, 2)));
});
