import { assert, assertEquals } from "@std/assert";
import type { KcpOptions } from "../../kcp/mod.ts";
import { ACK, decode, End, opened, pattern, PUSH, queue, range, sent, WINS } from "./harness.ts";

const push = (end: End, now: number, sn: number) =>
  end.input(now, { sn, ts: 1000 + sn, data: pattern(10, 10 * sn) });

/** A machine whose peer has acknowledged a segment, and which has acknowledged one. */
function answered(options: KcpOptions): End {
  const end = opened(options);
  queue(end, 1);
  end.segments(0);
  end.input(0, { cmd: ACK, sn: 0, una: 1 });
  push(end, 0, 0);
  end.segments(0);
  return end;
}

/** The packets that are due: a word for each, "A" for an acknowledgment, "P" for data. */
function letters(end: End, now: number): string {
  return end.packets(now).map(decode).map((packet) =>
    packet.map(({ cmd }) => cmd === ACK ? "A" : "P").join("")
  ).join(" ");
}

Deno.test("acknowledge: acknowledgments are collected for up to an interval", () => {
  const b = new End({ interval: 40 });
  push(b, 0, 0);
  assertEquals(b.segments(0).length, 1, "the first after a pause leaves at once");
  push(b, 10, 1);
  assertEquals(b.kcp.deadline, 40);
  assertEquals(b.segments(10), []);
  push(b, 20, 2);
  assertEquals(b.segments(39), []);
  assertEquals(b.segments(40).map((s) => [s.cmd, s.sn, s.una]), [[ACK, 2, 3]]);
  assertEquals(b.kcp.deadline, Infinity);
});

Deno.test("acknowledge: 16 acknowledgments, or a packet full, are sent at once", () => {
  for (const mtu of [50, 100, 383, 384, 1400]) {
    const full = Math.min(16, Math.floor(mtu / 24));
    const b = new End({ interval: 1000, mtu });
    push(b, 0, 0);
    b.segments(0);
    for (let n = 1; n < full; n++) {
      push(b, 1, 2 * n);
      assertEquals(b.segments(1), [], `${n} of ${full} at an MTU of ${mtu}`);
    }
    push(b, 2, 2 * full);
    assert(b.kcp.deadline <= 2);
    const packets = b.packets(2);
    assertEquals(packets.map((p) => p.length), [24 * full]);
  }
});

/** A machine of which a peer has had `flight` segments acknowledged at the end of an interval of 30 ms. */
function acknowledgedLate(flight: number): { end: End; next: number } {
  const end = new End({ interval: 30 });
  push(end, 0, 0);
  end.segments(0);
  for (let sn = 1; sn <= flight; sn++) {
    push(end, sn, sn);
    assertEquals(end.segments(sn), []);
  }
  assertEquals(end.segments(30).length, 1);
  return { end, next: flight + 1 };
}

/** How many segments an end takes before it acknowledges them, 1 ms apart. */
function collected(end: End, at: number, first: number): number {
  for (let count = 1; count <= 20; count++) {
    push(end, at + count, first + count - 1);
    while (end.recv());
    if (end.segments(at + count).length > 0) return count;
  }
  return Infinity;
}

Deno.test("acknowledge: half of a flight waits where the sender has stopped for the other half", () => {
  const { end, next } = acknowledgedLate(10);
  // A round trip later, the next flight comes.
  assertEquals(collected(end, 32, next), 5);
  assertEquals(collected(end, 40, next + 5), 5);
});

Deno.test("acknowledge: 16 wait where the sender may have had no more to send", () => {
  const { end, next } = acknowledgedLate(10);
  // What it sends next has nothing to do with the acknowledgments. It comes alone.
  push(end, 90, next);
  assertEquals(end.segments(90).length, 1);
  assertEquals(collected(end, 90, next + 1), 16);
});

