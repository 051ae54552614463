/**
 * What packets with invented source addresses can do: they draw little, lift no limit, and keep
 * nobody out.
 *
 * @module
 */
import { assert, assertEquals, assertLess } from "@std/assert";
import { turbo } from "../../../mod.ts";
import { type DatagramReceiver, Endpoint, listenOn } from "../../../transport/mod.ts";
import { Random } from "../../../transport/link/random.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { ACK, encode, EXTENDED, OPENING, pattern, PUSH, WASK, WINS } from "../../kcp/harness.ts";
import { ownAnswers, readExactly, Runner } from "../harness.ts";
import { countingEntropy, oobPacket } from "./wire.ts";

const PEER = "10.0.0.9:1000";
const SERVER = { hostname: "10.0.0.1", port: 80 } as const;

// --- proof of address ---

/** What somebody who does not see our packets can send, beside the first packet. */
const BLIND: Record<string, (random: Random) => Uint8Array> = {
  "a window": () => encode({ cmd: WINS, wnd: 60_000 }),
  "a window that acknowledges all": () => encode({ cmd: WINS, wnd: 60_000, una: 2 }),
  "a marked window of an invented time": (random) =>
    encode({ cmd: WINS, frg: EXTENDED, ts: random.uint32(), sn: random.uint32() }),
  "a marked window probe": (random) => encode({ cmd: WASK, frg: EXTENDED, ts: random.uint32() }),
  "a question": (random) => encode({ cmd: WASK, frg: EXTENDED | OPENING, ts: random.uint32() }),
  "an ACK of the first segment": (random) =>
    encode({ cmd: ACK, sn: 0, ts: random.uint32(), una: 1 }),
  "an echo of an invented time": (random) =>
    encode({ cmd: ACK, sn: 0xffffffff, ts: random.uint32() }),
};

for (const [name, make] of Object.entries(BLIND)) {
  Deno.test(`proof: ${name} lifts no limit; 124 invented bytes draw at most three times as many`, () => {
    const a = new Runner(new Endpoint({ ...turbo, entropy: countingEntropy(0x9e3779b9) }, true));
    const random = new Random(name);
    const first = encode({ data: pattern(76) });
    a.machine.input(first, 0, PEER);
    const session = a.machine.accept()!;
    session.write(pattern(1_280_000));
    const blind = make(random);
    let came = first.length;
    let data = 0;
    let others = 0;
    for (let now = 0; now < 60_000; now += 10) {
      if (now === 20) {
        a.machine.input(blind, now, PEER);
        came += blind.length;
      }
      for (const { segments } of a.sent(now)) {
        for (const { cmd, data: { length } } of segments) {
          if (cmd === PUSH && length > 0) data += 24 + length;
          else others += 24;
        }
      }
    }
    assertEquals([came, session.error?.kind], [124, "unconfirmed"]);
    assert(data <= 3 * came, `${data} bytes of data`);
    // The probes and acknowledgments of 30 s come in addition.
    assert(others <= 24 * 40, `${others} bytes without data`);
  });

  Deno.test(`proof: ten thousand times ${name} confirms no address`, () => {
    const a = new Runner(new Endpoint({ ...turbo, entropy: countingEntropy(0x9e3779b9) }, true));
    a.machine.input(encode({ data: pattern(76) }), 0, PEER);
    const session = a.machine.accept()!;
    session.write(pattern(1));
    a.sent(0);
    const random = new Random(name);
    for (let n = 0; n < 10_000; n++) a.machine.input(make(random), 10, PEER);
    a.sent(10);
    assertEquals([session.unconfirmed, session.kcp.answered], [true, false]);
  });
}

Deno.test("proof: the echo of a probe, of a request, or of a segment confirms an address", () => {
  for (const kind of ["probe", "request", "segment"] as const) {
    const a = new Runner(new Endpoint({ ...turbo, entropy: countingEntropy(0x9e3779b9) }, true));
    a.machine.input(encode({ data: pattern(76) }), 0, PEER);
    const session = a.machine.accept()!;
    session.write(pattern(5));
    const sent = a.segments(0);
    let echo = ownAnswers(sent)[0];
    if (kind === "segment") {
      const { sn, ts } = sent.find(({ cmd, data }) => cmd === PUSH && data.length > 0)!;
      echo = { cmd: ACK, sn, ts, una: 1 };
    } else if (kind === "request") {
      a.machine.input(encode({ cmd: WINS }), 10, PEER);
      const later = a.idle(10, 2000).flatMap(({ segments }) => segments);
      const { sn, ts } = later.findLast(({ cmd, sn }) => cmd === PUSH && sn === 0xffffffff)!;
      echo = { cmd: ACK, sn, ts };
    }
    assert(session.unconfirmed, kind);
    assert(a.machine.input(encode(echo), 2000, PEER));
    a.sent(2000);
    assertEquals([session.unconfirmed, a.machine.stats.unconfirmed], [false, 0], kind);
  }
});

// --- floods ---

/** A first packet of an invented conversation, of any kind. */
function opening(random: Random): Uint8Array {
  const conv = random.uint32();
  const ts = random.uint32();
  switch (random.below(5)) {
    case 0:
      return encode({ conv, cmd: WASK, frg: EXTENDED | OPENING, ts });
    case 1:
      return encode({ conv, ts, sn: 1 + random.below(100), data: pattern(1 + random.below(1300)) });
    case 2:
      return oobPacket(conv, pattern(30));
    default:
      return encode({ conv, ts, data: pattern(1 + random.below(1300)) });
  }
}

