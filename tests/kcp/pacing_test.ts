import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { Pacer } from "../../kcp/congestion/pacer.ts";
import { Unlimited } from "../../kcp/congestion/unlimited.ts";
import { ACK, End, opened, PUSH, queue, sent } from "./harness.ts";

const patient = { deadLinkTime: Infinity } as const;

/** Runs a machine at its deadlines, and records when each packet left. */
function departures(a: End, from: number, until: number): { at: number; bytes: number }[] {
  const got = [];
  for (let now = from; now <= until; now = Math.max(now, a.kcp.deadline)) {
    for (const packet of a.packets(now)) got.push({ at: now, bytes: packet.length });
    assert(a.kcp.deadline > now, `livelock at ${now}`);
  }
  return got;
}

Deno.test("pacing: pacingRate is exact, and exceeded by no more than 5 ms' worth", () => {
  for (const rate of [1000, 50_000, 1_234_567]) {
    const a = opened({ pacingRate: rate, minRto: 60_000, mtu: 1024, sndWnd: 2000, ...patient });
    for (let i = 0; i < 2000; i++) a.kcp.send(new Uint8Array(1000));
    const seconds = Math.min(30, 1_500_000 / rate);
    const got = departures(a, 0, seconds * 1000);
    const depth = Math.max(2 * 1024, rate * 0.005);
    const total = got.reduce((sum, { bytes }) => sum + bytes, 0);
    assertAlmostEquals(total, rate * seconds + depth, 2 * 1024, `at ${rate} bytes/s`);
    // No stretch of time carries more than the bucket's depth, one packet, and what the rate
    // allows.
    for (let i = 0; i < got.length; i += 7) {
      let bytes = 0;
      for (let j = i; j < got.length; j++) {
        bytes += got[j].bytes;
        const allowed = depth + 1024 + rate * (got[j].at - got[i].at) / 1000;
        assert(bytes <= allowed + 1, `${bytes} bytes in ${got[j].at - got[i].at} ms at ${rate}/s`);
      }
    }
  }
});

Deno.test("pacing: an idle time fills the bucket, and no more", () => {
  const a = opened({ pacingRate: 100_000, mtu: 1024 });
  a.segments(0);
  a.segments(60_000);
  for (let i = 0; i < 100; i++) a.kcp.send(new Uint8Array(1000));
  assertEquals(a.packets(60_000).length, 2, "two full packets, which is more than 5 ms' worth");
});

Deno.test("pacing: what a layer adds to acknowledgments does not keep data from leaving", () => {
  const a = opened({ pacingRate: 2_000, nodelay: 1, interval: 1, ...patient });
  a.input(0, { sn: 0, data: new Uint8Array(10) });
  a.batch.layer = {
    headroom: 28,
    tailroom: 0,
    pending: false,
    complete: (batch, _start, end) => {
      batch.append(end);
      a.kcp.charge(28);
    },
  };
  // Nobody acknowledges the data, so that an acknowledgment leads each flight of it.
  for (let n = 0; n < 2; n++) a.kcp.send(new Uint8Array(1376));
  const got = departures(a, 0, 10_000);
  const full = got.filter(({ bytes }) => bytes === 1428).length;
  assert(full > 8, `${full} full packets, ${got.length} in all`);
  const total = got.reduce((sum, { bytes }) => sum + bytes, 0);
  assert(total < 27_000, `${total} bytes in 10 s at 2,000 bytes/s`);
});

Deno.test("pacing: 64 packets leave back to back by default, and more as time passes", () => {
  const a = opened({ burst: undefined, sndWnd: 64 });
  const wide = new End({ nc: true, sndWnd: 1000 });
  wide.input(0, { cmd: 84, wnd: 1000 });
  for (const end of [a, wide]) {
    for (let i = 0; i < 500; i++) end.kcp.send(new Uint8Array(1376));
    assertEquals(end.packets(0).length, 64);
  }
});

Deno.test("pacing: burst packets leave back to back, more after ACKs or time", () => {
  for (const burst of [1, 2, 10, 100]) {
    const pacer = new Pacer(burst, Infinity, 1400);
    const spendAll = () => {
      let n = 0;
      for (; pacer.ready; n++) pacer.spend(1400);
      return n;
    };
    pacer.advance(1000, 1400);
    assertEquals(spendAll(), burst);
    pacer.credit(1);
    assertEquals(spendAll(), 1);
    pacer.credit(1000);
    assertEquals(spendAll(), burst, "credit does not exceed the burst");
    const { readyAt } = pacer;
    assert(readyAt > 1000);
    pacer.advance(readyAt, 1400);
    assert(spendAll() > 0, "the wait is enough");
    pacer.advance(readyAt + 10_000, 1400);
    assertEquals(spendAll(), burst, "nor does time");
  }
});

