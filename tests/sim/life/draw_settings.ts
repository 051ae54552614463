/**
 * Draws the settings of both ends and of the path between them.
 *
 * @module
 */
import { fast, type KcpLiveOptions, normal, turbo } from "../../../kcp/mod.ts";
import type { LinkOptions } from "../../../transport/link/mod.ts";
import type { Random } from "../../../transport/link/random.ts";
import type { EndpointOptions } from "../../../transport/session/mod.ts";
import type { Family, Scenario } from "./scenario.ts";

/** A whole number from `min` to `max`, small ones as likely as large ones. */
export function logarithmic(random: Random, min: number, max: number): number {
  return Math.min(max, Math.floor(min * ((max + 1) / min) ** random.next()));
}

export function pick<T>(random: Random, values: readonly T[]): T {
  return values[random.below(values.length)];
}

/** Bytes that encryption and error correction add to a packet at most. */
const MOST_OVERHEAD = 36;

function nodelay(random: Random): KcpLiveOptions {
  const draw = random.next();
  if (draw < 0.4) return turbo;
  if (draw < 0.5) return fast;
  if (draw < 0.6) return normal;
  if (draw < 0.7) return {};
  return {
    nodelay: pick(random, [0, 1, 2, 2] as const),
    interval: random.chance(0.05) ? 500 : pick(random, [1, 10, 10, 20, 40, 100]),
    resend: random.below(4),
    nc: random.chance(0.5),
  };
}

/** The MTU of an end; jumbo packets are rare, and tiny ones. */
function mtu(random: Random): number | undefined {
  const draw = random.next();
  if (draw < 0.65) return undefined;
  if (draw < 0.8) return logarithmic(random, 50 + MOST_OVERHEAD, 1400);
  if (draw < 0.88) return 1500;
  return draw < 0.97 ? 9000 : 65_507;
}

function window(random: Random): number | undefined {
  const draw = random.next();
  if (draw < 0.6) return undefined;
  return draw < 0.85 ? logarithmic(random, 1, 32) : logarithmic(random, 1, 512);
}

/** Settings that may change while a connection runs. */
export function liveOptions(random: Random): KcpLiveOptions {
  const options: Record<string, unknown> = { ...nodelay(random), mtu: mtu(random) };
  options.sndWnd = window(random);
  options.rcvWnd = window(random);
  if (random.chance(0.15)) options.minRto = logarithmic(random, 1, 500);
  if (random.chance(0.2)) options.ackNoDelay = true;
  if (random.chance(0.15)) options.writeDelay = true;
  if (random.chance(0.12)) options.pacingRate = logarithmic(random, 20_000, 2_000_000);
  if (random.chance(0.3)) options.burst = pick(random, [1, 2, 4, 8, Infinity]);
  if (random.chance(0.2)) options.fastlimit = random.below(8);
  const redundancy = random.fork("redundancy");
  if (redundancy.chance(0.3)) options.copies = redundancy.below(4);
  if (redundancy.chance(0.2)) options.rideAlong = 1 + redundancy.below(8);
  if (redundancy.chance(0.2)) options.newCopies = 1 + redundancy.below(3);
  for (const name of Object.keys(options)) if (options[name] === undefined) delete options[name];
  return options;
}

/** Settings of one end that bound its life. `least` is the shortest time that a fair verdict takes. */
function lifeOptions(random: Random, least: number): EndpointOptions {
  const options: Record<string, unknown> = {};
  const times = (values: number[]) => Math.max(pick(random, values), least);
  if (random.chance(0.5)) {
    options.deadLinkTime = times([1000, 2000, 2000, 3000, 5000, 10_000, 60_000, 120_000]);
  }
  if (random.chance(0.03)) options.deadLinkTime = Infinity;
  if (random.chance(0.3)) {
    options.idleTimeout = times([3000, 10_000, 30_000, 60_000, Infinity]);
  }
  if (random.chance(0.5)) {
    options.keepAlive = times([1000, 5000, 5000, 15_000, 60_000, Infinity]);
  }
  if (random.chance(0.4)) options.linger = pick(random, [0, 500, 2000, 20_000, 60_000]);
  if (random.chance(0.4)) options.timeWait = pick(random, [100, 1000, 5000, 60_000]);
  return options;
}

