import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { createCipher } from "../../../crypt/mod.ts";
import { fast, turbo } from "../../../mod.ts";
import {
  Endpoint,
  type EndpointOptions,
  type FecOptions,
  Session,
  type SessionOptions,
  type SessionStats,
} from "../../../transport/mod.ts";
import { Random } from "../../../transport/link/random.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { ACK, CONV, encode, pattern, PUSH, range, RESET, WASK, WINS } from "../../kcp/harness.ts";
import { drain, ownAnswers, readAll, readExactly, writeAll } from "../harness.ts";
import {
  countingEntropy,
  dataPacket,
  handAes,
  handChaCha,
  type HandCipher,
  oobPacket,
  Outlet,
  parityOf,
  parityPacket,
  type RawPacket,
  readWire,
  shard,
  type WirePacket,
} from "./wire.ts";

const QUICK: SessionOptions = { nodelay: 1, interval: 10, resend: 2, nc: true };
const FEC: FecOptions = { dataShards: 3, parityShards: 2 };
const PEER = "10.0.0.2:7";
const OPEN = encode({ cmd: WINS, wnd: 2000 });

function session(options: SessionOptions = {}, batch = {}): Outlet<Session> {
  return new Outlet(new Session(CONV, PEER, 0, { ...QUICK, ...options }), batch);
}

function listener(options: EndpointOptions = {}): Outlet<Endpoint> {
  return new Outlet(new Endpoint({ ...QUICK, ...options }, true));
}

/** Sends two whole groups without data, seqid 0 to 9, which show the ratio {@linkcode FEC}. */
function teach({ machine }: Outlet<Session>): void {
  for (const first of [0, 5]) {
    // Equal packets would agree with their parity under every ratio.
    const packets = [0, 1, 2].map((ts) => encode({ cmd: WINS, wnd: 500, ts }));
    packets.forEach((packet, i) => machine.input(dataPacket(first + i, packet), 0));
    parityOf(packets.map((packet) => shard(packet)), 2).forEach((bytes, i) =>
      machine.input(parityPacket(first + 3 + i, bytes), 0)
    );
  }
}

/** Checks that packets are whole groups, data then parity, numbered from `first` on. */
function checkGroups(packets: readonly WirePacket[], fec: FecOptions, first = 0): void {
  const { dataShards, parityShards } = fec;
  const total = dataShards + parityShards;
  packets.forEach(({ seqid, type }, i) => {
    assertEquals(seqid, first + i, `packet ${i} has a wrong seqid`);
    assertEquals(type, seqid % total < dataShards ? "data" : "parity", `packet ${i}`);
  });
  for (let at = 0; at + total <= packets.length; at += total) {
    const bodies = packets.slice(at, at + total).map(({ body }) => body);
    const parity = parityOf(bodies.slice(0, dataShards), parityShards);
    assertEquals(bodies.slice(dataShards), parity, `the parity of the group at ${at}`);
  }
}

Deno.test("on the wire: groups are numbered, and parity follows the data of each group", () => {
  fc.assert(
    fc.property(
      // One data shard: see the last test of this file.
      fc.integer({ min: 2, max: 6 }),
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 40 }),
      fc.constantFrom<(() => HandCipher) | null>(null, handAes, handChaCha),
      (dataShards, parityShards, sizes, make) => {
        const fec = { dataShards, parityShards };
        const hand = make?.();
        const crypt = hand && createCipher(hand.name, hand.key);
        const a = session({ fec, crypt, entropy: countingEntropy(), mtu: 600, burst: Infinity });
        const sent: WirePacket[] = [];
        sizes.forEach((size, now) => {
          a.machine.send(pattern(size, now));
          if (now % 3 === 0) sent.push(...a.read(now, hand));
        });
        sent.push(...a.read(sizes.length, hand));
        checkGroups(sent, fec);
        const data = sent.filter(({ type }) => type === "data").length;
        const parity = Math.floor(data / dataShards) * parityShards;
        assertEquals(sent.length, data + parity, "a complete group lacks parity");
        const { dataOut, parityOut } = a.machine.stats.fec;
        assertEquals([dataOut, parityOut], [data, parity]);
      },
    ),
    { seed: 3, numRuns: 60 },
  );
});

Deno.test("on the wire: acknowledgments, probes and the end are data shards too", () => {
  const a = session({ fec: FEC, keepAlive: 200 });
  a.machine.input(encode({ sn: 0, data: pattern(5) }), 0);
  const sent = [...a.read(20), ...a.read(300)];
  a.machine.endWrite();
  sent.push(...a.read(310));
  checkGroups(sent.slice(0, 5), FEC);
  const cmds = sent.slice(0, 3).map(({ segments }) => segments.map(({ cmd }) => cmd));
  // The peer has not answered yet, so an acknowledgment leads the data.
  assertEquals(cmds, [[ACK], [WASK], [ACK, PUSH]]);
});

