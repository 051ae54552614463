import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { type CongestionController, ReferenceController } from "../../kcp/mod.ts";
import { lossOf, sampleOf } from "./congestion/records.ts";
import { ACK, encode, End, queue, range, type Segment, sent, WINS } from "./harness.ts";

const ackOf = ({ sn, ts }: Segment, una = sn + 1): Partial<Segment> => ({
  cmd: ACK,
  sn,
  ts,
  una,
  wnd: 1000,
});

/** A machine with congestion control. Its peer announced a window of 1000. */
function controlled(options = {}): End {
  const end = new End({ sndWnd: 1000, burst: Infinity, ...options });
  end.input(0, { cmd: WINS, wnd: 1000 });
  return end;
}

/** Times go on: an acknowledgment at the time of a loss has no effect. */
let clock = 0;

const onAck = (controller: CongestionController, advanced: number, remoteWindow = 1000) =>
  controller.onAck(sampleOf({ now: ++clock, advanced, remoteWindow }));

/** `count` segments are skipped at once, with `span` segments sent and not acknowledged. */
function onLoss(controller: CongestionController, count: number, span: number): void {
  for (let i = 0; i < count; i++) controller.onLoss(lossOf({ now: clock, span }));
}

/** A segment times out. */
function onTimeout(controller: ReferenceController): void {
  controller.onLoss(lossOf({ now: clock, span: 200, timedOut: true }));
  controller.onTimeout(clock, 1);
}

Deno.test("congestion: the window starts at 1 and ssthresh at 2, as in the reference", () => {
  const controller = new ReferenceController({ mss: 1000, resend: 0 });
  assertEquals([controller.segmentWindow, controller.ssthresh], [1, 2_000]);
  assertEquals(controller.pacingRate, Infinity);
  const a = controlled();
  queue(a, 10);
  assertEquals(sent(a.segments(0)), [0]);
});

Deno.test("congestion: slow start adds a segment for each packet that advances una", () => {
  const controller = new ReferenceController({ mss: 1000, resend: 0 });
  onLoss(controller, 1, 40);
  onTimeout(controller);
  onLoss(controller, 1, 40);
  onTimeout(controller);
  assertEquals([controller.segmentWindow, controller.ssthresh], [1, 10_000]);
  for (let n = 1; n < 10; n++) {
    onAck(controller, 5);
    assertEquals(
      controller.segmentWindow,
      n + 1,
      "one, however many segments the packet acknowledged",
    );
    onAck(controller, 0);
    assertEquals(controller.segmentWindow, n + 1, "none without advance of una");
  }
});

Deno.test("congestion: avoidance adds one segment a window and mss / 16 per packet", () => {
  const mss = 1600;
  const controller = new ReferenceController({ mss, resend: 0 });
  onLoss(controller, 1, 20);
  assertEquals([controller.segmentWindow, controller.ssthresh], [10, 10 * mss]);
  // The rule in bytes: incr += mss² / incr + mss / 16; the window is incr / mss, rounded up, when
  // the next whole segment is reached.
  let incr = 10 * mss;
  let window = 10;
  for (let n = 0; n < 200; n++) {
    onAck(controller, 1);
    incr += mss * mss / incr + mss / 16;
    if ((window + 1) * mss <= incr) window = Math.ceil(incr / mss);
    assertEquals(controller.segmentWindow, window, `after ${n + 1} packets`);
  }
  assert(window > 20 && window < 50, `${window}`);
});

Deno.test("congestion: the window does not grow past the peer's", () => {
  const controller = new ReferenceController({ mss: 1000, resend: 0 });
  onLoss(controller, 1, 100);
  onTimeout(controller);
  for (let n = 0; n < 100; n++) onAck(controller, 1, 7);
  assertEquals(controller.segmentWindow, 7);
  onLoss(controller, 1, 40);
  onAck(controller, 1, 7);
  assertEquals(
    controller.segmentWindow,
    20,
    "nor does it shrink to the peer's, as in the reference",
  );
});

Deno.test("congestion: a fast retransmit halves what is in flight, and adds resend", () => {
  const controller = new ReferenceController({ mss: 1000, resend: 3 });
  onLoss(controller, 2, 41);
  assertEquals([controller.segmentWindow, controller.ssthresh], [23, 20_000]);
  onLoss(controller, 1, 3);
  assertEquals(
    [controller.segmentWindow, controller.ssthresh],
    [5, 2_000],
    "ssthresh is 2 at least",
  );
});

