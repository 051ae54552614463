import { assert, assertEquals } from "@std/assert";
import { ReceiveWindow } from "../../../transport/mux/machine/receive_window.ts";
import { SendWindow } from "../../../transport/mux/machine/send_window.ts";
import { WindowPool } from "../../../transport/mux/machine/window_pool.ts";

/** A window, and how often it was to be told. */
function windowOf(pool: WindowPool): { window: ReceiveWindow; told: number } {
  const owner = { told: 0, window: null as unknown as ReceiveWindow, requestUpdate };
  function requestUpdate(): void {
    owner.told++;
    owner.window?.told();
  }
  owner.window = new ReceiveWindow(owner, pool);
  return owner;
}

const BASE = 65_536;

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
  assert(window.arrive(BASE + 262_144));
  assertEquals(window.arrive(1), false);
});

Deno.test("windows: one of which half is read within two round trips doubles", () => {
  const pool = new WindowPool(BASE, 1 << 24, true);
  pool.rtt = 50;
  const { window } = windowOf(pool);
  window.consume(1, 1000);
  // What the sender assumes at first costs nothing.
  assertEquals(window.size, 262_144);
  window.consume(131_072, 1099);
  assertEquals(window.size, 524_288);
  // 101 ms are more than two round trips.
  window.consume(262_144, 1200);
  assertEquals(window.size, 524_288);
  window.consume(262_144, 1300);
  assertEquals(window.size, 1_048_576);
});

Deno.test("windows: without autoTune, each is as large as the setting", () => {
  const pool = new WindowPool(BASE, 1 << 24, false);
  const { window } = windowOf(pool);
  for (let i = 0; i < 100; i++) window.consume(BASE, 0);
  assertEquals([window.size, pool.granted], [BASE, 0]);
});

Deno.test("windows: all that is granted stays within 3/4 of the buffer, and is shared", () => {
  const buffer = 1 << 22;
  const pool = new WindowPool(BASE, buffer, true);
  const all = Array.from({ length: 50 }, () => windowOf(pool));
  for (let round = 0; round < 400; round++) {
    for (const { window } of all) window.consume(window.size, round);
    assert(pool.granted <= 0.75 * buffer, `${pool.granted} bytes are granted`);
    const extra = all.reduce((sum, { window }) => sum + window.size - BASE, 0);
    assertEquals(pool.granted, extra);
  }
  const sizes = all.map(({ window }) => window.size - BASE);
  const fair = 0.75 * buffer / all.length;
  // All are as busy: none has more than twice its share for long.
  assert(Math.max(...sizes) <= 2 * fair + BASE, `one has ${Math.max(...sizes)} of ${fair}`);
  for (const { window } of all) window.close();
  assertEquals(pool.granted, 0);
});

Deno.test("windows: one that took everything gives half to one that comes later", () => {
  const pool = new WindowPool(BASE, 1 << 22, true);
  const [first, second] = [windowOf(pool), windowOf(pool)];
  for (let i = 0; i < 20; i++) first.window.consume(first.window.size, i);
  assertEquals(pool.granted, 0.75 * (1 << 22));
  for (let i = 20; i < 60; i++) {
    first.window.consume(first.window.size, i);
    second.window.consume(second.window.size, i);
  }
  const [a, b] = [first.window.size, second.window.size];
  assert(a < 2 * b && b < 2 * a, `${a} and ${b}`);
});

Deno.test("windows: an idle one gives everything back when another needs it, and the peer is told", () => {
  const pool = new WindowPool(BASE, 1 << 22, true);
  const [idle, busy] = [windowOf(pool), windowOf(pool)];
  for (let i = 0; i < 20; i++) idle.window.consume(idle.window.size, i);
  const told = idle.told;
  busy.window.consume(1, 20_000);
  assertEquals(idle.window.size, BASE);
  assertEquals(idle.told, told + 1);
  assertEquals(busy.window.size, 262_144);
});

Deno.test("windows: a smaller window takes nothing back that was allowed", () => {
  const pool = new WindowPool(BASE, 1 << 22, true);
  const { window } = windowOf(pool);
  window.consume(1, 0);
  window.consume(262_144, 1);
  const allowed = 1 + 262_144 + window.size;
  pool.take(window);
  window.tellLater();
  assertEquals(window.size, BASE);
  assert(window.arrive(allowed + 262_144));
  assertEquals(window.arrive(1), false);
});
