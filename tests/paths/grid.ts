/**
 * What is measured: configurations, and rows of paths and flows with their aims. All are data.
 *
 * @module
 */
import { fast, normal, type SessionOptions, turbo } from "../../mod.ts";
import type { FigureName } from "./figures.ts";

/** Settings of both ends, in addition to the windows of the row. */
export interface Configuration {
  readonly name: string;
  readonly options: SessionOptions;
}

/** The configurations: controllers with all other settings as they are by default, and the modes. */
export const CONFIGURATIONS: readonly Configuration[] = [
  { name: "bbr", options: { congestion: "bbr" } },
  { name: "cubic", options: { congestion: "cubic" } },
  { name: "reference", options: { congestion: "reference" } },
  { name: "turbo", options: turbo },
  { name: "fast", options: fast },
  { name: "normal", options: normal },
  { name: "defaults", options: {} },
];

/** A path. Both directions do the same, apart from losses. */
export interface Path {
  /** Mbit/s. */
  readonly rate: number;
  /** The round trip of the empty path in ms. */
  readonly roundTrip: number;
  /** The queue, in bandwidth-delay products. */
  readonly queue: number;
  /** The share of packets that are lost, 0 to 1. */
  readonly loss: number;
  /** The same on the way back, where acknowledgments are. Default: `loss`. */
  readonly lossBack?: number;
}

/** One sender and what it sends. */
export interface FlowSpec {
  /** The name of its configuration. Default: the one that is measured. */
  readonly of?: string;
  /** `bulk`: as much as it can. `game`: 60 messages of 200 bytes a second. */
  readonly traffic: "bulk" | "game";
  /** When it starts, in seconds. Default: 0. */
  readonly start?: number;
  /** How much longer than the path its round trip is, in ms. Default: 0. */
  readonly access?: number;
  /** Over how many sessions it sends, which share congestion control and pacing. Default: 1. */
  readonly sessions?: number;
}

/** A change of the path. */
export interface Change {
  /** When, in seconds. */
  readonly at: number;
  /** Mbit/s from then on. */
  readonly rate?: number;
  /** ms from then on. */
  readonly roundTrip?: number;
  /** Whether the path is cut from then on. */
  readonly down?: boolean;
}

/** Requests, one after the other, each on a connection of its own or all on one. */
export interface Requests {
  /** Bytes of each answer. A request has 100 bytes. */
  readonly size: number;
  /** Requests on each connection. */
  readonly count: number;
  /** Connections, one after the other; each has a seed of its own. */
  readonly connections: number;
}

/** What a figure of a row should be. */
export interface Aim {
  readonly figure: FigureName;
  readonly least?: number;
  readonly most?: number;
  /** Whom it is for. Default: all. */
  readonly for?: "controlled" | "uncontrolled";
}

/** Figures of a path that is slow for a while. */
const NARROW = ["narrowRate", "narrowQueue", "narrowPeak", "narrowDrain"] as const;

/** The groups of rows, with the columns of their tables. The first is the figure of a line. */
export const GROUPS = {
  single: {
    title: "One sender, paths with queues and losses",
    columns: ["possible", "sent", "lost", "queue", "queueProducts", "queue95Products", "rounds"],
  },
  rates: {
    title: "One sender, rates and round trips",
    columns: ["possible", "sent", "lost", "queue", "queueProducts", "queue95Products", "rounds"],
  },
  changes: {
    title: "One sender, a path that changes",
    columns: ["recovery", "sent", "lost", "queue", "queue95", ...NARROW],
  },
  fairness: {
    title: "Several senders on one path",
    columns: ["jain", "first", "least", "most", "rate", "sent", "lost", "queueProducts"],
  },
  game: {
    title: "A game beside one sender",
    columns: ["late99", "late50", "rate", "sent", "queue", "queue95"],
  },
  requests: {
    title: "Requests and answers, from a cold start",
    columns: ["time50", "time95", "time50Rounds", "time95Rounds"],
  },
} as const satisfies Record<string, { title: string; columns: readonly FigureName[] }>;

