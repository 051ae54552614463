import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { Link } from "../../../transport/link/link.ts";
import { LinkGroup } from "../../../transport/link/link_group.ts";
import {
  type LinkOptions,
  linkProfiles,
  resolveLinkOptions,
} from "../../../transport/link/link_options.ts";
import { emptyLinkStats, type LinkStats } from "../../../transport/link/link_stats.ts";
import { Random } from "../../../transport/link/random.ts";

interface Arrival {
  /** The number of the packet, from 0. */
  readonly id: number;
  readonly at: number;
  readonly packet: Uint8Array;
}

/** Sends `count` packets of `size` bytes, one every `spacing` ms. */
function send(link: Link, count: number, { size = 100, spacing = 1, from = 0 } = {}): Arrival[] {
  const arrivals: Arrival[] = [];
  for (let id = 0; id < count; id++) {
    link.transmit(packetOf(id, size), from + id * spacing, (packet, at) => {
      arrivals.push({ id, at, packet });
    });
  }
  return arrivals;
}

function packetOf(id: number, size: number): Uint8Array {
  return new Random(id).fill(new Uint8Array(size));
}

function ids(arrivals: Arrival[]): number[] {
  return arrivals.map((a) => a.id);
}

function times(arrivals: Arrival[]): number[] {
  return arrivals.map((a) => a.at);
}

function link(options: LinkOptions, seed: number | string = 1, start = 0): Link {
  return new Link(options, new Random(seed), start);
}

/** Asserts that `got` of `count` trials is within 4 standard deviations of probability `p`. */
function assertBinomial(got: number, count: number, p: number): void {
  const deviation = Math.sqrt(count * p * (1 - p));
  const expected = count * p;
  assert(Math.abs(got - expected) < 4 * deviation, `${got} of ${count}, expected ${expected}`);
}

/** Asserts that every packet has exactly one fate. */
function assertConserved(s: Readonly<LinkStats>): void {
  const fates = s.delivered + s.lost + s.lostBurst + s.overflowed + s.tooLarge + s.blackedOut;
  assertEquals(s.packets + s.duplicated, fates, JSON.stringify(s));
}

Deno.test("without options every packet arrives at once, whole and in order", () => {
  const plain = link({});
  const arrivals = send(plain, 50, { spacing: 0.25, from: -3 });
  assertEquals(ids(arrivals), Array.from({ length: 50 }, (_, i) => i));
  assertEquals(times(arrivals), Array.from({ length: 50 }, (_, i) => -3 + i * 0.25));
  for (const { id, packet } of arrivals) assertEquals(packet, packetOf(id, 100));
  assertEquals(plain.stats, {
    ...emptyLinkStats(),
    packets: 50,
    bytes: 5000,
    delivered: 50,
    deliveredBytes: 5000,
  });
});

Deno.test("the delivered packet is a copy: the caller's buffer may be reused at once", () => {
  const lossless = link({ duplicate: 1, corrupt: 0 });
  const buffer = new Uint8Array(64);
  const kept: Uint8Array[] = [];
  for (let i = 0; i < 200; i++) {
    lossless.transmit(buffer.fill(i), i, (packet) => {
      buffer.fill(0xff);
      kept.push(packet);
    });
  }
  assertEquals(kept.length, 400);
  kept.forEach((packet, i) => assertEquals(packet, new Uint8Array(64).fill(i >> 1)));
  // A write to one copy does not change another copy.
  kept[10].fill(0xee);
  assertEquals(kept[9], new Uint8Array(64).fill(4));
  assertEquals(kept[11], new Uint8Array(64).fill(5));
});

Deno.test("packets of any size pass, also the empty packet", () => {
  const sizes = [0, 1, 2047, 2048, 2049, 65_507, 3, 100_000, 0, 65_536];
  for (const options of [{}, { corrupt: 1 }]) {
    const wide = link(options);
    for (const size of sizes) {
      let got: Uint8Array | undefined;
      wide.transmit(packetOf(1, size), 0, (packet) => got = packet);
      assertEquals(got?.length, size);
    }
    assertEquals(wide.stats.corrupted, "corrupt" in options ? 8 : 0);
  }
});