Deno.test("acknowledge: 16 wait while segments come without a pause", () => {
  const end = new End({ interval: 30 });
  push(end, 0, 0);
  end.segments(0);
  for (let sn = 1; sn <= 9; sn++) {
    push(end, 3 * sn, sn);
    end.segments(3 * sn);
  }
  assertEquals(end.segments(30).length, 1);
  assertEquals(collected(end, 32, 10), 16);
});

Deno.test("acknowledge: the limit grows back, and not beyond 16", () => {
  const { end, next } = acknowledgedLate(10);
  let at = 32;
  let sn = next;
  const counts: number[] = [];
  for (let i = 0; i < 2000; i++) {
    const count = collected(end, at, sn);
    counts.push(count);
    at += count;
    sn += count;
  }
  assertEquals([counts[0], counts[127], counts[128], counts[129]], [5, 5, 6, 6]);
  assertEquals(counts.at(-1), 16);
});

Deno.test("acknowledge: ackNoDelay acknowledges every packet at once", () => {
  const b = new End({ interval: 1000, ackNoDelay: true });
  for (let sn = 0; sn < 5; sn++) {
    push(b, sn, sn);
    assert(b.kcp.deadline <= sn);
    assertEquals(b.segments(sn).map((s) => [s.cmd, s.sn, s.ts]), [[ACK, sn, 1000 + sn]]);
  }
});

Deno.test("acknowledge: a packet with data carries pending acknowledgments", () => {
  const b = opened({ interval: 1000 });
  push(b, 0, 0);
  b.segments(0);
  push(b, 5, 1);
  b.kcp.send(pattern(1));
  const packets = b.packets(5);
  assertEquals(packets.map(decode).map((p) => p.map((s) => s.cmd)), [[ACK, PUSH]]);
  assertEquals(b.kcp.stats.pendingAcks, 0);
});

Deno.test("acknowledge: ACKs share the last packet of a few full segments, else go first", () => {
  const cases: [size: number, expected: string][] = [
    // The first segment has room for them in front.
    [50, "AP"],
    [76, "P A"],
    [76 * 2 + 50, "P P PA"],
    [76 * 3, "P P P A"],
    [76 * 7 + 1, "P P P P P P P PA"],
    [76 * 8 + 1, "A P P P P P P P P P"],
  ];
  for (const [size, expected] of cases) {
    const b = answered({ interval: 1000, mtu: 100 });
    push(b, 5, 1);
    b.kcp.send(pattern(size));
    assertEquals(letters(b, 5), expected, `${size} bytes`);
    assertEquals(b.kcp.stats.pendingAcks, 0);
  }
});

Deno.test("acknowledge: until the peer has taken data, an ACK leads each flight", () => {
  const b = opened({ interval: 1000, mtu: 100 });
  push(b, 0, 0);
  b.segments(0);
  push(b, 5, 1);
  b.kcp.send(pattern(76));
  assertEquals(letters(b, 5), "A P");
  // This flight repeats the ACK, since the one before may be lost.
  b.kcp.send(pattern(76));
  assertEquals(letters(b, 6), "A P");
  // An answer to a window probe, or an echo, does not show that it takes data.
  b.kcp.askWindow();
  b.kcp.askEcho();
  const { sn, ts } = b.segments(1006).find(({ sn }) => sn === 0xffffffff)!;
  b.input(1007, { cmd: WINS, wnd: 128 }, { cmd: ACK, sn, ts });
  assert(b.kcp.answered);
  b.kcp.send(pattern(76));
  assertEquals(letters(b, 2007)[0], "A");
  b.input(2008, { cmd: ACK, sn: 0, ts: 5, una: 1 });
  b.kcp.send(pattern(76));
  assertEquals(letters(b, 2008).includes("A"), false);
});

Deno.test("acknowledge: a repeated ACK does not make the round trip longer", () => {
  const [a, b] = [opened({}), opened({ ackNoDelay: true })];
  queue(a, 1);
  const [first] = a.segments(0);
  b.input(50, first);
  // This acknowledgment is lost. One that leads data follows after an outage.
  b.segments(50);
  b.kcp.send(pattern(10));
  const [again] = b.segments(2000);
  assertEquals([again.cmd, again.sn], [ACK, 0]);
  a.input(2050, again);
  assert(a.kcp.drained);
  assertEquals(a.kcp.srtt, 100);
});

