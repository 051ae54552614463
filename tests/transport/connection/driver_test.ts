import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { type Connection, ConnectionError, connectOn, listenOn } from "../../../transport/mod.ts";
import { TimerHeap } from "../../../transport/session/timer_heap.ts";
import { ACK, decode, encode, pattern, PUSH, RESET, WASK } from "../../kcp/harness.ts";
import { FakeClock, FakeSocket, foreignAnswers, outcome, settle } from "../harness.ts";

const PEER = "10.0.0.1:80";
const QUIET = { idleTimeout: Infinity, interval: 10, nc: true } as const;

/** `count` confirmed connections of one listener, on a clock that has gone 10 s. */
async function accepted(count: number) {
  const socket = new FakeSocket();
  const clock = new FakeClock();
  const limits = { backlog: count, maxUnconfirmedPerHost: count, maxUnconfirmed: count };
  const listener = listenOn(socket, clock, { ...QUIET, ...limits });
  const conns: Connection[] = [];
  for (let conv = 0; conv < count; conv++) {
    socket.receiver!.packet(encode({ conv, data: pattern(1) }), PEER);
    conns.push(await listener.accept());
    await conns[conv].read(new Uint8Array(1));
  }
  const end = clock.time + 10_000;
  while (listener.stats.unconfirmed > 0 && clock.time < end) {
    for (const { packet } of socket.sent.splice(0)) {
      const answers = foreignAnswers(decode(packet));
      if (answers.length > 0) socket.receiver!.packet(encode(...answers), PEER);
    }
    await clock.advance(50);
  }
  assertEquals(listener.stats.unconfirmed, 0);
  await clock.advance(10_000);
  socket.sent.length = 0;
  return { socket, clock, listener, conns };
}

Deno.test("one timer: a thousand sessions call the clock no more often than one", async () => {
  const asked: number[] = [];
  for (const count of [1, 1000]) {
    const { clock, conns } = await accepted(count);
    const before = clock.asked;
    for (const conn of conns) await conn.write(pattern(1));
    await clock.advance(0);
    asked.push(clock.asked - before);
  }
  assertEquals(asked[1], asked[0]);
});

Deno.test("replies: those to held packets wait for settled, others leave by themselves", async () => {
  const socket = new FakeSocket();
  listenOn(socket, new FakeClock(), { ...QUIET, ackNoDelay: true });
  const acks = () => {
    const sent = socket.sent.splice(0).flatMap(({ packet }) => decode(packet));
    return sent.filter(({ cmd }) => cmd === ACK).map(({ sn }) => sn);
  };
  socket.receiver!.packet(encode({ conv: 7, sn: 0, data: pattern(1) }), PEER);
  await settle();
  assertEquals(acks(), [0]);
  for (const sn of [1, 2, 3]) {
    socket.receiver!.packet(encode({ conv: 7, sn, data: pattern(1) }), PEER, true);
    await settle();
  }
  assertEquals(acks(), []);
  socket.receiver!.settled();
  await settle();
  // `una` acknowledges those before.
  assertEquals(acks(), [3]);
});

Deno.test("idle: a thousand sessions need no wake-up for an hour", async () => {
  const { clock, socket, conns } = await accepted(1000);
  const { woken } = clock;
  assertEquals(clock.pendingAt, Infinity);
  await clock.advance(3_600_000);
  assertEquals([clock.woken, socket.sent.length], [woken, 0]);
  // And they are still there.
  await conns[999].write(pattern(1));
  await settle();
  assertEquals(socket.sent.map(({ packet }) => decode(packet)[0].conv), [999]);
});

Deno.test("idle: waiting reads and timeouts of completed reads need no wake-up", async () => {
  const { clock, socket, conns: [conn] } = await accepted(1);
  for (let sn = 1; sn <= 200; sn++) {
    const read = conn.read(new Uint8Array(9), { timeout: 60_000 });
    socket.receiver!.packet(encode({ conv: 0, sn, data: pattern(9) }), PEER);
    assertEquals(await read, 9);
    await clock.advance(15);
  }
  const waiting = outcome(conn.read(new Uint8Array(1)));
  await clock.advance(5000);
  const { woken } = clock;
  await clock.advance(3_600_000);
  assertEquals(waiting.state, "pending");
  assert(clock.woken - woken <= 1, `${clock.woken - woken} wake-ups for reads that are done`);
});

