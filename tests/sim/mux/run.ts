/**
 * Two machines of the mux and the connection between them, from one seed.
 *
 * What must hold: the bytes of every stream are exact, in order and there once; an end is seen only
 * behind all bytes; a stream that was neither broken nor ignored comes to its end, whatever the
 * others do; memory stays within its bound; handlers are told of everything; and the session ends
 * as it was ended.
 *
 * @module
 */
import { Random } from "../../../transport/link/random.ts";
import {
  MuxMachine,
  type MuxMachineOptions,
  type MuxMachineStats,
} from "../../../transport/mux/machine/mod.ts";
import { End, type EndPlan, type StreamRecord } from "./end.ts";
import { Pipe, type PipeOptions } from "./pipe.ts";

/** Bytes of blocks that may go beyond the limit: two of the largest. */
const OVERSHOOT = 2 * 65_536;

/** How the session ends. */
const ENDINGS = ["none", "none", "none", "close", "abort", "end", "fail", "silence"] as const;
type Ending = typeof ENDINGS[number];

/** What a run has done. */
export interface MuxResult {
  /** Virtual time, in ms. */
  readonly time: number;
  readonly bytes: number;
  readonly frames: number;
  readonly streams: number;
  /** How often what happened. */
  readonly counts: readonly (readonly [string, number])[];
  /** A digest of the run: the same seed gives the same. */
  readonly hash: string;
}

function pick<T>(random: Random, values: readonly T[]): T {
  return values[random.below(values.length)];
}

function logarithmic(random: Random, min: number, max: number): number {
  return Math.min(max, Math.floor(min * ((max + 1) / min) ** random.next()));
}

function drawOptions(random: Random, version: 1 | 2): Omit<MuxMachineOptions, "client"> {
  const maxReceiveBuffer = random.chance(0.3) ? 4_194_304 : logarithmic(random, 500, 500_000);
  return {
    version,
    maxFrameSize: random.chance(0.3) ? 32_768 : pick(random, [1, 7, 500, 1400, 65_535]),
    maxReceiveBuffer,
    maxStreamBuffer: logarithmic(random, Math.min(2000, maxReceiveBuffer), maxReceiveBuffer),
    autoTune: random.chance(0.7),
    stallGrace: pick(random, [0, 10, 200, 2000, 5000]),
    acceptBacklog: random.chance(0.9) ? 1024 : 1 + random.below(4),
    maxIncomingStreams: random.chance(0.9) ? 65_536 : 1 + random.below(4),
  };
}

function drawPlan(
  random: Random,
  { maxFrameSize }: Omit<MuxMachineOptions, "client">,
  broken: boolean,
): EndPlan {
  const most = maxFrameSize! < 100 ? 1500 : random.chance(0.1) ? 400_000 : 30_000;
  return {
    opens: logarithmic(random, 1, 12),
    writeSize: logarithmic(random, 1, 40_000),
    total: logarithmic(random, 1, most),
    resets: broken && random.chance(0.5) ? 0.03 : 0,
    stops: broken && random.chance(0.3) ? 0.02 : 0,
    withdrawals: random.chance(0.3) ? 0.05 : 0,
    ignored: random.chance(0.3) ? 0.4 : 0,
    slow: random.chance(0.5) ? 0.3 : 0,
    coupled: 0,
    groups: random.chance(0.7) ? 1 : 3,
  };
}

function drawPipe(random: Random): PipeOptions {
  const narrow = random.chance(0.1);
  return {
    latency: random.chance(0.2) ? 0 : logarithmic(random, 1, narrow ? 3 : 200),
    rate: logarithmic(random, 50, 100_000),
    // A note at the end of a session needs 536 bytes.
    capacity: narrow ? 536 + random.below(1000) : logarithmic(random, 10_000, 1_000_000),
    writeTime: random.chance(0.5) ? 0 : narrow ? 2 : 20,
    packet: random.fork("packet").chance(0.5) ? Infinity : 1400,
  };
}

/**
 * Runs a seed.
 *
 * @throws {Error} When a rule is broken; the message says which seed to run again.
 */
export function simulateMux(seed: number, log: (text: string) => void = () => {}): MuxResult {
  const world = new World(seed, log);
  try {
    return world.run();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`Seed ${seed} failed: ${reason}`, { cause: error });
  }
}