Deno.test("on the wire: a gap of 500 ms skips the parity of a group, but not its numbers", () => {
  for (const [gap, parity] of [[499, 2], [500, 0]]) {
    const a = session({ fec: FEC });
    const sent: WirePacket[] = [];
    const times = [0, 1, 1 + gap, 2 + gap];
    times.forEach((now, sn) => {
      a.machine.send(pattern(10));
      sent.push(...a.read(now));
      a.machine.input(encode({ cmd: ACK, sn, una: sn + 1, ts: now }), now);
    });
    const seqids = sent.map(({ seqid }) => seqid);
    assertEquals(seqids, parity ? [0, 1, 2, 3, 4, 5] : [0, 1, 2, 5], `gap ${gap}`);
    assertEquals(a.machine.stats.fec.parityOut, parity);
  }
});

Deno.test("decoder: a lost packet is recovered from parity, and read", () => {
  for (const lost of [0, 1, 2]) {
    for (const reverse of [false, true]) {
      const a = session({ fec: FEC });
      teach(a);
      const packets = [0, 1, 2].map((sn) => encode({ sn, data: pattern(10 + 7 * sn, 100 * sn) }));
      const parity = parityOf(packets.map((packet) => shard(packet)), 2);
      const wire = [
        ...packets.map((packet, i) => dataPacket(10 + i, packet)),
        ...parity.map((bytes, i) => parityPacket(13 + i, bytes)),
      ];
      const arriving = wire.filter((_, i) => i !== lost && i !== 3);
      if (reverse) arriving.reverse();
      for (const packet of arriving) assert(a.machine.input(packet, 1));
      const all = [...pattern(10), ...pattern(17, 100), ...pattern(24, 200)];
      assertEquals([...drain(a.machine)], all, `shard ${lost} was lost`);
      const { recovered, failures, dataIn, parityIn } = a.machine.stats.fec;
      assertEquals([recovered, failures, dataIn, parityIn], [1, 0, 8, 5]);
      assertEquals(a.machine.stats.duplicates, 0);
    }
  }
});

Deno.test("decoder: a session without error correction learns the ratio, and then recovers", () => {
  const a = session();
  let sn = 0;
  for (let group = 0; group < 8; group++) {
    const packets = [0, 1, 2].map(() => encode({ sn, data: pattern(9, 9 * sn++) }));
    const [parity] = parityOf(packets.map((packet) => shard(packet)), 1);
    packets.forEach((packet, i) => {
      if (group < 7 || i !== 1) a.machine.input(dataPacket(4 * group + i, packet), group);
    });
    a.machine.input(parityPacket(4 * group + 3, parity), group);
  }
  assertEquals(drain(a.machine), pattern(9 * sn));
  const { recovered, peerRatio } = a.machine.stats.fec;
  assertEquals([recovered, peerRatio], [1, { dataShards: 3, parityShards: 1 }]);
});

Deno.test("decoder: it learns another ratio of the peer, and recovers no wrong packet", () => {
  for (
    const [own, peer] of [
      [{ dataShards: 5, parityShards: 5 }, { dataShards: 4, parityShards: 1 }],
      [{ dataShards: 3, parityShards: 2 }, { dataShards: 2, parityShards: 1 }],
      [{ dataShards: 3, parityShards: 2 }, { dataShards: 10, parityShards: 3 }],
    ]
  ) {
    const a = session({ fec: own });
    const total = peer.dataShards + peer.parityShards;
    let sn = 0;
    for (let group = 0; group < 12; group++) {
      const packets = range(0, peer.dataShards).map(() =>
        encode({ sn, data: pattern(9, 9 * sn++) })
      );
      const parity = parityOf(packets.map((packet) => shard(packet)), peer.parityShards);
      packets.forEach((packet, i) => a.machine.input(dataPacket(group * total + i, packet), group));
      parity.forEach((bytes, i) => {
        a.machine.input(parityPacket(group * total + peer.dataShards + i, bytes), group);
      });
    }
    assertEquals(drain(a.machine), pattern(9 * sn));
    const { peerRatio, recovered, failures } = a.machine.stats.fec;
    const wrong = Object.values(a.machine.stats.inputErrors).reduce((sum, count) => sum + count);
    assertEquals(peerRatio, peer);
    const name = `${JSON.stringify(own)} here, ${JSON.stringify(peer)} there`;
    assertEquals({ recovered, failures, wrong }, { recovered: 0, failures: 0, wrong: 0 }, name);
  }
});

for (
  const [own, peer] of [
    [[5, 5], [4, 1]],
    [[5, 5], [4, 2]],
    [[5, 5], [3, 1]],
    [[3, 2], [2, 1]],
    [[10, 3], [5, 5]],
    [[5, 5], [10, 3]],
  ] as const
) {
  Deno.test(`decoder: ratio ${own.join("/")}, peer ${peer.join("/")}: the stream is intact`, () => {
    const [dataShards, parityShards] = peer;
    const total = dataShards + parityShards;
    const altered: number[] = [];
    const invented: number[] = [];
    for (let seed = 0; seed < 60; seed++) {
      const random = new Random(seed);
      const a = session({ fec: { dataShards: own[0], parityShards: own[1] }, rcvWnd: 1000 });
      const again: Uint8Array[] = [];
      let sn = 0;
      for (let group = 0; group < 15; group++) {
        // The packets of a long stream have one size.
        const packets = range(0, dataShards).map(() =>
          encode({ sn, ts: group, data: pattern(50, 50 * sn++) })
        );
        const parity = parityOf(packets.map((packet) => shard(packet)), parityShards);
        packets.forEach((packet, i) => {
          if (random.chance(0.1)) again.push(packet);
          else a.machine.input(dataPacket(group * total + i, packet), group);
        });
        parity.forEach((bytes, i) => {
          if (random.chance(0.1)) return;
          a.machine.input(parityPacket(group * total + dataShards + i, bytes), group);
        });
      }
      if (a.machine.stats.fec.recovered > again.length) invented.push(seed);
      for (const packet of again) a.machine.input(packet, 30);
      const heard = drain(a.machine);
      if (heard.join() !== pattern(50 * sn).join()) altered.push(seed);
    }
    assertEquals({ altered, invented }, { altered: [], invented: [] }, "seeds");
  });
}

