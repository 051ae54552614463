import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { CIPHER_NAMES, createCipher } from "../../../crypt/mod.ts";
import { Endpoint, Session, type SessionOptions, systemEntropy } from "../../../transport/mod.ts";
import { Random } from "../../../transport/link/random.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { PacketBatch } from "../../../kcp/mod.ts";
import {
  ACK,
  CONV,
  encode,
  EXTENDED,
  OPENING,
  pattern,
  PUSH,
  range,
  WASK,
} from "../../kcp/harness.ts";
import { drain, readExactly, writeAll } from "../harness.ts";
import {
  contains,
  countingEntropy,
  crc32,
  dataPacket,
  handAes,
  handChaCha,
  type HandCipher,
  handGcm,
  handNone,
  KEY_SIZES,
  keyOf,
  oobPacket,
  Outlet,
  parityOf,
  readWire,
  Sealer,
  shard,
} from "./wire.ts";

const QUICK: SessionOptions = { nodelay: 1, interval: 10, resend: 2, nc: true };
const HAND: readonly (() => HandCipher)[] = [handAes, handNone, handGcm, handChaCha];
const AEAD: readonly (() => HandCipher)[] = [handGcm, handChaCha];
const PEER = "10.0.0.2:7";
const STRANGER = "10.0.0.66:6";

/** Settings of a machine with the same cipher and key as an independent one. */
function keyed({ name, key }: HandCipher, options: SessionOptions = {}): SessionOptions {
  return { ...QUICK, crypt: createCipher(name, key), entropy: countingEntropy(), ...options };
}

function session(hand: HandCipher, options: SessionOptions = {}): Outlet<Session> {
  return new Outlet(new Session(CONV, PEER, 0, keyed(hand, options)));
}

function listener(hand: HandCipher, options: SessionOptions = {}): Endpoint {
  return new Endpoint(keyed(hand, options), true);
}

/** The counters of bad packets. */
function counts({ stats }: Endpoint): number[] {
  return [stats.packetsIn, stats.forged, stats.replayed, stats.invalid, stats.accepted];
}

