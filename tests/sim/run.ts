/**
 * One simulated conversation: two {@linkcode Kcp} machines, a network and two applications, all from one
 * seed, with the rules of the protocol checked at every step.
 *
 * @module
 */
import { AssertionError } from "@std/assert";
import type { KcpLiveOptions, KcpOptions } from "../../kcp/mod.ts";
import { Arena } from "../../kcp/mod.ts";
import { Link } from "../../transport/link/link.ts";
import type { LinkOptions } from "../../transport/link/mod.ts";
import { Random } from "../../transport/link/random.ts";
import { End, Network, patternByte } from "../kcp/harness.ts";

/** What a run did. */
export interface Result {
  /** The seed. */
  seed: number;
  /** A hash of every packet sent, with its sender and time: the same for the same seed. */
  hash: number;
  /** Packets sent by both ends. */
  packets: number;
  /** Payload bytes that both applications got. */
  bytes: number;
  /** Virtual time in ms. */
  time: number;
  /** Events. */
  steps: number;
  /** Whether an end took its peer for unreachable, which may only happen where a limit was set. */
  died: boolean;
  /** Whether bits were flipped on the way, against which plain KCP has no protection. */
  corrupt: boolean;
}

/** How an application sends and receives. */
type Mode = "message" | "stream" | "mixed";

/** A whole number from `min` to `max`, small ones as likely as large ones. */
function logarithmic(random: Random, min: number, max: number): number {
  return Math.min(max, Math.floor(min * ((max + 1) / min) ** random.next()));
}

function pick<T>(random: Random, values: readonly T[]): T {
  return values[random.below(values.length)];
}

function liveOptions(random: Random): KcpLiveOptions {
  const nodelay = pick(random, [0, 1, 2] as const);
  return {
    nodelay,
    interval: pick(random, [1, 10, 10, 20, 40, 100]),
    resend: pick(random, [0, 1, 2, 2, 3, 5]),
    nc: random.chance(0.6),
    mtu: random.chance(0.3) ? pick(random, [50, 51, 1400, 1500]) : logarithmic(random, 50, 1500),
    sndWnd: logarithmic(random, 1, 1024),
    rcvWnd: logarithmic(random, 1, 1024),
    fastlimit: random.below(8),
    ackNoDelay: random.chance(0.4),
    writeDelay: random.chance(0.2),
    pacingRate: random.chance(0.7) ? Infinity : logarithmic(random, 20_000, 20_000_000),
    burst: pick(random, [1, 2, 8, 64, 64, Infinity]),
    minRto: random.chance(0.7) ? undefined : logarithmic(random, 1, 300),
    copies: random.fork("copies").below(4),
    newCopies: Math.max(0, random.fork("new copies").below(8) - 4),
    rideAlong: Math.max(0, random.fork("ride-along").below(16) - 7),
  };
}

const SEQUENCE_NUMBERS = [0, 2 ** 31, 2 ** 32];
const CLOCKS = [0, -5000, 2 ** 31, 2 ** 32, 2 ** 40, 1.7e12];

function near(random: Random, edges: readonly number[]): number {
  const edge = pick(random, edges);
  return edge === 0 || edge === -5000 ? edge : edge - random.below(300);
}

function linkOptions(random: Random, corrupt: boolean): LinkOptions {
  return {
    loss: random.chance(0.3) ? 0 : 0.3 * random.next(),
    burstLoss: random.chance(0.8) ? undefined : { enter: 0.02, leave: 0.2, lossBad: 0.9 },
    latency: random.chance(0.2) ? 0 : logarithmic(random, 1, 200),
    jitter: random.chance(0.5) ? 0 : 40 * random.next(),
    reorder: random.chance(0.5)
      ? 0
      : { probability: 0.3 * random.next(), delay: 60 * random.next() },
    duplicate: random.chance(0.5) ? 0 : 0.2 * random.next(),
    corrupt: corrupt ? 0.1 : 0,
    bandwidth: random.chance(0.7) ? Infinity : logarithmic(random, 10_000, 2_000_000),
    queuePackets: random.chance(0.5) ? Infinity : logarithmic(random, 2, 200),
    blackouts: random.chance(0.8) ? [] : [[1000 * random.next(), 1000 + 3000 * random.next()]],
  };
}

