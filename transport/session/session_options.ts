import type { KcpLiveOptions, KcpOptions, ResolvedKcpOptions } from "../../kcp/options.ts";
import type { Entropy } from "../../crypt/packet_cipher.ts";
import { DEFAULT_TIME_WAIT } from "./closing.ts";
import { type FecOptions, type ResolvedFec, resolveFec } from "./fec_options.ts";
import type { ProtectionOptions } from "./packet_protection.ts";
import { shown } from "./shown.ts";

/** Settings of a session, including those of its KCP machine. */
export interface SessionOptions extends KcpOptions, ProtectionOptions {
  /**
   * Error correction of sent packets: a ratio such as `{ dataShards: 10, parityShards: 3 }`, or
   * `"auto"`, which adapts parity and groups to the losses, the round trip and the traffic. Default:
   * none. The peer chooses its own ratio, which the session learns from the packets that it receives.
   */
  fec?: FecOptions | "auto" | undefined;
  /**
   * The session ends when no packet arrived for this time, in ms. `Infinity`: never.
   * Default: 300000.
   */
  idleTimeout?: number | undefined;
  /**
   * After this time without a packet, in ms, the session probes the peer with a packet of 24 bytes,
   * again each eighth of `deadLinkTime` until it hears the peer. A peer that answers is alive; one
   * that is silent for `deadLinkTime` after the first probe is unreachable. `Infinity`:
   * never. Default: 15000 for `connect` and `connectOn`, where probes begin after the first packet;
   * `Infinity` for others, which answer the probes of their peer.
   */
  keepAlive?: number | undefined;
  /** How long a close may take to deliver what is queued, in ms. Default: 5000. */
  linger?: number | undefined;
  /**
   * Most memory for packets and for data that was not sent, acknowledged or read yet, in bytes: 1
   * MiB (1048576) to 1 GiB. All sessions of an endpoint share it. When it is used up, writes wait,
   * and the window that is announced to the peers closes. Default: 1073741824.
   */
  memoryLimit?: number | undefined;
  /**
   * TIME-WAIT, in ms: how long a session that ended its stream first stays to acknowledge
   * retransmissions of the peer. Default: 1000; 30000 for sessions that a listener accepted.
   */
  timeWait?: number | undefined;
}

/** Settings of a session that can change while it runs. */
export interface SessionLiveOptions extends KcpLiveOptions {
  /** See {@linkcode SessionOptions.idleTimeout}. The time counts from the last packet. */
  idleTimeout?: number | undefined;
  /** See {@linkcode SessionOptions.keepAlive}. The time counts from the last packet. */
  keepAlive?: number | undefined;
  /** See {@linkcode SessionOptions.linger}. The time counts from the close. */
  linger?: number | undefined;
}

/** The settings of a session that are in force. */
export interface ResolvedSessionOptions extends ResolvedKcpOptions {
  /** See {@linkcode SessionOptions.idleTimeout}. */
  readonly idleTimeout: number;
  /** See {@linkcode SessionOptions.keepAlive}. */
  readonly keepAlive: number;
  /** See {@linkcode SessionOptions.linger}. */
  readonly linger: number;
}

/** The times of a session that can change while it runs, in ms. */
export interface SessionTimes {
  idleTimeout: number;
  keepAlive: number;
  linger: number;
}

/** Largest memory limit in bytes: the largest arena. */
const MAX_MEMORY = 2 ** 30;
/**
 * Smallest memory limit in bytes. The buffers of a socket with batches of system calls take 640
 * KiB. The rest is enough for one connection.
 */
const MIN_MEMORY = 2 ** 20;

/** The settings of a session after the checks, apart from those of the encryption. */
export interface ResolvedSession {
  readonly times: SessionTimes;
  readonly timeWait: number;
  readonly memoryLimit: number;
  readonly fec: ResolvedFec | null;
  /** Settings of the KCP machine that can't change while it runs. */
  readonly fixed: Omit<KcpOptions, keyof KcpLiveOptions>;
  /** Settings of the KCP machine that can change while it runs. */
  readonly live: KcpLiveOptions;
}

/**
 * Checks the settings of a session, and fills in the defaults. The KCP machine checks its own.
 *
 * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range.
 */
export function resolveSession(options: SessionOptions): ResolvedSession {
  const {
    idleTimeout = 300_000,
    keepAlive = Infinity,
    linger = 5_000,
    timeWait = DEFAULT_TIME_WAIT,
    memoryLimit,
    fec,
    crypt: _crypt,
    entropy,
    replayWindow: _replayWindow,
    congestion,
    initialSndSn,
    initialRcvSn,
    initialTs = drawUint32(entropy),
    extensions = true,
    ...live
  } = options;
  if (entropy !== undefined && typeof entropy !== "function") {
    throw new TypeError(`Cannot set entropy to ${shown(entropy)}: it must be a function`);
  }
  if (typeof extensions !== "boolean") {
    throw new TypeError(`Cannot set extensions to ${shown(extensions)}: it must be a boolean`);
  }
  return {
    fec: resolveFec(fec),
    times: checkTimes({ idleTimeout, keepAlive, linger }),
    timeWait: checkTime("timeWait", timeWait, 0),
    memoryLimit: checkMemory(memoryLimit),
    fixed: { congestion, initialSndSn, initialRcvSn, initialTs, extensions },
    live,
  };
}

/** A random number, 0 to 4294967295; 0 without entropy. */
function drawUint32(entropy: Entropy | undefined): number {
  if (typeof entropy !== "function") return 0;
  const bytes = new Uint8Array(4);
  entropy(bytes);
  return new DataView(bytes.buffer).getUint32(0, true);
}

/**
 * Checks the times of a session, and copies them.
 *
 * @throws {TypeError | RangeError} When one has the wrong type or is out of its range.
 */
export function checkTimes({ idleTimeout, keepAlive, linger }: SessionTimes): SessionTimes {
  return {
    idleTimeout: checkTime("idleTimeout", idleTimeout),
    keepAlive: checkTime("keepAlive", keepAlive),
    linger: checkTime("linger", linger, 0),
  };
}

function checkTime(name: string, value: number, min = 1): number {
  if (typeof value !== "number") {
    throw new TypeError(`Cannot set ${name} to ${shown(value)}: it must be a number`);
  }
  if (!(value >= min)) {
    throw new RangeError(`Cannot set ${name} to ${value}: allowed are ${min} to Infinity`);
  }
  return value;
}

/**
 * Checks a memory limit, and fills in the default.
 *
 * @throws {TypeError | RangeError} When it has the wrong type or is out of its range.
 */
export function checkMemory(limit: number = MAX_MEMORY): number {
  if (typeof limit !== "number") {
    throw new TypeError(`Cannot set memoryLimit to ${shown(limit)}: it must be a number`);
  }
  if (!Number.isInteger(limit) || limit < MIN_MEMORY || limit > MAX_MEMORY) {
    throw new RangeError(
      `Cannot set memoryLimit to ${limit}: allowed are whole numbers ${MIN_MEMORY} to ${MAX_MEMORY}`,
    );
  }
  return limit;
}