Deno.test("loss follows its probability: 0 loses no packet, 1 loses all", () => {
  for (const loss of [0.01, 0.3, 0.9]) {
    const lossy = link({ loss }, `loss ${loss}`);
    const arrivals = send(lossy, 20_000);
    assertBinomial(lossy.stats.lost, 20_000, loss);
    assertEquals(arrivals.length, 20_000 - lossy.stats.lost);
    assertConserved(lossy.stats);
  }
  assertEquals(send(link({ loss: 0 }), 1000).length, 1000);
  assertEquals(send(link({ loss: 1 }), 1000).length, 0);
});

Deno.test("Gilbert–Elliott: mean burst 1/leave, share of losses enter/(enter + leave)", () => {
  const enter = 0.02, leave = 0.25, count = 200_000;
  const bursty = link({ burstLoss: { enter, leave } }, "bursts");
  const arrived = new Set(ids(send(bursty, count)));
  const bursts: number[] = [];
  for (let id = 0, run = 0; id <= count; id++) {
    if (id < count && !arrived.has(id)) run++;
    else if (run > 0) {
      bursts.push(run);
      run = 0;
    }
  }
  assert(bursts.length > 2000, `${bursts.length} bursts`);
  const mean = bursts.reduce((a, b) => a + b) / bursts.length;
  // Lengths are geometric: their variance is (1 - leave) / leave².
  const deviation = Math.sqrt(1 - leave) / leave / Math.sqrt(bursts.length);
  assertAlmostEquals(mean, 1 / leave, 4 * deviation);
  // For the same reason, a burst of one packet has the probability `leave`.
  assertBinomial(bursts.filter((n) => n === 1).length, bursts.length, leave);
  // Losses come in bursts, so the variance of the share is larger than the binomial variance, by
  // the factor (2 - enter - leave) / (enter + leave).
  const share = enter / (enter + leave);
  const factor = (2 - enter - leave) / (enter + leave);
  const spread = Math.sqrt(share * (1 - share) * factor / count);
  assertAlmostEquals(bursty.stats.lostBurst / count, share, 4 * spread);
  assertEquals(bursty.stats.lost, 0);
  assertConserved(bursty.stats);
});

Deno.test("Gilbert–Elliott: lossGood and lossBad are the loss probabilities of the states", () => {
  const good = link({ burstLoss: { enter: 0, leave: 1, lossGood: 0.1 } }, "good");
  send(good, 20_000);
  assertBinomial(good.stats.lostBurst, 20_000, 0.1);
  const bad = link({ burstLoss: { enter: 1, leave: 0, lossBad: 0.4 } }, "bad");
  send(bad, 20_000);
  assertBinomial(bad.stats.lostBurst, 20_000, 0.4);
});

Deno.test("latency is added exactly", () => {
  const arrivals = send(link({ latency: 37.5 }), 20, { spacing: 2 });
  assertEquals(times(arrivals), Array.from({ length: 20 }, (_, i) => i * 2 + 37.5));
});

Deno.test("jitter is uniform from 0 to its value if packets are far apart", () => {
  const delays = times(send(link({ latency: 10, jitter: 8 }), 10_000, { spacing: 100 }))
    .map((at, i) => at - i * 100 - 10);
  assert(delays.every((d) => d >= 0 && d <= 8));
  const mean = delays.reduce((a, b) => a + b) / delays.length;
  assertAlmostEquals(mean, 4, 4 * 8 / Math.sqrt(12 * delays.length));
  for (const part of [0.1, 0.5, 0.9]) {
    assertBinomial(delays.filter((d) => d < 8 * part).length, delays.length, part);
  }
});

