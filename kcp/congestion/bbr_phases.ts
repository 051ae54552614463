import { EQUAL, FASTER, GROWING, type Sending, SLOWER } from "./bbr_path_loss.ts";

// Phases. Draft §5.1.
export const STARTUP = "startup";
export const DRAIN = "drain";
export const DOWN = "down";
export const CRUISE = "cruise";
export const REFILL = "refill";
export const UP = "up";
export const PROBE_RTT = "probe_rtt";

/** What a phase does. */
interface PhaseRule {
  /** The pacing gain. */
  readonly gain: number;
  /** How fast it sends, compared with the path. */
  readonly sending: Sending;
}

/** What each phase does. Draft §5.6.1. */
export const PHASES = {
  // Draft §2.4: 4 ln 2, the smallest gain that doubles the rate each round.
  [STARTUP]: { gain: 2.77, sending: GROWING },
  [DRAIN]: { gain: 0.5, sending: SLOWER },
  [DOWN]: { gain: 0.9, sending: SLOWER },
  // It slows down if a queue grows.
  [CRUISE]: { gain: 1, sending: EQUAL },
  [REFILL]: { gain: 1, sending: EQUAL },
  // The probe sets it higher if there is reason to.
  [UP]: { gain: 1.25, sending: FASTER },
  [PROBE_RTT]: { gain: 1, sending: SLOWER },
} as const satisfies Record<string, PhaseRule>;

/** The name of a phase. */
export type Phase = keyof typeof PHASES;

/** Whether a phase is one of refilling the pipe and probing. */
export function isProbing(phase: Phase): boolean {
  return phase === REFILL || phase === UP;
}

/** Whether a phase is one of the cycle: draft §5.3.3. */
export function isCycling(phase: Phase): boolean {
  return isProbing(phase) || phase === DOWN || phase === CRUISE;
}
