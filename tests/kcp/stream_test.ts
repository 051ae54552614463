import { assert, assertEquals } from "@std/assert";
import { concat } from "@std/bytes";
import { ACK, End, opened, pattern, sent } from "./harness.ts";

Deno.test("stream: small writes are merged into the last segment", () => {
  const a = opened({ mtu: 124 });
  for (let i = 0; i < 25; i++) assertEquals(a.kcp.write(pattern(10, 10 * i)), 10);
  assertEquals(a.kcp.stats.sndQueue, 3, "250 bytes in segments of 100");
  const segments = a.segments(0);
  assertEquals(segments.map((s) => [s.frg, s.data.length]), [[0, 100], [0, 100], [0, 50]]);
  assertEquals(concat(segments.map((s) => s.data)), pattern(250));
});

Deno.test("stream: a segment that was sent does not grow", () => {
  const a = opened();
  a.kcp.write(pattern(10));
  a.segments(0);
  a.kcp.write(pattern(10, 10));
  const [segment, ...others] = a.segments(1);
  assertEquals([segment.sn, segment.data, others.length], [1, pattern(10, 10), 0]);
});

Deno.test("stream: a write does not extend a message, a message not the stream", () => {
  const a = opened();
  a.kcp.send(pattern(5));
  a.kcp.write(pattern(3));
  a.kcp.send(pattern(4));
  a.kcp.write(pattern(2));
  a.kcp.write(pattern(2, 2));
  assertEquals(a.segments(0).map((s) => s.data), [
    pattern(5),
    pattern(3),
    pattern(4),
    pattern(4),
  ]);
});

Deno.test("stream: a write takes exactly the bytes that the queue has room for", () => {
  const a = new End({ mtu: 124, sndQueue: 255 });
  assertEquals(a.kcp.write(pattern(50)), 50);
  assertEquals(a.kcp.write(pattern(30_000, 50)), 255 * 100 - 50);
  assertEquals(a.kcp.sndRoom, 0);
  assertEquals(a.kcp.write(pattern(1)), 0);
  assertEquals(a.kcp.write(new Uint8Array()), 0);
  assertEquals(a.kcp.stats.bytesHeld, 255 * 100);
});

Deno.test("stream: a full queue still fills up its last segment", () => {
  const a = new End({ mtu: 124, sndQueue: 255 });
  assertEquals(a.kcp.write(pattern(254 * 100 + 1)), 254 * 100 + 1);
  assertEquals(a.kcp.sndRoom, 0);
  assertEquals(a.kcp.write(pattern(500, 254 * 100 + 1)), 99);
});

Deno.test("stream: reads of any size give the bytes in order", () => {
  const b = new End();
  let sn = 0;
  let position = 0;
  for (const length of [10, 1, 300, 7, 64]) {
    b.input(0, { sn: sn++, data: pattern(length, position) });
    position += length;
  }
  assertEquals(b.kcp.readable, 382);
  assertEquals(b.kcp.read(new Uint8Array()), 0, "an empty target takes nothing");
  let at = 0;
  for (const most of [1, 9, 2, 299, 70, 500]) {
    const bytes = b.read(most);
    assertEquals(bytes.length, Math.min(most, 382 - at));
    assertEquals(bytes, pattern(bytes.length, at));
    at += bytes.length;
    assertEquals(b.kcp.readable, 382 - at);
  }
  assertEquals(b.read().length, 0);
});

Deno.test("stream: a partly read segment takes window until its last byte", () => {
  const b = new End({ rcvWnd: 4, ackNoDelay: true });
  b.input(0, { sn: 0, data: pattern(10) }, { sn: 1, data: pattern(10) });
  assertEquals(b.segments(0).at(-1)?.wnd, 2);
  b.read(9);
  b.kcp.askWindow();
  assertEquals(b.segments(0).at(-1)?.wnd, 2);
  b.read(1);
  b.kcp.askWindow();
  assertEquals(b.segments(0).at(-1)?.wnd, 3);
});

