/**
 * Runs a row: flows through a path, and the figures of what came of them.
 *
 * @module
 */
import type { SessionOptions } from "../../mod.ts";
import { Dumbbell } from "./dumbbell.ts";
import type { Figures } from "./figures.ts";
import { Flow, sendBulk, sendGame, sendRequests } from "./flow.ts";
import {
  bandwidthOf,
  capacityOf,
  type Change,
  type Configuration,
  configurationOf,
  MTU,
  PACKETS_OF_A_ROUND,
  packetTime,
  queueOf,
  type Row,
} from "./grid.ts";
import { Arrivals, fairness, quantiles } from "./statistics.ts";

/** What one run of a row gave. */
export interface Outcome {
  readonly figures: Figures;
  /** For one flow: the rate of each of the first round trips, of the final rate. */
  readonly shape: readonly number[];
  /** For several flows: what each got of the payload that arrived. */
  readonly shares: readonly number[];
}

/** How many values of the queue a run has, about. */
const QUEUE_VALUES = 20_000;
/** Round trips before the measurement starts, at least. */
const WARM_UP_ROUNDS = 10;
/** Round trips of a shape. */
const SHAPE = 24;
/** The rate counts as reached from this share of it on. */
const REACHED = 0.9;
/** How long a connection may take for its requests, in ms. */
const PATIENCE = 120_000;

/** Runs a row once. */
export function runRow(
  row: Row,
  configuration: Configuration,
  seed: number,
  seconds = row.seconds,
): Outcome {
  return row.requests
    ? runRequests(row, configuration, seed)
    : runFlows(row, configuration, seed, seconds);
}

/** The path of a row, and its settings. */
function build(row: Row, seed: number | string, milliseconds: number): Dumbbell {
  return new Dumbbell(
    seed,
    {
      bandwidth: bandwidthOf(row.path),
      queueBytes: queueOf(row.path),
      latency: row.path.roundTrip / 2,
      loss: row.path.loss,
    },
    Math.max(0.05, milliseconds / QUEUE_VALUES),
    row.path.lossBack,
  );
}

function settings({ window }: Row, { options }: Configuration): SessionOptions {
  return { ...options, mtu: MTU, sndWnd: window, rcvWnd: window };
}

// --- flows ---

/** How long one round lasts, in ms: longer than a round trip where that has few packets. */
function roundOf(path: Row["path"]): number {
  return Math.max(path.roundTrip, PACKETS_OF_A_ROUND * packetTime(path));
}

/** The flows of a row, and how late the messages of a game are. */
class Traffic {
  readonly flows: readonly Flow[];
  /** The flows that send as much as they can. */
  readonly bulk: readonly Flow[];
  /** How much longer than one way each message took, in ms. */
  readonly late: number[] = [];
  /** Adds the messages that have not arrived. */
  readonly #missing: (() => void)[] = [];

  /** @param from From when on messages count, in ms. */
  constructor(bell: Dumbbell, row: Row, configuration: Configuration, from: number) {
    this.flows = row.flows.map(({ of, traffic, start = 0, access = 0, sessions = 1 }, i) => {
      const own = of === undefined ? configuration : configurationOf(of)!;
      const flow = new Flow(bell, `${i}`, settings(row, own), access, sessions);
      const oneWay = (row.path.roundTrip + access) / 2;
      // Flows in lockstep would find the queue full in the same order for ever.
      const phase = i === 0 ? 0 : bell.random.fork(`phase ${i}`).next() * row.path.roundTrip;
      bell.time.schedule(1000 * start + phase, () => {
        if (traffic === "bulk") return sendBulk(flow);
        this.#missing.push(sendGame(flow, (dueAt, delay) => {
          if (dueAt >= from) this.late.push(Math.max(0, delay - oneWay));
        }));
      });
      return flow;
    });
    this.bulk = this.flows.filter((_, i) => row.flows[i].traffic === "bulk");
  }

  stop(): void {
    for (const add of this.#missing) add();
    for (const flow of this.flows) flow.stop();
  }
}

/** Changes the path when it is due. */
function scheduleChanges(bell: Dumbbell, changes: readonly Change[]): void {
  for (const { at, rate, roundTrip, down } of changes) {
    bell.time.schedule(1000 * at, () => {
      if (rate !== undefined) bell.configure({ bandwidth: bandwidthOf({ rate }) });
      if (roundTrip !== undefined) bell.configure({ latency: roundTrip / 2 });
      if (down !== undefined) bell.cut(down);
    });
  }
}

