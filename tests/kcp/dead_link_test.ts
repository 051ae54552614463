import { assert, assertEquals } from "@std/assert";
import { ACK, End, opened, pattern, queue, sent, WASK, WINS } from "./harness.ts";

/** Runs the machine at its deadlines until it is dead or `until`. Returns the time of death. */
function diesAt(
  a: End,
  from: number,
  until: number,
  each: (now: number) => void = () => {},
): number {
  for (let now = from; now < until; now = Math.max(now, a.kcp.deadline)) {
    a.segments(now);
    if (a.kcp.dead) return now;
    each(now);
  }
  return Infinity;
}

Deno.test("dead link: while packets of the peer arrive, it is alive, whatever is lost", () => {
  for (const nodelay of [0, 1, 2] as const) {
    const a = opened({ nodelay, deadLinkTime: 20_000 });
    queue(a, 1);
    // The peer's own packets arrive; what is sent to it is lost again and again.
    const hear = (now: number) => a.input(now + 1, { cmd: WINS, wnd: 100, una: 0 });
    assertEquals(diesAt(a, 10, 500_000, hear), Infinity, `nodelay ${nodelay}`);
    assert(a.kcp.stats.timeoutRetransmits > 20, "more retransmissions than any count allows");
  }
});

Deno.test("dead link: the verdict is by time, whatever the number of transmissions", () => {
  for (const options of [{}, { nodelay: 1 }, { nodelay: 2 }, { nodelay: 2, minRto: 1 }] as const) {
    for (const deadLinkTime of [500, 4000, 30_000, 1e6]) {
      const a = opened({ ...options, deadLinkTime });
      queue(a, 1);
      assertEquals(diesAt(a, 100, 1e7), 100 + deadLinkTime, JSON.stringify(options));
      assertEquals(a.kcp.dead, "silence");
    }
  }
});

Deno.test("dead link: silence of deadLinkTime while an answer is due", () => {
  for (const deadLinkTime of [500, 30_000]) {
    const a = opened({ deadLinkTime });
    queue(a, 1);
    assertEquals(diesAt(a, 100, 1e6), 100 + deadLinkTime);
    assertEquals(a.kcp.dead, "silence");
  }
});

Deno.test("dead link: a peer is asked before the verdict if the next timeout comes after it", () => {
  const a = opened({ deadLinkTime: 2000, minRto: 5000, nodelay: 1 });
  queue(a, 1);
  a.segments(0);
  let again: number[] = [];
  for (let now = 0; again.length === 0 && !a.kcp.dead;) {
    // The peer lives. It lacks the segment, and has nothing to send by itself.
    now = a.kcp.deadline;
    const segments = a.segments(now);
    if (segments.some(({ cmd }) => cmd === WASK)) a.input(now + 100, { cmd: WINS, wnd: 100 });
    again = sent(segments);
  }
  assertEquals([a.kcp.dead, again], [null, [0]]);
  // Whoever does not answer is asked once, and given up.
  const b = opened({ deadLinkTime: 2000, minRto: 5000, nodelay: 1 });
  queue(b, 1);
  b.segments(0);
  assertEquals([b.kcp.deadline, b.segments(1000).map(({ cmd }) => cmd)], [1000, [WASK]]);
  assertEquals([b.kcp.deadline, b.segments(2000), b.kcp.dead], [2000, [], "silence"]);
});

Deno.test("dead link: a peer is asked, too, if data was sent since it is silent", () => {
  // A peer that lacks the first segment acknowledges no other. So a retransmission gets no answer.
  const a = opened({ deadLinkTime: 2000, minRto: 5000, nodelay: 1 });
  queue(a, 1);
  a.segments(0);
  a.input(500, { cmd: WINS, wnd: 100, una: 0 });
  queue(a, 1);
  assertEquals(sent(a.segments(600)), [1]);
  assertEquals([a.kcp.deadline, a.segments(1500).map(({ cmd }) => cmd)], [1500, [WASK]]);
  a.input(1600, { cmd: WINS, wnd: 100, una: 0 });
  assertEquals([a.kcp.deadline, a.kcp.dead], [2600, null], "it is asked again");
});

Deno.test("dead link: the silence starts at the last packet that arrived", () => {
  const a = opened({ deadLinkTime: 5000 });
  queue(a, 2);
  a.segments(0);
  a.input(3000, { cmd: ACK, sn: 0, ts: 0, una: 1 });
  assertEquals(a.kcp.heardAt, 3000);
  assertEquals(diesAt(a, 3000, 1e6), 8000);
});

