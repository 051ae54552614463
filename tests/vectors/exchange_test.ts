/**
 * Recorded packets of kcp-go's clients and servers are given to endpoints, which replace the other
 * side.
 */
import { assertEquals, assertGreater } from "@std/assert";
import { asSent, check, dial, serve, twice, without } from "./exchange.ts";
import { readVectors } from "./vectors.ts";

const recordings = readVectors("exchange.json");

for (const recording of recordings) {
  const { name, data, parity, cipher } = recording;
  const title = `vectors: exchange ${name.trim()}`;

  for (const [side, run] of [["server", serve], ["client", dial]] as const) {
    Deno.test(`${title}: our ${side} reads the bytes that kcp-go sent`, async () => {
      const ran = run(recording, asSent);
      await check(recording, ran);
      const { fec } = ran.session.stats;
      assertEquals(fec.recovered, 0);
      assertEquals(
        fec.peerRatio,
        data > 0 ? { dataShards: data, parityShards: parity } : null,
      );
    });

    Deno.test(`${title}: our ${side} reads every byte once when packets arrive twice`, async () => {
      const ran = run(recording, twice);
      await check(recording, ran);
      const authenticates = cipher.includes("gcm") || cipher.includes("poly1305");
      const { packetsIn, replayed } = ran.side.endpoint.stats;
      assertEquals(replayed, authenticates ? packetsIn / 2 : 0);
    });

    if (data === 0) continue;
    for (let place = 0; place < data; place++) {
      Deno.test(`${title}: our ${side} restores data shard ${place} of each group`, async () => {
        const network = without(recording, place);
        const ran = run(recording, network);
        await check(recording, ran);
        const packets = recording.packets.filter(({ from }) =>
          (from === "client") === (side === "server")
        );
        const lost = packets.length - network(packets).length;
        assertGreater(lost, 0);
        assertEquals(ran.session.stats.fec.recovered, lost);
      });
    }
  }
}
