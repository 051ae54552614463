/**
 * How streams and sessions end.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { MuxError, MuxMachine } from "../../../transport/mux.ts";
import {
  concat,
  drain,
  frame,
  machineOf,
  names,
  Pair,
  pattern,
  readAll,
  take,
  update,
} from "./harness.ts";

/** A stream that both ends know. */
function opened(pair: Pair) {
  const stream = pair.client.open();
  pair.run();
  return { stream, accepted: pair.server.accept()! };
}

for (const version of [1, 2] as const) {
  Deno.test(`end ${version}: each direction ends on its own, whoever is first`, () => {
    for (const first of ["client", "server"] as const) {
      const pair = new Pair({ version });
      const { stream, accepted } = opened(pair);
      const [a, b] = first === "client" ? [stream, accepted] : [accepted, stream];
      a.write(pattern(100));
      a.closeWrite();
      a.closeWrite();
      assertThrows(() => a.write(new Uint8Array(1)), MuxError, "the end of the stream was written");
      pair.run();
      assertEquals([b.readable, b.readEnded, a.writable, b.writable], [100, false, false, true]);
      readAll(b);
      assert(b.readEnded && !a.closed && !b.closed);
      // The other direction goes on for a long time.
      for (let i = 0; i < 50; i++) {
        b.write(pattern(20_000, i));
        pair.run();
        assertEquals(readAll(a), pattern(20_000, i));
      }
      b.closeWrite();
      pair.run();
      assert(a.readEnded && a.closed && b.closed);
      assertEquals([pair.client.streams, pair.server.streams], [0, 0]);
      assertEquals([a.writeError, a.readError, b.writeError, b.readError], [
        null,
        null,
        null,
        null,
      ]);
    }
  });

  Deno.test(`end ${version}: both ends at the same time, with data that was not read`, () => {
    const pair = new Pair({ version });
    const { stream, accepted } = opened(pair);
    for (const each of [stream, accepted]) {
      each.write(pattern(500));
      each.closeWrite();
    }
    pair.run();
    // It is there until it was read.
    assertEquals([pair.client.streams, pair.server.streams, stream.closed], [1, 1, false]);
    assertEquals([readAll(stream).length, readAll(accepted).length], [500, 500]);
    assertEquals([pair.client.streams, pair.server.streams, stream.closed], [0, 0, true]);
  });

  Deno.test(`end ${version}: a stream that is opened and ended at once is seen`, () => {
    const pair = new Pair({ version });
    pair.client.open().closeWrite();
    pair.run();
    const accepted = pair.server.accept()!;
    assert(accepted.readEnded && accepted.writable);
  });

  Deno.test(`end ${version}: the peer learns the code of a reset; what it has not read is dropped`, () => {
    const pair = new Pair({ version });
    const { stream, accepted } = opened(pair);
    stream.write(pattern(100));
    pair.run();
    stream.write(pattern(50_000));
    stream.resetWrite(77);
    assertEquals([stream.queued, stream.writeError?.kind], [0, "closed"]);
    pair.run();
    const error = accepted.readError!;
    assertEquals([error.kind, error.code, error.closeCode], ["reset", "ECONNRESET", 77]);
    assertEquals([accepted.readable, accepted.readEnded], [0, false]);
    // Its own direction is not concerned.
    accepted.write(pattern(9));
    accepted.closeWrite();
    pair.run();
    assertEquals(readAll(stream).length, 9);
    assert(stream.closed && accepted.closed);
    assertEquals([pair.client.stats.resetsSent, pair.server.stats.resetsReceived], [1, 1]);
  });

  Deno.test(`end ${version}: who stops reading stops the peer's writer`, () => {
    const pair = new Pair({ version });
    const { stream, accepted } = opened(pair);
    stream.write(pattern(100));
    pair.run();
    accepted.stopReading(5);
    assertEquals([accepted.readable, accepted.readError?.kind], [0, "closed"]);
    assertEquals(pair.server.buffered, 0);
    stream.write(pattern(100));
    pair.run();
    assertEquals([stream.writeError?.kind, stream.writeError?.closeCode], ["reset", 5]);
    assertEquals(pair.server.stats.strayBytes, 100);
    accepted.write(pattern(3));
    accepted.closeWrite();
    pair.run();
    assertEquals(readAll(stream).length, 3);
    assert(stream.closed && accepted.closed);
  });

  Deno.test(`end ${version}: to stop reading behind the end is nothing`, () => {
    const pair = new Pair({ version });
    const { stream, accepted } = opened(pair);
    stream.closeWrite();
    pair.run();
    accepted.stopReading(1);
    assertEquals([accepted.readEnded, accepted.readError], [true, null]);
    assertEquals(drain(pair.server).length, 0);
  });

  Deno.test(`end ${version}: a reset ends both directions of both ends`, () => {
    const pair = new Pair({ version });
    const { stream, accepted } = opened(pair);
    accepted.write(pattern(10));
    stream.write(pattern(10));
    stream.reset(3);
    pair.run();
    assertEquals([accepted.readError?.closeCode, accepted.writeError?.closeCode], [3, 3]);
    assert(stream.closed && accepted.closed);
    assertEquals([pair.client.streams, pair.server.streams], [0, 0]);
    stream.reset(4);
    assertEquals(drain(pair.client).length, 0);
    assertThrows(() => stream.reset(-1), RangeError);
    assertThrows(() => stream.reset(2 ** 32 - 256), RangeError);
  });

  Deno.test(`end ${version}: a reset in front of the FIN that waits takes its place`, () => {
    const machine = machineOf({ version });
    const stream = machine.open();
    drain(machine);
    stream.write(pattern(1000));
    stream.closeWrite();
    take(machine, 300);
    stream.resetWrite(1);
    const sent = names(drain(machine));
    assertEquals(sent.at(-1), "FIN 3");
    assertEquals(sent.filter((name) => name.startsWith("FIN")).length, 1);
    assertEquals(stream.writeError?.kind, "closed");
  });

  Deno.test(`end ${version}: a FIN of smux is not a reset, and its data is dropped when nobody reads`, () => {
    const machine = machineOf({ version, resetCodes: false });
    const stream = machine.open();
    stream.write(pattern(10));
    stream.reset();
    assertEquals(names(drain(machine)), ["SYN 3", "FIN 3"]);
    assert(stream.closed);
    machine.input(concat([frame(version, 2, 3, pattern(50)), frame(version, 1, 3)]), 0);
    assertEquals([machine.stats.strayBytes, machine.stats.strayFrames], [50, 1]);
  });

  Deno.test(`end ${version}: what was taken back is not sent, and the end follows what was sent`, () => {
    const machine = machineOf({ version });
    const stream = machine.open();
    drain(machine);
    stream.write(pattern(3000));
    stream.write(pattern(3000));
    take(machine, 2008);
    stream.closeWrite();
    assertEquals([stream.sent, stream.queued, stream.withdraw()], [2000, 4000, 4000]);
    assertEquals(names(drain(machine)), ["FIN 3"]);
    assertEquals(stream.sent, 2000);
  });

  Deno.test(`end ${version}: a close delivers what was written, then says goodbye`, () => {
    const pair = new Pair({ version });
    const { stream, accepted } = opened(pair);
    const other = pair.client.open();
    const data = pattern(150_000);
    stream.write(data);
    stream.closeWrite();
    other.write(data);
    pair.client.close(9, "done");
    assertEquals([pair.client.state, stream.writable], ["closing", false]);
    assertEquals(stream.readError?.kind, "closed");
    assertThrows(() => pair.client.open(), MuxError, "the session was closed");
    assertThrows(() => other.write(data), MuxError, "closing");
    pair.run();
    assertEquals([pair.client.state, pair.client.error], ["closed", null]);
    const { error } = pair.server;
    assertEquals([error?.kind, error?.closeCode, error?.reason], ["reset", 9, "done"]);
    assertEquals(readAll(accepted), data);
    assert(accepted.readEnded);
    // The peer has accepted it only now. It was not ended: its reader learns so.
    const late = pair.server.accept()!;
    assertEquals(readAll(late), data);
    assertEquals([late.readEnded, late.readError], [false, error]);
    assertEquals(pair.server.accept(), null);
    assertEquals([pair.client.deadline, pair.server.deadline], [Infinity, Infinity]);
  });

  Deno.test(`end ${version}: a close waits for what the window holds back`, () => {
    const machine = machineOf({ version });
    const stream = machine.open();
    stream.write(pattern(300_000));
    machine.close();
    drain(machine);
    assertEquals(machine.state, version === 1 ? "closed" : "closing");
    if (version === 1) return;
    assertEquals(stream.queued, 300_000 - 262_144);
    // The peer reads no more: so nothing is left to deliver.
    machine.input(
      concat([0x02_50_43_4b, 3, 1].map((word) => frame(2, 3, word))),
      0,
    );
    assertEquals(machine.state, "closed");
  });

  Deno.test(`end ${version}: a session that closes tells nothing of data behind an end`, () => {
    const machine = machineOf({ version, client: false });
    machine.input(concat([frame(version, 0, 3), frame(version, 2, 3, pattern(9))]), 0);
    machine.input(frame(version, 1, 3), 0);
    const stream = machine.accept()!;
    stream.write(pattern(300_000));
    machine.close();
    assertEquals(take(machine, 5000).length, 5000);
    machine.input(frame(version, 2, 3, pattern(1000)), 0);
    assertEquals(names(drain(machine)).filter((name) => name.startsWith("UPD")), []);
  });

  Deno.test(`end ${version}: an abort drops everything`, () => {
    const pair = new Pair({ version });
    const { stream, accepted } = opened(pair);
    accepted.write(pattern(1000));
    accepted.closeWrite();
    pair.run();
    stream.write(pattern(1000));
    pair.client.abort(4, "no");
    assertEquals([pair.client.state, pair.client.error?.kind], ["closed", "closed"]);
    assertEquals([stream.readable, stream.readEnded, stream.readError?.kind], [0, false, "closed"]);
    pair.run();
    assertEquals([accepted.readable, accepted.readError?.closeCode], [0, 4]);
    assertEquals(pair.client.buffered, 0);
    assertThrows(() => stream.write(pattern(1)), MuxError, "aborted");
  });

  Deno.test(`end ${version}: when the connection below ends, what has arrived can be read`, () => {
    const pair = new Pair({ version });
    const { stream, accepted } = opened(pair);
    const open = pair.client.open();
    stream.write(pattern(700));
    stream.closeWrite();
    open.write(pattern(20));
    pair.run();
    const half = pair.server.accept()!;
    pair.server.inputEnd(1);
    assertEquals([pair.server.state, pair.server.error?.kind], ["closed", "connection"]);
    assertEquals([readAll(accepted).length, accepted.readEnded, accepted.readError], [
      700,
      true,
      null,
    ]);
    assertEquals([readAll(half).length, half.readEnded], [20, false]);
    assertEquals(half.readError?.code, "ECONNRESET");
    assertEquals(accepted.writeError?.kind, "connection");
    assertEquals(pair.server.buffered, 0);
  });

  Deno.test(`end ${version}: the cause of a failure is known to every stream`, () => {
    const machine = machineOf({ version });
    const stream = machine.open();
    const cause = new TypeError("socket is gone");
    machine.fail(cause);
    machine.fail(new Error("again"));
    for (const error of [machine.error, stream.readError, stream.writeError]) {
      assertEquals(error?.cause, cause);
      assertEquals(error?.message, "The connection below failed: socket is gone");
    }
    assertEquals(machine.hasOutput, false);
    assertThrows(() => machine.open(), MuxError, "socket is gone");
  });
}

