import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Endpoint } from "../../../transport/mod.ts";
import { encode, pattern, WINS } from "../../kcp/harness.ts";
import { Random } from "../../../transport/link/random.ts";
import { drain, Runner } from "../harness.ts";

const OPTIONS = {
  interval: 10,
  nc: true,
  backlog: 16,
  maxSessions: 32,
  maxUnconfirmed: 24,
  maxUnconfirmedPerHost: 8,
} as const;

/** Fields of an attacker: near the valid values, or random. */
const segment = fc.record({
  conv: fc.oneof(fc.nat(3), fc.nat(0xffffffff)),
  cmd: fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 81, max: 84 }) }, fc.nat(255)),
  frg: fc.oneof(fc.constant(0), fc.nat(255)),
  wnd: fc.constantFrom(0, 1, 128, 65535),
  ts: fc.nat(0xffffffff),
  sn: fc.oneof(fc.nat(10), fc.nat(300), fc.nat(0xffffffff)),
  una: fc.oneof(fc.constant(0), fc.nat(3), fc.nat(0xffffffff)),
  data: fc.uint8Array({ maxLength: 40 }),
});
/** Valid packets with some bytes changed, cut off or appended. */
const mutated = fc.tuple(
  fc.array(segment, { minLength: 1, maxLength: 3 }),
  fc.array(fc.tuple(fc.nat(100), fc.nat(255)), { maxLength: 3 }),
  fc.integer({ min: -30, max: 30 }),
).map(([segments, changes, more]) => {
  const packet = encode(...segments);
  for (const [at, value] of changes) if (at < packet.length) packet[at] = value;
  const length = Math.max(0, packet.length + more);
  const cut = new Uint8Array(length);
  cut.set(packet.subarray(0, length));
  return cut;
});
const packet = fc.oneof(fc.uint8Array({ maxLength: 80 }), mutated);
const from = fc.tuple(
  fc.constantFrom("10.0.0.1", "10.0.0.2", "[::1]"),
  fc.integer({ min: 1, max: 3 }),
)
  .map(([host, port]) => `${host}:${port}`);

for (const migrate of [false, true]) {
  Deno.test(`Endpoint: hostile packets never throw or exceed a limit (migrate ${migrate})`, () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(packet, from, fc.nat(200)), { maxLength: 60 }), (packets) => {
        const a = new Runner(new Endpoint({ ...OPTIONS, migrate }, true));
        let now = 0;
        for (const [bytes, address, pause] of packets) {
          a.machine.input(bytes, now, address);
          if (pause % 3 === 0) a.machine.accept()?.write(pattern(50));
          a.sent(now += pause);
          for (const session of a.machine.sessions) drain(session);
        }
        const { stats } = a.machine;
        assertEquals(stats.packetsIn, packets.length);
        assert(stats.sessions <= 32 && stats.unconfirmed <= 24, JSON.stringify(stats));
        assert(a.machine.arena.used < 4e6, `${a.machine.arena.used} bytes are used`);
      }),
      { seed: 11, numRuns: 300 },
    );
  });
}

Deno.test("Endpoint: random bytes are counted, open no session and use no memory", () => {
  const a = new Runner(new Endpoint(OPTIONS, true));
  const random = new Random("bytes");
  a.machine.input(new Uint8Array(1500), 0, "10.0.0.1:1");
  const before = a.machine.arena.used;
  for (let i = 0; i < 20_000; i++) {
    a.machine.input(random.fill(new Uint8Array(i % 1500)), i, `10.0.0.${i % 200}:${i}`);
  }
  const { invalid, unknown, packetsIn, sessions } = a.machine.stats;
  assertEquals([packetsIn, invalid + unknown, sessions], [20_001, 20_001, 0]);
  assertEquals(a.machine.arena.used, before);
});

Deno.test("Endpoint: a hostile peer can fill one receive window of a session, not more", () => {
  const a = new Runner(new Endpoint({ ...OPTIONS, rcvWnd: 64 }, true));
  a.machine.input(encode({ conv: 1, data: pattern(1) }), 0, "10.0.0.1:1");
  a.sent(0);
  a.machine.input(encode({ conv: 1, cmd: WINS }), 0, "10.0.0.1:1");
  for (let round = 0; round < 3; round++) {
    for (let sn = 1000; sn >= 0; sn--) {
      a.machine.input(encode({ conv: 1, sn, data: pattern(1300) }), round, "10.0.0.1:1");
    }
  }
  const session = a.machine.accept()!;
  const { bytesHeld, rcvQueue, rcvBuffer, pendingAcks } = session.kcp.stats;
  assert(rcvQueue + rcvBuffer <= 64, `${rcvQueue} and ${rcvBuffer} segments are held`);
  assert(bytesHeld <= 64 * 1300, `${bytesHeld} bytes are held`);
  assert(pendingAcks <= 512, `${pendingAcks} acknowledgments wait`);
  assert(a.machine.arena.used < 65_536 + 2048 + 4 * 64 * 1300, `${a.machine.arena.used} bytes`);
});
