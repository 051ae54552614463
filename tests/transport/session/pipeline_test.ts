import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { CIPHER_NAMES, type CipherName, createCipher } from "../../../crypt/mod.ts";
import { type Connection, fast, normal, turbo } from "../../../mod.ts";
import {
  ConnectionError,
  Endpoint,
  type EndpointOptions,
  type FecOptions,
  Session,
  type SessionOptions,
} from "../../../transport/mod.ts";
import type { LinkOptions } from "../../../transport/link/mod.ts";
import { Random } from "../../../transport/link/random.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { CONV, encode, pattern, PUSH, WASK, WINS } from "../../kcp/harness.ts";
import { drain, foreignAnswers, readAll, writeAll } from "../harness.ts";
import {
  countingEntropy,
  handAes,
  handChaCha,
  KEY_SIZES,
  keyOf,
  Outlet,
  readWire,
  Sealer,
} from "./wire.ts";

const QUICK: SessionOptions = { nodelay: 1, interval: 10, resend: 2, nc: true };
const SERVER = { hostname: "10.0.0.1", port: 80 } as const;
const PEER = "10.0.0.2:7";
const RATIOS: readonly (FecOptions | "auto" | undefined)[] = [
  undefined,
  "auto",
  { dataShards: 10, parityShards: 3 },
  { dataShards: 1, parityShards: 3 },
  { dataShards: 3, parityShards: 2, adaptive: true },
];

/** A cipher with a fixed key. */
function cipherOf(name: CipherName) {
  return createCipher(name, keyOf(KEY_SIZES[name]));
}

/** Bytes that a cipher and error correction add to a packet. */
function overheadOf(name: CipherName | undefined, fec: unknown): number {
  const crypt = name === undefined ? 0 : /gcm|poly/.test(name) ? 28 : 20;
  return crypt + (fec === undefined ? 0 : 8);
}

const combinations = ([undefined, ...CIPHER_NAMES] as (CipherName | undefined)[]).flatMap((name) =>
  RATIOS.map((fec) => ({
    name,
    fec,
    overhead: overheadOf(name, fec),
    options: {
      ...QUICK,
      fec,
      crypt: name && cipherOf(name),
      entropy: countingEntropy(),
    } as SessionOptions,
  }))
);

Deno.test("MTU: with every cipher and ratio, a full packet has the size of the MTU", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...combinations),
      fc.oneof(fc.integer({ min: 90, max: 300 }), fc.integer({ min: 300, max: 1500 })),
      fc.array(fc.nat(4000), { minLength: 1, maxLength: 6 }),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 }),
      ({ name, options, overhead }, mtu, writes, asides) => {
        const a = new Outlet(new Session(CONV, PEER, 0, { ...options, mtu, burst: Infinity }));
        // Another session encrypts the packets of the peer.
        const b = new Outlet(new Session(CONV, PEER, 0, { ...options, mtu }));
        const lengths: number[] = [];
        const { maxDatagramSize } = a.machine;
        assertEquals(maxDatagramSize, mtu - overheadOf(name, undefined) - 12);
        let longest = 0;
        for (let now = 0; now < 100; now += 10) {
          const size = writes[now / 10] ?? 0;
          const written = a.machine.write(pattern(size));
          longest = Math.max(longest, Math.min(written, mtu - overhead - 24));
          const aside = asides[now / 10];
          if (aside !== undefined) {
            assert(a.machine.sendDatagram(pattern(Math.round(aside * maxDatagramSize))));
          }
          for (const { packet } of a.packets(now)) {
            lengths.push(packet.length);
            b.machine.input(packet, now);
          }
          drain(b.machine);
          for (const { packet } of b.packets(now)) {
            assert(packet.length <= mtu, `an answer of ${packet.length} bytes`);
            a.machine.input(packet, now);
          }
        }
        const most = Math.max(...lengths);
        assert(most <= mtu, `a packet of ${most} bytes`);
        if (longest === mtu - overhead - 24) assertEquals(most, mtu, "no packet is full");
      },
    ),
    { seed: 1, numRuns: 400 },
  );
});

