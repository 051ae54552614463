/**
 * KCP as a state machine without I/O. KCP is an ARQ protocol that uses more bandwidth for less
 * latency.
 *
 * Wire-compatible with the C reference (https://github.com/skywind3000/kcp) and with kcp-go.
 *
 * A {@linkcode Kcp} is one end of a conversation. The application hands it messages and the packets
 * that arrive, tells it the time, and sends the packets that it makes.
 *
 * @example Two ends, until everything is acknowledged
 * ```ts
 * import { Kcp, PacketBatch } from "@lowlatency/kcp/kcp";
 *
 * const alice = new Kcp(1);
 * const bob = new Kcp(1);
 *
 * // Sends what is due, over a network that takes no time.
 * function step(from: Kcp, to: Kcp, now: number): void {
 *   const batch = new PacketBatch({ arena: from.arena });
 *   from.tick(now);
 *   from.output(batch);
 *   for (const packet of batch) to.input(packet, now);
 * }
 *
 * alice.send(new TextEncoder().encode("hello"));
 * for (let now = 0; !alice.drained; now = Math.min(alice.deadline, bob.deadline)) {
 *   step(alice, bob, now);
 *   step(bob, alice, now);
 * }
 *
 * const message = new Uint8Array(bob.peekSize());
 * bob.recv(message);
 * console.log(new TextDecoder().decode(message)); // hello
 * ```
 *
 * @module
 */
export {
  /** The memory of payloads: one buffer that grows, cut into blocks. */
  Arena,
} from "./arena.ts";
export type {
  BbrOptions,
  /** Which congestion controller a machine has. */
  Congestion,
  /** The controllers of this library, by name. */
  CongestionAlgorithm,
  /** What a controller may want to know at its creation. */
  CongestionContext,
  /** Decides how many bytes may be in flight, and how fast they may leave. */
  CongestionController,
  /** Creates a controller for each machine. */
  CongestionControllerFactory,
  /** What a controller tells about itself. */
  CongestionState,
  /** One segment that counts as lost. */
  Loss,
  /** What one packet of acknowledgments shows of the path. */
  RateSample,
} from "./congestion/mod.ts";
export { BbrController, CubicController, ReferenceController } from "./congestion/mod.ts";
export { Kcp } from "./kcp.ts";
export type { DeadLink } from "./liveness.ts";
export type {
  /** Something that waits for a block of an arena. */
  MemoryWaiter,
} from "./memory_queue.ts";
export {
  /** The mode `fast` of kcptun. */
  fast,
  /** Settings of a machine that can change while it runs. */
  type KcpLiveOptions,
  /** Settings of a machine. */
  type KcpOptions,
  /** What a preset sets. */
  type Mode,
  /** The four settings that KCP implementations pass to `nodelay`. */
  type NodelayOptions,
  /** The mode in which only a timeout retransmits. */
  normal,
  /** The defaults of the C reference. */
  reference,
  /** All live settings with their values. */
  type ResolvedKcpOptions,
  /** The defaults without congestion control. */
  turbo,
} from "./options.ts";
export {
  /** Outgoing packets, one behind the other in one block of memory. */
  PacketBatch,
  /** Settings of a batch. */
  type PacketBatchOptions,
  /** An outer layer, which adds headers, trailers and packets of its own. */
  type PacketLayer,
} from "./packet_batch.ts";
export type {
  /** The state of congestion control. */
  CongestionStats,
  /** Invalid packets that a machine dropped, by their first error. */
  InputErrors,
  /** Counters and current values of a machine. */
  KcpStats,
} from "./stats.ts";
