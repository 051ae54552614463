/**
 * A stream that nobody reads stops no other for longer than the grace period. Version 1 has no
 * credit: there, one stream can fill the receive buffer. In version 2, a peer needs many.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { MuxMachine, MuxMachineStream } from "../../../transport/mux.ts";
import { concat, drain, frame, machineOf, names, Pair, pattern, readAll, take } from "./harness.ts";

const LIMIT = 100_000;

const server = (options = {}) =>
  machineOf({
    version: 1,
    client: false,
    maxReceiveBuffer: LIMIT,
    maxStreamBuffer: 1000,
    stallGrace: 5000,
    ...options,
  });
const psh = (sid: number, size: number) => {
  const frames = [];
  for (let left = size; left > 0; left -= 10_000) {
    frames.push(frame(1, 2, sid, pattern(Math.min(left, 10_000), sid)));
  }
  return concat(frames);
};
/** Opens streams, and fills the buffer with data of the first. Returns what was not taken. */
const fill = (machine: MuxMachine, now = 0) => {
  machine.input(concat([3, 5, 7].map((sid) => frame(1, 0, sid))), 0);
  const bytes = concat([psh(3, 90_000), psh(5, 100), psh(3, 90_000)]);
  const taken = machine.input(bytes, now);
  assert(taken < bytes.length);
  return concat([bytes.subarray(taken), psh(7, 50)]);
};

Deno.test("stall: the stream that fills the buffer is cut, and the others go on", () => {
  const machine = server();
  let receptive = 0;
  machine.handler = { onReceptive: () => receptive++ };
  const rest = fill(machine);
  const [stalled, other, last] = [machine.accept()!, machine.accept()!, machine.accept()!];
  assertEquals(machine.input(rest, 4999), 0);
  assertEquals([machine.receptive, machine.deadline], [false, 5000]);
  machine.tick(4999);
  assertEquals([machine.receptive, stalled.readError], [false, null]);
  machine.tick(5000);
  assertEquals([machine.receptive, receptive, machine.stats.stalled], [true, 1, 1]);
  assertEquals([stalled.readError?.kind, stalled.writeError?.kind], ["stalled", "stalled"]);
  assertEquals(stalled.readError!.code, "ECONNABORTED");
  assertEquals(machine.input(rest, 5000), rest.length);
  assertEquals([readAll(other), readAll(last)], [pattern(100, 5), pattern(50, 7)]);
  assertEquals(machine.buffered, 0);
  assert(names(drain(machine, 5000)).includes("FIN 3"));
  assert(stalled.closed);
});

Deno.test("stall: a stream that is read is not cut, however slowly", () => {
  const machine = server();
  let rest = fill(machine);
  const stream = machine.accept()!;
  const one = new Uint8Array(1);
  for (let now = 100; now < 20_000; now += 100) {
    stream.read(one);
    rest = rest.subarray(machine.input(rest, now));
    machine.tick(now);
  }
  assertEquals([stream.readError, machine.stats.stalled, machine.state], [null, 0, "open"]);
  // Nobody reads it from now on. When it was read last is known only roughly.
  machine.tick(30_000);
  assertEquals(machine.stats.stalled, 0);
  machine.tick(35_000);
  assertEquals(machine.stats.stalled, 1);
});

Deno.test("stall: a read just before the grace period ends counts, though no time was told", () => {
  const machine = server();
  fill(machine);
  const stream = machine.accept()!;
  machine.tick(1000);
  stream.read(new Uint8Array(1));
  machine.tick(5000);
  assertEquals(stream.readError, null);
  assertEquals(machine.deadline, 10_000);
  machine.tick(10_000);
  assertEquals(stream.readError?.kind, "stalled");
});

/** Gives all bytes, as long as the machine takes something. */
const feed = (machine: MuxMachine, bytes: Uint8Array, now: number) => {
  let at = 0;
  for (let taken = 1; taken > 0 && at < bytes.length; at += taken) {
    taken = machine.input(bytes.subarray(at), now);
  }
  return bytes.length - at;
};

Deno.test("stall: one that was not read for longer is cut without a pause", () => {
  const machine = server();
  machine.input(concat([frame(1, 0, 3), frame(1, 0, 5), psh(3, 60_000)]), 0);
  const [old, young] = [machine.accept()!, machine.accept()!];
  assertEquals(feed(machine, psh(5, 70_000), 6000), 0);
  assert(machine.receptive);
  assertEquals([old.readError?.kind, young.readError, young.readable], ["stalled", null, 70_000]);
});

