import { assert, assertEquals, assertLess, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Endpoint } from "../../../transport/mod.ts";
import { type Timed, TimerHeap } from "../../../transport/session/timer_heap.ts";
import { encode, pattern } from "../../kcp/harness.ts";
import { drain, Runner } from "../harness.ts";

class Item implements Timed {
  readonly id: number;
  place = -1;
  constructor(id: number) {
    this.id = id;
  }
}

const items = (count: number) => Array.from({ length: count }, (_, id) => new Item(id));

Deno.test("timer heap: an empty heap is never due", () => {
  const heap = new TimerHeap<Item>();
  assertEquals(heap.size, 0);
  assertEquals(heap.deadline, Infinity);
  assertEquals(heap.pop(), undefined);
  assertEquals(heap.popDue(Number.MAX_VALUE), undefined);
  assertEquals(heap.timeOf(new Item(0)), Infinity);
  heap.remove(new Item(0));
});

Deno.test("timer heap: values leave by time; equal times keep the order of arrival", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -20, max: 20 }), { maxLength: 300 }), (times) => {
      const heap = new TimerHeap<Item>();
      times.forEach((at, order) => heap.push(at, new Item(order)));
      const expected = times.map((_, order) => order).sort((a, b) => times[a] - times[b] || a - b);
      const got = times.map(() => {
        const deadline = heap.deadline;
        const { id } = heap.pop()!;
        assertEquals(deadline, times[id], "deadline is the time of the value that leaves next");
        return id;
      });
      assertEquals(got, expected);
      assertEquals(heap.size, 0);
    }),
  );
});

Deno.test("timer heap: any mix of operations agrees with a sorted list", () => {
  const COUNT = 40;
  const time = fc.oneof(fc.integer({ min: 0, max: 9 }), fc.double({ noNaN: true, min: 0, max: 9 }));
  const step = fc.record({
    op: fc.constantFrom("push", "push", "push", "remove", "pop", "popDue"),
    id: fc.nat(COUNT - 1),
    time,
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: "max" }), (steps) => {
      const heap = new TimerHeap<Item>();
      const all = items(COUNT);
      let list: { at: number; order: number; id: number }[] = [];
      steps.forEach(({ op, id, time }, order) => {
        if (op === "push") {
          heap.push(time, all[id]);
          list = list.filter((entry) => entry.id !== id);
          list.push({ at: time, order, id });
          list.sort((a, b) => a.at - b.at || a.order - b.order);
        } else if (op === "remove") {
          heap.remove(all[id]);
          list = list.filter((entry) => entry.id !== id);
        } else {
          const due = op === "pop" || (list.length > 0 && list[0].at <= time);
          const expected = due ? list.shift()?.id : undefined;
          assertEquals((op === "pop" ? heap.pop() : heap.popDue(time))?.id, expected);
        }
        assertEquals(heap.size, list.length);
        assertEquals(heap.deadline, list[0]?.at ?? Infinity);
        assertEquals(heap.timeOf(all[id]), list.find((entry) => entry.id === id)?.at ?? Infinity);
      });
    }),
  );
});

Deno.test("timer heap: removed values leave the others in order, also at equal times", () => {
  const time = fc.nat(3);
  fc.assert(
    fc.property(fc.array(fc.tuple(time, fc.boolean()), { maxLength: 60, size: "max" }), (list) => {
      const heap = new TimerHeap<Item>();
      const all = items(list.length);
      list.forEach(([at], i) => heap.push(at, all[i]));
      list.forEach(([, removed], i) => removed && heap.remove(all[i]));
      const expected = all.filter(({ id }) => !list[id][1])
        .sort((a, b) => list[a.id][0] - list[b.id][0] || a.id - b.id);
      assertEquals(expected.map(() => heap.pop()), expected);
    }),
    { numRuns: 500 },
  );
});

Deno.test("timer heap: a value is due at its time, not before", () => {
  const heap = new TimerHeap<Item>();
  const item = new Item(1);
  heap.push(10, item);
  assertEquals(heap.popDue(9.999), undefined);
  assertEquals(heap.size, 1);
  assertStrictEquals(heap.popDue(10), item);
});

Deno.test("timer heap: a value that is pushed again moves behind those of the same time", () => {
  const heap = new TimerHeap<Item>();
  const [a, b] = items(2);
  heap.push(5, a);
  heap.push(5, b);
  heap.push(5, a);
  assertEquals([heap.size, heap.pop(), heap.pop()], [2, b, a]);
});

Deno.test("timer heap: clear removes every value, and they can be added again", () => {
  const heap = new TimerHeap<Item>();
  const all = items(10);
  for (const item of all) heap.push(item.id, item);
  heap.clear();
  assertEquals([heap.size, heap.deadline], [0, Infinity]);
  assert(all.every(({ place }) => place === -1));
  heap.push(3, all[5]);
  assertStrictEquals(heap.pop(), all[5]);
});

Deno.test("timer heap: a time that is not finite is refused", () => {
  const heap = new TimerHeap<Item>();
  const [item, waiting] = items(2);
  heap.push(1, waiting);
  for (const at of [NaN, Infinity, -Infinity]) {
    assertThrows(() => heap.push(at, item), RangeError, String(at));
    assertThrows(() => heap.push(at, waiting), RangeError, String(at));
  }
  assertEquals([heap.size, item.place, heap.timeOf(waiting)], [1, -1, 1]);
});

Deno.test("timer heap: a session has one entry, whatever the number of its packets", () => {
  // The heap is private, so the test looks for the largest one.
  let most = 0;
  let pushes = 0;
  const { push } = TimerHeap.prototype;
  TimerHeap.prototype.push = function (at, value) {
    push.call(this, at, value);
    most = Math.max(most, this.size);
    pushes++;
  };
  try {
    const a = new Runner(new Endpoint({ interval: 10, idleTimeout: 1e9, rcvWnd: 256 }, true));
    for (let sn = 0; sn < 100_000; sn++) {
      a.machine.input(encode({ sn, data: pattern(10) }), sn, "10.0.0.9:1000");
      if (sn === 0) a.machine.accept()!.onChange = () => {};
      a.sent(sn);
      if (sn % 100 === 99) { for (const session of a.machine.sessions) drain(session); }
    }
    assertEquals([a.machine.size, a.machine.stats.invalid], [1, 0]);
    assertLess(100, pushes);
    assertEquals(most, 1);
    for (const session of a.machine.sessions) session.close();
    a.idle(100_000, 200_000);
    assertEquals([a.machine.size, a.machine.deadline], [0, Infinity]);
  } finally {
    TimerHeap.prototype.push = push;
  }
});
