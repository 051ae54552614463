/**
 * The suite: what must hold on every runtime, written once. It uses nothing of one runtime.
 *
 * @module
 */
import { cipherChecks } from "./cipher_checks.ts";
import { endChecks } from "./end_checks.ts";
import { fecChecks } from "./fec_checks.ts";
import type { Check } from "./harness.ts";
import { kernelChecks } from "./kernel_checks.ts";
import { messageChecks } from "./message_checks.ts";
import { muxChecks } from "./mux_checks.ts";
import { peerChecks } from "./peer_checks.ts";
import { rootChecks } from "./root_checks.ts";
import { sessionChecks } from "./session_checks.ts";
import { simulationChecks } from "./simulation_checks.ts";
import { streamChecks } from "./stream_checks.ts";

export type { Face } from "./face.ts";
export { END_ROW, leave, peerOptions } from "./peer_checks.ts";
export { type Check, type Path, type Result, runChecks } from "./harness.ts";

/** The checks of connections, for adapters that have nothing else of their own. */
export const connectionSuite: readonly Check[] = [
  ...streamChecks,
  ...endChecks,
  ...messageChecks,
  ...muxChecks,
];

/** All checks, in the order in which they run. */
export const suite: readonly Check[] = [
  ...kernelChecks,
  ...rootChecks,
  ...connectionSuite,
  ...peerChecks,
  ...cipherChecks,
  ...fecChecks,
  ...sessionChecks,
  ...simulationChecks,
];
