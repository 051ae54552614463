/**
 * Many links under one handle: one direction of a proxy or of a simulated network.
 *
 * @module
 */

import { emptyLinkStats, Link, type LinkStats } from "./link.ts";
import { type LinkOptions, type ResolvedLinkOptions, resolveLinkOptions } from "./link_options.ts";
import type { Random } from "./random.ts";

/** What steers and shows a {@linkcode Link} or a {@linkcode LinkGroup}. */
export type LinkControl = Pick<Link, "options" | "configure" | "down" | "stats">;

/**
 * Links with the same options, each with a random stream of its own: what goes through one does not
 * shift what another draws. The queue and the bandwidth are each link's own, too.
 */
export class LinkGroup implements LinkControl {
  #options: ResolvedLinkOptions;
  #random: Random;
  #start: number;
  #down = false;
  #links = new Set<Link>();
  #retired: LinkStats = emptyLinkStats();

  /**
   * Makes a group without links.
   *
   * @param options What each link does.
   * @param random The stream that every link's stream is forked from.
   * @param start The time from which `blackouts` count, in ms, whenever a link is opened.
   * @throws {TypeError} If an option is unknown or has the wrong type.
   * @throws {RangeError} If an option is out of range.
   */
  constructor(options: LinkOptions, random: Random, start = 0) {
    this.#options = resolveLinkOptions(options);
    this.#random = random;
    this.#start = start;
  }

  /** The options in force, with every default filled in, frozen. */
  get options(): ResolvedLinkOptions {
    return this.#options;
  }

  /**
   * Changes options of every link, also of those that are opened later, as {@linkcode
   * Link.configure} does.
   *
   * @param change The options to change; a member that is `undefined` goes back to its default.
   * @throws {TypeError} If an option is unknown or has the wrong type. Nothing is changed then.
   * @throws {RangeError} If an option is out of range. Nothing is changed then.
   */
  configure(change: Partial<LinkOptions>): void {
    this.#options = resolveLinkOptions({ ...this.#options, ...change });
    for (const link of this.#links) link.configure(this.#options);
  }

  /** Whether everything that is sent is lost, on every link, also on those opened later. */
  get down(): boolean {
    return this.#down;
  }

  set down(down: boolean) {
    this.#down = down;
    for (const link of this.#links) link.down = down;
  }

  /** The sum over all links that the group ever had, counted now. */
  get stats(): LinkStats {
    const sum = { ...this.#retired };
    for (const link of this.#links) addLinkStats(sum, link.stats);
    return sum;
  }

  /**
   * Opens a link.
   *
   * @param label What its random stream is forked by. Two links with one label have the same fate.
   * @returns The link.
   */
  open(label: string): Link {
    const link = new Link(this.#options, this.#random.fork(label), this.#start);
    link.down = this.#down;
    this.#links.add(link);
    return link;
  }

  /**
   * Lets a link go; the group's `stats` keep what it did. A link that is not in the group is left
   * alone.
   *
   * @param link The link.
   */
  retire(link: Link): void {
    if (this.#links.delete(link)) addLinkStats(this.#retired, link.stats);
  }
}

/**
 * Adds counters to others.
 *
 * @param sum The counters to raise.
 * @param more By how much.
 */
export function addLinkStats(sum: LinkStats, more: Readonly<LinkStats>): void {
  for (const name of Object.keys(more) as (keyof LinkStats)[]) sum[name] += more[name];
}
