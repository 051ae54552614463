/**
 * Runs the scenario of a seed, and checks every rule.
 *
 * @module
 */
import { TraceHash } from "../../../transport/link/trace_hash.ts";
import { drawScenario } from "./draw.ts";
import {
  checkCorrection,
  checkEfficiency,
  checkEnd,
  checkPromise,
  checkServed,
  checkShare,
} from "./final_rules.ts";
import { Broken, checkOpened, goneSince, limits, smallestBurst, Undecided } from "./rules.ts";
import type { Family, Scenario } from "./scenario.ts";
import { World } from "./world.ts";

/** What a run did. */
export interface LifeResult {
  readonly seed: number;
  readonly family: Family;
  /** A digest of all packets and outcomes. */
  readonly hash: string;
  readonly packets: number;
  /** Bytes that applications read. */
  readonly bytes: number;
  /** Virtual time in ms. */
  readonly time: number;
  /** What happened how often. */
  readonly counts: ReadonlyMap<string, number>;
}

/** A run broke a rule. */
export class LifeFailure extends Error {
  readonly seed: number;
  readonly rule: string;

  constructor(seed: number, rule: string, message: string, cause: unknown) {
    super(message, { cause });
    this.seed = seed;
    this.rule = rule;
  }
}

/** The world of the run at hand, for what nobody catches. */
let present: World | null = null;

globalThis.addEventListener?.("unhandledrejection", (event) => {
  if (!present) return;
  event.preventDefault();
  present.threw(event.reason);
});

/**
 * Runs the scenario of a seed.
 *
 * @throws {LifeFailure} When a rule is broken.
 */
export async function simulateLife(
  seed: number,
  log?: (line: string) => void,
): Promise<LifeResult> {
  return await play(drawScenario(seed), log);
}

/** Runs a scenario. */
export async function play(
  scenario: Scenario,
  log?: (line: string) => void,
): Promise<LifeResult> {
  if (log) describe(scenario, log);
  const world = new World(scenario, log);
  present = world;
  try {
    await perform(world);
  } catch (error) {
    const cause = world.failure ?? error;
    if (cause instanceof Undecided) return resultOf(world);
    const rule = cause instanceof Broken ? cause.rule : "throws";
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LifeFailure(
      scenario.seed,
      rule,
      `Seed ${scenario.seed} (${scenario.family}, ${scenario.app}) failed at ${
        Math.round(world.now)
      } ms: ${reason}`,
      cause,
    );
  } finally {
    present = null;
  }
  return resultOf(world);
}

function resultOf(world: World): LifeResult {
  const { scenario } = world;
  const hash = new TraceHash().text(world.network.hash);
  let bytes = 0;
  for (const end of world.ends) {
    bytes += end.in.got;
    hash.number(end.in.got).text(end.in.outcome).text(end.outcome?.message ?? "");
  }
  world.count(`family: ${scenario.family}`);
  world.count(`application: ${scenario.app}`);
  return {
    seed: scenario.seed,
    family: scenario.family,
    hash: hash.digest(),
    packets: world.counts.get("packets") ?? 0,
    bytes,
    time: world.now,
    counts: world.counts,
  };
}

function describe(scenario: Scenario, log: (line: string) => void): void {
  for (const [name, value] of Object.entries(scenario)) log(`${name}: ${JSON.stringify(value)}`);
}

async function perform(world: World): Promise<void> {
  const { network, scenario } = world;
  world.startServer();
  for (let n = 0; n < scenario.clients; n++) {
    if (n === 0) {
      world.dial(0);
      continue;
    }
    const release = world.hold();
    network.schedule(n * scenario.clientGap, () => {
      world.dial(n);
      release();
    });
  }
  const whole = network.run(async () => {
    await Promise.race([finish(world), world.broken]);
  }, Infinity);
  await whole;
  if (world.failure) throw world.failure;
}

/** Waits until all is done, and looks at what came of it. */
async function finish(world: World): Promise<void> {
  const { network, scenario } = world;
  const horizon = world.now + longest(scenario);
  const late = network.delay(horizon);
  for (;;) {
    const done = await Promise.race([world.idle().then(() => true), late.then(() => false)]);
    if (!done) break;
    // A server that is slow to accept may not have begun.
    await network.delay(scenario.acceptDelay + 4 * scenario.oneWay + 2000);
    // A frozen server takes in what waits in its socket, and may accept it, when it is thawed.
    if (world.isIdle && !(world.server.alive && world.server.frozen)) break;
  }
  world.over = true;
  for (const end of world.ends) {
    if (!end.process.alive) continue;
    for (const operation of end.pending) world.check(operation);
  }
  if (world.failure) return;
  for (const app of world.applications) checkShare(app, world);
  for (const end of world.ends) checkServed(end, world);
  for (const end of world.ends) {
    if (end.name === "client" && end.process.alive && !end.peer) checkOpened(end, world);
  }
  checkHang(world);
  for (const { out } of world.ends) {
    checkPromise(out, world);
    checkEnd(out, world);
  }
  for (const end of world.ends) if (end.process.alive) checkEfficiency(end, world);
  for (const correction of world.corrections) checkCorrection(world, correction);
  await rest(world);
}