Deno.test("driver: timeouts of completed reads leave the timer heap", async () => {
  const { socket, conns } = await accepted(1);
  let most = 0;
  const { push } = TimerHeap.prototype;
  TimerHeap.prototype.push = function (at, value) {
    push.call(this, at, value);
    most = Math.max(most, this.size);
  };
  try {
    for (let sn = 1; sn < 200; sn++) {
      const reading = conns[0].read(new Uint8Array(1), { timeout: 1e9 });
      socket.receiver!.packet(encode({ conv: 0, sn, data: pattern(1) }), PEER);
      assertEquals(await reading, 1);
    }
  } finally {
    TimerHeap.prototype.push = push;
  }
  assertEquals(most, 1);
});

Deno.test("driver: the packets of one turn leave in one batch after the turn", async () => {
  const { socket, conns, clock } = await accepted(3);
  for (const conn of conns) {
    for (let i = 0; i < 5; i++) conn.write(pattern(10));
  }
  assertEquals(socket.sent.length, 0, "a packet was sent during the turn");
  await clock.advance(0);
  assertEquals(socket.sent.length, 3, "small writes of one turn share a packet");
});

Deno.test("driver: while the socket sends, new packets wait", async () => {
  const socket = new FakeSocket();
  const clock = new FakeClock();
  const conn = connectOn(socket, clock, PEER, 1, QUIET);
  let { promise, resolve } = Promise.withResolvers<void>();
  socket.onSend = () => promise;
  await conn.write(pattern(1));
  await clock.advance(0);
  assertEquals(socket.sent.length, 1);
  await conn.write(pattern(1));
  await clock.advance(1000);
  assertEquals(socket.sent.length, 1, "it sent while the batch was in use");
  const release = resolve;
  ({ promise, resolve } = Promise.withResolvers<void>());
  release();
  await settle();
  const pushed = decode(socket.sent[1].packet).filter(({ cmd }) => cmd === PUSH);
  assertEquals(pushed.map(({ sn }) => sn).sort(), [0, 1]);
  conn.abort();
});

for (const how of ["throws", "rejects"] as const) {
  Deno.test(`driver: a socket whose send ${how} ends the connection with kind socket`, async () => {
    const socket = new FakeSocket();
    const conn = connectOn(socket, new FakeClock(), PEER, 1);
    socket.onSend = () => {
      if (how === "throws") throw new Error("cable cut");
      return Promise.reject(new Error("cable cut"));
    };
    await conn.write(pattern(1));
    const error = await assertRejects(() => conn.closed, ConnectionError, "cable cut");
    assertEquals(error.kind, "socket");
    assert(socket.closed);
    assertEquals(
      (await assertRejects(() => conn.write(pattern(1)), ConnectionError)).kind,
      "socket",
    );
  });
}

Deno.test("driver: the socket of connectOn is closed when its connection has ended", async () => {
  const socket = new FakeSocket();
  const clock = new FakeClock();
  const conn = connectOn(socket, clock, PEER, 7, QUIET);
  await conn.write(pattern(3));
  conn.close();
  await clock.advance(0);
  const sent = socket.sent.flatMap(({ packet }) => decode(packet));
  assertEquals(sent.map(({ conv, cmd, sn, data }) => [conv, cmd, sn, data.length]), [
    [7, PUSH, 0, 3],
    [7, PUSH, 1, 0],
  ]);
  assert(!socket.closed);
  socket.receiver!.packet(encode({ conv: 7, cmd: ACK, sn: 1, una: 2 }, { conv: 7, sn: 0 }), PEER);
  await clock.advance(1000);
  assert(socket.closed);
  assertEquals(clock.pendingAt, Infinity, "a timer is still set");
  await conn.closed;
  const count = socket.sent.length;
  socket.receiver!.packet(encode({ conv: 7, cmd: WASK }), PEER);
  await clock.advance(1000);
  assertEquals(socket.sent.length, count);
});

