import { assert, assertEquals } from "@std/assert";
import { ACK, encode, End, opened, pattern, PIECE, queue, sent, WASK, WINS } from "./harness.ts";

Deno.test("stats: all counters of a new machine are 0", () => {
  const { stats } = new End().kcp;
  assertEquals(stats, {
    packetsOut: 0,
    packetsIn: 0,
    bytesOut: 0,
    bytesIn: 0,
    segmentsOut: 0,
    segmentsIn: 0,
    payloadOut: 0,
    payloadIn: 0,
    timeoutRetransmits: 0,
    fastRetransmits: 0,
    earlyRetransmits: 0,
    tailProbes: 0,
    needlessRetransmits: 0,
    copies: 0,
    copyBytes: 0,
    copiesFirst: 0,
    rideAlongs: 0,
    rideAlongBytes: 0,
    rideAlongsFirst: 0,
    acknowledged: 0,
    lost: 0,
    duplicates: 0,
    refused: 0,
    noMemory: 0,
    foreign: 0,
    pathMtu: 1400,
    pathMtuReductions: 0,
    inputErrors: { short: 0, conv: 0, cmd: 0, length: 0, una: 0, ack: 0, piece: 0 },
    srtt: -1,
    rttvar: 0,
    minRtt: -1,
    rto: 200,
    congestion: {
      algorithm: "reference",
      phase: "slow start",
      bandwidth: 0,
      minRtt: 0,
      cwnd: 1400,
      ssthresh: 2800,
      pacingRate: null,
      inFlight: 0,
    },
    sndWnd: 128,
    rcvWnd: 256,
    rmtWnd: 32,
    sndQueue: 0,
    inFlight: 0,
    rcvQueue: 0,
    rcvBuffer: 0,
    pendingAcks: 0,
    bytesHeld: 0,
  });
});

Deno.test("stats: packets, segments, bytes and payload of both directions", () => {
  const a = new End({ nc: true, mtu: 124 });
  a.kcp.send(pattern(150));
  a.segments(0);
  let { stats } = a.kcp;
  assertEquals(
    [stats.packetsOut, stats.segmentsOut, stats.bytesOut, stats.payloadOut],
    [2, 2, 198, 150],
  );
  assertEquals([stats.inFlight, stats.sndQueue, stats.bytesHeld], [2, 0, 150]);
  a.input(10, { cmd: ACK, sn: 0, ts: 0, una: 1, wnd: 77 }, {
    sn: 0,
    una: 1,
    wnd: 77,
    data: pattern(9),
  });
  a.input(10, { cmd: WASK, una: 1, wnd: 78 });
  a.input(10, { sn: 2, una: 1, wnd: 78, data: pattern(5) });
  stats = a.kcp.stats;
  assertEquals([stats.packetsIn, stats.segmentsIn, stats.bytesIn, stats.payloadIn], [
    3,
    4,
    110,
    14,
  ]);
  assertEquals([stats.rcvQueue, stats.rcvBuffer, stats.pendingAcks, stats.rmtWnd], [1, 1, 2, 78]);
  assertEquals([stats.srtt, stats.rttvar, stats.minRtt, stats.inFlight], [10, 5, 10, 1]);
  assertEquals(stats.bytesHeld, 50 + 9);
  a.segments(10);
  stats = a.kcp.stats;
  assertEquals([stats.packetsOut, stats.segmentsOut, stats.bytesOut], [3, 4, 198 + 48]);
  assertEquals(stats.pendingAcks, 0);
});

Deno.test("stats: retransmissions by their reason, and payload only once", () => {
  const a = opened({ resend: 2, sndWnd: 5, nodelay: 1 });
  queue(a, 6);
  a.segments(0);
  a.input(1, { cmd: ACK, sn: 1, ts: 0 }, { cmd: ACK, sn: 2, ts: 0 });
  a.segments(1);
  a.input(2, { cmd: WINS, una: 3 });
  a.segments(2);
  a.input(3, { cmd: ACK, sn: 4, ts: 0, una: 3 });
  a.segments(3);
  a.segments(1000);
  const { stats } = a.kcp;
  assertEquals(stats.fastRetransmits, 1, "segment 0");
  assertEquals(
    stats.earlyRetransmits,
    1,
    "segment 3, when 4 was acknowledged and nothing was queued",
  );
  assertEquals(stats.timeoutRetransmits, 2, "3 and 5");
  assertEquals(stats.payloadOut, 6);
});

