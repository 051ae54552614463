import { assert, assertEquals } from "@std/assert";
import { Silence } from "../../../kcp/congestion/silence.ts";

const SIZE = 1400;

/** Rounds of timeouts, each after what is sent again has left and the timeout has passed. */
function rounds(silence: Silence, bytes: number, count: number): number[] {
  const times: number[] = [];
  for (let n = 0, now = 0; n < count; n++) {
    silence.onTimeout(now, 200, bytes, SIZE);
    const time = silence.rate === Infinity ? 0 : bytes * 1000 / silence.rate;
    times.push(time);
    now += time + Math.min(60_000, 200 * 2 ** n);
  }
  return times;
}

Deno.test("silence: two rounds leave at once, the others over half of the time between them", () => {
  const times = rounds(new Silence(), 100_000, 6);
  assertEquals(times.slice(0, 2), [0, 0]);
  assert(times[2] >= 100 && times[2] <= 400, `${times[2]} ms`);
});

Deno.test("silence: however long it lasts, a round leaves within 30 s, and few bytes much sooner", () => {
  for (const bytes of [100, SIZE, 9000, 1e6]) {
    const times = rounds(new Silence(), bytes, 100);
    const most = Math.min(30_000, 30_000 * bytes / (8 * SIZE));
    assert(Math.max(...times) <= most + 1e-6, `${bytes} bytes took ${Math.max(...times)} ms`);
  }
});

Deno.test("silence: an acknowledgment ends it, a sign of life once", () => {
  const silence = new Silence();
  rounds(silence, 100_000, 5);
  silence.hear();
  assertEquals(silence.rate, Infinity);
  rounds(silence, 100_000, 5);
  assert(silence.rate < Infinity);
  silence.hear();
  assert(silence.rate < Infinity, "what was sent at once has brought nothing");
  silence.end();
  assertEquals(silence.rate, Infinity);
});

Deno.test("silence: timeouts within one timeout are one round", () => {
  const silence = new Silence();
  for (let now = 0; now < 200; now += 10) silence.onTimeout(now, 200, 1e6, SIZE);
  assertEquals(silence.rate, Infinity);
});