Deno.test("end: a session that closes gives credit for what it drops, so that the peer goes on", () => {
  const machine = machineOf({ client: false, autoTune: false, maxStreamBuffer: 1000 });
  machine.input(concat([frame(2, 0, 3), frame(2, 2, 3, pattern(600))]), 0);
  const stream = machine.accept()!;
  stream.write(pattern(300_000));
  drain(machine);
  machine.close();
  assertEquals(names(drain(machine)), ["UPD 3 600/1000"]);
  machine.input(frame(2, 2, 3, pattern(700)), 0);
  assertEquals(names(drain(machine)), ["UPD 3 1300/1000"]);
  assertEquals([machine.state, machine.buffered], ["closing", 0]);
  // The peer may read now, and give credit in its turn.
  machine.input(frame(2, 4, 3, update(262_144, 262_144)), 0);
  drain(machine);
  assertEquals([machine.state, machine.error], ["closed", null]);
});

Deno.test("end: the reason of a close is cut after 256 bytes, and any text arrives", () => {
  for (const reason of ["", "a", "abcd", "Grüße, 世界", "x".repeat(300), "ü".repeat(200)]) {
    const pair = new Pair();
    pair.client.close(2 ** 32 - 257, reason);
    pair.run();
    const got = pair.server.error!;
    assertEquals(got.closeCode, 2 ** 32 - 257);
    assertEquals(reason.startsWith(got.reason), true);
    assertEquals(new TextEncoder().encode(got.reason).length >= Math.min(255, reason.length), true);
  }
});

