import { assert, assertEquals } from "@std/assert";
import { ReceiveWindow } from "../../../transport/mux/machine/receive_window.ts";
import { SendWindow } from "../../../transport/mux/machine/send_window.ts";
import { WindowPool } from "../../../transport/mux/machine/window_pool.ts";

/** A window, and how often it was to be told. */
function windowOf(pool: WindowPool, now = 0): { window: ReceiveWindow; told: number } {
  const owner = { told: 0, window: null as unknown as ReceiveWindow, requestUpdate };
  function requestUpdate(): void {
    owner.told++;
    owner.window?.told();
  }
  owner.window = new ReceiveWindow(owner, pool, now);
  owner.window.told();
  return owner;
}

const BASE = 65_536;
const INITIAL = 262_144;

Deno.test("windows: a sender counts modulo 2^32", () => {
  const window = new SendWindow();
  let consumed = 0;
  for (let i = 0; i < 3 * 2 ** 16; i++) {
    assertEquals(window.room, 262_144);
    window.send(65_536);
    assertEquals(window.room, 262_144 - 65_536);
    consumed = (consumed + 65_536) | 0;
    assert(window.update(consumed, 262_144));
  }
  assertEquals(window.update(consumed + 1, 5), false);
  // A window of 2^32 - 1 is a large one, not a negative one.
  assert(window.update(consumed, -1));
  assertEquals(window.room, 2 ** 31 - 1);
});

Deno.test("windows: a receiver counts modulo 2^32", () => {
  const { window } = windowOf(new WindowPool(BASE, 1 << 22, false));
  for (let i = 0; i < 3 * 2 ** 16; i++) {
    assert(window.arrive(BASE), `after ${i} times ${BASE} bytes`);
    window.consume(BASE, i);
  }
  assertEquals(window.consumed, 0);
  assert(window.arrive(BASE + INITIAL));
  assertEquals(window.arrive(1), false);
});

Deno.test("windows: one of which half is read within two round trips doubles", () => {
  const pool = new WindowPool(BASE, 1 << 24, true);
  pool.rtt = 50;
  const { window } = windowOf(pool);
  // From the first read on, it should not hold the sender's start back.
  window.consume(1, 1000);
  assertEquals(window.size, 1_048_576);
  window.consume(524_288, 1099);
  assertEquals(window.size, 2_097_152);
  // 101 ms are more than two round trips.
  window.consume(1_048_576, 1200);
  assertEquals(window.size, 2_097_152);
  window.consume(1_048_576, 1300);
  assertEquals(window.size, 4_194_304);
});

Deno.test("windows: one that grows stays below 3/4 of the buffer, and all below 3 times the buffer", () => {
  const pool = new WindowPool(BASE, 1 << 20, true);
  const one = windowOf(pool);
  for (let i = 0; i < 20; i++) one.window.consume(one.window.size, i);
  assertEquals(one.window.size, 0.75 * (1 << 20));
  const all = [one, ...Array.from({ length: 29 }, () => windowOf(pool))];
  for (let round = 0; round < 400; round++) {
    for (const { window } of all) window.consume(window.size, 20 + round);
    const sum = all.reduce((sum, { window }) => sum + window.size, 0);
    assertEquals(pool.granted, sum - 1024 * all.length);
    assert(sum <= 3 * (1 << 20), `${sum} bytes are granted`);
  }
  // All are as busy: none has much more than its share for long.
  const sizes = all.map(({ window }) => window.size);
  const fair = 2 * (1 << 20) / all.length;
  assert(Math.max(...sizes) <= 2 * fair, `one has ${Math.max(...sizes)} of ${fair}`);
  for (const { window } of all) window.close();
  for (const { window } of all) window.close();
  assertEquals(pool.granted, 0);
});

Deno.test("windows: without autoTune, each is as large as the setting from the first read on", () => {
  const pool = new WindowPool(BASE, 1 << 24, false);
  const { window } = windowOf(pool);
  assertEquals(window.size, INITIAL);
  for (let i = 0; i < 100; i++) window.consume(BASE, 0);
  assertEquals([window.size, pool.granted], [BASE, BASE - 1024]);
});

