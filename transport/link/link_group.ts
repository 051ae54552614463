/**
 * Many links under one handle: one direction of a proxy, or all links of a simulated network.
 *
 * @module
 */

import { Link } from "./link.ts";
import type { LinkControl } from "./link_control.ts";
import { type LinkOptions, type ResolvedLinkOptions, resolveLinkOptions } from "./link_options.ts";
import { addLinkStats, emptyLinkStats, type LinkStats } from "./link_stats.ts";
import type { Random } from "./random.ts";

/**
 * Links that start with the same options. Each link has its own random stream, so packets on one
 * link do not change what another link draws. Each link also has its own queue and bandwidth.
 */
export class LinkGroup implements LinkControl {
  #options: ResolvedLinkOptions;
  #random: Random;
  #start: number;
  #down = false;
  #links = new Set<Link>();
  /** The sum of the counters of all removed links. */
  #removed: LinkStats = emptyLinkStats();

  /**
   * Makes a group without links.
   *
   * @param options What each link does.
   * @param random The random stream from which the stream of each link is forked.
   * @param start When the times of `blackouts` start to count on every link, in ms. Default: 0.
   * @throws {TypeError} If an option is unknown or has the wrong type.
   * @throws {RangeError} If an option is out of range.
   */
  constructor(options: LinkOptions, random: Random, start = 0) {
    this.#options = resolveLinkOptions(options);
    this.#random = random;
    this.#start = start;
  }

  /** The options of links opened from now on, with all defaults filled in. It is frozen. */
  get options(): ResolvedLinkOptions {
    return this.#options;
  }

  /**
   * Changes options of every link, and of links opened later, as {@linkcode Link.configure} does.
   * Options that `change` does not name stay as they are on each link.
   *
   * @param change The options to change. A member that is `undefined` goes back to its default.
   * @throws {TypeError} If an option is unknown or has the wrong type. Nothing is changed then.
   * @throws {RangeError} If an option is out of range. Nothing is changed then.
   */
  configure(change: LinkOptions): void {
    this.#options = resolveLinkOptions({ ...this.#options, ...change });
    for (const link of this.#links) link.configure(change);
  }

  /** Whether every link is cut. Setting it cuts or restores all links, also links opened later. */
  get down(): boolean {
    return this.#down;
  }

  set down(down: boolean) {
    this.#down = down;
    for (const link of this.#links) link.down = down;
  }

  /** The sum over all links that the group has had, computed at each call. */
  get stats(): LinkStats {
    const sum = { ...this.#removed };
    for (const link of this.#links) addLinkStats(sum, link.stats);
    return sum;
  }

  /**
   * Opens a link.
   *
   * @param label The label of its random stream. Two links with the same label behave alike.
   * @returns The link.
   */
  open(label: string): Link {
    const link = new Link(this.#options, this.#random.fork(label), this.#start);
    link.down = this.#down;
    this.#links.add(link);
    return link;
  }

  /**
   * Removes a link from the group. The `stats` of the group keep its counters. If the link is not
   * in the group, nothing happens.
   *
   * @param link The link.
   */
  remove(link: Link): void {
    if (this.#links.delete(link)) addLinkStats(this.#removed, link.stats);
  }
}
