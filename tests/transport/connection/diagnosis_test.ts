import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createCipher } from "../../../crypt/mod.ts";
import {
  ConnectionError,
  type DatagramSocket,
  Endpoint,
  Session,
  type SessionOptions,
} from "../../../transport/mod.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { ACK, CONV, encode, pattern, WINS } from "../../kcp/harness.ts";
import { PacketBatch } from "../../../kcp/mod.ts";
import {
  countingEntropy,
  handAes,
  handChaCha,
  type HandCipher,
  handGcm,
  oobPacket,
  Sealer,
} from "../session/wire.ts";

const SERVER = { hostname: "10.0.0.1", port: 80 } as const;
const QUICK: SessionOptions = { nodelay: 1, interval: 10, resend: 2, nc: true };

/** Settings with a cipher, or without one. */
function keyed(hand: HandCipher | null): SessionOptions {
  return hand ? { ...QUICK, crypt: createCipher(hand.name, hand.key) } : QUICK;
}

const SILENCE = "nothing came from there";

for (
  const [name, here, there, hint, forged] of [
    ["another key", handChaCha(), handChaCha(1), "another key or cipher", true],
    ["another key without authentication", handAes(), handAes(1), "another key or cipher", true],
    ["another cipher", handGcm(), handAes(), "another key or cipher", true],
    ["a cipher only at the client", handChaCha(), null, "another key or cipher", false],
    ["a cipher only at the server", null, handChaCha(), "the peer expects encrypted packets", true],
  ] as const
) {
  Deno.test(`${name}: the client's errors say that nothing came, and name a reason`, async () => {
    const network = new SimulatedNetwork({ seed: 1, link: { latency: 10 } });
    const listener = network.listen({ ...SERVER, ...keyed(there) });
    await network.run(async () => {
      const conn = network.connect({ ...SERVER, ...keyed(here) });
      await conn.write(pattern(100));
      const late = await assertRejects(
        () => conn.read(new Uint8Array(9), { timeout: 100 }),
        ConnectionError,
      );
      const lateAside = await assertRejects(
        () => conn.receiveDatagram({ timeout: 100 }),
        ConnectionError,
      );
      const over = await assertRejects(() => conn.read(new Uint8Array(9)), ConnectionError);
      assertEquals([late.kind, lateAside.kind, over.kind], ["timeout", "timeout", "unreachable"]);
      for (const { message } of [late, lateAside, over]) {
        assertStringIncludes(message, SILENCE);
        assertStringIncludes(message, hint);
      }
      const { closed } = conn;
      assertStringIncludes((await assertRejects(() => closed, ConnectionError)).message, hint);
    });
    const { stats } = listener;
    assert(stats.packetsIn > 0);
    assertEquals([stats.accepted, stats.sessions], [0, 0]);
    const bad = forged ? stats.forged : stats.invalid + stats.unknown;
    assertEquals(bad, stats.packetsIn, `the listener counted ${JSON.stringify(stats)}`);
  });

  Deno.test(`${name}: the idle timeout's error names the reason, too`, async () => {
    const network = new SimulatedNetwork({ seed: 1 });
    network.listen({ ...SERVER, ...keyed(there) });
    await network.run(async () => {
      const conn = network.connect({ ...SERVER, ...keyed(here), idleTimeout: 200 });
      await conn.write(pattern(100));
      const error = await assertRejects(() => conn.read(new Uint8Array(9)), ConnectionError);
      assertEquals(error.kind, "idle");
      assertStringIncludes(error.message, hint);
    });
  });
}

/** A peer that answers every packet with those that `answer` gives. */
function answering(network: SimulatedNetwork, answer: () => Uint8Array[]): DatagramSocket {
  const socket = network.socket(SERVER.hostname, SERVER.port);
  const batch = new PacketBatch();
  socket.open({
    arena: batch.arena,
    packets: () => {},
    settled: () => {},
    packet: (_, from) => {
      batch.clear();
      batch.destination = from;
      for (const packet of answer()) {
        const at = batch.place(packet.length);
        batch.arena.bytes.set(packet, at);
        batch.append(at + packet.length);
      }
      socket.send(batch);
    },
    failed: () => {},
  });
  return socket;
}

