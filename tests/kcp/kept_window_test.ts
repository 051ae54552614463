import { assert, assertEquals } from "@std/assert";
import { Arena } from "../../kcp/mod.ts";
import { Random } from "../../transport/link/random.ts";
import { ACK, End, opened, pattern, queue, range, sent, WASK, WINS } from "./harness.ts";

Deno.test("kept window: segments of the size seen so far that fit the announced window are kept", () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = new Random(`kept window ${seed}`);
    const mtu = 50 + random.below(random.chance(0.3) ? 9000 : 1500);
    const rcvWnd = 1 + random.below(random.chance(0.5) ? 8 : 128);
    const largest = 1 + random.below(random.chance(0.3) ? 60_000 : 3000);
    const b = new End({ mtu, rcvWnd, ackNoDelay: true });
    b.input(0, { sn: 0, data: pattern(largest) });
    assertEquals(b.kcp.stats.refused, 0, `seed ${seed}: an empty buffer takes one of any size`);
    let edge = 0;
    for (let now = 0, sn = 1; now < 40; now++) {
      for (const { una, wnd } of b.segments(now)) edge = Math.max(edge, una + wnd);
      while (sn < edge && random.chance(0.8)) {
        const length = random.chance(0.5) ? largest : 1 + random.below(largest);
        b.input(now, { sn: sn++, data: pattern(length, sn) });
        assertEquals(b.kcp.stats.refused, 0, `seed ${seed}: ${sn - 1} lies before ${edge}`);
      }
      if (random.chance(0.5)) b.recv();
    }
  }
});

Deno.test("kept window: the buffer never holds more than the window in bytes, or one segment", () => {
  for (const [mtu, rcvWnd, size] of [[1400, 256, 8976], [50, 8, 60_000], [1400, 1, 1376]]) {
    const b = new End({ mtu, rcvWnd, ackNoDelay: true });
    for (let sn = 0; sn < 300; sn++) b.input(0, { sn, data: pattern(size) });
    const { bytesHeld } = b.kcp.stats;
    const most = Math.max(size, rcvWnd * Math.max(mtu - 24, 1476));
    assert(bytesHeld > 0 && bytesHeld <= most, `${bytesHeld} of ${most} bytes`);
  }
});

Deno.test("kept window: a window that is closed in bytes is announced when a read opens it", () => {
  const b = new End({ rcvWnd: 16, ackNoDelay: true });
  for (let sn = 0; sn < 2; sn++) b.input(0, { sn, data: pattern(9000, sn) });
  assertEquals(b.segments(0).at(-1)?.wnd, 0, "16 × 1476 bytes have no room for a third");
  b.recv();
  assertEquals(b.segments(1).map(({ cmd, wnd }) => [cmd, wnd]), [[WINS, 1]]);
});

Deno.test("kept window: it never closes before the message that begins it is complete", () => {
  const b = new End({ rcvWnd: 1, ackNoDelay: true });
  b.input(0, { sn: 0, data: pattern(9000) });
  b.recv();
  b.segments(0);
  // The next message has smaller fragments, since the path has become smaller.
  const message = pattern(9000, 7);
  for (let n = 0; n < 8; n++) {
    const data = message.subarray(n * 1125, (n + 1) * 1125);
    b.input(n, { sn: 1 + n, frg: 7 - n, data });
    const { una, wnd } = b.segments(n).at(-1)!;
    assertEquals(una, 2 + n);
    assertEquals(wnd > 0, n < 7, `after fragment ${n} the window is ${wnd}`);
  }
  assertEquals(b.recv(), message);
});

Deno.test("kept window: a message is taken to its end though its fragments are larger than usual", () => {
  for (const largest of [8_948, 1_790]) {
    const b = new End({ rcvWnd: 5, ackNoDelay: true });
    b.input(0, { sn: 0, data: pattern(largest) });
    b.recv();
    b.segments(0);
    for (let sn = 1; sn <= 5; sn++) {
      b.input(sn, { sn, frg: 5 - sn, data: pattern(1_790, sn) });
      assertEquals(b.kcp.stats.refused, 0);
      const wnd = b.segments(sn).at(-1)?.wnd;
      assert(sn === 5 || wnd! > 0, `window ${wnd} after fragment ${sn} of 5`);
    }
    assertEquals(b.recv()?.length, 5 * 1_790);
  }
});

Deno.test("kept window: a message of very large fragments is held up to the usual size", () => {
  const b = new End({ rcvWnd: 4, ackNoDelay: true });
  for (let sn = 0; sn < 255; sn++) b.input(0, { sn, frg: 254 - sn, data: pattern(60_000) });
  const { bytesHeld } = b.kcp.stats;
  assert(bytesHeld > 60_000 && bytesHeld <= 256 * 1_476, `${bytesHeld} bytes`);
});

Deno.test("kept window: fragments without data keep the window open", () => {
  const b = new End({ rcvWnd: 4, ackNoDelay: true });
  b.input(0, { sn: 0, data: pattern(9_000) });
  b.recv();
  b.input(0, { sn: 1, frg: 3, data: pattern(0) });
  b.input(0, { sn: 2, frg: 2, data: pattern(5_904) });
  const wnd = b.segments(0).at(-1)?.wnd;
  assert(wnd! >= 0 && wnd! <= 4, `window ${wnd}`);
});

