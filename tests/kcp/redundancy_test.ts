/**
 * Segments that are sent more often than necessary: copies of retransmissions, and segments that ride
 * along with new data.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Kcp, turbo } from "../../kcp/mod.ts";
import { ACK, decode, type End, HEADER, opened, queue, sent, WINS } from "./harness.ts";

const COPY_DELAY = 3;
/** Bytes of a segment of `queue`, with its header. */
const SIZE = HEADER + 1;
const at = (n: number) => 10_000 + n;

/** A sender with a round trip of 100 ms. Its next segment is 20. */
function sender(options = {}): End {
  const a = opened({ nodelay: 1, interval: 10, resend: 1, nc: true, ...options });
  for (let n = 0; n < 20; n++) {
    queue(a, 1);
    const [{ sn, ts }] = a.segments(200 * n);
    a.input(200 * n + 100, { cmd: ACK, sn, ts, una: sn + 1 });
  }
  return a;
}

/** The segments of each packet that is due by `to`, with its time. */
function run(a: End, from: number, to: number): [number, number[]][] {
  const packets: [number, number[]][] = [];
  for (let now = from; now <= to; now++) {
    a.kcp.tick(now);
    for (const packet of a.packets(now)) packets.push([now, sent(decode(packet))]);
  }
  return packets;
}

Deno.test("copies: a retransmission is followed by a copy, and that by further ones", () => {
  for (const copies of [0, 1, 2, 3]) {
    const a = sender({ copies });
    queue(a, 1);
    a.segments(at(0));
    const [[first, sns], ...more] = run(a, at(1), at(140));
    assertEquals(sns, [20]);
    const times = Array.from({ length: copies }, (_, n) => [first + (n + 1) * COPY_DELAY, [20]]);
    assertEquals(more, times);
    assertEquals([a.kcp.stats.timeoutRetransmits, a.kcp.stats.copies], [1, copies]);
    assertEquals(a.kcp.stats.copyBytes, copies * SIZE);
  }
});

Deno.test("copies: none of what was acknowledged meanwhile", () => {
  const a = sender({ copies: 1 });
  queue(a, 1);
  a.segments(at(0));
  const [[first]] = run(a, at(1), at(112));
  a.input(first + 2, { cmd: ACK, sn: 20, ts: at(0), una: 21 });
  assertEquals(run(a, first + 2, at(500)), []);
  assertEquals([a.kcp.deadline, a.kcp.stats.copies], [Infinity, 0]);
});

Deno.test("copies: one leaves with the next packet that carries new data", () => {
  const a = sender({ copies: 1 });
  queue(a, 1);
  a.segments(at(0));
  const [[first]] = run(a, at(1), at(112));
  queue(a, 1);
  assertEquals(run(a, first + 1, first + 50), [[first + 1, [20, 21]]]);
  // One acknowledgment is named for both.
  a.input(first + 101, { cmd: ACK, sn: 21, ts: first + 1, una: 22 });
  const { copiesFirst, lost } = a.kcp.stats;
  assertEquals([copiesFirst, lost], [1, 1]);
});

Deno.test("copies: what arrives first is told by the ts that is echoed", () => {
  for (const [echo, first] of [["retransmission", 0], ["copy", 1]] as const) {
    const a = sender({ copies: 1 });
    queue(a, 1);
    a.segments(at(0));
    const [[again], [copied]] = run(a, at(1), at(140));
    const ts = echo === "copy" ? copied : again;
    a.input(ts + 100, { cmd: ACK, sn: 20, ts, una: 21 });
    const { copiesFirst, needlessRetransmits, lost } = a.kcp.stats;
    assertEquals([copiesFirst, needlessRetransmits, lost], [first, 0, 1], echo);
    assertEquals(Math.round(a.kcp.srtt), 100);
  }
});

Deno.test("copies: timeouts count from the copy, fastlimit does not count it", () => {
  const a = sender({ copies: 1, fastlimit: 2 });
  queue(a, 1);
  a.segments(at(0));
  const { rto } = a.kcp;
  const packets = run(a, at(1), at(500));
  const times = packets.map(([time]) => time);
  assertEquals(times[1] - times[0], COPY_DELAY);
  assert(times[2] - times[1] >= 1.5 * rto - 1, `${times}`);
});

