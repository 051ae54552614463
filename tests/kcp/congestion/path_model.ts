/**
 * A network of one bottleneck for tests of congestion controllers, without the state machine of KCP.
 *
 * Senders share a queue in front of a link. Each one has a controller and obeys it: the window, the
 * pacing rate, nothing else. Lost segments are sent again before new ones. Rate samples are made as
 * draft-ietf-ccwg-bbr-06 §4.1 says. Time is virtual, and the same seed gives the same run.
 *
 * @module
 */
import type {
  CongestionController,
  CongestionControllerFactory,
  Loss,
  RateSample,
} from "../../../kcp/congestion/controller.ts";
import { Random } from "../../../transport/link/random.ts";

/** The path that all flows share. Times in ms, sizes in bytes, rates in bytes per second. */
export interface PathOptions {
  readonly rate: number;
  /** Round-trip time of the empty path. */
  readonly rtt: number;
  /** Bytes that fit the queue. Further packets are dropped. */
  readonly queue: number;
  /** Probability that a packet is lost behind the queue. Default: 0. */
  readonly loss?: number;
  /** How long a receiver collects acknowledgments. Default: 0. */
  readonly ackDelay?: number;
  /** Longest random delay in addition, which never reorders packets. Default: 0. */
  readonly jitter?: number;
}

/** One sender. Times in ms, sizes in bytes. */
export interface FlowOptions {
  readonly create: CongestionControllerFactory;
  /** Bytes of a full segment. Default: 1400. */
  readonly mss?: number;
  /** When it starts. Default: 0. */
  readonly start?: number;
  /** When it stops to send new data. Default: never. */
  readonly stop?: number;
  /** Messages of `size` bytes, one each `interval` ms. Otherwise there is always data to send. */
  readonly messages?: { readonly size: number; readonly interval: number };
  /** Segments of the initial window. Default: 32. */
  readonly initial?: number;
  /** Added to the round-trip time of the path. Default: 0. */
  readonly extraRtt?: number;
  /** The timeout is never shorter. Default: 30. */
  readonly minRto?: number;
}

/** A later transmission that arrives shows a loss once it was sent this many later: RFC 9002 §6.1.1. */
const SKIPPED = 3;

interface Packet {
  readonly order: number;
  readonly data: number;
  readonly bytes: number;
  readonly sentAt: number;
  readonly createdAt: number;
  readonly delivered: number;
  readonly deliveredTime: number;
  readonly firstSentTime: number;
  readonly appLimited: boolean;
  readonly txInFlight: number;
  readonly lostBefore: number;
  state: "flying" | "lost" | "acked";
}

interface Waiting {
  readonly data: number;
  readonly bytes: number;
  readonly createdAt: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A sender with its receiver, and what came of it. */
export class Flow {
  readonly model: PathModel;
  readonly options: FlowOptions;
  readonly controller: CongestionController;
  readonly mss: number;
  /** Bytes that were sent, and those of different segments that arrived, from `measureFrom` on. */
  sent = 0;
  useful = 0;
  dropped = 0;
  /** Times from the creation of a segment to its arrival, in ms. Only of flows with messages. */
  readonly delays: number[] = [];
  /** Useful bytes of each 100 ms. */
  readonly progress: number[] = [];
  timeouts = 0;
  #inFlight = 0;
  #packets: Packet[] = [];
  #oldest = 0;
  #again: Waiting[] = [];
  #fresh: Waiting[] = [];
  #nextData = 0;
  #arrived = new Set<number>();
  #acked = new Set<number>();
  #resent = new Set<number>();
  #acking: Packet[] = [];
  #nextSend = 0;
  #wake = Infinity;
  #delivered = 0;
  #deliveredTime = 0;
  #firstSentTime = 0;
  #lost = 0;
  #appLimited = 0;
  #nextRound = 0;
  #highest = -1;
  #minRtt = Infinity;
  #srtt = 0;
  #rttvar = 0;
  #rtoAt = Infinity;
  #windowLimited = false;
  #idle = true;
  #sample: Mutable<RateSample>;
  #loss: Mutable<Loss>;

