/** Windows that are remembered: more than are sent in the time in which losses are found. */
const WINDOWS = 16;
/** A window has at least this many segments, unless its phase ends before. */
const MIN_SEGMENTS = 64;
/** Losses of a window are known after this many round trips. */
const SETTLED = 1.75;
/** And at least this many ms after the first: timeouts are later. */
const SETTLED_MS = 60;
/** The estimate remembers about this many segments. */
const MEMORY = 1024;
/** Weight of what is lost at one time in the mean. */
const BATCH_WEIGHT = 1 / 16;
/** What windows with losses and a queue take of the estimate: the losses may be congestion. */
const DOUBT = 0.1;
/** A window of fewer segments takes less. */
const DOUBT_SEGMENTS = 64;
/** What a probe without a queue leaves of the trust in the estimate, and of the belief in it. */
const DISTRUST = 0.5;
/** Probes use a loss rate up to this in any case: it makes a flow send little more. */
const DOUBTFUL = 0.05;
/** Loss rate above the path's own that counts as congestion. Draft §2.6: LossThresh is 2 %. */
const LOSS_THRESH = 0.02;

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
 * A full queue loses segments while it is full. So segments that are lost while no queue stands are
 * lost by the path itself. Each window of sent segments counts what it sends and what of it is lost. A
 * window in which a queue stands at any time can only lower the estimate.
 *
 * To tell an empty queue from one that is full all the time, the estimate is not sure before a queue was
 * seen to grow, and gets less sure with each probe that does not lead to a queue. Probes use it anyway:
 * otherwise they would never fill a path that loses a third of what is sent. A probe that leads neither to
 * a queue nor to more losses makes probes use less of it. Where many flows keep a queue full, each of them
 * gets more when it sends more, and loses as much as before. If all of them believed in these losses, all
 * of them would send what is lost in addition, and the losses would stay.
 */
export class PathLoss {
  /** Loss rate, 0 to 1, if the queue is not full all the time. */
  rate = 0;
  readonly #limit: number;
  readonly #starts = new Float64Array(WINDOWS).fill(-Infinity);
  readonly #sent = new Float64Array(WINDOWS);
  readonly #lost = new Float64Array(WINDOWS);
  /** The longest smoothed round trip, in ms, while a window was sent. */
  readonly #rtts = new Float64Array(WINDOWS);
  readonly #sending = new Uint8Array(WINDOWS);
  readonly #queued = new Uint8Array(WINDOWS);
  /** Numbers of the present window and of the first one that is not settled. */
  #present = 0;
  #unsettled = 0;
  #lowest = 1;
  #sumSent = 0;
  #sumLost = 0;
  /** Bytes that were found to be lost at one time, their sum over such times, and that of their squares. */
  #batch = 0;
  #batchAt = -Infinity;
  #batches = 0;
  #batchSquares = 0;
  /** 0 until a queue was seen to come and go. */
  #trust = 0;
  /** The part of the estimate that probes use. */
  #belief = 1;

  /** @param limit Highest loss rate that may be the path's own. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether there is an estimate. */
  isKnown(mss: number): boolean {
    return this.#sumSent >= 2 * MIN_SEGMENTS * mss;
  }

  /** The lowest loss rate of a window in which the flow grew, at the start, if that was luck. */
  get lowest(): number {
    return Math.min(this.#lowest, this.rate);
  }

  /** The part of the loss rate that is sure. */
  get sure(): number {
    return this.rate * this.#trust;
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
    this.#sent[place] =
      this.#lost[place] =
      this.#queued[place] =
      this.#rtts[place] =
        0;
    this.#sending[place] = sending;
  }

  /** Notes sent bytes. */
  onSend(bytes: number): void {
    this.#sent[this.#present % WINDOWS] += bytes;
  }

  /** Notes that bytes which were sent at a time count as lost. */
  onLoss(now: number, sentAt: number, bytes: number): void {
    if (now !== this.#batchAt) {
      this.#batches += this.#batch - this.#batches * BATCH_WEIGHT;
      this.#batchSquares += this.#batch ** 2 - this.#batchSquares * BATCH_WEIGHT;
      this.#batch = 0;
      this.#batchAt = now;
    }
    this.#batch += bytes;
    const place = this.#find(sentAt);
    if (place >= 0) this.#lost[place] += bytes;
  }

  /**
   * Bytes that are lost together, as seen by a lost byte. A lost packet of acknowledgments looks like the
   * loss of all that it acknowledged.
   */
  #together(mss: number): number {
    return this.#batches > 0 ? Math.max(mss, this.#batchSquares / this.#batches) : mss;
  }