Deno.test("copies: none while data waits, none in a large flight, and at most a quarter of the bytes", () => {
  for (const options of [{ sndWnd: 1 }, { sndWnd: 2_000, burst: Infinity }]) {
    const a = sender({ copies: 1, ...options });
    queue(a, options.sndWnd === 1 ? 3 : 257);
    a.segments(at(0));
    run(a, at(1), at(140));
    assertEquals(a.kcp.stats.copies, 0);
  }
  const a = sender({ copies: 3, burst: Infinity, fastlimit: 0 });
  // The path is bad: everything is lost for a long time, except what shows that the peer lives.
  for (let n = 0; n < 3_000; n++) {
    if (n % 10 === 0 && n < 1_000) queue(a, 1);
    a.segments(at(10 * n));
    a.input(at(10 * n), { cmd: WINS, una: 20, wnd: 60_000 });
  }
  const { copyBytes, payloadOut, segmentsOut, copies } = a.kcp.stats;
  assert(copies > 20 && segmentsOut > 500, `${copies} copies of ${segmentsOut}`);
  assert(copyBytes <= 16 * 1024 + (payloadOut + 24 * 120) / 4, `${copyBytes} of ${payloadOut}`);
});

Deno.test("copies: an address that is not proved gets none", () => {
  const a = sender({ copies: 1 });
  a.kcp.sndLimit = 5_000;
  queue(a, 1);
  a.segments(at(0));
  run(a, at(1), at(300));
  assertEquals(a.kcp.stats.copies, 0);
});

Deno.test("new copies: new data is followed by copies, each segment of a message", () => {
  for (const newCopies of [0, 1, 2, 3]) {
    const a = sender({ newCopies, mtu: HEADER + 100 });
    a.kcp.send(new Uint8Array(250));
    const packets = run(a, at(0), at(20));
    const expected = Array.from({ length: newCopies + 1 }, (_, n) => {
      return [20, 21, 22].map((sn) => [at(n * COPY_DELAY), [sn]]);
    }).flat();
    // The last segment is short, but no packet has room for two.
    assertEquals(packets, expected, `${newCopies} copies`);
    assertEquals([a.kcp.stats.copies, a.kcp.stats.fastRetransmits], [3 * newCopies, 0]);
  }
});

Deno.test("new copies: what arrives first is told by the ts that is echoed", () => {
  for (const [echo, first] of [["original", 0], ["copy", 1]] as const) {
    const a = sender({ newCopies: 1, copies: 0 });
    queue(a, 1);
    const [[sentAt], [copied]] = run(a, at(0), at(20));
    const ts = echo === "copy" ? copied : sentAt;
    a.input(ts + 100, { cmd: ACK, sn: 20, ts, una: 21 });
    const { copiesFirst, rideAlongsFirst, needlessRetransmits, lost } = a.kcp.stats;
    assertEquals([copiesFirst, rideAlongsFirst, needlessRetransmits, lost], [first, 0, 0, first]);
    assertEquals(Math.round(a.kcp.srtt), 100);
    // The acknowledgment of the other one changes nothing.
    a.input(copied + 100, { cmd: ACK, sn: 20, ts: copied, una: 21 });
    assertEquals([a.kcp.stats.lost, a.kcp.deadline], [first, Infinity]);
  }
});

Deno.test("new copies: a timeout counts from the copy", () => {
  const a = sender({ newCopies: 1, copies: 0 });
  queue(a, 1);
  const { rto } = a.kcp;
  const [, [copied], [again]] = run(a, at(0), at(400));
  assert(again >= copied + rto && again <= copied + rto + 1, `${copied}, ${rto}, ${again}`);
});

Deno.test("new copies: none of what was acknowledged, while data waits, or of a transfer", () => {
  const acked = sender({ newCopies: 1 });
  queue(acked, 1);
  acked.segments(at(0));
  acked.input(at(2), { cmd: ACK, sn: 20, ts: at(0), una: 21 });
  assertEquals(run(acked, at(2), at(300)), []);
  for (const [count, sndWnd, copies] of [[3, 1, 0], [64, 100, 64], [65, 100, 0]]) {
    const a = sender({ newCopies: 1, sndWnd });
    queue(a, count);
    run(a, at(0), at(20));
    assertEquals(a.kcp.stats.copies, copies, `${count} segments, window ${sndWnd}`);
  }
});

