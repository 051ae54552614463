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

Deno.test("busy poll: after a turn of more than 1 ms, others need the processor: no poll for 200 ms", () => {
  for (const found of [false, true]) {
    const poll = new BusyPoll(10);
    poll.arrived(1000);
    assertEquals(poll.polls(1000), true);
    // The next turn begins 1.5 ms later, with or without a packet.
    if (found) poll.arrived(1001.5);
    assertEquals(poll.polls(1001.5), false);
    for (let now = 1002; now < 1201.5; now += 0.5) {
      poll.arrived(now);
      assertEquals(poll.polls(now), false, `${now}`);
    }
    poll.arrived(1201.5);
    assertEquals(poll.polls(1201.5), true);
  }
});

Deno.test("busy poll: signs that follow each other double the pause up to 3.2 s, and quiet ends that", () => {
  const poll = new BusyPoll(10);
  /** Meets a long turn, and gives how long the socket does not poll after it. */
  const pauseAfter = (start: number) => {
    poll.arrived(start);
    assertEquals(poll.polls(start), true, `${start}`);
    for (let now = start + 2;; now += 1) {
      poll.arrived(now);
      if (!poll.polls(now)) continue;
      poll.arrived(now);
      return now - (start + 2);
    }
  };
  let now = 1000;
  for (const expected of [200, 400, 800, 1600, 3200, 3200]) {
    const pause = pauseAfter(now);
    assertEquals(pause, expected);
    // The next sign comes 50 ms after the end of the pause.
    now += 2 + pause + 50;
  }
  assertEquals(pauseAfter(now + 5000), 200);
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