Deno.test("jitter never reorders packets, and stays within its bounds", () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.double({ min: 0, max: 50, noNaN: true }),
      fc.array(fc.double({ min: 0, max: 5, noNaN: true }), { minLength: 2, maxLength: 100 }),
      (seed, jitter, gaps) => {
        const jittery = link({ latency: 5, jitter, duplicate: 0.1 }, seed);
        let now = 0, last = -Infinity, lastSent = -1;
        gaps.forEach((gap, sent) => {
          now += gap;
          jittery.transmit(new Uint8Array(1), now, (_, at) => {
            assert(at >= last && sent >= lastSent, `packet ${sent} overtook ${lastSent}`);
            assert(at >= now + 5 && at <= now + 5 + jitter + 1e-9, `${at - now} ms late`);
            last = at;
            lastSent = sent;
          });
        });
      },
    ),
  );
  // This test is not empty: without the rule, these draws would reorder packets.
  const delays = times(send(link({ jitter: 50 }, 3), 200, { spacing: 1 })).map((at, i) => at - i);
  assert(
    delays.some((d, i) => i > 0 && d === delays[i - 1] - 1),
    "no packet was delayed to keep the order",
  );
});

Deno.test("a packet that is held back is overtaken by the packets of the next `delay` ms", () => {
  const holding = link({ latency: 10, reorder: { probability: 0.1, delay: 3.5 } }, "hold");
  const arrivals = send(holding, 5000);
  const delayed = arrivals.filter(({ id, at }) => at - id === 13.5);
  assertEquals(arrivals.length, 5000);
  assertEquals(arrivals.filter(({ id, at }) => at - id === 10).length, 5000 - delayed.length);
  assertBinomial(delayed.length, 5000, 0.1);
  assertEquals(holding.stats.reordered, delayed.length);
  const overtakers = arrivals.filter(({ id, at }) => id > delayed[0].id && at < delayed[0].at);
  assertEquals(
    overtakers.length + delayed.filter(({ id }) => id > delayed[0].id && id <= delayed[0].id + 3)
      .length,
    3,
  );
});

Deno.test("a number for reorder is the probability, with a delay of 20 ms", () => {
  const { reorder } = resolveLinkOptions({ reorder: 0.25 });
  assertEquals(reorder, { probability: 0.25, delay: 20 });
  assertEquals(times(send(link({ reorder: 1 }), 2)), [20, 21]);
});

Deno.test("a duplicate arrives directly after its packet, with the same bytes", () => {
  const doubling = link({ latency: 4, duplicate: 0.2 }, "double");
  const arrivals = send(doubling, 10_000);
  assertBinomial(doubling.stats.duplicated, 10_000, 0.2);
  assertEquals(arrivals.length, 10_000 + doubling.stats.duplicated);
  const copies = arrivals.filter(({ id }, i) => i > 0 && id === arrivals[i - 1].id);
  assertEquals(copies.length, doubling.stats.duplicated);
  for (const { id, at, packet } of copies) {
    assertEquals(at, id + 4);
    assertEquals(packet, packetOf(id, 100));
  }
  assertConserved(doubling.stats);
});

Deno.test("corruption flips one random bit of the copy, never a bit of the caller's buffer", () => {
  const size = 4, count = 8000;
  const flipping = link({ corrupt: 0.5 }, "flip");
  const flips = new Array(size * 8).fill(0);
  let corrupted = 0;
  for (let id = 0; id < count; id++) {
    const original = packetOf(id, size);
    const sent = original.slice();
    flipping.transmit(sent, id, (packet) => {
      const bits = [...flips.keys()].filter((bit) =>
        ((packet[bit >> 3] ^ original[bit >> 3]) >> (bit & 7) & 1) === 1
      );
      assert(bits.length <= 1, `bits ${bits} are flipped`);
      corrupted += bits.length;
      for (const bit of bits) flips[bit]++;
    });
    assertEquals(sent, original);
  }
  assertBinomial(corrupted, count, 0.5);
  assertEquals(flipping.stats.corrupted, corrupted);
  for (const n of flips) assertBinomial(n, corrupted, 1 / flips.length);
});

Deno.test("a duplicate of a corrupted packet is intact, and not held back", () => {
  const both = link({ duplicate: 1, corrupt: 1, reorder: { probability: 1, delay: 9 } });
  const arrivals = send(both, 20, { spacing: 0 });
  assertEquals(arrivals.length, 40);
  for (let i = 0; i < 40; i += 2) {
    assertNotEquals(arrivals[i].packet, packetOf(i / 2, 100));
    assertEquals(arrivals[i].at, 9);
    assertEquals(arrivals[i + 1].packet, packetOf(i / 2, 100));
    assertEquals(arrivals[i + 1].at, 0);
  }
});

