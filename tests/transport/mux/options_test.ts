import { assertEquals, assertThrows } from "@std/assert";
import { MuxMachine, type MuxMachineOptions } from "../../../transport/mux.ts";
import { machineOf } from "./harness.ts";

Deno.test("options: the defaults are those of smux, but for version 2", () => {
  assertEquals(machineOf().options, {
    client: true,
    version: 2,
    maxFrameSize: 32_768,
    maxReceiveBuffer: 4_194_304,
    maxStreamBuffer: 65_536,
    autoTune: true,
    keepAliveInterval: 10_000,
    keepAliveTimeout: 30_000,
    stallGrace: 5000,
    acceptBacklog: 1024,
    maxIncomingStreams: 65_536,
    resetCodes: true,
    firstId: 3,
  });
  assertEquals(machineOf({ client: false }).options.firstId, 2);
  assertEquals(machineOf({ keepAliveInterval: 60_000 }).options.keepAliveTimeout, 60_000);
  assertEquals(machineOf({ maxReceiveBuffer: 1000 }).options.maxStreamBuffer, 1000);
  assertEquals(machineOf({ maxReceiveBuffer: 2 ** 31 - 1 }).options.maxReceiveBuffer, 2 ** 29);
  assertEquals(machineOf({ version: 1 }).memoryLimit, 4_194_304);
  assertEquals(machineOf({ version: 2 }).memoryLimit, 17_825_792);
});

/** Settings that are out of range, and what the error says. */
const WRONG: readonly (readonly [Record<string, unknown>, ErrorConstructor, string])[] = [
  [{ client: 1 }, TypeError, "Cannot set client to 1: it must be true or false"],
  [{ autoTune: "no" }, TypeError, "Cannot set autoTune to no"],
  [{ resetCodes: null }, TypeError, "Cannot set resetCodes to null"],
  [{ version: 3 }, RangeError, "Cannot speak version 3 of smux: there are 1 and 2"],
  [{ maxFrameSize: 0 }, RangeError, "Cannot set maxFrameSize to 0: allowed are 1 to 65535"],
  [{ maxFrameSize: 65_536 }, RangeError, "Cannot set maxFrameSize to 65536"],
  [{ maxReceiveBuffer: 0 }, RangeError, "Cannot set maxReceiveBuffer to 0"],
  [{ maxReceiveBuffer: 2 ** 31 }, RangeError, "allowed are 1 to 2147483647"],
  [{ maxReceiveBuffer: 100, maxStreamBuffer: 101 }, RangeError, "allowed are 1 to 100"],
  [{ maxStreamBuffer: 1.5 }, RangeError, "Cannot set maxStreamBuffer to 1.5"],
  [
    { keepAliveInterval: 0 },
    RangeError,
    "Cannot set keepAliveInterval to 0: it must be more than 0",
  ],
  [
    { keepAliveTimeout: 9999 },
    RangeError,
    "Cannot set keepAliveTimeout to 9999: at least 10000 ms",
  ],
  [{ keepAliveInterval: NaN }, RangeError, "Cannot set keepAliveInterval to NaN"],
  [{ stallGrace: -1 }, RangeError, "Cannot set stallGrace to -1: at least 0 ms"],
  [{ acceptBacklog: 0 }, RangeError, "Cannot set acceptBacklog to 0"],
  [{ maxIncomingStreams: 0 }, RangeError, "Cannot set maxIncomingStreams to 0"],
  [{ firstId: 4 }, RangeError, "Cannot set firstId to 4: ids of a client are odd"],
  [{ client: false, firstId: 3 }, RangeError, "ids of a server are even"],
  [{ firstId: 2 ** 32 + 1 }, RangeError, "Cannot set firstId to 4294967297"],
];

for (const [options, error, message] of WRONG) {
  Deno.test(`options: ${JSON.stringify(options)} is refused`, () => {
    const all = { client: true, ...options } as MuxMachineOptions;
    assertThrows(() => new MuxMachine(all, 0), error as never, message);
  });
}

Deno.test("options: a stream's settings are checked", () => {
  const machine = machineOf();
  assertThrows(() => machine.open({ sendOrder: NaN }), RangeError, "Cannot set sendOrder to NaN");
  assertThrows(() => machine.open({ weight: 0 }), RangeError, "Cannot set weight to 0");
  assertThrows(() => machine.open({ weight: 257 }), RangeError, "allowed are 1 to 256");
  assertEquals(machine.stats.opened, 0);
  const stream = machine.open({ sendOrder: -3, weight: 7, sendGroup: "a" });
  assertEquals([stream.sendOrder, stream.weight, stream.sendGroup], [-3, 7, "a"]);
  assertThrows(() => stream.sendOrder = Infinity, RangeError);
  assertThrows(() => stream.setWeight(1.5), RangeError);
  assertThrows(() => stream.write("text" as never), TypeError);
  assertThrows(() => stream.writev([new Uint8Array(1), 5 as never]), TypeError);
  assertEquals(stream.queued, 0);
  assertThrows(() => machine.rtt = -1, RangeError);
  assertThrows(() => machine.close(-1), RangeError);
  assertThrows(() => machine.abort(2 ** 32), RangeError);
});
