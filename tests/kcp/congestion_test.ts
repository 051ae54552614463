import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  type CongestionController,
  type Loss,
  type RateSample,
  ReferenceController,
} from "../../kcp/mod.ts";
import { lossOf, sampleOf } from "./congestion/records.ts";
import { ACK, encode, End, queue, range, type Segment, sent, WINS } from "./harness.ts";

/** Bytes of a full packet: the default. */
const MTU = 1400;

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
    assertEquals(a.kcp.stats.congestion.cwnd, model.segmentWindow * MTU);
    assertEquals(flight.length, model.segmentWindow, "the whole window is used, and no more");
  }
  assert(flight.length > 4);
  // The first of the flight is lost.
  const [first] = flight;
  const before = a.kcp.stats.inFlight;
  a.input(now + 5, ...flight.slice(1).map((s) => ackOf(s, first.sn)));
  const { cwnd, ssthresh } = a.kcp.stats.congestion;
  assertEquals(ssthresh, Math.max(2, before >> 1) * MTU);
  assertEquals(cwnd, ssthresh! + 2 * MTU);
  assertEquals(sent(a.segments(now + 5))[0], first.sn);
  a.kcp.tick(now + 30_000);
  assertEquals(a.kcp.stats.congestion.cwnd, MTU, "after a timeout");
});

Deno.test("congestion: nc switches it off and on while it runs", () => {
  const a = controlled({ sndWnd: 20 });
  queue(a, 100);
  assertEquals(sent(a.segments(0)), [0]);
  a.kcp.configure({ nc: true });
  assertEquals(a.kcp.stats.congestion.cwnd, null);
  assertEquals(a.kcp.stats.congestion.ssthresh, null);
  assertEquals(sent(a.segments(0)), range(1, 20));
  a.kcp.configure({ nc: false });
  a.input(5, { cmd: ACK, sn: 19, ts: 0, una: 20, wnd: 1000 });
  assertEquals(a.segments(5).length * MTU, a.kcp.stats.congestion.cwnd);
});

/** A controller that records its calls. */
function recording(window = Infinity, pacingRate = Infinity) {
  const events: unknown[][] = [];
  const note = (name: string) => (...args: unknown[]) => void events.push([name, ...args]);
  const controller: CongestionController & { window: number; pacingRate: number } = {
    window,
    pacingRate,
    segmentWindow: Infinity,
    ssthresh: 17,
    state: { algorithm: "recording", phase: "", bandwidth: 0, minRtt: 0 },
    onSend: note("send"),
    // The machine fills its records anew.
    onAck: (sample) => void events.push(["ack", { ...sample }]),
    onLoss: (loss) => void events.push(["loss", { ...loss }]),
    onTimeout: note("timeout"),
    onIdleRestart: note("idle restart"),
    onNeedlessLoss: note("needless"),
    onMtu: note("mtu"),
    onBurst: note("burst"),
  };
  return { events, controller };
}

const names = (events: unknown[][]) => events.map(([name]) => name);
const detail = <T>(event: unknown[]) => event[1] as T;

Deno.test("congestion: a controller gets sends, losses, ACKs and timeouts in order", () => {
  const { events, controller } = recording();
  const a = controlled({ congestion: () => controller, resend: 2, nodelay: 1 });
  for (const size of [10, 20, 30, 40]) a.kcp.send(new Uint8Array(size));
  a.segments(1);
  assertEquals(events.splice(0), [
    ["idle restart", 1],
    ["send", 1, 34, 34],
    ["send", 1, 44, 78],
    ["send", 1, 54, 132],
    ["send", 1, 64, 196],
  ]);
  a.input(51, { cmd: ACK, sn: 1, ts: 1, wnd: 900 }, { cmd: ACK, sn: 2, ts: 1, wnd: 900 });
  a.segments(51);
  let got = events.splice(0);
  assertEquals(names(got), ["loss", "ack", "send"]);
  const loss = detail<Loss>(got[0]);
  assertEquals([loss.bytes, loss.sentAt, loss.lost, loss.txInFlight], [34, 1, 34, 34]);
  assertEquals([loss.inFlight, loss.span, loss.timedOut], [64, 4, false]);
  const sample = detail<RateSample>(got[1]);
  assertEquals([sample.acked, sample.segments, sample.advanced], [98, 2, 0]);
  assertEquals([sample.rtt, sample.priorInFlight, sample.inFlight], [50, 196, 64]);
  assertEquals([sample.totalDelivered, sample.remoteWindow], [98, 900]);
  assertEquals(got[2], ["send", 51, 34, 98]);
  a.input(101, { cmd: ACK, sn: 0, ts: 51, una: 3, wnd: 900 });
  // Segment 3 has now been skipped, and nothing new is queued.
  got = events.splice(0);
  assertEquals(names(got), ["loss", "ack"]);
  assertEquals(detail<RateSample>(got[1]).advanced, 3);
  a.segments(101);
  assertEquals(events.splice(0), [["send", 101, 64, 64]]);
  const at = a.kcp.deadline;
  a.segments(at);
  const timeout = events.splice(0);
  assertEquals(names(timeout), ["loss", "timeout", "send"]);
  assertEquals(detail<Loss>(timeout[0]).timedOut, true);
  assertEquals(timeout[1], ["timeout", at, 1, 0]);
});

