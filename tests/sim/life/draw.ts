/**
 * Draws a scenario from a seed.
 *
 * @module
 */
import { Random } from "../../../transport/link/mod.ts";
import { FaultDraw } from "./draw_faults.ts";
import { ProgramDraw } from "./draw_programs.ts";
import { drawSettings, logarithmic, pick } from "./draw_settings.ts";
import type { Family, Scenario } from "./scenario.ts";

/** How often each family comes. */
const WEIGHTS: readonly (readonly [Family, number])[] = [
  ["settings", 10],
  ["loss", 16],
  ["outage", 12],
  ["cut", 12],
  ["restart", 14],
  ["rebind", 6],
  ["pause", 8],
  ["freeze", 8],
  ["mtu", 6],
  ["flood", 5],
  ["configure", 5],
  ["death", 6],
  ["datagrams", 2],
  ["memory", 3],
];
const SUM = WEIGHTS.reduce((sum, [, weight]) => sum + weight, 0);

function drawFamily(random: Random): Family {
  let draw = random.below(SUM);
  for (const [family, weight] of WEIGHTS) if ((draw -= weight) < 0) return family;
  throw new Error("the weights have no end");
}

/** Draws the scenario of a seed. */
export function drawScenario(seed: number): Scenario {
  const random = new Random(seed).fork("life");
  const family = drawFamily(random);
  const settings = drawSettings(random.fork("settings"), family);
  const programs = new ProgramDraw(random.fork("programs"), family, settings).draw();
  const faults = new FaultDraw(random.fork("faults"), settings).draw(family);
  const clients = family === "memory" ? logarithmic(random, 2, 20) : 1;
  return {
    seed,
    family,
    ...settings,
    ...programs,
    faults,
    arenaLimit: family === "memory" && random.chance(0.5)
      ? pick(random, [1 << 20, 1 << 21, 1 << 22])
      : Infinity,
    clients,
    clientGap: family === "memory" ? logarithmic(random, 1, 500) : 0,
    redials: random.chance(0.3) ? 1 : 0,
  };
}
