/** Windows that are remembered: more than are sent in the time in which losses are found. */
const WINDOWS = 16;
/** A window has at least this many segments, unless its phase ends before. */
const MIN_SEGMENTS = 64;
/** Losses of a window are known after this many round trips. */
const SETTLED = 1.75;
/** The estimate remembers about this many segments. */
const MEMORY = 1024;
/** What a window with losses and a queue leaves of the estimate: they may be congestion. */
const DOUBT = 0.9;
/** Loss rate above the path's own that counts as congestion. Draft §2.6: LossThresh is 2 %. */
export const LOSS_THRESH = 0.02;

/** The flow sends slower than the path delivers: losses are the path's own. */
export const SLOWER = 0;
/** It sends as fast as the path delivers: congestion may add to the losses. */
export const EQUAL = 1;
/** It sends faster than the path delivers. */
export const FASTER = 2;
/** It grows, at the start. As long as no queue stands, losses are the path's own. */
export const GROWING = 3;

/** How fast the segments of a window were sent. */
export type Sending = typeof SLOWER | typeof EQUAL | typeof FASTER | typeof GROWING;

/**
 * The rate at which the path itself loses segments, whatever the flow does.
 *
 * Each window of sent segments counts what it sends and what of it is lost. Windows in which the flow
 * sends slower than the path delivers show the loss rate of the path. Windows in which it sends as
 * fast can only lower it: congestion may add to them. A window that ends with a standing queue says
 * nothing.
 */
export class PathLoss {
  /** Loss rate, 0 to 1. */
  rate = 0;
  readonly #limit: number;
  readonly #starts = new Float64Array(WINDOWS).fill(-Infinity);
  readonly #sent = new Float64Array(WINDOWS);
  readonly #lost = new Float64Array(WINDOWS);
  readonly #sending = new Uint8Array(WINDOWS);
  readonly #queued = new Uint8Array(WINDOWS);
  /** Numbers of the present window and of the first one that is not settled. */
  #present = 0;
  #unsettled = 0;
  #sumSent = 0;
  #sumLost = 0;

  /** @param limit Highest loss rate that may be the path's own. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether no window has begun. */
  get isNew(): boolean {
    return this.#present === 0;
  }

  /** Begins a window. */
  begin(now: number, sending: Sending): void {
    const place = ++this.#present % WINDOWS;
    this.#unsettled = Math.max(this.#unsettled, this.#present - WINDOWS + 1);
    this.#starts[place] = now;
    this.#sent[place] = this.#lost[place] = this.#queued[place] = 0;
    this.#sending[place] = sending;
  }

  /** Notes sent bytes. */
  onSend(bytes: number): void {
    this.#sent[this.#present % WINDOWS] += bytes;
  }

  /** Notes that bytes which were sent at a time count as lost. */
  onLoss(sentAt: number, bytes: number): void {
    const place = this.#find(sentAt);
    if (place >= 0) this.#lost[place] += bytes;
  }

  /** Notes that bytes which counted as lost were only late. */
  onFound(bytes: number): void {
    this.#sumLost = Math.max(0, this.#sumLost - bytes);
    this.#rate();
  }

  /**
   * Notes whether a queue stood when segments that were sent at a time passed, and judges the windows
   * of which all losses are known.
   *
   * @param now The time in ms.
   * @param sentAt When the segments were sent, in ms.
   * @param queued Whether a queue stood.
   * @param rtt The smoothed round-trip time in ms.
   * @param mss Bytes of a full segment.
   */
  onAck(now: number, sentAt: number, queued: boolean, rtt: number, mss: number): void {
    const place = this.#find(sentAt);
    if (place >= 0 && (queued || this.#sending[place] !== GROWING)) {
      this.#queued[place] = queued ? 1 : 0;
    }
    const present = this.#present % WINDOWS;
    if (now - this.#starts[present] > rtt && this.#sent[present] > MIN_SEGMENTS * mss) {
      this.begin(now, this.#sending[present] as Sending);
    }
    while (this.#unsettled < this.#present) {
      const end = this.#starts[(this.#unsettled + 1) % WINDOWS];
      if (now < end + SETTLED * rtt) break;
      this.#settle(this.#unsettled++ % WINDOWS, mss);
    }
  }

  #settle(place: number, mss: number): void {
    const sent = this.#sent[place];
    const lost = this.#lost[place];
    const sending = this.#sending[place];
    if (sent === 0 || sending === FASTER) return;
    const expected = this.rate * sent;
    const deviation = Math.sqrt(expected * mss);
    if (lost < expected - 3 * deviation) {
      // The path does not always lose as much: the rest was congestion.
      this.#sumSent = sent;
      this.#sumLost = lost;
      this.#rate();
      return;
    }
    if (this.#queued[place] === 1) {
      if (sending !== GROWING && lost > expected / 2) {
        this.#sumLost *= DOUBT;
        this.#rate();
      }
      return;
    }
    if (sending === EQUAL && lost > expected - 2 * deviation) return;
    this.#sumSent += sent;
    this.#sumLost += lost;
    this.#rate();
    const memory = MEMORY * mss;
    if (this.#sumSent > memory) {
      this.#sumLost *= memory / this.#sumSent;
      this.#sumSent = memory;
    }
  }

  #rate(): void {
    this.rate = this.#sumSent === 0 ? 0 : Math.min(this.#limit, this.#sumLost / this.#sumSent);
  }

  /** Place of the window in which something was sent. -1 if it is no longer known. */
  #find(sentAt: number): number {
    for (let i = this.#present; i > this.#present - WINDOWS && i >= 0; i--) {
      if (sentAt >= this.#starts[i % WINDOWS]) return i % WINDOWS;
    }
    return -1;
  }

  /**
   * Whether more was lost than the path's own loss rate explains: by 2 % of what was in flight, and by
   * more than chance does, which is two standard deviations and a segment.
   *
   * @param lost Bytes that were lost.
   * @param flight Bytes that were in flight.
   * @param mss Bytes of a full segment.
   */
  isExcess(lost: number, flight: number, mss: number): boolean {
    const expected = flight * (this.rate + LOSS_THRESH);
    return lost > expected + 2 * Math.sqrt(expected * mss) + mss;
  }
}