Deno.test("acknowledge: a full segment before ACKs is paced", () => {
  const b = opened({ interval: 10, mtu: 100, pacingRate: 1000, burst: 1 });
  let sent = 0;
  for (let sn = 0, now = 1; now <= 1000; sn++, now += 10) {
    b.input(now, { sn, ts: sn, una: sent / 100, data: pattern(10) });
    b.kcp.recv(new Uint8Array(10));
    if (b.kcp.stats.sndQueue < 2) b.kcp.send(pattern(76));
    for (const s of b.segments(now)) if (s.cmd === PUSH) sent += 100;
  }
  // 1000 bytes a second, and a burst.
  assert(sent > 500 && sent <= 1200, `${sent} bytes in a second`);
});

Deno.test("acknowledge: una covers segments in order; each early segment gets an ACK", () => {
  const b = new End({ interval: 50 });
  b.segments(0);
  for (const sn of [0, 1, 5, 2, 7]) push(b, 0, sn);
  const segments = b.segments(0);
  assertEquals(segments.map((s) => [s.sn, s.ts]), [[5, 1005], [7, 1007]]);
  assert(segments.every((s) => s.una === 3));
});

Deno.test("acknowledge: the newest ACK is sent for its ts, even if una covers it", () => {
  const b = new End({ interval: 50 });
  for (const sn of [0, 1, 2]) push(b, 0, sn);
  assertEquals(b.segments(0).map((s) => [s.sn, s.ts, s.una]), [[2, 1002, 3]]);
});

Deno.test("acknowledge: a duplicate is acknowledged again, with its own ts", () => {
  const b = new End({ ackNoDelay: true });
  push(b, 0, 0);
  push(b, 0, 4);
  b.segments(0);
  b.input(1, { sn: 0, ts: 77, data: pattern(10) });
  assertEquals(b.segments(1).map((s) => [s.cmd, s.sn, s.ts]), [[ACK, 0, 77]]);
  b.input(2, { sn: 4, ts: 88, data: pattern(10) });
  assertEquals(b.segments(2).map((s) => [s.cmd, s.sn, s.ts]), [[ACK, 4, 88]]);
  assertEquals(b.kcp.stats.duplicates, 2);
  assertEquals(b.kcp.stats.payloadIn, 20);
});

Deno.test("acknowledge: ACKs that don't fit in a full batch go into the next one", () => {
  const b = new End({ ackNoDelay: true, mtu: 100, rcvWnd: 100 }, undefined, { packets: 2 });
  push(b, 0, 0);
  b.segments(0);
  for (let n = 0; n < 20; n++) push(b, 1, 2 + 2 * n);
  b.kcp.tick(1);
  const batches = [];
  for (b.batch.clear(); b.kcp.output(b.batch) > 0; b.batch.clear()) {
    batches.push([...b.batch].flatMap(decode).map((s) => s.sn));
  }
  assertEquals(batches.map((batch) => batch.length), [8, 8, 4]);
  assertEquals(batches.flat(), range(0, 20).map((n) => 2 + 2 * n));
});

Deno.test("acknowledge: new data waits only with writeDelay, and not after a pause", () => {
  for (const writeDelay of [false, true]) {
    const a = opened({ writeDelay, interval: 30 });
    queue(a, 1);
    assertEquals(sent(a.segments(100)), [0]);
    queue(a, 1);
    assertEquals(sent(a.segments(101)), writeDelay ? [] : [1]);
  }
});

