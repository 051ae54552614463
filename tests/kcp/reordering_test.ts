/**
 * Segments that are late, not lost: what a path that reorders costs, and that loss is still found.
 *
 * @module
 */
import { assert, assertEquals, assertLess } from "@std/assert";
import { ReferenceController } from "../../kcp/mod.ts";
import { lossOf, sampleOf } from "./congestion/records.ts";
import { ReorderingWindow } from "../../kcp/reordering_window.ts";
import { ACK, type End, opened, queue, sent } from "./harness.ts";

/** A sender with a round trip of 100 ms. */
function sender(options = {}): End {
  const a = opened({ nodelay: 1, interval: 10, resend: 1, nc: true, ...options });
  for (let n = 0; n < 20; n++) {
    queue(a, 1);
    const [{ sn, ts }] = a.segments(200 * n);
    a.input(200 * n + 100, { cmd: ACK, sn, ts, una: sn + 1 });
  }
  return a;
}

const at = (n: number) => 10_000 + n;

/** Sends segments 20 and 21 at once; 20 comes `late` ms after 21. Returns when it was sent again. */
function reorder(a: End, first: number, start: number, late: number): number {
  queue(a, 2);
  assertEquals(sent(a.segments(start)), [first, first + 1]);
  const ts = start;
  a.input(start + 100, { cmd: ACK, sn: first + 1, ts, una: first });
  let again = Infinity;
  for (let now = start + 100; now <= start + 100 + late; now++) {
    if (sent(a.segments(now)).includes(first)) again = Math.min(again, now - start);
  }
  a.input(start + 100 + late, { cmd: ACK, sn: first, ts, una: first + 2 });
  a.segments(start + 100 + late);
  return again;
}

Deno.test("reordering: the first late segment is sent again at once, the next ones are waited for", () => {
  const a = sender();
  assertEquals(reorder(a, 20, at(0), 20), 100, "nothing was late before");
  assertEquals(a.kcp.stats.needlessRetransmits, 1);
  for (let n = 1; n < 10; n++) {
    assertEquals(reorder(a, 20 + 2 * n, at(500 * n), 20), Infinity, `segment ${20 + 2 * n}`);
  }
  assertEquals(a.kcp.stats.needlessRetransmits, 1);
});

Deno.test("reordering: a segment that stays out is sent again when the window has passed", () => {
  const a = sender();
  reorder(a, 20, at(0), 20);
  const again = reorder(a, 22, at(500), 60);
  assert(again >= 120 && again <= 100 + 1.25 * 20 + 1, `${again} ms after it was sent`);
  const later = reorder(a, 24, at(1_000), 80);
  assert(later >= 160 && later <= 100 + 1.25 * 60 + 1, `${later} ms: the window follows`);
});

Deno.test("reordering: without it for two periods, a skipped segment is sent again at once", () => {
  const a = sender();
  reorder(a, 20, at(0), 20);
  assertEquals(reorder(a, 22, at(500), 20), Infinity);
  queue(a, 1);
  a.segments(at(9_000));
  a.input(at(9_100), { cmd: ACK, sn: 24, ts: at(9_000), una: 25 });
  assertEquals(reorder(a, 25, at(10_000), 20), 100);
});

Deno.test("reordering: with error correction, what is late by much may have been lost and restored", () => {
  const a = sender();
  a.kcp.sndRestores = true;
  assertEquals(reorder(a, 20, at(0), 40), 100);
  assertEquals(reorder(a, 22, at(500), 40), 100, "nothing is waited for");
  assertEquals(reorder(a, 24, at(1_000), 8), 100);
  assertEquals(reorder(a, 26, at(1_500), 8), Infinity, "no restored packet is so early");
});

Deno.test("reordering: lost segments and lost acknowledgments are no sign of it", () => {
  const a = sender();
  for (let n = 0; n < 50; n++) {
    const first = 20 + 3 * n;
    const start = at(1_000 * n);
    queue(a, 3);
    a.segments(start);
    // The first one is lost; the acknowledgment of the second is, too.
    a.input(start + 100, { cmd: ACK, sn: first + 2, ts: start, una: first });
    assertEquals(sent(a.segments(start + 100)), [first, first + 1]);
    a.input(start + 200, { cmd: ACK, sn: first, ts: start + 100, una: first + 3 });
    a.segments(start + 200);
  }
  assertEquals(a.kcp.stats.needlessRetransmits, 0);
});

