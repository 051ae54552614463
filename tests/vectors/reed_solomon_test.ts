/** Tests with parity shards that klauspost/reedsolomon computed, and data that it restored. */
import { assertEquals } from "@std/assert";
import { ReedSolomon } from "../../fec/mod.ts";
import { pattern } from "./pattern.ts";
import { type CodeVector, fromBase64, readVectors } from "./vectors.ts";

for (const vector of readVectors("reed_solomon.json")) {
  const { data, parity, size, erasures, matrix } = vector;
  const title = `vectors: Reed-Solomon ${data}/${parity}`;
  const code = () => new ReedSolomon(data, parity);

  Deno.test(`${title}: parity equals that of klauspost/reedsolomon`, () => {
    const expected = shardsOf(vector);
    const shards = expected.map((shard, i) => i < data ? shard : new Uint8Array(size));
    code().encode(shards);
    assertEquals(shards, expected);
  });

  if (matrix) {
    Deno.test(`${title}: the coefficients equal those of klauspost/reedsolomon`, () => {
      const shards = Array.from({ length: data + parity }, () => new Uint8Array(data));
      for (let i = 0; i < data; i++) shards[i][i] = 1;
      code().encode(shards);
      assertEquals(shards.slice(data).map((row) => row.toHex()), matrix);
    });
  }

  Deno.test(`${title}: data that klauspost/reedsolomon restores is restored`, () => {
    const expected = shardsOf(vector);
    for (const missing of erasures) {
      const shards: (Uint8Array | null)[] = expected.map((shard) => shard.slice());
      for (const i of missing) shards[i] = null;
      code().reconstructData(shards);
      for (let i = 0; i < data; i++) {
        assertEquals(shards[i], expected[i], `Shard ${i}, without ${missing.join(", ")}`);
      }
    }
  });
}

/** All shards of a vector, data and parity. */
function shardsOf({ data, parity, size, seed, shards }: CodeVector): Uint8Array<ArrayBuffer>[] {
  const bytes = fromBase64(shards);
  return Array.from({ length: data + parity }, (_, i) => {
    const at = (i - data) * size;
    return i < data ? pattern(seed + i, size) : bytes.slice(at, at + size);
  });
}
