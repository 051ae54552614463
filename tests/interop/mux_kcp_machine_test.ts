/** The machine of the mux against smux, over KCP. */
import { interopTest } from "./go_program.ts";
import { makeMachine, makePair } from "./mux_pair.ts";
import { SmuxPeer } from "./mux_peer.ts";
import { runScenario, scenariosFor } from "./mux_scenarios.ts";

for (const version of [1, 2] as const) {
  for (const dialler of ["ours", "smux"] as const) {
    const title = `machine, KCP, version ${version}, ${dialler} dials`;

    for (const scenario of scenariosFor("kcp", version)) {
      interopTest(`${title}: ${scenario.name}`, async () => {
        await using peer = await SmuxPeer.start();
        const options = { ...scenario.options, version, dialler };
        await runScenario(
          scenario,
          version,
          await makePair(peer, { over: "kcp" }, options, makeMachine),
        );
      });
    }
  }
}