Deno.test("kept window: each packet with a refused segment is answered by one WINS", () => {
  const b = new End({ rcvWnd: 4, ackNoDelay: true });
  for (let sn = 0; sn < 4; sn++) b.input(0, { sn, data: pattern(10, sn) });
  b.segments(0);
  for (let now = 10; now < 100; now += 10) {
    b.input(now, { sn: 4, data: pattern(10) }, { sn: 5, data: pattern(10) });
    assert(b.kcp.deadline <= now);
    assertEquals(
      b.segments(now).map(({ cmd, una, wnd }) => [cmd, una, wnd]),
      [[WINS, 4, 0]],
      `at ${now}`,
    );
  }
  assertEquals(b.kcp.stats.refused, 18);
});

Deno.test("kept window: with the arena full the window is what the memory still holds", () => {
  let closed = 0;
  for (let seed = 0; seed < 60; seed++) {
    const random = new Random(`full arena ${seed}`);
    const arena = new Arena(1 << 18);
    const b = new End({ rcvWnd: 512, ackNoDelay: true }, arena);
    const size = 1 + random.below(1376);
    const push = (now: number, sn: number) => {
      const dropped = () => b.kcp.stats.refused + b.kcp.stats.noMemory;
      const before = dropped();
      b.input(now, { sn, data: pattern(size, sn) });
      return dropped() === before;
    };
    push(0, 0);
    b.segments(0);
    // Others that share the arena take most of it.
    const others = [];
    for (let block; (block = arena.alloc(1024)) >= 0;) others.push(block);
    for (let n = random.below(20); n > 0 && others.length > 0; n--) arena.free(others.pop()!, 1024);
    let [sn, read] = [1, 0];
    for (let now = 1; now < 30; now++) {
      while (push(now, sn)) sn++;
      const answer = b.segments(now).at(-1)!;
      const context = `seed ${seed}, turn ${now}: ${answer.wnd} segments of ${size} bytes`;
      assertEquals(answer.una, sn, context);
      if (answer.wnd === 0) closed++;
      for (let n = 0; n < answer.wnd; n++) {
        assert(push(now, sn++), `${context}, and ${n} are kept`);
      }
      for (let n = random.below(10); n > 0; n--) {
        const message = b.recv();
        if (!message) break;
        assertEquals(message, pattern(size, read++));
      }
      b.input(now, { cmd: WASK });
      b.segments(now);
    }
  }
  assert(closed > 100, `the memory was full only ${closed} times`);
});

Deno.test("parking: retransmissions beyond the peer's window wait, and leave when it opens", () => {
  for (const edge of [0, 3, 5, 10]) {
    const a = opened({ nodelay: 1, deadLinkTime: 1e6 });
    queue(a, 10);
    assertEquals(sent(a.segments(0)), range(0, 10));
    // The peer has read none, and its window is smaller than it was.
    a.input(20, { cmd: WINS, wnd: edge, una: 0 });
    const seen = new Set<number>();
    let last = 20;
    for (let now = a.kcp.deadline; now < 20_000; now = a.kcp.deadline) {
      last = now;
      for (const sn of sent(a.segments(now))) seen.add(sn);
      a.input(now, { cmd: WINS, wnd: edge, una: 0 });
    }
    assertEquals([...seen].sort((a, b) => a - b), range(0, edge), `a window of ${edge}`);
    a.input(last + 1, { cmd: WINS, wnd: 8, una: 0 });
    const now = sent(a.segments(last + 1));
    assertEquals(now.filter((sn) => sn >= edge), range(edge, Math.max(edge, 8)), "it opens to 8");
    a.input(last + 2, { cmd: ACK, sn: 7, ts: 0, wnd: 8, una: 8 });
    if (edge < 10) assertEquals(sent(a.segments(last + 2)), [8, 9], "it slides");
  }
});

Deno.test("parking: a parked segment can be acknowledged, and the queue goes on", () => {
  const a = opened({ nodelay: 1 });
  queue(a, 6);
  a.segments(0);
  a.input(10, { cmd: WINS, wnd: 2, una: 0 });
  a.segments(200);
  a.input(210, { cmd: ACK, sn: 4, ts: 0, wnd: 2, una: 0 });
  a.input(220, { cmd: WINS, wnd: 10, una: 5 });
  assertEquals(a.kcp.stats.inFlight, 1);
  assertEquals(sent(a.segments(220)), [5]);
  a.input(230, { cmd: WINS, wnd: 10, una: 6 });
  assert(a.kcp.drained);
});

Deno.test("probing: a closed window is probed for as long as anything is unacknowledged", () => {
  // The only segment was sent before the window closed, and was refused.
  const a = opened({ nodelay: 1, deadLinkTime: 30_000 });
  queue(a, 1);
  a.segments(0);
  a.input(10, { cmd: WINS, wnd: 0, una: 0 });
  let probes = 0;
  let pushes = 0;
  let now = 10;
  for (; now < 3_600_000; now = a.kcp.deadline) {
    assert(a.kcp.deadline < Infinity, `nothing is due after ${now} ms`);
    for (const segment of a.segments(now)) {
      if (segment.cmd === WASK) {
        probes++;
        a.input(now + 10, { cmd: WINS, wnd: 0, una: 0 });
      } else pushes++;
    }
    assertEquals(a.kcp.dead, null, `at ${now} ms`);
  }
  assert(probes > 30 && pushes <= 1, `${probes} probes, ${pushes} retransmissions`);
  a.input(now, { cmd: WINS, wnd: 5, una: 0 });
  assertEquals(sent(a.segments(now)), [0]);
});
