/**
 * What a peer may send that is no good, or of no use: what smux does with it, and the machine too.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  concat,
  drain,
  frame,
  machineOf,
  names,
  Pair,
  pattern,
  readAll,
  update,
} from "./harness.ts";

/** Frames that end the session, and what the error says. */
const VIOLATIONS: readonly (readonly [string, 1 | 2, Uint8Array, RegExp])[] = [
  ["another version", 2, frame(1, 0, 3), /it speaks version 1, this side speaks version 2/],
  ["another version", 1, frame(2, 3, 0), /it speaks version 2, this side speaks version 1/],
  ["no version", 1, frame(0x47, 0x45, 0x20), /there is no version 71/],
  ["no command", 2, frame(2, 5, 3), /there is no command 5 in version 2/],
  ["a window update in version 1", 1, frame(1, 4, 3, update(0, 1)), /no command 4 in version 1/],
  ["SYN with payload", 1, frame(1, 0, 3, [1]), /command 0 has 1 bytes of payload/],
  ["FIN with payload", 1, frame(1, 1, 3, [1, 2]), /command 1 has 2 bytes of payload/],
  ["NOP with payload", 2, frame(2, 3, 0, [1, 2, 3]), /command 3 has 3 bytes of payload/],
  ["a short window update", 2, frame(2, 4, 3, [1, 2, 3, 4]), /a window update has 4 bytes/],
  ["a long window update", 2, frame(2, 4, 3, pattern(12)), /a window update has 12 bytes/],
  ["a stream of this side", 2, frame(2, 0, 4), /it opens stream 4, whose id belongs to this side/],
];

for (const [what, version, bytes, message] of VIOLATIONS) {
  Deno.test(`protocol: ${what} ends the session: ${message.source}`, () => {
    const machine = machineOf({ version, client: false });
    const before = machine.open();
    drain(machine);
    assertEquals(machine.input(concat([frame(version, 0, 5), bytes]), 0), 8 + bytes.length);
    assertEquals([machine.state, machine.error?.kind], ["closed", "protocol"]);
    assertMatch(machine.error!.message, message);
    assertEquals([before.closed, before.readError, before.writeError], [
      true,
      machine.error,
      machine.error,
    ]);
    // A peer that runs this module learns why.
    const peer = machineOf({ version });
    peer.input(drain(machine), 0);
    assertEquals(peer.error?.kind, "reset");
    assertMatch(peer.error!.reason, message);
    // Nothing more is looked at.
    assertEquals(machine.input(pattern(1000), 0), 1000);
    assertEquals(machine.deadline, Infinity);
  });
}

for (const version of [1, 2] as const) {
  const serverWith = (...frames: Uint8Array[]) => {
    const machine = machineOf({ version, client: false });
    const bytes = concat(frames);
    assertEquals(machine.input(bytes, 0), bytes.length);
    assertEquals(machine.state, "open");
    return machine;
  };
  const SYN = frame(version, 0, 3);
  const FIN = frame(version, 1, 3);
  const psh = (text: string) => frame(version, 2, 3, new TextEncoder().encode(text));

  Deno.test(`protocol ${version}: a second SYN of an open stream is ignored`, () => {
    const machine = serverWith(SYN, psh("a"), SYN, psh("b"));
    assertEquals([machine.streams, machine.stats.duplicateSyns], [1, 1]);
    assertEquals(new TextDecoder().decode(readAll(machine.accept()!)), "ab");
    assertEquals(drain(machine).length > 0, version === 2);
  });

  Deno.test(`protocol ${version}: data and FIN of unknown streams are dropped`, () => {
    const machine = serverWith(psh("abc"), FIN, frame(version, 1, 2), frame(version, 2, 2, [1]));
    assertEquals([machine.stats.strayBytes, machine.stats.strayFrames], [4, 2]);
    assertEquals([machine.streams, machine.hasOutput], [0, false]);
  });

  Deno.test(`protocol ${version}: data behind FIN is dropped, a second FIN is ignored`, () => {
    const machine = serverWith(SYN, psh("abc"), FIN, psh("defg"), FIN);
    assertEquals(machine.stats.bytesAfterEnd, 4);
    const stream = machine.accept()!;
    assertEquals(new TextDecoder().decode(readAll(stream)), "abc");
    assert(stream.readEnded);
    assert(stream.writable);
  });

  Deno.test(`protocol ${version}: data without payload is ignored`, () => {
    const machine = serverWith(frame(version, 2, 9), SYN, psh(""), psh("a"), psh(""));
    assertEquals(machine.stats.emptyFrames, 3);
    assertEquals(readAll(machine.accept()!).length, 1);
  });

  Deno.test(`protocol ${version}: an id can be used again when its stream is over`, () => {
    const machine = serverWith(SYN, FIN);
    machine.accept()!.closeWrite();
    drain(machine);
    assertEquals(machine.streams, 0);
    machine.input(concat([SYN, psh("again")]), 0);
    assertEquals(new TextDecoder().decode(readAll(machine.accept()!)), "again");
  });

  Deno.test(`protocol ${version}: ids need not rise, and 0 and the largest are ids`, () => {
    const machine = serverWith(frame(version, 0, 2 ** 32 - 1), frame(version, 0, 1), SYN);
    assertEquals([machine.accept()!.id, machine.accept()!.id, machine.accept()!.id], [
      2 ** 32 - 1,
      1,
      3,
    ]);
    const client = machineOf({ version });
    client.input(frame(version, 0, 0), 0);
    const stream = client.accept()!;
    stream.write(new Uint8Array(1));
    assertEquals(stream.id, 0);
    assertEquals(names(drain(client)), ["PSH 0 1"]);
  });

  Deno.test(`protocol ${version}: a NOP with any stream id is only a sign of life`, () => {
    const machine = serverWith(
      frame(version, 3, 0),
      frame(version, 3, 3),
      frame(version, 3, 2 ** 31),
    );
    assertEquals([machine.stats.framesReceived, machine.streams], [3, 0]);
  });

  Deno.test(`protocol ${version}: a note that another frame interrupts says nothing`, () => {
    const note = (word: number) => frame(version, 3, word);
    const machine = serverWith(
      SYN,
      note(0x01_50_43_4b),
      note(3),
      psh("a"),
      note(7),
      note(0x01_50_43_4b),
      FIN,
      note(3),
      note(7),
      // Of a stream that is not known, and with a reason that is too long.
      ...[0x03_50_43_4b, 99, 1].map(note),
      ...[0x04_50_43_4b, 1, 2 ** 32 - 1, 1, 1].map(note),
      psh(""),
      ...[0x04_50_43_4b, 1, 257, ...new Array(65).fill(0x61616161)].map(note),
      ...[0x05_50_43_4b, 3, 1].map(note),
    );
    const stream = machine.accept()!;
    assertEquals(readAll(stream).length, 1);
    assert(stream.readEnded);
    assertEquals(machine.stats.resetsReceived, 0);
    assertEquals(machine.stats.strayFrames, 1);
  });
}

