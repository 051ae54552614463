import { assert, assertEquals } from "@std/assert";
import {
  ACK,
  encode,
  End,
  opened,
  pattern,
  PUSH,
  queue,
  range,
  sent,
  WASK,
  WINS,
} from "./harness.ts";

Deno.test("window: at most sndWnd segments are in flight, and free room is used at once", () => {
  const a = opened({ sndWnd: 5 });
  queue(a, 12);
  assertEquals(sent(a.segments(0)), range(0, 5));
  a.input(1, { cmd: ACK, sn: 1, ts: 0, una: 0 });
  assertEquals(sent(a.segments(1)), [], "an acknowledged hole does not slide the window");
  a.input(2, { cmd: ACK, sn: 0, ts: 0, una: 2 });
  assert(a.kcp.deadline <= 2, "new data is due as soon as the window slides");
  assertEquals(sent(a.segments(2)), [5, 6]);
});

Deno.test("window: it is 32 until the peer announces one", () => {
  const a = new End({ nc: true, sndWnd: 100 });
  queue(a, 50);
  assertEquals(sent(a.segments(0)), range(0, 32));
  assertEquals(a.kcp.stats.rmtWnd, 32);
});

Deno.test("window: the peer's window counts from the una that came with it", () => {
  const a = new End({ nc: true, sndWnd: 100 });
  queue(a, 50);
  a.input(0, { cmd: WINS, wnd: 4, una: 0 });
  assertEquals(sent(a.segments(0)), range(0, 4));
  a.input(1, { cmd: WINS, wnd: 3, una: 2 });
  assertEquals(sent(a.segments(1)), [4]);
  a.input(2, { cmd: WINS, wnd: 10, una: 2 });
  assertEquals(sent(a.segments(2)), range(5, 12));
});

Deno.test("window: a reordered packet does not bring back an old window", () => {
  const a = new End({ nc: true, sndWnd: 100 });
  queue(a, 20);
  a.segments(0);
  a.input(1, { cmd: WINS, wnd: 50, una: 10 });
  a.input(2, { cmd: WINS, wnd: 0, una: 4 });
  assertEquals(a.kcp.stats.rmtWnd, 50);
});

Deno.test("window: a closed window is probed after 500 ms, then ×1.5 each time up to 120 s", () => {
  const a = new End({ nc: true, deadLinkTime: Infinity });
  queue(a, 1);
  a.input(1000, { cmd: WINS, wnd: 0 });
  assertEquals(sent(a.segments(1000)), [], "nothing is sent into a closed window");
  let at = 1000;
  for (let wait = 500, n = 0; n < 20; n++, wait = Math.min(120_000, wait * 1.5)) {
    at += wait;
    // The answer keeps the link alive through waits that are longer than deadLinkTime.
    if (wait > 20_000) {
      for (let t = at - wait + 5000; t < at; t += 5000) {
        a.input(t, { cmd: WINS, wnd: 0 });
        assertEquals(a.segments(t), []);
      }
    }
    assertEquals(a.kcp.deadline, at, `probe ${n}`);
    assertEquals(a.segments(at - 0.5), [], `before probe ${n}`);
    assertEquals(a.segments(at).map((s) => s.cmd), [WASK], `probe ${n}`);
    a.input(at, { cmd: WINS, wnd: 0 });
  }
});

Deno.test("window: no wait before a probe is longer than an eighth of deadLinkTime, or an RTO", () => {
  for (const [deadLinkTime, wait] of [[30_000, 500], [2_000, 250], [800, 200]]) {
    const a = new End({ nc: true, deadLinkTime });
    queue(a, 1);
    a.input(1000, { cmd: WINS, wnd: 0 });
    assertEquals(a.kcp.deadline, 1000 + wait);
    assertEquals(a.segments(1000 + wait).map(({ cmd }) => cmd), [WASK]);
    a.input(1000 + wait, { cmd: WINS, wnd: 0 });
    assertEquals(
      a.kcp.deadline,
      1000 + wait + Math.min(1.5 * wait, Math.max(200, deadLinkTime / 8)),
    );
  }
});

Deno.test("window: an open window is used at once; the next close starts at 500 ms again", () => {
  const a = new End({ nc: true });
  queue(a, 3);
  a.input(0, { cmd: WINS, wnd: 0 });
  for (const at of [500, 1250, 2375]) assertEquals(a.segments(at).map((s) => s.cmd), [WASK]);
  a.input(3000, { cmd: WINS, wnd: 2 });
  assertEquals(sent(a.segments(3000)), [0, 1]);
  a.input(3010, { cmd: ACK, sn: 1, ts: 3000, una: 2, wnd: 0 });
  assertEquals(a.kcp.deadline, 3510);
  assertEquals(a.segments(3510).map((s) => s.cmd), [WASK]);
});

Deno.test("window: a closed window is not probed while nothing is queued", () => {
  const a = new End({ nc: true });
  a.input(0, { cmd: WINS, wnd: 0 });
  assertEquals(a.kcp.deadline, Infinity);
  assertEquals(a.segments(10_000), []);
});

Deno.test("window: a probe is answered at once with the window, once per output", () => {
  const a = new End({ rcvWnd: 10 });
  a.segments(0);
  a.input(5, { cmd: WASK }, { cmd: WASK }, { cmd: WASK });
  assert(a.kcp.deadline <= 5);
  assertEquals(a.segments(5).map((s) => [s.cmd, s.wnd]), [[WINS, 10]]);
  assertEquals(a.segments(6), []);
});

