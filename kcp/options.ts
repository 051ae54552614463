import type { Congestion } from "./congestion/mod.ts";
import { RTO_MAX, RTO_MIN, RTO_MIN_NODELAY } from "./rto.ts";
import { MAX_FRAGMENTS, OVERHEAD } from "./segment.ts";

/** The four settings that KCP implementations pass to `nodelay(nodelay, interval, resend, nc)`. */
export interface NodelayOptions {
  /**
   * How the RTO of a segment grows after each timeout. Default: 1.
   *
   * - 0 doubles it.
   * - 1 and 2 add half of the first RTO.
   *
   * With 1 and 2, the default of {@linkcode KcpLiveOptions.minRto} is 30 ms.
   */
  nodelay?: 0 | 1 | 2;
  /** Flush interval in ms: how long acknowledgments may be collected. 1 to 5000. Default: 10. */
  interval?: number;
  /**
   * Fast retransmit: a segment is sent again after `resend` later segments have been acknowledged.
   * 0 to 255. 0 turns it off: only a timeout retransmits. Default: 2.
   *
   * Early retransmit: while no new data is queued, one later acknowledgment is enough.
   */
  resend?: number;
  /**
   * Whether congestion control is off. Default: false.
   *
   * Then {@linkcode KcpOptions.congestion} has no effect. The machine still measures the path, with
   * BBR, and sends no more than the path delivers. But neither a timeout nor a pause slows it down:
   * a burst of new data leaves at once unless a queue stands. With a `burst` of `Infinity` there is
   * no limit at all.
   */
  nc?: boolean;
}

/**
 * Settings of a {@linkcode Kcp} that can change while it runs. Those that an application leaves out
 * have low latency, and congestion control.
 */
export interface KcpLiveOptions extends NodelayOptions {
  /**
   * Largest packet in bytes, segment headers included. 50 to 65507. Default: 1400. If such packets
   * vanish, the machine goes on with smaller ones: see `pathMtu` in the statistics.
   */
  mtu?: number;
  /**
   * The machine tries larger packets, up to this many bytes, and uses those that arrive. A value
   * below `mtu` counts as `mtu`. 50 to 65507. Default: `mtu`. Connections over the loopback that
   * send much with a round trip below 1 ms, and for which neither is set, have 7800. Set it only where the system does not split
   * packets into fragments: fragments that arrive look like a large packet.
   */
  maxMtu?: number;
  /**
   * Send window: most segments in flight. 1 to 65535. Default: 2048, which is enough for 28 MB/s at
   * a round trip of 100 ms without losses. While a segment is missing, those behind it stay in the
   * window.
   */
  sndWnd?: number;
  /**
   * Receive window: most segments that wait to be read, or for an earlier one. 1 to 65535. Default:
   * 2048. It must hold the largest message of the peer.
   */
  rcvWnd?: number;
  /**
   * Segments that the send queue holds. When it is full, writes wait. 255 to 1048576. Default: the
   * larger of `sndWnd` and 255.
   */
  sndQueue?: number;
  /** Smallest RTO in ms. 1 to 60000. Default: 100, or 30 with `nodelay` 1 or 2. */
  minRto?: number;
  /**
   * A segment that was sent more often than this is sent again only after a timeout. 0 for no
   * limit. Default: 0.
   */
  fastlimit?: number;
  /** Whether every packet is acknowledged at once, not after up to `interval`. Default: false. */
  ackNoDelay?: boolean;
  /**
   * Whether new data waits for the interval, so that small writes share packets. Default: false.
   */
  writeDelay?: boolean;
  /**
   * Most bytes per second in packets with data, headers included. 24 to Infinity. Default:
   * `Infinity`. Packets without data are not limited. The controller may send slower.
   */
  pacingRate?: number;
  /**
   * Most packets that leave back to back. 1 to Infinity, or `"auto"`. Default: `"auto"`.
   *
   * With `"auto"`, the machine starts with 64, which a receive buffer of 208 KiB (the default of
   * Linux) can hold. It sends more, up to 1024, where bursts arrive whole, and fewer, down to 8,
   * where their ends are lost. So much may also be in flight before anything is known of the path.
   */
  burst?: number | "auto";
  /**
   * How many copies of a retransmission are sent, 3 ms apart, or with the next packet that carries
   * new data. So what was lost once is rarely late by a second round trip. 0 to 3. Default: 1.
   *
   * Copies are sent while no data waits to be sent, and take at most a quarter of its bytes.
   */
  copies?: number;
  /**
   * How many copies of new data are sent, 3 ms apart, or with the next packet that carries new data.
   * So the loss of one packet costs 3 ms, not a round trip. 0 to 3. Default: 0. It is meant for
   * messages that are too large for `rideAlong`.
   *
   * Copies are sent while no data waits to be sent, and at most 64 segments are in flight: a bulk
   * transfer has none.
   */
  newCopies?: number;
  /**
   * How many of the last unacknowledged segments a packet with new data carries again, if it has
   * room for them. 0 to 8. Default: 0. It is meant for small messages at a steady rate: it costs
   * bytes, but hardly any packets, and the loss of a packet costs no round trip.
   */
  rideAlong?: number;
  /** The peer is given up after this silence in ms while an answer is due. Default: 30000. */
  deadLinkTime?: number;
}

