/**
 * The records that a controller is told with, for tests that call it without a machine.
 *
 * @module
 */
import type { Loss, RateSample } from "../../../kcp/mod.ts";

/** A sample of one acknowledged segment of 1000 bytes, with a full window, and without a rate. */
export function sampleOf(fields: Partial<RateSample> = {}): RateSample {
  return {
    now: 0,
    acked: 1000,
    segments: 1,
    advanced: 1,
    deliveryRate: 0,
    delivered: 0,
    interval: 0,
    rtt: -1,
    lost: 0,
    priorInFlight: 1000,
    inFlight: 0,
    txInFlight: 1000,
    priorDelivered: 0,
    totalDelivered: 0,
    appLimited: false,
    windowLimited: true,
    roundStart: false,
    remoteWindow: 1000,
    ...fields,
  };
}

/** A segment of 1000 bytes that was skipped. */
export function lossOf(fields: Partial<Loss> = {}): Loss {
  return {
    now: 0,
    bytes: 1000,
    sentAt: 0,
    lost: 1000,
    txInFlight: 1000,
    inFlight: 0,
    span: 1,
    appLimited: false,
    timedOut: false,
    again: false,
    ...fields,
  };
}
