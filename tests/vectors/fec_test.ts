/** Tests with groups of shards that kcp-go sent. */
import { assert, assertEquals } from "@std/assert";
import { FecDecoder, FecEncoder } from "../../fec/mod.ts";
import { Arena } from "../../kcp/mod.ts";
import { Random } from "../../transport/link/random.ts";
import { type FecRecording, fromBase64, readVectors } from "./vectors.ts";

const DATA = 0xf1;
const PARITY = 0xf2;
/** Bytes before the KCP packet of a data shard. */
const HEADER = 8;
/** Most sets of lost shards that are tried. If there are more sets, random ones are tried. */
const MAX_SETS = 400;

interface Shard {
  seqid: number;
  type: number;
  at: number;
  bytes: Uint8Array<ArrayBuffer>;
}

const recordings = readVectors("fec.json");

function shardsOf({ packets }: FecRecording): Shard[] {
  return packets.map(({ at, bytes: text }) => {
    const bytes = fromBase64(text);
    const view = new DataView(bytes.buffer);
    return { seqid: view.getUint32(0, true), type: view.getUint16(4, true), at, bytes };
  });
}

/** The shards of each group, as they were sent. */
function allGroupsOf(recording: FecRecording): Shard[][] {
  const total = recording.data + recording.parity;
  const groups = new Map<number, Shard[]>();
  for (const shard of shardsOf(recording)) {
    const number = Math.floor(shard.seqid / total);
    groups.set(number, [...groups.get(number) ?? [], shard]);
  }
  return [...groups.values()];
}

/** The groups that have parity. */
function groupsOf(recording: FecRecording): Shard[][] {
  const total = recording.data + recording.parity;
  return allGroupsOf(recording).filter((group) => group.length === total);
}

function feed(decoder: FecDecoder, arena: Arena, { bytes }: Shard): void {
  const block = arena.alloc(bytes.length);
  arena.bytes.set(bytes, block);
  decoder.input(block, block + bytes.length);
  arena.free(block, bytes.length);
}

/**
 * The KCP packets that must be restored: those whose shard is not among the first `data` that
 * arrive.
 */
function restored(group: Shard[], arrived: Shard[], data: number): string[] {
  const first = arrived.slice(0, data);
  return group.slice(0, data).filter((shard) => !first.includes(shard))
    .map(({ bytes }) => bytes.subarray(HEADER).toHex());
}

/** Every set of 1 to `count` numbers below `below`. If there are too many sets, random ones. */
function* sets(below: number, count: number, random: Random): Generator<number[]> {
  for (let i = 0; i < below; i++) yield [i];
  let all = 1;
  for (let i = 1; i <= count; i++) all *= (below - i + 1) / i;
  if (all <= MAX_SETS) {
    for (let mask = 0; mask < 1 << below; mask++) {
      const set = Array.from({ length: below }, (_, i) => i).filter((i) => mask & 1 << i);
      if (set.length > 1 && set.length <= count) yield set;
    }
    return;
  }
  for (let n = 0; n < MAX_SETS; n++) {
    const size = 2 + random.below(count - 1);
    const set = new Set<number>();
    while (set.size < size) set.add(random.below(below));
    yield [...set];
  }
}

Deno.test("vectors: the recorded groups have parity, as the tests need", () => {
  for (const recording of recordings) {
    const groups = groupsOf(recording);
    assert(groups.length >= 2, `${recording.name}: only ${groups.length} groups have parity`);
    for (const group of groups) {
      const types = group.map(({ type }) => type);
      const expected = group.map((_, i) => i < recording.data ? DATA : PARITY);
      assertEquals(types, expected, recording.name);
    }
  }
  const skipped = recordings.filter((recording) =>
    allGroupsOf(recording).some((group) => group.length === recording.data)
  );
  // With one data shard in a group, there is no packet before the last packet of the first group.
  const expected = ["1/1", "1/3", "3/1, with pauses", "2/2, with pauses"];
  assertEquals(skipped.map(({ name }) => name), expected);
});

for (const recording of recordings) {
  const { name, data, parity } = recording;
  const ratio = { dataShards: data, parityShards: parity };

  Deno.test(`vectors: FEC ${name}: the encoder makes the shards that kcp-go sent`, () => {
    const arena = new Arena();
    const encoder = new FecEncoder(ratio);
    const sent: string[] = [];
    for (const { type, at, bytes } of shardsOf(recording)) {
      if (type !== DATA) continue;
      const start = arena.alloc(2048);
      arena.bytes.set(bytes.subarray(HEADER), start + HEADER);
      encoder.seal(arena, start, start + bytes.length, at);
      sent.push(arena.bytes.subarray(start, start + bytes.length).toHex());
      while (encoder.pending > 0) {
        const end = encoder.takeParity(arena, start);
        sent.push(arena.bytes.subarray(start, end).toHex());
      }
      arena.free(start, 2048);
    }
    assertEquals(sent, shardsOf(recording).map(({ bytes }) => bytes.toHex()));
  });

  Deno.test(`vectors: FEC ${name}: any lost packets are restored`, () => {
    const arena = new Arena();
    const random = new Random(name);
    for (const [number, group] of groupsOf(recording).entries()) {
      for (const lost of sets(data, Math.min(data, parity), random)) {
        const left = group.filter((_, i) => !lost.includes(i));
        // The sender sends parity after the data, but the network may reorder packets.
        for (const arrived of [left, left.toReversed()]) {
          const recovered: string[] = [];
          const decoder = new FecDecoder(arena, (packet) => recovered.push(packet.toHex()), ratio);
          for (const shard of arrived) feed(decoder, arena, shard);
          decoder.clear();
          const expected = restored(group, arrived, data);
          assertEquals(recovered, expected, `Group ${number} without ${lost.join(", ")}`);
        }
      }
    }
    assertEquals(arena.used, 0);
  });

  Deno.test(`vectors: FEC ${name}: nothing is restored when one shard is missing`, () => {
    const arena = new Arena();
    const random = new Random(name);
    if (data <= parity) return;
    for (const group of groupsOf(recording)) {
      const lost = random.below(data - parity);
      const left = group.filter((_, i) => i < lost || i > lost + parity);
      const recovered: string[] = [];
      const decoder = new FecDecoder(arena, (packet) => recovered.push(packet.toHex()), ratio);
      for (const shard of left) feed(decoder, arena, shard);
      assertEquals(recovered, []);
    }
  });

  Deno.test(`vectors: FEC ${name}: the ratio is learned from the shards`, () => {
    const arena = new Arena();
    const decoder = new FecDecoder(arena, () => {});
    for (const shard of shardsOf(recording)) feed(decoder, arena, shard);
    assertEquals(decoder.ratio, ratio);
  });
}
