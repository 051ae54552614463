/** The machine of the mux against smux, over TCP. */
import { assertEquals } from "@std/assert";
import { interopTest } from "./go_program.ts";
import { type Dialler, makeMachine, makePair } from "./mux_pair.ts";
import { SmuxPeer } from "./mux_peer.ts";
import { runScenario, type Scenario, scenariosFor } from "./mux_scenarios.ts";

/** Runs a scenario between the machine and a smux of a process. */
async function run(
  peer: SmuxPeer,
  scenario: Scenario,
  version: 1 | 2,
  dialler: Dialler,
): Promise<void> {
  const options = { ...scenario.options, version, dialler };
  const pair = await makePair(peer, { over: "tcp" }, options, makeMachine);
  await runScenario(scenario, version, pair);
  const { machine } = pair.ours;
  assertEquals(machine.streams, 0, "streams that are left");
  assertEquals(machine.buffered, 0, "bytes that are left");
}

for (const version of [1, 2] as const) {
  // The client in one version, the server in the other.
  const dialler = version === 1 ? "smux" : "ours";
  for (const scenario of scenariosFor("tcp", version)) {
    interopTest(
      `machine, TCP, version ${version}, ${dialler} dials: ${scenario.name}`,
      async () => {
        await using peer = await SmuxPeer.start();
        await run(peer, scenario, version, dialler);
      },
    );
  }
}