Deno.test("bandwidth: one by one, each packet takes (size + headerBytes) / bandwidth", () => {
  // 972 bytes and 28 bytes of headers at 125,000 bytes/s take 8 ms.
  const slow = link({ bandwidth: 125_000, latency: 5 });
  const burst = send(slow, 4, { size: 972, spacing: 0, from: 100 });
  assertEquals(times(burst), [113, 121, 129, 137]);
  // The link is busy until 132 ms. A packet of 125 bytes at 131 ms waits 1 ms and takes 1 ms.
  assertEquals(times(send(slow, 1, { size: 97, from: 131 })), [138]);
  // The link is idle from 133 ms on: the next packet leaves at once.
  assertEquals(times(send(slow, 1, { size: 97, from: 140 })), [146]);
  assertEquals(times(send(link({ bandwidth: 1000, headerBytes: 0 }), 1, { size: 250 })), [250]);
});

Deno.test("bandwidth is never exceeded, and fully used while packets wait", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 1500 })),
        { minLength: 1, maxLength: 60 },
      ),
      (packets) => {
        const slow = link({ bandwidth: 64_000, headerBytes: 12 });
        let now = 0, free = 0;
        for (const [gap, size] of packets) {
          now += gap;
          free = Math.max(now, free) + (size + 12) / 64;
          slow.transmit(new Uint8Array(size), now, (_, at) => assertAlmostEquals(at, free, 1e-6));
        }
        assertEquals(slow.stats.delivered, packets.length);
      },
    ),
  );
});

Deno.test("queuePackets: exactly this many packets wait behind the packet that is leaving", () => {
  for (const queuePackets of [0, 1, 7]) {
    // 10 ms each.
    const short = link({ bandwidth: 100_000, headerBytes: 0, queuePackets });
    const burst = send(short, 20, { size: 1000, spacing: 0 });
    assertEquals(ids(burst), Array.from({ length: 1 + queuePackets }, (_, i) => i));
    assertEquals(short.stats.overflowed, 19 - queuePackets);
    // At 9.9 ms the first packet is still leaving. At 10 ms it has left: one packet fits.
    assertEquals(send(short, 2, { size: 1000, spacing: 0, from: 9.9 }).length, 0);
    assertEquals(send(short, 2, { size: 1000, spacing: 0, from: 10 }).length, 1);
    assertConserved(short.stats);
  }
});

Deno.test("queueBytes: the waiting bytes, with headers, may reach the limit, not exceed it", () => {
  // Each packet has 1000 bytes with headers and takes 10 ms. 3 packets and 999 bytes fit.
  const options = { bandwidth: 100_000, headerBytes: 28 };
  const tight = link({ ...options, queueBytes: 3999 });
  assertEquals(send(tight, 9, { size: 972, spacing: 0 }).length, 1 + 3);
  assertEquals(send(tight, 1, { size: 972 }).length, 0);
  assertEquals(send(tight, 1, { size: 971 }).length, 1, "999 bytes fit exactly");
  assertEquals(send(tight, 1, { size: 0 }).length, 0, "28 bytes of headers do not fit");
  // At 10 ms the first packet has left: 1000 bytes are free, and one packet fills them.
  assertEquals(send(tight, 2, { size: 972, spacing: 0, from: 10 }).length, 1);
  const exact = link({ ...options, queueBytes: 4000 });
  assertEquals(send(exact, 9, { size: 972, spacing: 0 }).length, 1 + 4);
  assertEquals([tight.stats.overflowed, exact.stats.overflowed], [5 + 1 + 1 + 1, 4]);
  // On an idle link, a packet needs no queue.
  assertEquals(send(link({ ...options, queueBytes: 0 }), 1, { size: 5000 }).length, 1);
});

Deno.test("a queue counts correctly under a long load", () => {
  // 2 packets/ms come and 1 leaves: the queue fills early, and then every second packet is lost.
  const loaded = link({ bandwidth: 100_000, headerBytes: 0, queuePackets: 50 });
  const arrivals = send(loaded, 20_000, { size: 100, spacing: 0.5 });
  assertEquals(loaded.stats.delivered, 10_000 + 50);
  const last = arrivals[arrivals.length - 1];
  assertEquals(last.at - last.id * 0.5, 51, "50 packets wait, and one is leaving");
});