Deno.test("wire.ts: the test tools give published results", () => {
  // The check value of CRC-32 in the catalogue of Greg Cook.
  assertEquals(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
  for (const make of HAND) {
    const hand = make();
    const payload = pattern(77);
    const packet = hand.seal(payload, pattern(hand.nonceSize, 5));
    assertEquals(packet.length, 77 + hand.overhead);
    assertEquals(hand.open(packet), { nonce: pattern(hand.nonceSize, 5), payload });
  }
  // The parity of one data shard is the shard. Two shards are the values at 0 and 1 of a line, and
  // their parity is its values at 2 and 3.
  assertEquals(parityOf([Uint8Array.of(5, 6)], 2), [Uint8Array.of(5, 6), Uint8Array.of(5, 6)]);
  assertEquals(parityOf([Uint8Array.of(1), Uint8Array.of(2)], 2), [
    Uint8Array.of(7),
    Uint8Array.of(4),
  ]);
});

for (const make of HAND) {
  const hand = make();
  const { name } = hand;

  Deno.test(`${name}: it understands the independent cipher, and the reverse`, () => {
    const a = session(hand);
    const sealer = new Sealer(hand);
    a.machine.write(pattern(3000));
    const sent = a.packets(0);
    const segments = sent.flatMap(({ packet }) => readWire(sealer.open(packet)).segments);
    assertEquals(segments.map(({ cmd, sn }) => [cmd, sn]), [[PUSH, 0], [PUSH, 1], [PUSH, 2]]);
    assertEquals(segments.flatMap(({ data }) => [...data]), [...pattern(3000)]);
    assertEquals(sent[0].packet.length, 1400);

    const answer = encode({ cmd: ACK, sn: 2, una: 3 }, { sn: 0, una: 3, data: pattern(50) });
    assert(a.machine.input(sealer.seal(answer), 5));
    assert(a.machine.kcp.drained);
    assertEquals(drain(a.machine), pattern(50));
  });

  Deno.test(`${name}: nonces come from the entropy, and each byte is used once`, () => {
    const a = session(hand, { fec: { dataShards: 3, parityShards: 2 }, sndWnd: 400, burst: 400 });
    a.machine.input(new Sealer(hand).seal(encode({ cmd: 84, wnd: 1000 })), 0);
    let packets = 0;
    const seen = new Set<string>();
    const words: number[] = [];
    for (let now = 0; now < 300; now += 10) {
      a.machine.write(pattern(20_000));
      a.machine.sendDatagram(pattern(10));
      for (const { packet } of a.packets(now)) {
        const { nonce } = hand.open(packet)!;
        const view = new DataView(nonce.buffer);
        for (let at = 0; at < nonce.length; at += 4) words.push(view.getUint32(at));
        seen.add(nonce.join());
        packets++;
      }
    }
    assert(packets > 300, `only ${packets} packets were sent`);
    assertEquals(seen.size, packets, "a nonce was used twice");
    assertEquals(new Set(words).size, words.length, "a random word was used twice");
    // A few bytes at the end of the pool may stay unused.
    assert(
      words.every((word, i) => i === 0 || word > words[i - 1]),
      "the nonces do not come from the entropy",
    );
    assert(Math.max(...words) < words.length + 8192, "much of the entropy stays unused");
  });

  Deno.test(`${name}: without entropy, an error says what to pass`, () => {
    const { entropy: _, ...options } = keyed(hand);
    for (const make of [() => new Session(CONV, PEER, 0, options), () => new Endpoint(options)]) {
      assertThrows(make, TypeError, "entropy: systemEntropy");
    }
    new Endpoint({ ...options, entropy: systemEntropy });
  });

  Deno.test(`${name}: a truncated packet is counted as forged, and has no effect`, () => {
    const packet = new Sealer(hand).seal(encode({ sn: 0, data: pattern(40) }));
    const b = listener(hand);
    for (let length = 1; length < packet.length; length++) {
      assertEquals(b.input(packet.slice(0, length), 1, PEER), false, `${length} bytes passed`);
      assertEquals(counts(b), [length, length, 0, 0, 0], `cut to ${length} bytes`);
    }
    assert(b.input(packet, 2, PEER), "the whole packet was refused");
    assertEquals([b.size, b.stats.accepted], [1, 1]);
  });

  Deno.test(`${name}: a packet with a flipped bit is forged, or the bit is harmless`, () => {
    const segment = encode({ sn: 0, data: pattern(40) });
    const sealer = new Sealer(hand);
    const packet = sealer.seal(segment);
    const b = listener(hand);
    const a = session(hand);
    let bad = 0;
    for (let bit = 0; bit < 8 * packet.length; bit++) {
      const flipped = packet.slice();
      flipped[bit >> 3] ^= 1 << (bit & 7);
      // `none` does not check its nonce.
      const harmless = name === "none" && bit < 8 * 16;
      if (harmless) continue;
      bad++;
      assertEquals(b.input(flipped, 1, PEER), false, `bit ${bit} passed`);
      assertEquals(a.machine.input(flipped.slice(), 1), false, `bit ${bit} passed`);
    }
    assertEquals(counts(b), [bad, bad, 0, 0, 0]);
    assertEquals(drain(a.machine).length, 0);
    assertEquals(a.machine.kcp.stats.packetsIn, 0);
    assert(b.input(packet, 2, PEER), "the unchanged packet was refused");
  });

  Deno.test(`${name}: random bytes of any length are counted as forged, and never throw`, () => {
    const b = listener(hand);
    const random = new Random(5);
    for (let length = 1; length <= 300; length++) {
      b.input(random.fill(new Uint8Array(length)), 1, PEER);
    }
    assertEquals(counts(b), [300, 300, 0, 0, 0]);
  });

  Deno.test(`${name}: a valid packet with one more byte is forged`, () => {
    const b = listener(hand);
    const packet = new Sealer(hand).seal(encode({ sn: 0, data: pattern(40) }));
    const longer = new Uint8Array(packet.length + 1);
    longer.set(packet);
    longer[packet.length] = 0x55;
    assertEquals(b.input(longer, 1, PEER), false);
    assertEquals(b.stats.forged, 1);
  });

  Deno.test(`${name}: an encrypted packet that is not a KCP packet is invalid, not forged`, () => {
    const b = listener(hand);
    const sealer = new Sealer(hand);
    b.input(sealer.seal(new Uint8Array()), 1, PEER);
    b.input(sealer.seal(pattern(23)), 1, PEER);
    b.input(sealer.seal(new Uint8Array(50)), 1, PEER);
    assertEquals(counts(b), [3, 0, 0, 3, 0]);
  });
}

for (const name of CIPHER_NAMES) {
  const readable = name === "none";
  const title = readable
    ? "none: what is sent can be read on the wire"
    : `${name}: the data can't be read on the wire`;
  Deno.test(title, async () => {
    const crypt = createCipher(name, keyOf(KEY_SIZES[name]));
    const network = new SimulatedNetwork({ seed: 3, trace: true, link: { loss: 0.05 } });
    const options = { ...QUICK, crypt, fec: { dataShards: 4, parityShards: 2 } };
    const server = network.listen({ hostname: "10.0.0.1", port: 80, ...options });
    const text = new TextEncoder().encode("the secret of the stream. ");
    const aside = new TextEncoder().encode("an aside, in a datagram");
    const stream = new Uint8Array(text.length * 500).map((_, i) => text[i % text.length]);
    await network.run(async () => {
      const client = network.connect({ hostname: "10.0.0.1", port: 80, conv: CONV, ...options });
      await client.opened;
      for (let i = 0; i < 20; i++) client.sendDatagram(aside);
      await writeAll(client, stream);
      const conn = await server.accept();
      assertEquals(await readExactly(conn, stream.length), stream);
      assertEquals(await conn.receiveDatagram(), aside);
    });
    const conv = Uint8Array.of(0x44, 0x33, 0x22, 0x11);
    const found = (needle: Uint8Array) =>
      network.trace.some(({ packet }) => contains(packet, needle));
    assert(network.trace.length > 30);
    const needles = [text, aside, conv];
    assertEquals(needles.map(found), needles.map(() => readable));
  });
}

for (const make of AEAD) {
  const hand = make();
  const { name } = hand;

  Deno.test(`${name}: a packet that arrives again is counted as replayed, and dropped`, () => {
    const sealer = new Sealer(hand);
    const b = listener(hand);
    const packets = [
      encode({ sn: 0, data: pattern(10) }),
      dataPacket(0, encode({ sn: 1, data: pattern(10, 10) })),
      oobPacket(CONV, pattern(5)),
    ].map((packet) => sealer.seal(packet));
    for (const packet of packets) assert(b.input(packet, 1, PEER));
    for (const packet of packets) assertEquals(b.input(packet, 2, PEER), false);
    assertEquals(counts(b), [6, 0, 3, 0, 1]);
    const conn = b.accept()!;
    assertEquals(conn.stats.duplicates, 0, "the copy reached KCP");
    assertEquals(conn.receiveDatagram(), pattern(5));
    assertEquals(conn.receiveDatagram(), null, "the datagram arrived twice");
    assertEquals(drain(conn), pattern(20));
  });

  Deno.test(`${name}: each packet of a run is checked, and a copy in the run is refused`, () => {
    const sealer = new Sealer(hand);
    const b = listener(hand);
    const whole = range(0, 150).map((sn) => sealer.seal(encode({ sn, data: pattern(50, sn) })));
    const forged = whole[149].slice();
    forged[20] ^= 1;
    const [{ length }] = whole;
    // More packets than one call of openRun takes, and a truncated one at the end.
    const run = [
      ...whole.slice(0, 100),
      whole[3],
      forged,
      whole[99],
      ...whole.slice(100),
      whole[7],
    ];
    const start = b.arena.alloc(run.length * length);
    run.forEach((packet, i) => b.arena.bytes.set(packet, start + i * length));
    const end = start + run.length * length - 5;
    assertEquals(b.inputRun(start, end, length, 1, PEER), 150);
    assertEquals(counts(b), [154, 2, 2, 0, 1]);
    const expected = range(0, 150).flatMap((sn) => [...pattern(50, sn)]);
    assertEquals(drain(b.accept()!), Uint8Array.from(expected));
  });

  Deno.test(`${name}: a first packet replayed from elsewhere opens no session`, () => {
    const sealer = new Sealer(hand);
    const b = listener(hand);
    const question = { conv: 9, cmd: WASK, frg: EXTENDED | OPENING };
    for (const packet of [encode({ sn: 0, data: pattern(9) }), encode(question)]) {
      const sealed = sealer.seal(packet);
      assert(b.input(sealed, 1, PEER));
      const { size } = b;
      assertEquals(b.input(sealed, 2, STRANGER), false);
      assertEquals(b.size, size);
    }
    assertEquals(counts(b), [4, 0, 2, 0, 2]);
  });

  Deno.test(`${name}: a packet replayed after its session ended opens no session`, () => {
    const sealer = new Sealer(hand);
    const b = new Endpoint({ ...keyed(hand), timeWait: 0 }, true);
    const out = new Outlet(b);
    const first = sealer.seal(encode({ sn: 0, data: pattern(9) }));
    b.input(first, 0, PEER);
    for (let now = 0; now <= 30_000; now += 500) out.packets(now);
    assertEquals(b.size, 0, "the session of an address that never answers stays");
    assertEquals(b.input(first, 200_000, PEER), false);
    assertEquals([b.size, b.stats.replayed], [0, 1]);
  });

  Deno.test(`${name}: with a replayWindow of 0, a replayed packet reaches KCP`, () => {
    const sealer = new Sealer(hand);
    const b = listener(hand, { replayWindow: 0 });
    const stream = sealer.seal(encode({ sn: 0, data: pattern(10) }));
    const datagram = sealer.seal(oobPacket(CONV, pattern(5)));
    for (const packet of [stream, stream, datagram, datagram]) assert(b.input(packet, 1, PEER));
    assertEquals(counts(b), [4, 0, 0, 0, 1]);
    const conn = b.accept()!;
    assertEquals(conn.stats.duplicates, 1);
    assertEquals([conn.receiveDatagram(), conn.receiveDatagram()], [pattern(5), pattern(5)]);
  });

  Deno.test(`${name}: a small replayWindow remembers at least its number of packets`, () => {
    const sealer = new Sealer(hand);
    const b = listener(hand, { replayWindow: 8 });
    const packets = Array.from(
      { length: 100 },
      (_, sn) => sealer.seal(encode({ sn, data: pattern(1) })),
    );
    packets.forEach((packet, i) => {
      assert(b.input(packet, 1, PEER));
      for (let k = Math.max(0, i - 7); k <= i; k++) {
        assertEquals(b.input(packets[k], 1, PEER), false, `${i - k} packets back`);
      }
    });
  });

  Deno.test(`${name}: a forged copy that arrives first does not block the real packet`, () => {
    const sealed = new Sealer(hand).seal(encode({ sn: 0, data: pattern(10) }));
    const forged = sealed.slice();
    forged[20] ^= 1;
    const b = listener(hand);
    assertEquals(b.input(forged, 1, PEER), false);
    assert(b.input(sealed, 1, PEER));
    assertEquals(counts(b), [2, 1, 0, 0, 1]);
  });

  Deno.test(`${name}: a session drops its own packets when they are sent back`, () => {
    const a = session(hand);
    a.machine.write(pattern(100));
    const [{ packet }] = a.packets(0);
    a.machine.input(packet, 1);
    assertEquals(drain(a.machine).length, 0, "a session reads its own data");
  });
}

Deno.test("aes-128: a packet that arrives again reaches KCP, which counts it", () => {
  const hand = handAes();
  const sealed = new Sealer(hand).seal(encode({ sn: 0, data: pattern(10) }));
  const b = listener(hand);
  assert(b.input(sealed, 1, PEER));
  assert(b.input(sealed, 1, PEER));
  assertEquals(b.stats.replayed, 0);
  const conn = b.accept()!;
  assertEquals(conn.stats.duplicates, 1);
  assertEquals(drain(conn), pattern(10));
  assert(b.input(sealed, 1, STRANGER));
  assertEquals(b.size, 2, "without authentication, a replayed packet counts as a new one");
});

Deno.test("an empty packet is counted as forged, even as the first packet", () => {
  const b = listener(handChaCha());
  assertEquals(b.input(new Uint8Array(), 1, PEER), false);
  assertEquals(counts(b), [1, 1, 0, 0, 0]);
});

Deno.test("sessions of an endpoint use its cipher, not that of their settings", () => {
  const hand = handChaCha();
  const a = new Endpoint(keyed(hand));
  const out = new Outlet(a);
  const other = createCipher("aes-128", keyOf(16));
  a.open("10.0.0.1:1", 1, 0, { ...QUICK, crypt: other, entropy: countingEntropy() })
    .write(pattern(9));
  assertEquals(out.read(0, hand)[0].segments[0].data, pattern(9));

  const plain = new Endpoint(QUICK);
  plain.open("10.0.0.1:1", 1, 0, { ...QUICK, crypt: other, entropy: countingEntropy() })
    .write(pattern(9));
  assertEquals(new Outlet(plain).read(0)[0].segments[0].data, pattern(9));
});

for (
  const [name, value, kind] of [
    ["replayWindow", -1, RangeError],
    ["replayWindow", 1.5, RangeError],
    ["replayWindow", NaN, RangeError],
    ["replayWindow", 2 ** 24 + 1, RangeError],
    ["replayWindow", "9", TypeError],
    ["crypt", "aes", TypeError],
    ["crypt", {}, TypeError],
    ["crypt", null, TypeError],
  ] as const
) {
  Deno.test(`${name}: ${value} (a ${typeof value}) is refused by session and endpoint`, () => {
    const options = { entropy: countingEntropy(), [name]: value } as unknown as SessionOptions;
    for (const make of [() => new Session(1, PEER, 0, options), () => new Endpoint(options)]) {
      const error = assertThrows(make, kind, name);
      // The value may be a key, which must not get into a log.
      const told = name === "crypt" ? value === null ? "null" : typeof value : String(value);
      assertStringIncludes(error.message, told);
    }
  });
}

Deno.test("a key that was passed as a cipher is not in the error message", () => {
  const key = Uint8Array.from({ length: 32 }, (_, i) => 201 + i);
  const crypt = key as unknown as SessionOptions["crypt"];
  const error = assertThrows(() => new Session(1, PEER, 0, { crypt }), TypeError, "object");
  assert(!error.message.includes("202"), error.message);
});

Deno.test("wire.ts: a lost shard can be computed from the parity", () => {
  const shards = [shard(pattern(20)), shard(pattern(33, 5)), shard(pattern(1, 9))];
  const [first, second] = parityOf(shards, 2);
  assertEquals([first.length, second.length], [35, 35]);
  // The code is linear: the parity of a sum is the sum of the parities.
  const twice = parityOf([shards[1], shards[0], shards[2]], 1)[0];
  const sum = shards.map((one, i) => {
    const other = [shards[1], shards[0], shards[2]][i];
    return Uint8Array.from({ length: 35 }, (_, k) => (one[k] ?? 0) ^ (other[k] ?? 0));
  });
  assertEquals(parityOf(sum, 1)[0], first.map((byte, k) => byte ^ twice[k]));
});

Deno.test("replayWindow counts the packets of both directions", () => {
  const hand = handChaCha();
  const sealer = new Sealer(hand);
  const a = session(hand, { replayWindow: 20 });
  const packets = range(0, 10).map((i) => sealer.seal(oobPacket(CONV, pattern(5, i))));
  for (const packet of packets) assert(a.machine.input(packet.slice(), 0));
  for (let i = 0; i < 10; i++) {
    a.machine.sendDatagram(pattern(9, i));
    packets.push(...a.packets(0).map(({ packet }) => packet));
  }
  assertEquals(packets.length, 20);
  for (const packet of packets) assertEquals(a.machine.input(packet.slice(), 1), false);
  assertEquals(a.machine.stats.datagrams.received, 10);
});

Deno.test("a session drops its own packets even if they are old", () => {
  const hand = handGcm();
  const a = session(hand, { replayWindow: 200 });
  const sent: Uint8Array[] = [];
  for (let i = 0; i < 150; i++) {
    a.machine.sendDatagram(pattern(9, i));
    sent.push(...a.packets(1).map(({ packet }) => packet));
  }
  for (const packet of sent) a.machine.input(packet.slice(), 2);
  assertEquals(a.machine.stats.datagrams.received, 0);
});

for (const fec of [undefined, { dataShards: 2, parityShards: 1 }]) {
  Deno.test(`packets without encryption are not sent, but kept (FEC ${fec !== undefined})`, () => {
    let fails = false;
    const draw = countingEntropy();
    const entropy: typeof draw = (target) => {
      if (fails) throw new Error("no randomness yet");
      draw(target);
    };
    const hand = handChaCha();
    const options = keyed(hand, { fec });
    const sender = new Session(CONV, PEER, 0, { ...options, entropy });
    const receiver = new Session(CONV, PEER, 0, options);
    const batch = new PacketBatch({ arena: sender.arena });
    for (let i = 0; i < 3; i++) sender.write(pattern(1000, i));
    sender.tick(0);
    fails = true;
    assertThrows(() => sender.output(batch), Error, "no randomness yet");
    assertEquals(batch.count, 0, "the batch has packets without encryption");
    fails = false;
    const received: number[] = [];
    for (let now = 0; now < 1000 && received.length < 3000; now += 10) {
      sender.tick(now);
      batch.clear();
      while (sender.output(batch) > 0);
      for (const packet of batch) assert(receiver.input(packet.slice(), now));
      received.push(...drain(receiver));
    }
    assertEquals(received, [...pattern(1000, 0), ...pattern(1000, 1), ...pattern(1000, 2)]);
  });
}
