import type { Random } from "../../../transport/link/random.ts";
import type { MuxMachine, MuxMachineStream } from "../../../transport/mux/machine/mod.ts";
import { bytesOf, wrongByte } from "./bytes.ts";

/**
 * How an application reads a stream: when it is told; when what it has written on it was sent; now
 * and then; or never.
 */
export type Reading = "told" | "coupled" | "slow" | "never";

/** What an application does in its time. */
export interface EndPlan {
  /** Streams that it opens. */
  readonly opens: number;
  /** Most bytes of one write. */
  readonly writeSize: number;
  /** Bytes that it writes on a stream. */
  readonly total: number;
  /** Probabilities for each action of a stream. */
  readonly resets: number;
  readonly stops: number;
  readonly withdrawals: number;
  /** Part of the streams that nobody reads. */
  readonly ignored: number;
  /** Part of the streams that are read slowly. */
  readonly slow: number;
  /** Part of the streams that are read only when what was written on them was sent. */
  readonly coupled: number;
  readonly groups: number;
}

/** What one end knows of a stream. */
export class StreamRecord {
  readonly stream: MuxMachineStream;
  readonly reading: Reading;
  readonly total: number;
  written = 0;
  /** Bytes from this place on may be changed only when they were sent: places where writes end. */
  readonly pending: { readonly end: number; readonly bytes: Uint8Array }[] = [];
  /** Whether nothing more will be written, and whether the end was written. */
  ended = false;
  closedWrite = false;
  resetCode = -1;
  stopCode = -1;
  read = 0;
  sawEnd = false;
  closes = 0;
  readAt = 0;
  toldReadable = 0;

  constructor(
    stream: MuxMachineStream,
    reading: Reading,
    total: number,
  ) {
    this.stream = stream;
    this.reading = reading;
    this.total = total;
  }
}

/** An application on one machine. */
export class End {
  readonly name: string;
  readonly machine: MuxMachine;
  readonly client: boolean;
  readonly plan: EndPlan;
  readonly random: Random;
  readonly log: (text: string) => void;
  readonly records = new Map<number, StreamRecord>();
  /** Whether no stream is opened or broken any more: what is open comes to its end. */
  finishing = false;
  /** When it acts next. */
  nextAt = 0;
  /** Whether it was told of the session's end. */
  told = 0;
  #opened = 0;
  /** Streams that were opened and not ended by this application. */
  readonly #active: StreamRecord[] = [];
  readonly #buffer = new Uint8Array(70_000);
  now = 0;

  constructor(
    name: string,
    machine: MuxMachine,
    client: boolean,
    plan: EndPlan,
    random: Random,
    log: (text: string) => void,
  ) {
    this.name = name;
    this.machine = machine;
    this.client = client;
    this.plan = plan;
    this.random = random;
    this.log = log;

    machine.handler = {
      onIncoming: () => this.#accept(),
      onEnd: () => this.told++,
    };
  }

  fail(what: string): never {
    throw new Error(`${this.name} at ${this.now}: ${what}`);
  }

