/**
 * Bytes on the wire, written by hand from the format of smux: `ver cmd length(2) sid(4) data`,
 * integers little-endian.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { drain, frame, hex, machineOf, names, pattern, readAll, update } from "./harness.ts";

for (const version of [1, 2] as const) {
  Deno.test(`wire ${version}: a client opens 3, writes, and ends`, () => {
    const machine = machineOf({ version });
    const stream = machine.open();
    stream.write(new TextEncoder().encode("hello"));
    stream.closeWrite();
    assertEquals(
      drain(machine),
      hex(`
        0${version} 00 0000 03000000
        0${version} 02 0500 03000000 68656c6c6f
        0${version} 01 0000 03000000
      `),
    );
    assertEquals(machine.hasOutput, false);
  });

  Deno.test(`wire ${version}: a server opens 2, 4, ...; a client 3, 5, ...`, () => {
    const server = machineOf({ version, client: false });
    assertEquals([server.open().id, server.open().id], [2, 4]);
    assertEquals(names(drain(server)), ["SYN 2", "SYN 4"]);
    const client = machineOf({ version });
    assertEquals([client.open().id, client.open().id], [3, 5]);
  });

  Deno.test(`wire ${version}: a NOP is 8 bytes with stream 0`, () => {
    const machine = machineOf({ version, keepAliveInterval: 100, keepAliveTimeout: 1000 });
    assertEquals(machine.deadline, 100);
    machine.tick(100);
    assertEquals(drain(machine, 100), hex(`0${version} 03 0000 00000000`));
  });

  Deno.test(`wire ${version}: what a peer sends is the same, wherever it is cut`, () => {
    const bytes = hex(`
      0${version} 00 0000 03000000
      0${version} 02 0500 03000000 68656c6c6f
      0${version} 03 0000 00000000
      0${version} 02 0100 03000000 21
      0${version} 01 0000 03000000
    `);
    for (let cut = 0; cut <= bytes.length; cut++) {
      for (let second = cut; second <= bytes.length; second += 5) {
        const machine = machineOf({ version, client: false });
        for (const part of [[0, cut], [cut, second], [second, bytes.length]]) {
          assertEquals(machine.input(bytes.subarray(...part), 0), part[1] - part[0]);
        }
        const stream = machine.accept()!;
        assertEquals(stream.id, 3);
        assertEquals(new TextDecoder().decode(readAll(stream)), "hello!");
        assert(stream.readEnded, `cut at ${cut} and ${second}`);
        assertEquals(machine.stats.framesReceived, 5);
        assertEquals(machine.stats.bytesReceived, bytes.length);
      }
    }
  });

  Deno.test(`wire ${version}: data is cut at the largest frame size`, () => {
    const machine = machineOf({ version, maxFrameSize: 1000 });
    machine.open().write(pattern(2500));
    assertEquals(names(drain(machine)), ["SYN 3", "PSH 3 1000", "PSH 3 1000", "PSH 3 500"]);
    const largest = machineOf({ version, maxFrameSize: 65_535 });
    largest.open().write(pattern(65_536));
    assertEquals(names(drain(largest)), ["SYN 3", "PSH 3 65535", "PSH 3 1"]);
    const smallest = machineOf({ version, maxFrameSize: 1 });
    smallest.open().write(pattern(3));
    assertEquals(names(drain(smallest)), ["SYN 3", "PSH 3 1", "PSH 3 1", "PSH 3 1"]);
  });

  Deno.test(`wire ${version}: pieces that are written share a frame`, () => {
    const machine = machineOf({ version });
    const stream = machine.open();
    const data = pattern(30_000);
    for (let at = 0; at < data.length; at += 100) stream.write(data.subarray(at, at + 100));
    const bytes = drain(machine);
    assertEquals(names(bytes), ["SYN 3", "PSH 3 30000"]);
    assertEquals(bytes.subarray(16), data);
    stream.writev([data.subarray(0, 1), new Uint8Array(), data.subarray(1, 3)]);
    assertEquals(drain(machine), frame(version, 2, 3, data.subarray(0, 3)));
  });

  Deno.test(`wire ${version}: a frame whose pieces do not fit a batch is cut short`, () => {
    const machine = machineOf({ version, maxFrameSize: 65_535 });
    const stream = machine.open();
    const data = pattern(5000);
    for (let at = 0; at < data.length; at++) stream.write(data.subarray(at, at + 1));
    const bytes = drain(machine);
    const server = machineOf({ version, client: false });
    server.input(bytes, 0);
    assertEquals(readAll(server.accept()!), data);
  });

  Deno.test(`wire ${version}: a reset is three NOPs and a FIN; reading that stops is three NOPs`, () => {
    const machine = machineOf({ version });
    const stream = machine.open();
    stream.write(pattern(10));
    stream.reset(7);
    assertEquals(
      drain(machine),
      hex(`
        0${version} 00 0000 03000000
        0${version} 03 0000 4b435002  0${version} 03 0000 03000000  0${version} 03 0000 07000000
        0${version} 03 0000 4b435001  0${version} 03 0000 03000000  0${version} 03 0000 07000000
        0${version} 01 0000 03000000
      `),
    );
    const plain = machineOf({ version, resetCodes: false });
    plain.open().reset(7);
    assertEquals(names(drain(plain)), ["SYN 3", "FIN 3"]);
  });

  Deno.test(`wire ${version}: a close is NOPs with the code and the reason`, () => {
    const machine = machineOf({ version });
    machine.close(258, "enough");
    assertEquals(
      drain(machine),
      hex(`
        0${version} 03 0000 4b435004  0${version} 03 0000 02010000  0${version} 03 0000 06000000
        0${version} 03 0000 656e6f75  0${version} 03 0000 67680000
      `),
    );
    const plain = machineOf({ version, resetCodes: false });
    plain.close(258, "enough");
    assertEquals([plain.state, drain(plain).length], ["closed", 0]);
  });
}

Deno.test("wire 2: the first read is told, and then every half window", () => {
  const machine = machineOf({
    version: 2,
    client: false,
    autoTune: false,
    maxStreamBuffer: 1000,
  });
  machine.input(frame(2, 0, 3), 0);
  machine.input(frame(2, 2, 3, pattern(3000)), 0);
  const stream = machine.accept()!;
  assertEquals(names(drain(machine)), []);
  stream.read(new Uint8Array(10));
  assertEquals(drain(machine), hex("02 04 0800 03000000 0a000000 e8030000"));
  stream.read(new Uint8Array(499));
  assertEquals(names(drain(machine)), []);
  stream.read(new Uint8Array(1));
  assertEquals(names(drain(machine)), ["UPD 3 510/1000"]);
  // Several that wait are told as one.
  for (let i = 0; i < 3; i++) stream.read(new Uint8Array(500));
  assertEquals(names(drain(machine)), ["UPD 3 2010/1000"]);
  // Behind the end there is nothing to tell, not even what waits to be told.
  stream.read(new Uint8Array(500));
  assertEquals(machine.hasOutput, true);
  machine.input(frame(2, 1, 3), 0);
  assertEquals(names(drain(machine)), []);
  readAll(stream);
  assertEquals(names(drain(machine)), []);
});

Deno.test("wire 1: nothing is told of what was read", () => {
  const machine = machineOf({ version: 1, client: false });
  machine.input(frame(1, 0, 3), 0);
  machine.input(frame(1, 2, 3, pattern(60_000)), 0);
  readAll(machine.accept()!);
  assertEquals(names(drain(machine)), []);
});

Deno.test("wire 2: no more than 262144 bytes go out before the first update, then what it allows", () => {
  const machine = machineOf({ version: 2, maxFrameSize: 65_535 });
  const stream = machine.open();
  const data = pattern(400_000);
  stream.write(data);
  assertEquals(
    names(drain(machine)).join(" "),
    "SYN 3 PSH 3 65535 PSH 3 65535 PSH 3 65535 PSH 3 65535 PSH 3 4",
  );
  assertEquals([stream.credit, stream.queued, stream.sent], [0, 400_000 - 262_144, 262_144]);
  machine.input(frame(2, 4, 3, update(100_000, 200_000)), 0);
  assertEquals(stream.credit, 200_000 - 162_144);
  assertEquals(names(drain(machine)), ["PSH 3 37856"]);
  // A smaller window than what is under way: the sender waits.
  machine.input(frame(2, 4, 3, update(110_000, 50)), 0);
  assertEquals(stream.credit, 50 - 190_000);
  assertEquals(drain(machine).length, 0);
  machine.input(frame(2, 4, 3, update(300_000, 51)), 0);
  assertEquals(names(drain(machine)), ["PSH 3 51"]);
});