Deno.test("stream: a read stops before an empty message, which recv takes", () => {
  const b = new End();
  b.input(0, { sn: 0, data: pattern(3) }, { sn: 1 }, { sn: 2, data: pattern(4) });
  assertEquals(b.read(), pattern(3));
  assertEquals(b.kcp.read(new Uint8Array(10)), 0);
  assertEquals(b.kcp.peekSize(), 0);
  assertEquals(b.recv(), new Uint8Array());
  assertEquals(b.read(), pattern(4));
});

Deno.test("stream: recv gives the rest of a message that was read in part", () => {
  const b = new End();
  b.input(
    0,
    { sn: 0, frg: 1, data: pattern(10) },
    { sn: 1, frg: 0, data: pattern(10, 10) },
    { sn: 2, data: pattern(5) },
  );
  assertEquals(b.read(13), pattern(13));
  assertEquals(b.kcp.peekSize(), 7);
  assertEquals(b.recv(), pattern(7, 13));
  assertEquals(b.recv(), pattern(5));
});

Deno.test("stream: bytes of an incomplete message can be read as they come", () => {
  const b = new End();
  b.input(0, { sn: 0, frg: 5, data: pattern(10) });
  assertEquals(b.kcp.peekSize(), -1);
  assertEquals(b.read(), pattern(10));
});

Deno.test("stream: a smaller MTU cuts what waits anew", () => {
  const a = opened({ mtu: 1024 });
  a.kcp.write(pattern(600));
  a.kcp.configure({ mtu: 524 });
  a.kcp.write(pattern(700, 600));
  const segments = a.segments(0);
  assertEquals(segments.map((s) => s.data.length), [500, 500, 300]);
  assertEquals(concat(segments.map((s) => s.data)), pattern(1300));
});

Deno.test("stream: megabytes pass through a small window, byte for byte", () => {
  const a = opened({ sndWnd: 40 });
  const b = new End({ rcvWnd: 64, ackNoDelay: true });
  const total = 3_000_000;
  let written = 0;
  let at = 0;
  for (let now = 0; at < total; now++) {
    assert(now < 10_000, `stuck at byte ${at}`);
    const size = Math.min(1 + now * 7919 % 50_000, total - written);
    written += a.kcp.write(pattern(size, written));
    for (const packet of a.packets(now)) b.kcp.input(packet, now);
    const bytes = b.read(1 + now * 104729 % 60_000);
    assertEquals(bytes, pattern(bytes.length, at));
    at += bytes.length;
    for (const packet of b.packets(now)) a.kcp.input(packet, now);
  }
  assert(a.kcp.drained);
});

Deno.test("stream: a merged segment is retransmitted with the same bytes", () => {
  const a = opened({ resend: 1 });
  a.kcp.write(pattern(10));
  a.kcp.write(pattern(10, 10));
  a.segments(0);
  a.kcp.write(pattern(30, 20));
  a.segments(1);
  a.input(50, { cmd: ACK, sn: 1, ts: 1, una: 0 });
  const again = a.segments(50);
  assertEquals(sent(again), [0]);
  assertEquals(again[0].data, pattern(20));
});

Deno.test("stream: a read skips empty fragments and stops at an empty message", () => {
  const b = new End();
  b.input(
    0,
    { sn: 0, frg: 1 },
    { sn: 1, frg: 0, data: pattern(5) },
    { sn: 2, frg: 1, data: pattern(5, 5) },
    { sn: 3, frg: 0 },
    { sn: 4, frg: 0, data: pattern(5, 10) },
    { sn: 5, frg: 0 },
    { sn: 6, frg: 0, data: pattern(5, 20) },
  );
  assertEquals(b.read(100), pattern(15));
  assertEquals(b.kcp.atEmptyMessage, true);
  assertEquals(b.read(100), new Uint8Array());
  assertEquals(b.recv(), new Uint8Array());
  assertEquals(b.read(100), pattern(5, 20));
});
