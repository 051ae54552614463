/** The mux against smux: over KCP and TCP, both versions, whoever dials. */
import { assertEquals } from "@std/assert";
import { createCipher, deriveKey } from "../../crypt/mod.ts";
import { turbo } from "../../mod.ts";
import { lossy } from "./combinations.ts";
import { interopTest } from "./go_program.ts";
import { type Below, type Dialler, makeMux, makePair } from "./mux_pair.ts";
import { SmuxPeer, type SmuxSettings } from "./mux_peer.ts";
import {
  bufferScenarios,
  fewScenarios,
  runScenario,
  type Scenario,
  scenariosFor,
} from "./mux_scenarios.ts";

async function run(
  peer: SmuxPeer,
  below: Below,
  scenario: Scenario,
  version: 1 | 2,
  dialler: Dialler,
): Promise<void> {
  const pair = await makePair(peer, below, { ...scenario.options, version, dialler }, makeMux);
  await runScenario(scenario, version, pair);
  assertEquals(pair.ours.stats.streams, 0, "streams that are left");
}

const VERSIONS = [1, 2] as const;
const DIALLERS = ["ours", "smux"] as const;

for (const over of ["kcp", "tcp"] as const) {
  for (const version of VERSIONS) {
    for (const dialler of DIALLERS) {
      const title = `mux, ${over.toUpperCase()}, version ${version}, ${dialler} dials`;

      for (const scenario of scenariosFor(over, version)) {
        interopTest(`${title}: ${scenario.name}`, async () => {
          await using peer = await SmuxPeer.start();
          await run(peer, { over }, scenario, version, dialler);
        });
      }

      interopTest(`${title}: unequal buffers`, async (t) => {
        await using peer = await SmuxPeer.start();
        for (const scenario of bufferScenarios) {
          await t.step(scenario.name, () => run(peer, { over }, scenario, version, dialler));
        }
      });
    }
  }
}

for (const version of VERSIONS) {
  for (const dialler of DIALLERS) {
    interopTest(`mux, 10 % loss, version ${version}, ${dialler} dials`, async (t) => {
      await using peer = await SmuxPeer.start();
      for (const scenario of fewScenarios()) {
        await t.step(scenario.name, () => {
          return run(peer, { over: "kcp", link: lossy(0.1) }, scenario, version, dialler);
        });
      }
    });
  }
}

/** kcptun's defaults, but for the compression: AES, error correction 10/3, its buffers and frames. */
const KCPTUN: SmuxSettings = {
  maxFrameSize: 8192,
  maxReceiveBuffer: 4_194_304,
  maxStreamBuffer: 2_097_152,
};

for (const dialler of DIALLERS) {
  interopTest(`mux, settings of kcptun, 2 % loss, ${dialler} dials`, async (t) => {
    await using peer = await SmuxPeer.start();
    const password = "it's a secrect";
    const key = deriveKey(password);
    const below: Below = {
      over: "kcp",
      link: { loss: 0.02 },
      kcp: {
        ours: {
          ...turbo,
          interval: 20,
          mtu: 1400,
          crypt: createCipher("aes-128", key.subarray(0, 16)),
          fec: { dataShards: 10, parityShards: 3 },
        },
        theirs: { password, data: 10, parity: 3, nodelay: [1, 20, 2, 1] },
      },
    };
    for (const scenario of fewScenarios()) {
      const options = { ...scenario.options, ours: KCPTUN, theirs: KCPTUN };
      await t.step(scenario.name, () => run(peer, below, { ...scenario, options }, 2, dialler));
    }
  });
}
