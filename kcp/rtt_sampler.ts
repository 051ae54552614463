import { distance, MAX_ECHO_LEAD, timestamp } from "./segment.ts";
import type { SendBuffer } from "./send_buffer.ts";

/**
 * Takes round-trip samples from acknowledgments.
 *
 * An acknowledgment echoes the `ts` of the transmission that arrived. So a segment that was sent
 * more than once gives a sample too, unlike in Karn's algorithm (RFC 6298 §3).
 */
export class RttSampler {
  readonly #send: SendBuffer;
  /**
   * The newest segment that `una` acknowledged. Its own acknowledgment may arrive after data that
   * was sent later but carried a newer `una`: the time of that packet gives the sample then.
   */
  #sn = 0;
  #sentAt = -Infinity;
  #ackedAt = -Infinity;
  #pending = false;

  constructor(send: SendBuffer) {
    this.#send = send;
  }

  /**
   * The round-trip time in ms that the acknowledgment of a segment in flight shows. -1 if no
   * transmission of the segment can have had this `ts`.
   */
  sample(sn: number, ts: number, now: number): number {
    const send = this.#send;
    const sentAt = send.sentAt(sn);
    if (distance(ts, timestamp(sentAt)) === 0) {
      send.noteArrived(sn, now);
      return now - sentAt;
    }
    // A repeated acknowledgment that could not add all the time since its segment arrived.
    if (send.wasSentAt(sn, (ts - MAX_ECHO_LEAD) | 0)) return -1;
    const rtt = distance(timestamp(now), ts);
    if (rtt < 0 || rtt > now - send.firstSentAt(sn) + 1) return -1;
    send.noteEarlierArrived(sn, ts, rtt, now);
    return rtt;
  }

  /** Remembers segment `sn`, the newest that an `una` acknowledges now. */
  remember(sn: number, now: number): void {
    const send = this.#send;
    if (send.isAcked(sn)) return;
    this.#sn = sn;
    // If the segment was sent again, `una` may acknowledge any of its transmissions. Only the echo of
    // the first one shows then that it was that one. Without such samples, a timeout that is too short
    // would never grow: it sends each segment again before its acknowledgment comes.
    this.#sentAt = send.firstSentAt(sn);
    this.#ackedAt = now;
    this.#pending = true;
  }

  /**
   * The round-trip time in ms of the remembered segment, if the acknowledgment is its. -1 if not.
   */
  sampleRemembered(sn: number, ts: number): number {
    if (!this.#pending || sn !== this.#sn) return -1;
    this.#pending = false;
    return distance(ts, timestamp(this.#sentAt)) === 0 ? this.#ackedAt - this.#sentAt : -1;
  }
}