Deno.test("pacing: acknowledged packets allow as many new ones at once", () => {
  const congestion = () => new Unlimited();
  const a = opened({ burst: 4, sndWnd: 10, ackNoDelay: true, nc: false, congestion });
  queue(a, 0);
  for (let i = 0; i < 30; i++) a.kcp.send(new Uint8Array(1376));
  assertEquals(sent(a.segments(0)), [0, 1, 2, 3]);
  a.input(0, { cmd: ACK, sn: 2, ts: 0, una: 3, wnd: 1000 });
  assertEquals(sent(a.segments(0)), [4, 5, 6]);
});

Deno.test("pacing: acknowledgments and probes are not paced", () => {
  const a = opened({ pacingRate: 24, ackNoDelay: true, mtu: 50 });
  for (let i = 0; i < 50; i++) a.kcp.send(new Uint8Array(20));
  a.packets(0);
  assert(a.kcp.deadline > 0);
  a.input(1, { sn: 0, data: new Uint8Array(3) });
  assert(a.kcp.deadline <= 1);
  assertEquals(a.segments(1).map((s) => s.cmd), [ACK]);
});

Deno.test("pacing: at the deadline packets may leave again", () => {
  for (const options of [{ pacingRate: 12_345 }, { pacingRate: 1e6 / 3 }, { pacingRate: 1e8 }]) {
    const a = opened({ ...options, mtu: 100, minRto: 60_000, sndWnd: 500, ...patient });
    for (let i = 0; i < 300; i++) a.kcp.send(new Uint8Array(76));
    a.packets(0.1);
    for (let n = 0; a.kcp.stats.sndQueue > 0; n++) {
      const now = a.kcp.deadline;
      assert(n < 1000 && now < 60_000);
      assert(a.packets(now).length > 0, `nothing left at the deadline ${now}`);
    }
  }
});

Deno.test("pacing: a live change of the rate applies at once", () => {
  const a = opened({ pacingRate: 24, mtu: 100 });
  for (let i = 0; i < 50; i++) a.kcp.send(new Uint8Array(76));
  a.packets(0);
  a.kcp.configure({ pacingRate: Infinity });
  assert(a.kcp.deadline <= 0, `new data may leave at once, not at ${a.kcp.deadline}`);
  assertEquals(a.kcp.stats.sndQueue + a.packets(0).length > 40, true);
  assertEquals(a.kcp.stats.sndQueue, 0);
});

Deno.test("pacing: a live change of the burst to Infinity removes the limit", () => {
  const a = opened({ burst: 2, sndWnd: 100, mtu: 100 });
  for (let i = 0; i < 90; i++) a.kcp.send(new Uint8Array(76));
  assertEquals(a.packets(0).length, 2);
  a.kcp.configure({ burst: Infinity });
  a.packets(1);
  assertEquals(a.kcp.deadline > 0, true, `the deadline is ${a.kcp.deadline}`);
  assertEquals(a.kcp.stats.sndQueue, 0);
});

Deno.test("pacing: a live change to a smaller burst applies at once", () => {
  const a = opened({ burst: Infinity, sndWnd: 100 });
  a.packets(0);
  a.kcp.configure({ burst: 3 });
  for (let i = 0; i < 90; i++) a.kcp.send(new Uint8Array(1376));
  assertEquals(a.packets(0).length, 3);
});

Deno.test("pacing: it works on clocks that start below zero, and far above", () => {
  for (const start of [-1e9, -0.5, 2 ** 31, 2 ** 32, 2 ** 41]) {
    const a = new End({ pacingRate: 10_000, mtu: 1024, nc: true, minRto: 60_000 });
    for (let i = 0; i < 30; i++) a.kcp.send(new Uint8Array(1000));
    assert(a.kcp.deadline <= start, `data is due at once, not at ${a.kcp.deadline}`);
    const got = departures(a, start, start + 1000);
    assertAlmostEquals(got.length, 12, 1, `packets in the first second from ${start}`);
  }
});

Deno.test("pacing: what is sent again is spread over time while nothing at all is acknowledged", () => {
  for (const options of [{ nc: true }, { nc: false, congestion: "cubic" as const }, {}]) {
    const a = opened({
      nodelay: 1,
      interval: 10,
      resend: 2,
      sndWnd: 200,
      deadLinkTime: Infinity,
      ...options,
    });
    for (let n = 0; n < 100; n++) a.kcp.send(new Uint8Array(1376));
    const times: number[] = [];
    let newest = { sn: 0, ts: 0 };
    for (let now = 0; now < 30_000; now = Math.max(now + 0.01, a.kcp.deadline)) {
      for (const { cmd, sn, ts } of a.segments(now)) {
        if (cmd === PUSH) times.push(now);
        if (sn === 0) newest = { sn, ts };
      }
    }
    const late = times.filter((time) => time > 5000);
    const most = Math.max(
      ...late.map((time) => late.filter((t) => t >= time && t < time + 5).length),
    );
    assert(late.length > 20, `${late.length} were sent again`);
    assert(most <= 16, `${most} left within 5 ms`);
    // The first sign of life ends it: everything that has timed out is sent at once.
    const now = newest.ts + 20;
    a.input(now, { cmd: ACK, ...newest, una: 1 });
    if (options.nc) assert(a.segments(now).length > 20, "after that, it is not slower");
  }
});