Deno.test("MTU: the setting includes encryption and parity, and has a minimum", () => {
  for (const { name, fec, overhead, options } of combinations) {
    const least = 50 + overhead;
    const title = `${name} with ${JSON.stringify(fec)}`;
    const make = (mtu?: number) => new Session(CONV, PEER, 0, { ...options, mtu });
    assertEquals(make().options.mtu, 1400, title);
    assertEquals(make(least).options.mtu, least, title);
    for (const refused of [least - 1, 0, 65_508, 100.5, NaN, Infinity]) {
      const error = assertThrows(() => make(refused), RangeError, String(refused), title);
      assert(error.message.includes(`${least} to 65507`), `${title}: ${error.message}`);
      assertThrows(() => new Endpoint({ ...options, mtu: refused }), RangeError, "mtu");
    }
    assertThrows(() => make("9" as unknown as number), TypeError, "mtu");

    const session = make(1000);
    session.configure({ mtu: least });
    assertEquals([session.options.mtu, session.kcp.options.mtu], [least, 50], title);
    assertThrows(() => session.configure({ mtu: least - 1, sndWnd: 5 }), RangeError, `${least}`);
    assertEquals(
      [session.options.mtu, session.options.sndWnd],
      [least, 2048],
      "a refused change was applied in part",
    );
    session.configure({ sndWnd: 7, mtu: undefined });
    assertEquals([session.options.mtu, session.options.sndWnd], [least, 7], title);
    session.configure({ mtu: 65_507 });
    assertEquals(session.options.mtu, 65_507);
  }
});

Deno.test("MTU: a connection reports the MTU of the wire, also after a change", async () => {
  const crypt = cipherOf("aes-128-gcm");
  const fec = { dataShards: 2, parityShards: 1 };
  const network = new SimulatedNetwork({ seed: 1, trace: true, link: { latency: 5 } });
  const listener = network.listen({ ...SERVER, ...turbo, crypt, fec, mtu: 900 });
  await network.run(async () => {
    const near = network.connect({ ...SERVER, ...turbo, crypt, fec, mtu: 700 });
    assertEquals(near.options.mtu, 700);
    await writeAll(near, pattern(20_000));
    const far = await listener.accept();
    assertEquals(far.options.mtu, 900);
    await near.drained();
    near.configure({ mtu: 1111 });
    assertEquals([near.options.mtu, near.maxDatagramSize], [1111, 1111 - 28 - 12]);
    const before = network.trace.length;
    await writeAll(near, pattern(20_000));
    await near.drained();
    const longest = (from: number, to?: number) =>
      network.trace.slice(from, to).reduce((most, { packet }) => Math.max(most, packet.length), 0);
    assertEquals([longest(0, before), longest(before)], [700, 1111]);
  });
});