Deno.test("congestion: a timeout sets the window to 1 and halves ssthresh", () => {
  const controller = new ReferenceController({ mss: 1000, resend: 0 });
  onLoss(controller, 1, 60);
  onTimeout(controller);
  assertEquals([controller.segmentWindow, controller.ssthresh], [1, 15_000]);
  onTimeout(controller);
  assertEquals([controller.segmentWindow, controller.ssthresh], [1, 2_000]);
});

Deno.test("congestion: a loss decides over the acknowledgments of its time", () => {
  const controller = new ReferenceController({ mss: 1000, resend: 3 });
  onLoss(controller, 1, 40);
  controller.onAck(sampleOf({ now: clock, advanced: 5 }));
  assertEquals(controller.segmentWindow, 23);
  for (let n = 0; n < 23; n++) onAck(controller, 1);
  assertEquals(controller.segmentWindow, 25);
});

Deno.test("congestion: ssthresh follows the size of a segment, and the window does not", () => {
  const controller = new ReferenceController({ mss: 1000, resend: 3 });
  onLoss(controller, 1, 40);
  controller.onMtu(500);
  assertEquals([controller.segmentWindow, controller.ssthresh], [23, 10_000]);
  assertEquals([controller.window, controller.pacingRate], [Infinity, Infinity]);
});

Deno.test("congestion: on the wire, the window follows slow start, loss and timeout", () => {
  const a = controlled({ resend: 2, nodelay: 1, minRto: 1000 });
  queue(a, 200);
  const model = new ReferenceController({ mss: 1376, resend: 2 });
  let flight = a.segments(0);
  let now = 0;
  for (let n = 0; n < 12; n++) {
    now += 10;
    // One packet acknowledges all that is in flight.
    a.input(now, ackOf(flight.at(-1)!));
    onAck(model, flight.length);
    flight = a.segments(now);
    assertEquals(a.kcp.stats.cwnd, model.segmentWindow);
    assertEquals(flight.length, model.segmentWindow, "the whole window is used, and no more");
  }
  assert(flight.length > 4);
  // The first of the flight is lost.
  const [first] = flight;
  const before = a.kcp.stats.inFlight;
  a.input(now + 5, ...flight.slice(1).map((s) => ackOf(s, first.sn)));
  const { cwnd, ssthresh } = a.kcp.stats;
  assertEquals(ssthresh, Math.max(2, before >> 1));
  assertEquals(cwnd, ssthresh + 2);
  assertEquals(sent(a.segments(now + 5))[0], first.sn);
  a.kcp.tick(now + 30_000);
  assertEquals(a.kcp.stats.cwnd, 1, "after a timeout");
});

Deno.test("congestion: nc switches it off and on while it runs", () => {
  const a = controlled({ sndWnd: 20 });
  queue(a, 100);
  assertEquals(sent(a.segments(0)), [0]);
  a.kcp.configure({ nc: true });
  assertEquals(a.kcp.stats.cwnd, Infinity);
  assertEquals(a.kcp.stats.ssthresh, Infinity);
  assertEquals(sent(a.segments(0)), range(1, 20));
  a.kcp.configure({ nc: false });
  a.input(5, { cmd: ACK, sn: 19, ts: 0, una: 20, wnd: 1000 });
  assertEquals(a.segments(5).length, a.kcp.stats.cwnd);
});

/** A controller that records its calls. */
function recording(window = 1000, pacingRate = Infinity) {
  const events: unknown[][] = [];
  const note = (name: string) => (...args: unknown[]) => void events.push([name, ...args]);
  const controller: CongestionController & { window: number; pacingRate: number } = {
    window,
    pacingRate,
    ssthresh: 17,
    onSend: note("send"),
    onAck: note("ack"),
    onLoss: note("loss"),
    onTimeout: note("timeout"),
  };
  return { events, controller };
}

