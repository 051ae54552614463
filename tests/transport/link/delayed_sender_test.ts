import { assert, assertEquals } from "@std/assert";
import { DelayedSender, type Route } from "../../../transport/link/delayed_sender.ts";

interface Sent {
  readonly id: number;
  readonly at: number;
  readonly done: PromiseWithResolvers<number>;
}

const address = { transport: "udp", hostname: "127.0.0.1", port: 9 } as const;

/** A route whose socket records packets. With `hold`, the test decides when a send ends. */
function recordingRoute({ hold = false } = {}): { route: Route; sent: Sent[] } {
  const sent: Sent[] = [];
  const socket = {
    send(packet: Uint8Array): Promise<number> {
      const done = Promise.withResolvers<number>();
      sent.push({ id: packet[0], at: performance.now(), done });
      if (!hold) done.resolve(packet.length);
      return done.promise;
    },
  } as unknown as Deno.DatagramConn;
  return { route: { socket, address, due: [], sending: false }, sent };
}

function packetOf(id: number, size = 1): Uint8Array {
  return new Uint8Array(size).fill(id);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `delayed sender: ${name}`, fn, sanitizeOps: true, sanitizeResources: true });
}

test("sends by time, never early, and at equal times in the order of scheduling", async () => {
  const sender = new DelayedSender(Infinity);
  const { route, sent } = recordingRoute();
  const start = performance.now();
  const times = Array.from({ length: 60 }, (_, id) => start + (id * 7 % 20) * 1.3);
  times.forEach((at, id) => sender.schedule(route, packetOf(id), at));
  sender.run(performance.now());
  while (sent.length < times.length) await nextTurn();
  const expected = [...times.keys()].sort((a, b) => times[a] - times[b] || a - b);
  assertEquals(sent.map(({ id }) => id), expected);
  for (const { id, at } of sent) assert(at >= times[id], `${times[id] - at} ms early`);
  await sender.close();
});

test("run sends packets that are due before it returns, without a timer", async () => {
  const sender = new DelayedSender(Infinity);
  const { route, sent } = recordingRoute();
  const now = performance.now();
  sender.schedule(route, packetOf(1), now);
  sender.schedule(route, packetOf(2), now + 0.001);
  assertEquals(sent.length, 0);
  sender.run(now);
  assertEquals(sent.map(({ id }) => id), [1]);
  await sender.close();
});

test("a packet that is scheduled later but due earlier leaves in time", async () => {
  const sender = new DelayedSender(Infinity);
  const { route, sent } = recordingRoute();
  const now = performance.now();
  sender.schedule(route, packetOf(1), now + 1e12); // Longer than setTimeout can wait.
  sender.run(now);
  sender.schedule(route, packetOf(2), now + 2);
  sender.run(now);
  while (sent.length === 0) await nextTurn();
  assertEquals(sent.map(({ id }) => id), [2]);
  await sender.close();
});

test("a route has one send at a time, and routes do not wait for each other", async () => {
  const sender = new DelayedSender(Infinity);
  const [slow, fast] = [recordingRoute({ hold: true }), recordingRoute()];
  const now = performance.now();
  for (let id = 0; id < 5; id++) {
    sender.schedule(slow.route, packetOf(id), now);
    sender.schedule(fast.route, packetOf(id), now);
  }
  sender.run(now);
  for (let id = 0; id < 5; id++) {
    await nextTurn();
    assertEquals(slow.sent.map((s) => s.id), [0, 1, 2, 3, 4].slice(0, id + 1));
    slow.sent[id].done.resolve(1);
  }
  assertEquals(fast.sent.map((s) => s.id), [0, 1, 2, 3, 4]);
  await sender.close();
});

test("a new socket of a route sends the packets that wait", async () => {
  const sender = new DelayedSender(Infinity);
  const [before, after] = [recordingRoute({ hold: true }), recordingRoute()];
  const now = performance.now();
  for (let id = 0; id < 3; id++) sender.schedule(before.route, packetOf(id), now);
  sender.run(now);
  before.route.socket = after.route.socket;
  before.sent[0].done.resolve(1);
  await nextTurn();
  assertEquals([before.sent, after.sent].map((sent) => sent.map((s) => s.id)), [[0], [1, 2]]);
  await sender.close();
});

test("a send that fails is counted, and the next packet is sent", async () => {
  const sender = new DelayedSender(Infinity);
  const { route, sent } = recordingRoute({ hold: true });
  const now = performance.now();
  for (let id = 0; id < 2; id++) sender.schedule(route, packetOf(id), now);
  sender.run(now);
  sent[0].done.reject(new Deno.errors.BadResource());
  await nextTurn();
  assertEquals([sender.failed, sent.length], [1, 2]);
  sent[1].done.resolve(1);
  await sender.close();
});

test("maxPendingBytes may be reached, not exceeded; a packet counts until it is sent", async () => {
  const sender = new DelayedSender(1000);
  const { route, sent } = recordingRoute({ hold: true });
  const now = performance.now();
  sender.schedule(route, packetOf(0, 600), now);
  sender.schedule(route, packetOf(1, 400), now);
  sender.run(now);
  sender.schedule(route, packetOf(2, 1), now);
  assertEquals(sender.discarded, 1);
  sent[0].done.resolve(600);
  await nextTurn();
  sender.schedule(route, packetOf(3, 601), now);
  assertEquals(sender.discarded, 2);
  sender.schedule(route, packetOf(4, 600), now);
  assertEquals(sender.discarded, 2);
  sent[1].done.resolve(400);
  await sender.close();
});

test("memory stays bounded if the backlog never becomes empty", async () => {
  const sender = new DelayedSender(Infinity);
  const { route, sent } = recordingRoute({ hold: true });
  for (let id = 0; id < 2000; id++) {
    sender.schedule(route, packetOf(id), 0);
    sender.run(0);
    if (id === 0) continue;
    // One packet always waits. Packets that were sent must not be kept.
    sent[id - 1].done.resolve(1);
    for (let i = 0; i < 5; i++) await undefined;
    assertEquals(sent.length, id + 1);
    assert(route.due.length < 4, `${route.due.length} packets are kept`);
  }
  sent[1999].done.resolve(1);
  await sender.close();
});

test("close drops packets that wait, and ends when the last send has ended", async () => {
  const sender = new DelayedSender(Infinity);
  const { route, sent } = recordingRoute({ hold: true });
  const now = performance.now();
  for (const at of [now, now, now + 5, now + 1e9]) sender.schedule(route, packetOf(1), at);
  sender.run(now);
  let closed = false;
  const closing = sender.close().then(() => closed = true);
  await nextTurn();
  assertEquals([closed, sent.length], [false, 1]);
  sent[0].done.resolve(1);
  await closing;
  await sender.close();
  assertEquals(sent.length, 1);
});