Deno.test("decoder: a recovered packet changes neither the round-trip time nor the window", () => {
  const deliver = (recovered: boolean) => {
    const a = session({ fec: FEC });
    teach(a);
    a.machine.write(pattern(50));
    a.packets(0);
    const packets = [
      encode({ sn: 0, wnd: 500, data: pattern(1) }),
      encode({ cmd: ACK, sn: 0, ts: 0, una: 1, wnd: 7 }, {
        sn: 1,
        wnd: 7,
        una: 1,
        data: pattern(3),
      }),
      encode({ sn: 2, wnd: 500, data: pattern(1) }),
    ];
    const [parity] = parityOf(packets.map((packet) => shard(packet)), 1);
    a.machine.input(dataPacket(10, packets[0]), 40);
    a.machine.input(dataPacket(12, packets[2]), 41);
    if (recovered) a.machine.input(parityPacket(13, parity), 90);
    else a.machine.input(dataPacket(11, packets[1]), 90);
    const { acknowledged, srtt, rttvar, minRtt, rto, rmtWnd, inFlight } = a.machine.stats;
    assertEquals([acknowledged, inFlight, drain(a.machine).length], [1, 0, 5]);
    return { srtt, rttvar, minRtt, rto, rmtWnd };
  };
  const untouched = session({ fec: FEC }).machine.stats;
  const { srtt, rttvar, minRtt, rto } = untouched;
  assertEquals(deliver(true), { srtt, rttvar, minRtt, rto, rmtWnd: 500 });
  const known = deliver(false);
  assertEquals(
    [known.srtt, known.rmtWnd],
    [90, 7],
    "a received packet changes neither, so the test proves nothing",
  );
});

/** Recovers `packet`, the lost second shard of a group. */
function restore(packet: Uint8Array): ReturnType<typeof session> {
  const a = session({ fec: FEC });
  teach(a);
  const packets = [encode({ sn: 0, data: pattern(1) }), packet, encode({ sn: 2 })];
  const [parity] = parityOf(packets.map((packet) => shard(packet)), 1);
  a.machine.input(dataPacket(10, packets[0]), 1);
  a.machine.input(dataPacket(12, packets[2]), 1);
  a.machine.input(parityPacket(13, parity), 1);
  assertEquals(drain(a.machine), pattern(1));
  assertEquals(a.machine.state, "open");
  return a;
}

Deno.test("decoder: a recovered packet that is not a KCP packet is a failure", () => {
  const whole = encode({ sn: 1, data: pattern(9) });
  for (
    const packet of [
      pattern(40),
      encode({ conv: CONV + 1, sn: 1, data: pattern(9) }),
      whole.subarray(0, 32),
      Uint8Array.of(...whole, 0),
      whole.with(4, 88),
    ]
  ) {
    const { stats } = restore(packet).machine;
    assertEquals([stats.fec.recovered, stats.fec.failures], [0, 1]);
    assertEquals(Object.values(stats.inputErrors).reduce((sum, count) => sum + count), 0);
  }
});

Deno.test("decoder: a recovered packet that acknowledges unsent data is dropped", () => {
  const { stats } = restore(encode({ cmd: ACK, sn: 900, una: 0 })).machine;
  assertEquals([stats.fec.recovered, stats.fec.failures], [1, 0]);
  assertEquals(stats.inputErrors.ack, 1);
});

Deno.test("decoder: if one recovered packet of a group is wrong, none is delivered", () => {
  const a = session({ fec: FEC });
  teach(a);
  const packets = [0, 1, 2].map((sn) => encode({ sn, data: pattern(20, sn) }));
  const parity = parityOf(packets.map((packet) => shard(packet)), 2);
  a.machine.input(dataPacket(10, packets[0]), 1);
  a.machine.input(parityPacket(13, parity[0]), 1);
  // The second parity shard belongs to another group.
  const other = parityOf(
    [7, 8, 9].map((sn) => shard(encode({ sn, conv: 77, data: pattern(20) }))),
    2,
  );
  a.machine.input(parityPacket(14, other[1]), 1);
  const { fec } = a.machine.stats;
  assertEquals([fec.recovered, fec.failures], [0, 1]);
  assertEquals(drain(a.machine), pattern(20));
});

