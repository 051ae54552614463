import { assert, assertEquals } from "@std/assert";
import { ACK, encode, End, opened, pattern, PUSH, queue, sent, WASK, WINS } from "./harness.ts";

Deno.test("deadline: Infinity when nothing is pending", () => {
  const a = new End();
  assertEquals(a.kcp.deadline, Infinity, "new");
  a.segments(0);
  assertEquals(a.kcp.deadline, Infinity, "after a tick");
  a.input(1, { sn: 0, data: pattern(1) });
  a.segments(1);
  assertEquals(a.kcp.deadline, Infinity, "after an acknowledgment, with data unread");
  queue(a, 1);
  a.segments(2);
  a.input(30, { cmd: ACK, sn: 0, ts: 2, una: 1 });
  assertEquals(a.kcp.deadline, Infinity, "after all is acknowledged");
});

Deno.test("deadline: queued data, ACKs, probes and window announcements are due at once", () => {
  const due: [string, (end: End) => void][] = [
    ["a message", (end) => end.kcp.send(pattern(1))],
    ["bytes", (end) => end.kcp.write(pattern(1))],
    ["a probe", (end) => end.kcp.askWindow()],
    ["an acknowledgment", (end) => end.input(100, { sn: 0 })],
    ["a report", (end) => end.input(100, { cmd: WASK })],
  ];
  for (const [what, act] of due) {
    const a = new End();
    a.segments(100);
    act(a);
    assert(a.kcp.deadline <= 100, `${what}: ${a.kcp.deadline}`);
    assertEquals(a.segments(100).length, 1, what);
    assert(a.kcp.deadline > 100, `${what}, done: ${a.kcp.deadline}`);
  }
});

Deno.test("deadline: it is the earliest pending event, and nothing happens before it", () => {
  const a = opened({ nodelay: 1, interval: 50 });
  queue(a, 1);
  a.segments(0);
  assertEquals(a.kcp.deadline, 200, "the timeout of segment 0");
  a.input(170, { sn: 0 });
  a.segments(170);
  a.input(180, { sn: 1 });
  assertEquals(a.kcp.deadline, 200);
  a.input(190, { cmd: ACK, sn: 0, ts: 0, una: 1 });
  assertEquals(a.kcp.deadline, 220, "the acknowledgment collected since 170");
  assertEquals(a.segments(219.9), []);
  assertEquals(a.segments(220).map((s) => s.cmd), [ACK]);
});

Deno.test("deadline: it is when the earliest segment is due, not relative to now", () => {
  const a = opened({ nodelay: 1 });
  queue(a, 1);
  a.segments(0);
  queue(a, 1);
  a.segments(150);
  assertEquals(a.kcp.deadline, 200);
  assertEquals(sent(a.segments(200)), [0]);
  assertEquals(a.kcp.deadline, 350);
});

Deno.test("deadline: a late tick does all missed work once", () => {
  const a = opened({ nodelay: 1, interval: 10 });
  queue(a, 3);
  a.segments(0);
  a.input(1, { sn: 0 }, { sn: 1 });
  const segments = a.segments(10_000);
  assertEquals(sent(segments), [0, 1, 2]);
  assertEquals(segments.filter((s) => s.cmd === ACK).length, 1);
  assert(a.kcp.deadline > 10_000);
});

Deno.test("deadline: nothing is sent before the first call with a time", () => {
  const a = new End();
  queue(a, 1);
  assertEquals(a.kcp.output(a.batch), 0);
  assert(!(a.kcp.deadline > -1e9), `data is due at once on any clock, not at ${a.kcp.deadline}`);
  assertEquals(sent(a.segments(-1e9)), [0]);
});

Deno.test("deadline: after an output into a full batch, the rest is due at once", () => {
  const a = new End({ nc: true, mtu: 50, sndWnd: 100 }, undefined, { packets: 3 });
  a.input(0, { cmd: WINS, wnd: 100 });
  for (let i = 0; i < 10; i++) a.kcp.send(pattern(26));
  a.kcp.tick(0);
  const counts = [];
  for (let n; (a.batch.clear(), n = a.kcp.output(a.batch)) > 0;) {
    counts.push(n);
    if (counts.length < 4) assert(a.kcp.deadline <= 0, "more is due");
  }
  assertEquals(counts, [3, 3, 3, 1]);
  assert(a.kcp.deadline > 0);
});

