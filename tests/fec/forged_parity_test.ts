import { assert, assertEquals } from "@std/assert";
import { DataPattern } from "../../fec/data_pattern.ts";
import type { FecRatio } from "../../fec/ratio.ts";
import { RatioProof } from "../../fec/ratio_proof.ts";
import { Random } from "../../transport/link/random.ts";
import { nameOf, numberOf, PARITY, Peer, ratioOf, Receiver, shard, totalOf } from "./harness.ts";

/** Makes the number of a forged parity shard, given that of the packet that is sent now. */
type Forger = (live: number, ratio: FecRatio, random: Random) => number;

const FORGERS: Record<string, Forger> = {
  "from anywhere": (_live, _ratio, random) => random.uint32(),
  "from a new stream": (_live, _ratio, random) => random.below(5000),
  "far ahead": (live, _ratio, random) => live + 300 + random.below(5000),
  "near the stream": (live, _ratio, random) => Math.max(0, live - 200 + random.below(400)),
  "of the groups that come next": (live, ratio, random) => {
    const total = totalOf(ratio);
    const group = Math.floor(live / total) + random.below(4);
    return group * total + ratio.dataShards + random.below(ratio.parityShards);
  },
  "of the ratio 2/4": (live, _ratio, random) =>
    (Math.floor(live / 6) + random.below(30)) * 6 + 2 + random.below(4),
};

/**
 * Sends groups over a path that loses 10 %, with ten forged shards before each packet. Returns the
 * numbers of the lost packets that were restored, apart from those of the first groups.
 *
 * @param known Whether the decoder knows the ratio; null if it has no guess either.
 * @param learning How many groups do not count.
 */
function restored(
  ratio: FecRatio,
  known: boolean | null,
  forger: Forger | null,
  learning: number,
): Set<number> {
  const loss = new Random(`loss ${nameOf(ratio)}`);
  const random = new Random("forger");
  const peer = new Peer(ratio, 100 * totalOf(ratio));
  const b = new Receiver(known === null ? undefined : ratio, false, known !== true);
  b.decoder.limit = 384_000;
  const lost = new Set<number>();
  for (let g = 0; g < 100 + learning; g++) {
    const first = peer.seqid;
    for (const [place, bytes] of peer.group().entries()) {
      for (let n = 0; n < 10 && forger; n++) {
        const body = random.fill(new Uint8Array(22 + random.below(60)));
        b.input(shard(forger(first + place, ratio, random), PARITY, body));
      }
      if (!loss.chance(0.1)) b.input(bytes);
      else if (place < ratio.dataShards && g >= learning) lost.add(g * ratio.dataShards + place);
    }
    assert(b.arena.used < 1 << 20, `${b.arena.used} bytes are in use`);
  }
  b.decoder.clear();
  assertEquals(b.arena.used, 0);
  return new Set(
    b.raw.flatMap((packet) => {
      try {
        return numberOf(packet);
      } catch {
        // Forged parity gives a wrong packet now and then: there is no conversation id to check.
        return [];
      }
    }).filter((number) => lost.has(number)),
  );
}

for (const [name, forger] of Object.entries(FORGERS)) {
  for (
    const [title, known, learning] of [
      ["that knows the ratio", true, 2],
      ["that guesses the ratio", false, 2],
      ["that learns the ratio", null, 30],
    ] as const
  ) {
    Deno.test(`forged parity ${name}: a decoder ${title} restores 80 %`, () => {
      let alone = 0;
      let flooded = 0;
      for (const ratio of [ratioOf(10, 3), ratioOf(3, 1), ratioOf(5, 5), ratioOf(20, 10)]) {
        const without = restored(ratio, known, null, learning).size;
        const beside = restored(ratio, known, forger, learning).size;
        assert(beside >= 0.7 * without, `${nameOf(ratio)}: ${beside} of ${without}`);
        alone += without;
        flooded += beside;
      }
      assert(flooded >= 0.8 * alone, `${flooded} of ${alone}`);
    });
  }
}