/** Settings of a {@linkcode Kcp}. */
export interface KcpOptions extends KcpLiveOptions {
  /**
   * Which congestion controller decides how much may be in flight, and how fast it leaves. It can't
   * change while the machine runs. `nc` turns it off. Default: `"bbr"`.
   *
   * - `"bbr"`: {@linkcode BbrController}. It measures the path, keeps queues short, and does not
   *   slow down for losses that the path has anyway.
   * - `"cubic"`: {@linkcode CubicController}, as in TCP. It fills queues, and slows down for each
   *   loss.
   * - `"reference"`: {@linkcode ReferenceController}, that of the C reference. It starts with one
   *   segment.
   * - A {@linkcode CongestionControllerFactory}, for one of them with options, or for one of your
   *   own.
   *
   * @example
   * ```ts
   * import { BbrController, Kcp } from "@lowlatency/kcp/kcp";
   *
   * const kcp = new Kcp(1, {
   *   congestion: (context) => new BbrController(context, { pathLoss: 0.1 }),
   * });
   * ```
   */
  congestion?: Congestion;
  /** First sequence number sent. Default: 0, which every KCP peer expects. */
  initialSndSn?: number;
  /**
   * The `ts` that stands for a time of 0, 0 to 4294967295. A random value lets the peer tell this
   * conversation from an earlier one with the same address and id, and keeps acknowledgments from
   * being forged by those who do not see the packets. Default: 0.
   */
  initialTs?: number;
  /**
   * Whether window probes and announcements show that they are of this library, so that two ends of
   * it recognize each other: see {@linkcode EXTENDED}. Every other implementation ignores it.
   * Default: false; true for sessions.
   */
  extensions?: boolean;
  /** First sequence number expected. Default: 0, with which every KCP peer starts. */
  initialRcvSn?: number;
}

/** All live settings with their values. */
export type ResolvedKcpOptions = Readonly<Required<KcpLiveOptions>>;

/**
 * What a preset sets: how early it retransmits and acknowledges, and whether it has congestion
 * control. Spread it into the options.
 */
export type Mode = Readonly<
  Required<NodelayOptions & Pick<KcpLiveOptions, "fastlimit" | "copies">>
>;

/**
 * The defaults of the C reference: `nodelay(0, 100, 0, 0)`, its congestion control, and windows of
 * 128 and 256 segments. Its own send window is 32, and its receive window 128: larger ones hold the
 * largest message. It is for the start of a connection: `congestion` can't change later.
 */
export const reference: Mode & Readonly<Required<Pick<KcpOptions, "congestion">>> & {
  readonly sndWnd: number;
  readonly rcvWnd: number;
} = /* @__PURE__ */ Object.freeze({
  nodelay: 0,
  interval: 100,
  resend: 0,
  nc: false,
  fastlimit: 5,
  copies: 0,
  sndWnd: 128,
  rcvWnd: 256,
  congestion: "reference",
});

/**
 * `nodelay(0, 40, 0, 0)`: only a timeout retransmits. With congestion control. Source: the C
 * reference.
 */
export const normal: Mode = /* @__PURE__ */ Object.freeze({
  nodelay: 0,
  interval: 40,
  resend: 0,
  nc: false,
  fastlimit: 5,
  copies: 0,
});

/**
 * `nodelay(0, 30, 2, 1)`: fast retransmit, without congestion control: see
 * {@linkcode NodelayOptions.nc}. Source: kcptun's mode `fast`.
 */
export const fast: Mode = /* @__PURE__ */ Object.freeze({
  nodelay: 0,
  interval: 30,
  resend: 2,
  nc: true,
  fastlimit: 5,
  copies: 0,
});

/**
 * The defaults without congestion control (see {@linkcode NodelayOptions.nc}): `nodelay(1, 10, 2,
 * 1)` of the C reference, no limit on fast retransmits, as in kcp-go, and a copy of each
 * retransmission.
 */
