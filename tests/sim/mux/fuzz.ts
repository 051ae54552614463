/**
 * Feeds frames of a hostile peer into a machine, one after another, beside a plain model of what
 * smux does with each.
 *
 * What must hold: nothing throws; memory, streams, and what waits to be sent stay bounded; data
 * goes to the stream that it is for, and only there; what breaks the protocol ends the session and
 * says why, and nothing else does.
 *
 * @module
 */
import { Random } from "../../../transport/link/random.ts";
import {
  MuxMachine,
  type MuxMachineStream,
  OutputBatch,
} from "../../../transport/mux/machine/mod.ts";
import { FrameMaker, type MadeFrame } from "./frame_maker.ts";

/** Frames of a round, which has a machine of its own. */
const ROUND = 2000;
/** Bytes of blocks that may go beyond the limit: two of the largest. */
const OVERSHOOT = 2 * 65_536;

/** What was covered. */
export class MuxCoverage {
  frames = 0;
  rounds = 0;
  readonly counts = new Map<string, number>();

  count(what: string, by = 1): void {
    if (by > 0) this.counts.set(what, (this.counts.get(what) ?? 0) + by);
  }
}

/**
 * Feeds frames, in rounds.
 *
 * @throws {Error} When a rule is broken; the message says which round.
 */
export function fuzzMux(
  frames: number,
  seed: number,
  coverage: MuxCoverage = new MuxCoverage(),
): MuxCoverage {
  for (let round = 0; coverage.frames < frames; round++) {
    const name = `${seed}/${round}`;
    try {
      new Round(new Random(`mux fuzz ${name}`), coverage).run();
    } catch (error) {
      const reason = error instanceof Error ? error.stack ?? error.message : String(error);
      throw new Error(`Fuzz round ${name} failed: ${reason}`, { cause: error });
    }
    coverage.rounds++;
  }
  return coverage;
}

/** What is known of a stream. */
class Known {
  readonly stream: MuxMachineStream;
  /** Bytes that must be readable, and that have been read. */
  readonly bytes: number[] = [];
  /** Whether the peer has ended its direction. */
  ended = false;
  /** Version 2: what was sent, what the peer said, and its window. */
  consumed = 0;
  window = 262_144;

  constructor(stream: MuxMachineStream) {
    this.stream = stream;
  }
}

class Round {
  readonly #random: Random;
  readonly #coverage: MuxCoverage;
  readonly #machine: MuxMachine;
  readonly #version: 1 | 2;
  readonly #client: boolean;
  readonly #maker: FrameMaker;
  readonly #known = new Map<number, Known>();
  readonly #batch = new OutputBatch();
  readonly #buffer = new Uint8Array(70_000);
  /** Whether the peer reads nothing, and whether this side does. */
  readonly #deaf: boolean;
  readonly #lazy: boolean;
  /** Words of a note that is complete but for this frame. */
  readonly #note: number[] = [];
  #now = 0;
  #waiting = 0;