class World {
  readonly #random: Random;
  readonly #ends: readonly [End, End];
  readonly #pipes: readonly [Pipe, Pipe];
  readonly #ending: Ending;
  readonly #ours: boolean;
  readonly #log: (text: string) => void;
  readonly #counts = new Map<string, number>();
  /** The end that ends the session. */
  readonly #who: End;
  readonly #code: number;
  readonly #grace: number;
  #now = 0;
  #ended = false;
  /** Whether the end was a close that could not deliver everything. */
  #aborted = false;
  #steps = 0;

  constructor(seed: number, log: (text: string) => void) {
    const random = this.#random = new Random(`mux ${seed}`);
    const version = random.chance(0.5) ? 1 : 2;
    this.#ours = random.chance(0.6);
    const broken = random.chance(0.6);
    const settings = [drawOptions(random, version), drawOptions(random, version)];
    const plans = settings.map((each) => drawPlan(random, each, broken));
    // One end alone may read only after it has written: two would wait for each other. Version 1
    // has no credit: there, one alone stops the session.
    if (version === 2 && random.chance(0.5)) {
      const one = random.below(2);
      plans[one] = { ...plans[one], coupled: 0.7 };
    }
    const ends = settings.map((each, i) => {
      const client = i === 0;
      const machine = new MuxMachine({ ...each, client, resetCodes: this.#ours }, 0);
      machine.rtt = random.chance(0.5) ? 0 : random.below(300);
      const name = client ? "client" : "server";
      return new End(name, machine, client, plans[i], random.fork(name), log);
    });
    this.#grace = Math.max(...settings.map((each) => each.stallGrace!));
    this.#ends = ends as [End, End];
    const [client, server] = this.#ends;
    this.#pipes = [
      new Pipe(client.machine, server.machine, drawPipe(random), random.fork("up")),
      new Pipe(server.machine, client.machine, drawPipe(random), random.fork("down")),
    ];
    this.#ending = pick(random, ENDINGS);
    this.#who = pick(random, this.#ends);
    this.#code = random.below(1000);
    this.#log = log;
    for (const { machine, name } of this.#ends) {
      log(`${name}: ${JSON.stringify({ ...machine.options, rtt: machine.rtt })}`);
    }
  }

  run(): MuxResult {
    const busy = 2000 * this.#random.next() ** 2;
    this.#runUntil(busy, () => false);
    if (this.#ending !== "none") this.#end();
    for (const end of this.#ends) end.finish();
    const limit = this.#now + 600_000;
    // A close waits for those that never read, and for credit of streams that the peer has cut
    // without a code. Its user does not wait for ever.
    const waits = this.#ending === "close" && (this.#neverRead() || !this.#ours);
    const linger = waits ? this.#now + 60_000 : limit;
    if (!this.#runUntil(linger, () => this.#finished())) {
      if (linger === limit || this.#who.machine.state !== "closing") this.#stuck();
      this.#count("aborted after a close");
      this.#aborted = true;
      this.#who.machine.abort(this.#code, "no");
      if (!this.#runUntil(limit, () => this.#finished())) this.#stuck();
    }
    this.#check();
    return this.#result();
  }

  /** Runs until a time, or until all is done. */
  #runUntil(limit: number, done: () => boolean): boolean {
    for (;;) {
      this.#step();
      if (done()) return true;
      let next = limit;
      for (const pipe of this.#pipes) next = Math.min(next, pipe.deadline);
      for (const end of this.#ends) next = Math.min(next, end.nextAt, end.machine.deadline);
      if (next >= limit) {
        this.#now = Math.max(this.#now, limit);
        return false;
      }
      if (next < this.#now && ++this.#steps > 1000) throw new Error(`Time stands at ${this.#now}`);
      if (next > this.#now) this.#steps = 0;
      this.#now = Math.max(this.#now, next);
    }
  }

  #step(): void {
    const now = this.#now;
    for (const end of this.#ends) {
      end.now = now;
      if (end.machine.deadline <= now) end.machine.tick(now);
      if (end.nextAt <= now) end.act(now);
    }
    for (const pipe of this.#pipes) pipe.run(now);
    for (const end of this.#ends) {
      const { buffered, memoryLimit, options, acceptable, streams } = end.machine;
      if (buffered > memoryLimit + OVERSHOOT) {
        end.fail(`${buffered} bytes of memory are in use, the limit is ${memoryLimit}`);
      }
      if (acceptable > options.acceptBacklog) end.fail(`${acceptable} streams wait`);
      if (streams > options.maxIncomingStreams + end.plan.opens) end.fail(`${streams} streams`);
    }
    this.#passOnEnd();
  }

  /** When one machine has ended and sent everything, the connection below ends for the other. */
  #passOnEnd(): void {
    this.#ends.forEach((end, i) => {
      const other = this.#ends[1 - i];
      if (end.machine.state !== "closed" || other.machine.state === "closed") return;
      if (end.machine.hasOutput || !this.#pipes[i].empty || this.#pipes[i].cut) return;
      other.machine.inputEnd(this.#now);
    });
  }

  #end(): void {
    const { machine, name } = this.#who;
    this.#ended = true;
    this.#log(`${name}: ${this.#ending} at ${this.#now}`);
    if (machine.state !== "open") return;
    if (this.#ending === "close") machine.close(this.#code, "enough");
    else if (this.#ending === "abort") machine.abort(this.#code, "no");
    else if (this.#ending === "end") machine.inputEnd(this.#now);
    else if (this.#ending === "fail") machine.fail(new Error("broken"));
    else for (const pipe of this.#pipes) pipe.cut = true;
  }

  #finished(): boolean {
    if (this.#ended) return this.#ends.every(({ machine }) => machine.state === "closed");
    return this.#pipes.every((pipe) => pipe.empty) &&
      this.#pairs().every(([a, b]) => this.#arrived(a, b) && this.#arrived(b, a));
  }

  /** Both ends of each stream that both know. */
  *#each(): Generator<[StreamRecord, StreamRecord | undefined]> {
    const [client, server] = this.#ends;
    for (const record of client.records.values()) {
      yield [record, server.records.get(record.stream.id)];
    }
    for (const record of server.records.values()) {
      if (!client.records.has(record.stream.id)) yield [record, undefined];
    }
  }

  #pairs(): [StreamRecord, StreamRecord][] {
    return [...this.#each()].filter((pair): pair is [StreamRecord, StreamRecord] => !!pair[1]);
  }

  /** Whether what one end has written on a stream has come to its end at the other. */
  #arrived(from: StreamRecord, to: StreamRecord): boolean {
    if (excused(from, to)) return true;
    return from.closedWrite && to.sawEnd && to.read === from.written;
  }

  #stuck(): never {
    for (const [a, b] of this.#pairs()) {
      for (const [from, to] of [[a, b], [b, a]]) {
        if (this.#arrived(from, to)) continue;
        const { stream } = from;
        throw new Error(
          `Stream ${stream.id} does not end: ${from.written} bytes written, ${stream.sent} sent, ` +
            `${stream.queued} queued, credit ${stream.credit}, ${to.read} read, ` +
            `${to.stream.readable} readable, ended: ${from.closedWrite}, seen: ${to.sawEnd}`,
        );
      }
    }
    const states = this.#ends.map(({ machine }) => machine.state);
    throw new Error(`The session does not end: ${states}`);
  }

  #check(): void {
    for (const end of this.#ends) {
      for (const record of end.records.values()) {
        if (record.reading !== "never") end.readAll(record);
      }
      if ((end.machine.state === "closed" ? 1 : 0) !== end.told) {
        end.fail(`the handler was told ${end.told} times that the session has ended`);
      }
    }
    for (const [a, b] of this.#each()) {
      if (b) {
        this.#checkFlow(a, b);
        this.#checkFlow(b, a);
      }
    }
    this.#checkEnd();
    if (!this.#ended) this.#checkClean();
  }

  #checkFlow(from: StreamRecord, to: StreamRecord): void {
    const { id } = from.stream;
    if (to.read > from.written) throw new Error(`${id}: ${to.read} bytes of ${from.written}`);
    const whole = from.closedWrite && to.read === from.written;
    const strange = !this.#ours && from.resetCode >= 0;
    const cutHere = from.stream.writeError?.kind === "stalled" ||
      from.stream.readError?.kind === "stalled";
    if (to.sawEnd && !whole && !strange && !(cutHere && !this.#ours)) {
      throw new Error(`${id}: the end came behind ${to.read} of ${from.written} bytes`);
    }
    const error = to.stream.readError;
    this.#count(`read error: ${error?.kind ?? "none"}`);
    if (error?.kind === "reset" && !this.#ended && error.closeCode !== from.resetCode) {
      throw new Error(`${id}: reset with ${error.closeCode}, not ${from.resetCode}`);
    }
    const stopped = from.stream.writeError;
    if (stopped?.kind === "reset" && !this.#ended && stopped.closeCode !== to.stopCode) {
      throw new Error(`${id}: stopped with ${stopped.closeCode}, not ${to.stopCode}`);
    }
    const eager = [from, to].every(({ reading }) => reading === "told" || reading === "coupled");
    if (error?.kind === "stalled" && eager) {
      throw new Error(`${id}: cut, although both ends read`);
    }
    if (error?.kind === "flow" || error?.kind === "protocol") throw error;
  }

  #checkEnd(): void {
    const peer = this.#who === this.#ends[0] ? this.#ends[1] : this.#ends[0];
    this.#count(`ending: ${this.#ending}`);
    if (!this.#ended) {
      for (const end of this.#ends) if (end.machine.error) throw end.machine.error;
      return;
    }
    if (this.#ending === "silence") {
      for (const end of this.#ends) {
        if (end.machine.error?.kind !== "unreachable") {
          end.fail(`${end.machine.error}, not unreachable`);
        }
      }
      return;
    }
    const told = this.#ending === "close" || this.#ending === "abort";
    if (told && this.#ours) {
      const { error } = peer.machine;
      if (error?.kind !== "reset" || error.closeCode !== this.#code) {
        peer.fail(`${error}, not closed with ${this.#code}`);
      }
    }
    for (const end of this.#ends) {
      for (const { stream, closes } of end.records.values()) {
        if (!stream.closed || closes !== 1) end.fail(`${stream.id} was closed ${closes} times`);
      }
    }
    if (this.#ending !== "close" || this.#aborted) return;
    // What was written before the close was delivered.
    for (const [id, from] of this.#who.records) {
      const to = peer.records.get(id);
      if (!to || excused(from, to) || to.read === from.written) continue;
      throw new Error(`${id}: closed, and ${to.read} of ${from.written} bytes were delivered`);
    }
  }

  /** Whether there is a stream that nobody reads. */
  #neverRead(): boolean {
    return [...this.#each()].some(([a, b]) => a.reading === "never" || b?.reading === "never");
  }

  /** Nothing is left behind. */
  #checkClean(): void {
    const [client, server] = this.#ends;
    const refused = client.machine.stats.refused + server.machine.stats.refused > 0;
    const broken = [...this.#each()].some(([a, b]) => !b || excused(a, b) || excused(b, a));
    if (this.#neverRead() || refused || broken) return;
    for (const { machine, name } of this.#ends) {
      if (machine.streams !== 0) throw new Error(`${name}: ${machine.streams} streams are left`);
      if (machine.buffered !== 0) throw new Error(`${name}: ${machine.buffered} bytes are left`);
    }
    const sent = client.machine.stats, got = server.machine.stats;
    const same = (a: MuxMachineStats, b: MuxMachineStats) =>
      a.bytesSent === b.bytesReceived && a.framesSent === b.framesReceived &&
      a.dataSent === b.dataReceived;
    if (!same(sent, got) || !same(got, sent)) throw new Error("The counts of both ends differ");
    this.#count("clean");
  }

  #count(what: string, by = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + by);
  }

  #result(): MuxResult {
    const parts: unknown[] = [this.#now];
    let frames = 0;
    for (const { machine, records } of this.#ends) {
      const { stats } = machine;
      frames += stats.framesSent;
      parts.push(...Object.values(stats));
      for (const record of records.values()) parts.push(record.read, record.toldReadable);
      for (const name of ["refused", "stalled", "overruns", "pauses", "bytesAfterEnd"] as const) {
        this.#count(name, stats[name]);
      }
      this.#count("resets", stats.resetsReceived);
    }
    this.#count("grace", this.#grace === 0 ? 1 : 0);
    return {
      time: this.#now,
      bytes: this.#pipes[0].bytes + this.#pipes[1].bytes,
      frames,
      streams: [...this.#each()].length,
      counts: [...this.#counts],
      hash: parts.join(),
    };
  }
}

/**
 * Whether what one end writes on a stream need not arrive: it was broken, cut, or nobody reads it.
 */
function excused(from: StreamRecord, to: StreamRecord): boolean {
  return from.resetCode >= 0 || to.resetCode >= 0 || from.stopCode >= 0 || to.stopCode >= 0 ||
    to.reading === "never" || to.reading === "coupled" && from.reading === "never" ||
    isCut(from) || isCut(to);
}

function isCut({ stream }: StreamRecord): boolean {
  const kinds = [stream.readError?.kind, stream.writeError?.kind];
  return kinds.includes("stalled") || kinds.includes("refused");
}
