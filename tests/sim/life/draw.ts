/**
 * Draws a scenario from a seed.
 *
 * @module
 */
import { fast, normal, turbo } from "../../../kcp/mod.ts";
import { Random } from "../../../transport/link/random.ts";
import { withAttack } from "./draw_attacks.ts";
import { FaultDraw } from "./draw_faults.ts";
import { ProgramDraw } from "./draw_programs.ts";
import { drawSettings, logarithmic, pick } from "./draw_settings.ts";
import type { Family, Fault, Program, Scenario } from "./scenario.ts";

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
  ["memory", 4],
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
  const attack = random.fork("attack");
  if (attack.chance(0.08)) return withAttack(scenario, attack);
  if (family === "memory") return withMemory(scenario, random.fork("memory"));
  if (family === "cut" && random.chance(0.15)) return withUpload(scenario, random.fork("upload"));
  if (scenario.app === "trickle" && random.chance(0.4)) return withCollecting(scenario, random);
  if (family === "flood" && random.chance(0.3)) return withParity(scenario, random.fork("parity"));
  const idle = random.fork("idle");
  if (family === "loss" && idle.chance(0.15)) return withIdle(scenario, idle);
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
  const more = 1 + random.below(4);
  const limit = pick(random, [1 << 20, 1 << 21]);
  return {
    ...scenario,
    server: { backlog: 10_000, ...timesOf(scenario.server) },
    client: { ...turbo, ...timesOf(scenario.client) },
    up: { latency },
    down: { latency },
    oneWay: latency,
    calmAt: Infinity,
    clientProgram: withMore(scenario.clientProgram, more),
    serverProgram: withMore(scenario.serverProgram, more),
    acceptDelay: 0,
    arenaLimit: limit,
    faults: flooded ? [flood] : [],
    clients: flooded ? 2 : logarithmic(random, 4, 24),
    // What strangers hold is free again when their silence has lasted too long.
    clientGap: flooded ? 45_000 : 1000 + random.below(500),
    redials: 0,
  };
}

/** The program with its writes `times` over, if there are many, and without pauses. */
function withMore(program: Program, times: number): Program {
  const { write, read } = program;
  const bulk = write.sizes.length > 1;
  const sizes = bulk ? Array(times).fill(write.sizes).flat() : write.sizes;
  return { ...program, write: { ...write, sizes }, read: { ...read, delay: 0, pauses: [] } };
}

/** The settings that bound how long a closed session is known. */
function timesOf({ timeWait }: Scenario["server"]): Scenario["server"] {
  return timeWait === undefined ? {} : { timeWait };
}

/** The end that writes seldom collects what it writes, and acknowledges at once what the busy end sends. */
function withCollecting(scenario: Scenario, random: Random): Scenario {
  const { client, server, clientProgram, serverProgram } = scenario;
  const interval = pick(random, [40, 100, 100]);
  const seldom = { ...turbo, interval, writeDelay: true, ackNoDelay: true };
  const often = { ...turbo, writeDelay: false };
  const gap = 5 + random.below(interval / 2 - 5);
  const sizes = Array(Math.ceil((1000 + random.below(4000)) / gap)).fill(1 + random.below(100));
  const serverIsBusy = serverProgram.write.sizes.length > clientProgram.write.sizes.length;
  const busy = (program: Program, isBusy: boolean): Program =>
    isBusy ? { ...program, write: { ...program.write, sizes, gap } } : program;
  return {
    ...scenario,
    client: { ...client, ...(serverIsBusy ? seldom : often) },
    server: { ...server, ...(serverIsBusy ? often : seldom) },
    clientProgram: busy(clientProgram, !serverIsBusy),
    serverProgram: busy(serverProgram, serverIsBusy),
  };
}

/** A large upload through usual windows to a slow reader, whose first packets are lost. */
function withUpload(scenario: Scenario, random: Random): Scenario {
  const { clientProgram, serverProgram } = scenario;
  const { up, down } = scenario;
  const latency = up.latency ?? 0;
  const count = 1 + random.below(2);
  return {
    ...scenario,
    app: "upload",
    messages: false,
    server: { ...pick(random, [turbo, fast, normal]), backlog: 1000 },
    client: { ...pick(random, [turbo, fast, normal]) },
    up: { latency },
    down: { latency: down.latency },
    oneWay: Math.max(latency, down.latency ?? 0),
    calmAt: Infinity,
    clientProgram: uploads(clientProgram, { sizes: [logarithmic(random, 60_000, 300_000)] }),
    serverProgram: {
      ...serverProgram,
      write: { ...serverProgram.write, sizes: [], then: "nothing" },
      read: { ...READS_AT_ONCE, delay: random.chance(0.3) ? 0 : logarithmic(random, 500, 5000) },
      echo: false,
    },
    acceptDelay: 0,
    faults: [{ kind: "cut", from: "server", size: "any", skip: random.below(2), count }],
    redials: 0,
  };
}

/** Two ends that say something each minute or so, on a path that loses, and keep alive between. */
function withIdle(scenario: Scenario, random: Random): Scenario {
  const latency = logarithmic(random, 1, 100);
  const loss = 0.05 + 0.15 * random.next();
  const times = () => ({
    deadLinkTime: pick(random, [10_000, 30_000]),
    keepAlive: pick(random, [5000, 15_000, 15_000, 30_000, 60_000]),
    idleTimeout: Infinity,
  });
  const sizes = Array(5).fill(logarithmic(random, 1, 1000));
  const gap = logarithmic(random, 60_000, 600_000);
  return {
    ...scenario,
    app: "quiet",
    messages: false,
    server: { ...turbo, backlog: 1000, ...times() },
    client: { ...turbo, ...times() },
    up: { latency, loss },
    down: { latency, loss },
    oneWay: latency,
    calmAt: Infinity,
    clientProgram: uploads(scenario.clientProgram, { sizes, gap }),
    serverProgram: {
      ...scenario.serverProgram,
      write: { ...scenario.serverProgram.write, after: "end", sizes: [], then: "closeWrite" },
      read: READS_AT_ONCE,
      echo: false,
    },
    acceptDelay: 0,
    faults: [],
    redials: 0,
  };
}

const READS_AT_ONCE = { delay: 0, chunk: 65_536, pauses: [] };

/** The program as one that writes from the start, ends its stream, and reads at once. */
function uploads(
  program: Program,
  write: Pick<Program["write"], "sizes"> & Partial<Pick<Program["write"], "gap">>,
): Program {
  const then = "closeWrite" as const;
  return {
    ...program,
    write: { ...program.write, after: "start", ...write, lockstep: false, then },
    read: READS_AT_ONCE,
  };
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
    clientProgram: uploads(clientProgram, { sizes, gap }),
    serverProgram: {
      ...scenario.serverProgram,
      write: { ...scenario.serverProgram.write, sizes: [], then: "nothing" },
      read: READS_AT_ONCE,
      echo: false,
    },
    acceptDelay: 0,
    faults: [flood],
    redials: 0,
  };
}
