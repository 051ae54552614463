/**
 * Receive windows on a path with much under way, in virtual time.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { MuxMachine, MuxMachineOptions } from "../../../transport/mux.ts";
import { Pair, take } from "./harness.ts";

/** 10 MB/s at a round trip of 100 ms: a million bytes are under way. */
const RATE = 10_000;
const LATENCY = 50;

/** One direction of the path: in each ms, it takes what a ms carries. */
class Line {
  readonly from: MuxMachine;
  readonly to: MuxMachine;
  readonly #under: Uint8Array[] = [];

  constructor(from: MuxMachine, to: MuxMachine) {
    this.from = from;
    this.to = to;
  }

  step(now: number): void {
    this.#under.push(take(this.from, RATE, now));
    if (this.#under.length <= LATENCY) return;
    const bytes = this.#under.shift()!;
    assertEquals(this.to.input(bytes, now), bytes.length);
  }
}

/** How long it takes until all streams have brought so many bytes each, in ms. */
function transfer(options: Partial<MuxMachineOptions>, streams: number, size: number, rtt = 0) {
  const { client, server } = new Pair(options);
  client.rtt = server.rtt = rtt;
  const lines = [new Line(client, server), new Line(server, client)];
  const target = new Uint8Array(65_536);
  let now = 0, read = 0, ended = 0;
  server.handler = {
    onIncoming() {
      for (let stream; (stream = server.accept());) {
        const accepted = stream;
        accepted.handler = {
          onReadable() {
            while (accepted.readable > 0) read += accepted.read(target);
            if (accepted.readEnded) ended++;
          },
        };
      }
    },
  };
  const data = new Uint8Array(size);
  for (let i = 0; i < streams; i++) {
    const stream = client.open();
    stream.write(data);
    stream.closeWrite();
  }
  for (; ended < streams; now++) {
    for (const line of lines) line.step(now);
    assert(now < 20_000, `${read} bytes arrived`);
  }
  assertEquals([read, server.stats.pauses, server.stats.overruns], [streams * size, 0, 0]);
  return now;
}

const SIZE = 20_000_000;
const IDEAL = SIZE / RATE + LATENCY;

Deno.test("long paths: a window that follows the round trip fills the path", () => {
  for (const rtt of [0, 100, 130]) {
    const time = transfer({ version: 2 }, 1, SIZE, rtt);
    assert(time < 1.15 * IDEAL, `round trip ${rtt}: ${time} ms, not ${IDEAL}`);
  }
  // Without it, the path is empty for most of the time.
  const time = transfer({ version: 2, autoTune: false }, 1, 4_000_000);
  assert(time > 8 * (4_000_000 / RATE), `${time} ms`);
  // And version 1, which has no windows, needs none.
  const plain = transfer({ version: 1 }, 1, SIZE);
  assert(plain < 1.01 * IDEAL, `version 1: ${plain} ms, not ${IDEAL}`);
});

for (const streams of [10, 100, 1000]) {
  Deno.test(`long paths: ${streams} streams fill the path, too`, () => {
    const time = transfer({ version: 2 }, streams, SIZE / streams, 100);
    assert(time < 1.1 * IDEAL, `${time} ms, not ${IDEAL}`);
  });
}
