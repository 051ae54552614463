/**
 * Draws a scenario from a seed.
 *
 * @module
 */
import { turbo } from "../../../kcp/mod.ts";
import { Random } from "../../../transport/link/mod.ts";
import { FaultDraw } from "./draw_faults.ts";
import { ProgramDraw } from "./draw_programs.ts";
import { drawSettings, logarithmic, pick } from "./draw_settings.ts";
import type { Family, Fault, Scenario } from "./scenario.ts";

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
  const faults = new FaultDraw(random.fork("faults")).draw(family);
  const scenario: Scenario = {
    seed,
    family,
    ...settings,
    ...programs,
    faults,
    arenaLimit: Infinity,
    clients: 1,
    clientGap: 0,
    redials: random.chance(0.3) ? 1 : 0,
  };
  if (family === "memory") return withMemory(scenario, random.fork("memory"));
  if (family === "flood" && random.chance(0.3)) return withParity(scenario, random.fork("parity"));
  return scenario;
}

/**
 * Several clients of one server. With a limit of memory, on a path without faults, one comes after the
 * other, and in some runs strangers fill the memory before.
 */
function withMemory(scenario: Scenario, random: Random): Scenario {
  const clients = logarithmic(random, 2, 20);
  if (random.chance(0.4)) return { ...scenario, clients, clientGap: logarithmic(random, 1, 500) };
  const latency = logarithmic(random, 1, 20);
  const flood: Fault = {
    kind: "flood",
    when: 1,
    what: "early",
    count: logarithmic(random, 200, 900),
    gap: 0,
  };
  const flooded = random.chance(0.5);
  const limit = pick(random, [1 << 20, 1 << 21]);
  return {
    ...scenario,
    server: { backlog: 10_000, ...timesOf(scenario.server) },
    client: { ...turbo, ...timesOf(scenario.client) },
    up: { latency },
    down: { latency },
    oneWay: latency,
    calmAt: Infinity,
    acceptDelay: 0,
    arenaLimit: limit,
    faults: flooded ? [flood] : [],
    clients: flooded ? 2 : logarithmic(random, 4, 24),
    // What strangers hold is free again when their silence has lasted too long.
    clientGap: flooded ? 45_000 : 1000 + random.below(500),
    redials: 0,
  };
}

/** The settings that bound how long a closed session is known. */
function timesOf({ timeWait }: Scenario["server"]): Scenario["server"] {
  return timeWait === undefined ? {} : { timeWait };
}

/** An upload with error correction over a path that loses, while strangers forge parity. */
function withParity(scenario: Scenario, random: Random): Scenario {
  const { clientProgram } = scenario;
  const piece = 1000 + random.below(400);
  const sizes = Array(100 + random.below(100)).fill(piece);
  const gap = 2 + random.below(20);
  const flood: Fault = {
    kind: "flood",
    when: { after: "firstRead", ms: random.below(200) },
    what: pick(random, ["parity", "far", "ahead"] as const),
    count: 300,
    gap: 1 + random.below(Math.ceil(sizes.length * gap / 300)),
  };
  return {
    ...scenario,
    app: "upload",
    messages: random.chance(0.5),
    client: {
      ...turbo,
      fec: { dataShards: 3 + random.below(6), parityShards: 2 + random.below(2) },
    },
    server: { ...turbo, backlog: 1000 },
    cipher: "none",
    up: { latency: scenario.up.latency, loss: 0.05 + 0.1 * random.next() },
    down: { latency: scenario.up.latency },
    oneWay: scenario.up.latency ?? 0,
    calmAt: Infinity,
    clientProgram: {
      ...clientProgram,
      write: {
        ...clientProgram.write,
        after: "start",
        sizes,
        gap,
        lockstep: false,
        then: "closeWrite",
      },
      read: { delay: 0, chunk: 65_536, pauses: [] },
    },
    serverProgram: {
      ...scenario.serverProgram,
      write: { ...scenario.serverProgram.write, sizes: [], then: "nothing" },
      read: { delay: 0, chunk: 65_536, pauses: [] },
      echo: false,
    },
    acceptDelay: 0,
    faults: [flood],
    redials: 0,
  };
}
