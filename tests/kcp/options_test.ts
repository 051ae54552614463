import { assert, assertEquals, assertThrows } from "@std/assert";
import { fast, Kcp, normal, reference, turbo } from "../../kcp/mod.ts";
import { CONV, End, opened, pattern } from "./harness.ts";

Deno.test("options: the defaults are low latency with congestion control, and large windows", () => {
  const { options } = new Kcp(CONV);
  assertEquals(options, {
    nodelay: 1,
    interval: 10,
    resend: 2,
    nc: false,
    mtu: 1400,
    maxMtu: 1400,
    sndWnd: 2048,
    rcvWnd: 2048,
    sndQueue: 2048,
    minRto: 30,
    fastlimit: 0,
    ackNoDelay: false,
    writeDelay: false,
    pacingRate: Infinity,
    burst: "auto",
    copies: 1,
    newCopies: 0,
    rideAlong: 0,
    deadLinkTime: 30_000,
  });
  assert(Object.isFrozen(options));
  assertEquals({ ...options, ...turbo, nc: false }, options, "turbo without congestion control");
});

Deno.test("options: the presets have nodelay settings, and cannot be changed", () => {
  const gentle = { fastlimit: 5, copies: 0 };
  assertEquals(normal, { nodelay: 0, interval: 40, resend: 0, nc: false, ...gentle });
  assertEquals(fast, { nodelay: 0, interval: 30, resend: 2, nc: true, ...gentle });
  assertEquals(turbo, { nodelay: 1, interval: 10, resend: 2, nc: true, fastlimit: 0, copies: 1 });
  const { congestion, ...live } = reference;
  assertEquals(live, {
    nodelay: 0,
    interval: 100,
    resend: 0,
    nc: false,
    sndWnd: 128,
    rcvWnd: 256,
    ...gentle,
  });
  assertEquals(congestion, "reference");
  for (const preset of [normal, fast, turbo, live]) {
    assert(Object.isFrozen(preset) || preset === live && Object.isFrozen(reference));
    const { options } = new Kcp(CONV, { ...preset, mtu: 500 });
    assertEquals({ ...options, ...preset, mtu: 500 }, options);
  }
});

Deno.test("options: configure refuses what can only be set at the start, and says so", () => {
  const kcp = new Kcp(CONV);
  const before = kcp.options;
  for (const name of ["congestion", "initialSndSn", "initialRcvSn", "initialTs", "extensions"]) {
    const change = { interval: 20, [name]: reference.congestion };
    assertThrows(
      () => kcp.configure(change),
      TypeError,
      `Cannot change ${name}: it can only be set at the start`,
    );
  }
  assertThrows(() => kcp.configure(reference), TypeError, "Cannot change congestion");
  assertEquals(kcp.options, before);
});

Deno.test("options: nodelay() takes the four settings by position, numbers for nc too", () => {
  const kcp = new Kcp(CONV, { mtu: 600 });
  kcp.nodelay(1, 10, 2, 1);
  assertEquals({ ...kcp.options, ...turbo }, kcp.options);
  assertEquals([kcp.options.minRto, kcp.options.mtu], [30, 600]);
  kcp.nodelay(0, 40, 0, false);
  const four = { nodelay: 0, interval: 40, resend: 0, nc: false };
  assertEquals({ ...kcp.options, ...four }, kcp.options);
  assertEquals(kcp.options.minRto, 100);
  assertThrows(() => kcp.nodelay(1, 10, 2, 2 as never), TypeError);
  assertThrows(() => kcp.nodelay(3 as never, 10, 2, 1), RangeError);
  assertEquals({ ...kcp.options, ...four }, kcp.options, "the refused call changed nothing");
});

const RANGES: [name: string, min: number, max: number][] = [
  ["nodelay", 0, 2],
  ["interval", 1, 5000],
  ["resend", 0, 255],
  ["mtu", 50, 65507],
  ["sndWnd", 1, 65535],
  ["rcvWnd", 1, 65535],
  ["sndQueue", 255, 1048576],
  ["minRto", 1, 60_000],
  ["fastlimit", 0, 1048576],
  ["pacingRate", 24, Infinity],
  ["burst", 1, Infinity],
  ["deadLinkTime", 1, Infinity],
];

