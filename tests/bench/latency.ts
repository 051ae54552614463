/**
 * Latency and bytes of a game with and without error correction, in the simulated network:
 * `deno task latency [--json]`. The figures are the same on every machine.
 *
 * @module
 */
import { parseArgs } from "node:util";
import type { FecOptions } from "../../mod.ts";
import { GAME, measureLatency } from "../sim/latency.ts";

const MODES: readonly [name: string, fec: FecOptions | "auto" | undefined][] = [
  ["none", undefined],
  ["10/3", { dataShards: 10, parityShards: 3 }],
  ["3/1", { dataShards: 3, parityShards: 1 }],
  ["auto", "auto"],
];
const LOSSES = [0, 0.01, 0.05, 0.1];

const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });
if (!values.json) {
  console.log(
    `${GAME.rate} messages of ${GAME.size} bytes a second for ${
      GAME.duration / 60_000
    } minutes, turbo mode, ${GAME.rtt} ms round trip`,
  );
  console.log("loss  fec    median     p99   worst (ms)   bytes");
}
for (const loss of LOSSES) {
  let bare = 0;
  for (const [name, fec] of MODES) {
    const { median, p99, worst, bytes } = await measureLatency({
      ...GAME,
      seed: 1,
      loss,
      session: { fec },
    });
    bare ||= bytes;
    if (values.json) {
      const prefix = `latency/loss-${loss * 100}%/fec-${name}`;
      for (const [what, value] of Object.entries({ median, p99, worst })) {
        console.log(JSON.stringify({ name: `${prefix}/${what}`, value, unit: "ms" }));
      }
      console.log(JSON.stringify({ name: `${prefix}/bytes`, value: bytes, unit: "bytes" }));
    } else {
      const times = [median, p99, worst].map((time) => time.toFixed(0).padStart(8)).join("");
      const cost = `${(bytes / 1e6).toFixed(2)} MB (${(100 * bytes / bare).toFixed(0)} %)`;
      console.log(`${`${loss * 100} %`.padEnd(6)}${name.padEnd(6)}${times}        ${cost}`);
    }
  }
}
