import { assert, assertEquals } from "@std/assert";
import { Random } from "../../../transport/link/random.ts";
import { Scheduler, type Sender } from "../../../transport/mux/machine/scheduler.ts";
import { drain, machineOf, names, pattern, take } from "./harness.ts";

/** A sender that has so many bytes to send. */
class Flow implements Sender {
  readonly name: string;
  weight: number;
  waiting: number;
  level = null;
  list = null;
  previous = null;
  next = null;
  deficit = 0;
  sent = 0;

  constructor(name: string, weight = 16, waiting = Infinity) {
    this.name = name;
    this.weight = weight;
    this.waiting = waiting;
  }

  get sendable(): boolean {
    return this.waiting > 0;
  }
}

/**
 * Lets senders send up to `bytes` in frames of at most `frame` bytes. Returns who sent, in order.
 */
function serve(scheduler: Scheduler, bytes: number, frame = 1000): string[] {
  const order: string[] = [];
  while (bytes > 0) {
    const flow = scheduler.next() as Flow | null;
    if (!flow) break;
    const size = Math.min(frame, flow.waiting, scheduler.allowance, bytes);
    flow.waiting -= size;
    flow.sent += size;
    bytes -= size;
    scheduler.sent(flow, size);
    if (order[order.length - 1] !== flow.name) order.push(flow.name);
  }
  return order;
}

function add(scheduler: Scheduler, flow: Flow, order = 0, group: unknown = null): Flow {
  scheduler.join(flow, group, order);
  scheduler.ready(flow);
  return flow;
}

Deno.test("scheduler: streams of one order share equally, whatever their frames", () => {
  const scheduler = new Scheduler();
  const flows = ["a", "b", "c"].map((name) => add(scheduler, new Flow(name)));
  while (flows[0].sent < 1_000_000) {
    const flow = scheduler.next() as Flow;
    // Frames of c are small.
    const size = Math.min(scheduler.allowance, flow.name === "c" ? 100 : 30_000);
    flow.sent += size;
    scheduler.sent(flow, size);
  }
  for (const { sent, name } of flows) {
    assert(Math.abs(sent - 1_000_000) <= 32_768, `${name} has sent ${sent}`);
  }
});

Deno.test("scheduler: streams share in proportion to their weights", () => {
  const scheduler = new Scheduler();
  const weights = [1, 16, 32, 256];
  const flows = weights.map((weight) => add(scheduler, new Flow(`${weight}`, weight)));
  serve(scheduler, 20_000_000);
  const total = weights.reduce((sum, weight) => sum + weight);
  for (const { sent, weight } of flows) {
    const due = 20_000_000 * weight / total;
    assert(Math.abs(sent - due) <= 2 * 2048 * weight, `${weight} has sent ${sent} of ${due}`);
  }
});

Deno.test("scheduler: a higher order goes first, always", () => {
  const scheduler = new Scheduler();
  const low = add(scheduler, new Flow("low"), -1);
  const middle = add(scheduler, new Flow("middle", 1, 5000), 0);
  const high = add(scheduler, new Flow("high", 1, 5000), 2.5);
  assertEquals(serve(scheduler, 20_000), ["high", "middle", "low"]);
  assertEquals([high.sent, middle.sent, low.sent], [5000, 5000, 10_000]);
  high.waiting = 700;
  scheduler.ready(high);
  assertEquals(serve(scheduler, 1000), ["high", "low"]);
});

Deno.test("scheduler: a new order counts at once", () => {
  const scheduler = new Scheduler();
  const [a, b] = [add(scheduler, new Flow("a")), add(scheduler, new Flow("b"))];
  scheduler.setOrder(b, 1);
  assertEquals(serve(scheduler, 50_000), ["b"]);
  scheduler.setOrder(a, 2);
  assertEquals(serve(scheduler, 50_000), ["a"]);
  scheduler.setOrder(a, 1);
  assertEquals(serve(scheduler, 200_000).length > 4, true);
});

