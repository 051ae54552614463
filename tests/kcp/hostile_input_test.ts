import { assert, assertEquals } from "@std/assert";
import { concat } from "@std/bytes";
import fc from "fast-check";
import {
  ACK,
  encode,
  End,
  opened,
  pattern,
  PIECE,
  PROBE,
  PROBE_ANSWER,
  PUSH,
  queue,
  range,
  type Segment,
  sent,
  WASK,
  WINS,
} from "./harness.ts";

/** A packet of one segment whose `len` need not match its data. */
function withLength(length: number, data: Uint8Array = pattern(10)): Uint8Array {
  const packet = encode({ data });
  new DataView(packet.buffer).setUint32(20, length, true);
  return packet;
}

Deno.test("hostile: a una beyond snd_nxt acknowledges nothing", () => {
  const a = opened({ nodelay: 1 });
  queue(a, 5);
  a.segments(0);
  for (const una of [6, 1000, 2 ** 31 - 1]) {
    assertEquals(a.input(1, { cmd: WINS, una }), false, `una ${una}`);
  }
  // A distance of more than half of the number space counts as behind: an old packet.
  a.input(1, { cmd: WINS, una: 2 ** 31 + 6, wnd: 0 });
  assertEquals([a.kcp.sndUna, a.kcp.stats.inFlight, a.kcp.stats.rmtWnd], [0, 5, 60000]);
  assertEquals(a.kcp.stats.inputErrors.una, 3);
  assertEquals(sent(a.segments(200)), range(0, 5), "all are sent again");
});

Deno.test("hostile: an ACK of a segment that was never sent has no effect", () => {
  const a = opened();
  queue(a, 2);
  a.segments(0);
  for (const sn of [2, 3, 1_000_000, 2 ** 31 - 1]) {
    assertEquals(a.input(50, { cmd: ACK, sn, ts: 0 }), false, `sn ${sn}`);
  }
  assertEquals([a.kcp.srtt, a.kcp.stats.inFlight, a.kcp.stats.inputErrors.ack], [-1, 2, 4]);
  const idle = new End();
  assertEquals(idle.input(0, { cmd: ACK, sn: 0 }), false, "nothing was ever sent");
});

Deno.test("hostile: a len past the end of the packet is refused, up to 2^32 - 1", () => {
  const a = new End();
  for (
    const length of [11, 12, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 10, 2 ** 32 - 14, 2 ** 32 - 1]
  ) {
    assertEquals(a.kcp.input(withLength(length), 0), false, `len ${length}`);
  }
  assertEquals(a.kcp.rcvNxt, 0);
  assert(a.kcp.input(withLength(10), 0));
});

Deno.test("hostile: when a later segment is bad, the ones before it have no effect", () => {
  const good = encode(
    { sn: 0, data: pattern(5), una: 1, wnd: 3 },
    { cmd: ACK, sn: 1, ts: 0, una: 1 },
    { cmd: WASK },
  );
  const bad = {
    conv: encode({ conv: 9 }),
    cmd: encode({ cmd: 0 }),
    length: withLength(11),
    una: encode({ una: 99 }),
    ack: encode({ cmd: ACK, sn: 77 }),
  };
  for (const [fault, packet] of Object.entries(bad)) {
    const a = opened({ ackNoDelay: true });
    queue(a, 3);
    a.segments(0);
    const before = a.kcp.stats;
    assertEquals(a.kcp.input(concat([good, packet]), 5), false, fault);
    assertEquals(a.kcp.stats, {
      ...before,
      inputErrors: { ...before.inputErrors, [fault]: 1 },
    });
    assertEquals(a.segments(5), [], "no ACK, no window report");
    assertEquals(a.recv(), null);
    assert(a.kcp.heardAt < 5, "and it is not counted as heard");
  }
});

Deno.test("hostile: alternating windows of 0 and 65535 cause few probes", () => {
  const a = opened({ sndWnd: 10 });
  queue(a, 200);
  let packets = 0;
  for (let n = 0; n < 20_000; n++) {
    const now = n / 10;
    a.input(now, { cmd: WINS, wnd: n % 2 * 65535, una: 0 });
    packets += a.segments(now).length;
  }
  // 2 s: a window of 10, its retransmissions at 225 and 625 ms and 1.4 s, and a few probes.
  assert(packets <= 60, `${packets} segments in 2 s`);
  assertEquals(a.kcp.stats.inFlight, 10);
});

Deno.test("hostile: a flood of probes is answered once per output", () => {
  const a = new End();
  a.segments(0);
  const flood = encode(...Array.from({ length: 50 }, () => ({ cmd: WASK })));
  const { used } = a.kcp.arena;
  for (let n = 0; n < 2000; n++) a.kcp.input(flood, 1);
  assertEquals(a.segments(1).map((s) => s.cmd), [WINS], "100,000 probes, one answer");
  assert(a.kcp.arena.used <= used + 2048);
});