Deno.test("memory: sessions with encryption and error correction free all memory", () => {
  for (const name of ["chacha20-poly1305", "aes-128"] as const) {
    const options: EndpointOptions = {
      ...turbo,
      crypt: cipherOf(name),
      fec: { dataShards: 4, parityShards: 2 },
      timeWait: 1000,
    };
    const network = new SimulatedNetwork({
      seed: 4,
      link: { latency: 15, loss: 0.1, reorder: 0.1 },
    });
    const a = new Endpoint({ ...options, entropy: countingEntropy() });
    const b = new Endpoint({ ...options, entropy: countingEntropy(1 << 30) }, true);
    const near = network.attach("10.0.0.2:5", a);
    const far = network.attach("10.0.0.1:80", b);
    const used: string[] = [];
    for (let round = 0; round < 4; round++) {
      const clients = [1, 2, 3].map((conv) =>
        a.open("10.0.0.1:80", 10 * round + conv, network.now)
      );
      for (const client of clients) {
        client.write(pattern(30_000));
        client.sendDatagram(pattern(200));
      }
      near.flush();
      const servers: Session[] = [];
      for (let turn = 0; turn < 200; turn++) {
        network.elapse(10);
        for (let one; (one = b.accept());) servers.push(one);
        for (const server of servers) {
          drain(server);
          if (turn === 5) server.write(pattern(20_000));
          if (turn === 10) server.sendDatagram(pattern(100));
        }
        // One session closes, one is aborted, and one closes later.
        if (turn === 30) {
          clients[0].close();
          clients[1].abort(new ConnectionError("closed", "enough"));
        }
        if (turn === 100) clients[2].close();
        if (turn === 100) { for (const server of servers) server.close(); }
        near.flush();
        far.flush();
      }
      assertEquals(servers.length, 3);
      for (let turn = 0; turn < 100; turn++) network.elapse(1000);
      assertEquals([a.size, b.size], [0, 0], "a session is left");
      for (const client of clients) drain(client);
      used.push(`${a.arena.used} ${b.arena.used}`);
    }
    assertEquals(new Set(used).size, 1, `${name}: bytes in use after each round: ${used}`);
    // The scratch memory of the endpoint, and the batch of 64 KiB.
    assert(a.arena.used <= 65_536 + 4096, `${a.arena.used} bytes are in use`);
    assert(b.arena.used <= 65_536 + 4096, `${b.arena.used} bytes are in use`);
  }
});

for (const loss of [0, 0.2]) {
  Deno.test(`close: at ${100 * loss} % loss the data arrives, and both ends close`, async () => {
    for (const name of CIPHER_NAMES) {
      const options = {
        ...turbo,
        crypt: cipherOf(name),
        fec: { dataShards: 3, parityShards: 1 },
        linger: 60_000,
      };
      const network = new SimulatedNetwork({ seed: name, link: { latency: 20, loss } });
      const listener = network.listen({ ...SERVER, ...options });
      await network.run(async () => {
        const near = network.connect({ ...SERVER, ...options });
        await writeAll(near, pattern(15_000));
        near.close();
        const far = await listener.accept();
        assertEquals(await readAll(far), pattern(15_000), name);
        far.close();
        await Promise.all([near.closed, far.closed]);
        listener.close();
        await listener.closed;
      });
      assertEquals(listener.stats.sessions, 0, name);
    }
  });
}

Deno.test("linger: a close to a peer with another key fails after `linger`", async () => {
  const network = new SimulatedNetwork({ seed: 1, link: { latency: 10 } });
  const fec = { dataShards: 3, parityShards: 1 };
  network.listen({ ...SERVER, ...turbo, fec, crypt: createCipher("aes-128", keyOf(16, 1)) });
  await network.run(async () => {
    const near = network.connect({
      ...SERVER,
      ...turbo,
      fec,
      crypt: cipherOf("aes-128"),
      linger: 700,
    });
    await writeAll(near, pattern(1000));
    near.close();
    const error = await near.closed.then(() => null, (error) => error);
    assertEquals([error?.kind, network.now], ["closed", 700]);
    assert(error.message.includes("1000 bytes"));
  });
});