Deno.test("congestion: una can acknowledge several; packets without news are not reported", () => {
  const { events, controller } = recording();
  const a = controlled({ congestion: () => controller });
  for (let i = 0; i < 4; i++) a.kcp.send(new Uint8Array(100));
  a.segments(0);
  events.length = 0;
  a.input(10, { cmd: WINS, una: 3, wnd: 8 });
  const [ack] = events.splice(0);
  const sample = detail<RateSample>(ack);
  assertEquals([sample.acked, sample.segments, sample.advanced, sample.rtt], [372, 3, 3, -1]);
  a.input(11, { cmd: WINS, una: 3 });
  a.input(12, { cmd: ACK, sn: 1, ts: 0, una: 3 });
  assertEquals(events, []);
});

Deno.test("congestion: a recovered packet gives neither a round-trip nor a rate sample", () => {
  const { events, controller } = recording();
  const a = controlled({ congestion: () => controller });
  queue(a, 1);
  a.segments(0);
  events.length = 0;
  a.kcp.input(encode({ cmd: ACK, sn: 0, ts: 0, una: 1, wnd: 5 }), 30, true);
  const sample = detail<RateSample>(events[0]);
  assertEquals([sample.acked, sample.rtt, sample.deliveryRate], [25, -1, 0]);
});

Deno.test("congestion: a window in bytes bounds what is in flight, retransmissions as well", () => {
  const { controller } = recording(61);
  const a = controlled({ congestion: () => controller, resend: 2, nodelay: 1 });
  queue(a, 10);
  assertEquals(
    sent(a.segments(0)),
    [0, 1, 2],
    "25 bytes each, as long as fewer than 61 are in flight",
  );
  controller.window = 125;
  assertEquals(sent(a.segments(1)), [3, 4]);
  controller.window = 51;
  a.input(20, { cmd: ACK, sn: 3, ts: 1, wnd: 900 }, { cmd: ACK, sn: 4, ts: 1, wnd: 900 });
  assertEquals(sent(a.segments(20)), [0, 1, 2], "what counts as lost is in flight no more");
  controller.window = 1;
  a.input(40, { cmd: ACK, sn: 2, ts: 20, wnd: 900 });
  assertEquals(sent(a.segments(40)), []);
  assert(a.kcp.deadline > 40, "what the window holds back is not due");
});

Deno.test("congestion: a window in segments counts from una on, as in the reference", () => {
  const { controller } = recording();
  const bounded = { ...controller, segmentWindow: 3 };
  const a = controlled({ congestion: () => bounded });
  queue(a, 10);
  assertEquals(sent(a.segments(0)), [0, 1, 2]);
  a.input(9, { cmd: ACK, sn: 2, ts: 0, wnd: 900 });
  assertEquals(sent(a.segments(10)), []);
});

Deno.test("congestion: a controller's pacing rate holds for segments, unless nc is on", () => {
  const total = (nc: boolean) => {
    const { controller } = recording(Infinity, 10_000);
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

Deno.test("congestion: a factory is given the mss, resend, and the burst as initial window", () => {
  const seen: unknown[] = [];
  new End({
    mtu: 524,
    resend: 4,
    burst: 10,
    congestion: (context) => {
      seen.push(context);
      return new ReferenceController(context);
    },
  });
  assertEquals(seen, [{ mss: 524, resend: 4, initialWindow: 5240 }]);
});

Deno.test("congestion: an unknown name is refused, with those that there are", () => {
  assertThrows(
    () => new End({ congestion: "vegas" as "reference" }),
    TypeError,
    'Cannot set congestion to "vegas": allowed are "',
  );
});

Deno.test("congestion: a segment that is lost again is marked, and counts once when it was only late", () => {
  const { events, controller } = recording();
  const a = controlled({ congestion: () => controller, nodelay: 1, minRto: 100 });
  queue(a, 1);
  a.segments(0);
  let now = 0;
  for (let n = 0; n < 3; n++) a.segments(now = a.kcp.deadline);
  const losses = events.filter(([name]) => name === "loss").map((event) => detail<Loss>(event));
  assertEquals(losses.map(({ again }) => again), [false, true, true]);
  events.length = 0;
  a.input(now + 1, { cmd: ACK, sn: 0, ts: 0, una: 1, wnd: 9 });
  assertEquals(events.at(-1), ["needless", now + 1, 1]);
});

Deno.test("congestion: the controller learns how much may leave back to back", () => {
  const { events, controller } = recording();
  const a = controlled({ congestion: () => controller, burst: "auto", resend: 2, nodelay: 1 });
  for (let n = 0; n < 65; n++) a.kcp.send(new Uint8Array(1376));
  const flight = a.segments(0);
  assertEquals(flight.length, 64);
  a.segments(1);
  events.length = 0;
  // The end of the burst is lost.
  a.input(50, ...flight.slice(0, 48).map((s) => ackOf(s, s.sn + 1)));
  a.segments(50);
  for (let now = 51; now < 500; now += 10) a.segments(now);
  const told = events.filter(([name]) => name === "burst");
  assertEquals(told[0], ["burst", 32 * MTU]);
});