  constructor(random: Random, coverage: MuxCoverage) {
    this.#random = random;
    this.#coverage = coverage;
    this.#version = random.chance(0.5) ? 1 : 2;
    this.#client = random.chance(0.5);
    this.#deaf = random.chance(0.1);
    this.#lazy = random.chance(0.3);
    this.#machine = new MuxMachine({
      client: this.#client,
      version: this.#version,
      maxReceiveBuffer: this.#lazy ? 5000 + random.below(100_000) : 4_194_304,
      maxStreamBuffer: 2000,
      stallGrace: random.below(100),
      maxIncomingStreams: random.chance(0.5) ? 65_536 : 1 + random.below(10),
      acceptBacklog: 1 + random.below(10),
      resetCodes: random.chance(0.8),
    }, 0);
    this.#maker = new FrameMaker(random.fork("frames"), this.#version, !this.#client);
  }

  run(): void {
    const machine = this.#machine;
    for (let i = 0; i < ROUND && machine.state === "open"; i++) {
      this.#feed(this.#maker.make());
      this.#coverage.frames++;
      if (machine.state === "open" && this.#random.chance(0.2)) this.#act();
      if (this.#random.chance(0.05)) this.#now += this.#random.below(50);
      if (machine.deadline <= this.#now) machine.tick(this.#now);
      this.#checkBounds();
    }
    const { stats, state, error } = machine;
    this.#coverage.count(`state: ${state}${error ? ` ${error.kind}` : ""}`);
    for (
      const name of ["refused", "stalled", "overruns", "resetsReceived", "duplicateSyns"] as const
    ) {
      this.#coverage.count(name, stats[name]);
    }
    this.#coverage.count("stray bytes", stats.strayBytes);
    this.#coverage.count("bytes after the end", stats.bytesAfterEnd);
    this.#coverage.count("pauses", stats.pauses);
    this.#coverage.count("data bytes", stats.dataReceived);
  }

  #fail(what: string): never {
    throw new Error(what);
  }

  #live(sid: number): Known | undefined {
    const known = this.#known.get(sid);
    return known && !known.stream.closed ? known : undefined;
  }

  /** Gives a frame to the machine, and compares what it does with what it must do. */
  #feed(frame: MadeFrame): void {
    const machine = this.#machine;
    const { stats } = machine;
    const before = { ...stats };
    const known = this.#live(frame.sid);
    const receiving = known !== undefined && !known.ended && known.stream.readError === null;
    const flow = known?.stream.writeError?.kind !== "flow" &&
      known?.stream.readError?.kind !== "flow";
    const wrong = this.#breaks(frame);
    const note = this.#noteOf(frame);
    const closes = note?.[0] === 0x04_50_43_4b;
    const complete = this.#give(frame);
    if (wrong) {
      if (machine.error?.kind !== "protocol") this.#fail(`${describe(frame)} is not refused`);
      return;
    }
    if (closes) {
      if (machine.error?.kind !== "reset") this.#fail("The session was not closed");
      return;
    }
    if (machine.state !== "open") {
      this.#fail(`${describe(frame)} ends the session: ${machine.error}`);
    }
    if (!complete) return;
    const cut = known !== undefined && known.stream.readError !== null;
    if (frame.cmd === 0) this.#opened(frame, known, before.refused);
    if (frame.cmd === 2 && frame.length > 0 && receiving && !cut) {
      for (let i = 0; i < frame.length; i++) known.bytes.push(frame.bytes[8 + i]);
    }
    if (frame.cmd === 1 && receiving) known.ended = true;
    if (frame.cmd === 4 && known && flow && known.stream.writeError === null) {
      this.#updated(frame, known, before.overruns);
    }
    if (known && !cut) this.#compare(known);
  }

  /** Whether a frame breaks the protocol. */
  #breaks({ version, cmd, length, sid }: MadeFrame): boolean {
    if (version !== this.#version || cmd > 4) return true;
    if (cmd === 4) return this.#version === 1 || length !== 8;
    if (cmd === 2) return false;
    return length !== 0 || cmd === 0 && (sid & 1) === (this.#client ? 1 : 0);
  }

  /** The note that a frame completes. */
  #noteOf({ cmd, sid }: MadeFrame): number[] | null {
    const words = this.#note;
    if (cmd !== 3) {
      words.length = 0;
      return null;
    }
    if (words.length === 0 && ((sid & 0xffffff) !== 0x50434b || sid >>> 24 < 1 || sid >>> 24 > 4)) {
      return null;
    }
    words.push(sid);
    if (words[0] === 0x04_50_43_4b) {
      if (words.length < 3) return null;
      if (words[2] > 256) {
        words.length = 0;
        return null;
      }
      if (words.length < 3 + Math.ceil(words[2] / 4)) return null;
    } else if (words.length < 3) {
      return null;
    }
    return words.splice(0);
  }

  /** Gives the bytes, cut anywhere. False if something had to be read, sent or cut on the way. */
  #give({ bytes }: MadeFrame): boolean {
    const random = this.#random;
    const machine = this.#machine;
    let complete = true;
    for (let at = 0; at < bytes.length;) {
      const end = random.chance(0.8) ? bytes.length : at + 1 + random.below(bytes.length - at);
      const taken = machine.input(
        end - at === bytes.length ? bytes : bytes.subarray(at, end),
        this.#now,
      );
      at += taken;
      if (machine.state !== "open") return false;
      if (taken === end || at === end) continue;
      if (machine.receptive) continue;
      complete = false;
      // The receive buffer is full, or too much waits to be sent: time passes, or something is
      // read.
      if (random.chance(0.5)) this.#readAll();
      else this.#now += 50;
      this.#drain();
      machine.tick(this.#now);
    }
    if (!complete) this.#resync();
    return complete;
  }

  /** After a pause, a stream may have got a part of its data: what was read is taken as it is. */
  #resync(): void {
    for (const known of this.#known.values()) {
      known.bytes.length = 0;
      const { stream } = known;
      while (stream.readable > 0) stream.read(this.#buffer);
      known.ended = stream.readEnded;
    }
  }

  #opened(frame: MadeFrame, known: Known | undefined, refused: number): void {
    const machine = this.#machine;
    if (known) return;
    if (machine.stats.refused > refused) {
      const { maxIncomingStreams, acceptBacklog } = machine.options;
      if (this.#waiting < acceptBacklog && machine.streams < maxIncomingStreams) {
        this.#fail(`Stream ${frame.sid} was refused without need`);
      }
      return;
    }
    this.#waiting++;
    if (this.#random.chance(this.#lazy ? 0.3 : 0.9)) this.#accept();
  }

  #accept(): void {
    for (let stream; (stream = this.#machine.accept());) {
      // What has come before it was accepted is not compared.
      while (stream.readable > 0) stream.read(this.#buffer);
      const known = new Known(stream);
      known.ended = stream.readEnded;
      this.#known.set(stream.id, known);
    }
    this.#waiting = 0;
  }

  #updated(frame: MadeFrame, known: Known, overruns: number): void {
    const view = new DataView(frame.bytes.buffer, 8, 8);
    const consumed = view.getUint32(0, true);
    const window = Math.min(view.getUint32(4, true), 2 ** 31 - 1);
    const { stream } = known;
    const bad = this.#machine.stats.overruns > overruns;
    const ahead = (consumed - known.consumed) | 0;
    if (ahead < 0) {
      if (bad) this.#fail("An old window update cut a stream");
      return;
    }
    const sent = stream.sent;
    if (bad !== consumed > sent) this.#fail(`Consumed ${consumed} of ${sent}: ${bad}`);
    if (bad) return;
    known.consumed = consumed;
    known.window = window;
    const credit = window - (sent - consumed);
    if (stream.credit !== credit) this.#fail(`The credit is ${stream.credit}, not ${credit}`);
  }

  /** A stream can be read as far as data came for it. */
  #compare(known: Known): void {
    const { stream, bytes } = known;
    if (stream.readError) {
      bytes.length = 0;
      return;
    }
    if (stream.readable !== bytes.length) {
      this.#fail(`${stream.id}: ${stream.readable} bytes are readable, not ${bytes.length}`);
    }
    if (this.#lazy && this.#random.chance(0.8)) return;
    const count = stream.read(this.#buffer);
    for (let i = 0; i < count; i++) {
      if (this.#buffer[i] !== bytes[i]) this.#fail(`${stream.id}: byte ${i} of ${count} is wrong`);
    }
    bytes.splice(0, count);
    if (bytes.length === 0 && known.ended !== stream.readEnded) {
      this.#fail(`${stream.id}: the end is ${known.ended}, seen is ${stream.readEnded}`);
    }
  }

  #readAll(): void {
    this.#accept();
    for (const known of this.#known.values()) {
      known.bytes.length = 0;
      while (known.stream.readable > 0) known.stream.read(this.#buffer);
    }
  }

  /** The application does something. */
  #act(): void {
    const random = this.#random;
    const machine = this.#machine;
    if (!this.#deaf || random.chance(0.001)) this.#drain();
    if (random.chance(0.1)) this.#accept();
    if (random.chance(0.05) && machine.streams < 100) {
      const stream = machine.open();
      this.#known.set(stream.id, new Known(stream));
    }
    for (const known of this.#known.values()) {
      if (!random.chance(0.1)) continue;
      const { stream } = known;
      const kind = random.below(10);
      if (kind < 6) {
        if (stream.writable && stream.queued < 50_000) {
          stream.write(this.#buffer.subarray(0, random.below(5000)));
        }
      } else if (kind === 6) stream.closeWrite();
      else if (kind === 7 && random.chance(0.2)) stream.stopReading(1);
      else if (kind === 8 && random.chance(0.2)) stream.reset(2);
      if (stream.closed) this.#known.delete(stream.id);
    }
  }

  /** The peer takes everything. */
  #drain(): void {
    const machine = this.#machine;
    while (machine.output(this.#batch, 100_000, this.#now) > 0) machine.release(this.#batch);
  }

  #checkBounds(): void {
    const machine = this.#machine;
    const { options, buffered, memoryLimit, acceptable, deadline } = machine;
    if (buffered > memoryLimit + OVERSHOOT) this.#fail(`${buffered} bytes of memory`);
    if (acceptable > options.acceptBacklog) this.#fail(`${acceptable} streams wait`);
    if (machine.streams > options.maxIncomingStreams + 101) {
      this.#fail(`${machine.streams} streams`);
    }
    if (Number.isNaN(deadline)) this.#fail("The deadline is NaN");
  }
}

function describe({ version, cmd, sid, length }: MadeFrame): string {
  return `Frame ${version}/${cmd} of stream ${sid} with ${length} bytes`;
}
