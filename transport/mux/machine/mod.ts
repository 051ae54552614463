/**
 * The streams of smux as a state machine without I/O.
 *
 * @module
 */
export { MuxError, type MuxErrorKind, type MuxErrorOptions } from "./errors.ts";
export { MuxMachine, type MuxMachineState } from "./machine.ts";
export type { MuxMachineHandler } from "./notices.ts";
export type { MuxMachineOptions, ResolvedMuxMachineOptions } from "./options.ts";
export { type FrameOwner, OutputBatch } from "./output_batch.ts";
export type { MuxMachineStats } from "./stats.ts";
export type { MuxMachineStream, MuxOpenOptions, MuxStreamHandler } from "./stream_face.ts";
