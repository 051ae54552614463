import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { TimerHeap } from "../../../transport/session/timer_heap.ts";

Deno.test("timer heap: an empty heap is never due", () => {
  const heap = new TimerHeap<string>();
  assertEquals(heap.size, 0);
  assertEquals(heap.deadline, Infinity);
  assertEquals(heap.pop(), undefined);
  assertEquals(heap.popDue(Number.MAX_VALUE), undefined);
});

Deno.test("timer heap: values leave by time; equal times keep the order of arrival", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -20, max: 20 }), { maxLength: 300 }), (times) => {
      const heap = new TimerHeap<number>();
      times.forEach((at, order) => heap.push(at, order));
      const expected = times.map((_, order) => order).sort((a, b) => times[a] - times[b] || a - b);
      const got = times.map(() => {
        const deadline = heap.deadline;
        const order = heap.pop()!;
        assertEquals(deadline, times[order], "deadline is the time of the value that leaves next");
        return order;
      });
      assertEquals(got, expected);
      assertEquals(heap.size, 0);
    }),
  );
});

Deno.test("timer heap: any mix of push, pop and popDue agrees with a sorted list", () => {
  const step = fc.oneof(
    fc.record({ op: fc.constant("push" as const), time: fc.integer({ min: 0, max: 9 }) }),
    fc.record({ op: fc.constant("pop" as const), time: fc.constant(0) }),
    fc.record({ op: fc.constant("popDue" as const), time: fc.integer({ min: 0, max: 9 }) }),
    fc.record({
      op: fc.constant("push" as const),
      time: fc.double({ noNaN: true, min: 0, max: 9 }),
    }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
      const heap = new TimerHeap<number>();
      let list: { at: number; order: number }[] = [];
      steps.forEach(({ op, time }, order) => {
        if (op === "push") {
          heap.push(time, order);
          list.push({ at: time, order });
          list = list.sort((a, b) => a.at - b.at || a.order - b.order);
        } else {
          const due = op === "pop" || (list.length > 0 && list[0].at <= time);
          const expected = due ? list.shift()?.order : undefined;
          assertEquals(op === "pop" ? heap.pop() : heap.popDue(time), expected);
        }
        assertEquals(heap.size, list.length);
        assertEquals(heap.deadline, list[0]?.at ?? Infinity);
      });
    }),
  );
});

Deno.test("timer heap: a value is due at its time, not before", () => {
  const heap = new TimerHeap<string>();
  heap.push(10, "x");
  assertEquals(heap.popDue(9.999), undefined);
  assertEquals(heap.size, 1);
  assertEquals(heap.popDue(10), "x");
});

Deno.test("timer heap: clear removes every value, and the heap can be used again", () => {
  const heap = new TimerHeap<object>();
  for (let i = 0; i < 10; i++) heap.push(i, {});
  heap.clear();
  assertEquals([heap.size, heap.deadline], [0, Infinity]);
  const value = {};
  heap.push(3, value);
  assertStrictEquals(heap.pop(), value);
});

Deno.test("timer heap: a time that is not finite is refused", () => {
  const heap = new TimerHeap<number>();
  for (const at of [NaN, Infinity, -Infinity]) {
    assertThrows(() => heap.push(at, 1), RangeError, String(at));
  }
  assertEquals(heap.size, 0);
});
