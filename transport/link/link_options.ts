/**
 * What a link does to packets: the options, their checks and defaults, and some paths to start
 * from.
 *
 * @module
 */

/**
 * Loss in bursts, by the model of Gilbert (1960) and Elliott (1963): the path is good or bad, each
 * packet first moves it from one state to the other with a given probability and is then lost with
 * the probability of the state it finds. A bad spell lasts 1 / `leave` packets on average, and
 * `enter` / (`enter` + `leave`) of all packets meet one.
 */
export interface BurstLoss {
  /** Probability, 0 to 1, that a packet turns a good path bad. */
  readonly enter: number;
  /** Probability, 0 to 1, that a packet turns a bad path good. */
  readonly leave: number;
  /** Probability, 0 to 1, of losing a packet while the path is good. Default: 0. */
  readonly lossGood?: number;
  /** Probability, 0 to 1, of losing a packet while the path is bad. Default: 1. */
  readonly lossBad?: number;
}

/** How packets are held back, so that later ones overtake them. */
export interface Reorder {
  /** Probability, 0 to 1, that a packet is held back. */
  readonly probability: number;
  /** By how much, in ms. Packets that follow within this time may overtake it. */
  readonly delay: number;
}

/** What a link does to packets. A member that is absent or `undefined` means its default. */
export interface LinkOptions {
  /** Probability, 0 to 1, that a packet is lost, independent of any other. Default: 0. */
  readonly loss?: number;
  /** Loss in bursts, on top of `loss`. Default: none. */
  readonly burstLoss?: BurstLoss;
  /** One-way delay in ms. Default: 0. */
  readonly latency?: number;
  /**
   * Delay added to the latency, in ms, drawn for each packet from 0 to this. It alone never
   * reorders: a packet that would overtake another arrives at the same time, right behind it.
   * Default: 0.
   */
  readonly jitter?: number;
  /**
   * Packets that are held back. A number is the probability, with a delay of 20 ms: longer than the
   * spacing of full packets at 1 Mbit/s, so that they are overtaken even there. Default: 0.
   */
  readonly reorder?: number | Reorder;
  /**
   * Probability, 0 to 1, that a second copy arrives right behind the packet. The copy is never held
   * back nor corrupted, and takes no bandwidth: it comes into being behind the queue. Default: 0.
   */
  readonly duplicate?: number;
  /** Probability, 0 to 1, that one random bit of the packet is flipped. Default: 0. */
  readonly corrupt?: number;
  /** Bytes per second, at least 1. A packet arrives when its last byte does. Default: Infinity. */
  readonly bandwidth?: number;
  /**
   * How many packets may wait for the bandwidth behind the one that is being sent; a further one is
   * dropped. Default: Infinity.
   */
  readonly queuePackets?: number;
  /** How many bytes may wait, counted like `queuePackets`, headers included. Default: Infinity. */
  readonly queueBytes?: number;
  /** Bytes added to each packet for bandwidth and `queueBytes`. Default: 28, for IPv4 and UDP. */
  readonly headerBytes?: number;
  /** Longest packet that passes, in bytes of UDP payload; longer ones vanish. Default: Infinity. */
  readonly mtu?: number;
  /**
   * Times during which everything that is sent is lost, in ms since the link's `start`: from `from`
   * on, up to but not at `to`. What was sent before arrives. Default: none.
   */
  readonly blackouts?: readonly (readonly [from: number, to: number])[];
}

/** {@linkcode LinkOptions} with every default filled in. */
export interface ResolvedLinkOptions extends Required<Omit<LinkOptions, "burstLoss" | "reorder">> {
  /** Loss in bursts, or `undefined` for none. */
  readonly burstLoss: Required<BurstLoss> | undefined;
  /** Packets that are held back; a probability of 0 for none. */
  readonly reorder: Reorder;
}

/** The delay of `reorder` when only its probability is given, in ms. */
const REORDER_DELAY = 20;

/**
 * Checks link options and fills in the defaults, as a link does.
 *
 * @param options The options.
 * @returns A frozen copy, which is itself valid as options.
 * @throws {TypeError} If an option is unknown or has the wrong type.
 * @throws {RangeError} If an option is out of range.
 */
