import { assert, assertEquals, assertRejects } from "@std/assert";
import { logLine } from "../../../examples/kcptun/tunnel/log.ts";
import { pipe } from "../../../examples/kcptun/tunnel/pipe.ts";
import {
  type PooledSession,
  type PoolOptions,
  SessionPool,
  type Silence,
} from "../../../examples/kcptun/tunnel/session_pool.ts";
import { AnswerWatch } from "../../../examples/kcptun/tunnel/answer_watch.ts";
import { SilenceWatch } from "../../../examples/kcptun/tunnel/silence_watch.ts";
import { End, settle, Timers } from "./end.ts";

const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => i & 255);

Deno.test("pipe: bytes and both ends are passed on", async () => {
  const [a, b] = [new End(), new End()];
  a.push(bytes(5000), bytes(300), null);
  b.push(bytes(70_000), null);
  const counts = [0, 0];
  const moved = (direction: 0 | 1, count: number) => counts[direction] += count;
  assertEquals(await pipe(a, b, { closeWait: 0, moved }), { error: null });
  assertEquals(counts, [5300, 70_000]);
  assertEquals(b.written, [...bytes(5000), ...bytes(300)]);
  assertEquals(a.written, [...bytes(70_000)]);
  assertEquals([a.events, b.events], [["end", "close"], ["end", "close"]]);
});

Deno.test("pipe: one direction goes on when the other has ended", async () => {
  const [a, b] = [new End(), new End()];
  const timers = new Timers();
  const piping = pipe(a, b, { closeWait: 0, later: timers.later });
  a.push(bytes(3), null);
  await settle();
  assertEquals(b.events, ["end"]);
  b.push(bytes(9));
  await settle();
  assertEquals(a.written.length, 9);
  // It is not limited in time.
  assertEquals(timers.due, []);
  b.push(null);
  assertEquals((await piping).error, null);
});

Deno.test("pipe: with a limit, the second direction ends with it", async () => {
  const [a, b] = [new End(), new End()];
  const timers = new Timers();
  const piping = pipe(a, b, { closeWait: 30_000, later: timers.later });
  a.push(null);
  await settle();
  assertEquals(timers.due.map(({ delay }) => delay), [30_000]);
  b.push(bytes(5));
  await settle();
  assertEquals(a.written.length, 5);
  timers.due[0].run();
  assertEquals(await piping, { error: null });
  // What was written is delivered.
  assert(a.events.includes("close") && !a.events.includes("abort"));
  assert(b.events.includes("close") && !b.events.includes("abort"));
});

Deno.test("pipe: no timer is left when both directions have ended in time", async () => {
  const [a, b] = [new End(), new End()];
  const timers = new Timers();
  a.push(null);
  b.push(null);
  await pipe(a, b, { closeWait: 1000, later: timers.later });
  assertEquals(timers.due, []);
});

for (
  const [name, fail] of [
    ["read", (a: End) => a.push(new Error("reset"))],
    ["write", (a: End, b: End) => {
      a.writeError = new Error("reset");
      b.push(bytes(1));
    }],
  ] as const
) {
  Deno.test(`pipe: a ${name} that fails aborts both ends`, async () => {
    const [a, b] = [new End(), new End()];
    const piping = pipe(a, b, { closeWait: 0 });
    await settle();
    fail(a, b);
    const { error } = await piping;
    assertEquals((error as Error).message, "reset");
    assert(a.events.includes("abort") && b.events.includes("abort"));
  });
}

Deno.test("pipe: buffers are small at first, and grow with what is read", async () => {
  const [a, b] = [new End(), new End()];
  const piping = pipe(a, b, { closeWait: 0 });
  await settle();
  assertEquals([a.largest, b.largest], [512, 512]);
  a.push(bytes(1000), bytes(1_000_000), null);
  b.push(bytes(2000), null);
  await piping;
  assertEquals([a.largest, b.largest], [65_536, 2048]);
});

Deno.test("pipe: buffers are small again when little comes", async () => {
  const [a, b] = [new End(), new End()];
  const piping = pipe(a, b, { closeWait: 0 });
  a.push(bytes(200_000));
  await settle();
  assertEquals(a.largest, 65_536);
  a.push(bytes(511));
  await settle();
  a.largest = 0;
  a.push(bytes(5));
  await settle();
  assertEquals([a.largest, b.written.length], [512, 200_516]);
  a.push(null);
  b.push(null);
  await piping;
});