for (const [name, min, max] of RANGES) {
  Deno.test(`options: ${name} takes ${min} to ${max}, else the error names value and range`, () => {
    for (const value of [min, max]) {
      const kcp = new Kcp(CONV, { [name]: value });
      assertEquals((kcp.options as Record<string, unknown>)[name], value);
      new Kcp(CONV).configure({ [name]: value });
    }
    for (const value of [min - 1, max === Infinity ? NaN : max + 1, -Infinity, NaN]) {
      const error = assertThrows(() => new Kcp(CONV, { [name]: value }), RangeError);
      const { message } = error as Error;
      assert(
        [name, String(value), String(min), String(max)].every((part) => message.includes(part)),
        message,
      );
      const kcp = new Kcp(CONV);
      const before = kcp.options;
      assertThrows(() => kcp.configure({ mtu: 100, [name]: value }), RangeError);
      assertEquals(kcp.options, before, "a refused change leaves every setting as it was");
    }
    for (const value of ["7", null, {}, true]) {
      assertThrows(() => new Kcp(CONV, { [name]: value as never }), TypeError, name);
    }
  });
}

Deno.test("options: counts are whole numbers, times and rates may be fractional", () => {
  for (const name of ["nodelay", "resend", "mtu", "sndWnd", "rcvWnd", "sndQueue", "fastlimit"]) {
    assertThrows(() => new Kcp(CONV, { [name]: 300.5 }), RangeError);
  }
  for (const name of ["interval", "minRto", "pacingRate", "deadLinkTime"]) {
    new Kcp(CONV, { [name]: 300.5 });
  }
});

Deno.test("options: switches are booleans", () => {
  for (const name of ["nc", "ackNoDelay", "writeDelay"]) {
    for (const value of [0, 1, "true", null]) {
      assertThrows(() => new Kcp(CONV, { [name]: value as never }), TypeError, name);
    }
  }
});

Deno.test("options: conv and initial sequence numbers are 32-bit", () => {
  for (const value of [-1, 2 ** 32, 0.5, NaN, Infinity]) {
    assertThrows(() => new Kcp(value), RangeError, "conv");
    assertThrows(() => new Kcp(1, { initialSndSn: value }), RangeError, "initialSndSn");
    assertThrows(() => new Kcp(1, { initialRcvSn: value }), RangeError, "initialRcvSn");
  }
  const kcp = new Kcp(0xffffffff, { initialSndSn: 0xffffffff, initialRcvSn: 0x80000000 });
  assertEquals([kcp.conv, kcp.sndUna, kcp.sndNxt, kcp.rcvNxt], [
    0xffffffff,
    0xffffffff,
    0xffffffff,
    0x80000000,
  ]);
});

Deno.test("options: undefined means the default", () => {
  assertEquals(new Kcp(CONV, { mtu: undefined, nc: undefined }).options, new Kcp(CONV).options);
});

Deno.test("options: derived defaults change with the settings that they derive from", () => {
  const kcp = new Kcp(CONV, { sndWnd: 1000 });
  assertEquals(kcp.options.sndQueue, 1000);
  kcp.configure({ sndWnd: 2000, nodelay: 1 });
  assertEquals([kcp.options.sndQueue, kcp.options.minRto], [2000, 30]);
  kcp.configure({ sndWnd: 10, nodelay: 0 });
  assertEquals([kcp.options.sndQueue, kcp.options.minRto], [255, 100]);
  kcp.configure({ minRto: 55, sndQueue: 400 });
  kcp.configure({ sndWnd: 3000, nodelay: 2 });
  assertEquals([kcp.options.sndQueue, kcp.options.minRto], [400, 55], "explicit settings stay");
});

Deno.test("options: a change of the MTU changes the mss of segments queued later", () => {
  const a = opened({ mtu: 1400 });
  assertEquals(a.kcp.mss, 1376);
  a.kcp.configure({ mtu: 124 });
  assertEquals(a.kcp.mss, 100);
  a.kcp.send(pattern(150));
  assertEquals(a.segments(0).map((s) => s.data.length), [100, 50]);
});

Deno.test("options: a change of the interval applies to later acknowledgments", () => {
  const b = new End({ interval: 1000 });
  b.input(0, { sn: 0 });
  b.segments(0);
  b.kcp.configure({ interval: 10 });
  b.kcp.configure({ ackNoDelay: true });
  b.input(1, { sn: 1 });
  assertEquals(b.segments(1).length, 1, "ackNoDelay applies at once");
  b.kcp.configure({ ackNoDelay: false });
  b.input(2, { sn: 2 });
  assertEquals(b.kcp.deadline, 11);
});
