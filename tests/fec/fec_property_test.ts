import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { FecRatio } from "../../fec/ratio.ts";
import { Random } from "../../transport/link/random.ts";
import {
  DATA,
  limitOf,
  nameOf,
  numberOf,
  packetOf,
  PARITY,
  parse,
  Peer,
  ratioOf,
  Receiver,
  reorder,
  Sender,
  shard,
  shuffle,
  totalOf,
} from "./harness.ts";

const smallRatio = fc.tuple(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 1, max: 10 }))
  .map(([d, p]) => ratioOf(d, p));
const seeds = fc.integer({ min: 0, max: 2 ** 31 });

/** How a network treats packets. */
interface Conditions {
  /** The probability that a packet is lost. */
  loss: number;
  /** By how many places a packet may be late. */
  late?: number;
  /** The probability that a packet arrives twice. */
  twice?: number;
}

/** The shards that arrive, in the order of arrival. */
function pass(shards: readonly Uint8Array[], conditions: Conditions, random: Random): Uint8Array[] {
  const { loss, late = 0, twice = 0 } = conditions;
  const arriving = shards.filter(() => !random.chance(loss))
    .flatMap((bytes) => random.chance(twice) ? [bytes, bytes] : [bytes]);
  return reorder(arriving, late, random);
}

/**
 * Groups that lose random shards, but never more than their parity can repair.
 *
 * @returns The shards that arrive, and the numbers of the lost packets, which must be restored.
 */
function repairable(
  peer: Peer,
  groups: number,
  random: Random,
): { arriving: Uint8Array[]; lost: number[] } {
  const { dataShards, parityShards } = peer.ratio;
  const arriving: Uint8Array[] = [];
  const lost: number[] = [];
  for (let g = 0; g < groups; g++) {
    const from = peer.next;
    const places = shuffle([...Array(totalOf(peer.ratio)).keys()], random)
      .slice(0, 1 + random.below(parityShards));
    lost.push(...places.filter((place) => place < dataShards).map((place) => from + place));
    arriving.push(...peer.group().filter((_, i) => !places.includes(i)));
  }
  return { arriving, lost };
}

/** Asserts that a receiver knows the ratio, and restores all lost packets. */
function assertRepairs(b: Receiver, peer: Peer, random: Random, scene: string): void {
  assertEquals(b.decoder.ratio, peer.ratio, scene);
  // Packets are restored after the content of a group has agreed with the ratio.
  b.input(...peer.group());
  const { arriving, lost } = repairable(peer, 6, random);
  b.recovered.length = b.raw.length = 0;
  b.input(...arriving);
  const restored = new Set([...b.recovered, ...b.raw.map(numberOf)]);
  assertEquals(lost.filter((n) => !restored.has(n)), [], `${scene}: these are missing`);
}