Deno.test("scheduler: a stream that had nothing to send goes before those that always have", () => {
  const scheduler = new Scheduler();
  for (let i = 0; i < 100; i++) add(scheduler, new Flow(`bulk ${i}`));
  serve(scheduler, 10_000_000);
  const flow = add(scheduler, new Flow("request", 16, 1000));
  // The one whose turn it is may go on with it.
  const order = serve(scheduler, 1000);
  assertEquals([order[0], flow.sent], ["request", 1000]);
});

Deno.test("scheduler: one that is new again and again does not starve the others", () => {
  const scheduler = new Scheduler();
  const bulk = add(scheduler, new Flow("bulk"));
  const greedy = add(scheduler, new Flow("greedy", 16, 0));
  for (let i = 0; i < 10_000; i++) {
    greedy.waiting = 1000;
    scheduler.ready(greedy);
    serve(scheduler, 1000);
    // There is no room for more, but the scheduler was asked, and saw that it has nothing left.
    scheduler.next();
  }
  assert(bulk.sent > 4_500_000, `bulk has sent ${bulk.sent}, greedy ${greedy.sent}`);
});

Deno.test("scheduler: new streams without end do not starve one that is there", () => {
  const scheduler = new Scheduler();
  const bulk = add(scheduler, new Flow("bulk"));
  serve(scheduler, 100_000);
  let news = 0;
  for (let i = 0; i < 20_000; i++) {
    const flow = add(scheduler, new Flow(`${i}`, 16, 1000));
    serve(scheduler, 1000);
    if (flow.waiting > 0) news++;
  }
  const share = (bulk.sent - 100_000) / 20_000_000;
  assert(share > 0.19 && share < 0.21, `bulk has sent ${share} of all; ${news} wait`);
});

Deno.test("scheduler: groups share equally, whatever they hold and whatever their orders", () => {
  const scheduler = new Scheduler();
  const one = [add(scheduler, new Flow("one"), 100, "x")];
  const many = Array.from({ length: 50 }, (_, i) => add(scheduler, new Flow(`${i}`), i % 3, "y"));
  const third = [add(scheduler, new Flow("third", 256), -5, Symbol("z"))];
  serve(scheduler, 9_000_000);
  for (const group of [one, many, third]) {
    const sent = group.reduce((sum, flow) => sum + flow.sent, 0);
    assert(Math.abs(sent - 3_000_000) <= 2 * 32_768, `${group[0].name}: ${sent}`);
  }
  // In the second one, order is kept.
  assertEquals(many.filter(({ sent }) => sent > 0).length, 16);
});

Deno.test("scheduler: a stream alone may send without end, and is not new when another comes", () => {
  const scheduler = new Scheduler();
  const bulk = add(scheduler, new Flow("bulk"));
  scheduler.next();
  assertEquals(scheduler.allowance, Infinity);
  serve(scheduler, 1_000_000, 30_000);
  add(scheduler, new Flow("request", 16, 500));
  assertEquals(serve(scheduler, 1000), ["request", "bulk"]);
  assertEquals(bulk.deficit <= 16 * 2048, true);
});

Deno.test("scheduler: random use leaves nobody out and nothing behind", () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = new Random(`scheduler ${seed}`);
    const scheduler = new Scheduler();
    const flows = new Set<Flow>();
    const groups = [null, "a", "b"];
    for (let step = 0; step < 300; step++) {
      const all = [...flows];
      const some = all[random.below(all.length || 1)];
      const kind = random.below(10);
      if (kind < 3 || !some) {
        const flow = new Flow(`${step}`, 1 + random.below(256), random.below(5000));
        flows.add(flow);
        scheduler.join(flow, groups[random.below(3)], random.below(4) - 1);
        if (flow.sendable) scheduler.ready(flow);
      } else if (kind === 3) {
        scheduler.leave(some);
        scheduler.leave(some);
        flows.delete(some);
      } else if (kind === 4) {
        scheduler.setOrder(some, random.below(4) - 1);
      } else if (kind === 5) {
        // It has nothing to send any more: its data was withdrawn.
        some.waiting = 0;
      } else if (kind === 6) {
        some.waiting += random.below(20_000);
        if (some.sendable) scheduler.ready(some);
      } else {
        serve(scheduler, random.below(10_000), 1 + random.below(3000));
      }
    }
    serve(scheduler, Infinity);
    for (const flow of flows) assertEquals(flow.waiting, 0, `seed ${seed}: ${flow.name}`);
    assertEquals(scheduler.busy, false, `seed ${seed}`);
  }
});

