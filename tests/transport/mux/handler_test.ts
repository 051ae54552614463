/**
 * What handlers are told, and what they may do.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { MuxMachine, type MuxStreamHandler, OutputBatch } from "../../../transport/mux.ts";
import { concat, drain, frame, machineOf, names, Pair, pattern, readAll, take } from "./harness.ts";

/** A handler that writes down what it is told. */
function noting(notes: string[], name: string): MuxStreamHandler {
  return {
    onReadable: ({ id }) => notes.push(`${name} ${id} readable`),
    onWritable: ({ id }) => notes.push(`${name} ${id} writable`),
    onClosed: ({ id }) => notes.push(`${name} ${id} closed`),
  };
}

Deno.test("handlers: each kind of news is told once for a call, when the machine is in order", () => {
  const machine = machineOf({ version: 1, client: false });
  const notes: string[] = [];
  machine.handler = {
    onIncoming() {
      notes.push(`incoming ${machine.acceptable}`);
      for (let stream; (stream = machine.accept());) stream.handler = noting(notes, "server");
    },
  };
  const psh = (sid: number) => frame(1, 2, sid, pattern(10));
  machine.input(
    concat([frame(1, 0, 3), psh(3), psh(3), frame(1, 0, 5), psh(5), frame(1, 1, 3), psh(9)]),
    0,
  );
  assertEquals(notes, ["incoming 2", "server 3 readable", "server 5 readable"]);
});

Deno.test("handlers: data that comes is told, also if the data before it was not read", () => {
  const machine = machineOf({ version: 1, client: false });
  machine.input(frame(1, 0, 3), 0);
  const stream = machine.accept()!;
  const notes: string[] = [];
  stream.handler = noting(notes, "server");
  for (let i = 1; i <= 3; i++) {
    machine.input(frame(1, 2, 3, pattern(10)), 0);
    assertEquals([stream.readable, notes.length], [10 * i, i]);
  }
});

Deno.test("handlers: a stream is told what was sent when the batch is released, and of its end", () => {
  const machine = machineOf({ version: 1 });
  const notes: string[] = [];
  const stream = machine.open();
  drain(machine);
  stream.handler = noting(notes, "client");
  const data = pattern(1000);
  stream.write(data);
  stream.closeWrite();
  const batch = new OutputBatch();
  machine.output(batch, 100, 0);
  assertEquals([batch.bytes, stream.sent, stream.queued], [100, 0, 1000 - 92]);
  assertEquals(notes, []);
  // The payload is the memory that was written.
  assertEquals(batch.memory(1), data);
  machine.release(batch);
  assertEquals([stream.sent, batch.bytes, notes.splice(0)], [92, 0, ["client 3 writable"]]);
  drain(machine);
  assertEquals(stream.sent, 1000);
  machine.input(frame(1, 1, 3), 0);
  assertEquals(notes.slice(-2), ["client 3 readable", "client 3 closed"]);
  assertEquals(notes.filter((note) => note.endsWith("closed")).length, 1);
});

Deno.test("handlers: onOutput tells that there is something new to send, once", () => {
  const machine = machineOf({ keepAliveInterval: 100, keepAliveTimeout: 200 });
  let told = 0;
  machine.handler = { onOutput: () => told++ };
  const stream = machine.open();
  assertEquals(told, 1);
  stream.write(pattern(10));
  assertEquals(told, 1);
  drain(machine);
  stream.write(pattern(5000));
  assertEquals(told, 2);
  take(machine, 100);
  stream.write(pattern(1));
  assertEquals([told, machine.hasOutput], [2, true]);
  drain(machine);
  machine.input(frame(2, 3, 0), 0);
  assertEquals([told, machine.hasOutput], [2, false]);
  machine.tick(100);
  assertEquals(told, 3);
});