Deno.test("without a bandwidth limit no packet waits, so no queue overflows", () => {
  const free = link({ queuePackets: 0, queueBytes: 0 });
  assertEquals(send(free, 100, { spacing: 0 }).length, 100);
});

Deno.test("mtu: a packet of this size passes, a longer one is lost and takes no bandwidth", () => {
  const narrow = link({ mtu: 1200, bandwidth: 1000 });
  assertEquals(send(narrow, 3, { size: 1201 }).length, 0);
  assertEquals(times(send(narrow, 1, { size: 1200, from: 5 })), [5 + 1228]);
  assertEquals(narrow.stats.tooLarge, 3);
  assertConserved(narrow.stats);
});

Deno.test("blackouts: the start belongs to it, the end does not; times count from `start`", () => {
  const start = 5000;
  const dark = link({ latency: 100, blackouts: [[10, 20], [15, 25], [40, Infinity]] }, 1, start);
  const open = (at: number) => send(dark, 1, { from: start + at }).length === 1;
  const probes = [0, 9.999, 10, 19, 20, 24.999, 25, 39.999, 40, 1e9];
  assertEquals(
    probes.map(open),
    [true, true, false, false, false, false, true, true, false, false],
  );
  assertEquals(dark.stats.blackedOut, 6);
  // A packet that was sent before the blackout arrives during it.
  assertEquals(times(send(link({ latency: 100, blackouts: [[10, 200]] }), 1, { from: 9 })), [109]);
});

Deno.test("down: packets sent while it is set are lost, packets sent before arrive", () => {
  const cut = link({ latency: 50 });
  const before = send(cut, 3);
  cut.down = true;
  const during = send(cut, 4, { from: 10 });
  cut.down = false;
  const after = send(cut, 2, { from: 20 });
  assertEquals([before.length, during.length, after.length], [3, 0, 2]);
  assertEquals(cut.stats.blackedOut, 4);
});

const anyOptions: fc.Arbitrary<LinkOptions> = fc.record({
  loss: fc.constantFrom(0, 0.1, 0.5, 1),
  burstLoss: fc.constantFrom(undefined, { enter: 0.1, leave: 0.3 }),
  latency: fc.constantFrom(0, 12.5),
  jitter: fc.constantFrom(0, 7),
  reorder: fc.constantFrom<LinkOptions["reorder"]>(0, 0.2, { probability: 0.3, delay: 2 }),
  duplicate: fc.constantFrom(0, 0.2, 1),
  corrupt: fc.constantFrom(0, 0.3),
  bandwidth: fc.constantFrom(50_000, 1e6, Infinity),
  queuePackets: fc.constantFrom(0, 5, Infinity),
  queueBytes: fc.constantFrom(2000, Infinity),
  mtu: fc.constantFrom(600, Infinity),
  blackouts: fc.constantFrom([], [[20, 40]] as const),
}, { requiredKeys: [] });

/** Sends packets of random sizes at random times, the same at each call. */
function traffic(target: Link, count: number): Arrival[] {
  const random = new Random("traffic");
  const arrivals: Arrival[] = [];
  let now = 0;
  for (let id = 0; id < count; id++) {
    now += random.next() * 3;
    const packet = packetOf(id, random.below(1200));
    target.transmit(packet, now, (packet, at) => arrivals.push({ id, at, packet }));
  }
  return arrivals;
}

Deno.test("the same seed gives the same deliveries, another seed gives others", () => {
  fc.assert(
    fc.property(anyOptions, fc.integer(), (options, seed) => {
      assertEquals(traffic(link(options, seed), 100), traffic(link(options, seed), 100));
    }),
    { numRuns: 50 },
  );
  const options = { loss: 0.5 };
  assertNotEquals(ids(traffic(link(options, 1), 100)), ids(traffic(link(options, 2), 100)));
});