Deno.test("decoder: random shards never throw, and deliver no data", () => {
  const packet = fc.record({
    seqid: fc.oneof(fc.nat(30), fc.nat(0xffffffff)),
    type: fc.constantFrom(0xf1, 0xf2, 0xf2, 0xf3),
    body: fc.uint8Array({ minLength: 0, maxLength: 80 }),
    honest: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 60 }), fc.boolean(), (packets, correction) => {
      const a = session(correction ? { fec: FEC } : {});
      packets.forEach(({ seqid, type, body, honest }, now) => {
        const bytes = dataPacket(seqid, body, honest ? undefined : body.length);
        bytes[4] = type;
        a.machine.input(bytes, now);
        a.packets(now);
      });
      assertEquals(drain(a.machine).length, 0);
      assertEquals(a.machine.stats.payloadIn, 0);
    }),
    { seed: 11, numRuns: 300 },
  );
});

/** Sends `size` bytes both ways over a bad link, and returns the counters of both ends. */
async function talk(
  size: number,
  loss: number,
  client: SessionOptions,
  server: EndpointOptions,
  latency = 20,
): Promise<{ client: SessionStats; server: SessionStats }> {
  const network = new SimulatedNetwork({ seed: 7, link: { latency, loss } });
  const address = { hostname: "10.0.0.1", port: 80 };
  const patient = { ...turbo, linger: 60_000, deadLinkTime: 120_000 };
  const accepting = network.listen({ ...address, ...patient, ...server });
  return await network.run(async () => {
    const near = network.connect({ ...address, ...patient, ...client });
    const ends = async (conn: typeof near, from: number) => {
      await writeAll(conn, pattern(size, from));
      await conn.closeWrite();
    };
    const up = ends(near, 0);
    const far = await accepting.accept();
    const [atFar, atNear] = await Promise.all([
      readAll(far),
      readAll(near),
      up,
      ends(far, 5),
    ]);
    assertEquals(atFar, pattern(size));
    assertEquals(atNear, pattern(size, 5));
    return { client: near.stats, server: far.stats };
  });
}

for (
  const [name, near, far] of [
    ["at the client alone", FEC, undefined],
    ["at the server alone", undefined, FEC],
    ["at both ends, of different ratios", { dataShards: 10, parityShards: 3 }, {
      dataShards: 2,
      parityShards: 2,
    }],
    ["automatic at one end and fixed at the other", "auto", { dataShards: 4, parityShards: 1 }],
  ] as const
) {
  Deno.test(`error correction ${name}: both streams arrive, with recovered packets`, async () => {
    const ends = await talk(2_000_000, 0.05, { fec: near }, { fec: far }, 50);
    for (
      const [sender, receiver, fec] of [
        [ends.client.fec, ends.server.fec, near],
        [ends.server.fec, ends.client.fec, far],
      ] as const
    ) {
      if (fec === undefined) {
        assertEquals([sender.dataOut, sender.parityOut], [0, 0]);
        assertEquals([receiver.dataIn, receiver.parityIn, receiver.recovered], [0, 0, 0]);
        assertEquals(receiver.peerRatio, null);
      } else {
        assert(receiver.recovered > 0, "no packet was recovered");
        assertEquals(receiver.failures, 0);
        if (fec !== "auto") assertEquals(receiver.peerRatio, fec);
        assert(receiver.recoveredInTime <= receiver.recovered, "more in time than at all");
      }
    }
    for (const { inputErrors } of [ends.client, ends.server]) {
      for (const [name, count] of Object.entries(inputErrors)) assertEquals(count, 0, name);
    }
  });
}

for (const loss of [0, 0.05, 0.2]) {
  Deno.test(`fec "auto" at ${100 * loss} % loss: the parity fits the loss`, async () => {
    // The whole transfer would fit larger windows.
    const options = { fec: "auto", sndWnd: 128, rcvWnd: 256 } as const;
    const { client, server } = await talk(2_000_000, loss, options, options, 50);
    const { dataOut, parityOut, parityBytesOut, pathLoss } = client.fec;
    const share = parityOut / dataOut;
    if (loss === 0) {
      assertEquals([parityOut, parityBytesOut, server.fec.recovered, pathLoss], [0, 0, 0, 0]);
    } else {
      assert(server.fec.recoveredInTime > 0, "no packet was recovered in time");
      assert(share > loss / 2, `a share of ${share} parity at ${loss} loss`);
      assert(share <= 1, `a share of ${share} parity`);
      assert(parityBytesOut > parityOut * 100, `${parityBytesOut} bytes of parity`);
      assert(Math.abs(pathLoss - loss) < loss, `a loss of ${pathLoss}`);
    }
    assertEquals(server.fec.failures, 0);
  });
}

for (const extensions of [true, false]) {
  const name = extensions ? "" : " without extensions";
  Deno.test(`fec "auto"${name}: the traffic changes, the ratio follows, and no byte is wrong`, async () => {
    for (let seed = 1; seed <= 4; seed++) {
      const link = {
        latency: 50,
        loss: 0.1,
        duplicate: 0.02,
        reorder: { probability: 0.05, delay: 8 },
      };
      const network = new SimulatedNetwork({ seed, link });
      const settings = { ...turbo, extensions, fec: "auto", linger: 60_000 } as const;
      const address = { hostname: "10.0.0.1", port: 80 };
      const listener = network.listen({ ...address, ...settings });
      const gaps = [20, 3, 100, 16, 2, 50];
      const messages = gaps.flatMap((gap) => Array<number>(Math.ceil(30_000 / gap)).fill(gap));
      await network.run(async () => {
        const client = network.connect({ ...address, ...settings });
        const ratios = new Set<string>();
        const sending = (async () => {
          for (const [i, gap] of messages.entries()) {
            await client.sendMessage(pattern(40 + i % 300, i));
            await network.delay(gap);
            const { groupSize } = client.stats.fec;
            if (groupSize > 0) ratios.add(`${groupSize}`);
          }
        })();
        const server = await listener.accept();
        for (const i of messages.keys()) {
          assertEquals(await server.receiveMessage(), pattern(40 + i % 300, i), `message ${i}`);
        }
        await sending;
        const { recovered, failures } = server.stats.fec;
        const { inputErrors } = server.stats;
        assert(ratios.size > (extensions ? 2 : 0), `groups of ${[...ratios]}`);
        assert(recovered > messages.length / 50, `${recovered} of ${messages.length} recovered`);
        assertEquals(failures, 0);
        assertEquals(Object.values(inputErrors).reduce((sum, n) => sum + n), 0);
      });
    }
  });
}