Deno.test("protocol 2: an update of an unknown stream is ignored", () => {
  const machine = machineOf({ client: false });
  machine.input(frame(2, 4, 3, update(5, 5)), 0);
  assertEquals([machine.state, machine.stats.strayFrames], ["open", 1]);
});

Deno.test("protocol 2: an update of more than was sent cuts the stream, and no other", () => {
  const machine = machineOf();
  const [bad, good] = [machine.open(), machine.open()];
  bad.write(pattern(100));
  drain(machine);
  machine.input(frame(2, 4, 3, update(101, 1000)), 0);
  assertEquals([bad.writeError?.kind, bad.readError?.kind, bad.closed], ["flow", "flow", false]);
  assertEquals(names(drain(machine)).at(-1), "FIN 3");
  assert(bad.closed);
  assertEquals(machine.stats.overruns, 1);
  good.write(pattern(5));
  assertEquals(names(drain(machine)), ["PSH 5 5"]);
});

Deno.test("protocol 2: an older update that comes late is ignored", () => {
  const machine = machineOf();
  const stream = machine.open();
  stream.write(pattern(100_000));
  drain(machine);
  machine.input(frame(2, 4, 3, update(90_000, 70_000)), 0);
  assertEquals(stream.credit, 60_000);
  machine.input(frame(2, 4, 3, update(80_000, 65_536)), 0);
  assertEquals([stream.credit, machine.stats.overruns], [60_000, 0]);
});

Deno.test("protocol 2: data beyond the window cuts the stream, and no other", () => {
  const machine = machineOf({ client: false });
  machine.input(concat([frame(2, 0, 3), frame(2, 0, 5)]), 0);
  const [bad, good] = [machine.accept()!, machine.accept()!];
  // Twice the first window is let pass: several writers of smux may check it at the same time.
  for (let sent = 0; sent < 2 * 262_144; sent += 32_768) {
    machine.input(frame(2, 2, 3, pattern(32_768)), 0);
  }
  assertEquals([bad.readError, bad.readable], [null, 2 * 262_144]);
  machine.input(frame(2, 2, 3, pattern(1)), 0);
  assertEquals([bad.readError?.kind, bad.writeError?.kind, bad.readable], ["flow", "flow", 0]);
  assertEquals(machine.stats.overruns, 1);
  machine.input(frame(2, 2, 5, pattern(10)), 0);
  assertEquals(readAll(good), pattern(10));
  assertEquals(machine.buffered, 0);
});

Deno.test("protocol: the peer of a cut stream learns why, if it runs this module", () => {
  const pair = new Pair();
  const stream = pair.client.open();
  stream.write(pattern(10));
  pair.run();
  const accepted = pair.server.accept()!;
  pair.client.input(frame(2, 4, 3, update(11, 1)), 0);
  pair.run();
  assertEquals([accepted.readError?.kind, accepted.writeError?.kind], ["flow", "flow"]);
  assert(accepted.closed && stream.closed);
});
