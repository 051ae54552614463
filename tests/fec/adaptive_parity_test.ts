import { assert, assertEquals } from "@std/assert";
import { AdaptiveParity } from "../../fec/adaptive_parity.ts";
import { FecEncoder } from "../../fec/encoder.ts";
import { ARRIVED, type Guard, LOST, OVERTAKEN } from "../../fec/loss_estimate.ts";
import { unrepaired } from "../../fec/loss_model.ts";
import { mostParity } from "../../fec/parity_plan.ts";
import type { FecRatio } from "../../fec/ratio.ts";
import { Arena } from "../../kcp/arena.ts";
import { Random } from "../../transport/link/random.ts";
import { nameOf, ratioOf } from "./harness.ts";

/** A packet as it left. */
interface Shard {
  seqid: number;
  parity: boolean;
  at: number;
  /** The ratio of the groups. */
  ratio: FecRatio | null;
}

/** A sender with a steady rate, and a model of what its peer acknowledges a round trip later. */
class Link {
  readonly fixed: FecRatio | null;
  readonly adaptive: AdaptiveParity;
  readonly encoder: FecEncoder;
  readonly shards: Shard[] = [];
  readonly levels: number[] = [];
  now = 0;
  loss = 0;
  roundTrip = 100;
  /** Time between packets, in ms. */
  gap = 1000 / 60;
  extended: boolean | null = true;
  readonly #random: Random;
  readonly #arena = new Arena();
  /** The share of losses that parity does not repair. */
  readonly #late = new Map<string, number>();
  readonly #fates: { at: number; guard: Guard | null; lost: boolean }[] = [];

  constructor(seed: string, fixed: FecRatio | null = null) {
    this.fixed = fixed;

    this.#random = new Random(seed);
    this.encoder = new FecEncoder(fixed ?? ratioOf(1, 1));
    if (!fixed) this.encoder.restart(null);
    this.adaptive = new AdaptiveParity(this.encoder, fixed !== null);
  }

