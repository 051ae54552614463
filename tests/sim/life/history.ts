/**
 * What the path between one client and the server, and its ends, went through.
 *
 * @module
 */

/** Disturbances of one path, in ms of the network. */
export class History {
  /** When the first and the last disturbance happened: a lost packet, a frozen process, a move. */
  firstAt = Infinity;
  lastAt = -Infinity;
  /** When a packet was last lost by the path, and how many were. */
  lostAt = -Infinity;
  lost = 0;
  /** Whether the first packet of the client was lost. */
  firstLost = false;
  #clientSpoke = false;
  /** Disturbances that are no lost packets. */
  others = 0;
  /** Packets that vanished because they were longer than the path's MTU. */
  tooLarge = 0;
  /** When the path's MTU became smaller, or the applications set theirs. */
  mtuAt = -Infinity;
  /** When the client's address changed, and to which port. */
  movedAt = -Infinity;
  movedTo = 0;
  /** When the client first sent something after that which was not lost. */
  spokeAt = -Infinity;
  /** When the two could no longer reach each other, for good. */
  brokenAt = Infinity;
  /** The one outage of both directions, if there was one and nothing else. */
  outage: { readonly from: number; readonly to: number } | null = null;

  disturb(now: number): void {
    this.others++;
    this.firstAt = Math.min(this.firstAt, now);
    this.lastAt = Math.max(this.lastAt, now);
  }

  /** Notes a packet of the client, and whether it was lost. */
  clientSends(lost: boolean): void {
    if (!this.#clientSpoke) this.firstLost = lost;
    this.#clientSpoke = true;
  }

  lose(now: number): void {
    this.lost++;
    this.lostAt = now;
    this.disturb(now);
    this.others--;
  }

  /** Whether nothing but that outage happened. */
  get onlyOutage(): boolean {
    const { outage } = this;
    return outage !== null && this.firstAt >= outage.from && this.lastAt <= outage.to;
  }
}