  /** Notes that bytes which counted as lost were only late. */
  onFound(bytes: number): void {
    let left = bytes;
    for (let i = this.#present; i >= this.#unsettled && left > 0; i--) {
      const found = Math.min(left, this.#lost[i % WINDOWS]);
      this.#lost[i % WINDOWS] -= found;
      left -= found;
    }
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
    if (queued) {
      if (place >= 0) this.#queued[place] = 1;
      this.#trust = 1;
    }
    const present = this.#present % WINDOWS;
    if (rtt > this.#rtts[present]) this.#rtts[present] = rtt;
    if (now - this.#starts[present] > rtt && this.#sent[present] > MIN_SEGMENTS * mss) {
      this.begin(now, this.#sending[present] as Sending);
    }
    while (this.#unsettled < this.#present) {
      const end = this.#starts[(this.#unsettled + 1) % WINDOWS];
      const longest = Math.max(rtt, this.#rtts[this.#unsettled % WINDOWS]);
      if (now < end + Math.max(SETTLED * longest, longest + SETTLED_MS)) break;
      this.#settle(this.#unsettled++ % WINDOWS, mss);
    }
  }

  #settle(place: number, mss: number): void {
    const sent = this.#sent[place];
    const lost = this.#lost[place];
    const sending = this.#sending[place];
    if (sent === 0 || sending === FASTER) return;
    const expected = this.#estimate * sent;
    if (lost < expected - 3 * Math.sqrt(expected * this.#together(mss))) {
      // The path does not always lose as much: the rest was congestion.
      this.#sumSent = sent;
      this.#sumLost = lost;
      this.#rate();
      return;
    }
    if (this.#queued[place] === 1) {
      if (sending !== GROWING && lost > expected / 2) {
        // Less than a byte is nothing.
        const doubt = DOUBT * Math.min(1, sent / (DOUBT_SEGMENTS * mss));
        this.#sumLost = this.#sumLost < 1 ? 0 : this.#sumLost * (1 - doubt);
        this.#rate();
      }
      return;
    }
    if (sending === GROWING) {
      // It may have been lucky, by two standard deviations.
      const luck = 2 * Math.sqrt((lost + mss) * this.#together(mss));
      this.#lowest = Math.min(this.#lowest, (lost + luck) / sent);
    }
    this.#sumSent += sent;
    this.#sumLost += lost;
    this.#rate();
    const memory = MEMORY * mss;
    if (this.#sumSent > memory) {
      this.#sumLost *= memory / this.#sumSent;
      this.#sumSent = memory;
    }
  }

  /** The loss rate of the windows that count. */
  get #estimate(): number {
    return this.#sumSent === 0 ? 0 : Math.min(this.#limit, this.#sumLost / this.#sumSent);
  }

  #rate(): void {
    this.rate = this.#estimate * this.#belief;
  }

  /**
   * A probe is over.
   *
   * @param queued Whether it led to a queue. Otherwise the queue may be full all the time.
   * @param excess Whether it led to more losses than the path's own.
   */
  onProbe(queued: boolean, excess: boolean): void {
    if (queued) this.#belief = 1;
    else {
      this.#trust *= DISTRUST;
      if (!excess && this.rate > DOUBTFUL) this.#belief *= DISTRUST;
    }
    this.#rate();
  }

  /**
   * The flow has found the bandwidth for the first time. It is known to be all that the path has if it led
   * to a queue. If not, others may keep the queue full, and no window so far shows anything.
   */
  onStartup(queued: boolean): void {
    if (!queued) {
      this.#sumSent = this.#sumLost = 0;
      this.#unsettled = this.#present;
      const present = this.#present % WINDOWS;
      this.#sent[present] = this.#lost[present] = 0;
    }
    this.onProbe(queued, false);
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
   * more than chance does, which is two or three standard deviations and a segment.
   *
   * @param lost Bytes that were lost.
   * @param flight Bytes that were in flight.
   * @param mss Bytes of a full segment.
   * @param queued Whether a queue stands. Otherwise losses that come together count as one.
   * @param own What of it the path loses itself: {@linkcode rate}, {@linkcode sure} or {@linkcode lowest}.
   */
  isExcess(lost: number, flight: number, mss: number, queued: boolean, own: number): boolean {
    const expected = flight * (own + LOSS_THRESH);
    const deviation = queued
      ? 2 * Math.sqrt(expected * mss)
      : 3 * Math.sqrt(expected * this.#together(mss));
    return lost > expected + deviation + mss;
  }
}