Deno.test("reordering: with resend 0 only timeouts retransmit", () => {
  const a = sender({ resend: 0, minRto: 1_000 });
  assertEquals(reorder(a, 20, at(0), 200), Infinity);
});

Deno.test("reordering: the window is the lateness and a margin, a round trip at most, for a while", () => {
  const window = new ReorderingWindow();
  assertEquals([window.open, window.at(0, 100)], [false, 0]);
  window.widen(0, 100, 8);
  assertEquals([window.open, window.at(0, 100)], [true, 11]);
  window.widen(1, 100, 4);
  assertEquals(window.at(1, 100), 11, "a smaller lateness does not narrow it");
  window.widen(2, 100, 500);
  assertEquals(window.at(2, 100), 100);
  assertEquals([window.at(1_599, 100), window.at(3_199, 100)], [100, 100]);
  assertEquals([window.at(3_201, 100), window.open], [0, false]);
});

Deno.test("undo: when all that counted as lost was only late, the window comes back", () => {
  for (const [late, window] of [[3, 43], [2, 23]] as const) {
    const controller = new ReferenceController({ mss: 1_000, resend: 3 });
    controller.onLoss(lossOf({ now: 0, span: 80 }));
    controller.onAck(sampleOf({ now: 1, advanced: 0, rtt: 100 }));
    const { ssthresh } = controller;
    for (let i = 0; i < 3; i++) controller.onLoss(lossOf({ now: 5_000, span: 40 }));
    assertEquals(controller.segmentWindow, 23);
    controller.onNeedlessLoss(5_020, 1);
    if (late === 3) controller.onNeedlessLoss(5_030, 2);
    assertEquals(controller.segmentWindow, window);
    assertEquals(controller.ssthresh, late === 3 ? ssthresh : 20_000);
  }
  const controller = new ReferenceController({ mss: 1_000, resend: 3 });
  controller.onAck(sampleOf({ rtt: 100 }));
  controller.onLoss(lossOf({ now: 1_000, span: 40 }));
  controller.onLoss(lossOf({ now: 2_000, span: 20 }));
  controller.onNeedlessLoss(2_010, 1);
  assertEquals(controller.segmentWindow, 23, "the first loss was one");
});

Deno.test("undo: on the wire, a late segment leaves the window as it was", () => {
  const windows = [100, 130].map((late) => {
    const a = sender({ nc: false, resend: 1 });
    const before = a.kcp.stats.congestion.cwnd!;
    queue(a, 2);
    a.segments(at(0));
    a.input(at(100), { cmd: ACK, sn: 21, ts: at(0), una: 20 });
    a.segments(at(100));
    assertLess(a.kcp.stats.congestion.cwnd!, before);
    // The first transmission has arrived, or only the second one.
    a.input(at(late + 1), { cmd: ACK, sn: 20, ts: late === 100 ? at(0) : at(100), una: 22 });
    return [before, a.kcp.stats.congestion.cwnd!];
  });
  assertEquals(windows[0][0] <= windows[0][1], true);
  assertEquals(windows[1][0] > windows[1][1], true);
});

Deno.test("tail probe: the last segment is sent again after 1.5 round trips and what is held back, where the timeout is later", () => {
  for (const [minRto, probed] of [[1_000, true], [120, false]] as const) {
    const a = sender({ minRto });
    queue(a, 3);
    a.segments(at(0));
    const times: number[] = [];
    for (let now = 0; now <= 200; now++) {
      if (sent(a.segments(at(now))).length > 0) times.push(now);
    }
    assertEquals(times.slice(0, 1), [probed ? 161 : 120], `minRto ${minRto}`);
    assertEquals(a.kcp.stats.tailProbes, probed ? 1 : 0);
  }
});