Deno.test("windows: new streams are told of less as soon as too many assume the first window", () => {
  for (const autoTune of [true, false]) {
    const buffer = 1 << 22;
    const pool = new WindowPool(BASE, buffer, autoTune);
    const all = Array.from({ length: 10_000 }, () => windowOf(pool));
    const sizes = all.map(({ window }) => window.size);
    assertEquals(sizes.slice(0, 16), new Array(16).fill(INITIAL));
    assertEquals(sizes[16], BASE);
    assertEquals(all.map(({ told }) => told).slice(15, 18), [0, 1, 1]);
    assertEquals(sizes.at(-1), 1024);
    assert(pool.granted <= 3 * buffer, `${pool.granted} bytes are granted`);
  }
});

Deno.test("windows: a busy stream among 10000 idle ones gets what they do not use", () => {
  const buffer = 1 << 22;
  const pool = new WindowPool(BASE, buffer, true);
  const idle = Array.from({ length: 10_000 }, () => windowOf(pool));
  const busy = windowOf(pool, 500);
  assertEquals(busy.window.size, 1024);
  for (let now = 2000; now < 4000; now += 100) busy.window.consume(busy.window.size, now);
  assertEquals(busy.window.size, 0.75 * buffer);
  // Those that gave something were told, and no others.
  const told = idle.filter(({ told, window }) => told > (window === idle[0].window ? 0 : 1)).length;
  assert(told > 16 && told < 1000, `${told} were told`);
});

Deno.test("windows: one that took much gives half to one that comes later", () => {
  const pool = new WindowPool(1000, 1 << 18, true);
  const all = Array.from({ length: 6 }, () => windowOf(pool));
  for (let i = 0; i < 20; i++) for (const { window } of all) window.consume(window.size, i);
  const late = windowOf(pool);
  for (let i = 20; i < 60; i++) {
    for (const { window } of all) window.consume(window.size, i);
    late.window.consume(late.window.size, i);
  }
  const sizes = [...all, late].map(({ window }) => window.size);
  assert(Math.max(...sizes) <= 2 * Math.min(...sizes), `${sizes}`);
});

Deno.test("windows: a new stream gets its window also beside those that took what they could", () => {
  const pool = new WindowPool(BASE, 1 << 22, true);
  const bulk = Array.from({ length: 20 }, () => windowOf(pool));
  for (let i = 0; i < 100; i++) for (const { window } of bulk) window.consume(window.size, i);
  const news = Array.from({ length: 50 }, () => windowOf(pool, 100));
  assertEquals(news.map(({ window }) => window.size), new Array(50).fill(BASE));
});

Deno.test("windows: when all of many streams are busy, all get an equal share", () => {
  for (const autoTune of [true, false]) {
    const pool = new WindowPool(BASE, 1 << 22, autoTune);
    const all = Array.from({ length: 1000 }, () => windowOf(pool));
    const fair = 2 * (1 << 22) / all.length;
    for (let round = 0; round < 60; round++) {
      for (const { window } of all) window.consume(window.size, round);
    }
    const sizes = all.map(({ window }) => window.size).sort((a, b) => a - b);
    assert(
      sizes[0] > fair / 3 && sizes[999] < 5 * fair,
      `${sizes[0]} to ${sizes[999]}, not ${fair}`,
    );
    assert(pool.granted <= 3 * (1 << 22), `${pool.granted} bytes are granted`);
  }
});

Deno.test("windows: while more than the buffer is unread, windows shrink", () => {
  const pool = new WindowPool(BASE, 1 << 20, true);
  const { window } = windowOf(pool);
  for (let i = 0; i < 10; i++) window.consume(window.size, i);
  pool.used = (1 << 20) + 1;
  for (let i = 10; i < 30; i++) window.consume(window.size, i);
  assertEquals(window.size, 1024);
  pool.used = 0;
  for (let i = 30; i < 50; i++) window.consume(window.size, i);
  assertEquals(window.size, 0.75 * (1 << 20));
});

Deno.test("windows: a smaller window takes nothing back that was allowed", () => {
  const pool = new WindowPool(BASE, 1 << 22, true);
  const { window } = windowOf(pool);
  window.consume(1, 0);
  window.consume(INITIAL, 1);
  const allowed = 1 + INITIAL + window.size;
  pool.used = 1 << 23;
  window.consume(window.size, 2);
  assert(window.size < allowed / 2);
  assert(window.arrive(allowed + INITIAL));
});
