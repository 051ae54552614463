/**
 * Congestion control: one controller a file, behind one interface.
 *
 * @module
 */
export type {
  CongestionContext,
  CongestionController,
  CongestionControllerFactory,
  CongestionState,
  Loss,
  RateSample,
} from "./controller.ts";
export { CubicController } from "./cubic.ts";
export { ReferenceController } from "./reference.ts";
