import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { unrepaired } from "../../fec/loss_model.ts";
import { Random } from "../../transport/link/random.ts";

/** The share of data that is lost with at least `parity` of the other shards: the binomial tail. */
function binomial(loss: number, dataShards: number, parity: number): number {
  const others = dataShards + parity - 1;
  let few = 0;
  for (let k = 0, choose = 1; k < parity; choose = choose * (others - k) / (k + 1), k++) {
    few += choose * loss ** k * (1 - loss) ** (others - k);
  }
  return loss * (1 - few);
}

Deno.test("loss model: independent losses give the binomial tail", () => {
  for (const loss of [0.001, 0.05, 0.2, 0.5, 0.9]) {
    for (const dataShards of [1, 2, 5, 24]) {
      const shares = unrepaired({ loss, repeat: loss }, dataShards, 12);
      assertEquals(shares.length, 13);
      shares.forEach((share, parity) => {
        const scene = `${dataShards}/${parity} at ${loss}`;
        assertAlmostEquals(share, binomial(loss, dataShards, parity), 1e-12, scene);
      });
    }
  }
});

Deno.test("loss model: bursts give what a simulated path gives", () => {
  const random = new Random("bursts");
  for (const [loss, repeat, dataShards] of [[0.1, 2 / 3, 6], [0.05, 0.5, 3], [0.2, 0.8, 12]]) {
    const begin = loss * (1 - repeat) / (1 - loss);
    const most = 6;
    const late = new Float64Array(most + 1);
    const groups = 60_000;
    for (let group = 0; group < groups; group++) {
      let lost = random.chance(loss);
      let [data, total] = [0, 0];
      for (let shard = 0; shard < dataShards + most; shard++) {
        if (shard >= dataShards && total > shard - dataShards) late[shard - dataShards] += data;
        lost = random.chance(lost ? repeat : begin);
        if (lost && shard < dataShards) data++;
        if (lost) total++;
      }
      if (total > most) late[most] += data;
    }
    const shares = unrepaired({ loss, repeat }, dataShards, most);
    shares.forEach((share, parity) => {
      const seen = late[parity] / groups / dataShards;
      const scene = `${dataShards}/${parity} at ${loss}, ${repeat}: ${seen}, computed ${share}`;
      assert(Math.abs(seen - share) < 0.05 * share + 0.0005, scene);
    });
  }
});

Deno.test("loss model: no loss and total loss", () => {
  assertEquals([...unrepaired({ loss: 0, repeat: 0 }, 5, 3)], [0, 0, 0, 0]);
  assertEquals([...unrepaired({ loss: 1, repeat: 1 }, 5, 3)], [1, 1, 1, 1]);
});
