/**
 * What a link does to packets: the options, their checks and defaults, and profiles of common kinds
 * of access.
 *
 * @module
 */

/**
 * Loss in bursts, by the model of Gilbert (1960) and Elliott (1963). The path is in a good or in a
 * bad state. Each packet first may change the state, with the probability `enter` or `leave`. Then
 * it is lost with the loss probability of the state. A bad state lasts 1 / `leave` packets on
 * average. The share of packets that find a bad state is `enter` / (`enter` + `leave`).
 */
export interface BurstLoss {
  /** Probability, 0 to 1, that a packet changes the state from good to bad. */
  readonly enter: number;
  /** Probability, 0 to 1, that a packet changes the state from bad to good. */
  readonly leave: number;
  /** Loss probability in the good state, 0 to 1. Default: 0. */
  readonly lossGood?: number;
  /** Loss probability in the bad state, 0 to 1. Default: 1. */
  readonly lossBad?: number;
}

/** Reordering: some packets are held back, so that later packets overtake them. */
export interface Reorder {
  /** Probability, 0 to 1, that a packet is held back. */
  readonly probability: number;
  /** How long it is held back, in ms. Packets sent within this time may overtake it. */
  readonly delay: number;
}

/** What a link does to packets. A member that is absent or `undefined` has its default. */
export interface LinkOptions {
  /** Probability, 0 to 1, that a packet is lost, independent of other packets. Default: 0. */
  readonly loss?: number | undefined;
  /** Loss in bursts, in addition to `loss`. Default: none. */
  readonly burstLoss?: BurstLoss | undefined;
  /** One-way delay in ms. Default: 0. */
  readonly latency?: number | undefined;
  /**
   * The largest random delay in addition to the latency, in ms. Each packet draws a delay from 0 to
   * this. Jitter does not reorder packets: a packet that would overtake another one arrives at the
   * same time, directly after it. Default: 0.
   */
  readonly jitter?: number | undefined;
  /**
   * Which share of packets is held back, and for how long. A number is the probability, with a
   * delay of 20 ms: at 1 Mbit/s one full packet takes 12 ms, so later packets overtake even there.
   * Default: 0.
   */
  readonly reorder?: number | Reorder | undefined;
  /**
   * Probability, 0 to 1, that a duplicate arrives directly after the packet. The duplicate is never
   * held back or corrupted. It takes no bandwidth, because it is made after the queue. Default: 0.
   */
  readonly duplicate?: number | undefined;
  /** Probability, 0 to 1, that one random bit of the packet is flipped. Default: 0. */
  readonly corrupt?: number | undefined;
  /** Bytes per second, 1 or more. A packet arrives when its last byte does. Default: Infinity. */
  readonly bandwidth?: number | undefined;
  /**
   * How many packets may wait for bandwidth, the packet that is leaving not included. Further
   * packets are dropped. Default: Infinity.
   */
  readonly queuePackets?: number | undefined;
  /**
   * How many bytes may wait for bandwidth, with headers, the packet that is leaving not included.
   * Further packets are dropped. Default: Infinity.
   */
  readonly queueBytes?: number | undefined;
  /**
   * Bytes of headers that count with each packet for `bandwidth` and `queueBytes`. Default: 28, for
   * IPv4 and UDP.
   */
  readonly headerBytes?: number | undefined;
  /** The longest packet, in bytes of UDP payload. Longer packets are dropped. Default: Infinity. */
  readonly mtu?: number | undefined;
  /**
   * Periods in which every packet sent is lost, in ms since the start of the network or of the
   * proxy. `from` belongs to the period, `to` does not. Packets sent before still arrive. Default:
   * none.
   */
  readonly blackouts?: readonly (readonly [from: number, to: number])[] | undefined;
}

/** {@linkcode LinkOptions} with all defaults filled in. */
export interface ResolvedLinkOptions
  extends
    Readonly<Record<Exclude<keyof LinkOptions, "burstLoss" | "reorder" | "blackouts">, number>> {
  /** Periods in which every packet sent is lost, in ms. */
  readonly blackouts: readonly (readonly [from: number, to: number])[];
  /** Loss in bursts, or `undefined` for none. */
  readonly burstLoss: Required<BurstLoss> | undefined;
  /** Which packets are held back. A probability of 0 means none. */
  readonly reorder: Reorder;
}

/** The delay of `reorder` if only its probability is given, in ms. */
const REORDER_DELAY = 20;

/**
 * Checks link options, and fills in the defaults.
 *
 * @param options The options.
 * @returns A frozen copy, which is valid as options.
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
  // Below 2^53, the sum of several durations is finite and exact enough.
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
  /** From the client to the network. */
  readonly up: LinkOptions;
  /** From the network to the client. */
  readonly down: LinkOptions;
}

/**
 * Profiles of common kinds of access. Rates and round-trip times are those of WebPageTest's
 * connectivity profiles (www/settings/connectivity.ini.sample). Each direction has half of the
 * round-trip time. The queue holds 50 packets, the default of dummynet (ipfw(8): "the typical queue
 * size for Ethernet devices"). Packets are lost only when the queue overflows.
 *
 * @example
 * ```ts
 * import { linkProfiles, SimulatedNetwork } from "@lowlatency/kcp/simulated";
 *
 * const network = new SimulatedNetwork();
 * network.link("phone", "server").configure(linkProfiles.mobile3g.up);
 * network.link("server", "phone").configure({ ...linkProfiles.mobile3g.down, loss: 0.02 });
 * ```
 */
export const linkProfiles: Readonly<
  Record<"fiber" | "cable" | "dsl" | "mobile3g" | "mobile3gSlow" | "edge", LinkProfile>
> = /* @__PURE__ */ Object.freeze({
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