Deno.test("congestion: a controller gets sends, ACKs, losses and timeouts in order", () => {
  const { events, controller } = recording();
  const a = controlled({ congestion: () => controller, resend: 2, nodelay: 1 });
  a.kcp.send(new Uint8Array(10));
  a.kcp.send(new Uint8Array(20));
  a.kcp.send(new Uint8Array(30));
  a.kcp.send(new Uint8Array(40));
  a.segments(1);
  assertEquals(events.splice(0), [
    ["send", 1, 10, 1],
    ["send", 1, 20, 2],
    ["send", 1, 30, 3],
    ["send", 1, 40, 4],
  ]);
  a.input(51, { cmd: ACK, sn: 1, ts: 1, wnd: 900 }, { cmd: ACK, sn: 2, ts: 1, wnd: 900 });
  a.segments(51);
  const got = events.splice(0);
  assertEquals(got[0], ["ack", 51, 2, 0, 50, 50, 900]);
  assertEquals(got[1].slice(0, 3), ["loss", 51, 1]);
  assertEquals(got.slice(2), [["send", 51, 10, 2]]);
  a.input(101, { cmd: ACK, sn: 0, ts: 51, una: 3, wnd: 900 });
  // Segment 3 has now been skipped, and nothing new is queued.
  assertEquals(events.splice(0), [["ack", 101, 1, 3, 10, 50, 900], ["loss", 101, 1, 1]]);
  a.segments(101);
  assertEquals(events.splice(0), [["send", 101, 40, 1]]);
  const at = a.kcp.deadline;
  a.segments(at);
  const timeout = events.splice(0);
  assertEquals(timeout[0].slice(0, 3), ["timeout", at, 1]);
  assertEquals(timeout.slice(1), [["send", at, 40, 1]]);
});

Deno.test("congestion: una can acknowledge several; packets without news are not reported", () => {
  const { events, controller } = recording();
  const a = controlled({ congestion: () => controller });
  for (let i = 0; i < 4; i++) a.kcp.send(new Uint8Array(100));
  a.segments(0);
  events.length = 0;
  a.input(10, { cmd: WINS, una: 3, wnd: 8 });
  assertEquals(events.splice(0), [["ack", 10, 3, 3, 300, -1, 8]]);
  a.input(11, { cmd: WINS, una: 3 });
  a.input(12, { cmd: ACK, sn: 1, ts: 0, una: 3 });
  assertEquals(events, []);
});

Deno.test("congestion: a recovered packet is reported without a round-trip sample", () => {
  const { events, controller } = recording();
  const a = controlled({ congestion: () => controller });
  queue(a, 1);
  a.segments(0);
  events.length = 0;
  a.kcp.input(encode({ cmd: ACK, sn: 0, ts: 0, una: 1, wnd: 5 }), 30, true);
  assertEquals(events, [["ack", 30, 1, 1, 1, -1, 1000]]);
});

Deno.test("congestion: a controller bounds what is in flight, unless nc is on", () => {
  const { controller } = recording(3);
  const a = controlled({ congestion: () => controller });
  queue(a, 10);
  assertEquals(sent(a.segments(0)), [0, 1, 2]);
  assertEquals([a.kcp.stats.cwnd, a.kcp.stats.ssthresh], [3, 17]);
  controller.window = 5;
  assertEquals(sent(a.segments(1)), [3, 4]);
  a.kcp.configure({ nc: true });
  assertEquals(sent(a.segments(2)), range(5, 10));
});

Deno.test("congestion: a controller's pacing rate holds, unless nc is on", () => {
  const total = (nc: boolean) => {
    const { controller } = recording(1000, 10_000);
    const a = controlled({ congestion: () => controller, nc, mtu: 124 });
    for (let i = 0; i < 200; i++) a.kcp.send(new Uint8Array(100));
    let bytes = 0;
    for (let now = 0; now < 200; now++) {
      for (const packet of a.packets(now)) bytes += packet.length;
    }
    return bytes;
  };
  assertAlmostEquals(total(false), 2000, 500);
  assertEquals(total(true), 200 * 124);
});

Deno.test("congestion: a factory is given the mss and resend", () => {
  const seen: number[][] = [];
  new End({
    mtu: 524,
    resend: 4,
    congestion: (mss, resend) => {
      seen.push([mss, resend]);
      return new ReferenceController(mss, resend);
    },
  });
  assertEquals(seen, [[500, 4]]);
});
