import { assert, assertEquals } from "@std/assert";
import { ACK, type End, opened, pattern, queue, range, sent, WASK, WINS } from "./harness.ts";

/** A machine whose smoothed RTT is 50 ms and whose RTO is 150 ms; segment 0 is acknowledged. */
function sampled(options = {}): End {
  const a = opened({ nodelay: 1, interval: 10, minRto: 1, ...options });
  queue(a, 1);
  a.segments(0);
  a.input(50, { cmd: ACK, sn: 0, ts: 0, una: 1 });
  assertEquals([a.kcp.srtt, a.kcp.rto], [50, 150]);
  return a;
}

/** Lets time pass at the machine's deadlines. Returns when it sent data. */
function idle(a: End, from: number, until: number): number[] {
  const times: number[] = [];
  for (let now = from; now <= until; now = Math.max(now + 0.001, a.kcp.deadline)) {
    if (sent(a.segments(now)).length > 0) times.push(now);
  }
  return times;
}

/** A packet of the peer that acknowledges nothing new. */
const hear = (a: End, now: number, una = 1) => a.input(now, { cmd: WINS, wnd: 60_000, una });

Deno.test("outage: the first packet after it makes the oldest segment due at once", () => {
  for (const nodelay of [0, 1, 2] as const) {
    for (const outage of [1000, 4000, 15_000, 25_000]) {
      const a = sampled({ nodelay });
      queue(a, 1);
      const times = idle(a, 100, 100 + outage);
      assert(times.length > 1, "it timed out");
      const now = Math.max(100 + outage, times.at(-1)! + 51);
      assert(a.kcp.deadline > now, "the next timeout is further away");
      hear(a, now);
      assert(a.kcp.deadline <= now, `nodelay ${nodelay}, ${outage} ms: it is not due`);
      assertEquals(sent(a.segments(now)), [1]);
      hear(a, now + 1);
      assertEquals(sent(a.segments(now + 1)), [], "the second packet does not");
    }
  }
});

Deno.test("outage: after 3 RTOs of silence all that timed out is due, after one only the oldest", () => {
  for (
    const [silence, expected] of [[149, []], [151, [1]], [440, [1]], [460, range(1, 9)]] as const
  ) {
    const a = sampled();
    queue(a, 8);
    a.segments(60);
    // All time out at 210, and again at 435.
    idle(a, 61, 239);
    // The peer is heard too early to show that these transmissions are lost.
    hear(a, 240);
    assertEquals(idle(a, 240, 240 + silence), silence > 195 ? [435] : []);
    hear(a, 240 + silence);
    const segments = sent(a.segments(240 + silence));
    assertEquals(segments, [...expected], `after a silence of ${silence} ms`);
  }
});

Deno.test("outage: a short silence, or a segment that was just sent again, changes nothing", () => {
  const a = sampled();
  queue(a, 1);
  a.segments(60);
  assertEquals(sent(a.segments(210)), [1], "the timeout");
  hear(a, 230);
  assertEquals(sent(a.segments(230)), [], "the answer may still be under way: 20 of 50 ms");
  const b = sampled();
  queue(b, 1);
  b.segments(1000);
  hear(b, 1020);
  assertEquals(sent(b.segments(1020)), [], "it was sent after the silence, and did not time out");
});

Deno.test("outage: what was sent at its end waits for the first timeout only", () => {
  for (const nodelay of [0, 1, 2] as const) {
    const a = sampled({ nodelay, deadLinkTime: Infinity });
    queue(a, 2);
    const last = idle(a, 100, 12_000).at(-1)!;
    hear(a, last + 20);
    assertEquals(sent(a.segments(last + 20)), [], "the answer may still be under way");
    const first = (nodelay === 0 ? 1.125 : 1) * a.kcp.rto;
    assertEquals(idle(a, last + 21, last + first + 1), [last + first], `nodelay ${nodelay}`);
    assertEquals(idle(a, last + first + 2, last + 2 * first + 1), [last + 2 * first]);
  }
});

Deno.test("outage: what was sent at its end never waits for longer than the longest timeout", () => {
  const a = sampled({ nodelay: 0, deadLinkTime: Infinity });
  // With nodelay 0, the first wait is an eighth longer than the RTO otherwise.
  a.kcp.configure({ minRto: 60_000 });
  queue(a, 1);
  const last = idle(a, 100, 300_000).at(-1)!;
  hear(a, last + 20);
  assertEquals(idle(a, last + 21, last + 60_001), [last + 60_000]);
});

Deno.test("resume: everything that timed out leaves at once, with the first timeout again", () => {
  for (const nodelay of [0, 1, 2] as const) {
    const a = sampled({ nodelay });
    queue(a, 4);
    const last = idle(a, 100, 12_000).at(-1)!;
    const { deadline } = a.kcp;
    const now = last + 1;
    assert(deadline > now + 200);
    a.kcp.resume();
    assertEquals(sent(a.segments(now)), range(1, 5), `nodelay ${nodelay}`);
    const first = nodelay === 0 ? 1.125 : 1;
    const timeout = a.kcp.deadline - now;
    assert(timeout <= 2 * first * a.kcp.rto, `the next timeout is ${timeout} ms away`);
  }
});