Deno.test("window: unread segments reduce it, and it is announced when it opens", () => {
  const b = new End({ rcvWnd: 4, ackNoDelay: true });
  for (let sn = 0; sn < 4; sn++) {
    b.input(sn, { sn, data: pattern(10, 10 * sn) });
    assertEquals(b.segments(sn).map((s) => [s.cmd, s.wnd]), [[ACK, 3 - sn]]);
  }
  assertEquals(b.kcp.deadline, Infinity);
  assertEquals(b.recv(), pattern(10));
  assert(b.kcp.deadline <= 3, "the news that a closed window opened must not wait");
  assertEquals(b.segments(10).map((s) => [s.cmd, s.wnd, s.una]), [[WINS, 1, 4]]);
  b.recv();
  assertEquals(b.segments(11), [], "only the step from closed to open is announced");
});

Deno.test("window: a stream read opens it at the last byte of a segment", () => {
  const b = new End({ rcvWnd: 2, ackNoDelay: true });
  b.input(0, { sn: 0, data: pattern(10) }, { sn: 1, data: pattern(10, 10) });
  assertEquals(b.segments(0).at(-1)?.wnd, 0);
  b.read(9);
  assertEquals(b.segments(1), []);
  b.read(1);
  assertEquals(b.segments(2).map((s) => [s.cmd, s.wnd]), [[WINS, 1]]);
});

Deno.test("window: early segments take no window; those beyond it get a WINS, no ACK", () => {
  const b = new End({ rcvWnd: 4, ackNoDelay: true });
  b.input(0, { sn: 0, data: pattern(1) });
  b.recv();
  b.segments(0);
  b.input(0, { sn: 4, data: pattern(1) });
  assertEquals(b.segments(0).map((s) => [s.cmd, s.sn, s.una, s.wnd]), [[ACK, 4, 1, 4]]);
  b.input(1, { sn: 5, data: pattern(1) });
  assertEquals(b.segments(1).map((s) => [s.cmd, s.una, s.wnd]), [[WINS, 1, 4]]);
  assertEquals(b.kcp.stats.refused, 1);
  assertEquals(b.kcp.stats.rcvBuffer, 1);
});

Deno.test("window: the largest, 65535, is announced unchanged", () => {
  const b = new End({ rcvWnd: 65535 });
  b.kcp.askWindow();
  assertEquals(b.segments(0)[0].wnd, 65535);
});

Deno.test("window: a reader stops and continues, and the window announcement is lost", () => {
  const a = new End({ nc: true, sndWnd: 64 });
  const b = new End({ rcvWnd: 8, ackNoDelay: true });
  queue(a, 20);
  const carry = (from: End, to: End, now: number) => {
    for (const packet of from.packets(now)) to.kcp.input(packet, now);
  };
  a.input(0, { cmd: WINS, wnd: 8 });
  carry(a, b, 0);
  carry(b, a, 0);
  assertEquals([a.kcp.stats.rmtWnd, b.kcp.stats.rcvQueue], [0, 8]);
  for (let i = 0; i < 8; i++) b.recv();
  assertEquals(b.segments(10).map((s) => s.cmd), [WINS], "the report, which gets lost");
  assertEquals(a.segments(499), []);
  carry(a, b, 500);
  carry(b, a, 500);
  assertEquals(sent(a.segments(500)), range(8, 16), "the probe's answer opens the window");
});

Deno.test("window: recovered packets never change it", () => {
  const a = opened();
  queue(a, 4);
  a.segments(0);
  a.kcp.input(encode({ cmd: ACK, sn: 0, ts: 0, una: 1, wnd: 0 }), 5, true);
  assertEquals(a.kcp.stats.rmtWnd, 60000);
  assertEquals(a.kcp.sndUna, 1, "what it acknowledges counts");
  a.kcp.input(encode({ cmd: ACK, sn: 1, ts: 0, una: 2, wnd: 7 }), 5, false);
  assertEquals(a.kcp.stats.rmtWnd, 7);
});

Deno.test("window: data continues after recovered packets acknowledged a full window", () => {
  const a = new End({ nc: true });
  a.input(0, { cmd: WINS, wnd: 2 });
  queue(a, 4);
  assertEquals(sent(a.segments(0)), [0, 1]);
  a.kcp.input(encode({ cmd: ACK, sn: 1, ts: 0, una: 2, wnd: 2 }), 40, true);
  assertEquals(a.kcp.stats.inFlight, 0);
  assert(
    a.kcp.deadline < Infinity,
    "2 segments wait, nothing is in flight and no window is closed: something must be due",
  );
  let now = 40;
  let segments = a.segments(now);
  for (let n = 0; n < 20 && sent(segments).length === 0; n++) {
    now = a.kcp.deadline;
    segments = a.segments(now);
  }
  assertEquals(sent(segments)[0], 2);
});

Deno.test("window: sndWnd and rcvWnd change while segments are in flight", () => {
  const a = opened({ sndWnd: 2 });
  queue(a, 10);
  assertEquals(sent(a.segments(0)), [0, 1]);
  a.kcp.configure({ sndWnd: 6 });
  assertEquals(sent(a.segments(0)), range(2, 6));
  a.kcp.configure({ sndWnd: 3, rcvWnd: 5 });
  a.input(1, { cmd: WINS, wnd: 100, una: 2 });
  const segments = a.segments(1);
  assertEquals(sent(segments), [], "4 in flight, 3 allowed");
  a.input(2, { cmd: WINS, wnd: 100, una: 4 });
  assertEquals(a.segments(2).map((s) => [s.cmd, s.sn, s.wnd]), [[PUSH, 6, 5]]);
});
