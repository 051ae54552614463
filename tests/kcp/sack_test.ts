import { assertEquals } from "@std/assert";
import {
  ACK,
  encode,
  End,
  EXTENDED,
  opened,
  queue,
  SACK,
  type Segment,
  sent,
  WINS,
} from "./harness.ts";

/** A machine whose peer has shown that it is of this library, or another one. */
function receiver(mark: number): End {
  const end = new End({ ackNoDelay: true, nc: true, rcvWnd: 4096 });
  end.input(0, { cmd: WINS, frg: mark, wnd: 1000 });
  end.segments(0);
  return end;
}

const push = (sn: number): Partial<Segment> => ({ sn, ts: sn, data: new Uint8Array([sn & 255]) });

/** The sequence numbers that a selective acknowledgment names, bit by bit. */
function named({ sn, data }: Segment): number[] {
  const list = [];
  for (let n = 0; n < 8 * data.length; n++) if (data[n >> 3] >> (n & 7) & 1) list.push(sn + n);
  return list;
}

/** Sixteen segments that arrive behind a gap: with fewer, none is sent. */
const crowd = Array.from({ length: 16 }, (_, n) => 40 + n);

Deno.test("sack: behind the acknowledgments, a bitmap names all that has arrived beyond the gap", () => {
  const a = receiver(EXTENDED);
  a.input(1, push(0), push(1), ...crowd.slice(1).map(push));
  assertEquals(a.segments(1).filter(({ cmd }) => cmd !== ACK), [], "15 wait behind the gap");
  a.input(2, push(3), push(4), push(12));
  const [first, second, third, sack] = a.segments(2);
  assertEquals([first, second, third].map(({ cmd, sn }) => [cmd, sn]), [
    [ACK, 3],
    [ACK, 4],
    [ACK, 12],
  ]);
  assertEquals([sack.cmd, sack.sn, sack.una], [SACK, 2, 2]);
  assertEquals([...sack.data.subarray(0, 2)], [0b0000_0110, 0b0000_0100], "bit 0 is segment 2");
  assertEquals(named(sack), [3, 4, 12, ...crowd.slice(1)]);
  a.input(3, push(20));
  assertEquals(named(a.segments(3).at(-1)!), [3, 4, 12, 20, ...crowd.slice(1)], "told again");
  a.input(4, push(2));
  assertEquals(named(a.segments(4).at(-1)!), [12, 20, ...crowd.slice(1)]);
});

/** What each selective acknowledgment in the last packet names. */
function bitmaps(end: End, now: number): number[][] {
  return end.segments(now).filter(({ cmd }) => cmd === SACK).map(named);
}

Deno.test("sack: if 256 bytes can't name all, it names the newest 512, and those before the last that was sent again", () => {
  const a = receiver(EXTENDED);
  a.input(1, push(0), ...crowd.map(push));
  a.segments(1);
  a.input(2, push(1 + 2047));
  assertEquals(bitmaps(a, 2), [[...crowd, 2048]], "256 bytes from segment 1 on");
  a.input(3, push(2049));
  assertEquals(bitmaps(a, 3), [[2048, 2049], [...crowd, 2048]], "from 1538 on, and from 1 on");
  a.input(4, push(4000), push(3000), push(100));
  assertEquals(bitmaps(a, 4), [[4000], [...crowd, 100, 2048]], "100 was the last that was late");
  a.input(5, push(3001));
  assertEquals(bitmaps(a, 5), [[4000], [2048, 2049, 3000, 3001]], "all that came shortly before");
  a.input(6, push(3600));
  assertEquals(
    bitmaps(a, 6),
    [[3600, 4000], [2048, 2049, 3000, 3001]],
    "3600 is one of the newest",
  );
  a.input(7, push(3488));
  assertEquals(bitmaps(a, 7), [[3600, 4000], [2048, 2049, 3000, 3001, 3488]], "next to the newest");
});

Deno.test("sack: with no room for it, a packet has none", () => {
  const small = new End({ ackNoDelay: true, nc: true, mtu: 50, rcvWnd: 4096 });
  small.input(0, { cmd: WINS, frg: EXTENDED, wnd: 1000 }, push(0), ...crowd.map(push));
  small.segments(0);
  small.input(2, push(3), push(30));
  const packets = small.packets(2);
  assertEquals(
    packets.map(({ length }) => length),
    [48],
    "two acknowledgments, and no room for more",
  );
});