Deno.test("tail probe: its acknowledgment shows what was lost before; one probe a silence", () => {
  const a = sender({ minRto: 1_000, resend: 2 });
  queue(a, 3);
  a.segments(at(0));
  assertEquals(sent(a.segments(at(161))), [22]);
  assertEquals(sent(a.segments(at(400))), []);
  a.input(at(410), { cmd: ACK, sn: 22, ts: at(161), una: 20 });
  assertEquals(sent(a.segments(at(410))), [20, 21]);
  a.input(at(510), { cmd: ACK, sn: 20, ts: at(410), una: 21 });
  a.input(at(510), { cmd: ACK, sn: 21, ts: at(410), una: 23 });
  assertEquals(a.kcp.deadline, Infinity);
});

Deno.test("tail probe: none while data waits, and none with resend 0", () => {
  for (const options of [{ sndWnd: 2 }, { resend: 0 }]) {
    const a = sender({ minRto: 1_000, ...options });
    queue(a, 3);
    a.segments(at(0));
    for (let now = 0; now <= 900; now += 10) assertEquals(sent(a.segments(at(now))), [], `${now}`);
    assertEquals(a.kcp.stats.tailProbes, 0);
  }
});

Deno.test("reordering: a segment that fills a gap of una was late, though no acknowledgment names it", () => {
  const a = sender();
  queue(a, 2);
  a.segments(at(0));
  a.input(at(100), { cmd: ACK, sn: 21, ts: at(0), una: 20 });
  assertEquals(sent(a.segments(at(100))), [20]);
  // A peer names the last segment of several only.
  queue(a, 1);
  a.segments(at(101));
  a.input(at(120), { cmd: ACK, sn: 22, ts: at(20), una: 23 });
  assertEquals(a.kcp.stats.needlessRetransmits, 1);
  assertEquals(reorder(a, 23, at(500), 20), Infinity);
});

Deno.test("reordering: an acknowledgment that was lost behind a gap is no sign of it", () => {
  const a = sender();
  queue(a, 3);
  a.segments(at(0));
  // 20 is lost. 21 has arrived, but its acknowledgment is lost.
  a.input(at(100), { cmd: ACK, sn: 22, ts: at(0), una: 20 });
  assertEquals(sent(a.segments(at(100))), [20, 21]);
  a.input(at(200), { cmd: ACK, sn: 20, ts: at(100), una: 23 });
  assertEquals(reorder(a, 23, at(500), 20), 100);
});

Deno.test("reordering: a round trip that spans a pause of the process makes no timeout long", () => {
  for (const resend of [0, 2]) {
    const a = sender({ resend });
    queue(a, 2);
    a.segments(at(0));
    a.input(at(100), { cmd: ACK, sn: 21, ts: at(0), una: 20 });
    a.segments(at(100));
    a.input(at(120), { cmd: ACK, sn: 20, ts: at(0), una: 22 });
    queue(a, 1);
    a.segments(at(1_000));
    // The process is suspended. The acknowledgment waits in the socket.
    a.input(at(21_000), { cmd: ACK, sn: 22, ts: at(1_000), una: 23 });
    queue(a, 1);
    a.segments(at(21_000));
    let again = Infinity;
    for (let now = 21_000; now < 24_000 && again === Infinity; now += 10) {
      if (sent(a.segments(at(now))).includes(23)) again = now - 21_000;
    }
    assert(again <= 2 * a.kcp.rto, `resend ${resend}: sent again after ${again} ms`);
  }
});

Deno.test("reordering: with resend 0, no window delays timeouts, nor leaves a deadline in the past", () => {
  const a = sender({ resend: 0 });
  for (let n = 0; n < 40; n++) {
    const first = 20 + 2 * n;
    const start = at(500 * n);
    queue(a, 2);
    a.segments(start);
    a.input(start + 100, { cmd: ACK, sn: first + 1, ts: start, una: first });
    for (let now = start + 100; now < start + 140; now += 5) {
      a.segments(now);
      assert(a.kcp.deadline > now);
    }
    a.input(start + 140, { cmd: ACK, sn: first, ts: start, una: first + 2 });
    a.segments(start + 140);
  }
  assert(a.kcp.stats.needlessRetransmits > 0);
  queue(a, 1);
  a.segments(at(30_000));
  assertEquals(a.kcp.deadline, at(30_000) + a.kcp.rto);
});
