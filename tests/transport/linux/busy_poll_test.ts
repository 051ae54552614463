import { assertEquals } from "@std/assert";
import { BusyPoll } from "../../../transport/linux/busy_poll.ts";

/** How long (ms) a socket polls after `start`, in turns of the event loop of a given length. */
function polledFor(poll: BusyPoll, start: number, turn: number): number {
  let now = start;
  for (let turns = 0; turns < 10_000 && poll.polls(now); turns++) now += turn;
  return Math.round((now - start) * 1000) / 1000;
}

Deno.test("busy poll: a socket polls after a packet for its time, and not before the first one", () => {
  const poll = new BusyPoll(0.25);
  assertEquals(polledFor(poll, 0, 0.0625), 0);
  poll.arrived(100);
  assertEquals(polledFor(poll, 100, 0.0625), 0.25);
});

Deno.test("busy poll: with the time 0 it never polls", () => {
  const poll = new BusyPoll(0);
  for (let now = 0; now < 10; now += 0.125) {
    poll.arrived(now);
    assertEquals(poll.polls(now), false);
  }
});

Deno.test("busy poll: a packet soon after the socket has fallen asleep makes the next poll five times as long", () => {
  const poll = new BusyPoll(0.25);
  poll.arrived(100);
  assertEquals(polledFor(poll, 100, 0.0625), 0.25);
  // The socket sleeps since 100.25, and the packet comes within 1.25 ms of the one before.
  poll.arrived(101);
  assertEquals(polledFor(poll, 101, 0.0625), 1.25);
  // This one comes later: the poll is short again.
  poll.arrived(110);
  assertEquals(polledFor(poll, 110, 0.0625), 0.25);
});

/** Lets turns of the event loop follow each other in a socket that polls. Returns the time after them. */
function pollTurns(poll: BusyPoll, start: number, turns: readonly number[]): number {
  let now = start;
  for (const turn of turns) {
    poll.arrived(now);
    assertEquals(poll.polls(now), true, `${now}`);
    now += turn;
  }
  poll.arrived(now);
  return now;
}

Deno.test("busy poll: after long turns of more than 8 ms, others need the processor: no poll for 200 ms", () => {
  for (const found of [false, true]) {
    const poll = new BusyPoll(10);
    // Turns of 4 ms and of 3 ms are no sign yet. The next one, of 2 ms, is.
    const end = pollTurns(poll, 1000, [4, 3]) + 2;
    assertEquals(poll.polls(end - 2), true);
    // The next turn begins with or without a packet.
    if (found) poll.arrived(end);
    assertEquals(poll.polls(end), false);
    for (let now = end + 0.5; now < end + 200; now += 0.5) {
      poll.arrived(now);
      assertEquals(poll.polls(now), false, `${now}`);
    }
    poll.arrived(end + 200);
    assertEquals(poll.polls(end + 200), true);
  }
});

Deno.test("busy poll: a long turn now and then is no sign, and one after little time of polls is", () => {
  const poll = new BusyPoll(10);
  const short = new Array<number>(160).fill(0.25);
  // 4 ms are a tenth of the 40 ms of short turns between two long ones.
  let now = 1000;
  for (let times = 0; times < 50; times++) now = pollTurns(poll, now, [4, ...short]);
  // Time without polls counts for nothing.
  for (let times = 0; times < 2; times++) now = pollTurns(poll, now, [4, 0.25, 0.25]) + 1000;
  now = pollTurns(poll, now, [4]);
  assertEquals(poll.polls(now), false);
});

Deno.test("busy poll: signs that follow each other double the pause up to 3.2 s, and quiet ends that", () => {
  const poll = new BusyPoll(10);
  /** Meets long turns, and gives how long the socket does not poll after them. */
  const pauseAfter = (start: number) => {
    const end = pollTurns(poll, start, [3, 3, 3]);
    for (let now = end;; now++) {
      poll.arrived(now);
      if (!poll.polls(now)) continue;
      poll.arrived(now);
      return { end, pause: now - end };
    }
  };
  let now = 1000;
  for (const expected of [200, 400, 800, 1600, 3200, 3200]) {
    const { end, pause } = pauseAfter(now);
    assertEquals(pause, expected);
    // The next long turns begin 50 ms after the end of the pause.
    now = end + pause + 50;
  }
  assertEquals(pauseAfter(now + 5000).pause, 200);
});

Deno.test("busy poll: a long sleep, and a long turn with packets, are no sign of others", () => {
  const poll = new BusyPoll(10);
  poll.arrived(1000);
  assertEquals(poll.polls(1020), false);
  poll.arrived(1500);
  assertEquals(poll.polls(1500), true);
  // The packets that this turn finds keep the program busy for 5 ms.
  poll.arrived(1500.5);
  assertEquals(poll.polls(1505.5), true);
  // A turn of just 1 ms is not too long.
  assertEquals(poll.polls(1506.5), true);
});