Deno.test("sack: other implementations get none, since they drop what they do not know", () => {
  for (const mark of [0, 1]) {
    const a = receiver(mark);
    a.input(1, push(0), ...crowd.map(push));
    const segments = a.segments(1);
    assertEquals(segments.length, 16);
    for (const { cmd } of segments) assertEquals(cmd, ACK);
  }
});

/** A machine with 20 segments of one byte in flight. */
function flight(): End {
  const a = opened({ resend: 2, nodelay: 1 });
  queue(a, 20);
  a.segments(0);
  return a;
}

const bitmap = (...sns: number[]) => {
  const data = new Uint8Array(3);
  for (const sn of sns) data[sn >> 3] |= 1 << (sn & 7);
  return data;
};

Deno.test("sack: what it names is acknowledged, and nothing else", () => {
  const a = flight();
  a.input(30, { cmd: SACK, sn: 0, wnd: 100, data: bitmap(3, 4, 19) });
  assertEquals(a.kcp.stats.acknowledged, 3);
  assertEquals(a.kcp.sndUna, 0);
  assertEquals(a.segments(30), [], "it shows no order in which they have arrived");
  a.input(31, { cmd: ACK, sn: 10, ts: 0, una: 1, wnd: 100 }, {
    cmd: ACK,
    sn: 11,
    ts: 0,
    una: 1,
    wnd: 100,
  });
  assertEquals(a.kcp.stats.acknowledged, 6);
  a.input(32, { cmd: SACK, sn: 1, una: 1, wnd: 100, data: bitmap(0, 1) });
  assertEquals([a.kcp.stats.acknowledged, a.kcp.sndUna], [8, 5], "bit 0 is the segment of `sn`");
});

Deno.test("sack: a lost packet of acknowledgments makes nobody send again", () => {
  const a = flight();
  // The acknowledgments of 1 to 5 are lost. Those of 6 to 8 come, and tell of the others.
  const acks = [6, 7, 8].map((sn) => ({ cmd: ACK, sn, ts: 0, una: 0, wnd: 100 }));
  a.input(40, ...acks, { cmd: SACK, sn: 0, wnd: 100, data: bitmap(1, 2, 3, 4, 5, 6, 7, 8) });
  assertEquals(sent(a.segments(40)), [0], "only what the peer lacks");
  assertEquals(a.kcp.stats.congestion.inFlight, 25 * 12);
});

Deno.test("sack: one that names what was never sent, or is too long, has no effect", () => {
  const a = flight();
  a.input(10, { cmd: SACK, sn: 0, data: bitmap(1, 20) });
  a.input(10, { cmd: SACK, sn: 0, data: new Uint8Array(257) });
  a.input(10, { cmd: SACK, sn: 19, data: new Uint8Array([2]) });
  assertEquals(a.kcp.stats.inputErrors.ack, 3);
  assertEquals(a.kcp.stats.acknowledged, 0);
  a.input(10, { cmd: SACK, sn: -5, data: bitmap(0, 6, 20) });
  assertEquals(a.kcp.stats.acknowledged, 2, "what is old is ignored: 1 and 15 are in flight");
  a.kcp.input(encode({ cmd: SACK, sn: 0, data: new Uint8Array() }), 10);
  assertEquals([a.kcp.stats.inputErrors.ack, a.kcp.stats.acknowledged], [3, 2]);
});

Deno.test("sack: one that begins half of all numbers ahead, and ends half behind, has no effect", () => {
  for (const una of [0, 15]) {
    const a = flight();
    if (una > 0) a.input(5, { cmd: ACK, sn: una - 1, ts: 0, una, wnd: 100 });
    const { inFlight } = a.kcp.stats;
    for (let n = 1; n < 24; n++) {
      a.input(10, {
        cmd: SACK,
        sn: (una + 2 ** 31 - n) | 0,
        una,
        data: new Uint8Array(3).fill(255),
      });
    }
    assertEquals(a.kcp.stats.inputErrors.ack, 23);
    assertEquals(a.kcp.stats.inFlight, inFlight);
    assertEquals(a.kcp.sndUna, una);
  }
});