Deno.test("keep-alive: a NOP goes when nothing else went for the interval", () => {
  const machine = machineOf();
  machine.tick(9999);
  assertEquals([machine.hasOutput, machine.deadline], [false, 10_000]);
  machine.tick(10_000);
  assertEquals(names(drain(machine, 10_100)), ["NOP 0"]);
  assertEquals(machine.deadline, 20_100);
  const stream = machine.open();
  drain(machine, 15_000);
  assertEquals(machine.deadline, 25_000);
  stream.write(pattern(1));
  machine.tick(25_000);
  // While the connection below takes nothing, one NOP waits, and the peer's silence is judged.
  assertEquals(machine.deadline, 30_000);
  machine.tick(28_000);
  assertEquals(names(drain(machine, 28_000)), ["NOP 0", "PSH 3 1"]);
});

Deno.test("keep-alive: the session ends when nothing arrived for the timeout", () => {
  const machine = machineOf({ keepAliveTimeout: 20_000 });
  const stream = machine.open();
  machine.input(frame(2, 3, 0), 7000);
  machine.tick(26_999);
  assertEquals(machine.state, "open");
  machine.tick(27_000);
  assertEquals([machine.error?.kind, machine.error?.code], ["unreachable", "ETIMEDOUT"]);
  assertEquals([stream.readError, stream.writeError], [machine.error, machine.error]);
  assertEquals(machine.hasOutput, false);
});

