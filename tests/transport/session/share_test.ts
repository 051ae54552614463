import { assert, assertEquals } from "@std/assert";
import { Session, type SessionOptions } from "../../../transport/mod.ts";
import { CONV, encode, pattern, WINS } from "../../kcp/harness.ts";
import { Outlet, readWire } from "./wire.ts";

const QUICK: SessionOptions = {
  nodelay: 1,
  interval: 10,
  resend: 2,
  nc: true,
  sndWnd: 500,
  sndQueue: 1000,
};
const PEER = "10.0.0.2:7";
/** The time in ms until the peer's acknowledgment of a packet arrives. */
const RTT = 10;

/** What a session sends while its application keeps queues full, and its peer acknowledges all. */
interface Traffic {
  /** Bytes on the wire of datagrams, and of everything else. */
  datagrams: number;
  stream: number;
  /** Longest time in ms that a datagram waited. */
  longestWait: number;
  /** Most packets that left at one time. */
  together: number;
}

/**
 * Runs a session at its deadlines for `duration` ms.
 *
 * @param size Bytes of each datagram.
 * @param every How often (ms) a datagram is queued. 0 to keep the queue full.
 * @param bulk Whether the application writes as much as it can.
 */
function run(
  options: SessionOptions,
  duration: number,
  { size, every = 0, bulk = true }: { size: number; every?: number; bulk?: boolean },
): Traffic {
  const a = new Outlet(new Session(CONV, PEER, 0, { ...QUICK, ...options }));
  const traffic = { datagrams: 0, stream: 0, longestWait: 0, together: 0 };
  const queuedAt: number[] = [];
  const acks: { at: number; una: number }[] = [];
  const block = pattern(100_000);
  let next = 0;
  a.machine.input(encode({ cmd: WINS, wnd: 500 }), 0);
  for (let now = 0, turns = 0; now <= duration; turns++) {
    assert(turns < 1e6, `the session does not stop waking at ${now} ms`);
    if (bulk) a.machine.write(block);
    while (every ? next <= now : queuedAt.length < 256) {
      if (!a.machine.sendDatagram(pattern(size))) break;
      queuedAt.push(now);
      if (every) next += every;
    }
    const packets = a.packets(now).map(({ packet }) => packet);
    traffic.together = Math.max(traffic.together, packets.length);
    let una = 0;
    while (acks.length > 0 && acks[0].at <= now) {
      a.machine.input(encode({ cmd: WINS, wnd: 500, una: acks.shift()!.una }), now);
    }
    for (const packet of packets) {
      const { type, segments } = readWire(packet);
      if (type === "oob") {
        traffic.datagrams += packet.length;
        traffic.longestWait = Math.max(traffic.longestWait, now - queuedAt.shift()!);
      } else {
        traffic.stream += packet.length;
        for (const { sn } of segments) una = Math.max(una, sn + 1);
      }
    }
    if (una > 0) acks.push({ at: now + RTT, una });
    now = Math.max(
      now + 0.01,
      Math.min(a.machine.deadline, every ? next : Infinity, acks[0]?.at ?? Infinity),
    );
  }
  return traffic;
}

const LIMITS: [name: string, options: SessionOptions][] = [
  ["a low pacingRate", { pacingRate: 20_000 }],
  ["a high pacingRate", { pacingRate: 2_000_000 }],
  ["a low pacingRate and a small burst", { pacingRate: 50_000, burst: 2 }],
  ["a pacingRate and error correction", {
    pacingRate: 500_000,
    fec: { dataShards: 5, parityShards: 2 },
  }],
];

for (const [name, options] of LIMITS) {
  Deno.test(`share: under ${name}, datagrams and the stream get half each`, () => {
    for (const size of [100, 700, 1300]) {
      const seconds = Math.min(20, 2_000_000 / options.pacingRate!);
      const { datagrams, stream } = run(options, 1000 * seconds, { size });
      const all = datagrams + stream;
      assert(all > 0.9 * seconds * options.pacingRate!, `only ${all} bytes left in ${seconds} s`);
      const share = datagrams / all;
      assert(share > 0.45 && share < 0.55, `datagrams of ${size} bytes got ${share} of ${all}`);
    }
  });
}

Deno.test("share: what one side does not use, the other side gets", () => {
  const rate = 200_000;
  const options = { pacingRate: rate };
  const alone = run(options, 5000, { size: 1000, bulk: false });
  assert(alone.datagrams > 0.95 * 5 * rate, `${alone.datagrams} bytes of datagrams, no stream`);
  // Datagrams of 40 kB/s, a fifth of the rate.
  const few = run(options, 5000, { size: 988, every: 25 });
  assert(Math.abs(few.datagrams - 200_000) < 5000, `${few.datagrams} bytes of datagrams`);
  assert(few.stream > 0.75 * 5 * rate, `${few.stream} bytes of the stream`);
  assert(few.longestWait < 25, `a datagram waited ${few.longestWait} ms`);
});

Deno.test("share: datagrams at exactly the rate limit leave half of it to the stream", () => {
  const { datagrams, stream } = run({ pacingRate: 100_000 }, 10_000, { size: 988, every: 10 });
  const share = stream / (datagrams + stream);
  assert(share > 0.45 && share < 0.55, `the stream got ${share}`);
});

Deno.test("share: a bulk stream under burst delays no datagram, and is not stopped by many", () => {
  const few = run({ burst: 8 }, 2000, { size: 500, every: 5 });
  assert(few.longestWait <= 1, `a datagram waited ${few.longestWait} ms`);
  const alone = run({ burst: 8 }, 1000, { size: 0, every: Infinity });
  const many = run({ burst: 8 }, 1000, { size: 1000 });
  assert(many.stream > 0.8 * alone.stream, `${many.stream} bytes, ${alone.stream} alone`);
});

Deno.test("share: datagrams alone leave at 64 packets a ms, with burst packets together", () => {
  for (const burst of [1, 8, 64]) {
    const { datagrams, together } = run({ burst }, 100, { size: 88, bulk: false });
    const count = datagrams / 100;
    assertEquals(together, burst);
    assert(count > 60 * 100 && count <= 64 * 100 + burst + 1, `${count} datagrams, burst ${burst}`);
  }
});

Deno.test("share: the stream keeps its own limit while its peer acknowledges nothing", () => {
  const a = new Outlet(new Session(CONV, PEER, 0, { ...QUICK, burst: 8, minRto: 60_000 }));
  a.machine.input(encode({ cmd: WINS, wnd: 500 }), 0);
  a.machine.write(pattern(500_000));
  let stream = 0;
  for (let now = 0; now <= 2; now += 0.125) {
    while (a.machine.sendDatagram(pattern(1300)));
    for (const { type } of a.read(now)) if (type === "kcp") stream++;
  }
  // One burst, which is also what may be in flight.
  assertEquals(stream, 8);
});