Deno.test("every packet has one fate, and none arrives before its latency", () => {
  fc.assert(
    fc.property(anyOptions, fc.integer(), (options, seed) => {
      const any = link(options, seed);
      const arrivals = traffic(any, 100);
      assertConserved(any.stats);
      assertEquals(any.stats.packets, 100);
      assertEquals(any.stats.delivered, arrivals.length);
      assertEquals(
        any.stats.deliveredBytes,
        arrivals.reduce((sum, { packet }) => sum + packet.length, 0),
      );
      const random = new Random("traffic");
      let now = 0;
      const sentAt = Array.from({ length: 100 }, () => {
        now += random.next() * 3;
        random.below(1200);
        return now;
      });
      for (const { id, at } of arrivals) {
        const earliest = sentAt[id] + (options.latency ?? 0);
        assert(at >= earliest, `packet ${id} took less than the latency`);
      }
    }),
  );
});

Deno.test("loss removes packets and does not change the others", () => {
  fc.assert(
    fc.property(anyOptions, fc.integer(), (options, seed) => {
      const without = { ...options, loss: 0, burstLoss: undefined };
      const all = traffic(link(without, seed), 100);
      for (const burstLoss of [undefined, { enter: 0.2, leave: 0.5 }]) {
        const lossy = traffic(link({ ...without, loss: 0.2, burstLoss }, seed), 100);
        const survivors = new Set(ids(lossy));
        assertEquals(lossy, all.filter(({ id }) => survivors.has(id)));
      }
      // A higher loss loses the same packets and more.
      const little = new Set(ids(traffic(link({ ...without, loss: 0.1 }, seed), 100)));
      const much = new Set(ids(traffic(link({ ...without, loss: 0.4 }, seed), 100)));
      assert(much.isSubsetOf(little));
    }),
    { numRuns: 50 },
  );
});

Deno.test("duplication, corruption and reordering change nothing else", () => {
  fc.assert(
    fc.property(anyOptions, fc.integer(), (options, seed) => {
      const plain = { ...options, duplicate: 0, corrupt: 0, reorder: 0 };
      const base = traffic(link(plain, seed), 100);
      const doubled = traffic(link({ ...plain, duplicate: 0.3 }, seed), 100);
      assertEquals(doubled.filter(({ id }, i) => id !== doubled[i - 1]?.id), base);
      const corrupted = traffic(link({ ...plain, corrupt: 0.3 }, seed), 100);
      assertEquals(ids(corrupted), ids(base));
      assertEquals(times(corrupted), times(base));
      const held = traffic(link({ ...plain, reorder: { probability: 0.3, delay: 5 } }, seed), 100);
      assertEquals(ids(held), ids(base));
      assert(held.every(({ at }, i) => at === base[i].at || at === base[i].at + 5));
    }),
    { numRuns: 50 },
  );
});

Deno.test("an option that is set later draws as if it had been set from the start", () => {
  const each: LinkOptions[] = [
    { loss: 0.3 },
    { burstLoss: { enter: 0, leave: 0, lossGood: 0.3 } },
    { jitter: 0.9 },
    { reorder: 0.3 },
    { duplicate: 0.3 },
    { corrupt: 0.3 },
  ];
  for (const option of each) {
    const [later, always] = [link({}), link(option)];
    send(later, 100);
    const skipped = send(always, 100);
    assertNotEquals(skipped, send(link({}), 100), "the option does nothing");
    later.configure(option);
    assertEquals(send(later, 100, { from: 200 }), send(always, 100, { from: 200 }));
  }
});

Deno.test("burst loss that is turned off and on again starts in the good state", () => {
  const healed = link({ burstLoss: { enter: 1, leave: 0 } });
  assertEquals(send(healed, 5).length, 0);
  healed.configure({ burstLoss: { enter: 0, leave: 0 } });
  assertEquals(send(healed, 5, { from: 10 }).length, 0, "a bad state stays bad across a change");
  healed.configure({ burstLoss: undefined });
  healed.configure({ burstLoss: { enter: 0, leave: 0 } });
  assertEquals(send(healed, 5, { from: 20 }).length, 5);
});

