import type { Clock } from "../connection/driver.ts";
import { shown } from "../session/shown.ts";
import { checkInteger, type MuxMachineOptions, resolveMuxOptions } from "./machine/options.ts";

/**
 * Settings of a {@linkcode Mux}. The peer needs the same `version`, and may have other settings.
 */
export interface MuxOptions extends Omit<MuxMachineOptions, "client" | "firstId"> {
  /**
   * How long (ms) a close may take to deliver what was written on the streams, 0 to `Infinity`.
   * After that, {@linkcode Mux.closed} rejects. Default: 5000.
   */
  readonly linger?: number;
}

/** Settings of a {@linkcode Mux} over a connection that exists. */
export interface MuxOverOptions extends MuxOptions {
  /** Whether this side is the client. The other side must be the server. */
  readonly client: boolean;
  /** A clock for this mux only; not used over a `Connection`. Default: that of the system. */
  readonly clock?: Clock;
}

/** The settings of a mux in force. */
export interface ResolvedMux {
  /** Settings of the machine of each session. */
  readonly machine: Omit<MuxMachineOptions, "client">;
  readonly linger: number;
}

/** Most sessions of a mux. */
const MAX_SESSIONS = 256;

/**
 * Takes the settings of a mux out of options.
 *
 * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range.
 */
export function splitMuxOptions<T extends MuxOptions>(
  options: T,
): [rest: Omit<T, keyof MuxOptions>, mux: ResolvedMux] {
  const {
    version,
    maxFrameSize,
    maxReceiveBuffer,
    maxStreamBuffer,
    autoTune,
    keepAliveInterval,
    keepAliveTimeout,
    stallGrace,
    acceptBacklog,
    maxIncomingStreams,
    resetCodes,
    linger = 5000,
    ...rest
  } = options;
  if (typeof linger !== "number") {
    throw new TypeError(`Cannot set linger to ${shown(linger)}: it must be a number`);
  }
  if (!(linger >= 0)) {
    throw new RangeError(`Cannot set linger to ${linger}: allowed are 0 to Infinity`);
  }
  const machine = {
    version,
    maxFrameSize,
    maxReceiveBuffer,
    maxStreamBuffer,
    autoTune,
    keepAliveInterval,
    keepAliveTimeout,
    stallGrace,
    acceptBacklog,
    maxIncomingStreams,
    resetCodes,
  };
  resolveMuxOptions({ client: true, ...machine });
  return [rest, { machine, linger }];
}

/** Checks a number of sessions. */
export function checkSessions(sessions: number): number {
  checkInteger("sessions", sessions, 1, MAX_SESSIONS);
  return sessions;
}