/** One direction of the conversation: what one application sends and the other gets. */
class Flow {
  readonly from: End;
  readonly to: End;
  readonly mode: Mode;
  readonly total: number;
  readonly random: Random;
  /** Whether contents can be trusted to arrive. */
  readonly reliable: boolean;
  /** Bytes queued so far, and bytes taken out at the other end. */
  written = 0;
  taken = 0;
  /** Sizes of the messages that are under way, in message mode. */
  readonly sizes: number[] = [];
  readonly #buffer = new Uint8Array(255 * 1476);

  constructor(
    from: End,
    to: End,
    mode: Mode,
    total: number,
    random: Random,
    reliable: boolean,
  ) {
    this.from = from;
    this.to = to;
    this.mode = mode;
    this.total = total;
    this.random = random;
    this.reliable = reliable;
  }

  get done(): boolean {
    return this.written >= this.total;
  }

  get complete(): boolean {
    return this.done && this.taken === this.written && this.sizes.length === 0;
  }

  /** Sends something, if there is room. */
  send(): void {
    const { random, from: { kcp } } = this;
    const asMessage = this.mode === "message" || this.mode === "mixed" && random.chance(0.5);
    const size = random.chance(0.1)
      ? 0
      : random.chance(0.2)
      ? kcp.mss * (1 + random.below(3)) + random.below(3) - 1
      : random.chance(0.05)
      ? 255 * kcp.mss
      : logarithmic(random, 1, 4 * kcp.mss);
    const bytes = this.#buffer.subarray(0, Math.min(size, 255 * kcp.mss));
    for (let i = 0; i < bytes.length; i++) bytes[i] = patternByte(this.written + i);
    if (!asMessage) {
      this.written += kcp.write(bytes);
    } else if (kcp.send(bytes)) {
      this.written += bytes.length;
      if (this.mode === "message") this.sizes.push(bytes.length);
    }
  }

  /** Takes everything that has arrived, or a part of it if `greedy` is false. */
  receive(greedy: boolean): void {
    const { random, to: { kcp } } = this;
    const buffer = this.#buffer;
    for (;;) {
      let count: number;
      const whole = kcp.peekSize();
      if (this.mode === "message" || whole === 0 || this.mode === "mixed" && random.chance(0.3)) {
        if (whole > buffer.length) {
          if (!this.reliable) return;
          throw new AssertionError(`A message of ${whole} bytes arrived, no such was sent`);
        }
        count = kcp.recv(buffer);
        if (count < 0 && this.mode === "message") return;
        if (count >= 0 && this.mode === "message" && this.reliable) {
          const size = this.sizes.shift();
          if (count !== size) {
            throw new AssertionError(`A message of ${count} bytes arrived, ${size} were sent`);
          }
        }
        if (count < 0) count = kcp.read(buffer.subarray(0, 1 + random.below(3000)));
      } else {
        count = kcp.read(buffer.subarray(0, 1 + random.below(3000)));
      }
      if (this.reliable) {
        for (let i = 0; i < count; i++) {
          if (buffer[i] !== patternByte(this.taken + i)) {
            throw new AssertionError(
              `Byte ${this.taken + i} is ${buffer[i]}, sent was ${patternByte(this.taken + i)}`,
            );
          }
        }
      }
      this.taken += count;
      if (this.reliable && this.taken > this.written) {
        throw new AssertionError(`${this.taken} bytes arrived, ${this.written} were sent`);
      }
      if (count === 0 && whole !== 0 || !greedy) return;
    }
  }
}

/** The largest values that any setting of an end has had. */
class Bounds {
  readonly end: End;
  mtu = 0;
  smallestMtu = Infinity;
  sndWnd = 0;
  rcvWnd = 0;
  sndQueue = 0;

  constructor(end: End) {
    this.end = end;

    this.note();
  }

  note(): void {
    const { mtu, sndWnd, rcvWnd, sndQueue } = this.end.kcp.options;
    this.mtu = Math.max(this.mtu, mtu);
    this.smallestMtu = Math.min(this.smallestMtu, mtu);
    this.sndWnd = Math.max(this.sndWnd, sndWnd);
    this.rcvWnd = Math.max(this.rcvWnd, rcvWnd);
    this.sndQueue = Math.max(this.sndQueue, sndQueue);
  }

  #una = -1;
  #nxt = -1;