  #note(parity: boolean): void {
    const { nextSeqid, ratio } = this.encoder;
    this.shards.push({ seqid: nextSeqid, parity, at: this.now, ratio });
  }

  /** Sends this many packets with data, each with its parity. */
  send(packets: number): this {
    const { adaptive, encoder } = this;
    for (let i = 0; i < packets; i++, this.now += this.gap) {
      while (this.#fates[0]?.at <= this.now) this.#acknowledge();
      adaptive.beforeData(this.now, { srtt: this.roundTrip, extended: this.extended });
      adaptive.noteNew(this.now);
      const { guard } = adaptive;
      const lost = this.#random.chance(this.loss);
      this.#fates.push({ at: this.now + this.roundTrip, guard, lost });
      this.#note(false);
      encoder.seal(this.#arena, 0, 60, this.now);
      adaptive.afterData(this.now);
      this.levels.push(adaptive.level);
      while (encoder.pending > 0) {
        this.#note(true);
        encoder.takeParity(this.#arena, 100);
      }
    }
    return this;
  }

  #acknowledge(): void {
    const { guard, lost } = this.#fates.shift()!;
    const { dataShards = 1, parityShards = 0 } = guard ?? {};
    const key = `${dataShards}/${parityShards} ${this.loss}`;
    let late = this.#late.get(key);
    if (late === undefined) {
      const model = { loss: this.loss, repeat: this.loss };
      late = Math.min(1, unrepaired(model, dataShards, parityShards)[parityShards] / this.loss);
      this.#late.set(key, late);
    }
    const failed = lost && this.loss > 0 && this.#random.chance(late);
    const shows = lost && this.#random.chance((dataShards - 1) / dataShards);
    this.adaptive.addFate(failed ? LOST : shows ? OVERTAKEN : ARRIVED, guard);
  }

  /** Parity shards for each data shard since the packet of that number. */
  overhead(from: number): number {
    const shards = this.shards.slice(from);
    const parity = shards.filter(({ parity }) => parity).length;
    return parity / (shards.length - parity);
  }
}

const settled = (seed: string, loss: number, set: (link: Link) => void = () => {}) => {
  const link = new Link(seed);
  link.loss = loss;
  set(link);
  return link.send(3000);
};

Deno.test("adaptive parity: without losses a peer of this library gets no parity, and no groups", () => {
  for (const gap of [0.1, 5, 1000 / 60, 100]) {
    const link = settled("clean", 0, (link) => link.gap = gap);
    assertEquals([link.encoder.ratio, link.overhead(0)], [null, 0]);
    assertEquals(link.shards.map(({ seqid }) => seqid), [...link.shards.keys()]);
  }
});

Deno.test("adaptive parity: groups fill within a round trip, and parity follows the loss", () => {
  for (const [gap, least, most] of [[1, 20, 24], [1000 / 60, 4, 5], [40, 1, 2], [100, 1, 1]]) {
    let before = 0;
    for (const loss of [0.02, 0.05, 0.1]) {
      const link = settled(`follow ${gap} ${loss}`, loss, (link) => link.gap = gap);
      const { dataShards } = link.encoder.ratio!;
      const scene = `one packet each ${gap} ms at ${loss}`;
      assert(dataShards >= least && dataShards <= most, `${scene}: ${dataShards} data shards`);
      const from = link.shards.length;
      const overhead = link.send(3000).overhead(from);
      assert(overhead >= before - 0.1, `${scene}: ${overhead} parity, ${before} at less loss`);
      assert(overhead > 0 && overhead <= mostParity(dataShards) / dataShards, `${scene}`);
      before = overhead;
    }
  }
});

Deno.test("adaptive parity: no parity where a retransmission comes in time", () => {
  for (const roundTrip of [1, 10, 20]) {
    const link = settled(`near ${roundTrip}`, 0.1, (link) => link.roundTrip = roundTrip);
    assertEquals(link.overhead(0), 0, `${roundTrip} ms`);
  }
  const far = settled("far", 0.1).overhead(1000);
  const near = settled("near", 0.1, (link) => link.roundTrip = 50).overhead(1000);
  assert(near < far, `${near} at 50 ms, ${far} at 100 ms`);
});

Deno.test("adaptive parity: parity comes within two seconds, and goes when the losses end", () => {
  for (const loss of [0.05, 0.1, 0.2]) {
    const link = new Link(`answer ${loss}`);
    link.send(600);
    link.loss = loss;
    link.send(300);
    assert(link.adaptive.level > 0, `no parity at ${loss}`);
    link.send(1000);
    link.loss = 0;
    link.send(3000);
    assertEquals(link.adaptive.level, 0, `after a loss of ${loss}`);
  }
});

Deno.test("adaptive parity: under a steady loss the ratio stays", () => {
  for (const loss of [0.02, 0.05, 0.1, 0.2]) {
    const link = settled(`steady ${loss}`, loss);
    const { ratio } = link.encoder;
    const from = link.shards.length;
    link.send(10_000);
    const others = link.shards.slice(from).filter((shard) => shard.ratio !== ratio);
    assertEquals(others.length, 0, `it changed at ${loss}`);
  }
});

/** The places where the ratio changes: the last shard before, and those after it. */
function changes(shards: Shard[]): { old: FecRatio; quiet: Shard[]; next: FecRatio }[] {
  const found = [];
  for (let i = 1; i < shards.length; i++) {
    const old = shards[i - 1].ratio;
    if (!old || shards[i].ratio === old) continue;
    const end = shards.findIndex(({ ratio }, at) => at > i && ratio !== null);
    if (end > 0) found.push({ old, quiet: shards.slice(i, end), next: shards[end].ratio! });
  }
  return found;
}

for (const extended of [true, false]) {
  const name = extended ? "this library" : "another library";
  Deno.test(`adaptive parity: between two ratios, a peer of ${name} gets no parity for a while`, () => {
    const link = new Link(`change ${extended}`);
    link.extended = extended;
    link.loss = 0.1;
    for (const gap of [4, 100, 1000 / 60, 4, 50]) {
      link.gap = gap;
      link.send(Math.ceil(200_000 / gap));
    }
    const found = changes(link.shards);
    assert(found.length >= 2, `${found.length} changes`);
    for (const { old, quiet, next } of found) {
      const scene = `${nameOf(old)} to ${nameOf(next)}`;
      assert(quiet.every(({ parity }) => !parity), `${scene}: parity`);
      const total = old.dataShards + old.parityShards;
      const clear = quiet.filter(({ seqid }) => seqid % total >= old.dataShards).length;
      if (extended) assert(clear >= 3, `${scene}: ${clear} packets contradict the old ratio`);
      else assert(quiet.length >= 300, `${scene}: ${quiet.length} packets`);
    }
    for (const { seqid, parity, ratio } of link.shards) {
      if (!ratio) continue;
      const index = seqid % (ratio.dataShards + ratio.parityShards);
      assertEquals(parity, index >= ratio.dataShards, `${seqid} under ${nameOf(ratio)}`);
    }
  });
}

Deno.test("adaptive parity: a peer of another library gets whole groups, without a gap before", () => {
  for (const extended of [null, false]) {
    const link = new Link(`foreign ${extended}`);
    link.extended = extended;
    link.send(2000);
    const ratio = link.encoder.ratio!;
    const total = ratio.dataShards + ratio.parityShards;
    const first = link.shards.findIndex(({ parity }) => parity);
    const begin = first - ratio.dataShards;
    assert(begin < 100 && link.shards[begin].seqid % total === 0, `the first group is at ${begin}`);
    for (let i = 0; i < begin + 3 * total; i++) assertEquals(link.shards[i].seqid, i);
    assertEquals(link.shards.filter(({ parity }) => parity).length, 3 * ratio.parityShards);
  }
});

Deno.test("adaptive parity: a given ratio stays, with parity up to its limit", () => {
  for (const ratio of [ratioOf(5, 5), ratioOf(10, 3), ratioOf(3, 2)]) {
    const link = new Link(`given ${nameOf(ratio)}`, ratio);
    link.send(600);
    assertEquals(link.shards.filter(({ parity }) => parity).length, 3 * ratio.parityShards);
    link.loss = 0.5;
    link.send(3000);
    assertEquals(link.encoder.ratio, ratio);
    assert(link.adaptive.level > 0 && link.adaptive.level <= ratio.parityShards, nameOf(ratio));
    assert(link.shards.every((shard) => shard.ratio === link.encoder.ratio));
  }
});

Deno.test("adaptive parity: an open group closes when no more packets are to be expected", () => {
  const link = settled("close", 0.1);
  while (!link.encoder.atGroupStart) link.send(1);
  assertEquals(link.adaptive.closeAt, Infinity);
  const began = link.now;
  link.send(1);
  const { closeAt } = link.adaptive;
  assert(closeAt > began + 40 && closeAt < began + 100, `${closeAt - began} ms after the first`);
  link.adaptive.leaveOpen();
  assertEquals(link.adaptive.closeAt, Infinity);
});