Deno.test("silence: a peer that owes an answer for 3 s, or for four round trips, is silent", () => {
  const watch = new SilenceWatch();
  // Nothing is owed, however long nothing was heard.
  assertEquals(watch.note(100_000, false, 60_000, 20), false);
  // The time counts from when it was first seen to be owed.
  assertEquals(watch.note(101_000, true, 61_000, 20), false);
  assertEquals(watch.note(103_999, true, 63_999, 20), false);
  assertEquals(watch.note(104_000, true, 64_000, 20), true);
  // A sign of life begins anew, also while something else is owed.
  assertEquals(watch.note(105_000, true, 500, 20), false);
  assertEquals(watch.note(107_999, true, 3499, 20), false);
  assertEquals(watch.note(108_000, true, 3500, 20), true);
  assertEquals(watch.note(108_000, true, 3500, 1000), false);
  assertEquals(watch.note(109_000, true, 4500, 1000), true);
});

Deno.test("silence: a peer that was never heard is not counted", () => {
  const watch = new SilenceWatch();
  assertEquals(watch.note(0, true, Infinity, -1), false);
  assertEquals(watch.note(60_000, true, Infinity, -1), false);
});

Deno.test("silence: streams that give no byte for 5 s after data was sent are silent", () => {
  const watch = new AnswerWatch();
  // A peer that has never answered is not counted.
  assertEquals([0, 60_000].map((now) => watch.note(now, 100, 0)), [false, false]);
  // Nothing was sent after the last answer.
  assertEquals([61_000, 99_000].map((now) => watch.note(now, 100, 50)), [false, false]);
  assertEquals([100_000, 104_999].map((now) => watch.note(now, 101, 50)), [false, false]);
  assertEquals(watch.note(105_000, 101, 50), true);
  // An answer ends it.
  assertEquals(watch.note(106_000, 101, 51), false);
  assertEquals(watch.note(120_000, 101, 51), false);
});

/** A session that a test plays. */
class Session implements PooledSession {
  readonly id: number;
  ended = false;
  silence: Silence | null = null;
  heard = true;
  streams = 1;
  asked = 0;
  aborted = "";
  constructor(id: number) {
    this.id = id;
  }
  ask(): void {
    this.asked++;
  }
  abort(reason: string): void {
    this.aborted = reason;
    this.ended = true;
  }
  close(): void {
    this.ended = true;
  }
}

class Pool {
  readonly opened: Session[] = [];
  readonly logged: string[] = [];
  now = 1000;
  readonly pool: SessionPool<Session>;

  constructor(options: Partial<PoolOptions<Session>>) {
    this.pool = new SessionPool<Session>({
      count: 1,
      autoExpire: 0,
      ttl: 600_000,
      open: () => {
        const session = new Session(this.opened.length);
        this.opened.push(session);
        return Promise.resolve(session);
      },
      now: () => this.now,
      log: (message) => this.logged.push(message),
      ...options,
    });
  }

  async take(times = 1): Promise<number[]> {
    const ids: number[] = [];
    for (let i = 0; i < times; i++) ids.push((await this.pool.take()).id);
    return ids;
  }
}

Deno.test("sessions: streams are dealt out to them in turn", async () => {
  const pool = new Pool({ count: 3 });
  assertEquals(await pool.take(7), [0, 1, 2, 0, 1, 2, 0]);
  assertEquals(pool.logged, []);
});

Deno.test("sessions: those who come while one is being opened share it", async () => {
  const pool = new Pool({ count: 2 });
  const ids = await Promise.all(Array.from({ length: 6 }, () => pool.pool.take()));
  assertEquals(ids.map(({ id }) => id), [0, 1, 0, 1, 0, 1]);
});

Deno.test("sessions: one that has ended, or whose server is silent, is replaced", async () => {
  const pool = new Pool({ count: 2 });
  await pool.take(2);
  pool.opened[0].ended = true;
  pool.opened[1].silence = "streams";
  assertEquals(await pool.take(3), [2, 3, 2]);
  assertEquals(pool.logged, [
    "session 1 is replaced: it has ended",
    "session 2 is replaced: the server is silent",
  ]);
  // The streams of the silent one go on.
  pool.now += 1e9;
  pool.pool.tick();
  assert(!pool.opened[1].ended);
  pool.opened[1].streams = 0;
  pool.pool.tick();
  assert(pool.opened[1].ended);
});

Deno.test("sessions: one that is silent gets a successor at once, and no second one", async () => {
  const pool = new Pool({ count: 2 });
  await pool.take(2);
  pool.opened[0].silence = "packets";
  pool.opened[1].silence = "packets";
  // Without streams, nobody waits for it.
  pool.opened[1].streams = 0;
  for (let i = 0; i < 3; i++) {
    pool.pool.tick();
    await settle();
  }
  // The old one is asked once more, since its successor is heard.
  assertEquals(pool.opened.map(({ asked }) => asked), [1, 0, 1]);
  assertEquals(pool.logged, ["session 1 is replaced: the server is silent"]);
  assertEquals(await pool.take(2), [2, 3]);
});

