/**
 * Sessions that share congestion control and pacing: together they take as much of a path as one.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { SessionOptions } from "../../../mod.ts";
import { Kcp, PacketBatch } from "../../../kcp/mod.ts";
import { Random } from "../../../transport/link/random.ts";
import type { LinkOptions } from "../../../transport/simulated.ts";
import { Dumbbell } from "../../paths/dumbbell.ts";
import { Flow, sendBulk } from "../../paths/flow.ts";

/** 20 Mbit/s, 40 ms, with a queue of one round trip. */
const PATH: LinkOptions = { latency: 20, bandwidth: 2.5e6, queueBytes: 100_000 };
const OPTIONS: SessionOptions = { sndWnd: 1024, rcvWnd: 1024 };

/** A path, and a flow of several sessions on it. */
function flowOf(
  sessions: number,
  { seed = 1, path = PATH, options = OPTIONS }: {
    seed?: number | string;
    path?: LinkOptions;
    options?: SessionOptions;
  } = {},
): { bell: Dumbbell; flow: Flow } {
  const bell = new Dumbbell(seed, path, 1);
  return { bell, flow: new Flow(bell, "flow", options, 0, sessions) };
}

/** Payload bytes that have arrived of each session. */
function arrivedOf(flow: Flow): number[] {
  return flow.rights.map(({ kcp }) => kcp.payloadIn);
}

for (const congestion of ["bbr", "cubic"] as const) {
  Deno.test(`sharing: four sessions share one window equally: ${congestion}`, () => {
    const { bell, flow } = flowOf(4, { options: { ...OPTIONS, congestion } });
    sendBulk(flow);
    for (let at = 0; at < 3000; at += 10) {
      bell.time.elapse(10);
      const { cwnd, inFlight } = flow.left.kcp.stats.congestion;
      for (const { kcp } of flow.lefts) {
        const { congestion } = kcp.stats;
        assertEquals([congestion.cwnd, congestion.inFlight], [cwnd, inFlight]);
      }
      // A window that becomes smaller leaves more in flight for a round trip.
      if (congestion === "bbr" && at > 1000) {
        assert(inFlight <= 2 * cwnd!, `${inFlight} of ${cwnd}`);
      }
    }
    const arrived = arrivedOf(flow);
    const mean = flow.arrived / 4;
    for (const bytes of arrived) assert(Math.abs(bytes / mean - 1) < 0.1, `${arrived}`);
    // All of them together use the path.
    assert(flow.arrived > 0.85 * 3 * 2.5e6, `${flow.arrived} bytes`);
    flow.stop();
  });
}

Deno.test("sharing: four sessions take of a path what one takes, and lose no more", () => {
  // Two flows of one session each do not share equally at each moment, either.
  const shares = [1000, 1180, 1360].map((start) => {
    const bell = new Dumbbell(1, PATH, 1);
    const flows = [new Flow(bell, "four", OPTIONS, 0, 4), new Flow(bell, "one", OPTIONS)];
    sendBulk(flows[0]);
    bell.time.elapse(start);
    sendBulk(flows[1]);
    bell.time.elapse(5000);
    const before = flows.map(({ arrived }) => arrived);
    bell.time.elapse(10_000);
    const [four, one] = flows.map(({ arrived }, i) => arrived - before[i]);
    for (const { fates: { dropped, packets } } of flows) {
      assert(dropped < 0.03 * packets, `${dropped} of ${packets} packets lost`);
    }
    for (const flow of flows) flow.stop();
    return four / (four + one);
  });
  const mean = (shares[0] + shares[1] + shares[2]) / 3;
  assert(mean > 0.4 && mean < 0.6, `${shares} of the path`);
});

