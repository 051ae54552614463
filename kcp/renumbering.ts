import { OVERHEAD } from "./segment.ts";
import { MIN_UNHEEDED, type PathMtu } from "./path_mtu.ts";
import type { RemoteWindow } from "./remote_window.ts";
import type { SendBuffer } from "./send_buffer.ts";

/** How long a packet may be delayed, in RTOs and at least in ms. */
const DELAY_RTOS = 3;
const MIN_DELAY = 1_000;
/** With so many acknowledged segments and no loss among them, a path counts as free of loss. */
const FREE_OF_LOSS = 1_000;

/**
 * Decides when segments in flight that vanish may be cut anew under the same sequence numbers, for a
 * peer that does not know pieces.
 *
 * Such a peer must get each segment whole, so one that it has must never be replaced: the halves
 * would not fit the other segments. A segment without an acknowledgment may have arrived. So all of
 * this must be known:
 *
 * - The first of them, `una`, is missing: the peer has answered with this `una` and an open window.
 *   What was asked was sent after the last of them by the longest delay of a packet that is assumed.
 * - Nothing behind it is acknowledged, and all of it vanishes. So nothing but an acknowledgment that
 *   was lost can hide an arrival, of a segment that was sent before packets began to vanish while
 *   `una` was lost for another reason.
 * - That has not happened: nothing was sent behind `una`, or the path has lost nothing before.
 * - The segment before `una` ends a message, else the number of fragments is fixed.
 *
 * If one is missing, the segments are sent as they are until they pass.
 */
export class Renumbering {
  /** When the peer may be asked, in ms. Infinity if the segments may not be cut. */
  #askAt = Infinity;

  /** Whether all data waits for an answer. */
  get waiting(): boolean {
    return this.#askAt < Infinity;
  }

  /** When the peer may be asked, in ms. */
  get askAt(): number {
    return this.#askAt;
  }

  /** Decides whether data has to wait now. */
  update(buffer: SendBuffer, path: PathMtu, now: number, rto: number): void {
    if (!this.#isPossible(buffer, path)) this.#askAt = Infinity;
    else if (!this.waiting) this.#askAt = now + Math.max(DELAY_RTOS * rto, MIN_DELAY);
  }

  #isPossible(buffer: SendBuffer, path: PathMtu): boolean {
    const { una, nxt } = buffer;
    if (una === nxt || path.understood || !path.vanishes(OVERHEAD + buffer.length(una))) {
      return false;
    }
    if (buffer.frgBefore > 0) return false;
    const only = nxt === ((una + 1) | 0);
    if (!only && buffer.acknowledged - buffer.acknowledgedAtLoss < FREE_OF_LOSS) return false;
    for (let sn = una; sn !== nxt; sn = (sn + 1) | 0) {
      if (buffer.isAcked(sn) || !path.vanishes(OVERHEAD + buffer.length(sn))) return false;
    }
    return true;
  }

  /** Whether the segments in flight may be cut now: see above. */
  isAllowed(buffer: SendBuffer, path: PathMtu, remote: RemoteWindow): boolean {
    return this.waiting && path.answeredAt >= this.#askAt && path.unheeded >= MIN_UNHEEDED &&
      remote.una === buffer.una && remote.wnd > 0;
  }

  /** Lets no data wait. */
  stop(): void {
    this.#askAt = Infinity;
  }
}