function runFlows(row: Row, configuration: Configuration, seed: number, seconds: number): Outcome {
  const { path, changes = [] } = row;
  const end = 1000 * seconds;
  const warmUp = row.from ?? Math.max(1, WARM_UP_ROUNDS * path.roundTrip / 1000);
  const from = 1000 * Math.min(warmUp, seconds / 2);
  const bell = build(row, seed, end);
  const traffic = new Traffic(bell, row, configuration, from);
  const { bulk, late } = traffic;
  const arrivals = (start: number, interval: number) =>
    new Arrivals(bell.time, () => bulk[0].arrived, start, interval);
  // What arrives in the first round was sent in the first round.
  const rounds = arrivals(path.roundTrip / 2, roundOf(path));
  // The rates around the last change are in its own round trips.
  const last = changes.at(-1);
  const newRoundTrip = changes.findLast(({ roundTrip }) => roundTrip !== undefined)?.roundTrip ??
    path.roundTrip;
  const newRounds = last && arrivals((1000 * last.at) % newRoundTrip, newRoundTrip);

  scheduleChanges(bell, changes);
  bell.time.elapse(from);
  const before = bulk.map(({ arrived }) => arrived);
  bell.time.elapse(end - from);
  bell.gauge.advance(end);
  traffic.stop();

  const gained = bulk.map(({ arrived }, i) => arrived - before[i]);
  const total = gained.reduce((a, b) => a + b);
  const rate = 1000 * total / (end - from) / capacityOf(path);
  const [queue, queue95] = bell.gauge.quantiles([0.5, 0.95], from, end);
  const figures: Figures = {
    rate,
    possible: rate / (1 - path.loss),
    sent: sum(bulk, ({ fates }) => fates.droppedBytes + fates.arrivedBytes) /
      sum(bulk, ({ arrived }) => arrived),
    lost: sum(bulk, ({ fates }) => fates.dropped) / sum(bulk, ({ fates }) => fates.packets),
    queue,
    queue95,
    queueProducts: queue / path.roundTrip,
    queue95Products: queue95 / path.roundTrip,
  };
  let shape: number[] = [];
  if (bulk.length === 1 && !last) {
    const final = rounds.rate(0.75 * end, end);
    shape = rounds.rates().slice(0, SHAPE).map((value) => value / final);
    const reached = rounds.reached(0, REACHED * final) - path.roundTrip / 2;
    figures.rounds = reached / path.roundTrip;
  }
  if (newRounds) Object.assign(figures, changed(row, bell, newRounds, newRoundTrip));
  if (bulk.length > 1) Object.assign(figures, fairness(gained));
  if (bulk.length < traffic.flows.length) {
    [figures.late50, figures.late99] = quantiles(late, [0.5, 0.99]);
  }
  return { figures, shape, shares: bulk.length > 1 ? gained.map((bytes) => bytes / total) : [] };
}

/** The figures around changes of the path. */
function changed(
  { path, changes = [] }: Row,
  bell: Dumbbell,
  arrivals: Arrivals,
  roundTrip: number,
): Figures {
  const [first, last] = [changes[0], changes.at(-1)!];
  const before = arrivals.rate(1000 * first.at / 2, 1000 * first.at);
  const reached = arrivals.reached(1000 * last.at, REACHED * before);
  const figures: Figures = { recovery: (reached - 1000 * last.at) / roundTrip };
  if (first.rate === undefined) return figures;
  const [from, to] = [1000 * first.at, 1000 * last.at];
  // A second later, the queue of the faster link has had time to drain.
  const [median] = bell.gauge.quantiles([0.5], from + 1000, to);
  const [peak] = bell.gauge.quantiles([1], from, to);
  figures.narrowRate = arrivals.rate(from + 1000, to) / capacityOf({ rate: first.rate });
  figures.narrowQueue = median;
  figures.narrowPeak = peak;
  figures.narrowDrain = (bell.gauge.below(path.roundTrip / 4, from + path.roundTrip, to) - from) /
    path.roundTrip;
  return figures;
}

function sum<T>(list: readonly T[], value: (each: T) => number): number {
  return list.reduce((total, each) => total + value(each), 0);
}

// --- requests ---

function runRequests(row: Row, configuration: Configuration, seed: number): Outcome {
  const { size, count, connections } = row.requests!;
  const { roundTrip } = row.path;
  const times: number[] = [];
  for (let i = 0; i < connections; i++) {
    const bell = build(row, `${seed}-${i}`, 1000);
    const flow = new Flow(bell, "0", settings(row, configuration));
    let ended = 0;
    let total = 0;
    sendRequests(flow, size, count, (time) => {
      ended++;
      total += time;
    });
    while (ended < count && bell.now < PATIENCE) bell.time.elapse(roundTrip);
    flow.stop();
    times.push(ended < count ? Infinity : total / count);
  }
  const [time50, time95] = quantiles(times, [0.5, 0.95]);
  return {
    figures: {
      time50,
      time95,
      time50Rounds: time50 / roundTrip,
      time95Rounds: time95 / roundTrip,
    },
    shape: [],
    shares: [],
  };
}
