/**
 * What sessions and endpoints keep in memory, and how they wait for it.
 *
 * @module
 */
import { assert, assertEquals, assertLess } from "@std/assert";
import { ConnectionError, turbo } from "../../../mod.ts";
import { Arena } from "../../../kcp/mod.ts";
import { Endpoint, Session, type SessionOptions } from "../../../transport/mod.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { ACK, CONV, encode, pattern, PUSH, type Segment, WINS } from "../../kcp/harness.ts";
import { drain, foreignAnswers, readAll, Runner, writeAll } from "../harness.ts";
import { oobPacket, parityPacket, readWire } from "./wire.ts";

const PEER = "10.0.0.9:1000";
/** Bytes of a batch. */
const BATCH = 65_536;
/** Memory of an endpoint without sessions: a batch, and a block for arriving packets. */
const IDLE = BATCH + 2048;

/** Takes all memory of an arena. Returns a function that gives it back. */
function exhaust(arena: Arena): () => void {
  const blocks: [number, number][] = [];
  for (let size = arena.limit; size >= 64; size /= 2) {
    for (let at; (at = arena.alloc(size)) >= 0;) blocks.push([at, size]);
  }
  return () => blocks.splice(0).forEach(([at, size]) => arena.free(at, size));
}

/** Tells a machine the time, and returns the segments that it sends, with error correction or without. */
function segmentsOf({ machine, batch }: Runner<Endpoint>, now: number): Segment[] {
  const segments: Segment[] = [];
  machine.tick(now);
  for (batch.clear(); machine.output(batch) > 0; batch.clear()) {
    for (const packet of batch) segments.push(...readWire(packet).segments);
  }
  return segments;
}

/** Tells a machine the time, and drops what it sends. */
function flush({ machine, batch }: Runner<Session> | Runner<Endpoint>, now: number): void {
  machine.tick(now);
  do batch.clear(); while (machine.output(batch) > 0);
}

/** An endpoint, and sessions of peers that have sent one byte and read nothing yet. */
function accepted(count: number, options: SessionOptions = {}, limit = 2 ** 20) {
  const runner = new Runner(new Endpoint({ ...turbo, ...options }, true, new Arena(limit)));
  const sessions = Array.from({ length: count }, (_, i) => {
    const conv = i + 1;
    runner.machine.input(
      encode({ conv, data: pattern(1) }, { conv, cmd: WINS, wnd: 500 }),
      0,
      PEER,
    );
    const session = runner.machine.accept()!;
    session.onChange = () => {};
    const answers = foreignAnswers(segmentsOf(runner, 0));
    runner.machine.input(encode(...answers, { conv, cmd: WINS, wnd: 500 }), 1, PEER);
    drain(session);
    return session;
  });
  for (const now of [1, 100, 3000]) flush(runner, now);
  return { runner, sessions, arena: runner.machine.arena };
}

for (const fec of [undefined, { dataShards: 4, parityShards: 2 }]) {
  Deno.test(`memory: TIME-WAIT keeps nothing in the arena (FEC ${fec !== undefined})`, () => {
    const arena = new Arena();
    const options = { ...turbo, fec };
    const a = new Runner(new Session(CONV, "b", 0, { ...options, timeWait: 30_000 }, arena));
    const b = new Runner(new Session(CONV, "a", 0, options));
    const pass = (from: number, end: number) => {
      for (let now = from; now < end; now += 5) {
        for (const [x, y] of [[a, b], [b, a]]) {
          x.machine.tick(now);
          for (x.batch.clear(); x.machine.output(x.batch) > 0; x.batch.clear()) {
            for (const packet of x.batch) y.machine.input(packet, now);
          }
        }
      }
    };
    a.machine.write(pattern(200_000));
    b.machine.write(pattern(50_000));
    pass(0, 500);
    assertEquals([drain(a.machine).length, drain(b.machine).length], [50_000, 200_000]);
    a.machine.close();
    pass(500, 1000);
    drain(b.machine);
    b.machine.close();
    pass(1000, 1500);
    assertEquals([a.machine.state, a.machine.over], ["closed", false]);
    assertEquals(arena.used, BATCH, "only the batch is left");
    // Late packets are answered, and leave nothing.
    for (let sn = 0; sn < 20; sn++) {
      const late = fec
        ? parityPacket(4 + sn, pattern(500 + sn))
        : encode({ sn, data: pattern(700) });
      a.machine.input(late, 1600);
      flush(a, 1600);
    }
    assertEquals(arena.used, BATCH);
  });
}

Deno.test("memory: datagrams that nobody can read any more are dropped", () => {
  const b = new Runner(new Session(CONV, PEER, 0, turbo));
  b.machine.input(encode({ data: pattern(1) }), 0);
  b.machine.input(oobPacket(CONV, pattern(100)), 0);
  b.sent(0);
  b.machine.close();
  assertEquals(b.machine.receiveDatagram(), null);
});

Deno.test("memory: a write that found none is woken when memory is back, others are not", () => {
  const { runner, sessions: [a, b, c], arena } = accepted(3);
  const restore = exhaust(arena);
  const changes: string[] = [];
  a.onChange = () => changes.push(`a ${a.write(pattern(20_000))}`);
  b.onChange = () => changes.push(`b ${b.send(pattern(20_000))}`);
  c.onChange = () => changes.push("c");
  assertEquals([b.send(pattern(20_000)), a.write(pattern(20_000))], [false, 0]);
  assertEquals([arena.waiting, runner.sent(4000).length], [2, 0]);
  let woken = 0;
  runner.machine.onWake = () => woken++;
  restore();
  assertEquals([changes, woken], [[], 1], "to free memory only takes a note");
  assertLess(runner.machine.deadline, 4001);
  const conversations = runner.segments(4001).filter(({ cmd }) => cmd === PUSH).map((s) => s.conv);
  assertEquals(changes, ["b true", "a 20000"], "in the order of waiting");
  assertEquals([...new Set(conversations)], [b.conv, a.conv]);
  assertEquals(arena.waiting, 0);
});