Deno.test("fec auto: a group that is not full is closed in time", async () => {
  const network = new SimulatedNetwork({ seed: 5, link: { latency: 50, loss: 0.1 } });
  const address = { hostname: "10.0.0.1", port: 80 };
  const listener = network.listen({ ...address, ...turbo, fec: "auto" });
  await network.run(async () => {
    const client = network.connect({ ...address, ...turbo, fec: "auto" });
    const bursts = 400;
    const sending = (async () => {
      for (let i = 0; i < bursts; i++) {
        // Now and then a group stays open, until two seconds later.
        for (let k = 0; k < 5 + i % 3; k++) await client.sendMessage(pattern(100, i));
        await network.delay(i < 100 ? 100 : 2000);
      }
    })();
    const server = await listener.accept();
    for (let i = 0; i < bursts; i++) {
      for (let k = 0; k < 5 + i % 3; k++) await server.receiveMessage();
    }
    await sending;
    const { fillersOut, fillerBytesOut, parityOut } = client.stats.fec;
    assert(fillersOut > 50 && parityOut > 100, `${fillersOut} fillers, ${parityOut} parity`);
    assertEquals(fillerBytesOut, fillersOut * 32);
  });
});

// --- batches ---

/** The packets of a session with much data, taken in batches of a given size. */
function chatter(batch: { packets?: number; bytes?: number }): RawPacket[] {
  const a = session({ fec: { dataShards: 3, parityShards: 4 }, mtu: 500, burst: Infinity }, batch);
  a.machine.input(OPEN, 0);
  const sent: RawPacket[] = [];
  for (let now = 0; now < 50; now += 10) {
    a.machine.write(pattern(7000, now));
    for (let i = 0; i < 5; i++) a.machine.sendDatagram(pattern(100, i));
    a.machine.input(encode({ sn: now / 10, data: pattern(4) }), now);
    sent.push(...a.packets(now));
  }
  return sent;
}

for (
  const batch of [{ packets: 1 }, { packets: 2 }, { packets: 5 }, { bytes: 500 }, { bytes: 900 }]
) {
  Deno.test(`batches of ${JSON.stringify(batch)}: the same packets leave in a valid order`, () => {
    const usual = chatter({}).map(({ packet }) => readWire(packet));
    const small = chatter(batch).map(({ packet }) => readWire(packet));
    const shards = (packets: WirePacket[]) => packets.filter(({ type }) => type !== "oob");
    checkGroups(shards(small), { dataShards: 3, parityShards: 4 });
    const asides = (packets: WirePacket[]) =>
      packets.filter(({ type }) => type === "oob").map(({ payload }) => payload);
    assertEquals(asides(small), asides(usual));
    const data = (packets: WirePacket[]) =>
      packets.flatMap(({ segments }) => segments).map(({ cmd, sn, data }) => [cmd, sn, ...data]);
    assertEquals(data(small), data(usual));
  });
}

Deno.test("deadline: it is now while parity or a datagram of a session waits", () => {
  const a = session({ fec: { dataShards: 2, parityShards: 3 }, mtu: 200 }, { packets: 1 });
  a.machine.write(pattern(300));
  a.machine.sendDatagram(pattern(3));
  a.machine.sendDatagram(pattern(4));
  a.machine.tick(5);
  const types: string[] = [];
  for (let turn = 0; turn < 7; turn++) {
    assert(a.machine.deadline <= 5, `after ${types}: the deadline is ${a.machine.deadline}`);
    a.batch.clear();
    assertEquals(a.machine.output(a.batch), 1);
    types.push(readWire(a.batch.packet(0)).type);
  }
  assertEquals(types, ["oob", "oob", "data", "data", "parity", "parity", "parity"]);
  assert(a.machine.deadline > 5, "the deadline is past, but nothing waits");
});

