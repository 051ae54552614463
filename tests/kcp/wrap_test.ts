import { assert, assertEquals } from "@std/assert";
import type { KcpOptions } from "../../kcp/mod.ts";
import { distance, timestamp } from "../../kcp/segment.ts";
import { Link } from "../../transport/link/link.ts";
import { Random } from "../../transport/link/random.ts";
import { ACK, End, Network, opened, pattern, queue, sent, WINS } from "./harness.ts";

/** Numbers about a wrap at which signed and unsigned comparison go wrong. */
const EDGES = [2 ** 31 - 3, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 3, 2 ** 32 - 1];

const wrap = (sn: number) => sn >>> 0;

Deno.test("wrap: distance is signed and modulo 2^32", () => {
  for (const edge of [0, ...EDGES]) {
    for (const d of [-(2 ** 31) + 1, -5, -1, 0, 1, 5, 2 ** 31 - 1]) {
      assertEquals(distance(wrap(edge + d), edge), d, `${edge} + ${d}`);
      assertEquals(distance((edge + d) | 0, edge | 0), d, `${edge} + ${d}, as signed integers`);
    }
  }
});

Deno.test("wrap: on the wire a time is whole milliseconds modulo 2^32", () => {
  assertEquals(
    [0, 0.9, 2 ** 31 + 0.5, 2 ** 32 - 0.5, 2 ** 32, 2 ** 41 + 7.25, -0.5, -1, -(2 ** 32)].map(
      timestamp,
    ),
    [0, 0, 2 ** 31, 2 ** 32 - 1, 0, 7, 2 ** 32 - 1, 2 ** 32 - 1, 0],
  );
});

for (const edge of EDGES) {
  Deno.test(`wrap: sending across sn ${edge}: window, una, ACK, fast retransmit, timeout`, () => {
    const a = opened({ initialSndSn: edge, resend: 2, sndWnd: 6, nodelay: 1 });
    const sn = (n: number) => wrap(edge + n);
    queue(a, 20);
    assertEquals(sent(a.segments(0)), [0, 1, 2, 3, 4, 5].map(sn));
    a.input(
      10,
      { cmd: ACK, sn: sn(3), ts: 0, una: edge },
      { cmd: ACK, sn: sn(4), ts: 0, una: edge },
    );
    assertEquals(sent(a.segments(10)), [0, 1, 2].map(sn));
    assertEquals(a.kcp.stats.fastRetransmits, 3);
    a.input(20, { cmd: WINS, wnd: 100, una: sn(5) });
    assertEquals(a.kcp.sndUna, sn(5));
    assertEquals(sent(a.segments(20)), [6, 7, 8, 9, 10].map(sn));
    assertEquals(a.input(21, { cmd: WINS, una: sn(12) }), false, "una beyond what was sent");
    assertEquals(a.input(21, { cmd: ACK, sn: sn(11), una: sn(5) }), false, "ACK beyond it");
    assertEquals(
      a.input(21, { cmd: ACK, sn: wrap(edge - 1), una: sn(5), wnd: 100 }),
      true,
      "an old ACK",
    );
    a.input(22, { cmd: WINS, wnd: 1, una: wrap(edge - 1) });
    assertEquals([a.kcp.sndUna, a.kcp.stats.rmtWnd], [sn(5), 100], "an old una");
    assertEquals(sent(a.segments(115)), [sn(5)], "the timeout");
    a.input(201, { cmd: WINS, wnd: 0, una: sn(11) });
    assertEquals(a.kcp.sndUna, sn(11));
    assertEquals(sent(a.segments(202)), [], "a closed window");
    a.input(203, { cmd: WINS, wnd: 2, una: sn(11) });
    assertEquals(sent(a.segments(203)), [11, 12].map(sn));
  });

  Deno.test(`wrap: receiving across sn ${edge}: order, early, duplicate, beyond the window`, () => {
    const b = new End({ initialRcvSn: edge, rcvWnd: 8, ackNoDelay: true });
    const sn = (n: number) => wrap(edge + n);
    for (const n of [4, 1, 2, 7, 3]) b.input(0, { sn: sn(n), data: pattern(5, n) });
    assertEquals(b.kcp.rcvNxt, edge);
    assertEquals(b.segments(0), [], "nothing is acknowledged before the first segment");
    b.input(1, { sn: sn(8), data: pattern(5) });
    assertEquals(b.kcp.stats.refused, 1);
    b.input(2, { sn: edge, data: pattern(5, 0) });
    assertEquals(b.kcp.rcvNxt, sn(5));
    // `una` acknowledges 0 to 4. Of those, only the newest is written.
    assertEquals(
      b.segments(2).filter((s) => s.cmd === ACK).map((s) => [s.sn, s.una]),
      [[sn(7), sn(5)], [edge, sn(5)]],
    );
    b.input(3, { sn: wrap(edge - 1), data: pattern(5) }, { sn: sn(2), data: pattern(5) });
    assertEquals(b.kcp.stats.duplicates, 2);
    for (let n = 0; n < 5; n++) assertEquals(b.recv(), pattern(5, n));
    assertEquals(b.recv(), null);
    assertEquals(b.kcp.stats.rcvBuffer, 1);
  });
}