// ——— The same in a machine ———

Deno.test("mux priorities: what has a higher order is sent first, also when it comes later", () => {
  const machine = machineOf({ version: 1 });
  const [bulk, urgent] = [machine.open({ sendOrder: -1 }), machine.open({ sendOrder: 1 })];
  drain(machine);
  bulk.write(pattern(1_000_000));
  drain(machine, 0, 100_000);
  urgent.write(pattern(1024));
  assertEquals(names(drain(machine, 0, 3000))[0], "PSH 5 1024");
  bulk.sendOrder = 5;
  urgent.write(pattern(1024));
  assertEquals(names(drain(machine, 0, 3000)), ["PSH 3 2992"]);
});

Deno.test("mux priorities: no frame is longer than the room, so that an urgent one waits no longer", () => {
  const machine = machineOf({ version: 1, maxFrameSize: 65_535 });
  const bulk = machine.open();
  const urgent = machine.open({ sendOrder: 1 });
  drain(machine);
  bulk.write(pattern(10_000_000));
  const room = 2 * 1376;
  let before = 0;
  for (let i = 0; i < 1000; i++) {
    const bytes = take(machine, room);
    assert(bytes.length <= room && bytes.length > room - 1024, `${bytes.length} bytes`);
    before += bytes.length;
    if (i % 10 !== 0) continue;
    urgent.write(pattern(100));
    assertEquals(names(take(machine, room))[0], "PSH 5 100", `behind ${before} bytes`);
  }
});

Deno.test("mux priorities: control frames go before data, and an end right behind its data", () => {
  const machine = machineOf({ version: 2 });
  const bulk = machine.open();
  bulk.write(pattern(100_000));
  drain(machine, 0, 5000);
  const next = machine.open({ sendOrder: 1 });
  next.write(pattern(10));
  next.closeWrite();
  assertEquals(names(drain(machine, 0, 3000)).slice(0, 3), ["SYN 5", "PSH 5 10", "FIN 5"]);
});

Deno.test("mux priorities: streams share a narrow connection in proportion to their weights", () => {
  const machine = machineOf({ version: 1 });
  const weights = [4, 16, 64];
  const streams = weights.map((weight) => machine.open({ weight }));
  for (const stream of streams) stream.write(new Uint8Array(8_000_000));
  for (let i = 0; i < 2000; i++) drain(machine, 0, 2752);
  const total = streams.reduce((sum, { sent }) => sum + sent, 0);
  streams.forEach(({ sent }, i) => {
    const due = total * weights[i] / 84;
    assert(Math.abs(sent - due) < 0.02 * total, `${weights[i]}: ${sent} of ${due}`);
  });
  streams[0].setWeight(64);
  const before = streams[0].sent;
  for (let i = 0; i < 2000; i++) drain(machine, 0, 2752);
  assert(streams[0].sent - before > 0.4 * total);
});

Deno.test("mux priorities: small frames are not made of what little room is left", () => {
  const machine = machineOf({ version: 1 });
  const stream = machine.open();
  drain(machine);
  stream.write(pattern(100_000));
  const first = take(machine, 40_000);
  assertEquals(names(first), ["PSH 3 32768", "PSH 3 7216"]);
  // There would be room for 500 bytes more.
  assertEquals(names(take(machine, 32_768 + 8 + 500)), ["PSH 3 32768"]);
  // But if there never is more, a short one goes.
  assertEquals(names(take(machine, 40)), ["PSH 3 32"]);
  assertEquals(take(machine, 8).length, 0);
});
