import { ReferenceController } from "../../kcp/mod.ts";
import { assert, assertEquals } from "@std/assert";
import { Arena } from "../../kcp/mod.ts";
import { REASON_EARLY, REASON_FAST, REASON_TIMEOUT } from "../../kcp/loss_detector.ts";
import { RTO_MAX, rtoGrowth } from "../../kcp/rto.ts";
import { SendBuffer } from "../../kcp/send_buffer.ts";
import { Random } from "../../transport/link/random.ts";
import { pattern } from "./harness.ts";

Deno.test("send buffer: it grows while segments wait, are in flight, due and acknowledged", () => {
  for (const start of [0, 2 ** 31 - 10, 2 ** 32 - 10]) {
    const arena = new Arena();
    const buffer = new SendBuffer(arena, start);
    const sn = (n: number) => start + n | 0;
    buffer.rates.flow.controller = new ReferenceController({ mss: 1400, resend: 0 });
    buffer.detector.configure(1, 1, 0);
    const add = (n: number) => {
      buffer.store(pattern(30, n), 30);
      buffer.enqueue(30, n % 3, 0);
    };
    for (let n = 0; n < 16; n++) add(n);
    for (let n = 0; n < 12; n++) buffer.transmit(sn(n), n);
    buffer.acknowledge(sn(0), 0, 0);
    buffer.acknowledge(sn(5), 0, 0);
    buffer.detector.collectTimeouts(204, 200, Infinity);
    assertEquals(buffer.firstDue, sn(1));
    for (let n = 16; n < 100; n++) add(n);
    assertEquals([buffer.una, buffer.nxt, buffer.end], [sn(1), sn(12), sn(100)]);
    const due = [];
    for (; buffer.due; buffer.transmit(buffer.firstDue, 300)) due.push(buffer.firstDue);
    assertEquals(due, [1, 2, 3, 4].map(sn));
    for (let n = 12; n < 100; n++) buffer.transmit(sn(n), 301);
    assertEquals(buffer.detector.nextTimeout(301, 200, Infinity), 206, "segment 6, sent at 6");
    const at = arena.alloc(30);
    for (let n = 1; n < 100; n++) {
      buffer.copyPayload(sn(n), at);
      assertEquals(arena.bytes.slice(at, at + 30), pattern(30, n), `payload ${n} from ${start}`);
      assertEquals(buffer.frg(sn(n)), n % 3);
    }
    buffer.acknowledgeUpTo(sn(100), 301, Infinity, NaN);
    assertEquals([buffer.inFlight, buffer.bytes, buffer.detector.nextTimeout(301, 200, Infinity)], [
      0,
      0,
      Infinity,
    ]);
    buffer.release();
    arena.free(at, 30);
    assertEquals(arena.used, 0);
  }
});

Deno.test("send buffer: acknowledged segments are removed at once, from the middle too", () => {
  const buffer = new SendBuffer(new Arena(), 0);
  buffer.rates.flow.controller = new ReferenceController({ mss: 1400, resend: 0 });
  buffer.detector.configure(0, 2, 5);
  for (let n = 0; n < 6; n++) {
    buffer.store(pattern(10), 10);
    buffer.enqueue(10, 0, 0);
    buffer.transmit(n, n);
  }
  buffer.acknowledge(2, 0, 0);
  buffer.acknowledge(4, 0, 0);
  assertEquals([buffer.una, buffer.inFlight], [0, 4]);
  buffer.acknowledgeUpTo(2, 6, Infinity, NaN);
  assertEquals(
    [buffer.una, buffer.inFlight, buffer.bytes],
    [3, 2, 30],
    "2 was acknowledged before",
  );
  buffer.acknowledge(3, 0, 0);
  assertEquals([buffer.una, buffer.bytes], [5, 10], "4 was acknowledged before");
});

/** The expected state of a segment, without the lists of the send buffer. */
interface Model {
  data: Uint8Array;
  state: "waiting" | "flight" | "due" | "acked";
  sentAt: number;
  order: number;
  xmit: number;
  timeouts: number;
  reason: number;
}