Deno.test("deadline: it is now while parity of an endpoint waits", () => {
  const a = new Outlet(new Endpoint({ ...QUICK, fec: FEC, mtu: 300 }), { packets: 4 });
  for (let conv = 1; conv <= 3; conv++) {
    a.machine.open(`10.0.0.${conv}:80`, conv, 0).write(pattern(4000));
  }
  const sent: RawPacket[] = [];
  a.machine.tick(0);
  for (a.batch.clear(); a.machine.deadline <= 0; a.batch.clear()) {
    a.machine.output(a.batch);
    for (let i = 0; i < a.batch.count; i++) {
      sent.push({ to: a.batch.to[i], packet: a.batch.packet(i).slice() });
    }
    assert(sent.length < 1000, "the endpoint stays due");
  }
  for (let conv = 1; conv <= 3; conv++) {
    const own = sent.filter(({ to }) => to === `10.0.0.${conv}:80`);
    const packets = own.map(({ packet }) => readWire(packet));
    checkGroups(packets, FEC);
    const data = packets.flatMap(({ segments }) => segments);
    assert(data.every((segment) => segment.conv === conv), "a packet went to another peer");
    assertEquals(data.flatMap(({ data }) => [...data]), [...pattern(4000)]);
  }
});

// --- several sessions on one address ---

Deno.test("sessions that share an address: each gets its own parity", () => {
  const count = 4;
  const a = new Outlet(new Endpoint({ ...QUICK, fec: FEC, mtu: 300, burst: Infinity }));
  const b = listener({ fec: FEC, mtu: 300 });
  const near = range(1, count + 1).map((conv) => a.machine.open("10.0.0.1:80", conv, 0));
  const far = new Map<number, Session>();
  const heard = new Map<number, number[]>();
  const dropped = new Map<number, number>();
  for (let now = 0; now < 3000; now += 10) {
    // Each session sends at its own interval.
    near.forEach((session, i) => {
      if (now / 10 % (i + 1) === 0 && now < 2000) session.write(pattern(100 + 250 * i, now));
    });
    for (const { packet } of a.packets(now)) {
      const { type, seqid, segments } = readWire(packet);
      // The second packet of every other group is lost.
      if (type === "data" && seqid % 10 === 1) {
        const { conv } = segments[0];
        dropped.set(conv, (dropped.get(conv) ?? 0) + 1);
      } else {
        b.machine.input(packet, now, PEER);
      }
    }
    for (let session; (session = b.machine.accept());) far.set(session.conv, session);
    for (const { packet } of b.packets(now)) a.machine.input(packet, now, "10.0.0.1:80");
    for (const [conv, session] of far) {
      if (!heard.has(conv)) heard.set(conv, []);
      heard.get(conv)!.push(...drain(session));
    }
  }
  near.forEach((session, i) => {
    const server = far.get(session.conv)!;
    const said: number[] = [];
    for (let now = 0; now < 2000; now += 10) {
      if (now / 10 % (i + 1) === 0) said.push(...pattern(100 + 250 * i, now));
    }
    assertEquals(heard.get(session.conv), said, `the stream of conversation ${session.conv}`);
    const { recovered, failures } = server.stats.fec;
    const errors = Object.values(server.stats.inputErrors).reduce((sum, n) => sum + n);
    assertEquals([failures, errors], [0, 0], `conversation ${session.conv} got parity of another`);
    const lost = dropped.get(session.conv)!;
    assert(
      recovered >= 0.8 * lost,
      `conversation ${session.conv}: of ${lost} lost packets ${recovered} were recovered`,
    );
  });
});

// --- admission ---

Deno.test("admission: a data shard that begins a conversation opens a session", () => {
  const b = listener();
  assert(b.machine.input(dataPacket(0, encode({ sn: 0, data: pattern(5) })), 1, PEER));
  const session = b.machine.accept()!;
  assertEquals([session.conv, session.peer, session.stats.fec.dataIn], [CONV, PEER, 1]);
  assertEquals(drain(session), pattern(5));
});

Deno.test("admission: a data shard of a later packet, or parity, opens no session", () => {
  const b = listener();
  const packets = [
    dataPacket(0, encode({ cmd: ACK, sn: 0 })),
    dataPacket(0, encode({ sn: 5000, data: pattern(5) })),
    dataPacket(0, encode({ sn: 0, una: 7, data: pattern(5) })),
    dataPacket(0, encode({ cmd: WINS })),
    parityPacket(3, shard(encode({ sn: 0, data: pattern(5) }))),
    parityPacket(3, pattern(2)),
  ];
  for (const packet of packets) assertEquals(b.machine.input(packet, 1, PEER), false);
  assertEquals([b.machine.size, b.machine.stats.accepted], [0, 0]);
  assertEquals(b.machine.stats.unknown, packets.length);
  // A peer of this library learns that it has no session. Nobody else understands the answer.
  const answers = b.packets(10).map(({ packet }) => readWire(packet).segments);
  assertEquals(
    answers.map((segments) => segments.map(({ cmd, sn, data }) => [cmd, sn, data.length])),
    [[[RESET, 5000, 0]], [[RESET, 0, 0]]],
  );
});

for (
  const [name, bad] of [
    ["data shard", (size: number) => dataPacket(0, encode({ sn: 0, data: pattern(9) }), 35 + size)],
    ["datagram", (size: number) => oobPacket(CONV, pattern(9), 15 + size)],
  ] as const
) {
  Deno.test(`admission: a ${name} with a wrong size field is invalid and opens no session`, () => {
    for (const more of [-15, -1, 1, 2, 1000]) {
      const b = listener();
      assertEquals(b.machine.input(bad(more), 1, PEER), false);
      assertEquals(b.machine.stats.invalid, 1);
      assertEquals([b.machine.size, b.machine.stats.accepted], [0, 0], "it opened a session");
    }
    const b = listener();
    assertEquals(b.machine.input(bad(0), 1, PEER), name === "data shard");
    assertEquals(b.machine.stats.invalid, 0, "the right size was refused");
  });
}