Deno.test("memory: a waiter that no longer wants to write leaves the queue", () => {
  const { runner, sessions: [a, b], arena } = accepted(2);
  const restore = exhaust(arena);
  a.write(pattern(1000));
  b.write(pattern(1000));
  let written = 0;
  b.onChange = () => written += b.write(pattern(1000));
  restore();
  runner.sent(4000);
  assertEquals([written, arena.waiting], [1000, 0]);
});

Deno.test("memory: a session that ends while it waits leaves the queue, and wakes the next", () => {
  const { runner, sessions: [a, b, c], arena } = accepted(3);
  const restore = exhaust(arena);
  for (const session of [a, b, c]) session.write(pattern(1000));
  assertEquals(arena.waiting, 3);
  a.abort(new ConnectionError("closed", "enough"));
  let written = 0;
  c.onChange = () => written += c.write(pattern(1000));
  restore();
  // The next one was woken, and ends before it has tried again.
  b.abort(new ConnectionError("closed", "enough"));
  runner.sent(4000);
  assertEquals([arena.waiting, written], [0, 1000]);
});

Deno.test("memory: the end of the stream needs none", () => {
  const { runner, sessions: [a], arena } = accepted(1);
  exhaust(arena);
  assertEquals(a.write(pattern(1000)), 0);
  a.endWrite();
  const [end] = runner.segments(4000).filter(({ cmd }) => cmd === PUSH);
  assertEquals([end.sn, end.data.length], [0, 0]);
  runner.machine.input(encode({ conv: a.conv, cmd: ACK, ts: end.ts, una: 1 }), 4010, PEER);
  assert(a.delivered, "the acknowledgment gets in, though the arena is full");
});

Deno.test("memory: a message that met full memory is complete soon after memory is back", () => {
  const { runner, sessions: [b], arena } = accepted(1);
  const a = new Runner(new Session(1, "listener", 0, { ...turbo, initialSndSn: 1 }));
  const pass = (from: number, end: number) => {
    for (let now = from; now < end; now += 5) {
      for (const { packet } of a.sent(now)) runner.machine.input(packet, now, PEER);
      for (const { packet } of runner.sent(now)) a.machine.input(packet, now);
    }
  };
  a.machine.send(pattern(30_000));
  const restore = exhaust(arena);
  pass(4000, 9000);
  assertEquals(b.peekSize(), -1);
  restore();
  pass(9000, 9500);
  assertEquals(b.peekSize(), 30_000);
  assertEquals(drain(b), pattern(30_000));
});

Deno.test("memory: a flood of shards and of early segments leaves no holes", () => {
  const { runner, sessions: [b], arena } = accepted(1, {
    fec: { dataShards: 10, parityShards: 3 },
  });
  for (let sn = 250; sn > 1; sn--) {
    runner.machine.input(encode({ conv: 1, sn, data: pattern(3 * sn) }), 4000, PEER);
  }
  for (let seqid = 0; seqid < 260; seqid++) {
    if (seqid % 13 < 10) continue;
    runner.machine.input(parityPacket(seqid, pattern(100 + 5 * seqid)), 4000, PEER);
  }
  flush(runner, 4000);
  assert(arena.used > IDLE + 150_000, `${arena.used} bytes are in use`);
  b.abort(new ConnectionError("closed", "enough"));
  flush(runner, 4000);
  assertEquals([arena.used, arena.fits(2 ** 19)], [IDLE, true]);
});

Deno.test("memory: an endpoint whose memory is mostly unused gives it back after 2 s", () => {
  const { runner, sessions: [a], arena } = accepted(1, {}, 2 ** 30);
  const large = arena.alloc(2 ** 24);
  a.write(pattern(1));
  arena.free(large, 2 ** 24);
  runner.sent(4000);
  assert(arena.capacity > 2 ** 24);
  assertLess(runner.machine.deadline, 6001);
  runner.machine.input(encode({ conv: 1, cmd: ACK, una: 1 }), 4010, PEER);
  runner.idle(4010, 7000);
  assertEquals(arena.capacity, 2 ** 20);
});

Deno.test("memory: both ends in little memory, with loss and FEC, deliver everything", async () => {
  for (const seed of ["a", "b", "c"]) {
    const network = new SimulatedNetwork({ seed, link: { latency: 10, loss: 0.1, jitter: 5 } });
    const options = { ...turbo, memoryLimit: 2 ** 20, fec: { dataShards: 5, parityShards: 2 } };
    const listener = network.listen({ hostname: "s", port: 1, ...options, rcvWnd: 1024 });
    await network.run(async () => {
      const all = Array.from({ length: 12 }, async (_, i) => {
        const localHostname = `c${i}`;
        const client = network.connect({
          hostname: "s",
          port: 1,
          ...options,
          localHostname,
          sndWnd: 512,
        });
        await writeAll(client, pattern(300_000, i));
        await client.closeWrite();
        assertEquals(await readAll(client), pattern(300_000, i), `echo ${i}`);
        client.close();
      });
      (async () => {
        for await (const conn of listener) conn.readable.pipeTo(conn.writable).catch(() => {});
      })();
      await Promise.all(all);
      listener.close();
    });
  }
});