Deno.test("stall: those with the most data are cut first, and no more than needed", () => {
  const machine = server();
  const sizes = [20_000, 40_000, 10_000];
  machine.input(concat([3, 5, 7, 9].map((sid) => frame(1, 0, sid))), 0);
  sizes.forEach((size, i) => assertEquals(feed(machine, psh(3 + 2 * i, size), 0), 0));
  const streams = [machine.accept()!, machine.accept()!, machine.accept()!];
  assertEquals(feed(machine, psh(9, 40_000), 9000), 0);
  assertEquals(streams.map(({ readError }) => readError?.kind), [
    undefined,
    "stalled",
    undefined,
  ]);
  assertEquals([readAll(streams[0]).length, readAll(streams[2]).length], [20_000, 10_000]);
});

Deno.test("stall: those with little data are not cut, as they fill no buffer", () => {
  const machine = server();
  machine.input(concat([3, 5, 7].map((sid) => frame(1, 0, sid))), 0);
  const [one, two, large] = [machine.accept()!, machine.accept()!, machine.accept()!];
  assertEquals(feed(machine, concat([psh(3, 100), psh(5, 1000)]), 0), 0);
  let rest = psh(7, 300_000);
  for (let now = 0; now < 20_000; now += 100) {
    rest = rest.subarray(rest.length - feed(machine, rest, now));
    large.read(new Uint8Array(500));
  }
  assert(rest.length > 0);
  assertEquals(machine.stats.stalled, 0);
  assertEquals([readAll(one).length, readAll(two).length], [100, 1000]);
});

Deno.test("stall: many streams that all hold little are cut, too", () => {
  const machine = server({ acceptBacklog: 10_000 });
  let sid = 3;
  let rest = 0;
  for (; rest === 0; sid += 2) {
    rest = feed(machine, concat([frame(1, 0, sid), psh(sid, 200)]), 0);
  }
  assertEquals([machine.receptive, machine.streams > 300], [false, true]);
  machine.tick(5000);
  assertEquals([machine.receptive, machine.state], [true, "open"]);
  const { stalled } = machine.stats;
  assert(stalled > 10 && stalled < 100, `${stalled} were cut`);
});

Deno.test("stall: streams that wait to be accepted are cut, too, and not given out", () => {
  const machine = server();
  fill(machine);
  assertEquals(machine.acceptable, 3);
  machine.tick(5000);
  assertEquals(machine.acceptable, 2);
  assertEquals([machine.accept()!.id, machine.accept()!.id], [5, 7]);
});

Deno.test("stall: with a grace period of Infinity, the peer waits as with smux", () => {
  const machine = server({ stallGrace: Infinity });
  const rest = fill(machine);
  for (let now = 0; now < 1e6; now += 10_000) machine.tick(now);
  assertEquals([machine.receptive, machine.state, machine.stats.stalled], [false, "open", 0]);
  const stream = machine.accept()!;
  let at = 0;
  while (at < rest.length) {
    readAll(stream);
    at += machine.input(rest.subarray(at), 1e6);
  }
  assertEquals(machine.stats.stalled, 0);
});

Deno.test("stall: a handler that reads at once is never cut, also without grace", () => {
  const machine = server({ stallGrace: 0 });
  let total = 0;
  machine.handler = {
    onIncoming() {
      const stream = machine.accept()!;
      stream.handler = { onReadable: () => total += readAll(stream).length };
      total += readAll(stream).length;
    },
  };
  machine.input(frame(1, 0, 3), 0);
  const bytes = psh(3, 250_000);
  for (let at = 0; at < bytes.length;) {
    at += machine.input(bytes.subarray(at), 0);
    drain(machine);
  }
  assertEquals([total, machine.stats.stalled], [250_000, 0]);
});