Deno.test("migrate: with an authenticated cipher, only valid packets move a session", () => {
  const hand = handChaCha();
  const sealer = new Sealer(hand);
  const b = new Outlet(
    new Endpoint({
      ...QUICK,
      migrate: true,
      crypt: createCipher(hand.name, hand.key),
      entropy: countingEntropy(),
    }, true),
  );
  const packets = [0, 1, 2].map((sn) => sealer.seal(encode({ sn, data: pattern(5, 5 * sn) })));
  b.machine.input(packets[0], 0, PEER);
  b.machine.input(packets[1], 0, PEER);
  const session = b.machine.accept()!;
  const forged = packets[2].slice();
  forged[30] ^= 4;
  for (const packet of [packets[0], packets[1], forged]) {
    assertEquals(b.machine.input(packet, 1, "10.0.0.66:6"), false);
  }
  assertEquals([session.peer, b.machine.stats.migrated, b.machine.size], [PEER, 0, 1]);
  const moved = "10.0.0.3:9";
  b.packets(2);
  assert(b.machine.input(packets[2], 2, moved));
  // The session stays where it is until the new address has answered what was sent there alone.
  assertEquals([session.peer, b.machine.stats.migrated, b.machine.size], [PEER, 0, 1]);
  const questions = b.packets(2).filter(({ to }) => to === moved);
  const segments = questions.flatMap(({ packet }) => readWire(sealer.open(packet)).segments);
  // The kind of the peer is not known yet.
  assertEquals(segments.map(({ cmd }) => cmd), [WASK, PUSH]);
  const echo = sealer.seal(encode(...foreignAnswers(segments)));
  assert(b.machine.input(echo, 3, moved));
  assertEquals([session.peer, b.machine.stats.migrated, b.machine.size], [moved, 1, 1]);
  assertEquals(drain(session), pattern(15));
});

Deno.test("migrate: an encrypted stream with FEC and loss survives address changes", async () => {
  const options = {
    ...turbo,
    crypt: cipherOf("chacha20-poly1305"),
    fec: { dataShards: 3, parityShards: 2 },
  };
  const network = new SimulatedNetwork({
    seed: 3,
    link: { latency: 20, loss: 0.05, bandwidth: 200_000 },
  });
  const listener = network.listen({ ...SERVER, ...options, migrate: true });
  await network.run(async () => {
    const near = network.connect({
      ...SERVER,
      ...options,
      localHostname: "10.0.0.2",
      localPort: 9,
    });
    const written = writeAll(near, pattern(300_000)).then(() => near.closeWrite());
    const far = await listener.accept();
    // From now on the peer acknowledges data, so none of its packets looks like a first packet.
    await far.write(pattern(10));
    const read = readAll(far);
    let old = "10.0.0.2:9";
    for (let i = 3; i < 6; i++) {
      await network.delay(300);
      network.rebind(old, old = `10.0.0.${i}:${i}`);
    }
    assertEquals(await read, pattern(300_000));
    await written;
    // The peer may leave an address before it has answered there.
    assert(listener.stats.migrated >= 1, `it moved ${listener.stats.migrated} times`);
    assert(network.now < 10_000, `the stream took ${network.now} ms`);
    assertEquals(listener.stats.accepted, 1);
    assertEquals(far.remoteAddr.hostname, "10.0.0.5");
  });
});

Deno.test("migrate: an upload moves while packets from the old address are in flight", async () => {
  const options = { ...turbo, crypt: cipherOf("chacha20-poly1305") };
  const network = new SimulatedNetwork({ seed: 3, link: { latency: 20, bandwidth: 200_000 } });
  const listener = network.listen({ ...SERVER, ...options, migrate: true });
  await network.run(async () => {
    const near = network.connect({
      ...SERVER,
      ...options,
      localHostname: "10.0.0.2",
      localPort: 9,
    });
    const written = writeAll(near, pattern(300_000)).then(() => near.closeWrite());
    written.catch(() => {});
    const far = await listener.accept();
    await network.delay(300);
    network.rebind("10.0.0.2:9", "10.0.0.3:3");
    const read = readAll(far);
    read.catch(() => {});
    await network.delay(10_000);
    assertEquals(listener.stats.accepted, 1, "a packet of the peer opened a second session");
    assertEquals(await read, pattern(300_000));
    await written;
  });
});