Deno.test("dead link: an idle link lives, and has no deadline", () => {
  const a = opened({ deadLinkTime: 1000 });
  queue(a, 1);
  a.segments(0);
  a.input(20, { cmd: ACK, sn: 0, ts: 0, una: 1 });
  assertEquals(a.kcp.deadline, Infinity);
  a.segments(1e9);
  assertEquals(a.kcp.dead, null);
  queue(a, 1);
  a.segments(1e9 + 1);
  assertEquals(a.kcp.dead, null, "the silence before anything was sent does not count");
});

Deno.test("dead link: an unanswered probe of a closed window counts as silence", () => {
  const a = opened({ deadLinkTime: 10_000 });
  a.input(0, { cmd: WINS, wnd: 0 });
  queue(a, 1);
  // It is asked after 500 ms, and several times more.
  assertEquals(diesAt(a, 0, 1e6), 10_500);
  assertEquals(a.kcp.dead, "silence");
});

Deno.test("dead link: a machine that was not run tries once more before it gives up", () => {
  const a = opened({ deadLinkTime: 10_000, nodelay: 1 });
  queue(a, 1);
  a.segments(0);
  assertEquals(sent(a.segments(60_000)), [0], "it tries again first");
  assertEquals(a.kcp.dead, null);
  a.input(60_001, { cmd: ACK, sn: 0, ts: 0, una: 1 });
  assertEquals(a.kcp.deadline, Infinity);
  queue(a, 1);
  a.segments(60_002);
  assertEquals(diesAt(a, 60_002, 1e6), 70_002, "one that is run judges in time");
});

Deno.test("dead link: the last retransmission comes shortly before the end, in every mode", () => {
  for (const nodelay of [0, 1, 2] as const) {
    const a = opened({ deadLinkTime: 20_000, nodelay });
    queue(a, 1);
    a.segments(0);
    let last = 0;
    for (let at = 0; (at = a.kcp.deadline) < Infinity;) {
      if (sent(a.segments(at)).length > 0) last = at;
    }
    assert(last >= 15_000 && last < 20_000, `nodelay ${nodelay}: the last try at ${last} ms`);
  }
});

Deno.test("dead link: a closed window with answered probes is a slow reader, not dead", () => {
  const a = opened({ deadLinkTime: 10_000 });
  a.input(0, { cmd: WINS, wnd: 0 });
  queue(a, 1);
  let now = 0;
  for (let n = 0; n < 100; n++) {
    now = a.kcp.deadline;
    if (a.segments(now).some((s) => s.cmd === WASK)) a.input(now, { cmd: WINS, wnd: 0 });
  }
  assert(now > 60_000);
  assertEquals(a.kcp.dead, null);
});

Deno.test("dead link: a deadLinkTime of Infinity turns it off", () => {
  const a = opened({ deadLinkTime: Infinity });
  queue(a, 1);
  assertEquals(diesAt(a, 0, 1e7), Infinity);
});

Deno.test("dead link: a dead machine does nothing; earlier data can still be read", () => {
  const a = opened({ deadLinkTime: 1000, ackNoDelay: true });
  a.input(0, { sn: 0, data: pattern(20) });
  queue(a, 3);
  diesAt(a, 0, 1e6);
  assertEquals(a.kcp.dead, "silence");
  assertEquals(a.kcp.deadline, Infinity);
  assertEquals(a.kcp.send(pattern(1)), false);
  assertEquals(a.kcp.write(pattern(1)), 0);
  a.input(2000, { sn: 1, data: pattern(1) }, { cmd: WASK });
  assertEquals(a.segments(3000), []);
  assertEquals(a.recv(), pattern(20));
  assertEquals(a.recv(), null);
  assertEquals(a.kcp.stats.pendingAcks, 0);
});

Deno.test("dead link: the limits can change while it runs", () => {
  const a = opened({ deadLinkTime: 1e6 });
  queue(a, 1);
  a.segments(0);
  a.kcp.configure({ deadLinkTime: 300 });
  assertEquals(diesAt(a, 1, 1e6), 300);
});

Deno.test("dead link: askWindow() makes the peer answer", () => {
  const a = new End();
  a.segments(0);
  a.kcp.askWindow();
  assert(a.kcp.deadline <= 0);
  assertEquals(a.segments(5).map((s) => s.cmd), [WASK]);
  assertEquals(a.kcp.deadline, 5 + 30_000 / 8, "it is asked again");
  assertEquals(a.segments(3755).map((s) => s.cmd), [WASK]);
  assertEquals(diesAt(a, 3756, 1e6), 30_005, "its answer is due since the first question");
});

Deno.test("dead link: a peer that has answered is not asked again", () => {
  const a = new End();
  a.segments(0);
  a.kcp.askWindow();
  a.segments(5);
  a.input(50, { cmd: WINS });
  assertEquals(a.kcp.deadline, Infinity);
});
