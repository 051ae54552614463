/**
 * Congestion control: one controller a file, behind one interface.
 *
 * @module
 */
export type { CongestionController, CongestionControllerFactory } from "./controller.ts";
export { ReferenceController } from "./reference.ts";