for (const latency of [25, 150]) {
  Deno.test(`flood: 10,000 invented openings a second keep nobody out (latency ${latency} ms)`, async () => {
    const network = new SimulatedNetwork({ seed: "flood", link: { latency } });
    const random = new Random("flood");
    const socket = network.socket(SERVER.hostname, SERVER.port);
    let receiver!: DatagramReceiver;
    const { open } = socket;
    socket.open = (given) => {
      receiver = given;
      open.call(socket, given);
    };
    const listener = listenOn(socket, network.clock(), {
      ...turbo,
      entropy: (target) => random.fill(target),
    });
    (async () => {
      for await (const conn of listener) conn.readable.pipeTo(conn.writable).catch(() => {});
    })().catch(() => {});
    let flooding = true;
    let held = 0;
    let sessions = 0;
    const flood = () => {
      if (!flooding) return;
      for (let n = 0; n < 100; n++) {
        const host = `10.${1 + random.below(250)}.${random.below(256)}.${random.below(256)}`;
        receiver.packet(opening(random), `${host}:${1 + random.below(65_535)}`);
      }
      receiver.settled?.();
      held = Math.max(held, listener.stats.memoryHeld);
      sessions = Math.max(sessions, listener.stats.sessions);
      network.schedule(network.now + 10, flood);
    };
    network.schedule(0, flood);
    await network.run(async () => {
      // The table of sessions whose address is not confirmed is full after a part of a second.
      for (let n = 0; n < 6; n++) {
        await network.delay(150 + random.below(200));
        const client = network.connect({ ...SERVER, ...turbo });
        const from = network.now;
        if (n % 3 === 2) await client.opened;
        else await client.write(pattern(100));
        if (n % 3 === 2) await client.write(pattern(100));
        assertEquals(await readExactly(client, 100), pattern(100));
        const took = network.now - from;
        // To ask first takes a round trip of its own.
        const most = (n % 3 === 2 ? 6 : 4) * latency + 100;
        assert(took <= most, `client ${n} has its echo after ${took} ms`);
        client.abort();
      }
      flooding = false;
      assert(listener.stats.asked > 1000, `${listener.stats.asked} were asked for a proof`);
      assertLess(sessions, 1024 + 100);
      assert(held <= 16 << 20, `${held} bytes are held`);
      await network.delay(60_000);
      assertEquals(listener.stats.sessions, 0);
      assert(listener.stats.memoryHeld <= 1 << 20, `${listener.stats.memoryHeld} bytes stay`);
      listener.close();
    });
  });
}

Deno.test("flood: one packet each of 1024 invented hosts keeps nobody out", async () => {
  const network = new SimulatedNetwork({ seed: 1, link: { latency: 25 } });
  const socket = network.socket(SERVER.hostname, SERVER.port);
  let receiver!: DatagramReceiver;
  const { open } = socket;
  socket.open = (given) => open.call(socket, receiver = given);
  const random = new Random(1);
  const listener = listenOn(socket, network.clock(), {
    ...turbo,
    backlog: 10_000,
    entropy: (target) => random.fill(target),
  });
  (async () => {
    for await (const conn of listener) conn.readable.pipeTo(conn.writable).catch(() => {});
  })().catch(() => {});
  await network.run(async () => {
    for (let k = 0; k < 1024; k++) {
      receiver.packet(encode({ conv: k, data: pattern(1) }), `10.7.${k >> 8}.${k & 255}:9`);
    }
    receiver.settled?.();
    await network.delay(100);
    const client = network.connect({ ...SERVER, ...turbo });
    const from = network.now;
    await client.write(pattern(1));
    await readExactly(client, 1);
    assert(network.now - from <= 150, `the echo came after ${network.now - from} ms`);
    client.abort();
    listener.close();
  });
});

Deno.test("flood: with a full table, an answer to an invented packet is one of 24 bytes", () => {
  const a = new Runner(
    new Endpoint({ ...turbo, maxUnconfirmed: 0, entropy: countingEntropy() }, true),
  );
  const before = a.machine.arena.used;
  for (let n = 0; n < 1000; n++) {
    a.machine.input(encode({ conv: n, data: pattern(500) }), 0, `10.0.${n >> 8}.${n & 255}:1`);
  }
  const sent = a.sent(0);
  assertEquals([sent.length, a.machine.size, a.machine.stats.asked], [1000, 0, 1000]);
  assert(sent.every(({ packet }) => packet.length === 24));
  assertLess(a.machine.arena.used, before + 65_536 + 2049);
  // The proofs differ, and one that is older than 20 s is worth nothing.
  assertEquals(new Set(sent.map(({ segments: [{ ts }] }) => ts)).size, 1000);
  const [{ to, segments: [{ conv, sn, ts }] }] = sent;
  const proof = encode({ conv, cmd: ACK, sn, ts }, { conv, data: pattern(500) });
  assertEquals(a.machine.input(proof, 20_001, to), false);
  a.machine.input(encode({ conv, data: pattern(500) }), 20_001, to);
  const again = a.segments(20_001).find(({ cmd }) => cmd === PUSH)!;
  const fresh = { conv, cmd: ACK, sn: again.sn, ts: again.ts };
  assert(a.machine.input(encode(fresh, { conv, data: pattern(500) }), 20_100, to));
  assertEquals(a.machine.accept()?.unconfirmed, false);
});