Deno.test("hostile: a million one-byte fragments in order fill no more than the window", () => {
  const b = new End({ rcvWnd: 256, ackNoDelay: true });
  for (let sn = 0; sn < 1_000_000; sn += 50) {
    b.input(0, ...range(sn, sn + 50).map((n) => ({ sn: n, frg: 254, data: Uint8Array.of(n) })));
    if (sn % 10_000 === 0) b.segments(0);
  }
  const { rcvQueue, rcvBuffer, refused } = b.kcp.stats;
  assertEquals([rcvQueue, rcvBuffer, refused], [256, 0, 999_744]);
  assert(b.kcp.arena.used <= 65536 + 2048 + 1024, `${b.kcp.arena.used} bytes`);
});

Deno.test("hostile: a million one-byte fragments with gaps fill no more than the window", () => {
  for (const lengths of [[1], [1, 2], [1, 2, 3, 5, 64]]) {
    const b = new End({ rcvWnd: 1024 });
    for (let n = 0; n < 1_000_000 / lengths.length; n++) {
      b.input(0, { sn: 1 + 2 * n, frg: 254, data: pattern(lengths[n % lengths.length]) });
    }
    const { rcvQueue, rcvBuffer } = b.kcp.stats;
    assertEquals([rcvQueue, rcvBuffer], [0, 512]);
    assert(b.kcp.arena.used <= 65536 + 2048 + 65536 + 512 * 64, `${b.kcp.arena.used} bytes`);
  }
});

Deno.test("hostile: acknowledgments that are never sent are bounded", () => {
  for (const rcvWnd of [1, 256, 4000]) {
    const b = new End({ rcvWnd });
    for (let n = 0; n < 100_000; n++) {
      b.input(0, { sn: n % 32, ts: n, data: Uint8Array.of(1) });
      if (n < 32) b.recv();
    }
    assert(b.kcp.stats.pendingAcks <= 4 * Math.max(256, rcvWnd), `${b.kcp.stats.pendingAcks}`);
    assert(b.kcp.stats.pendingAcks >= Math.min(256, rcvWnd), "a window's worth is kept");
    b.segments(0);
    assertEquals(b.kcp.stats.pendingAcks, 0);
  }
});

Deno.test("hostile: invalid fragment numbers throw nothing, and each byte is read once", () => {
  const cases = [
    [0, 1, 2, 3, 0],
    [5, 0, 0, 3, 3, 3, 0],
    [254, 254, 254, 0],
    [1, 1, 1, 1],
    [2, 5, 7, 0, 0],
    [255, 0],
    [0, 255, 3],
  ];
  for (const frgs of cases) {
    const b = new End();
    for (const [sn, frg] of frgs.entries()) b.input(0, { sn, frg, data: pattern(10, 10 * sn) });
    let got = new Uint8Array();
    for (let n = 0; n <= frgs.length; n++) {
      const message = b.recv();
      if (message) got = concat([got, message]);
    }
    got = concat([got, b.read()]);
    assertEquals(got, pattern(10 * frgs.length), `frg ${frgs}`);
  }
});

Deno.test("hostile: a first fragment with frg 255 raises the window to 256 at most", () => {
  const b = new End({ rcvWnd: 2 });
  b.input(0, { sn: 0, frg: 255, data: Uint8Array.of(0) });
  for (let sn = 1; sn < 1000; sn++) b.input(0, { sn, frg: 255, data: Uint8Array.of(sn) });
  assert(b.kcp.stats.rcvQueue <= 256, `${b.kcp.stats.rcvQueue}`);
  assert(b.kcp.peekSize() <= 256);
});

Deno.test("hostile: the widest window in reverse order arrives whole", () => {
  const b = new End({ rcvWnd: 65535 });
  for (let sn = 65534; sn >= 0; sn--) {
    b.input(0, { sn, data: pattern(20, 20 * sn) });
    if (sn % 1000 === 0) b.segments(0);
  }
  assertEquals(b.kcp.stats.rcvQueue, 65535);
  assertEquals(b.read(20 * 65535), pattern(20 * 65535));
  b.kcp.trim();
  assertEquals(b.kcp.arena.used, 65536);
});

Deno.test("hostile: segments far beyond the window are refused, across wraps too", () => {
  const b = new End({ rcvWnd: 16, ackNoDelay: true });
  for (let sn = 0; sn < 8; sn++) b.input(0, { sn, data: pattern(10, 10 * sn) });
  b.segments(0);
  const far = [16, 17, 100, 2 ** 30, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 3, 2 ** 31 + 7];
  for (const sn of far) b.input(1, { sn, data: Uint8Array.of(99) });
  assertEquals(b.kcp.stats.refused, far.length);
  assertEquals(b.kcp.stats.rcvBuffer, 0);
  assertEquals(
    b.segments(1).map((s) => [s.cmd, s.una, s.wnd]),
    [[WINS, 8, 8]],
    "what is refused is not acknowledged, and its sender learns the window",
  );
  for (let sn = 8; sn < 16; sn++) b.input(2, { sn, data: pattern(10, 10 * sn) });
  assertEquals(b.read(), pattern(160));
});

