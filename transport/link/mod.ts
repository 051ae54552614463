/**
 * Bad networks: links that lose, delay, reorder and corrupt packets, and a simulated network made
 * of such links. The proxy between real sockets is not exported here, because it runs on Deno only.
 *
 * @module
 */
export type { Attachment, EndpointMachine, PeerMachine } from "./attachment.ts";
export type { FakeTimers, FakeTimersOptions } from "./fake_timers.ts";
export type { LinkControl } from "./link_control.ts";
export {
  type BurstLoss,
  type LinkOptions,
  type LinkProfile,
  linkProfiles,
  type Reorder,
  type ResolvedLinkOptions,
} from "./link_options.ts";
export type { LinkStats } from "./link_stats.ts";
export {
  SimulatedNetwork,
  type SimulatedNetworkOptions,
  type TraceEntry,
} from "./simulated_network.ts";