Deno.test("driver: a connection sends nothing before the first write", async () => {
  const socket = new FakeSocket();
  const clock = new FakeClock();
  const conn = connectOn(socket, clock, PEER, 7, QUIET);
  await clock.advance(10_000);
  assertEquals([socket.sent.length, clock.woken], [0, 0]);
  conn.abort();
});

Deno.test("driver: a connection of connectOn ignores packets from other addresses", async () => {
  const socket = new FakeSocket();
  const clock = new FakeClock();
  const conn = connectOn(socket, clock, PEER, 7, QUIET);
  const read = outcome(conn.read(new Uint8Array(9)));
  socket.receiver!.packet(encode({ conv: 7, ts: 5, data: pattern(1) }), "10.0.0.66:80");
  socket.receiver!.packet(encode({ conv: 8, ts: 6, data: pattern(1) }), PEER);
  await clock.advance(1000);
  assertEquals(read.state, "pending");
  // Their senders learn that there is no such conversation, and get nothing else.
  assertEquals(
    socket.sent.map(({ to, packet }) => [to, ...decode(packet).map((s) => [s.conv, s.cmd, s.ts])]),
    [["10.0.0.66:80", [7, RESET, 5]], [PEER, [8, RESET, 6]]],
  );
  socket.receiver!.packet(encode({ conv: 7, data: pattern(1) }), PEER);
  await settle();
  assertEquals(read.state, "resolved");
  conn.abort();
});

Deno.test("driver: a timeout comes on time while the endpoint is idle", async () => {
  const socket = new FakeSocket();
  const clock = new FakeClock();
  const conn = connectOn(socket, clock, PEER, 7, QUIET);
  const reads = [500, 300, 0].map((timeout) => outcome(conn.read(new Uint8Array(1), { timeout })));
  const states = () => reads.map(({ state }) => state === "pending");
  for (
    const [at, pending] of [
      [0, [true, true, false]],
      [299, [true, true, false]],
      [300, [true, false, false]],
      [499, [true, false, false]],
      [500, [false, false, false]],
    ] as const
  ) {
    await clock.advance(at - clock.time);
    assertEquals(states(), [...pending], `at ${at} ms`);
  }
  assertInstanceOf(reads[0].state, ConnectionError);
  assertEquals(reads[0].state.kind, "timeout");
  conn.abort();
  await settle();
});

Deno.test("driver: ref and unref of a connection reach its socket and clock", () => {
  const socket = new FakeSocket();
  const clock = new FakeClock();
  const conn = connectOn(socket, clock, PEER, 7);
  conn.unref();
  conn.ref();
  assertEquals([socket.refs, clock.refs], [["unref", "ref"], ["unref", "ref"]]);
  conn.abort();
});

for (const conv of [-1, 2 ** 32, 1.5, NaN]) {
  Deno.test(`connectOn: conv ${conv} is refused, the error names the range`, () => {
    const error = assertThrows(
      () => connectOn(new FakeSocket(), new FakeClock(), PEER, conv),
      RangeError,
    );
    assert(error.message.includes(String(conv)) && error.message.includes("4294967295"));
  });
}

Deno.test("driver: a flood on the socket is answered in bounded batches", async () => {
  const socket = new FakeSocket();
  const clock = new FakeClock();
  listenOn(socket, clock, { ...QUIET, maxUnconfirmedPerHost: 10 });
  for (let conv = 0; conv < 10_000; conv++) {
    socket.receiver!.packet(encode({ conv, data: pattern(100) }), PEER);
  }
  await clock.advance(100_000);
  // Per session: 13 probes in 30 s, and one acknowledgment.
  assertLess(socket.sent.length, 10 * 14 + 1);
  assertEquals(clock.pendingAt, Infinity);
});
