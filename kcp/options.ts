import type { CongestionControllerFactory } from "./congestion/controller.ts";
import { DEFAULT_BURST } from "./pacer.ts";
import { RTO_MAX, RTO_MIN, RTO_MIN_NODELAY } from "./rto.ts";
import { MAX_FRAGMENTS, OVERHEAD } from "./segment.ts";

/** The four settings that KCP implementations pass to `nodelay(nodelay, interval, resend, nc)`. */
export interface NodelayOptions {
  /**
   * Growth of the RTO after each timeout of a segment: 0 doubles it, 1 multiplies it by 1.5, 2 adds
   * half of the first one. 1 and 2 also lower the default of {@linkcode KcpOptions.minRto} to 30 ms.
   */
  nodelay?: 0 | 1 | 2;
  /** Flush interval in ms, 1 to 5000: how long acknowledgments may be collected. */
  interval?: number;
  /**
   * Fast and early retransmit: a segment is sent again once `resend` segments that were sent after it have been
   * acknowledged. 0 to 255, 0 waits for the timeout.
   * When nothing new is queued, one is enough.
   */
  resend?: number;
  /** Whether congestion control is off. */
  nc?: boolean;
}

/** Settings of a {@linkcode Kcp} that can change while it runs. */
export interface KcpLiveOptions extends NodelayOptions {
  /**
   * Largest packet in bytes, segment headers included: 50 to 65507, 1400 unless given. A change applies
   * to segments that are queued after it; those queued before keep their size.
   */
  mtu?: number;
  /** Send window in segments: 1 to 65535, 128 unless given. */
  sndWnd?: number;
  /** Receive window in segments: 1 to 65535, 256 unless given, so that every message fits. */
  rcvWnd?: number;
  /**
   * Segments that may wait in the send queue: 255 to 1048576, the larger of `sndWnd` and 255 unless
   * given.
   */
  sndQueue?: number;
  /** Smallest RTO in ms: 1 to 60000; 100 unless given, 30 with `nodelay` 1 or 2. */
  minRto?: number;
  /** A segment sent more than so many times is left to the timeout; 0 for no limit, 5 unless given. */
  fastlimit?: number;
  /** Acknowledge every packet at once instead of collecting for up to `interval`. Off unless given. */
  ackNoDelay?: boolean;
  /** Let new data wait for the interval, so that small writes share packets. Off unless given. */
  writeDelay?: boolean;
  /**
   * Bytes per second that may leave in packets with data, headers included; `Infinity` unless given. Mere
   * acknowledgments do not wait.
   */
  pacingRate?: number;
  /**
   * Packets that may leave back to back; 64 unless given, which a receive buffer of 208 KiB (the
   * default of Linux) can hold. `Infinity` for no bound.
   */
  burst?: number;
  /**
   * The peer is taken for unreachable when it has been silent for so many ms while an answer was due;
   * `Infinity` for never, 30000 unless given.
   */
  deadLinkTime?: number;
}

/** Settings of a {@linkcode Kcp}. */
export interface KcpOptions extends KcpLiveOptions {
  /** Makes the congestion controller; the reference's unless given. `nc` switches it off. */
  congestion?: CongestionControllerFactory;
  /** First sequence number sent: 0 unless given, as every KCP peer expects. */
  initialSndSn?: number;
  /**
   * The `ts` that stands for a time of 0, 0 to 4294967295. A random value lets the peer tell this
   * conversation from an earlier one with the same address and id, and keeps acknowledgments from being
   * forged by those who do not see the packets. Default: 0.
   */
  initialTs?: number;
  /** First sequence number expected: 0 unless given, as every KCP peer starts with. */
  initialRcvSn?: number;
}

/** Every live setting, with its value. */
export type ResolvedKcpOptions = Readonly<Required<KcpLiveOptions>>;

/** `nodelay(0, 40, 0, 0)`: as patient as TCP, with congestion control. Source: the C reference. */
export const normal: Readonly<Required<NodelayOptions>> = Object.freeze({
  nodelay: 0,
  interval: 40,
  resend: 0,
  nc: false,
});

/** `nodelay(0, 30, 2, 1)`: fast retransmit, no congestion control. Source: kcptun's mode `fast`. */
export const fast: Readonly<Required<NodelayOptions>> = Object.freeze({
  nodelay: 0,
  interval: 30,
  resend: 2,
  nc: true,
});

/** `nodelay(1, 10, 2, 1)`: lowest latency, most retransmissions. Source: the C reference. */
export const turbo: Readonly<Required<NodelayOptions>> = Object.freeze({
  nodelay: 1,
  interval: 10,
  resend: 2,
  nc: true,
});

/** Bounds of `mtu`, the upper of which is what UDP over IPv4 can carry, and what it is unless given. */
export const MIN_MTU = 50;
export const MAX_MTU = 65_507;
export const DEFAULT_MTU = 1400;

/** The C reference's defaults, where it has the setting. */
const DEFAULTS = {
  nodelay: 0,
  interval: 100,
  resend: 0,
  nc: false,
  mtu: DEFAULT_MTU,
  sndWnd: 128,
  rcvWnd: 256,
  fastlimit: 5,
  ackNoDelay: false,
  writeDelay: false,
  pacingRate: Infinity,
  burst: DEFAULT_BURST,
  deadLinkTime: 30_000,
} as const;

/** Least and most of each numeric setting. */
const RANGES: { readonly [name: string]: readonly [min: number, max: number] } = {
  nodelay: [0, 2],
  interval: [1, 5000],
  resend: [0, 255],
  mtu: [MIN_MTU, MAX_MTU],
  sndWnd: [1, 65535],
  rcvWnd: [1, 65535],
  sndQueue: [MAX_FRAGMENTS, 1 << 20],
  minRto: [1, RTO_MAX],
  fastlimit: [0, 1 << 20],
  pacingRate: [OVERHEAD, Infinity],
  burst: [1, Infinity],
  deadLinkTime: [1, Infinity],
};
const FRACTIONAL = new Set(["interval", "minRto", "pacingRate", "deadLinkTime"]);

/**
 * Checks `change` and lays it over `given`, the settings that the caller gave so far.
 *
 * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range.
 */
export function resolveOptions(given: KcpLiveOptions): ResolvedKcpOptions {
  const options: Record<string, unknown> = { ...DEFAULTS };
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (!(name in RANGES) && !(name in DEFAULTS)) {
      throw new TypeError(`Cannot set ${name}: there is no such setting`);
    }
    const range = RANGES[name];
    if (range) {
      if (typeof value !== "number") {
        throw new TypeError(`Cannot set ${name} to ${describe(value)}: it must be a number`);
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
  options.minRto ??= options.nodelay === 0 ? RTO_MIN : RTO_MIN_NODELAY;
  return Object.freeze(options) as ResolvedKcpOptions;
}

function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  return typeof value === "object" ? Object.prototype.toString.call(value) : String(value);
}

/** Checks what is to be sent, or to be filled. */
export function checkBytes(bytes: Uint8Array): void {
  if (!(bytes instanceof Uint8Array)) {
    throw new TypeError(`Cannot take ${describe(bytes)} for bytes: it must be a Uint8Array`);
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