/** How long messages take beside bulk transfers of other sessions, without latency and queue, in ms. */
function delaysBeside(bulks: number): number[] {
  const { bell, flow } = flowOf(bulks + 1);
  const [urgent, ...others] = flow.lefts;
  const bulk = new Uint8Array(65_536);
  for (const session of others) {
    session.onChange = () => {
      while (session.write(bulk) === bulk.length);
    };
    session.onChange();
  }
  const delays: number[] = [];
  let expected = 0;
  flow.onRight = () => {
    for (const session of flow.rights) {
      const arrived = flow.drain(session) > 0;
      if (session.conv === urgent.conv && arrived) delays.push(bell.now - expected);
    }
  };
  const ask = () => {
    bell.gauge.advance(bell.now);
    expected = bell.now + PATH.latency! + (bell.gauge.waits.at(-1) ?? 0);
    urgent.send(bulk.subarray(0, 1000));
    flow.flushLeft();
    bell.time.schedule(bell.now + 61.3, ask);
  };
  ask();
  bell.time.elapse(8000);
  flow.stop();
  return delays.slice(-100).sort((a, b) => a - b);
}

for (const bulks of [1, 3, 7]) {
  Deno.test(`sharing: a message waits for a turn of ${bulks} other sessions, not for their queues`, () => {
    const delays = delaysBeside(bulks);
    assertEquals(delays.length, 100);
    // Without turns, the 90th percentile is 16 ms beside three sessions.
    assert(delays[50] < 3, `median ${delays[50]} ms`);
    assert(delays[90] < 8, `90th percentile ${delays[90]} ms`);
  });
}

Deno.test("sharing: whatever becomes of some sessions, the others deliver all", () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = new Random(`sharing ${seed}`);
    const count = 2 + random.below(5);
    const { bell, flow } = flowOf(count, {
      seed,
      path: { ...PATH, loss: random.chance(0.5) ? 0.1 * random.next() : 0 },
      options: {
        sndWnd: 16 + random.below(500),
        rcvWnd: 16 + random.below(500),
        writeDelay: random.chance(0.3),
        rideAlong: random.below(3),
        newCopies: random.below(3),
        ...(random.chance(0.2) ? { pacingRate: 1e6 } : {}),
        ...(random.chance(0.3) ? { fec: { dataShards: 3, parityShards: 1 } } : {}),
        ...(random.chance(0.3) ? { congestion: random.chance(0.5) ? "cubic" : "reference" } : {}),
      },
    });
    const total = flow.lefts.map(() => random.below(200_000));
    const written = total.map(() => 0);
    const gone = new Set<number>();
    const piece = new Uint8Array(20_000);
    flow.lefts.forEach((session, i) => {
      session.onChange = () => {
        for (let taken = 1; taken > 0 && written[i] < total[i]; written[i] += taken) {
          taken = session.write(piece.subarray(0, Math.min(piece.length, total[i] - written[i])));
        }
      };
      bell.time.schedule(random.below(2000), () => {
        session.onChange?.();
        flow.flushLeft();
      });
      // At least one stays.
      if (i === 0 || random.chance(0.6)) return;
      gone.add(i);
      bell.time.schedule(random.below(3000), () => {
        session.onChange = null;
        if (random.chance(0.5)) session.kcp.stopSharing();
        else session.kcp.close();
        flow.flushLeft();
      });
    });
    flow.onRight = () => {
      for (const session of flow.rights) flow.drain(session);
    };
    bell.time.elapse(60_000);
    flow.lefts.forEach(({ conv, kcp }, i) => {
      if (gone.has(i)) return;
      const arrived = flow.rights.find((right) => right.conv === conv)?.kcp.payloadIn ?? 0;
      assertEquals([written[i], arrived], [total[i], total[i]], `seed ${seed}, session ${i}`);
      assertEquals(kcp.drained, true, `seed ${seed}, session ${i}`);
    });
    const left = flow.lefts.some(({ kcp }) => !kcp.drained);
    assert(left || flow.left.kcp.stats.congestion.inFlight === 0, `seed ${seed}: bytes in flight`);
    flow.stop();
  }
});

Deno.test("sharing: a machine that has sent data, or shares already, is refused", () => {
  const [a, b, c] = [new Kcp(1), new Kcp(2), new Kcp(3)];
  b.send(new Uint8Array(1));
  b.tick(0);
  assertEquals(b.output(new PacketBatch({ arena: b.arena })), 1);
  const message = "Cannot share congestion control: the conversation has sent data";
  assertThrows(() => b.share(a), TypeError, message);
  a.share(b);
  c.share(a);
  assertThrows(() => a.share(c), TypeError, "it shares with others already");
});