Deno.test("stall: the peer of the cut stream learns why, and its writer stops", () => {
  const pair = new Pair({ version: 1 }, { version: 1, maxReceiveBuffer: LIMIT, stallGrace: 1000 });
  const stream = pair.client.open();
  stream.write(pattern(150_000));
  const bytes = drain(pair.client);
  const taken = pair.server.input(bytes, 0);
  assert(taken < bytes.length);
  pair.server.tick(1000);
  pair.client.input(drain(pair.server), 1000);
  assertEquals([stream.writeError?.kind, stream.readError?.kind], ["stalled", "stalled"]);
  assert(stream.closed);
});
Deno.test("stall: silence while this side takes nothing is not the peer's", () => {
  const machine = machineOf({ version: 1, client: false, maxReceiveBuffer: 1000, stallGrace: 1e9 });
  const bytes = concat([frame(1, 0, 3), frame(1, 2, 3, pattern(5000))]);
  const taken = machine.input(bytes, 0);
  for (let now = 1000; now < 100_000; now += 1000) machine.tick(now);
  assertEquals(machine.state, "open");
  readAll(machine.accept()!);
  // From now on, it is.
  machine.input(bytes.subarray(taken, taken + 1), 100_000);
  assertEquals(machine.receptive, true);
  machine.tick(129_999);
  assertEquals(machine.state, "open");
  machine.tick(130_000);
  assertEquals(machine.error?.kind, "unreachable");
});

Deno.test("stall: in version 2, many streams that nobody reads are cut at the limit", () => {
  const machine = machineOf({ client: false, maxReceiveBuffer: LIMIT, stallGrace: 5000 });
  assertEquals(machine.memoryLimit, 4 * LIMIT + 2 ** 20);
  const psh = (sid: number) => frame(2, 2, sid, pattern(50_000, sid));
  let sid = 3;
  let rest = 0;
  for (; rest === 0; sid += 2) {
    const bytes = concat([frame(2, 0, sid), psh(sid), psh(sid), psh(sid), psh(sid), psh(sid)]);
    rest = feed(machine, bytes, 0);
  }
  assertEquals([machine.receptive, machine.streams], [false, 6]);
  assert(machine.buffered <= machine.memoryLimit + 131_072);
  machine.tick(5000);
  assertEquals([machine.receptive, machine.stats.stalled], [true, 1]);
});

/** Reads a piece, writes it back, and reads the next one when that was sent. */
function echo(stream: MuxMachineStream): void {
  const go = () => {
    while (stream.queued === 0 && stream.readable > 0) {
      const piece = new Uint8Array(Math.min(32_768, stream.readable));
      stream.read(piece);
      stream.write(piece);
    }
    if (stream.queued === 0 && stream.readEnded) stream.closeWrite();
  };
  stream.handler = { onReadable: go, onWritable: go };
  go();
}

Deno.test("stall: in version 2, reads that wait for writes on both sides stop nothing", () => {
  for (const [count, maxReceiveBuffer] of [[5, 65_536], [40, 4_194_304], [200, 4_194_304]]) {
    // The client is as smux: its windows do not grow.
    const client = machineOf({ autoTune: false });
    const server = machineOf({ client: false, maxReceiveBuffer });
    const size = count === 200 ? 300_000 : 600_000;
    const data = pattern(size);
    let echoed = 0;
    server.handler = {
      onIncoming() {
        for (let stream; (stream = server.accept());) echo(stream);
      },
    };
    const target = new Uint8Array(65_536);
    for (let i = 0; i < count; i++) {
      const stream = client.open();
      stream.write(data);
      stream.closeWrite();
      stream.handler = {
        onReadable() {
          while (stream.readable > 0) echoed += stream.read(target);
        },
      };
    }
    // What is under way below: 4 MiB in each direction.
    const up: Uint8Array[] = [], down: Uint8Array[] = [];
    let most = 0;
    while (client.streams > 0) {
      let moved = 0;
      for (const [from, queue, to] of [[client, up, server], [server, down, client]] as const) {
        while (queue.length < 64) {
          const bytes = take(from, 65_536);
          if (bytes.length === 0) break;
          queue.push(bytes);
        }
        for (let i = 0; i < 8 && queue.length > 0; i++) {
          const taken = to.input(queue[0], 0);
          moved += taken;
          if (taken === queue[0].length) queue.shift();
          else queue[0] = queue[0].subarray(taken);
        }
      }
      most = Math.max(most, server.buffered);
      assert(moved > 0, `nothing moves: ${echoed} bytes were echoed`);
    }
    assertEquals([echoed, server.stats.stalled, server.stats.pauses], [count * size, 0, 0]);
    assert(most < server.memoryLimit, `${most} bytes of memory`);
  }
});