for (
  const [name, here, packet, hint] of [
    [
      "a peer with another key answers",
      handChaCha(),
      new Sealer(handChaCha(1)).seal(encode({ cmd: WINS })),
      "none passed the check of the cipher",
    ],
    [
      "a peer without a cipher answers",
      handAes(),
      encode({ cmd: WINS }),
      "none passed the check of the cipher",
    ],
    [
      "a peer with a cipher answers one without",
      null,
      new Sealer(handAes()).seal(encode({ cmd: WINS })),
      "does the peer encrypt?",
    ],
    [
      "a peer answers for another conversation",
      null,
      encode({ conv: CONV + 1, cmd: WINS }),
      "none was a KCP packet of this conversation",
    ],
    [
      "a peer acknowledges what was never sent",
      null,
      encode({ cmd: ACK, sn: 50, una: 60 }),
      "none was a KCP packet of this conversation",
    ],
    [
      "a peer sends datagrams of another conversation",
      null,
      oobPacket(CONV + 1, pattern(3)),
      "none was a KCP packet of this conversation",
    ],
  ] as const
) {
  Deno.test(`${name}: the errors count the packets and name the problem`, async () => {
    const network = new SimulatedNetwork({ seed: 1, link: { latency: 5 } });
    let answers = 0;
    answering(network, () => {
      answers++;
      return [packet];
    });
    await network.run(async () => {
      const conn = network.connect({ ...SERVER, conv: CONV, ...keyed(here) });
      await conn.write(pattern(10));
      const first = await assertRejects(
        () => conn.read(new Uint8Array(9), { timeout: 12 }),
        ConnectionError,
      );
      assertStringIncludes(first.message, "; 1 packet came from there");
      assertStringIncludes(first.message, hint);
      const last = await assertRejects(() => conn.read(new Uint8Array(9)), ConnectionError);
      assertEquals(last.kind, "unreachable");
      assertStringIncludes(last.message, `; ${answers} packets came from there`);
      assertStringIncludes(last.message, hint);
    });
  });
}

for (
  const [what, valid] of [["packet", encode({ cmd: WINS })], [
    "datagram",
    oobPacket(CONV, pattern(3)),
  ]] as const
) {
  Deno.test(`once a valid ${what} has come, the errors have no diagnosis`, async () => {
    for (const hand of [null, handChaCha(), handAes()]) {
      const sealer = hand && new Sealer(hand);
      const network = new SimulatedNetwork({ seed: 1, link: { latency: 5 } });
      let count = 0;
      answering(network, () => {
        const noise = pattern(60, count++);
        return count === 1 ? [noise, sealer ? sealer.seal(valid) : valid, noise] : [noise];
      });
      await network.run(async () => {
        const conn = network.connect({ ...SERVER, conv: CONV, ...keyed(hand) });
        await conn.write(pattern(10));
        const late = await assertRejects(
          () => conn.read(new Uint8Array(9), { timeout: 20 }),
          ConnectionError,
        );
        assertEquals(late.message, "The read was not possible within 20 ms");
        const { closed } = conn;
        const over = await assertRejects(() => closed, ConnectionError);
        assertEquals(over.message.includes(";"), false, over.message);
      });
      assert(count > 2, "the peer stopped to send noise");
    }
  });
}

Deno.test("the diagnosis counts only packets from the peer's address", () => {
  const a = new Endpoint({ ...keyed(handChaCha()), entropy: countingEntropy() });
  const session = a.open("10.0.0.1:80", CONV, 0);
  a.input(pattern(50), 1, "10.0.0.9:9");
  assertStringIncludes(session.diagnosis, "nothing was sent to the peer yet");
  a.input(pattern(50), 1, "10.0.0.1:80");
  assertStringIncludes(session.diagnosis, "; 1 packet came from there");
  assertEquals(a.stats.forged, 2);
});

Deno.test("a session counts packets that fail the check, until a valid packet comes", () => {
  const hand = handAes();
  const session = new Session(CONV, "10.0.0.1:80", 0, {
    ...keyed(hand),
    entropy: countingEntropy(),
  });
  session.input(pattern(50), 1);
  session.input(pattern(50), 1);
  assertStringIncludes(session.diagnosis, "; 2 packets came from there");
  session.input(new Sealer(hand).seal(encode({ cmd: WINS })), 2);
  assertEquals(session.diagnosis, "");
  session.input(pattern(50), 3);
  assertEquals(session.diagnosis, "");
});