for (const start of [2 ** 31 - 60, 2 ** 32 - 60, 2 ** 41 - 60, -60, -60.75, 2 ** 32 - 0.25]) {
  Deno.test(`wrap: times across ${start}: ts, sample, timeout, interval, probe`, () => {
    const a = opened({ nodelay: 1, interval: 20 }, start);
    queue(a, 2);
    const segments = a.segments(start + 20);
    assertEquals(segments.map((s) => s.ts), Array(2).fill(wrap(Math.floor(start + 20))));
    a.input(start + 110, { cmd: ACK, sn: 0, ts: segments[0].ts, una: 1 });
    assertEquals(a.kcp.srtt, 90);
    const { rto, deadline } = a.kcp;
    assertEquals(deadline, start + 20 + rto);
    const again = a.segments(deadline);
    assertEquals(sent(again), [1]);
    assertEquals(again[0].ts, wrap(Math.floor(deadline)));
    // An ACK of the first transmission, as old as a round trip can be.
    a.input(deadline + 5, { cmd: ACK, sn: 1, ts: segments[1].ts, una: 2, wnd: 0 });
    assert(a.kcp.srtt > 90, "the sample of the first transmission is a long one");
    queue(a, 1);
    assertEquals(a.kcp.deadline, deadline + 505, "the probe");
    a.input(deadline + 6, { sn: 0 });
    // A segment that comes alone is acknowledged at once.
    assertEquals(a.segments(deadline + 6).map(({ cmd }) => cmd), [ACK]);
    a.input(deadline + 7, { sn: 1 });
    assertEquals(a.kcp.deadline, deadline + 26, "the interval");
  });
}

for (const edge of [2 ** 31, 2 ** 32]) {
  Deno.test(`wrap: a lossy exchange across ${edge}, in sequence numbers and on both clocks`, () => {
    const options: KcpOptions = { nc: true, nodelay: 1, interval: 10, resend: 2, mtu: 100 };
    const a = new End({ ...options, initialSndSn: edge - 200, initialRcvSn: edge - 100 });
    const b = new End({ ...options, initialSndSn: edge - 100, initialRcvSn: edge - 200 });
    a.offset = edge - 300;
    b.offset = edge - 777.5;
    const link = { loss: 0.2, latency: 20, reorder: 0.1, duplicate: 0.1 };
    const random = new Random(`wrap ${edge}`);
    const network = new Network(
      a,
      b,
      new Link(link, random.fork("a to b")),
      new Link(link, random.fork("b to a")),
    );
    const total = 400 * 76;
    const written = [0, 0];
    const got = [0, 0];
    network.onStep = () => {
      for (const [i, end] of [a, b].entries()) {
        written[i] += end.kcp.write(pattern(total - written[i], written[i]));
        const bytes = end.read();
        assertEquals(bytes, pattern(bytes.length, got[i]));
        got[i] += bytes.length;
      }
    };
    assert(network.run(60_000, () => got[0] === total && got[1] === total), "it came to an end");
    assertEquals(got, [total, total]);
    // The last acknowledgments.
    assert(network.run(120_000), "both ends come to rest");
    assertEquals([a.kcp.deadline, b.kcp.deadline], [Infinity, Infinity]);
    for (const end of [a, b]) {
      assert(end.kcp.drained);
      assert(end.kcp.stats.minRtt >= 39 && end.kcp.stats.srtt < 2000, `srtt ${end.kcp.srtt}`);
    }
    assertEquals(a.kcp.sndUna, wrap(edge + 200));
    assertEquals(b.kcp.sndUna, wrap(edge + 300));
  });
}

Deno.test("wrap: time that goes back is ignored, NaN is refused", () => {
  const a = opened({ nodelay: 1 }, 1000);
  queue(a, 1);
  a.segments(1000);
  assertEquals(a.segments(900), []);
  assertEquals(a.kcp.deadline, 1200);
  queue(a, 1);
  assertEquals(a.segments(5)[0].ts, 1000);
  for (const call of [() => a.kcp.tick(NaN), () => a.input(NaN, { sn: 0 })]) {
    let thrown;
    try {
      call();
    } catch (error) {
      thrown = error;
    }
    assert(thrown instanceof TypeError, "NaN for the time is a TypeError");
  }
});