Deno.test("a batch that is too small for the MTU is refused, and stays unchanged", () => {
  const options = { fec: { dataShards: 3, parityShards: 1 }, mtu: 600 };
  const a = new Outlet(new Session(CONV, PEER, 0, { ...QUICK, ...options }), { bytes: 599 });
  a.machine.write(pattern(10));
  const error = assertThrows(() => a.packets(0), RangeError);
  assertEquals([a.batch.count, a.batch.layer], [0, null], "the batch has changed");
  assertEquals(new Outlet(a.machine, { bytes: 600 }).packets(0).length, 1);
  assertEquals(error.message.match(/\d+/g), ["599", "600"], error.message);
});

/** A random scenario: two ends, a network, and their data. */
function plan(seed: number) {
  const random = new Random(`pipeline ${seed}`);
  const chance = (probability: number) => random.chance(probability);
  const between = (min: number, max: number) => min + random.below(max - min + 1);
  const name = seed % (CIPHER_NAMES.length + 1) === 0
    ? undefined
    : CIPHER_NAMES[seed % (CIPHER_NAMES.length + 1) - 1];
  const ratio = (): SessionOptions["fec"] => {
    if (chance(0.2)) return undefined;
    if (chance(0.2)) return "auto";
    const dataShards = between(1, chance(0.2) ? 40 : 8);
    return { dataShards, parityShards: between(1, 5), adaptive: chance(0.3) };
  };
  const link = (): LinkOptions => ({
    latency: between(0, 60),
    jitter: chance(0.5) ? between(0, 20) : 0,
    loss: chance(0.8) ? 0.2 * random.next() : 0,
    reorder: chance(0.5) ? 0.2 * random.next() : 0,
    duplicate: chance(0.5) ? 0.2 * random.next() : 0,
    // Corruption needs a cipher with a checksum to be noticed.
    corrupt: name !== undefined && chance(0.5) ? 0.05 * random.next() : 0,
    bandwidth: chance(0.3) ? between(50_000, 500_000) : Infinity,
  });
  const side = (): SessionOptions => ({
    ...[normal, fast, turbo][between(0, 2)],
    crypt: name && cipherOf(name),
    fec: ratio(),
    mtu: between(150, 1500),
    sndWnd: between(8, 300),
    rcvWnd: between(32, 300),
    ackNoDelay: chance(0.3),
    writeDelay: chance(0.3),
    linger: 120_000,
  });
  const bytes = () => random.fill(new Uint8Array(between(0, chance(0.3) ? 60_000 : 8_000)));
  return { name, up: link(), down: link(), client: side(), server: side(), bytes, random };
}

/** The result of a run. */
interface Outcome {
  ending: string;
  hash: string;
  /** Packets that were recovered, and datagrams that arrived. */
  recovered: number;
  arrived: number;
}

/**
 * Runs a scenario. The result is "intact", or the kind of the error that ended a connection. Throws
 * on any other result.
 */