Deno.test("configure changes only the options it names, and undefined restores a default", () => {
  const changing = link({ latency: 10, loss: 1, burstLoss: { enter: 1, leave: 0 } });
  assertEquals(send(changing, 5).length, 0);
  changing.configure({ loss: 0, burstLoss: undefined });
  assertEquals(times(send(changing, 1, { from: 100 })), [110]);
  changing.configure({ latency: undefined, duplicate: 1 });
  assertEquals(times(send(changing, 1, { from: 200 })), [200, 200]);
  assertEquals(changing.options, resolveLinkOptions({ duplicate: 1 }));
});

Deno.test("configure keeps the order: with a shorter latency no packet overtakes", () => {
  const shortened = link({ latency: 100 });
  send(shortened, 1, { from: 0 });
  shortened.configure({ latency: 0 });
  assertEquals(times(send(shortened, 1, { from: 1 })), [100]);
  assertEquals(times(send(shortened, 1, { from: 101 })), [101]);

  // At first a packet takes 10 ms. Two packets keep the link busy until 20 ms.
  const widened = link({ bandwidth: 100_000, headerBytes: 0 });
  assertEquals(times(send(widened, 2, { size: 1000, spacing: 0 })), [10, 20]);
  widened.configure({ bandwidth: 1_000_000 });
  assertEquals(times(send(widened, 1, { size: 1000, from: 1 })), [21]);
  widened.configure({ bandwidth: Infinity, queuePackets: 0 });
  assertEquals(send(widened, 1, { from: 2 }).length, 0, "the link is busy until 21 ms");
  assertEquals(times(send(widened, 1, { from: 21 })), [21]);
});

Deno.test("resolved options are complete, frozen, and independent of the caller's object", () => {
  const blackouts: [number, number][] = [[1, 2]];
  const given = { loss: 0.5, blackouts, burstLoss: { enter: 0.1, leave: 0.2 } };
  const { options } = link(given);
  blackouts[0][1] = 99;
  given.burstLoss.enter = 1;
  assertEquals(options, {
    loss: 0.5,
    burstLoss: { enter: 0.1, leave: 0.2, lossGood: 0, lossBad: 1 },
    latency: 0,
    jitter: 0,
    reorder: { probability: 0, delay: 20 },
    duplicate: 0,
    corrupt: 0,
    bandwidth: Infinity,
    queuePackets: Infinity,
    queueBytes: Infinity,
    headerBytes: 28,
    mtu: Infinity,
    blackouts: [[1, 2]],
  });
  for (const part of [options, options.burstLoss, options.reorder, options.blackouts[0]]) {
    assert(Object.isFrozen(part));
  }
  assertEquals(resolveLinkOptions(options), options);
});

Deno.test("misuse throws with the name and the value, and does not change the link", () => {
  const rejected: [LinkOptions, typeof RangeError | typeof TypeError, string][] = [
    [{ loss: -0.1 }, RangeError, "Cannot set loss to -0.1: expected a probability from 0 to 1"],
    [{ loss: NaN }, RangeError, "Cannot set loss to NaN"],
    [{ loss: "0.1" as unknown as number }, TypeError, "Cannot set loss to 0.1"],
    [{ burstLoss: { enter: 2, leave: 0 } }, RangeError, "Cannot set burstLoss.enter to 2"],
    [{ burstLoss: { enter: 0 } as never }, TypeError, "Cannot set burstLoss.leave to undefined"],
    [{ burstLoss: { enter: 0, leave: 0, lossBad: 7 } }, RangeError, "burstLoss.lossBad to 7"],
    [{ latency: -1 }, RangeError, "Cannot set latency to -1: expected a number of ms from 0"],
    [{ latency: Infinity }, RangeError, "Cannot set latency to Infinity"],
    [{ jitter: NaN }, RangeError, "Cannot set jitter to NaN"],
    [{ reorder: 1.5 }, RangeError, "Cannot set reorder to 1.5"],
    [{ reorder: { probability: 0.1, delay: -3 } }, RangeError, "Cannot set reorder.delay to -3"],
    [{ reorder: null as unknown as number }, TypeError, "Cannot set reorder to null"],
    [{ duplicate: 2 }, RangeError, "Cannot set duplicate to 2"],
    [{ corrupt: 2 }, RangeError, "Cannot set corrupt to 2"],
    [{ bandwidth: 0 }, RangeError, "Cannot set bandwidth to 0: expected a number of bytes per"],
    [{ queuePackets: 1.5 }, RangeError, "Cannot set queuePackets to 1.5: expected an integer"],
    [{ queueBytes: -1 }, RangeError, "Cannot set queueBytes to -1"],
    [{ headerBytes: Infinity }, RangeError, "Cannot set headerBytes to Infinity"],
    [{ mtu: 0.5 }, RangeError, "Cannot set mtu to 0.5"],
    [{ blackouts: 5 as never }, TypeError, "Cannot set blackouts to 5"],
    [{ blackouts: [[-1, 2]] }, RangeError, "Cannot set the start of a blackout to -1"],
    [{ blackouts: [[3, 2]] }, RangeError, "Cannot set the end of a blackout to 2"],
    [{ bandwith: 5 } as LinkOptions, TypeError, "Cannot set bandwith: there is no such"],
  ];
  const steady = link({ latency: 3 });
  const before = steady.options;
  for (const [options, kind, message] of rejected) {
    assertThrows(() => link(options), kind, message);
    assertThrows(() => steady.configure(options), kind, message);
  }
  assertStrictEquals(steady.options, before);
  assertThrows(() => link({}, 1, Infinity), RangeError, "Cannot start a link at Infinity");
});

