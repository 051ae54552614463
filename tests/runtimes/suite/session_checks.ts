/**
 * Sessions against packets that clients and servers of kcp-go sent.
 *
 * @module
 */
import exchanges from "../../vectors/exchange.json" with { type: "json" };
import { asSent, check, dial, serve, without } from "../../vectors/exchange.ts";
import type { ExchangeRecording } from "../../vectors/vectors.ts";
import { assertSame, type Check } from "./harness.ts";

const recordings = exchanges as ExchangeRecording[];

/** A session reads what kcp-go sent, and restores a lost shard of each group. */
async function checkExchange(recording: ExchangeRecording): Promise<void> {
  for (const run of [serve, dial]) {
    await check(recording, run(recording, asSent));
    if (recording.data === 0) continue;
    const network = without(recording, 0);
    const ran = run(recording, network);
    await check(recording, ran);
    const packets = recording.packets.filter(({ from }) => (from === "client") === (run === serve));
    const lost = packets.length - network(packets).length;
    assertSame(ran.session.stats.fec.recovered, lost, "Packets that were restored");
  }
}

/** Checks of whole sessions. */
export const sessionChecks: readonly Check[] = recordings.map((recording) => ({
  row: "sessions of kcp-go",
  name: recording.name.trim(),
  onBothPaths: true,
  run: () => checkExchange(recording),
}));
