/**
 * The machine of the mux does what smux 1.5.58 did in recorded scenarios: after the same calls and
 * the same bytes of the peer, it writes the same bytes. See `tests/interop/smux/vectors.go`.
 */
import { assert, assertEquals } from "@std/assert";
import {
  MuxMachine,
  type MuxMachineOptions,
  type MuxMachineStream,
  OutputBatch,
} from "../../transport/mux/machine/mod.ts";
import { pattern } from "./pattern.ts";
import { fromHex, readVectors, sha256, type SmuxStep, type SmuxTalk } from "./vectors.ts";

/** Bytes of a frame's header. */
const HEADER = 8;
const FIN = 1;
const PSH = 2;
const NOP = 3;
/** More than any step writes. */
const ROOM = 2 ** 20;

/** Talks in which the machine does something else on purpose: each has a test of its own. */
const OTHERWISE = new Set([
  "data after the end is still read",
  "ids of any kind",
]);

/** The machine in the place of the recorded smux. */
class Side {
  readonly machine: MuxMachine;
  readonly #talk: SmuxTalk;
  readonly #streams = new Map<number, MuxMachineStream>();
  /** Streams whose end the peer has sent. */
  readonly #ended = new Set<number>();
  readonly #batch = new OutputBatch();
  #now = 1000;