Deno.test("admission: shards too short for a KCP header are invalid", () => {
  const b = listener();
  for (let length = 0; length < 24; length++) {
    assertEquals(b.machine.input(dataPacket(0, new Uint8Array(length)), 1, PEER), false);
  }
  assertEquals([b.machine.stats.invalid, b.machine.size], [24, 0]);
});

Deno.test("admission: a shard of an invalid size moves no session", () => {
  const b = listener({ migrate: true });
  b.machine.input(encode({ sn: 0, data: pattern(5) }), 0, PEER);
  const session = b.machine.accept()!;
  const next = encode({ sn: 1, data: pattern(5) });
  assertEquals(b.machine.input(dataPacket(0, next, 3), 1, "10.0.0.9:9"), false);
  assertEquals([session.peer, b.machine.stats.migrated], [PEER, 0]);
  assert(b.machine.input(dataPacket(0, next), 1, "10.0.0.9:9"));
  assertEquals([session.peer, b.machine.stats.migrated], ["10.0.0.9:9", 1]);
});

Deno.test("an unconfirmed address gets three times the bytes that it sent, with parity, and more from an AEAD", () => {
  for (
    const fec of [
      undefined,
      { dataShards: 1, parityShards: 3 },
      { dataShards: 2, parityShards: 10 },
      { dataShards: 10, parityShards: 3 },
    ]
  ) {
    for (const hand of [null, handAes(), handChaCha()]) {
      const crypt = hand ? createCipher(hand.name, hand.key) : undefined;
      const b = listener({ fec, crypt, entropy: countingEntropy() });
      let received = 0;
      let sent = 0;
      let count = 0;
      const seal = (packet: Uint8Array) => {
        return hand ? hand.seal(packet, new Uint8Array(hand.nonceSize).fill(++count)) : packet;
      };
      for (let sn = 0; sn < 20; sn++) {
        const packet = seal(encode({ sn, data: pattern(400) }));
        received += packet.length;
        b.machine.input(packet, sn, PEER);
        b.machine.accept()?.write(pattern(100_000));
        for (const { packet } of b.packets(sn)) sent += packet.length;
      }
      // The last packet may exceed the limit. Probes and acknowledgments are small and few.
      const most = 3 * received + 1400 + 500;
      const name = `${JSON.stringify(fec)} ${hand?.name}`;
      assert(sent > received, `${name}: only ${sent} bytes were sent`);
      // Who has the key of an AEAD is no forger: the peer gets its whole first window at once.
      if (hand?.authenticates) assert(sent > most, `${name}: ${sent} bytes for ${received}`);
      else assert(sent <= most, `${name}: ${sent} bytes for ${received}`);
    }
  }
});

for (const kind of ["shards", "datagrams"]) {
  Deno.test(`the listener keeps little of an unconfirmed address, ${kind} included`, () => {
    const b = listener({ fec: FEC });
    b.machine.input(encode({ sn: 0, data: pattern(5) }), 0, PEER);
    const session = b.machine.accept()!;
    const before = b.machine.arena.used;
    const big = pattern(10_000);
    for (let i = 0; i < 200; i++) {
      // All carry the same data, in groups that stay incomplete.
      const packet = kind === "shards"
        ? dataPacket(5 * i, encode({ sn: 1, data: big }))
        : oobPacket(CONV, big);
      b.machine.input(packet, 1, PEER);
    }
    assert(session.unconfirmed);
    let held = b.machine.arena.used - before;
    for (let one; (one = session.receiveDatagram());) held += one.length;
    // The limit applies to the stream and to this kind. The rest is scratch memory.
    assert(held <= 2 * 65_536 + 16_384, `${held} bytes are held for an unconfirmed peer`);
  });
}

// --- memory ---

Deno.test("memory: a session frees its shards when it is idle, and when it ends", () => {
  const b = listener({ fec: FEC, idleTimeout: 20_000 });
  b.machine.input(encode({ sn: 0, data: pattern(5) }), 0, PEER);
  const session = b.machine.accept()!;
  session.onChange = () => {};
  drain(session);
  const answers = ownAnswers(b.read(0).flatMap(({ segments }) => segments));
  b.machine.input(encode(...answers), 0, PEER);
  assert(!session.unconfirmed);
  for (let now = 0; now < 5000; now += 100) b.packets(now);
  const before = b.machine.arena.used;
  const lend = (now: number, sn: number, group: number) => {
    b.machine.input(dataPacket(5 * group, encode({ sn, data: pattern(300) })), now, PEER);
    b.machine.input(parityPacket(5 * group + 4, pattern(330)), now, PEER);
    drain(session);
  };
  lend(5000, 1, 0);
  assert(b.machine.arena.used > before, "the session keeps no shard");
  for (let now = 5000; now < 10_000; now += 100) b.packets(now);
  assertEquals(b.machine.arena.used, before, "an idle session keeps shards");
  lend(10_000, 2, 1);
  session.close();
  for (let now = 10_000; now < 50_000; now += 100) {
    b.packets(now);
    if (now === 20_000) {
      b.machine.input(parityPacket(9, pattern(330)), now, PEER);
      b.machine.input(dataPacket(6, encode({ sn: 3, data: pattern(300) })), now, PEER);
    }
  }
  assertEquals(b.machine.size, 0);
  assert(b.machine.arena.used <= before, `${b.machine.arena.used - before} bytes more than before`);
});