Deno.test("send buffer: lists, timeouts and skips are those of a plain model", () => {
  for (let seed = 0; seed < 150; seed++) {
    const random = new Random(`send buffer ${seed}`);
    const start = [0, 2 ** 31 - 40, 2 ** 32 - 40][seed % 3];
    const nodelay = random.below(3) as 0 | 1 | 2;
    const resend = random.below(4);
    const fastlimit = random.below(4);
    const arena = new Arena();
    const buffer = new SendBuffer(arena, start);
    buffer.rates.flow.controller = new ReferenceController({ mss: 1400, resend: 0 });
    buffer.detector.configure(nodelay, resend, fastlimit);
    const at = arena.alloc(2000);
    const model: Model[] = [];
    const acked: number[] = [];
    let [una, nxt, order, now, rto] = [0, 0, 0, 1000, 200];
    const sn = (n: number) => start + n | 0;
    const timeout = (s: Model) =>
      s.sentAt + Math.min(RTO_MAX, rto * rtoGrowth(nodelay, s.timeouts));
    const flight = () => model.filter((s) => s.state === "flight");
    const advance = () => {
      while (una < nxt && model[una].state === "acked") una++;
    };
    for (let step = 0; step < 300; step++) {
      const context = `seed ${seed}, step ${step}`;
      const what = random.below(7);
      if (what === 0) {
        const data = pattern(random.chance(0.2) ? 0 : random.below(1500), step);
        assert(buffer.store(data, data.length));
        buffer.enqueue(data.length, 0, 0);
        model.push({
          data,
          state: "waiting",
          sentAt: 0,
          order: 0,
          xmit: 0,
          timeouts: 0,
          reason: 0,
        });
      } else if (what === 1) {
        for (let n = random.below(4); n > 0 && nxt < model.length; n--) {
          buffer.transmit(sn(nxt), now);
          Object.assign(model[nxt++], { state: "flight", sentAt: now, order: ++order, xmit: 1 });
        }
      } else if (what === 2) {
        now += random.below(400);
        if (random.chance(0.1)) rto = 50 + random.below(500);
        const late = flight().filter((s) => timeout(s) <= now);
        assertEquals(buffer.detector.collectTimeouts(now, rto, Infinity), late.length, context);
        for (const s of late) {
          s.state = "due";
          s.reason = REASON_TIMEOUT;
          s.timeouts++;
        }
      } else if (what === 3 && nxt > una) {
        const n = una + random.below(nxt - una);
        const s = model[n];
        assertEquals(buffer.isAcked(sn(n)), s.state === "acked", context);
        if (s.state !== "acked") {
          if (random.chance(0.8)) {
            buffer.noteArrived(sn(n), now);
            acked.push(s.order);
            acked.sort((x, y) => y - x);
          }
          buffer.acknowledge(sn(n), 0, 0);
          s.state = "acked";
          advance();
        }
      } else if (what === 4 && random.chance(0.3) && nxt > una) {
        const to = una + 1 + random.below(nxt - una);
        const fresh = model.slice(una, to).filter((s) => s.state !== "acked");
        buffer.acknowledgeUpTo(sn(to), now, Infinity, NaN);
        for (const s of fresh) s.state = "acked";
        advance();
      } else if (what === 5) {
        const early = random.chance(0.5);
        const threshold = acked[early ? 0 : resend - 1] ?? 0;
        const skipped = resend === 0
          ? []
          : flight().filter((s) => s.order < threshold && (fastlimit === 0 || s.xmit <= fastlimit));
        assertEquals(
          buffer.detector.collectSkipped(buffer.slotOf(buffer.una), early, now),
          skipped.length,
          `${context}, early ${early}`,
        );
        for (const s of skipped) {
          s.state = "due";
          s.timeouts = 0;
          s.reason = early ? REASON_EARLY : REASON_FAST;
        }
      } else if (what === 6) {
        const due = new Set(model.flatMap((s, n) => s.state === "due" ? [sn(n)] : []));
        assertEquals(buffer.due, due.size > 0, context);
        for (let n = random.below(5); n > 0 && buffer.due; n--) {
          const first = buffer.firstDue;
          assert(due.delete(first), `${context}: ${first} is not due`);
          const s = model[first - start | 0];
          assertEquals(buffer.reason(first), s.reason);
          buffer.copyPayload(first, at);
          assertEquals(arena.bytes.slice(at, at + s.data.length), s.data, context);
          buffer.transmit(first, now);
          Object.assign(s, { state: "flight", sentAt: now, order: ++order, xmit: s.xmit + 1 });
        }
      }
      const inFlight = model.filter((s) => s.state === "flight" || s.state === "due").length;
      assertEquals(
        [buffer.una, buffer.nxt, buffer.end, buffer.inFlight, buffer.waiting],
        [sn(una), sn(nxt), sn(model.length), inFlight, model.length - nxt],
        context,
      );
      assertEquals(
        buffer.detector.nextTimeout(now, rto, Infinity),
        Math.min(Infinity, ...flight().map(timeout)),
        context,
      );
    }
    for (let n = una; n < model.length; n++) {
      buffer.copyPayload(sn(n), at);
      const { data } = model[n];
      assertEquals(arena.bytes.slice(at, at + data.length), data, `seed ${seed}, payload ${n}`);
    }
    buffer.clear();
    arena.free(at, 2000);
    assertEquals([buffer.inFlight, buffer.due, arena.used], [0, false, 0]);
  }
});