  #accept(): void {
    for (let stream; (stream = this.machine.accept());) this.#add(stream);
  }

  #add(stream: MuxMachineStream): void {
    const { random, plan } = this;
    const reading = random.chance(plan.ignored)
      ? "never"
      : random.chance(plan.slow)
      ? "slow"
      : random.chance(plan.coupled)
      ? "coupled"
      : "told";
    if (this.records.has(stream.id)) this.fail(`stream ${stream.id} came twice`);
    const record = new StreamRecord(stream, reading, random.below(plan.total + 1));
    record.readAt = this.now;
    this.records.set(stream.id, record);
    this.#active.push(record);
    stream.handler = {
      onReadable: () => this.#readable(record),
      onWritable: () => this.#writable(record),
      onClosed: () => this.#closed(record),
    };
    this.log(`${this.name} has stream ${stream.id}, ${reading}`);
    this.#readable(record);
  }

  #readable(record: StreamRecord): void {
    record.toldReadable++;
    if (record.reading === "coupled" && record.stream.queued > 0) return;
    if (record.reading !== "slow" || this.finishing) {
      if (record.reading !== "never") this.readAll(record);
    }
  }

  #writable(record: StreamRecord): void {
    const { stream, pending } = record;
    if (stream.sent > record.written) this.fail(`${stream.id}: more was sent than written`);
    // The memory of what was sent is used for something else.
    while (pending.length > 0 && pending[0].end <= stream.sent) pending.shift()!.bytes.fill(0xee);
    if (record.reading === "coupled" && stream.queued === 0) this.readAll(record);
  }

  #closed(record: StreamRecord): void {
    record.closes++;
    if (record.closes > 1) this.fail(`stream ${record.stream.id} was closed twice`);
    if (!record.stream.closed) this.fail(`stream ${record.stream.id} is not closed`);
    this.log(`${this.name} closed stream ${record.stream.id}`);
  }

  /** Reads up to `limit` bytes, and compares them. */
  readAll(record: StreamRecord, limit = Infinity): void {
    const { stream } = record;
    while (stream.readable > 0 && limit > 0) {
      const size = Math.min(limit, 1 + this.random.below(this.#buffer.length));
      const before = stream.readable;
      const count = stream.read(this.#buffer.subarray(0, size));
      if (count !== Math.min(size, before)) {
        this.fail(`${stream.id}: ${count} of ${before} were read`);
      }
      const wrong = wrongByte(this.#buffer, count, stream.id, !this.client, record.read);
      if (wrong >= 0) this.fail(`${stream.id}: byte ${record.read + wrong} is wrong`);
      record.read += count;
      record.readAt = this.now;
      limit -= count;
    }
    if (stream.readEnded) record.sawEnd = true;
  }

  /** Does something. */
  act(now: number): void {
    this.now = now;
    this.nextAt = now + 10 * this.random.next() ** 3;
    if (this.machine.state !== "open") {
      this.nextAt = Infinity;
      return;
    }
    const { random, plan } = this;
    if (!this.finishing && this.#opened < plan.opens && random.chance(0.4)) {
      const stream = this.machine.open({
        sendOrder: random.chance(0.7) ? 0 : random.below(5) - 2,
        sendGroup: random.below(plan.groups),
        weight: random.chance(0.7) ? 1 : 1 + random.below(256),
      });
      this.#opened++;
      this.#add(stream);
    }
    const { length } = this.#active;
    if (length === 0) {
      if (this.finishing || this.#opened === plan.opens) this.nextAt = now + 50;
      return;
    }
    const at = random.below(length);
    const record = this.#active[at];
    this.#actOn(record);
    if (record.stream.closed || record.ended && record.sawEnd) {
      this.#active[at] = this.#active[length - 1];
      this.#active.pop();
    }
  }

  #actOn(record: StreamRecord): void {
    const { random, plan } = this;
    const { stream } = record;
    if (record.reading === "slow") this.readAll(record, 1 + random.below(4000));
    if (!this.finishing) {
      if (random.chance(plan.resets)) return this.#break(record);
      if (random.chance(plan.stops)) {
        record.stopCode = stream.readError ? record.stopCode : random.below(1000);
        return stream.stopReading(Math.max(0, record.stopCode));
      }
      if (random.chance(0.05)) stream.sendOrder = random.below(7) - 3;
      if (random.chance(0.02)) stream.setWeight(1 + random.below(256));
    }
    if (random.chance(plan.withdrawals)) this.#withdraw(record);
    else this.write(record);
  }

  /** Writes, or ends the direction when everything was written. */
  write(record: StreamRecord): void {
    const { stream, total } = record;
    if (!stream.writable) {
      record.ended ||= stream.writeError !== null;
      return;
    }
    const left = total - record.written;
    if (left <= 0) {
      this.log(`${this.name} ends stream ${stream.id}`);
      stream.closeWrite();
      record.ended = record.closedWrite = true;
      return;
    }
    if (stream.queued > 4 * this.plan.writeSize && !this.finishing) return;
    const most = this.finishing ? Math.max(2000, this.plan.writeSize) : this.plan.writeSize;
    const size = Math.min(left, this.random.below(most) + 1);
    const bytes = bytesOf(stream.id, this.client, record.written, size);
    record.written += size;
    record.pending.push({ end: record.written, bytes });
    stream.write(bytes);
  }

  #withdraw(record: StreamRecord): void {
    const { stream, pending } = record;
    if (record.ended || !stream.writable) return;
    const { queued } = stream;
    const count = stream.withdraw();
    if (count !== queued) this.fail(`${stream.id}: ${count} of ${queued} were withdrawn`);
    record.written -= count;
    // A piece may have gone in part.
    for (let i = pending.length - 1; i >= 0 && pending[i].end > record.written; i--) {
      const { bytes, end } = pending[i];
      const kept = bytes.length - (end - record.written);
      pending.splice(i, 1);
      if (kept > 0) pending.splice(i, 0, { end: record.written, bytes: bytes.subarray(0, kept) });
    }
  }

  #break(record: StreamRecord): void {
    const { stream } = record;
    const code = this.random.below(1000);
    const both = this.random.chance(0.5);
    this.log(`${this.name} resets stream ${stream.id} with ${code}`);
    if (record.resetCode < 0) record.resetCode = code;
    if (both) {
      if (!stream.readError && record.stopCode < 0) record.stopCode = code;
      stream.reset(code);
    } else {
      stream.resetWrite(code);
    }
    record.ended = true;
    record.pending.length = 0;
  }

  /** From now on every stream is brought to its end, and everything is read. */
  finish(): void {
    this.finishing = true;
    for (const record of this.records.values()) {
      if (record.reading !== "never") this.#readable(record);
    }
  }
}