Deno.test("handlers: one may read, write, open, end and send while it is told", () => {
  const pair = new Pair({ version: 2 });
  let answered = 0;
  pair.server.handler = {
    onIncoming() {
      const stream = pair.server.accept()!;
      stream.handler = {
        onReadable() {
          const bytes = readAll(stream);
          if (bytes.length > 0) stream.write(bytes);
          if (stream.readEnded) stream.closeWrite();
        },
      };
    },
    // The other machine is used, which tells its handlers in turn.
    onOutput() {
      const bytes = drain(pair.server);
      if (bytes.length > 0) pair.client.input(bytes, 0);
    },
  };
  pair.client.handler = {
    onOutput() {
      const bytes = drain(pair.client);
      if (bytes.length > 0) pair.server.input(bytes, 0);
    },
  };
  const ask = () => {
    const stream = pair.client.open();
    const received: Uint8Array[] = [];
    stream.handler = {
      onReadable() {
        received.push(readAll(stream));
        if (!stream.readEnded) return;
        assertEquals(concat(received), pattern(3000, answered));
        if (++answered < 50) ask();
      },
    };
    stream.write(pattern(3000, answered));
    stream.closeWrite();
  };
  ask();
  assertEquals(answered, 50);
  assertEquals([pair.client.streams, pair.server.streams], [0, 0]);
});

Deno.test("handlers: one that throws does not break the machine", () => {
  const machine = machineOf({ version: 1, client: false });
  machine.input(concat([frame(1, 0, 3), frame(1, 0, 5)]), 0);
  const [first, second] = [machine.accept()!, machine.accept()!];
  const notes: string[] = [];
  first.handler = {
    onReadable() {
      throw new Error("from the handler");
    },
  };
  second.handler = noting(notes, "server");
  const bytes = concat([frame(1, 2, 3, [1]), frame(1, 2, 5, [2])]);
  assertThrows(() => machine.input(bytes, 0), Error, "from the handler");
  // What was not told yet is told at the next call.
  first.handler = null;
  machine.tick(1);
  assertEquals(notes, ["server 5 readable"]);
  assertEquals([readAll(first), readAll(second)], [new Uint8Array([1]), new Uint8Array([2])]);
  machine.input(frame(1, 2, 5, [3]), 0);
  assertEquals(notes.length, 2);
});

Deno.test("handlers: everybody is told when the session ends", () => {
  const machine = machineOf();
  const notes: string[] = [];
  machine.handler = { onEnd: (error) => notes.push(`end ${error?.kind}`) };
  const streams = [machine.open(), machine.open()];
  for (const stream of streams) stream.handler = noting(notes, "client");
  machine.fail(new Error("x"));
  machine.inputEnd(0);
  machine.abort();
  assertEquals(notes, [
    ...[3, 5].flatMap((id) =>
      ["readable", "writable", "closed"].map((what) => `client ${id} ${what}`)
    ),
    "end connection",
  ]);
});

Deno.test("handlers: a batch may be filled while another one is being written", () => {
  const machine = machineOf({ version: 1 });
  const stream = machine.open();
  drain(machine);
  const data = pattern(5000);
  stream.write(data);
  const batches = [new OutputBatch(), new OutputBatch(), new OutputBatch()];
  for (const batch of batches) machine.output(batch, 1000, 0);
  stream.reset();
  machine.output(batches[2], 1000, 0);
  const bytes = concat(batches.flatMap((batch) => batch.views()));
  assertEquals(names(bytes).slice(0, 3), ["PSH 3 992", "PSH 3 992", "PSH 3 992"]);
  assertEquals(names(bytes).at(-1), "FIN 3");
  for (const batch of batches) machine.release(batch);
  assertEquals(stream.sent, 3 * 992);
});

Deno.test("handlers: a batch gives the same bytes as views and as a copy, and can be used again", () => {
  const machine = new MuxMachine({ client: true, maxFrameSize: 100 }, 0);
  const stream = machine.open();
  const batch = new OutputBatch();
  const data = pattern(700);
  for (let round = 0; round < 5; round++) {
    stream.writev([data.subarray(0, 1), data.subarray(1, 300), data.subarray(300)]);
    assert(machine.output(batch, 100_000, 0) === batch.bytes);
    const copy = new Uint8Array(batch.bytes + 3);
    batch.copyTo(copy, 3);
    assertEquals(copy.subarray(3), concat(batch.views()));
    assertEquals(batch.frames, round === 0 ? 8 : 7);
    let pieces = 0;
    for (let i = 0; i < batch.count; i++) pieces += batch.end(i) - batch.start(i);
    assertEquals(pieces, batch.bytes);
    machine.release(batch);
    assertEquals([batch.bytes, batch.frames, batch.count, batch.views().length], [0, 0, 0, 0]);
  }
});