/** One path, its flows, and what is expected of them. */
export interface Row {
  readonly group: keyof typeof GROUPS;
  readonly name: string;
  readonly path: Path;
  /** Windows of both ends, in segments. */
  readonly window: number;
  /** For how long the flows send. */
  readonly seconds: number;
  /** From when on rates and queues are measured, in seconds. Default: ten round trips, 1 s or more. */
  readonly from?: number;
  /** The flows. */
  readonly flows: readonly FlowSpec[];
  readonly changes?: readonly Change[];
  /** Instead of flows. */
  readonly requests?: Requests;
  readonly aims: readonly Aim[];
  /** Over how many runs figures are means. Default: 1. */
  readonly seeds?: number;
}

/** The largest packet in bytes, and what of it is payload of a segment. */
export const MTU = 1400;
const SEGMENT_HEADER = 24;
/** Headers of IPv4 and UDP: they count for the bandwidth. */
const HEADERS = 28;
/** Payload bytes that a full packet takes. */
export const PAYLOAD = MTU - SEGMENT_HEADER;
/** Bytes that a full packet takes on the link. */
export const PACKET = MTU + HEADERS;
/** A rate over fewer packets than this is chance. */
export const PACKETS_OF_A_ROUND = 20;
/** The smallest queue in packets: with less, no packet could wait on a short and slow path. */
const SMALLEST_QUEUE = 10;

/** Bytes a second. */
export function bandwidthOf({ rate }: Pick<Path, "rate">): number {
  return rate * 1e6 / 8;
}

/** The share of the bandwidth that payload can have, in bytes a second. */
export function capacityOf(path: Pick<Path, "rate">): number {
  return bandwidthOf(path) * PAYLOAD / PACKET;
}

/** The bandwidth-delay product in packets. */
export function productOf({ rate, roundTrip }: Pick<Path, "rate" | "roundTrip">): number {
  return bandwidthOf({ rate }) * roundTrip / 1000 / PACKET;
}

/** The queue in bytes. */
export function queueOf(path: Path): number {
  return Math.round(PACKET * Math.max(path.queue * productOf(path), SMALLEST_QUEUE));
}

/** How long a full packet takes to leave, in ms. */
export function packetTime({ rate }: Pick<Path, "rate">): number {
  return 1000 * PACKET / bandwidthOf({ rate });
}

const BULK: FlowSpec = { traffic: "bulk" };
const percent = (share: number) => `${Math.round(100 * share)}`;

/**
 * In how many round trips a sender should have reached 90 % of its rate. One that starts with ten
 * packets, and sends twice as many in each round trip, needs `doublings` to fill the path.
 */
function roundsOf(path: Path): number {
  const doublings = Math.ceil(Math.log2(Math.max(1, productOf(path) / 10)));
  return Math.max(10, doublings + 3);
}

/** A pacer wakes up once a ms at most: timers of event loops are no finer. */
const TICK = 1;
/** A receiver acknowledges after so many packets at the latest, which wakes the sender, too. */
const PACKETS_OF_AN_ACK = 16;

/**
 * The shortest queue, as a median, that a sender can keep on a path which it uses, in ms. Where a quarter of
 * the product is less, this is the aim.
 *
 * - `packets` are in the queue. A sender with control needs two: one that is being sent, which counts by what
 *   is left of it, and one that waits behind it. With fewer, the path idles when the next one is late. A
 *   sender without control has its smallest window there, of four packets.
 * - What a sender may send until it wakes up the next time leaves at once. While it drains, its median is half
 *   of it, and half of the packet that is being sent.
 */
function shortestQueue(path: Path, packets: number): number {
  const each = packetTime(path);
  return Math.max(packets * each, (Math.min(TICK, PACKETS_OF_AN_ACK * each) + each) / 2);
}

/** What is expected of one flow on a path that does not change. */
function aimsOfOne(path: Path): Aim[] {
  const product = productOf(path);
  const queueOfPackets = (packets: number) =>
    Math.max(0.25, shortestQueue(path, packets) / path.roundTrip);
  const aims: Aim[] = [
    { figure: "possible", least: path.queue < 0.5 ? 0.85 : 0.9 },
    { figure: "sent", most: 1.05 / (1 - path.loss), for: "controlled" },
    { figure: "sent", most: 1.15 / (1 - path.loss), for: "uncontrolled" },
    { figure: "queueProducts", most: queueOfPackets(2), for: "controlled" },
    { figure: "queueProducts", most: queueOfPackets(4), for: "uncontrolled" },
  ];
  // With fewer packets, the rate of one round trip is chance.
  if (product >= PACKETS_OF_A_ROUND) aims.push({ figure: "rounds", most: roundsOf(path) });
  return aims;
}