Deno.test("deadline: fractional and irregular times", () => {
  const a = opened({ nodelay: 1, interval: 10 }, 0.125);
  queue(a, 1);
  assertEquals(a.segments(0.375)[0].ts, 0);
  assertEquals(a.kcp.deadline, 200.375);
  assertEquals(a.segments(200.25), []);
  assertEquals(a.segments(200.375).map((s) => [s.cmd, s.ts]), [[PUSH, 200]]);
});

Deno.test("deadline: it advances on a clock of Unix milliseconds with a fast rate", () => {
  // A double near 1.7e12 has steps of 2^-12 ms, in which 12 MB/s are 3 bytes.
  for (const pacingRate of [1e6, 12_667_939, 1e8, 1e9]) {
    for (let n = 0; n < 50; n++) {
      const start = 1_700_000_000_000 + n / 7;
      const a = opened({ pacingRate, mtu: 100 + n, sndWnd: 60_000, sndQueue: 60_000 }, start);
      a.kcp.write(pattern(200_000));
      let now = start;
      for (let rounds = 0; a.kcp.stats.sndQueue > 0; rounds++) {
        assert(rounds < 10_000);
        a.packets(now);
        assert(a.kcp.deadline > now, `at ${pacingRate} bytes/s, the deadline stays at ${now}`);
        now = a.kcp.deadline;
      }
    }
  }
});

Deno.test("peer: answered after an ACK of data or an answer to a probe, not before", () => {
  const a = new End();
  assertEquals(a.kcp.answered, false);
  a.input(0, { sn: 0, data: pattern(1) }, { cmd: WINS }, { cmd: WASK });
  assertEquals(a.kcp.answered, false, "nothing was asked");
  queue(a, 1);
  a.segments(0);
  a.input(1, { cmd: WINS, una: 0 });
  assertEquals(a.kcp.answered, false);
  a.input(2, { cmd: ACK, sn: 0, ts: 0, una: 1 });
  assertEquals(a.kcp.answered, true);
  const b = new End();
  b.kcp.askWindow();
  b.segments(0);
  b.input(1, { cmd: WINS });
  assertEquals(b.kcp.answered, false, "it may be forged");
  assertEquals(b.kcp.reported, true);
  b.kcp.askEcho();
  const [request] = b.segments(2);
  assertEquals([request.cmd, request.sn, request.data.length], [PUSH, 0xffffffff, 0]);
  b.input(3, { cmd: ACK, sn: request.sn, ts: request.ts + 1 });
  assertEquals(b.kcp.answered, false, "another echo");
  b.input(3, { cmd: ACK, sn: request.sn, ts: request.ts });
  assertEquals(b.kcp.answered, true);
});

Deno.test("peer: fits accepts only packets that the peer may send now", () => {
  const a = opened({ rcvWnd: 16 });
  queue(a, 10);
  a.segments(0);
  a.input(1, { cmd: WINS, una: 4 });
  for (let sn = 0; sn < 50; sn++) {
    a.input(1, { sn, una: 4 });
    a.recv();
  }
  const before = a.kcp.stats;
  const fits = (...segments: Parameters<typeof encode>) => {
    const packet = encode(...segments);
    const at = a.kcp.arena.alloc(packet.length);
    a.kcp.arena.bytes.set(packet, at);
    const answer = a.kcp.fits(at, at + packet.length, 1);
    a.kcp.arena.free(at, packet.length);
    return answer;
  };
  assert(fits({ sn: 50, una: 4 }));
  assert(fits({ sn: 65, una: 10 }));
  assert(fits({ sn: 40, una: 7 }), "sent again");
  assert(fits({ cmd: ACK, sn: 9, una: 4 }, { sn: 51, una: 4 }));
  assert(!fits({ sn: 178, una: 4 }), "beyond the window, and the one that a peer assumes first");
  assert(!fits({ sn: 2 ** 32 - 79, una: 4 }), "long before it");
  assert(!fits({ sn: 50, una: 3 }), "una of the past");
  assert(!fits({ sn: 50, una: 11 }), "una of the future");
  assert(!fits({ sn: 50, una: 4, conv: 7 }), "another conversation");
  assert(!fits({ sn: 50, una: 4 }, { sn: 2 ** 31, una: 4 }), "one of several");
  assert(!fits(), "nothing");
  assertEquals(a.kcp.stats, before, "asking changes nothing");
});