export function resolveLinkOptions(options: LinkOptions): ResolvedLinkOptions {
  const {
    loss = 0,
    burstLoss,
    latency = 0,
    jitter = 0,
    reorder = 0,
    duplicate = 0,
    corrupt = 0,
    bandwidth = Infinity,
    queuePackets = Infinity,
    queueBytes = Infinity,
    headerBytes = 28,
    mtu = Infinity,
    blackouts = [],
    ...unknown
  } = options;
  for (const name of Object.keys(unknown)) {
    throw new TypeError(`Cannot set ${name}: there is no such link option`);
  }
  const { probability, delay } = typeof reorder === "object" && reorder !== null
    ? reorder
    : { probability: reorder, delay: REORDER_DELAY };
  return Object.freeze({
    loss: checkProbability("loss", loss),
    burstLoss: burstLoss === undefined ? undefined : Object.freeze({
      enter: checkProbability("burstLoss.enter", burstLoss.enter),
      leave: checkProbability("burstLoss.leave", burstLoss.leave),
      lossGood: checkProbability("burstLoss.lossGood", burstLoss.lossGood ?? 0),
      lossBad: checkProbability("burstLoss.lossBad", burstLoss.lossBad ?? 1),
    }),
    latency: checkDuration("latency", latency),
    jitter: checkDuration("jitter", jitter),
    reorder: Object.freeze({
      probability: checkProbability("reorder", probability),
      delay: checkDuration("reorder.delay", delay),
    }),
    duplicate: checkProbability("duplicate", duplicate),
    corrupt: checkProbability("corrupt", corrupt),
    bandwidth: check("bandwidth", bandwidth, bandwidth >= 1, "a number of bytes per second from 1"),
    queuePackets: checkCount("queuePackets", queuePackets),
    queueBytes: checkCount("queueBytes", queueBytes),
    headerBytes: check(
      "headerBytes",
      headerBytes,
      Number.isInteger(headerBytes) && headerBytes >= 0,
      "an integer from 0",
    ),
    mtu: checkCount("mtu", mtu),
    blackouts: checkBlackouts(blackouts),
  });
}

function check(name: string, value: number, allowed: boolean, expected: string): number {
  const Misuse = typeof value === "number" ? RangeError : TypeError;
  if (!allowed || Misuse === TypeError) {
    throw new Misuse(`Cannot set ${name} to ${String(value)}: expected ${expected}`);
  }
  return value;
}

function checkProbability(name: string, value: number): number {
  return check(name, value, value >= 0 && value <= 1, "a probability from 0 to 1");
}

function checkDuration(name: string, value: number): number {
  // Below 2^53 the sum of several is finite, and exact enough.
  const allowed = value >= 0 && value <= Number.MAX_SAFE_INTEGER;
  return check(name, value, allowed, "a number of ms from 0 to 2^53 - 1");
}

function checkCount(name: string, value: number): number {
  const allowed = value >= 0 && (Number.isInteger(value) || value === Infinity);
  return check(name, value, allowed, "an integer from 0, or Infinity");
}

function checkBlackouts(
  blackouts: readonly (readonly [number, number])[],
): readonly (readonly [number, number])[] {
  if (!Array.isArray(blackouts)) {
    throw new TypeError(`Cannot set blackouts to ${String(blackouts)}: expected a list of pairs`);
  }
  return Object.freeze(blackouts.map((pair) => {
    const [from, to] = pair;
    checkDuration("the start of a blackout", from);
    check("the end of a blackout", to, to >= from, `a time from ${from}, or Infinity`);
    return Object.freeze([from, to] as const);
  }));
}

/** The two directions of a path between a client and the network. */
export interface LinkProfile {
  /** From the client. */
  readonly up: LinkOptions;
  /** To the client. */
  readonly down: LinkOptions;
}

/**
 * Kinds of access to start from. Rates and round-trip times are those of WebPageTest's connectivity
 * profiles (www/settings/connectivity.ini.sample), half of the time in each direction. The queue
 * holds 50 packets, the default of dummynet (ipfw(8): "the typical queue size for Ethernet
 * devices"). None loses packets but by overflow.
 */
export const linkProfiles: Readonly<
  Record<"fiber" | "cable" | "dsl" | "mobile3g" | "mobile3gSlow" | "edge", LinkProfile>
> = Object.freeze({
  fiber: profile(20_000, 5_000, 4),
  cable: profile(5_000, 1_000, 28),
  dsl: profile(1_500, 384, 50),
  mobile3g: profile(1_600, 768, 300),
  mobile3gSlow: profile(780, 330, 200),
  edge: profile(240, 200, 840),
});

function profile(downKilobits: number, upKilobits: number, roundTrip: number): LinkProfile {
  const common = { latency: roundTrip / 2, queuePackets: 50 };
  return Object.freeze({
    up: Object.freeze({ ...common, bandwidth: upKilobits * 125 }),
    down: Object.freeze({ ...common, bandwidth: downKilobits * 125 }),
  });
}