Deno.test("resume: a closed window is probed at once, and an idle machine does nothing", () => {
  const a = sampled();
  a.kcp.resume();
  assertEquals([a.segments(60), a.kcp.deadline], [[], Infinity]);
  a.input(70, { cmd: WINS, wnd: 0, una: 1 });
  queue(a, 1);
  let now = 70;
  for (let n = 0; n < 8; n++) a.segments(now = a.kcp.deadline);
  assert(a.kcp.deadline > now + 1000);
  a.kcp.resume();
  a.kcp.tick(now + 1);
  assertEquals(a.segments(now + 1).map(({ cmd }) => cmd), [WASK]);
});

Deno.test("timeout: deadLinkTime / 8 never caps a wait below the first timeout", () => {
  for (const deadLinkTime of [100, 300, 1000, 2000, 1e6]) {
    for (const nodelay of [0, 1, 2] as const) {
      for (const minRto of [1, 100, 250, 5000]) {
        const a = opened({ deadLinkTime, nodelay, minRto });
        queue(a, 1);
        a.segments(0);
        const first = (nodelay === 0 ? 1.125 : 1) * Math.max(200, minRto);
        assertEquals(
          a.kcp.deadline,
          // Before a verdict that comes sooner, the peer is asked for a sign of life.
          Math.min(deadLinkTime / 2, first),
          `deadLinkTime ${deadLinkTime}, nodelay ${nodelay}, minRto ${minRto}`,
        );
        // Nor does it cap the later ones.
        let last = 0;
        for (let now = a.kcp.deadline; now < Infinity && !a.kcp.dead; now = a.kcp.deadline) {
          if (sent(a.segments(now)).length === 0) continue;
          assert(now - last >= first - 1e-6, `${now - last} ms is less than the RTO`);
          last = now;
        }
      }
    }
  }
});

Deno.test("grace: a machine that was not run in time waits 1 s before it judges", () => {
  for (const [late, grace] of [[0, 0], [20, 0], [20.5, 1000], [1000, 1000], [1e7, 1000]]) {
    for (const probe of [true, false]) {
      const a = opened({ deadLinkTime: 5000, nodelay: 1 });
      if (probe) a.kcp.askWindow();
      else queue(a, 1);
      a.segments(0);
      // Nothing is late before the verdict.
      for (let at = a.kcp.deadline; at < 5000; at = a.kcp.deadline) a.segments(at);
      const now = 5000 + late;
      a.segments(now);
      const context = `${late} ms late, ${probe ? "a probe" : "data"} unanswered`;
      assertEquals(a.kcp.dead, grace > 0 ? null : "silence", context);
      if (grace === 0) continue;
      for (let at = now; at < now + grace; at = Math.min(a.kcp.deadline, now + grace)) {
        a.segments(at);
      }
      assertEquals(a.kcp.dead, null, context);
      a.segments(now + grace);
      assertEquals(a.kcp.dead, "silence", context);
    }
  }
});

Deno.test("grace: a machine that missed a retransmission waits, too, though it judges in time", () => {
  const a = opened({ deadLinkTime: 5000, nodelay: 1 });
  queue(a, 1);
  a.segments(0);
  a.segments(5000);
  assertEquals(a.kcp.dead, null);
  while (a.kcp.deadline < 6000) a.segments(a.kcp.deadline);
  assertEquals(a.kcp.dead, null);
  a.segments(6000);
  assertEquals(a.kcp.dead, "silence");
});

Deno.test("grace: what waited in the socket saves the connection", () => {
  const a = opened({ deadLinkTime: 5000, nodelay: 1 });
  queue(a, 1);
  a.segments(0);
  a.segments(3_600_000);
  assertEquals(a.kcp.dead, null);
  a.input(3_600_000, { cmd: ACK, sn: 0, ts: 0, una: 1, data: pattern(0) });
  assertEquals([a.kcp.dead, a.kcp.deadline], [null, Infinity]);
});

Deno.test("outage: what waited for a suspended peer does not make the timeout long", () => {
  for (const pause of [1000, 20_000]) {
    const a = sampled();
    queue(a, 40);
    for (let now = 100; now < 100 + pause; now += 50) a.segments(now);
    // The peer goes on. It acknowledges the first transmissions of most segments; the others are lost.
    const now = 100 + pause;
    for (let sn = 1; sn < 38; sn++) a.input(now, { cmd: ACK, sn, ts: 100, una: sn + 1 });
    assert(a.kcp.rto <= 1040, `the timeout is ${a.kcp.rto} ms after a pause of ${pause} ms`);
    const [again] = idle(a, now, now + 30_000);
    assert(again <= now + 3000, `the others are sent again after ${again - now} ms`);
  }
});

Deno.test("outage: a path that has become slow while nothing was sent is learned step by step", () => {
  const a = sampled();
  for (let i = 1; i <= 12; i++) {
    const now = 10_000 * i;
    queue(a, 1);
    a.segments(now);
    a.input(now + 2000, { cmd: ACK, sn: i, ts: now, una: i + 1 });
  }
  assert(a.kcp.rto > 2000, `the timeout is ${a.kcp.rto} ms`);
});