const BASE: Path = { rate: 100, roundTrip: 100, queue: 1, loss: 0 };

function single(name: string, change: Partial<Path>): Row {
  const path = { ...BASE, ...change };
  return {
    group: "single",
    name,
    path,
    window: 16_384,
    seconds: 20,
    flows: [BULK],
    aims: aimsOfOne(path),
  };
}

function rates(rate: number, roundTrip: number): Row {
  const path: Path = { rate, roundTrip, queue: 1, loss: 0 };
  const product = productOf(path);
  // One second at 1 Gbit/s takes about half a second to compute.
  const seconds = rate === 1000
    ? Math.max(3, 30 * roundTrip / 1000)
    : Math.max(20, 50 * roundTrip / 1000);
  return {
    group: "rates",
    name: `${rate < 1000 ? `${rate}M` : `${rate / 1000}G`}-${roundTrip}ms`,
    path,
    // The largest window is 65535: at 1 Gbit/s and 600 ms, 1.2 products.
    window: Math.min(65_535, Math.max(1024, 2 ** Math.ceil(Math.log2(8 * product)))),
    seconds,
    // A gigabit needs more round trips than others before it is there.
    from: Math.max(1, roundsOf(path) * roundTrip / 1000),
    flows: [BULK],
    aims: aimsOfOne(path),
  };
}

/** The windows of flows that share a path. Twenty larger ones would take a GB of memory. */
const SHARED_WINDOW = 4096;

function fairness(name: string, roundTrip: number, flows: readonly FlowSpec[], aims: Aim[]): Row {
  return {
    group: "fairness",
    name,
    // Which flow finds the queue full is chance.
    seeds: 4,
    path: { ...BASE, roundTrip },
    window: SHARED_WINDOW,
    seconds: 60,
    from: 30,
    flows,
    aims,
  };
}

/** Several flows of the configuration that is measured, each a second after the one before. */
const many = (count: number, apart: number): FlowSpec[] =>
  Array.from({ length: count }, (_, i) => ({ ...BULK, start: i * apart }));

const FEW_LOST: Aim = { figure: "lost", most: 0.1 };
const HALVES: Aim[] = [{ figure: "first", least: 0.4, most: 0.6 }];
const QUARTERS: Aim[] = [{ figure: "first", least: 0.25, most: 0.75 }];

function requests(name: string, roundTrip: number, loss: number, size: number, count = 1): Row {
  const path: Path = { ...BASE, roundTrip, loss };
  return {
    group: "requests",
    name,
    path,
    window: 1024,
    seconds: 60,
    flows: [],
    requests: { size, count, connections: loss > 0 ? 50 : 1 },
    aims: [],
  };
}

