/**
 * Every bound of the machine is reached, and holds.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { MuxError, type MuxMachine, type MuxMachineStream } from "../../../transport/mux.ts";
import { concat, drain, frame, hex, machineOf, names, Pair, pattern, readAll } from "./harness.ts";

/** Feeds all bytes; as often as the machine takes nothing, `help` must change that. */
function feed(machine: MuxMachine, bytes: Uint8Array, help: () => void, now = 0): void {
  let stuck = 0;
  for (let at = 0; at < bytes.length;) {
    const taken = machine.input(bytes.subarray(at), now);
    at += taken;
    if (at === bytes.length) return;
    assertEquals(machine.receptive, false);
    stuck = taken === 0 ? stuck + 1 : 0;
    assert(stuck < 3, "the machine takes nothing more");
    help();
  }
}

for (const version of [1, 2] as const) {
  const syns = (count: number, first = 3) =>
    concat(Array.from({ length: count }, (_, i) => frame(version, 0, first + 2 * i)));

  Deno.test(`bounds ${version}: streams that nobody accepts are refused at once from acceptBacklog on`, () => {
    const machine = machineOf({ version, client: false, acceptBacklog: 3 });
    machine.input(syns(5), 0);
    assertEquals([machine.acceptable, machine.streams, machine.stats.refused], [3, 3, 2]);
    assertEquals(
      drain(machine),
      concat([9, 11].flatMap((id) => [
        hex(`0${version} 03 0000 4b435003 0${version} 03 0000 ${id === 9 ? "09" : "0b"}000000`),
        hex(`0${version} 03 0000 01ffffff`),
        frame(version, 1, id),
      ])),
    );
    // What they send is dropped, and the others go on.
    machine.input(concat([frame(version, 2, 9, pattern(100)), frame(version, 2, 3, [7])]), 0);
    assertEquals(machine.stats.strayBytes, 100);
    assertEquals(readAll(machine.accept()!), new Uint8Array([7]));
    machine.input(syns(1, 13), 0);
    assertEquals(machine.acceptable, 3);
  });

  Deno.test(`bounds ${version}: who is refused learns it`, () => {
    const pair = new Pair({ version }, { version, acceptBacklog: 1 });
    const [first, second] = [pair.client.open(), pair.client.open()];
    second.write(pattern(100));
    pair.run();
    assertEquals([second.readError?.kind, second.writeError?.kind], ["refused", "refused"]);
    assertEquals(second.readError?.code, "ECONNREFUSED");
    assert(second.closed && !first.closed);
    // A peer that runs something else sees the end.
    const plain = new Pair({ version, resetCodes: false, acceptBacklog: 1 });
    plain.client.open();
    const other = plain.client.open();
    plain.run();
    assert(other.readEnded && other.writable);
  });

  Deno.test(`bounds ${version}: no more than maxIncomingStreams are open`, () => {
    const machine = machineOf({ version, client: false, maxIncomingStreams: 4 });
    machine.input(syns(10), 0);
    assertEquals([machine.streams, machine.stats.refused], [4, 6]);
    // This side may open more.
    for (let i = 0; i < 10; i++) machine.open();
    assertEquals(machine.streams, 14);
    drain(machine);
    const stream = machine.accept()!;
    stream.closeWrite();
    machine.input(frame(version, 1, stream.id), 0);
    drain(machine);
    assertEquals(machine.streams, 13);
    machine.input(syns(2, 101), 0);
    assertEquals([machine.streams, machine.stats.refused], [14, 7]);
  });

  Deno.test(`bounds ${version}: a peer that opens streams and does not read waits after 1024 refusals`, () => {
    const machine = machineOf({ version, client: false, acceptBacklog: 1 });
    let receptive = 0;
    machine.handler = { onReceptive: () => receptive++ };
    const bytes = syns(5000);
    const taken = machine.input(bytes, 0);
    assertEquals(taken, 8 * 1025);
    assertEquals([machine.receptive, machine.stats.refused], [false, 1024]);
    assertEquals(machine.input(bytes.subarray(taken), 0), 0);
    // The peer's silence counts: it could read.
    assertEquals(machine.deadline, 10_000);
    machine.tick(30_000);
    assertEquals(machine.error?.kind, "unreachable");
    // One that reads goes on.
    const other = machineOf({ version, client: false, acceptBacklog: 1 });
    other.handler = machine.handler;
    let fins = 0;
    feed(other, bytes, () => {
      fins += names(drain(other)).filter((name) => name.startsWith("FIN")).length;
    });
    fins += names(drain(other)).filter((name) => name.startsWith("FIN")).length;
    assertEquals([fins, other.stats.refused, receptive > 0], [4999, 4999, true]);
  });

  Deno.test(`bounds ${version}: ids end at 2^32, and do not wrap`, () => {
    for (const client of [true, false]) {
      const last = 2 ** 32 - (client ? 1 : 2);
      const machine = machineOf({ version, client, firstId: last - 2 });
      const streams = [machine.open(), machine.open()];
      assertEquals(streams.map(({ id }) => id), [last - 2, last]);
      const error = assertThrows(() => machine.open(), MuxError);
      assertEquals([error.kind, error.code], ["exhausted", "EADDRNOTAVAIL"]);
      streams[1].write(pattern(3));
      const peer = machineOf({ version, client: !client });
      peer.input(drain(machine), 0);
      const [, accepted] = [peer.accept()!, peer.accept()!];
      assertEquals([accepted.id, readAll(accepted)], [last, pattern(3)]);
      assertEquals(machine.state, "open");
    }
  });
}

