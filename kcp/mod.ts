/**
 * KCP as a state machine without I/O. KCP is an ARQ protocol that uses more bandwidth for less
 * latency.
 *
 * Wire-compatible with the C reference (https://github.com/skywind3000/kcp) and with kcp-go.
 *
 * @module
 */
export { Arena } from "./arena.ts";
export type {
  BbrOptions,
  Congestion,
  CongestionAlgorithm,
  CongestionContext,
  CongestionController,
  CongestionControllerFactory,
  CongestionState,
  Loss,
  RateSample,
} from "./congestion/mod.ts";
export { BbrController, CubicController, ReferenceController } from "./congestion/mod.ts";
export { Kcp } from "./kcp.ts";
export type { DeadLink } from "./liveness.ts";
export type { MemoryWaiter } from "./memory_queue.ts";
export {
  fast,
  type KcpLiveOptions,
  type KcpOptions,
  type Mode,
  type NodelayOptions,
  normal,
  reference,
  type ResolvedKcpOptions,
  turbo,
} from "./options.ts";
export { PacketBatch, type PacketBatchOptions, type PacketLayer } from "./packet_batch.ts";
export type { CongestionStats, InputErrors, KcpStats } from "./stats.ts";
