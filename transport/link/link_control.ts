/**
 * The handle by which a link is changed and observed.
 *
 * @module
 */

import type { LinkOptions, ResolvedLinkOptions } from "./link_options.ts";
import type { LinkStats } from "./link_stats.ts";

/**
 * Changes one direction of a network path while it is in use, and shows what happened on it. A
 * simulated network has one for each pair of hosts, a proxy has one for each direction.
 *
 * @example
 * ```ts
 * import { type LinkControl, SimulatedNetwork } from "@lowlatency/kcp/simulated";
 *
 * const network = new SimulatedNetwork({ link: { latency: 20 } });
 * const up: LinkControl = network.link("10.0.0.2", "10.0.0.1");
 * up.configure({ loss: 0.5 });
 * console.log(up.options.loss, up.options.latency, up.stats.lost); // 0.5 20 0
 * ```
 */
export interface LinkControl {
  /** The options in force, with all defaults filled in. The object is frozen. */
  readonly options: ResolvedLinkOptions;

  /**
   * Changes options. Packets that the link has accepted keep their arrival times, and their order:
   * a later packet does not overtake them if the latency becomes shorter.
   *
   * @param change The options to change. A member that is `undefined` goes back to its default.
   * @throws {TypeError} If an option is unknown or has the wrong type. Nothing is changed then.
   * @throws {RangeError} If an option is out of range. Nothing is changed then.
   */
  configure(change: LinkOptions): void;

  /** Whether the link is cut: every packet sent now is lost. Packets sent before still arrive. */
  down: boolean;

  /** What happened so far. */
  readonly stats: Readonly<LinkStats>;
}