Deno.test("bounds: a full receive buffer takes no more, until something is read", () => {
  for (const maxReceiveBuffer of [1, 255, 3000, 100_000]) {
    const machine = machineOf({
      version: 1,
      client: false,
      maxReceiveBuffer,
      maxStreamBuffer: 1,
      stallGrace: Infinity,
    });
    let receptive = 0;
    machine.handler = { onReceptive: () => receptive++ };
    const data = pattern(5000 + 2 * maxReceiveBuffer);
    const frames = [frame(1, 0, 3)];
    for (let at = 0; at < data.length; at += 40_000) {
      frames.push(frame(1, 2, 3, data.subarray(at, at + 40_000)));
    }
    frames.push(frame(1, 1, 3));
    const parts: Uint8Array[] = [];
    let most = 0;
    let stream: MuxMachineStream | null = null;
    feed(machine, concat(frames), () => {
      most = Math.max(most, machine.buffered);
      assertEquals(machine.deadline, 10_000);
      stream ??= machine.accept();
      parts.push(readAll(stream!));
    });
    parts.push(readAll(stream!));
    assert(stream!.readEnded);
    assertEquals(concat(parts), data);
    assert(receptive > 0 && machine.stats.pauses > 0);
    assert(most <= maxReceiveBuffer + 131_072, `${most} bytes were in use`);
  }
});

Deno.test("bounds: many small messages take small blocks; memory goes back when they are read", () => {
  const machine = machineOf({ client: false, acceptBacklog: 65_536 });
  const ids = Array.from({ length: 10_000 }, (_, i) => 3 + 2 * i);
  for (const id of ids) machine.input(concat([frame(2, 0, id), frame(2, 2, id, [id & 255])]), 0);
  assertEquals(machine.buffered, 256 * 10_000);
  for (const id of ids) {
    const stream = machine.accept()!;
    assertEquals([stream.id, ...readAll(stream)], [id, id & 255]);
  }
  assertEquals([machine.buffered, machine.streams], [0, 10_000]);
});

Deno.test("bounds: what arrives finds room also when small blocks lie all over the memory", () => {
  const machine = machineOf({
    version: 1,
    client: false,
    maxReceiveBuffer: 500_000,
    maxStreamBuffer: 500_000,
    acceptBacklog: 65_536,
    stallGrace: Infinity,
  });
  const streams: MuxMachineStream[] = [];
  for (let id = 3; machine.buffered < 490_000; id += 2) {
    machine.input(concat([frame(1, 0, id), frame(1, 2, id, pattern(200, id))]), 0);
    if (machine.acceptable > 0) streams.push(machine.accept()!);
  }
  // One block of each 64 KiB stays.
  const kept = streams.filter((_, i) => i % 200 === 0);
  streams.forEach((stream, i) => {
    if (i % 200 !== 0) stream.reset();
  });
  drain(machine);
  assert(kept.length > 5);
  const data = pattern(450_000, 9);
  machine.input(frame(1, 0, 99_999), 0);
  for (let at = 0; at < data.length; at += 65_535) {
    feed(machine, frame(1, 2, 99_999, data.subarray(at, at + 65_535)), () => {});
  }
  assertEquals(readAll(machine.accept()!), data);
  for (const stream of kept) assertEquals(readAll(stream), pattern(200, stream.id));
  assertEquals(machine.buffered, 0);
});

Deno.test("bounds: a batch holds no more frames and pieces than it has room for", () => {
  const machine = machineOf({ version: 1, maxFrameSize: 10 });
  const streams = Array.from({ length: 400 }, () => machine.open());
  for (const stream of streams) stream.write(pattern(100));
  const bytes = drain(machine);
  const server = machineOf({ version: 1, client: false });
  server.input(bytes, 0);
  for (let i = 0; i < 400; i++) assertEquals(readAll(server.accept()!), pattern(100));
});

for (const version of [1, 2] as const) {
  Deno.test(`bounds ${version}: a flood that nobody reads takes no more memory, and stops no one`, () => {
    const machine = machineOf({ version, client: false, acceptBacklog: 65_536 });
    const data = pattern(60_000);
    machine.input(frame(version, 0, 3), 0);
    const honest = machine.accept()!;
    let [sent, got, most, now, slowest, since] = [0, 0, 0, 0, 0, 0];
    let rest: Uint8Array = new Uint8Array();
    let sid = 5;
    const target = new Uint8Array(1000);
    while (sid < 10_000) {
      if (rest.length === 0) {
        // Each stream of the flood brings all that its window allows. One byte is the honest peer's.
        const flood = Array.from({ length: 4 }, () => frame(version, 2, sid, data));
        rest = concat([frame(version, 0, sid), ...flood, frame(version, 2, 3, [sent++ & 255])]);
        sid += 2;
      }
      rest = rest.subarray(machine.input(rest, now));
      const count = honest.read(target);
      for (let i = 0; i < count; i++) assertEquals(target[i], got++ & 255);
      if (count > 0) since = now;
      slowest = Math.max(slowest, now - since);
      drain(machine, now);
      most = Math.max(most, machine.buffered);
      if (!machine.receptive) {
        now = Math.max(now, machine.deadline);
        machine.tick(now);
      }
    }
    assert(most <= machine.memoryLimit + 131_072, `${most} bytes of memory`);
    assert(got > 4900 && honest.readError === null, `${got} bytes arrived`);
    assert(slowest <= 5000, `the honest peer waited ${slowest} ms`);
    assertEquals([machine.state, sent - got < 100], ["open", true]);
  });
}