  /** Checks what must hold at any time. `mss` is the largest segment that either end can send. */
  check(mss: number, shared: boolean, died: boolean): void {
    const { kcp } = this.end;
    const { sndUna, sndNxt, rcvNxt, pendingAcks, stats } = kcp;
    const rule = (holds: boolean, what: string) => {
      if (!holds) throw new AssertionError(what);
    };
    if (this.#una >= 0 && !died) {
      rule((sndUna - this.#una | 0) >= 0, `snd_una went back from ${this.#una} to ${sndUna}`);
      rule((rcvNxt - this.#nxt | 0) >= 0, `rcv_nxt went back from ${this.#nxt} to ${rcvNxt}`);
    }
    this.#una = sndUna;
    this.#nxt = rcvNxt;
    rule((sndNxt - sndUna | 0) >= 0, `snd_nxt ${sndNxt} is before snd_una ${sndUna}`);
    // A message may have more fragments than the window; those then count as the window.
    const window = Math.max(255, this.rcvWnd);
    rule(
      stats.inFlight >= 0 && stats.inFlight <= this.sndWnd,
      `${stats.inFlight} segments in flight, sndWnd is ${this.sndWnd}`,
    );
    // A smaller MTU cuts each segment in the queue into several.
    this.smallestMtu = Math.min(this.smallestMtu, stats.pathMtu);
    const parts = Math.ceil((this.mtu - 24) / (this.smallestMtu - 24));
    rule(
      stats.sndQueue >= 0 && stats.sndQueue <= parts * this.sndQueue,
      `${stats.sndQueue} segments queued, sndQueue is ${this.sndQueue}`,
    );
    rule(
      stats.rcvQueue >= 0 && stats.rcvBuffer >= 0 && stats.rcvQueue + stats.rcvBuffer <= window,
      `${stats.rcvQueue} and ${stats.rcvBuffer} segments received, the window is ${window}`,
    );
    rule(
      pendingAcks >= 0 && pendingAcks <= 4 * Math.max(256, this.rcvWnd),
      `${pendingAcks} acknowledgments pending`,
    );
    rule(stats.bytesHeld >= 0, `${stats.bytesHeld} bytes held`);
    if (shared) return;
    // Queues are powers of two and may have grown to twice what they hold; so may blocks of one segment.
    const send = 4 * (this.sndQueue + this.sndWnd) * mss;
    const receive = 6 * window * Math.max(64, mss) + 4 * 65536;
    const limit = 65536 + 4096 + send + receive;
    rule(kcp.arena.used <= limit, `${kcp.arena.used} bytes are in use, at most ${limit} should be`);
  }
}

/**
 * Simulates the conversation of a seed.
 *
 * @param seed Any whole number.
 * @param log Gets a line for each thing that is drawn from the seed, and for each packet.
 * @returns What happened.
 * @throws {Error} When a rule is broken; the message begins with the seed.
 */
export function simulate(seed: number, log?: (line: string) => void): Result {
  let network: Network | undefined;
  try {
    return new Simulation(seed, log, (made) => network = made).run();
  } catch (error) {
    const at = network ? ` at ${network.now} ms` : "";
    if (network && log) {
      for (const [i, { kcp }] of [network.a, network.b].entries()) {
        const { sndUna, sndNxt, rcvNxt, deadline, dead } = kcp;
        log(
          `end ${i} stands at ${
            describe({ sndUna, sndNxt, rcvNxt, deadline, dead, ...kcp.stats })
          }`,
        );
      }
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `Seed ${seed} failed${at}: ${reason}. Replay: deno task sim --seed ${seed}`,
      { cause: error },
    );
  }
}

/** All that belongs to one run. */
class Simulation {
  readonly log: ((line: string) => void) | undefined;
  readonly result: Result;
  readonly #random: Random;
  readonly #network: Network;
  readonly #links: Link[];
  readonly #flows: Flow[];
  readonly #bounds: Bounds[];
  readonly #mortal: boolean;
  readonly #shared: boolean;
  readonly #calm: number;
  /** Whether faults are still to come or going on. */
  #faulty = true;

  constructor(
    seed: number,
    log: ((line: string) => void) | undefined,
    made: (network: Network) => void,
  ) {
    this.log = log;

    const random = this.#random = new Random(seed);
    const settings = random.fork("settings");
    const corrupt = settings.chance(0.1);
    this.result = { seed, hash: 0, packets: 0, bytes: 0, time: 0, steps: 0, died: false, corrupt };
    this.#mortal = settings.chance(0.15);
    this.#shared = settings.chance(0.2);
    // A dead link ends the run; so most have no such limit.
    const dead: KcpLiveOptions = this.#mortal ? {} : { deadLinkTime: Infinity };
    const sn = [near(settings, SEQUENCE_NUMBERS), near(settings, SEQUENCE_NUMBERS)];
    const options: KcpOptions[] = [0, 1].map((i) => ({
      ...liveOptions(settings),
      ...dead,
      initialSndSn: sn[i] >>> 0,
      initialRcvSn: sn[1 - i] >>> 0,
    }));
    const arena = this.#shared ? new Arena() : undefined;
    const ends = options.map((each) =>
      new End(each, arena, { packets: pick(settings, [1, 3, 256, 256]) })
    );
    for (const end of ends) {
      end.offset = near(settings, CLOCKS) + (settings.chance(0.3) ? settings.next() : 0);
      end.eager = settings.chance(0.5);
    }
    const links = [0, 1].map(() => linkOptions(settings, corrupt));
    this.#links = links.map((each, i) => new Link(each, random.fork(`link ${i}`)));
    for (let i = 0; i < 2; i++) {
      log?.(`end ${i}: ${describe(options[i])}, clock from ${ends[i].offset}`);
      log?.(`link from ${i}: ${describe(links[i])}`);
    }
    const [a, b] = ends;
    const network = this.#network = new Network(a, b, this.#links[0], this.#links[1]);
    made(network);
    this.#bounds = ends.map((end) => new Bounds(end));
    this.#flows = [0, 1].map((i) => {
      const mode = pick(settings, ["message", "stream", "mixed"] as const);
      const segments = settings.chance(0.1) ? 0 : logarithmic(settings, 1, 300);
      const total = segments * ends[i].kcp.mss;
      log?.(`application ${i}: ${mode}, ${total} bytes`);
      return new Flow(ends[i], ends[1 - i], mode, total, random.fork(`flow ${i}`), !corrupt);
    });
    this.#calm = logarithmic(settings, 200, 8000);
    log?.(`the network is good from ${this.#calm} ms on`);
    const recovery = settings.chance(0.3) ? 0.2 * settings.next() : 0;
    const recovers = random.fork("recovery");
    if (recovery > 0) network.recovered = () => recovers.chance(recovery);
    network.onTransmit = (from, packet) => this.#note(from, packet);
    network.onStep = () => this.#check();
    this.#plan(settings);
  }

  /** Puts all that the applications and the weather do in the network's calendar. */
  #plan(settings: Random): void {
    const network = this.#network;
    for (const flow of this.#flows) {
      const { random } = flow;
      const gap = settings.chance(0.3) ? 0 : 30 * settings.next();
      const act = () => {
        if (flow.done) return;
        const before = flow.written;
        for (let n = 1 + random.below(4); n > 0 && !flow.done; n--) flow.send();
        const pause = flow.written > before ? 0.1 + gap * random.next() : 50;
        network.at(network.now + pause, act);
      };
      network.at(20 * random.next(), act);
      const lazy = settings.chance(0.4) ? 200 * settings.next() : 0;
      const read = () => {
        flow.receive(lazy === 0 || !this.#faulty || random.chance(0.5));
        if (this.#faulty) network.at(network.now + 1 + lazy * random.next(), read);
      };
      network.at(0, read);
    }
    if (settings.chance(0.3)) {
      // Settings change while data is under way.
      for (let n = 0; n < 4; n++) {
        network.at(this.#calm * settings.next(), () => {
          const i = settings.below(2);
          const change = liveOptions(settings);
          for (const name of Object.keys(change) as (keyof KcpLiveOptions)[]) {
            if (settings.chance(0.6)) delete change[name];
          }
          this.log?.(`${network.now} end ${i} changes ${describe(change)}`);
          [network.a, network.b][i].kcp.configure(change);
          this.#bounds[i].note();
        });
      }
    }
    network.at(this.#calm, () => {
      this.#faulty = false;
      network.recovered = () => false;
      for (const link of this.#links) {
        link.configure({
          loss: 0,
          burstLoss: undefined,
          jitter: 0,
          reorder: 0,
          duplicate: 0,
          corrupt: 0,
          bandwidth: Infinity,
          queuePackets: Infinity,
          blackouts: [],
        });
      }
      this.log?.(`${network.now} the network is good now`);
    });
  }

  #note(from: End, packet: Uint8Array): void {
    const i = from === this.#network.a ? 0 : 1;
    const { result } = this;
    const { mtu } = this.#bounds[i];
    if (packet.length > mtu) {
      throw new AssertionError(`A packet of ${packet.length} bytes was sent, the MTU is ${mtu}`);
    }
    result.packets++;
    let hash = result.hash ^ Math.floor(this.#network.now * 1000) ^ i;
    for (let at = 0; at < packet.length; at++) hash = Math.imul(hash ^ packet[at], 0x01000193);
    result.hash = hash >>> 0;
    if (this.log) {
      const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
      const segments = [];
      for (let at = 0; at + 24 <= packet.length; at += 24 + view.getUint32(at + 20, true)) {
        const kind = ["PUSH", "ACK", "WASK", "WINS"][view.getUint8(at + 4) - 81];
        const [sn, una] = [view.getUint32(at + 12, true), view.getUint32(at + 16, true)];
        const length = view.getUint32(at + 20, true);
        segments.push(
          `${kind} sn ${sn} una ${una} wnd ${view.getUint16(at + 6, true)} len ${length}`,
        );
      }
      this.log(`${this.#network.now} end ${i} sends ${segments.join(" | ")}`);
    }
  }

  #check(): void {
    const { result } = this;
    const { a, b } = this.#network;
    if (++result.steps > 200_000) throw new AssertionError("200,000 events are not the end of it");
    const mss = Math.max(this.#bounds[0].mtu, this.#bounds[1].mtu) - 24;
    const died = result.died = a.kcp.dead !== null || b.kcp.dead !== null;
    for (const bounds of this.#bounds) bounds.check(mss, this.#shared, died);
    if (died && !this.#mortal) throw new AssertionError("An end died without a limit");
    // The application reads as soon as something arrives, once the faults are over.
    if (!this.#faulty) {
      for (const flow of this.#flows) {
        flow.receive(true);
        flow.to.serve(this.#network.now);
      }
    }
  }

  /** The time within which everything must have arrived, generously. */
  #limit(): number {
    let limit = this.#calm + 300_000;
    for (const { from, to, total } of this.#flows) {
      const { interval, mtu, pacingRate } = from.kcp.options;
      const segments = (total + 255 * 1476) / Math.min(26, mtu - 24);
      const roundTrip = 400 + interval + to.kcp.options.interval;
      limit += segments * roundTrip + total * 4 / pacingRate * 1000;
    }
    return limit;
  }

  run(): Result {
    const { result } = this;
    const network = this.#network;
    const { a, b } = network;
    const limit = this.#limit();
    const over = () => result.died || !this.#faulty && this.#flows.every((flow) => flow.complete);
    if (result.corrupt) {
      network.run(this.#calm + 5000, () => result.died);
    } else {
      network.run(limit, over);
      if (!over()) {
        const left = this.#flows.map((flow) => `${flow.taken} of ${flow.written}`);
        throw new AssertionError(`Not all has arrived after ${limit} ms: ${left.join(" and ")}`);
      }
      if (!result.died) this.#rest();
    }
    for (const flow of this.#flows) {
      result.bytes += flow.taken;
    }
    if (result.died) this.#checkDead();
    for (const end of [a, b]) end.kcp.close();
    const batches = this.#batches();
    if (a.kcp.arena.used !== batches || b.kcp.arena.used !== batches) {
      throw new AssertionError(
        `${a.kcp.arena.used} and ${b.kcp.arena.used} bytes are in use after close, not ${batches}`,
      );
    }
    result.time = network.now;
    return result;
  }

  #batches(): number {
    return this.#shared ? 2 * 65536 : 65536;
  }

  /** When all has arrived, both ends must come to rest, and hold nothing. */
  #rest(): void {
    const network = this.#network;
    const { a, b } = network;
    if (!network.run(network.now + 150_000)) {
      throw new AssertionError(`No rest: deadlines are ${a.deadline} and ${b.deadline}`);
    }
    for (const [i, { kcp }] of [a, b].entries()) {
      if (kcp.deadline !== Infinity) throw new AssertionError(`End ${i} waits for ${kcp.deadline}`);
      if (!kcp.drained) throw new AssertionError(`End ${i} has not drained`);
      kcp.trim();
    }
    const batches = this.#batches();
    if (a.kcp.arena.used !== batches || b.kcp.arena.used !== batches) {
      throw new AssertionError(
        `At rest, ${a.kcp.arena.used} and ${b.kcp.arena.used} bytes are in use, not ${batches}`,
      );
    }
  }

  #checkDead(): void {
    const { a, b } = this.#network;
    for (const end of [a, b]) {
      const { kcp, batch } = end;
      if (kcp.dead === null) continue;
      batch.clear();
      kcp.tick(end.now + 1e6);
      if (kcp.deadline !== Infinity || kcp.output(batch) !== 0 || kcp.send(new Uint8Array(1))) {
        throw new AssertionError("A dead end still does something");
      }
    }
  }
}

function describe(options: object): string {
  return Object.entries(options)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join(", ");
}