  constructor(talk: SmuxTalk) {
    this.#talk = talk;
    const { keepAlive = -1, ...settings } = talk.settings;
    const options: MuxMachineOptions = {
      ...settings,
      client: talk.client,
      keepAliveInterval: keepAlive < 0 ? Infinity : keepAlive,
      // smux's windows have one size.
      autoTune: false,
    };
    this.machine = new MuxMachine(options, this.#now);
  }

  /** Everything that is due. */
  #output(): Uint8Array<ArrayBuffer> {
    const pieces: Uint8Array[] = [];
    while (this.machine.output(this.#batch, ROOM, this.#now) > 0) {
      const bytes = new Uint8Array(this.#batch.bytes);
      this.#batch.copyTo(bytes, 0);
      const keepAlive = this.#talk.settings.keepAlive! > 0;
      pieces.push(...framesOf(bytes).filter((frame) => keepAlive || !isNote(frame)));
      this.machine.release(this.#batch);
    }
    return join(pieces);
  }

  /** What the machine should write. smux tells its window even if the peer has ended its half. */
  expected({ do: what, stream, wire }: SmuxStep): string {
    return what === "read" && this.#ended.has(stream!) ? "" : wire;
  }

  #stream({ stream }: SmuxStep): MuxMachineStream {
    const found = this.#streams.get(stream!);
    assert(found, `There is no stream ${stream}`);
    return found;
  }

  #keep(stream: MuxMachineStream | null, id: number | undefined): void {
    assertEquals(stream?.id, id);
    if (stream) this.#streams.set(stream.id, stream);
  }

  /** Does what was done to smux. Returns what the machine writes then. */
  step(step: SmuxStep): Uint8Array<ArrayBuffer> {
    const { machine } = this;
    const { bytes = 0, seed = 0, data, size, error } = step;
    switch (step.do) {
      case "open":
        this.#keep(machine.open(), step.stream);
        break;
      case "accept":
        this.#keep(machine.accept(), step.stream);
        assertEquals(machine.error?.kind, error && "protocol");
        break;
      case "write": {
        const stream = this.#stream(step);
        const before = stream.sent;
        stream.write(pattern(seed, bytes));
        const wire = this.#output();
        assertEquals(stream.sent - before < bytes, step.waits ?? false, "whether the write waits");
        return wire;
      }
      case "read": {
        const stream = this.#stream(step);
        // A read of smux never goes beyond a frame; the machine's does.
        const buffer = new Uint8Array(bytes || size!);
        const count = stream.read(buffer, this.#now);
        if (count === 0) assertEquals(stream.readEnded, step.end ?? false);
        assertEquals(count, bytes);
        if (data) assertEquals(buffer.subarray(0, count), fromHex(data));
        break;
      }
      case "closeWrite":
        this.#stream(step).closeWrite();
        break;
      case "close":
        this.#stream(step).stopReading();
        this.#stream(step).closeWrite();
        break;
      case "input": {
        const input = data ? fromHex(data) : this.#data(step);
        assertEquals(machine.input(input, this.#now), input.length);
        for (const frame of framesOf(input)) {
          if (frame[1] === FIN) this.#ended.add(new DataView(frame.buffer).getUint32(4, true));
        }
        break;
      }
      case "wait":
        if (this.#talk.settings.keepAlive! > 0) {
          this.#now += this.#talk.settings.keepAlive!;
          machine.tick(this.#now);
        } else assertEquals(this.#stream(step).queued, 0);
    }
    return this.#output();
  }

  /** A data frame of the peer, whose pattern is too long for the recording. */
  #data({ stream, bytes, seed = 0 }: SmuxStep): Uint8Array<ArrayBuffer> {
    const header = new DataView(new ArrayBuffer(HEADER));
    header.setUint8(0, this.#talk.version);
    header.setUint8(1, PSH);
    header.setUint16(2, bytes!, true);
    header.setUint32(4, stream!, true);
    return join([new Uint8Array(header.buffer), pattern(seed, bytes!)]);
  }
}

function join(pieces: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** Whole frames. Pieces of frames have none. */
function framesOf(wire: Uint8Array): Uint8Array[] {
  const frames: Uint8Array[] = [];
  const view = new DataView(wire.buffer, wire.byteOffset, wire.length);
  for (let at = 0, end; at + HEADER <= wire.length; at = end) {
    end = at + HEADER + view.getUint16(at + 2, true);
    frames.push(wire.slice(at, end));
  }
  return frames;
}

/** Whether a frame is a NOP with which the machine tells its like something: smux ignores it. */
function isNote(frame: Uint8Array): boolean {
  return frame[1] === NOP;
}

const talks = readVectors("smux.json");

for (const talk of talks.filter(({ name }) => !OTHERWISE.has(name))) {
  const end = talk.client ? "client" : "server";
  Deno.test(`smux vectors: version ${talk.version}, ${end}: ${talk.name}`, async () => {
    const side = new Side(talk);
    for (const [i, step] of talk.steps.entries()) {
      const wire = side.step(step);
      const where = `step ${i}: ${step.do}`;
      if (step.long) {
        const headers = framesOf(wire).map((frame) => frame.subarray(0, HEADER).toHex());
        assertEquals(headers, step.long.headers, where);
        assertEquals(wire.length, step.long.bytes, where);
        assertEquals(await sha256(wire), step.long.sha256, where);
      } else assertEquals(wire.toHex(), side.expected(step), where);
    }
    assertEquals(
      side.machine.error?.kind,
      talk.steps.some(({ error }) => error) ? "protocol" : undefined,
    );
  });
}

for (const talk of talks.filter(({ name }) => name === "data after the end is still read")) {
  Deno.test(`smux vectors: version ${talk.version}: data after the end is dropped`, () => {
    const side = new Side(talk);
    side.step(talk.steps[0]);
    side.step(talk.steps[1]);
    side.step({ do: "read", stream: 3, size: 100, end: true, wire: "" });
    assertEquals(side.machine.stats.bytesAfterEnd, 4);
    assertEquals(side.machine.error, null);
  });
}

for (const talk of talks.filter(({ name }) => name === "ids of any kind")) {
  Deno.test(`smux vectors: version ${talk.version}: an id of this side ends the session`, () => {
    for (let i = 0; i < talk.steps.length; i += 2) {
      const id = talk.steps[i + 1].stream!;
      const side = new Side(talk);
      side.step(talk.steps[i]);
      // Servers have even ids.
      side.step(id % 2 === 1 ? talk.steps[i + 1] : { do: "accept", error: "id", wire: "" });
    }
  });
}