Deno.test("property: lost packets are restored, under reordering and duplicates", () => {
  fc.assert(
    fc.property(
      smallRatio,
      fc.double({ min: 0, max: 0.4, noNaN: true }),
      fc.double({ min: 0, max: 0.2, noNaN: true }),
      fc.boolean(),
      seeds,
      (ratio, loss, twice, wraps, seed) => {
        const random = new Random(seed);
        const total = totalOf(ratio);
        const groups = 12;
        const sender = new Sender(ratio, wraps ? limitOf(total) - total * groups / 2 : 0);
        const sent: Uint8Array[] = [];
        for (let n = 0; n < groups * ratio.dataShards; n++) {
          sent.push(...sender.send(packetOf(n, 4 + random.below(120)), n));
        }
        // A packet is late by two groups at most: the smallest window allows this.
        const arriving = pass(sent, { loss, twice, late: 2 * total }, random);
        const b = new Receiver(ratio);
        for (const bytes of arriving) b.input(bytes);
        const arrived = new Set(arriving.map(parse).map(({ seqid }) => seqid));
        const restored = new Set(b.recovered);
        assertEquals(restored.size, b.recovered.length, "a packet was restored twice");
        for (let g = 0; g < groups; g++) {
          const first = wraps
            ? (limitOf(total) + total * (g - groups / 2)) % limitOf(total)
            : g * total;
          const places = [...Array(total).keys()].filter((place) => arrived.has(first + place));
          if (places.length < ratio.dataShards) continue;
          for (let place = 0; place < ratio.dataShards; place++) {
            if (places.includes(place)) continue;
            const number = g * ratio.dataShards + place;
            assert(restored.has(number), `${nameOf(ratio)}, group ${g} misses packet ${number}`);
          }
        }
        b.decoder.clear();
        assertEquals(b.arena.used, 0);
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("property: a ratio is learned within 12 groups and 20 packets at 30 % loss", () => {
  fc.assert(
    fc.property(
      smallRatio,
      fc.constantFrom(0, 0.05, 0.1, 0.2, 0.3),
      fc.integer({ min: 0, max: 8 }),
      fc.integer({ min: 0, max: 2 ** 26 }),
      fc.integer({ min: 0, max: 5000 }),
      (ratio, loss, late, group, seed) => {
        const random = new Random(seed);
        const total = totalOf(ratio);
        const near = random.chance(0.3);
        const peer = new Peer(ratio, near ? limitOf(total) - 4 * total : group * total);
        const b = new Receiver();
        const shards = Array.from({ length: 12 + Math.ceil(20 / total) }, () => peer.group())
          .flat();
        b.input(...pass(shards, { loss, late, twice: 0.05 }, random));
        assertRepairs(b, peer, random, `seed ${seed}, ${nameOf(ratio)} at ${loss}`);
      },
    ),
    { numRuns: 200, seed: 20 },
  );
});

Deno.test("property: unknown large ratios are learned, too", () => {
  for (const [d, p] of [[100, 20], [128, 128], [200, 56], [1, 255], [30, 1], [1, 60]]) {
    const ratio = ratioOf(d, p);
    const random = new Random(nameOf(ratio));
    const peer = new Peer(ratio);
    const b = new Receiver();
    const shards = Array.from({ length: 6 }, () => peer.group()).flat();
    b.input(...pass(shards, { loss: 0.1, late: 8 }, random));
    assertRepairs(b, peer, random, nameOf(ratio));
  }
});

Deno.test("property: a wrong guess is corrected within three groups and 16 packets", () => {
  fc.assert(
    fc.property(smallRatio, smallRatio, fc.boolean(), fc.integer({ min: 0, max: 2 ** 26 }), seeds, (
      ratio,
      guess,
      sure,
      group,
      seed,
    ) => {
      const total = totalOf(ratio);
      const peer = new Peer(ratio, group * total);
      const b = new Receiver(guess, false, !sure);
      b.input(...Array.from({ length: 3 + Math.ceil(16 / total) }, () => peer.group()).flat());
      b.raw.length = 0;
      assertRepairs(b, peer, new Random(seed), `${nameOf(guess)}, in truth ${nameOf(ratio)}`);
    }),
    { numRuns: 300, seed: 21 },
  );
});

Deno.test("property: after a new ratio, repair continues after 3 groups and 16 packets", () => {
  fc.assert(
    fc.property(
      fc.array(smallRatio, { minLength: 2, maxLength: 6 }),
      fc.boolean(),
      seeds,
      (ratios, restarts, seed) => {
        const random = new Random(seed);
        const peer = new Peer(ratios[0], 40 * totalOf(ratios[0]));
        const b = new Receiver(ratios[0], false);
        let where = 100_000;
        for (const ratio of ratios) {
          if (restarts) {
            // The new stream is far from the old one. Otherwise it could pass for the old one.
            peer.ratio = ratio;
            peer.seqid = (where -= 10_000) * totalOf(ratio);
          } else {
            peer.change(ratio);
          }
          const groups = 3 + Math.ceil(16 / totalOf(ratio));
          b.input(...Array.from({ length: groups }, () => peer.group()).flat());
          assertRepairs(b, peer, random, `${ratios.map(nameOf)}, restarts: ${restarts}`);
        }
      },
    ),
    { numRuns: 200, seed: 22 },
  );
});

Deno.test("property: repair follows changes of the ratio under loss and reordering", () => {
  fc.assert(
    fc.property(
      fc.array(smallRatio, { minLength: 2, maxLength: 4 }),
      fc.constantFrom(0.05, 0.15, 0.3),
      seeds,
      (ratios, loss, seed) => {
        const random = new Random(seed);
        const peer = new Peer(ratios[0], 40 * totalOf(ratios[0]));
        const b = new Receiver(undefined, false);
        for (const ratio of ratios) {
          peer.change(ratio);
          const groups = 16 + Math.ceil(32 / totalOf(ratio));
          const shards = Array.from({ length: groups }, () => peer.group()).flat();
          b.input(...pass(shards, { loss, late: 5, twice: 0.05 }, random));
          assertRepairs(b, peer, random, `${ratios.map(nameOf)} at ${loss}, seed ${seed}`);
        }
      },
    ),
    { numRuns: 150, seed: 23 },
  );
});

Deno.test("property: parity that is not sent only delays the learning of the ratio", () => {
  for (const [d, p] of [[5, 5], [10, 3], [2, 1], [3, 6], [1, 5], [1, 1]]) {
    const ratio = ratioOf(d, p);
    for (const level of [0, 1, p]) {
      const peer = new Peer(ratio);
      const b = new Receiver(ratioOf(7, 2), false, true);
      for (let g = 0; g < 30; g++) b.input(...peer.group(Math.min(level, p)));
      // Three groups with all parity. An adaptive peer sends them now and then.
      for (let g = 0; g < 3; g++) b.input(...peer.group());
      assertRepairs(b, peer, new Random(level), `${nameOf(ratio)} after level ${level}`);
    }
  }
});

Deno.test("property: the ratio is learned even if some groups have no parity", () => {
  for (const [d, p] of [[4, 2], [10, 3], [3, 3]]) {
    const ratio = ratioOf(d, p);
    const sender = new Sender(ratio);
    const b = new Receiver(ratioOf(6, 6), true, true);
    let now = 0;
    let number = 0;
    for (let g = 0; g < 12; g++) {
      for (let i = 0; i < d; i++) {
        // Two of three groups have a gap before their last packet.
        now += i === d - 1 && g % 3 !== 0 ? 700 : 5;
        b.input(...sender.send(packetOf(number++), now));
      }
    }
    assertEquals(b.decoder.ratio, ratio);
    b.recovered.length = 0;
    const lost = number;
    for (let i = 0; i < d; i++) {
      b.input(...sender.send(packetOf(number++), now++).slice(i === 0 ? 1 : 0));
    }
    assertEquals(b.take(), [lost]);
  }
});

Deno.test("property: a known ratio stays known when no group has all its parity", () => {
  // The peer only sends the first parity shard of each group. The decoder knows the ratio.
  for (const [d, p] of [[5, 5], [1, 5], [10, 3]]) {
    const ratio = ratioOf(d, p);
    const peer = new Peer(ratio);
    const b = new Receiver(ratio);
    for (let g = 0; g < 40; g++) {
      const from = peer.next;
      b.input(...peer.group(1).slice(1));
      assertEquals(b.take(), [from]);
    }
    assertEquals(b.decoder.ratio, ratio);
  }
});

/** A random shard that the peer did not send. */
function garbage(random: Random, peer: Peer, longest: number): Uint8Array {
  const type = random.chance(0.5) ? DATA : PARITY;
  const body = random.fill(new Uint8Array(2 + random.below(longest)));
  const total = totalOf(peer.ratio);
  const kind = random.below(4);
  // The number is near the stream, anywhere, at the ends of the number space, or small.
  const seqid = kind === 0
    ? Math.max(0, peer.seqid + random.below(8 * total) - 4 * total)
    : kind === 1
    ? random.uint32()
    : kind === 2
    ? [0, 1, 0xffffffff, 0xfffffffe, limitOf(total), limitOf(total) - 1][random.below(6)]
    : random.below(2048);
  return shard(seqid, type, body);
}

Deno.test("property: random shards never throw, and use bounded memory", () => {
  fc.assert(
    fc.property(fc.option(smallRatio), smallRatio, seeds, (guess, ratio, seed) => {
      const random = new Random(seed);
      const peer = new Peer(ratio, 100 * totalOf(ratio));
      const b = new Receiver(guess ?? undefined, false, true);
      for (let n = 0; n < 600; n++) {
        b.input(garbage(random, peer, 120));
        if (n % 100 === 0 && random.chance(0.5)) b.decoder.clear();
        assert(b.arena.used <= 1024 * 128, `${b.arena.used} bytes are in use`);
      }
      b.decoder.clear();
      assertEquals(b.arena.used, 0);
    }),
    { numRuns: 60 },
  );
});

Deno.test("property: shards with right numbers but random content never throw", () => {
  fc.assert(
    fc.property(smallRatio, seeds, (ratio, seed) => {
      const random = new Random(seed);
      const total = totalOf(ratio);
      const b = new Receiver(ratio, false);
      for (let seqid = 0; seqid < 40 * total; seqid++) {
        if (random.chance(0.3)) continue;
        const type = seqid % total < ratio.dataShards ? DATA : PARITY;
        const length = random.chance(0.7) ? 40 : 2 + random.below(60);
        b.input(shard(seqid, type, random.fill(new Uint8Array(length))));
      }
      for (const packet of b.raw) assert(packet.length <= 60);
      b.decoder.clear();
      assertEquals(b.arena.used, 0);
    }),
    { numRuns: 100 },
  );
});

/** Packets after which a good stream is repaired again after any garbage. */
function recoveryPackets(ratio: FecRatio): number {
  return 3 * totalOf(ratio) + 64;
}

Deno.test("property: after random shards, repair starts within 3 groups and 64 packets", () => {
  fc.assert(
    fc.property(
      fc.option(smallRatio),
      smallRatio,
      fc.integer({ min: 0, max: 1500 }),
      seeds,
      (guess, ratio, amount, seed) => {
        const random = new Random(seed);
        const peer = new Peer(ratio, random.below(1000) * totalOf(ratio));
        const b = new Receiver(guess ?? undefined, false, true);
        for (let n = 0; n < amount; n++) b.input(garbage(random, peer, 60));
        for (let n = 0; n < recoveryPackets(ratio); n += totalOf(ratio)) b.input(...peer.group());
        b.raw.length = 0;
        assertRepairs(b, peer, random, `${nameOf(ratio)} after ${amount}, seed ${seed}`);
      },
    ),
    { numRuns: 150, seed: 24 },
  );
});

Deno.test("property: between random shards, more than 95 % of the losses are repaired", () => {
  for (const ratio of [ratioOf(4, 2), ratioOf(10, 3), ratioOf(5, 5)]) {
    const random = new Random(nameOf(ratio));
    const peer = new Peer(ratio, 500 * totalOf(ratio));
    const b = new Receiver(ratio, false);
    let lost = 0;
    let restored = 0;
    for (let g = 0; g < 400; g++) {
      const wanted = packetOf(peer.next).toHex();
      b.raw.length = 0;
      for (const [place, bytes] of peer.group().entries()) {
        // One forged packet per group on average, with any number and type.
        if (random.chance(1 / totalOf(ratio))) {
          const type = random.chance(0.5) ? DATA : PARITY;
          b.input(shard(random.uint32(), type, random.fill(new Uint8Array(40))));
        }
        if (place > 0) b.input(bytes);
      }
      lost++;
      if (b.raw.some((packet) => packet.toHex() === wanted)) restored++;
    }
    assert(restored > 0.95 * lost, `${nameOf(ratio)}: ${restored} of ${lost}`);
  }
});
