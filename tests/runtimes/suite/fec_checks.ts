/**
 * Error correction, against shards that kcp-go sent and that klauspost/reedsolomon computed.
 *
 * @module
 */
import { FecDecoder, FecEncoder, ReedSolomon } from "../../../fec/mod.ts";
import { Arena } from "../../../kcp/mod.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import recordings from "../../vectors/fec.json" with { type: "json" };
import codeVectors from "../../vectors/reed_solomon.json" with { type: "json" };
import { pattern } from "../../vectors/pattern.ts";
import { fromBase64, toHex } from "../../vectors/bytes.ts";
import { readAll } from "./ends.ts";
import { assert, assertBytes, assertSame, type Check } from "./harness.ts";

type Recording = (typeof recordings)[number];

const DATA = 0xf1;
/** Bytes before the KCP packet of a data shard. */
const HEADER = 8;
/** Room for a shard. */
const ROOM = 2048;

interface Shard {
  readonly group: number;
  readonly type: number;
  readonly at: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

function shardsOf({ data, parity, packets }: Recording): Shard[] {
  return packets.map(({ at, bytes: text }) => {
    const bytes = fromBase64(text);
    const view = new DataView(bytes.buffer);
    const group = Math.floor(view.getUint32(0, true) / (data + parity));
    return { group, type: view.getUint16(4, true), at, bytes };
  });
}

/** The encoder makes the shards of kcp-go of the same packets at the same times. */
function checkEncoder(recording: Recording): void {
  const arena = new Arena();
  const encoder = new FecEncoder({
    dataShards: recording.data,
    parityShards: recording.parity,
  });
  const sent: string[] = [];
  for (const { type, at, bytes } of shardsOf(recording)) {
    if (type !== DATA) continue;
    const start = arena.alloc(ROOM);
    arena.bytes.set(bytes.subarray(HEADER), start + HEADER);
    encoder.seal(arena, start, start + bytes.length, at);
    sent.push(toHex(arena.bytes.subarray(start, start + bytes.length)));
    while (encoder.pending > 0) {
      const end = encoder.takeParity(arena, start);
      sent.push(toHex(arena.bytes.subarray(start, end)));
    }
    arena.free(start, ROOM);
  }
  assertSame(sent, shardsOf(recording).map(({ bytes }) => toHex(bytes)), recording.name);
}

/** The decoder restores a data shard of each group that lost one, whichever it is. */
function checkDecoder(recording: Recording): void {
  const { data, parity, name } = recording;
  const groups = new Map<number, Shard[]>();
  for (const shard of shardsOf(recording)) {
    const group = groups.get(shard.group);
    if (group) group.push(shard);
    else groups.set(shard.group, [shard]);
  }
  let restored = 0;
  for (const group of groups.values()) {
    if (group.length < data + parity) continue;
    for (let lost = 0; lost < data; lost++) {
      const arena = new Arena();
      const recovered: string[] = [];
      const ratio = { dataShards: data, parityShards: parity };
      const decoder = new FecDecoder(arena, (packet) => recovered.push(toHex(packet)), ratio);
      for (const [i, { bytes }] of group.entries()) {
        if (i === lost) continue;
        const block = arena.alloc(bytes.length);
        arena.bytes.set(bytes, block);
        decoder.input(block, block + bytes.length);
        arena.free(block, bytes.length);
      }
      assertSame(recovered, [toHex(group[lost].bytes.subarray(HEADER))], `${name}: shard ${lost}`);
      restored++;
    }
  }
  assert(restored > 0, `${name} has no group with parity`);
}

/** Reed-Solomon codes of klauspost/reedsolomon: parity, and what is restored. */
function checkCode({ data, parity, size, seed, shards, erasures }: (typeof codeVectors)[number]) {
  const bytes = fromBase64(shards);
  const expected = Array.from({ length: data + parity }, (_, i) => {
    const at = (i - data) * size;
    return i < data ? pattern(seed + i, size) : bytes.slice(at, at + size);
  });
  const code = new ReedSolomon(data, parity);
  const encoded = expected.map((shard, i) => i < data ? shard : new Uint8Array(size));
  code.encode(encoded);
  for (const [i, shard] of encoded.entries()) {
    assertBytes(shard, expected[i], `Reed-Solomon ${data}/${parity}: shard ${i}`);
  }
  for (const missing of erasures) {
    const left: (Uint8Array | null)[] = expected.map((shard) => shard.slice());
    for (const i of missing) left[i] = null;
    code.reconstructData(left);
    for (let i = 0; i < data; i++) {
      assertBytes(left[i]!, expected[i], `Reed-Solomon ${data}/${parity} without ${missing}: ${i}`);
    }
  }
}

/** Checks of the error correction. */
export const fecChecks: readonly Check[] = [
  {
    row: "error correction",
    name: "Reed-Solomon codes of klauspost/reedsolomon",
    onBothPaths: true,
    run: () => {
      for (const vector of codeVectors) checkCode(vector);
    },
  },
  {
    row: "error correction",
    name: "the encoder makes the shards of kcp-go",
    onBothPaths: true,
    run: () => {
      for (const recording of recordings) checkEncoder(recording);
    },
  },
  {
    row: "error correction",
    name: "the decoder restores packets of kcp-go",
    onBothPaths: true,
    run: () => {
      for (const recording of recordings) checkDecoder(recording);
    },
  },
  {
    row: "error correction",
    name: "lost packets of a simulated network are restored",
    onBothPaths: true,
    run: async () => {
      const network = new SimulatedNetwork({ seed: "fec", link: { latency: 20, loss: 0.05 } });
      const here = { hostname: "10.0.0.1", port: 80 };
      const options = { ...here, fec: { dataShards: 10, parityShards: 3 } };
      const listener = network.listen(options);
      const sent = pattern(21, 300_000);
      await network.run(async () => {
        const client = network.connect(options);
        const writing = client.writeAll(sent).then(() => client.closeWrite());
        const server = await listener.accept();
        assertBytes(await readAll(server), sent, "What arrived");
        await writing;
        const { recovered } = server.stats.fec;
        assert(recovered > 0, "No packet was restored");
      });
    },
  },
];