Deno.test("keep-alive: a process that slept looks at what lies below before it judges", () => {
  const machine = machineOf();
  machine.tick(100_000);
  assertEquals([machine.state, machine.deadline], ["open", 100_500]);
  machine.input(frame(2, 3, 0), 100_001);
  machine.tick(100_500);
  assertEquals(machine.state, "open");
  // The next time, too.
  machine.tick(300_000);
  assertEquals([machine.state, machine.deadline], ["open", 300_500]);
  const other = machineOf();
  other.tick(100_000);
  other.tick(100_500);
  assertEquals(other.error?.kind, "unreachable");
});

Deno.test("keep-alive: with Infinity, an idle session has nothing to do", () => {
  const machine = machineOf({ keepAliveInterval: Infinity });
  assertEquals([machine.options.keepAliveTimeout, machine.deadline], [Infinity, Infinity]);
  machine.tick(1e12);
  assertEquals([machine.state, machine.hasOutput], ["open", false]);
  const half = machineOf({ keepAliveInterval: Infinity, keepAliveTimeout: 5000 });
  assertEquals(half.deadline, 5000);
});

Deno.test("keep-alive: two idle machines keep each other alive", () => {
  const pair = new Pair({ keepAliveInterval: 100, keepAliveTimeout: 300 });
  let now = 0;
  for (let i = 0; i < 1000; i++) {
    now = Math.min(pair.client.deadline, pair.server.deadline);
    pair.client.tick(now);
    pair.server.tick(now);
    pair.run(now);
  }
  assertEquals([pair.client.state, pair.server.state], ["open", "open"]);
  assert(now > 40_000);
});

Deno.test("end: a time that is no number is refused", () => {
  assertThrows(() => new MuxMachine({ client: true }, NaN), TypeError);
  const machine = machineOf();
  assertThrows(() => machine.input(new Uint8Array(1), NaN), TypeError);
  assertThrows(() => machine.tick(NaN), TypeError);
});