Deno.test("new copies: an address that is not proved gets none", () => {
  const a = sender({ newCopies: 1 });
  a.kcp.sndLimit = 5_000;
  queue(a, 1);
  run(a, at(0), at(60));
  assertEquals(a.kcp.stats.copies, 0);
});

Deno.test("ride-along: a packet with new data carries the last unacknowledged segments again", () => {
  for (const rideAlong of [0, 1, 2, 8]) {
    const a = sender({ rideAlong });
    for (let n = 0; n < 6; n++) {
      queue(a, 1);
      a.kcp.tick(at(16 * n));
      const packets = a.packets(at(16 * n)).map((packet) => sent(decode(packet)));
      const first = Math.max(0, n - rideAlong);
      const expected = Array.from({ length: n - first + 1 }, (_, i) => 20 + first + i);
      assertEquals(packets, [expected], `${rideAlong}, segment ${20 + n}`);
    }
    const { rideAlongs, rideAlongBytes } = a.kcp.stats;
    assertEquals(rideAlongBytes, rideAlongs * SIZE);
  }
});

Deno.test("ride-along: not what was acknowledged, and not more than the packet has room for", () => {
  const a = sender({ rideAlong: 3, mtu: 2 * 1_024, maxMtu: 2_048 });
  const large = new Uint8Array(900);
  const packets = (now: number) => {
    a.kcp.tick(now);
    return a.packets(now).map((packet) => sent(decode(packet)));
  };
  for (const sn of [20, 21, 22]) {
    assert(a.kcp.send(large));
    assertEquals(packets(at(sn)), [sn === 20 ? [20] : [sn - 1, sn]]);
  }
  a.input(at(30), { cmd: ACK, sn: 22, ts: at(22), una: 20 });
  assert(a.kcp.send(large));
  assertEquals(packets(at(31))[0].includes(22), false);
});

Deno.test("ride-along: the loss of a packet shows, and costs no retransmission", () => {
  const a = sender({ rideAlong: 1 });
  queue(a, 1);
  a.segments(at(0));
  queue(a, 1);
  a.segments(at(16));
  // The first packet is lost. The second one has both.
  a.input(at(116), { cmd: ACK, sn: 21, ts: at(16), una: 22 });
  const { rideAlongsFirst, lost, timeoutRetransmits, earlyRetransmits } = a.kcp.stats;
  assertEquals([rideAlongsFirst, lost, timeoutRetransmits, earlyRetransmits], [1, 1, 0, 0]);
  assertEquals(a.kcp.deadline, Infinity);
});

Deno.test("ride-along: it does not put off the timeout, which may be near", () => {
  const a = sender({ rideAlong: 1 });
  queue(a, 1);
  a.segments(at(0));
  queue(a, 1);
  a.segments(at(100));
  assertEquals(a.kcp.stats.rideAlongs, 1);
  assertEquals(sent(a.segments(at(111))), [20]);
});

Deno.test("ride-along: first transmissions that arrive show what was lost before them", () => {
  const a = sender({ rideAlong: 1 });
  const times = [0, 16, 32, 48];
  for (const time of times) {
    queue(a, 1);
    a.segments(at(time));
  }
  // 20 is lost, twice. 21 rides in the packet of 22, 22 in that of 23; both came first by themselves.
  a.input(at(132), { cmd: ACK, sn: 22, ts: at(32), una: 20 });
  assert(a.kcp.deadline <= at(132));
  assertEquals(sent(a.segments(at(132))).includes(20), true);
  assertEquals(a.kcp.stats.needlessRetransmits, 0);
});

Deno.test("redundancy: the settings are whole numbers in their ranges; turbo copies once", () => {
  assertEquals(new Kcp(1, turbo).options.copies, 1);
  for (const options of [{ copies: -1 }, { copies: 4 }, { copies: 0.5 }, { rideAlong: 9 }]) {
    assertThrows(() => new Kcp(1, options), RangeError, "Cannot set");
  }
});