export const turbo: Mode = /* @__PURE__ */ Object.freeze({
  nodelay: 1,
  interval: 10,
  resend: 2,
  nc: true,
  fastlimit: 0,
  copies: 1,
});

/** Smallest `mtu` in bytes. */
export const MIN_MTU = 50;
/** Largest `mtu` in bytes: the largest UDP payload over IPv4. */
export const MAX_MTU = 65_507;
/** Default `mtu` in bytes. */
export const DEFAULT_MTU = 1400;

/** Defaults: low latency, with congestion control. */
const DEFAULTS = {
  nodelay: 1,
  interval: 10,
  resend: 2,
  nc: false,
  mtu: DEFAULT_MTU,
  sndWnd: 2048,
  rcvWnd: 2048,
  fastlimit: 0,
  ackNoDelay: false,
  writeDelay: false,
  pacingRate: Infinity,
  burst: "auto",
  copies: 1,
  newCopies: 0,
  rideAlong: 0,
  deadLinkTime: 30_000,
} as const;

/** Smallest and largest value of each numeric setting. */
const RANGES: { readonly [name: string]: readonly [min: number, max: number] } = {
  nodelay: [0, 2],
  interval: [1, 5000],
  resend: [0, 255],
  mtu: [MIN_MTU, MAX_MTU],
  maxMtu: [MIN_MTU, MAX_MTU],
  sndWnd: [1, 65535],
  rcvWnd: [1, 65535],
  sndQueue: [MAX_FRAGMENTS, 1 << 20],
  minRto: [1, RTO_MAX],
  fastlimit: [0, 1 << 20],
  pacingRate: [OVERHEAD, Infinity],
  burst: [1, Infinity],
  copies: [0, 3],
  newCopies: [0, 3],
  rideAlong: [0, 8],
  deadLinkTime: [1, Infinity],
};
const FRACTIONAL = new Set(["interval", "minRto", "pacingRate", "deadLinkTime"]);
/** Settings of the constructor only. */
const FIXED = new Set(["congestion", "initialSndSn", "initialRcvSn", "initialTs", "extensions"]);

/**
 * Checks the settings that the caller gave, and adds the defaults.
 *
 * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range.
 */
export function resolveOptions(given: KcpLiveOptions): ResolvedKcpOptions {
  const options: Record<string, unknown> = { ...DEFAULTS };
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (FIXED.has(name)) {
      throw new TypeError(`Cannot change ${name}: it can only be set at the start`);
    }
    if (!(name in RANGES) && !(name in DEFAULTS)) {
      throw new TypeError(`Cannot set ${name}: there is no such setting`);
    }
    const range = RANGES[name];
    if (name === "burst" && value === "auto") {
      // The machine finds it.
    } else if (range) {
      if (typeof value !== "number") {
        const kind = name === "burst" ? 'a number or "auto"' : "a number";
        throw new TypeError(`Cannot set ${name} to ${describe(value)}: it must be ${kind}`);
      }
      const [min, max] = range;
      const fits = value >= min && value <= max;
      if (!fits || !(FRACTIONAL.has(name) || value === Infinity || Number.isInteger(value))) {
        const kind = FRACTIONAL.has(name) ? "" : "whole numbers ";
        throw new RangeError(`Cannot set ${name} to ${value}: allowed are ${kind}${min} to ${max}`);
      }
    } else if (typeof value !== "boolean") {
      throw new TypeError(`Cannot set ${name} to ${describe(value)}: it must be a boolean`);
    }
    options[name] = value;
  }
  options.sndQueue ??= Math.max(options.sndWnd as number, MAX_FRAGMENTS);
  options.maxMtu = Math.max(options.mtu as number, options.maxMtu as number ?? 0);
  options.minRto ??= options.nodelay === 0 ? RTO_MIN : RTO_MIN_NODELAY;
  return Object.freeze(options) as ResolvedKcpOptions;
}

function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  return typeof value === "object" ? Object.prototype.toString.call(value) : String(value);
}

/** Checks a buffer that the caller passed in. */
export function checkBytes(bytes: Uint8Array): void {
  if (!(bytes instanceof Uint8Array)) {
    throw new TypeError(`Cannot use ${describe(bytes)} as bytes: it must be a Uint8Array`);
  }
}

/** Checks a conversation id or sequence number. */
export function checkUint32(name: string, value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) {
    throw new RangeError(
      `Cannot set ${name} to ${value}: allowed are whole numbers 0 to 4294967295`,
    );
  }
  return value;
}