Deno.test("forged parity does not change a ratio, and its end leaves no trace", () => {
  const ratio = ratioOf(10, 3);
  for (const [name, forger] of Object.entries(FORGERS)) {
    const random = new Random(name);
    const peer = new Peer(ratio, 1300);
    const b = new Receiver(ratio, false);
    for (let g = 0; g < 10; g++) b.input(...peer.group());
    // The peer is silent.
    for (let n = 0; n < 5000; n++) {
      b.input(shard(forger(peer.seqid, ratio, random), PARITY, random.fill(new Uint8Array(50))));
    }
    assertEquals(b.decoder.ratio, ratio, `parity ${name}`);
    for (let g = 0; g < 4; g++) b.input(...peer.group());
    b.raw.length = 0;
    const from = peer.next;
    b.input(...peer.group().filter((_, place) => place !== 4 && place !== 6));
    assertEquals(b.raw.map(numberOf), [from + 4, from + 6], `after parity ${name}`);
  }
});

Deno.test("a forged parity shard that completes the proof of the ratio ends no groups", () => {
  const ratio = ratioOf(6, 3);
  for (let ahead = 8; ahead < 100; ahead++) {
    const peer = new Peer(ratio);
    const b = new Receiver();
    const forged = () => shard(peer.seqid - 9 + 9 * ahead + 6, PARITY, new Uint8Array(70));
    while (b.decoder.ratio === null) {
      // All parity of the peer is lost.
      for (const bytes of peer.group(0)) b.input(bytes, forged());
    }
    // The group in which the ratio was found is not whole.
    b.input(...peer.group());
    assertEquals(b.decoder.ratio, ratio);
    for (let g = 0; g < 3; g++) {
      const from = peer.next;
      b.input(...peer.group().filter((_, place) => place !== 4 && place !== 5));
      assertEquals(b.take(), [from + 4, from + 5], `${ahead} groups ahead, group ${g}`);
    }
  }
});

Deno.test("forged parity with numbers of data that arrived, or far ahead, puts no ratio in doubt", () => {
  const ratio = ratioOf(7, 2);
  const peer = new Peer(ratio, 900);
  const b = new Receiver(ratio);
  for (let g = 0; g < 4; g++) b.input(...peer.group());
  const forged = (seqid: number) => b.input(shard(seqid, PARITY, new Uint8Array(70)));
  for (let g = 0; g < 20; g++) {
    const from = peer.next;
    const [, ...others] = peer.group(1);
    b.input(...others.slice(0, 4));
    for (let place = -8; place < 5; place++) if (place % 9 !== 0) forged(peer.seqid - 9 + place);
    for (let n = 0; n < 20; n++) forged(peer.seqid + 9 + 9 * (n % 9) + n % 7);
    // While the ratio is in doubt, the first packet of a group is not restored.
    b.input(...others.slice(4));
    assertEquals(b.take(), [from], `group ${g}`);
  }
});

Deno.test("forged parity takes half of the memory at most, and none from data", () => {
  const ratio = ratioOf(4, 4);
  const peer = new Peer(ratio, 800);
  const b = new Receiver(ratio, false);
  b.decoder.limit = 20_000;
  b.input(...peer.group());
  for (let n = 0; n < 40; n++) {
    for (let place = 4; place < 8; place++) {
      b.input(shard(peer.seqid - 80 + 8 * (n % 12) + place, PARITY, new Uint8Array(3000)));
    }
  }
  assert(b.arena.used <= 20_000, `${b.arena.used} bytes of parity`);
  const from = peer.next;
  b.input(...peer.group().filter((_, place) => place !== 2));
  assertEquals(b.raw.map(numberOf), [from + 2]);
});

Deno.test("a single forged parity shard does not end its group", () => {
  const ratio = ratioOf(4, 2);
  for (const [place, length] of [[4, 69], [4, 1400], [5, 69], [5, 2]]) {
    const peer = new Peer(ratio);
    const b = new Receiver(ratio);
    for (let g = 0; g < 20; g++) {
      const from = peer.next;
      const group = peer.group();
      b.input(group[0], group[1], group[3]);
      b.input(shard(6 * g + place, PARITY, new Uint8Array(length).fill(255)));
      b.input(group[4], group[5]);
      assertEquals(b.take(), [from + 2], `group ${g}, ${length} bytes in place ${place}`);
    }
  }
});

Deno.test("a forged parity shard in the place of a real one is found out", () => {
  const ratio = ratioOf(6, 3);
  const random = new Random("rivals");
  const peer = new Peer(ratio, 900);
  const b = new Receiver(ratio, false);
  const forged = (seqid: number) => shard(seqid, PARITY, random.fill(new Uint8Array(69)));
  b.input(...peer.group());
  // Makes the decoder expect forged parity.
  for (let n = 0; n < 20; n++) b.input(forged(random.uint32()));
  for (let g = 0; g < 20; g++) {
    const group = peer.group();
    const first = peer.seqid - 9;
    const from = peer.next - 6;
    b.raw.length = 0;
    b.input(group[0], group[2], group[4], group[5]);
    for (let place = 6; place < 9; place++) b.input(forged(first + place), forged(first + place));
    b.input(...group.slice(6));
    assertEquals(b.raw.map(numberOf), [from + 1, from + 3], `group ${g}`);
  }
});