Deno.test("hostile: a few segments far ahead reserve little more memory than their size", () => {
  const b = new End({ rcvWnd: 65535 });
  let bytes = 0;
  const before = b.kcp.arena.used;
  // Each lies twice as far ahead as the one before it.
  for (let sn = 40; sn < 65535; sn *= 2) {
    b.input(0, { sn, data: pattern(1400) });
    bytes += 1400;
  }
  const used = b.kcp.arena.used - before;
  assert(used <= 4 * bytes + 2 * 65536 + 2048, `${bytes} bytes arrived, ${used} are in use`);
});

Deno.test("hostile: recovered packets change neither the window nor the round-trip time", () => {
  const a = opened();
  queue(a, 2);
  a.segments(0);
  const { srtt, rttvar, rto, minRtt, rmtWnd } = a.kcp.stats;
  a.kcp.input(encode({ cmd: ACK, sn: 0, ts: 0, una: 1, wnd: 0 }), 500, true);
  a.kcp.input(encode({ cmd: WINS, una: 1, wnd: 1 }), 500, true);
  a.kcp.input(encode({ sn: 0, una: 1, wnd: 2, data: pattern(3) }), 500, true);
  const { stats } = a.kcp;
  assertEquals(
    [stats.srtt, stats.rttvar, stats.rto, stats.minRtt, stats.rmtWnd],
    [srtt, rttvar, rto, minRtt, rmtWnd],
  );
  assertEquals(a.recv(), pattern(3), "their data is used");
});

Deno.test("hostile: input never throws, and only valid packets change state", () => {
  const cmd = fc.oneof(
    fc.constantFrom(PUSH, ACK, WASK, WINS, PIECE, PROBE, PROBE_ANSWER),
    fc.integer({ min: 0, max: 255 }),
  );
  const number = fc.oneof(
    fc.integer({ min: 0, max: 40 }),
    fc.constantFrom(2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1),
    fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  );
  const segment: fc.Arbitrary<Partial<Segment>> = fc.record({
    cmd,
    frg: fc.integer({ min: 0, max: 255 }),
    wnd: fc.constantFrom(0, 1, 128, 65535),
    ts: number,
    sn: number,
    una: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: number }),
    data: fc.uint8Array({ maxLength: 60 }),
  });
  const packet = fc.oneof(
    { weight: 5, arbitrary: fc.array(segment, { maxLength: 5 }).map((list) => encode(...list)) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
    {
      weight: 2,
      arbitrary: fc.tuple(fc.array(segment, { minLength: 1, maxLength: 3 }), fc.nat(), fc.nat(255))
        .map(([list, at, value]) => {
          const bytes = encode(...list);
          bytes[at % bytes.length] = value;
          return bytes;
        }),
    },
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(packet, fc.boolean(), fc.integer({ min: 0, max: 300 })), { maxLength: 40 }),
      fc.integer({ min: 1, max: 40 }),
      (packets, rcvWnd) => {
        const a = opened({ rcvWnd, resend: 2, deadLinkTime: Infinity });
        queue(a, 20);
        let now = 0;
        for (const [bytes, recovered, passed] of packets) {
          now += passed;
          const before = a.kcp.stats;
          if (!a.kcp.input(bytes, now, recovered)) {
            const { inputErrors } = a.kcp.stats;
            assertEquals(a.kcp.stats, { ...before, inputErrors });
          }
          if (passed % 3 === 0) a.serve(now);
          if (passed % 7 === 0) a.recv();
          if (passed % 11 === 0) a.read(50);
          const { rcvQueue, rcvBuffer, inFlight } = a.kcp.stats;
          assert(rcvQueue + rcvBuffer <= 256 && inFlight <= 20 && inFlight >= 0);
          assert(a.kcp.arena.used < 65536 + 4096 + 65536 + 256 * 64 + 65536);
        }
        a.kcp.close();
        assertEquals(a.kcp.arena.used, 65536);
      },
    ),
    { numRuns: 400 },
  );
});

Deno.test("hostile: a conversation survives a stranger who sends garbage under its conv", () => {
  const a = opened({ nodelay: 1, resend: 2 });
  const b = new End({ ackNoDelay: true, rcvWnd: 64 });
  a.kcp.write(pattern(50_000));
  let got = 0;
  for (let now = 0; now < 5000 && got < 50_000; now += 10) {
    for (const packet of a.packets(now)) b.kcp.input(packet, now);
    for (const end of [a, b]) {
      end.input(now, { una: 100_000, wnd: 0 });
      end.input(now, { cmd: ACK, sn: 2 ** 31 - 1, ts: now - 3000 });
      end.input(now, { sn: 2 ** 30, data: pattern(100) });
      end.kcp.input(withLength(2 ** 31), now);
    }
    const bytes = b.read();
    assertEquals(bytes, pattern(bytes.length, got));
    got += bytes.length;
    for (const packet of b.packets(now)) a.kcp.input(packet, now);
  }
  assertEquals(got, 50_000);
  assert(a.kcp.srtt < 100);
});