  constructor(model: PathModel, options: FlowOptions) {
    this.model = model;
    this.options = options;

    this.mss = options.mss ?? 1400;
    const initialWindow = (options.initial ?? 32) * this.mss;
    this.controller = options.create({ mss: this.mss, resend: 2, initialWindow });
    this.#sample = {} as Mutable<RateSample>;
    this.#loss = {} as Mutable<Loss>;
    model.at(options.start ?? 0, () => this.#start());
  }

  /** Bytes in flight. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** The smoothed round-trip time in ms. */
  get srtt(): number {
    return this.#srtt;
  }

  #start(): void {
    const { messages, stop = Infinity } = this.options;
    if (!messages) return this.#send();
    const { now } = this.model;
    if (now >= stop) return;
    this.write(messages.size);
    this.model.at(now + messages.interval, () => this.#start());
  }

  /** Sends a message. */
  write(bytes: number): void {
    const { now } = this.model;
    this.#checkAppLimited();
    for (let left = bytes; left > 0; left -= this.mss) {
      this.#fresh.push({ data: this.#nextData++, bytes: Math.min(left, this.mss), createdAt: now });
    }
    this.#send();
  }

  get #hasData(): boolean {
    const { messages, stop = Infinity } = this.options;
    return this.#again.length > 0 || this.#fresh.length > 0 ||
      !messages && this.model.now < stop;
  }

  #checkAppLimited(): void {
    if (!this.#hasData && this.#inFlight < this.controller.window) {
      this.#appLimited = Math.max(1, this.#delivered + this.#inFlight);
    }
  }