/** One direction of the path. */
function link(random: Random, family: Family, latency: number): LinkOptions {
  const options: Record<string, unknown> = { latency };
  const lossy = family === "loss" || random.chance(0.2);
  if (lossy) {
    options.loss = family === "loss"
      ? pick(random, [0.05, 0.1, 0.2, 0.3, 0.3, 0.5, 0.75])
      : pick(random, [0.01, 0.05, 0.1, 0.3]);
    if (random.chance(0.2)) options.burstLoss = { enter: 0.02, leave: 0.2, lossBad: 0.9 };
    if (random.chance(0.3)) options.jitter = 30 * random.next();
    if (random.chance(0.2)) {
      options.reorder = { probability: 0.3 * random.next(), delay: 60 * random.next() };
    }
    if (random.chance(0.2)) options.duplicate = 0.2 * random.next();
  }
  if (random.chance(0.08)) {
    options.bandwidth = logarithmic(random, 20_000, 2_000_000);
    options.queuePackets = logarithmic(random, 4, 60);
  }
  return options;
}

/** The longest time that a packet of `mtu` bytes is on its way. */
function oneWayOf(
  { latency = 0, jitter = 0, reorder, bandwidth, queuePackets }: LinkOptions,
  mtu: number,
) {
  const held = typeof reorder === "object" ? reorder.delay : 0;
  const queue = bandwidth ? ((queuePackets ?? 0) + 2) * (mtu + 28) / bandwidth * 1000 : 0;
  return latency + jitter + held + queue;
}

/** What is drawn here. */
export type Settings = Pick<
  Scenario,
  "server" | "client" | "cipher" | "up" | "down" | "oneWay" | "calmAt"
>;

/** Draws settings and links. */
export function drawSettings(random: Random, family: Family): Settings {
  const live = [liveOptions(random), liveOptions(random)];
  // A window drawn at random for one end alone is most of what matters.
  if (random.chance(0.5)) {
    const i = random.below(2);
    live[i] = { ...live[1 - i], ...(live[i].rcvWnd ? { rcvWnd: live[i].rcvWnd } : {}) };
  }
  if (family === "mtu") { for (const each of live) delete each.mtu; }
  if (family === "mtu" && random.chance(0.2)) live[0].mtu = 9000;
  if (family === "datagrams") {
    for (const each of live) {
      delete each.pacingRate;
      const draw = random.next();
      if (draw < 0.5) each.pacingRate = logarithmic(random, 30_000, 200_000);
      else if (draw < 0.75) each.burst = pick(random, [1, 2, 4]);
    }
  }
  const latency = random.chance(0.15)
    ? 0
    : random.chance(0.15)
    ? pick(random, [150, 200, 400])
    : logarithmic(random, 1, 150);
  const up = link(random, family, latency);
  const down = random.chance(0.7) ? { ...up } : link(random, family, latency);
  const largest = Math.max(...live.map((each) => each.mtu ?? 1400));
  const oneWay = Math.max(oneWayOf(up, largest), oneWayOf(down, largest));
  const intervals = Math.max(...live.map((each) => each.interval ?? 100));
  const minRto = Math.max(...live.map((each) => each.minRto ?? 100));
  const least = Math.ceil(5 * 2 * oneWay + 4 * intervals + 4 * minRto);
  const server: EndpointOptions = { ...live[0], ...lifeOptions(random, least), backlog: 1000 };
  const client: EndpointOptions = { ...live[1], ...lifeOptions(random, least) };
  if (random.chance(0.4)) server.migrate = true;
  for (const end of [server, client]) {
    const draw = random.next();
    if (draw < 0.1) {
      end.fec = { dataShards: 2 + random.below(9), parityShards: 1 + random.below(3) };
    } else if (draw < 0.2) end.fec = "auto";
  }
  const cipher = random.chance(0.75)
    ? "none"
    : pick(random, ["chacha20-poly1305", "aes-128-gcm"] as const);
  const calmAt = random.chance(0.25) ? Infinity : logarithmic(random, 300, 20_000);
  return { server, client, cipher, up, down, oneWay, calmAt };
}