Deno.test("a wrong ratio is not proven where its groups begin with real ones", () => {
  // Every second group of the guess begins with a real one, and has as many data shards.
  const peer = new Peer(ratioOf(1, 5));
  const b = new Receiver(ratioOf(1, 2), false, true);
  for (let g = 0; g < 3; g++) b.input(...peer.group());
  assert(b.decoder.ratio === null || b.decoder.ratio.parityShards === 5);
});

Deno.test("a ratio that data refutes is not proven by groups that agree with their parity", () => {
  // Each group of the guess begins with a real one, and has as many data shards.
  const ratio = ratioOf(7, 2);
  const peer = new Peer(ratio);
  const b = new Receiver(ratioOf(7, 11), false, true);
  for (let g = 0; g < 40; g++) {
    // Forged parity hides the ratio.
    for (let n = 0; n < 4; n++) b.input(shard(peer.seqid + 9 * n + n, PARITY, new Uint8Array(70)));
    b.input(...peer.group());
  }
  assertEquals(b.decoder.ratio, ratio);
  const from = peer.next;
  for (let g = 0; g < 2; g++) b.input(...peer.group().filter((_, place) => place !== 3));
  assertEquals(b.raw.slice(-2).map(numberOf), [from + 3, from + 10]);
});

Deno.test("ratio_proof: groups at distances without a common divisor prove the first of them", () => {
  const proof = new RatioProof();
  assertEquals([4, 8, 14].map((number) => proof.verify(number)), [-1, -1, -1], "all even");
  assertEquals(proof.verify(17), 4, "distances of 3 and 9 are not enough, with 13 they are");
  assertEquals(proof.verify(18), 17);
  proof.clear();
  assertEquals(proof.verify(19), -1);
});

Deno.test("data_pattern: data shards alone show the ratio of a stream with losses", () => {
  for (const ratio of [ratioOf(10, 3), ratioOf(1, 1), ratioOf(5, 5), ratioOf(10, 1)]) {
    const random = new Random(nameOf(ratio));
    const pattern = new DataPattern();
    assertEquals(pattern.guess(), null);
    const total = totalOf(ratio);
    for (let seqid = 77 * total; seqid < 177 * total; seqid++) {
      if (seqid % total < ratio.dataShards && !random.chance(0.1)) pattern.note(seqid);
    }
    assertEquals(pattern.guess(), ratio, nameOf(ratio));
  }
  const all = new DataPattern();
  for (let seqid = 0; seqid < 300; seqid++) all.note(seqid);
  assertEquals(all.guess(), null, "a stream without parity");
});

Deno.test("forged parity: a ratio that it has shown restores nothing before the content of a group agrees", () => {
  // The last data shard of each group is lost, and forged parity stands in its place.
  for (const [d, p] of [[4, 2], [5, 2], [2, 2], [10, 3]]) {
    const ratio = ratioOf(d, p);
    for (const guess of [null, ratioOf(d - 1, p + 1)]) {
      const random = new Random(nameOf(ratio));
      const peer = new Peer(ratio);
      const b = guess ? new Receiver(guess, false, true) : new Receiver(undefined, false);
      for (let g = 0; g < 40; g++) {
        const group = peer.group();
        const forged = shard(peer.seqid - p - 1, PARITY, random.fill(new Uint8Array(69)));
        // Another data shard is lost, which the wrong ratio can replace.
        const lost = g % (d - 1);
        b.input(...group.filter((_, place) => place !== lost && place < d - 1));
        if (g % 3 === 0) b.input(forged);
        b.input(...group.slice(d));
      }
      assertEquals(b.raw.length, 0, `${nameOf(ratio)}, guess ${guess && nameOf(guess)}`);
      // The truth comes to light as soon as the data shards arrive.
      for (let g = 0; g < 8; g++) b.input(...peer.group());
      b.raw.length = 0;
      const from = peer.next;
      b.input(...peer.group().slice(1));
      assertEquals(b.decoder.ratio, ratio);
      assertEquals(b.raw.map(numberOf), [from]);
    }
  }
});