  #send(): void {
    const { now } = this.model;
    const { controller } = this;
    while (this.#hasData) {
      if (this.#inFlight >= controller.window) {
        this.#windowLimited = true;
        return;
      }
      if (this.#nextSend > now + 1e-9) {
        if (this.#wake > this.#nextSend || this.#wake <= now) {
          const wake = this.#wake = this.#nextSend;
          this.model.at(wake, () => {
            if (this.#wake !== wake) return;
            this.#wake = Infinity;
            this.#send();
          });
        }
        return;
      }
      let next = this.#again.shift() ?? this.#fresh.shift();
      next ??= { data: this.#nextData++, bytes: this.mss, createdAt: now };
      if (this.#acked.has(next.data)) continue;
      this.#transmit(next);
    }
    this.#checkAppLimited();
    this.#idle = this.#inFlight === 0;
  }

  #transmit({ data, bytes, createdAt }: Waiting): void {
    const { now } = this.model;
    if (this.#inFlight === 0) {
      this.#firstSentTime = this.#deliveredTime = now;
      if (this.#appLimited > 0) this.controller.onIdleRestart?.(now);
    }
    this.#inFlight += bytes;
    if (now >= this.model.measureFrom) this.sent += bytes;
    const packet: Packet = {
      order: this.#packets.length,
      data,
      bytes,
      createdAt,
      sentAt: now,
      delivered: this.#delivered,
      deliveredTime: this.#deliveredTime,
      firstSentTime: this.#firstSentTime,
      appLimited: this.#appLimited > 0,
      txInFlight: this.#inFlight,
      lostBefore: this.#lost,
      state: "flying",
    };
    this.#packets.push(packet);
    this.controller.onSend(now, bytes, this.#inFlight);
    const rate = this.controller.pacingRate;
    if (rate < Infinity) {
      this.#nextSend = Math.max(this.#nextSend, now) + bytes * 1000 / rate;
    }
    if (this.#rtoAt === Infinity) this.#armTimeout();
    const arrival = this.model.transmit(bytes, this.options.extraRtt ?? 0);
    if (arrival === -Infinity) {
      this.dropped++;
    } else if (arrival < Infinity) {
      this.model.at(arrival, () => this.#receive(packet));
    }
  }

  #receive(packet: Packet): void {
    const { now } = this.model;
    if (!this.#arrived.has(packet.data)) {
      this.#arrived.add(packet.data);
      if (now >= this.model.measureFrom) {
        this.useful += packet.bytes;
        if (this.options.messages) this.delays.push(now - packet.createdAt);
      }
      const slot = Math.floor(now / 100);
      while (this.progress.length <= slot) this.progress.push(0);
      this.progress[slot] += packet.bytes;
    }
    this.#acking.push(packet);
    if (this.#acking.length > 1) return;
    const delay = this.model.options.ackDelay ?? 0;
    this.model.at(now + delay, () => {
      const packets = this.#acking;
      this.#acking = [];
      const back = this.model.back(this.options.extraRtt ?? 0);
      this.model.at(back, () => this.#acknowledge(packets));
    });
  }

  /** RFC 6298, with a floor. */
  get #rto(): number {
    const { minRto = 30 } = this.options;
    if (this.#srtt === 0) return 200;
    return Math.max(minRto, this.#srtt + Math.max(10, 4 * this.#rttvar));
  }

  #armTimeout(): void {
    while (
      this.#oldest < this.#packets.length && this.#packets[this.#oldest].state !== "flying"
    ) this.#oldest++;
    const first = this.#packets[this.#oldest];
    this.#rtoAt = first ? Math.max(first.sentAt + this.#rto, this.model.now + 0.01) : Infinity;
    const at = this.#rtoAt;
    if (at === Infinity) return;
    this.model.at(at, () => {
      if (this.#rtoAt === at) this.#timeout();
    });
  }

  #timeout(): void {
    const { now } = this.model;
    let segments = 0;
    for (let i = this.#oldest; i < this.#packets.length; i++) {
      const packet = this.#packets[i];
      if (packet.sentAt + this.#rto > now + 1e-6) break;
      if (packet.state === "flying") {
        this.#lose(packet, true);
        segments++;
      }
    }
    if (segments > 0) {
      this.timeouts++;
      this.controller.onTimeout(now, segments, this.#inFlight);
    }
    this.#armTimeout();
    this.#send();
  }

  #lose(packet: Packet, timedOut: boolean): void {
    packet.state = "lost";
    this.#inFlight -= packet.bytes;
    this.#lost += packet.bytes;
    this.#again.push(packet);
    const again = this.#resent.has(packet.data);
    this.#resent.add(packet.data);
    const loss = this.#loss;
    loss.now = this.model.now;
    loss.bytes = packet.bytes;
    loss.sentAt = packet.sentAt;
    loss.lost = this.#lost - packet.lostBefore;
    loss.txInFlight = packet.txInFlight;
    loss.inFlight = this.#inFlight;
    loss.span = this.#packets.length - this.#oldest;
    loss.appLimited = packet.appLimited;
    loss.timedOut = timedOut;
    loss.again = again;
    this.controller.onLoss(loss);
  }

  #acknowledge(packets: Packet[]): void {
    const { now } = this.model;
    this.#checkAppLimited();
    const sample = this.#sample;
    const priorInFlight = this.#inFlight;
    let newest: Packet | null = null;
    let acked = 0;
    let segments = 0;
    let needless = 0;
    let rtt = -1;
    let longest = -1;
    for (const packet of packets) {
      rtt = now - packet.sentAt;
      if (rtt > longest) longest = rtt;
      const wasFlying = packet.state === "flying";
      packet.state = "acked";
      if (wasFlying) this.#inFlight -= packet.bytes;
      this.#highest = Math.max(this.#highest, packet.order);
      if (this.#acked.has(packet.data)) continue;
      this.#acked.add(packet.data);
      if (!wasFlying && this.#resent.has(packet.data)) needless++;
      acked += packet.bytes;
      segments++;
      this.#delivered += packet.bytes;
      this.#deliveredTime = now;
      if (!newest || packet.order > newest.order) newest = packet;
    }
    if (rtt >= 0) {
      this.#minRtt = Math.min(this.#minRtt, rtt);
      if (this.#srtt === 0) {
        this.#srtt = longest;
        this.#rttvar = longest / 2;
      } else {
        this.#rttvar += (Math.abs(longest - this.#srtt) - this.#rttvar) / 4;
        this.#srtt += (longest - this.#srtt) / 8;
      }
    }
    const before = this.#oldest;
    for (let i = this.#oldest; i < this.#highest - SKIPPED + 1; i++) {
      const packet = this.#packets[i];
      if (packet.state === "flying") this.#lose(packet, false);
      if (i === this.#oldest) this.#oldest++;
    }
    if (this.#appLimited > 0 && this.#delivered > this.#appLimited) this.#appLimited = 0;
    sample.now = now;
    sample.acked = acked;
    sample.segments = segments;
    sample.advanced = this.#oldest - before;
    sample.rtt = rtt;
    sample.priorInFlight = priorInFlight;
    sample.inFlight = this.#inFlight;
    sample.totalDelivered = this.#delivered;
    sample.remoteWindow = Infinity;
    sample.windowLimited = this.#windowLimited;
    this.#windowLimited = false;
    sample.deliveryRate =
      sample.delivered =
      sample.interval =
      sample.lost =
        0;
    sample.txInFlight = sample.priorDelivered = 0;
    sample.appLimited = sample.roundStart = false;
    if (newest) {
      const sendElapsed = newest.sentAt - newest.firstSentTime;
      const ackElapsed = now - newest.deliveredTime;
      this.#firstSentTime = newest.sentAt;
      sample.priorDelivered = newest.delivered;
      sample.lost = this.#lost - newest.lostBefore;
      sample.txInFlight = newest.txInFlight;
      sample.appLimited = newest.appLimited;
      sample.roundStart = newest.delivered >= this.#nextRound;
      if (sample.roundStart) this.#nextRound = this.#delivered;
      const interval = Math.max(sendElapsed, ackElapsed);
      if (interval >= this.#minRtt && interval > 0) {
        sample.delivered = this.#delivered - newest.delivered;
        sample.interval = interval;
        sample.deliveryRate = sample.delivered * 1000 / interval;
      }
    }
    if (needless > 0) this.controller.onNeedlessLoss?.(now, needless);
    this.controller.onAck(sample);
    this.model.onTrace?.(this, sample);
    this.#armTimeout();
    this.#send();
  }
}

/** The bottleneck, the clock, and all flows. */
export class PathModel {
  now = 0;
  /** What flows sent and received counts from this time on, in ms. */
  measureFrom = 0;
  /** Bytes of payload that left the queue, from `measureFrom` on. */
  carried = 0;
  /** Delays in the queue of the packets that left it, in steps of 1 ms, from `measureFrom` on. */
  readonly queueing: number[] = [];
  readonly flows: Flow[] = [];
  /** Called after each acknowledgment. */
  onTrace: ((flow: Flow, sample: RateSample) => void) | null = null;
  options: PathOptions;
  #random: Random;
  #heap: { at: number; order: number; run: () => void }[] = [];
  #order = 0;
  #busyUntil = 0;
  #lastArrival = 0;
  #lastBack = 0;

  constructor(options: PathOptions, seed: number | string = 1) {
    this.options = options;
    this.#random = new Random(seed);
  }

  /** Changes the path. Packets that wait in the queue keep their times. */
  configure(change: Partial<PathOptions>): void {
    this.options = { ...this.options, ...change };
  }

  /** Adds a sender. */
  add(options: FlowOptions): Flow {
    const flow = new Flow(this, options);
    this.flows.push(flow);
    return flow;
  }

  /** Passes a packet into the queue. Returns its arrival: never if lost, before if dropped. */
  transmit(bytes: number, extraRtt: number): number {
    const { rate, rtt, queue, loss = 0, jitter = 0 } = this.options;
    const lost = this.#random.next() < loss;
    const late = this.#random.next() * jitter;
    const wait = Math.max(0, this.#busyUntil - this.now);
    if (wait * rate / 1000 > queue) return -Infinity;
    this.#busyUntil = this.now + wait + bytes * 1000 / rate;
    if (this.now >= this.measureFrom) {
      this.carried += bytes;
      const slot = Math.floor(wait);
      this.queueing[slot] = (this.queueing[slot] ?? 0) + 1;
    }
    if (lost) return Infinity;
    const arrival = Math.max(this.#busyUntil + rtt / 2 + late, this.#lastArrival);
    this.#lastArrival = arrival;
    return arrival + extraRtt / 2;
  }

  /** When an acknowledgment that leaves now arrives. */
  back(extraRtt: number): number {
    this.#lastBack = Math.max(this.#lastBack, this.now + this.options.rtt / 2);
    return this.#lastBack + extraRtt / 2;
  }

  /** Mean delay in the queue in ms. */
  get meanQueue(): number {
    let sum = 0, count = 0;
    this.queueing.forEach((n, ms) => {
      sum += n * ms;
      count += n;
    });
    return count > 0 ? sum / count : 0;
  }

  /** Runs something later. */
  at(at: number, run: () => void): void {
    const heap = this.#heap;
    const event = { at: Math.max(at, this.now), order: this.#order++, run };
    let i = heap.length;
    heap.push(event);
    while (i > 0) {
      const parent = (i - 1) >>> 1;
      if (!before(event, heap[parent])) break;
      heap[i] = heap[parent];
      i = parent;
    }
    heap[i] = event;
  }

  /** Runs until a time in ms. */
  run(until: number): void {
    const heap = this.#heap;
    while (heap.length > 0 && heap[0].at <= until) {
      const { at, run } = heap[0];
      const last = heap.pop()!;
      const { length } = heap;
      if (length > 0) {
        let i = 0;
        for (;;) {
          let child = 2 * i + 1;
          if (child >= length) break;
          if (child + 1 < length && before(heap[child + 1], heap[child])) child++;
          if (!before(heap[child], last)) break;
          heap[i] = heap[child];
          i = child;
        }
        heap[i] = last;
      }
      this.now = at;
      run();
    }
    this.now = until;
  }
}

function before(a: { at: number; order: number }, b: { at: number; order: number }): boolean {
  return a.at < b.at || a.at === b.at && a.order < b.order;
}

/** A value that this share of the numbers does not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** Jain's index of fairness: 1 if all are equal, 1/n if one has all. */
export function jain(values: readonly number[]): number {
  const sum = values.reduce((a, b) => a + b, 0);
  return sum * sum / (values.length * values.reduce((a, b) => a + b * b, 0));
}