/** The longest time that a scenario may take, in ms. */
function longest(scenario: Scenario): number {
  let sum = 60_000 + scenario.acceptDelay + scenario.clients * scenario.clientGap;
  for (const { write, read, datagrams } of [scenario.clientProgram, scenario.serverProgram]) {
    sum += write.sizes.length * write.gap + read.delay + datagrams.count * datagrams.gap;
    for (const { ms } of read.pauses) sum += ms;
  }
  for (
    const { idleTimeout = 0, deadLinkTime = 0, linger = 0 } of [scenario.client, scenario.server]
  ) {
    for (const time of [idleTimeout, deadLinkTime, linger]) if (time < Infinity) sum += 2 * time;
  }
  for (const fault of scenario.faults) {
    const times = [
      "ms" in fault ? fault.ms : 0,
      "down" in fault && typeof fault.down === "number" ? fault.down : 0,
      fault.kind !== "cut" && typeof fault.when === "number" ? fault.when : 0,
    ];
    for (const time of times) if (time < Infinity) sum += 2 * time;
  }
  return (sum + transferTime(scenario)) * (1 + scenario.redials) + 1_000_000;
}

/** How long all that the applications write may take if each window takes two round trips, in ms. */
function transferTime(
  { client, server, clientProgram, serverProgram, oneWay, faults }: Scenario,
): number {
  const changes = faults.map((fault) => fault.kind === "configure" ? fault.change : {});
  const all = [client, server, ...changes];
  const least = (name: "mtu" | "rcvWnd" | "sndWnd", usual: number) =>
    Math.min(...all.map((settings) => settings[name] ?? usual));
  const burst = Math.min(...all.map((settings) => smallestBurst(settings.burst ?? "auto")));
  const window = Math.min(least("rcvWnd", 256), least("sndWnd", 128), burst);
  const interval = Math.max(client.interval ?? 100, server.interval ?? 100);
  let bytes = 0;
  // An echo writes what it reads.
  for (const { write } of [clientProgram, serverProgram, clientProgram]) {
    for (const size of write.sizes) bytes += size;
  }
  const rounds = bytes / (window * Math.max(1, least("mtu", 1400) - 60));
  return 2 * rounds * 2 * (oneWay + interval);
}

/** Rule `hang`: who still waits, waits for something that no setting bounds. */
function checkHang(world: World): void {
  for (const end of world.ends) {
    if (!end.process.alive || end.pending.size === 0 || end.peer === null) continue;
    const { idleTimeout, keepAlive, deadLinkTime } = limits(end, world.scenario);
    const gone = goneSince(end, world);
    // On a bad path, without a dead link time, the peer may have left a short time ago.
    const patience = Math.min(idleTimeout, keepAlive + deadLinkTime);
    if (gone < Infinity && world.now < gone + 2 * patience) continue;
    if (end.peer?.process.alive && world.isOrphan(end)) continue;
    const names = [...end.pending].map(({ name }) => name).join(", ");
    // Two incarnations under one conversation may acknowledge each other's segments.
    const rule = world.reincarnated ? "splice" : "hang";
    world.fail(rule, `${end.label} still waits at the end: ${names}`);
  }
}

/**
 * Rule `memory`: a moment after all connections are over, a session holds next to nothing; and when the
 * endpoint has forgotten them, it holds its buffers for packets and nothing else.
 */
async function rest(world: World): Promise<void> {
  const { network, scenario, server, listener } = world;
  for (const end of world.ends) {
    if (!end.process.alive || end.outcome) continue;
    end.in.left = true;
    end.connection.abort();
  }
  await network.delay(3000 + 4 * scenario.oneWay);
  if (!server?.alive) return;
  const { sessions } = listener.stats;
  const base = baseOf(scenario);
  const used = server.arena!.used;
  world.count("memory looked at");
  // Those of strangers go on until their silence has lasted too long.
  const strangers = world.counts.has("fault: flood") ||
    world.counts.has("connections of strangers");
  if (used > base + sessions * 8192 && !strangers) {
    world.fail("memory", `${used} bytes are in use 3 s after the end, by ${sessions} sessions`);
  }
  const { timeWait = 30_000, idleTimeout = 300_000, deadLinkTime = 30_000 } = scenario.server;
  const times = [timeWait, 180_000, idleTimeout, deadLinkTime].filter((time) => time < Infinity);
  // A peer that lacks the last acknowledgment may be heard so long after the end: it is silent for an
  // RTO, 60 s at most, and sends its end for 30 s. TIME-WAIT begins anew then.
  const heard = 60_000 + 30_000;
  const end = world.now + times.reduce((sum, time) => sum + time, 20_000 + heard);
  while (world.now < end && listener.stats.sessions > 0) await network.delay(5_000);
  if (listener.stats.sessions > 0) {
    if (idleTimeout === Infinity) return;
    world.fail("memory", `${listener.stats.sessions} sessions are left long after the end`);
  }
  if (server.arena!.used > base) {
    world.fail("memory", `${server.arena!.used} bytes are in use without a session`);
  }
}

/** The batch, and a place to lay down packets. */
function baseOf({ client, server }: Scenario): number {
  const mtu = Math.max(client.mtu ?? 1400, server.mtu ?? 1400, 2048);
  return 65_536 + 2 ** Math.ceil(Math.log2(mtu)) * 2 + 4096;
}