Deno.test("a time in the past throws, and counts no packet", () => {
  const forward = link({});
  send(forward, 1, { from: 10 });
  for (const now of [9.999, NaN, Infinity, -Infinity]) {
    assertThrows(() => send(forward, 1, { from: now }), RangeError, `Cannot transmit at ${now}`);
  }
  assertEquals(send(forward, 1, { from: 10 }).length, 1);
  assertEquals(forward.stats.packets, 2);
});

Deno.test("deliver may send on the same link", () => {
  const looped = link({ latency: 1, duplicate: 1 });
  const got: number[] = [];
  looped.transmit(new Uint8Array(1), 0, (packet, at) => {
    got.push(at);
    if (at < 3) looped.transmit(packet, at, (_, again) => got.push(again));
  });
  assertEquals(got, [1, 2, 2, 1, 2, 2]);
  assertConserved(looped.stats);
});

Deno.test("a group: all links have the same options, different draws, and one sum", () => {
  const group = new LinkGroup({ loss: 0.5 }, new Random("group"), 100);
  const [a, b] = [group.open("a"), group.open("b")];
  const lostByA = ids(send(a, 100));
  assertNotEquals(lostByA, ids(send(b, 100)));
  assertEquals(lostByA, ids(send(new Link({ loss: 0.5 }, new Random("group").fork("a")), 100)));
  assertEquals(group.stats.packets, 200);
  group.remove(a);
  group.remove(a);
  assertEquals(group.stats.packets, 200);
  assertEquals(group.stats.lost, a.stats.lost + b.stats.lost);

  group.configure({ loss: 0, blackouts: [[0, 1000]] });
  group.down = true;
  const third = group.open("third");
  assertEquals([third.down, b.down, a.down], [true, true, false]);
  group.down = false;
  assertEquals(third.options, group.options);
  assertEquals(b.options.loss, 0);
  assertEquals(send(third, 1, { from: 1099 }).length, 0, "blackouts count from the group's start");
  assertEquals(send(third, 1, { from: 1100 }).length, 1);
  assertThrows(() => group.configure({ loss: 3 }), RangeError, "Cannot set loss to 3");
  assertEquals(group.options.loss, 0);
});

Deno.test("the profiles are valid, and have their round-trip times", () => {
  const roundTrips = Object.entries(linkProfiles).map(([name, { up, down }]) => {
    const { latency } = resolveLinkOptions(up);
    return [name, latency + resolveLinkOptions(down).latency];
  });
  assertEquals(Object.fromEntries(roundTrips), {
    fiber: 4,
    cable: 28,
    dsl: 50,
    mobile3g: 300,
    mobile3gSlow: 200,
    edge: 840,
  });
  // 384 kbit/s is 48 bytes/ms.
  assertEquals(times(send(link(linkProfiles.dsl.up), 1, { size: 480 - 28 })), [10 + 25]);
});