/** A pool whose first session is silent in some way, and has a successor. */
async function succeeded(silence: Silence): Promise<Pool> {
  const pool = new Pool({});
  await pool.take();
  pool.opened[0].silence = silence;
  pool.pool.tick();
  await settle();
  assertEquals(pool.opened.length, 2);
  pool.opened[1].heard = false;
  return pool;
}

/** Lets ticks of 1 s pass. */
function pass(pool: Pool, seconds: number): void {
  for (let i = 0; i < seconds; i++) {
    pool.now += 1000;
    pool.pool.tick();
  }
}

Deno.test("sessions: the streams of one are let go when the server answers its successor only", async () => {
  const pool = await succeeded("packets");
  const [first, second] = pool.opened;
  // The path may be at fault, for as long as nothing is heard.
  pass(pool, 60);
  assert(!first.ended);
  second.heard = true;
  pass(pool, 3);
  // It was asked once more, and has some time to answer.
  assertEquals([first.asked, first.aborted], [1, ""]);
  pass(pool, 1);
  assertEquals(first.aborted, "The server answers another session, but not this one");
  assertEquals(pool.pool.sessions, [second]);
});

for (
  const [what, change] of [
    ["is heard again", ([first]: Session[]) => first.silence = null],
    ["gets acknowledgments", ([first]: Session[]) => first.silence = "streams"],
    ["has a successor that is silent, too", ([, second]: Session[]) => second.silence = "packets"],
  ] as const
) {
  Deno.test(`sessions: one is not given up when it ${what}`, async () => {
    const pool = await succeeded("packets");
    const [first, second] = pool.opened;
    second.heard = true;
    second.streams = 0;
    pass(pool, 2);
    change(pool.opened);
    pass(pool, 30);
    assert(!first.ended && pool.opened.length === 2);
  });
}

Deno.test("sessions: a successor that can't be opened is told, and the next stream opens one", async () => {
  let attempts = 0;
  const sessions = [new Session(0), new Session(1)];
  const pool = new Pool({
    open: () =>
      ++attempts === 2 ? Promise.reject(new Error("no name")) : Promise.resolve(sessions.shift()!),
  });
  await pool.take();
  const [first] = pool.pool.sessions;
  first.silence = "packets";
  pool.pool.tick();
  await settle();
  assertEquals(pool.logged.at(-1), "re-connecting: no name");
  assertEquals(await pool.take(), [1]);
});

Deno.test("sessions: one that has expired takes no new streams, and lives on for a time", async () => {
  const pool = new Pool({ autoExpire: 60_000, ttl: 30_000 });
  await pool.take();
  pool.now += 59_999;
  assertEquals(await pool.take(), [0]);
  pool.now += 1;
  pool.pool.tick();
  assertEquals(await pool.take(), [1]);
  pool.now += 29_999;
  pool.pool.tick();
  assert(!pool.opened[0].ended);
  assertEquals(pool.pool.sessions.map(({ id }) => id), [1, 0]);
  pool.now += 1;
  pool.pool.tick();
  assert(pool.opened[0].ended && !pool.opened[1].ended);
});

Deno.test("sessions: an old one without streams is closed at once", async () => {
  const pool = new Pool({ autoExpire: 60_000 });
  await pool.take();
  pool.now += 60_000;
  pool.opened[0].streams = 0;
  pool.pool.tick();
  assert(pool.opened[0].ended);
  assertEquals(pool.pool.sessions, []);
});

Deno.test("sessions: an attempt that fails is told, and the next one begins anew", async () => {
  let attempts = 0;
  const pool = new Pool({
    open: () =>
      ++attempts === 1 ? Promise.reject(new Error("no name")) : Promise.resolve(new Session(7)),
  });
  await assertRejects(() => pool.pool.take(), Error, "no name");
  assertEquals(await pool.take(), [7]);
});

Deno.test("sessions: all are closed at the end, also the one that is being opened", async () => {
  let finish: (session: Session) => void = () => {};
  const late = new Session(9);
  const pool = new Pool({
    count: 2,
    open: () =>
      attempts++ === 0
        ? Promise.resolve(new Session(0))
        : new Promise((resolve) => finish = resolve),
  });
  let attempts = 0;
  const first = await pool.pool.take();
  const second = assertRejects(() => pool.pool.take(), Error, "ending");
  pool.pool.close();
  finish(late);
  await second;
  assert(first.ended && late.ended);
});

Deno.test("log: a line has date and time, and one line only", () => {
  const date = new Date(2024, 0, 2, 3, 4, 5);
  assertEquals(logLine(date, "one\ntwo\x1b[31m"), "2024/01/02 03:04:05 one two [31m\n");
});