/** The rows. */
export const ROWS: readonly Row[] = [
  ...[0.1, 1, 10].map((queue) => single(`queue-${queue}`, { queue })),
  ...[0.01, 0.05, 0.1, 0.2].map((loss) => single(`loss-${percent(loss)}`, { loss })),
  // Where no acknowledgments are lost, nothing needs to be sent again that has arrived.
  ...[0.05, 0.2].map((loss) => single(`loss-${percent(loss)}-there`, { loss, lossBack: 0 })),

  // As many packets are lost as with one session, and the queue is as short.
  ...[0, 0.05].map((loss) => ({
    ...single(`4-sessions-loss-${percent(loss)}`, { loss }),
    flows: [{ ...BULK, sessions: 4 }],
  })),

  ...[1, 10, 100, 1000].flatMap((rate) =>
    [1, 20, 100, 600].map((roundTrip) => rates(rate, roundTrip))
  ),

  {
    group: "changes",
    name: "rtt-5-to-200",
    // The queue is that of the other rows: 1.25 MB, a product at 100 ms.
    path: { ...BASE, roundTrip: 5, queue: 20 },
    window: 16_384,
    seconds: 40,
    flows: [BULK],
    changes: [{ at: 5, roundTrip: 200 }],
    // What was sent at the change is acknowledged half a round trip later at the earliest. What is sent then
    // arrives another half later. From then on, the path can be full: in the second round trip.
    aims: [{ figure: "recovery", most: 2 }],
  },
  {
    group: "changes",
    name: "rate-100-10-100",
    path: BASE,
    window: 16_384,
    seconds: 20,
    flows: [BULK],
    changes: [{ at: 5, rate: 10 }, { at: 12, rate: 100 }],
    aims: [],
  },
  {
    group: "changes",
    name: "blackout-2s",
    path: BASE,
    window: 16_384,
    seconds: 15,
    flows: [BULK],
    changes: [{ at: 5, down: true }, { at: 7, down: false }],
    aims: [],
  },

  ...[40, 100].flatMap((roundTrip) => [
    fairness(`2-flows-${roundTrip}ms`, roundTrip, many(2, 5), HALVES),
    fairness(`5-flows-${roundTrip}ms`, roundTrip, many(5, 1), [FEW_LOST]),
    fairness(`20-flows-${roundTrip}ms`, roundTrip, many(20, 0.5), [
      { figure: "jain", least: 0.9 },
      FEW_LOST,
    ]),
    // Four sessions take no more than one.
    fairness(
      `4-sessions-beside-one-${roundTrip}ms`,
      roundTrip,
      [{ ...BULK, sessions: 4 }, { ...BULK, start: 5 }],
      HALVES,
    ),
    ...["cubic", "reference"].map((other) =>
      fairness(
        `beside-${other}-${roundTrip}ms`,
        roundTrip,
        [BULK, { ...BULK, of: other }],
        QUARTERS,
      )
    ),
  ]),
  // The queue is a product at 60 ms, the mean of both round trips.
  {
    ...fairness("rtt-20-and-100", 20, [BULK, { ...BULK, access: 80 }], []),
    path: { ...BASE, roundTrip: 20, queue: 3 },
  },

  ...["turbo", "defaults"].map((of): Row => ({
    group: "game",
    name: `game-${of}`,
    path: BASE,
    window: 16_384,
    seconds: 20,
    from: 2,
    flows: [BULK, { traffic: "game", of }],
    aims: [{ figure: "late99", most: 15 }],
  })),

  ...[40, 100].flatMap((roundTrip) =>
    [0, 0.02].flatMap((loss) => [
      requests(`10KB-${roundTrip}ms-loss-${percent(loss)}`, roundTrip, loss, 10_000),
      requests(`1MB-${roundTrip}ms-loss-${percent(loss)}`, roundTrip, loss, 1_000_000),
    ])
  ),
  requests("20-small-40ms", 40, 0, 100, 20),
  requests("20-small-40ms-loss-2", 40, 0.02, 100, 20),
];

/** Finds a configuration. Rows name some that this version may not have. */
export function configurationOf(name: string): Configuration | undefined {
  return CONFIGURATIONS.find((each) => each.name === name);
}

/** Whether a row can be run, and says more of the configuration than another row. */
export function applies({ flows }: Row, { name }: Configuration): boolean {
  return flows.every(({ of, traffic }) =>
    of === undefined || configurationOf(of) && (traffic === "game" || of !== name)
  );
}

/** Words for the path of a row. */
export function describe({ path, window }: Row): string {
  const { rate, roundTrip, queue, loss, lossBack = loss } = path;
  const product = productOf(path);
  const parts = [
    rate < 1000 ? `${rate} Mbit/s` : `${rate / 1000} Gbit/s`,
    `${roundTrip} ms`,
    queue * product < SMALLEST_QUEUE
      ? `queue of ${SMALLEST_QUEUE} packets`
      : `queue of ${queue} BDP`,
  ];
  if (loss > 0) parts.push(`${percent(loss)} % loss${lossBack < loss ? " one way" : ""}`);
  // The path and its queue cannot be full.
  if (window < (1 + queue) * product) parts.push(`windows of ${(window / product).toFixed(1)} BDP`);
  return parts.join(", ");
}

/** Whether a configuration does without congestion control. */
export function uncontrolled({ options }: Configuration): boolean {
  return options.nc === true;
}