Deno.test("stats: a segment is lost only if its first transmission did not arrive", () => {
  const a = opened({ resend: 1, sndWnd: 20 });
  queue(a, 6);
  a.segments(0);
  // 0, 1 and 2 count as lost and are sent again at 10.
  a.input(10, { cmd: ACK, sn: 3, ts: 0 });
  assertEquals(sent(a.segments(10)), [0, 1, 2]);
  a.input(20, { cmd: ACK, sn: 0, ts: 0 });
  assertEquals([a.kcp.stats.acknowledged, a.kcp.stats.lost], [2, 0], "it was only late");
  a.input(30, { cmd: ACK, sn: 1, ts: 10 });
  assertEquals([a.kcp.stats.acknowledged, a.kcp.stats.lost], [3, 1], "the copy was needed");
  assertEquals(a.kcp.stats.minRtt, 10);
  queue(a, 2);
  a.segments(30);
  a.input(31, { cmd: WINS, una: 5 });
  assertEquals([a.kcp.stats.acknowledged, a.kcp.stats.lost], [5, 2], "una does not tell which");
});

Deno.test("stats: a copy sent too late for una to acknowledge it was not needed", () => {
  const a = opened({ nodelay: 1, minRto: 30, sndWnd: 20 });
  queue(a, 1);
  a.segments(0);
  a.input(40, { cmd: ACK, sn: 0, ts: 0, una: 1 });
  queue(a, 2);
  a.segments(50);
  const timeout = a.kcp.deadline;
  assertEquals(sent(a.segments(timeout)), [1, 2]);
  a.input(timeout + 39, { cmd: WINS, una: 2 });
  assertEquals(a.kcp.stats.lost, 0, "no answer comes back in 39 ms");
  a.input(timeout + 40, { cmd: WINS, una: 3 });
  assertEquals(a.kcp.stats.lost, 1);
});

Deno.test("stats: duplicates and refused segments; recovered duplicates don't count", () => {
  const b = new End({ rcvWnd: 2 });
  b.input(0, { sn: 0, data: pattern(4) });
  b.input(0, { sn: 0, data: pattern(4) });
  b.input(0, { sn: 2, data: pattern(4) }, { sn: 3, data: pattern(4) });
  b.kcp.input(encode({ sn: 0, data: pattern(4) }), 0, true);
  const { duplicates, refused, payloadIn } = b.kcp.stats;
  assertEquals({ duplicates, refused, payloadIn }, { duplicates: 1, refused: 2, payloadIn: 4 });
});

Deno.test("stats: an invalid packet is counted by its error only", () => {
  const a = opened();
  queue(a, 2);
  a.segments(0);
  const before = a.kcp.stats;
  const long = encode({ data: pattern(3) });
  new DataView(long.buffer).setUint32(20, 4, true);
  const packets: [keyof typeof before.inputErrors, Uint8Array][] = [
    ["short", new Uint8Array(23)],
    ["short", new Uint8Array(0)],
    ["conv", encode({ conv: 5 })],
    ["cmd", encode({ cmd: 80 })],
    ["cmd", encode({ cmd: 88 })],
    ["length", long],
    ["una", encode({ una: 3 })],
    ["ack", encode({ cmd: ACK, sn: 2 })],
    ["piece", encode({ cmd: PIECE })],
  ];
  const expected = { ...before.inputErrors };
  for (const [fault, packet] of packets) {
    assertEquals(a.kcp.input(packet, 1), false, fault);
    expected[fault]++;
    assertEquals(a.kcp.stats, { ...before, inputErrors: { ...expected } }, fault);
  }
});

Deno.test("stats: a snapshot does not change afterwards", () => {
  const a = opened();
  const { stats } = a.kcp;
  const copy = structuredClone(stats);
  queue(a, 1);
  a.segments(0);
  a.kcp.input(new Uint8Array(1), 0);
  assertEquals(stats, copy);
  assert(a.kcp.stats.packetsOut > stats.packetsOut);
});

Deno.test("stats: the getters have the same values", () => {
  const a = opened({ sndWnd: 2 });
  queue(a, 5);
  a.segments(0);
  a.input(30, { cmd: ACK, sn: 0, ts: 0, una: 1 });
  const { stats } = a.kcp;
  assertEquals([a.kcp.srtt, a.kcp.rto], [stats.srtt, stats.rto]);
  assertEquals([a.kcp.sndUna, a.kcp.sndNxt, a.kcp.drained], [1, 2, false]);
  assertEquals(a.kcp.unacknowledged, stats.sndQueue + stats.inFlight);
  assertEquals(a.kcp.sndRoom, 255 - stats.sndQueue);
  assertEquals(a.kcp.heardAt, 30);
});