Deno.test("acknowledge: writeDelay holds writes for the interval or until the window fills", () => {
  const a = opened({ writeDelay: true, interval: 30, sndWnd: 8 });
  a.kcp.write(pattern(1));
  a.segments(0);
  for (let i = 0; i < 10; i++) a.kcp.write(pattern(10, 1 + 10 * i));
  assertEquals(a.kcp.deadline, 30);
  assertEquals(sent(a.segments(29)), []);
  assertEquals(a.segments(30).map((s) => s.data), [pattern(100, 1)]);
  queue(a, 8);
  assertEquals(sent(a.segments(31)), range(2, 8), "a full window does not wait");
});

Deno.test("acknowledge: with writeDelay all due data is sent, also in small batches", () => {
  const a = opened({ writeDelay: true, interval: 1000, mtu: 50, sndWnd: 100 });
  const b = new End(
    { writeDelay: true, interval: 1000, mtu: 50, sndWnd: 100, nc: true },
    undefined,
    {
      packets: 4,
    },
  );
  b.input(0, { cmd: 84, wnd: 60000 });
  for (const end of [a, b]) {
    end.kcp.write(pattern(26 * 40));
    assertEquals(sent(end.segments(0)), range(0, 40));
  }
});

Deno.test("acknowledge: a retransmission does not wait for writeDelay", () => {
  const a = opened({ writeDelay: true, interval: 5000, resend: 1, minRto: 100 });
  queue(a, 3);
  a.segments(0);
  a.input(20, { cmd: ACK, sn: 2, ts: 0 });
  assertEquals(sent(a.segments(20)), [0, 1]);
});

Deno.test("acknowledge: with writeDelay, output that leaves more often does not delay new data", () => {
  for (const every of [1, 3, 7, 29]) {
    for (const what of ["acknowledgments", "answers to probes", "probes"]) {
      const a = opened({ writeDelay: true, interval: 30, ackNoDelay: true, resend: 1 });
      a.kcp.write(pattern(1));
      a.segments(0);
      let first = Infinity;
      for (let now = 1, sn = 0; now < 300; now++) {
        if (now === 50) a.kcp.write(pattern(100, 1));
        if (now % every === 0) {
          if (what === "acknowledgments") a.input(now, { sn: sn++, ts: now, data: pattern(1) });
          else if (what === "answers to probes") a.input(now, { cmd: 83 });
          else a.kcp.askWindow();
        }
        const data = a.segments(now).find((s) => s.cmd === PUSH && s.sn === 1);
        if (data) first = Math.min(first, now);
      }
      assert(first <= 80, `${what} each ${every} ms: written at 50, sent at ${first}`);
    }
  }
});

Deno.test("acknowledge: the first copy of a segment is named while its acknowledgment waits", () => {
  const b = opened({ interval: 100 });
  b.segments(0);
  b.input(1, { sn: 0, ts: 500, data: pattern(5) });
  b.input(1, { sn: 1, ts: 500, data: pattern(5) });
  b.segments(1);
  for (const ts of [502, 560]) b.input(ts - 500, { sn: 2, ts, data: pattern(5) });
  const acks = b.segments(101).filter(({ cmd }) => cmd === ACK);
  assertEquals(acks.map(({ sn, ts, una }) => [sn, ts, una]), [[2, 502, 3]]);
  // Its acknowledgment may have been lost: a later copy is answered.
  b.input(110, { sn: 2, ts: 610, data: pattern(5) });
  assertEquals(b.segments(201).map(({ cmd, sn, ts }) => [cmd, sn, ts]), [[ACK, 2, 610]]);
});

Deno.test("acknowledge: a segment that comes alone is acknowledged at once, one of several waits", () => {
  const b = opened({ interval: 10 });
  b.segments(0);
  const acked = (now: number) =>
    b.segments(now).filter(({ cmd }) => cmd === ACK).map(({ sn }) => sn);
  for (
    const [sn, now, expected] of [[0, 1, [0]], [1, 17, [1]], [2, 19, []], [3, 20, []]] as const
  ) {
    b.input(now, { sn, ts: 500 + now, data: pattern(5) });
    assertEquals(acked(now), [...expected], `at ${now} ms`);
  }
  // `una` tells of segment 2.
  assertEquals(acked(27), [3]);
});