async function run(seed: number): Promise<Outcome> {
  const { up, down, client, server, bytes, random } = plan(seed);
  const network = new SimulatedNetwork({ seed });
  network.link("10.0.0.2", "10.0.0.1").configure(up);
  network.link("10.0.0.1", "10.0.0.2").configure(down);
  const listener = network.listen({ ...SERVER, ...server });
  let recovered = 0;
  let arrived = 0;
  const ending = await network.run(async () => {
    const near = network.connect({ ...SERVER, ...client });
    const ends: Connection[] = [near];
    const asides = new Map<Connection, Set<string>>();
    const strange: string[] = [];
    /** Checks every datagram that arrives. */
    const watch = async (conn: Connection, from: () => Connection) => {
      for (;;) {
        const aside = await conn.receiveDatagram().catch(() => null);
        if (!aside) return;
        arrived++;
        if (!asides.get(from())?.has(aside.join())) strange.push(`${aside.length} bytes`);
      }
    };
    watch(near, () => ends[1]);
    const speak = async (conn: Connection, all: Uint8Array, draws: Random) => {
      const said = new Set<string>();
      asides.set(conn, said);
      for (let done = 0; done < all.length;) {
        done += await conn.write(all.subarray(done, done + 1 + draws.below(6000)));
        if (draws.chance(0.3)) {
          const aside = draws.fill(new Uint8Array(draws.below(conn.maxDatagramSize + 1)));
          said.add(aside.join());
          conn.sendDatagram(aside);
        }
        if (draws.chance(0.2)) await network.delay(1 + draws.below(200));
      }
      await conn.closeWrite();
    };
    const said = [bytes(), bytes()];
    try {
      const talk = speak(near, said[0], random.fork("near"));
      const far = await Promise.race([listener.accept(), near.closed.then(() => null)]);
      assert(far, "the connection was over before it was accepted");
      ends.push(far);
      watch(far, () => near);
      const [atNear, atFar] = await Promise.all([
        readAll(near),
        readAll(far),
        talk,
        speak(far, said[1], random.fork("far")),
      ]);
      assert(atFar.length === said[0].length && atFar.every((byte, i) => byte === said[0][i]));
      assert(atNear.length === said[1].length && atNear.every((byte, i) => byte === said[1][i]));
      for (const conn of ends) conn.close();
      await Promise.all(ends.map(({ closed }) => closed));
      for (const conn of ends) recovered += conn.stats.fec.recovered;
      return "intact";
    } catch (error) {
      if (error instanceof ConnectionError) return error.kind;
      throw error;
    } finally {
      assertEquals(strange, [], "datagrams arrived that were not sent");
    }
  });
  return { ending, hash: network.hash, recovered, arrived };
}

Deno.test("property: any cipher, ratio and network: data arrives intact, or an error", async () => {
  const endings: string[] = [];
  let recovered = 0;
  let arrived = 0;
  const failures: string[] = [];
  for (let seed = 0; seed < 60; seed++) {
    try {
      const result = await run(seed);
      endings.push(result.ending);
      recovered += result.recovered;
      arrived += result.arrived;
    } catch (error) {
      failures.push(`seed ${seed}: ${(error as Error).message.slice(0, 300)}`);
    }
  }
  assertEquals(failures, []);
  const intact = endings.filter((ending) => ending === "intact").length;
  assert(intact >= 57, `only ${intact} of 60 runs were intact: ${endings}`);
  assert(recovered > 100, `only ${recovered} packets were recovered`);
  assert(arrived > 100, `only ${arrived} datagrams arrived`);
});

Deno.test("property: the same seed gives the same packets, with encryption and FEC", async () => {
  const hashes = new Set<string>();
  for (const seed of [3, 15, 17]) {
    const { hash } = await run(seed);
    assertEquals((await run(seed)).hash, hash);
    hashes.add(hash);
  }
  assertEquals(hashes.size, 3);
});

Deno.test("a single session and a session of an endpoint send the same packets", () => {
  const hand = handAes();
  const options = (): SessionOptions => ({
    ...QUICK,
    fec: { dataShards: 3, parityShards: 2 },
    crypt: createCipher(hand.name, hand.key),
    entropy: countingEntropy(),
    // An endpoint draws it once more, when it checks its options.
    initialTs: 0,
  });
  const alone = new Outlet(new Session(CONV, PEER, 0, options()));
  // As an endpoint does it.
  alone.machine.kcp.requireEcho(true);
  const within = new Outlet(new Endpoint(options()));
  const session = within.machine.open(PEER, CONV, 0);
  const sealer = new Sealer(hand);
  for (let now = 0; now < 100; now += 10) {
    for (const one of [alone.machine, session]) {
      one.write(pattern(3000, now));
      one.sendDatagram(pattern(9));
    }
    const answer = sealer.seal(encode({ cmd: WINS, wnd: 500, una: now / 10 }));
    alone.machine.input(answer.slice(), now);
    within.machine.input(answer, now, PEER);
    assertEquals(within.packets(now), alone.packets(now));
  }
});