// --- settings ---

for (
  const [fec, kind] of [
    [{ dataShards: 0, parityShards: 3 }, RangeError],
    [{ dataShards: 3, parityShards: 0 }, RangeError],
    [{ dataShards: 200, parityShards: 57 }, RangeError],
    [{ dataShards: 1.5, parityShards: 1 }, RangeError],
    [{ dataShards: "3", parityShards: 1 }, TypeError],
    [{ dataShards: 3 }, TypeError],
    [{ dataShards: 3, parityShards: 1, adaptive: 1 }, TypeError],
    ["full", TypeError],
    [null, TypeError],
    [true, TypeError],
  ] as const
) {
  Deno.test(`fec: ${JSON.stringify(fec)} is refused by session and endpoint`, () => {
    const options = { fec } as unknown as SessionOptions;
    assertThrows(() => new Session(CONV, PEER, 0, options), kind);
    assertThrows(() => new Endpoint(options, true), kind);
  });
}

Deno.test("pacing and bursts include parity", () => {
  const fec = { dataShards: 2, parityShards: 2 };
  const a = session({ ...fast, fec, burst: 8, pacingRate: 100_000, sndWnd: 2000, sndQueue: 5000 });
  a.machine.input(OPEN, 0);
  a.machine.write(pattern(1_000_000));
  assertEquals([a.machine.options.burst, a.machine.options.pacingRate], [8, 100_000]);
  const first = a.packets(0);
  // A group that has begun is completed.
  assert(first.length <= 8 + 4, `${first.length} packets left at once`);
  let bytes = 0;
  let una = 0;
  const note = ({ segments }: WirePacket) => {
    for (const { sn } of segments) una = Math.max(una, sn + 1);
  };
  first.forEach(({ packet }) => note(readWire(packet)));
  for (let now = 1; now <= 1000; now++) {
    a.machine.input(encode({ cmd: WINS, wnd: 2000, una }), now);
    let count = 0;
    for (const { packet } of a.packets(now)) {
      bytes += packet.length;
      count++;
      note(readWire(packet));
    }
    assert(count <= 8 + 4, `${count} packets left at once`);
  }
  assert(bytes > 80_000 && bytes < 115_000, `${bytes} bytes left within a second`);
});

Deno.test("on the wire: with one data shard in a group, each packet has parity", () => {
  const fec = { dataShards: 1, parityShards: 2 };
  const a = session({ fec });
  const sent: WirePacket[] = [];
  for (let now = 0; now < 100; now += 10) {
    a.machine.send(pattern(10, now));
    sent.push(...a.read(now));
  }
  const own = sent.slice(sent.findIndex(({ seqid }) => seqid === 3));
  checkGroups(own, fec, 3);
  assertEquals(own.length, 27);
});

for (const extensions of [true, false]) {
  const whom = extensions ? "this library" : "another implementation";
  Deno.test(
    `a fixed ratio: to a peer of ${whom}, acknowledgments ${
      extensions ? "leave outside the groups" : "are shards like data"
    }`,
    async () => {
      const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
      const fec = { dataShards: 4, parityShards: 2 };
      const listener = network.listen({ hostname: "10.0.0.1", port: 80, ...turbo, fec });
      await network.run(async () => {
        const options = { ...turbo, fec, extensions };
        const client = network.connect({ hostname: "10.0.0.1", port: 80, ...options });
        const writing = writeAll(client, new Uint8Array(200_000));
        const server = await listener.accept();
        await readExactly(server, 200_000);
        await writing;
        await client.drained();
        const { fec: { dataOut, parityOut }, packetsOut } = server.stats;
        assert(packetsOut >= 10, `${packetsOut} packets`);
        if (extensions) {
          assert(dataOut <= 3 && parityOut === 0, `${dataOut} and ${parityOut} shards`);
        } else assertEquals(dataOut, packetsOut);
        assert(client.stats.acknowledged >= 140);
      });
    },
  );
}

Deno.test("fec auto: a group is closed though a batch holds one packet of the largest MTU only", async () => {
  const link = { latency: 30, loss: 0.15 };
  const network = new SimulatedNetwork({ seed: 3, link });
  const options = { ...turbo, mtu: 65_000, fec: "auto" as const };
  const listener = network.listen({ hostname: "10.0.0.1", port: 80, ...options });
  await network.run(async () => {
    const client = network.connect({ hostname: "10.0.0.1", port: 80, ...options });
    const sending = (async () => {
      for (let n = 0; n < 1_500; n++) {
        await client.sendMessage(new Uint8Array(91));
        await network.delay(n % 50 === 0 ? 200 : 7);
      }
    })();
    const server = await listener.accept();
    for (let n = 0; n < 1_500; n++) assertEquals((await server.receiveMessage())!.length, 91);
    await sending;
    const { fillersOut, parityOut } = client.stats.fec;
    assert(fillersOut > 0 && parityOut > 0, `${fillersOut} fillers, ${parityOut} parity shards`);
  });
});
