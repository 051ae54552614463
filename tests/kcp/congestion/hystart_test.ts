/**
 * HyStart++ against the numbers of RFC 9406 §4.2 and §4.3.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { HyStart } from "../../../kcp/congestion/hystart.ts";

/** One round with an acknowledgment of 1000 bytes for each round-trip time. Returns what it grew by. */
function round(hystart: HyStart, ...rtts: number[]): number {
  let grown = 0;
  for (const [i, rtt] of rtts.entries()) grown += hystart.onAck(1000, rtt, i === 0);
  return grown;
}

const times = (count: number, rtt: number): number[] => new Array<number>(count).fill(rtt);

/** HyStart++ after a round of 100 ms and one of 120 ms: it has just become conservative. */
function conservative(): HyStart {
  const hystart = new HyStart();
  round(hystart, ...times(8, 100));
  round(hystart, ...times(8, 120));
  assertEquals(hystart.conservative, true);
  return hystart;
}

Deno.test("hystart: slow start adds all acknowledged bytes, since the sender is paced (L = ∞)", () => {
  const hystart = new HyStart();
  assertEquals(hystart.onAck(64_000, 50, true), 64_000);
  assertEquals(hystart.onAck(0, 50, false), 0);
});

Deno.test("hystart: the threshold is an eighth of the round trip, 4 ms at least and 16 ms at most", () => {
  // The shortest round trip of the last round, and the one that is a sign of a queue.
  for (const [last, sign] of [[1, 5], [16, 20], [32, 36], [80, 90], [128, 144], [200, 216]]) {
    for (const rtt of [sign - 0.5, sign]) {
      const hystart = new HyStart();
      round(hystart, ...times(8, last));
      round(hystart, ...times(8, rtt));
      assertEquals(hystart.conservative, rtt === sign, `${last} ms, then ${rtt} ms`);
    }
  }
});

Deno.test("hystart: a round with fewer than 8 samples decides nothing", () => {
  const hystart = new HyStart();
  round(hystart, ...times(8, 100));
  round(hystart, ...times(7, 150));
  assertEquals(hystart.conservative, false);
  assertEquals(hystart.onAck(1000, -1, false), 1000);
  assertEquals(hystart.conservative, false, "an acknowledgment without a sample is none");
  hystart.onAck(0, 150, false);
  assertEquals(hystart.conservative, true, "the eighth sample decides at once");
});

Deno.test("hystart: the shortest round trip of a round decides", () => {
  const hystart = new HyStart();
  round(hystart, 100, ...times(20, 300));
  round(hystart, ...times(7, 300), 112);
  assertEquals(hystart.conservative, false, "112 < 100 + 12.5");
  round(hystart, ...times(7, 300), 126);
  assertEquals(hystart.conservative, true, "126 = 112 + 112 / 8");
});

Deno.test("hystart: without a sample in the last round, no round is compared with it", () => {
  const hystart = new HyStart();
  round(hystart, ...times(8, 500));
  assertEquals(hystart.conservative, false, "the first round");
  round(hystart, ...times(8, -1));
  round(hystart, ...times(8, 900));
  assertEquals(hystart.conservative, false);
});

Deno.test("hystart: conservative slow start grows by a quarter", () => {
  assertEquals(round(conservative(), ...times(8, 120)), 2000);
});

Deno.test("hystart: slow start ends after 5 conservative rounds, with the one in which they began", () => {
  const hystart = conservative();
  for (let n = 2; n <= 5; n++) {
    round(hystart, ...times(8, 120));
    assertEquals(hystart.done, false, `round ${n}`);
  }
  hystart.onAck(1000, 120, true);
  assertEquals(hystart.done, true, "the fifth round has ended");
});

Deno.test("hystart: a shorter round trip than at its beginning ends conservative slow start", () => {
  const hystart = conservative();
  round(hystart, ...times(8, 120));
  round(hystart, ...times(7, 119));
  assertEquals(hystart.conservative, true, "7 samples");
  assertEquals(hystart.onAck(1000, 119, false), 1000);
  assertEquals(hystart.conservative, false);
  // The next sign begins five rounds anew. Here it is 119 + 14.875 ms.
  round(hystart, ...times(8, 133));
  assertEquals(hystart.conservative, false);
  round(hystart, ...times(8, 149.7));
  assertEquals(hystart.conservative, true, "133 + 16 ms, since 133 / 8 is more");
  for (let n = 2; n <= 5; n++) round(hystart, ...times(8, 150));
  assertEquals(hystart.done, false);
  round(hystart, 150);
  assertEquals(hystart.done, true);
});
