/**
 * Sums over all connections of a listener and of the process.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { type Connection, processTotals, type SessionStats, snmp, turbo } from "../../../mod.ts";
import { connectVia, listenOn } from "../../../transport/mod.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { encode, pattern } from "../../kcp/harness.ts";
import { FakeClock, FakeSocket, readExactly } from "../harness.ts";

const HERE = { hostname: "10.0.0.1", port: 80 } as const;

/** The counters of some connections, added up by hand. */
function sumOf(conns: Connection[], count: (stats: SessionStats) => number): number {
  return conns.reduce((sum, conn) => sum + count(conn.stats), 0);
}

Deno.test("totals: a listener sums up its connections, and keeps what ended ones have counted", async () => {
  const network = new SimulatedNetwork({ seed: 1, link: { latency: 10, loss: 0.1 } });
  const options = { ...turbo, fec: { dataShards: 4, parityShards: 2 } };
  const listener = network.listen({ ...HERE, ...options });
  await network.run(async () => {
    const clients: Connection[] = [], servers: Connection[] = [];
    for (let i = 0; i < 4; i++) {
      clients.push(network.connect({ ...HERE, ...options }));
      await clients[i].write(pattern(10_000));
      servers.push(await listener.accept());
      await readExactly(servers[i], 10_000);
      await servers[i].write(pattern(20_000));
      servers[i].sendDatagram(pattern(10));
      await readExactly(clients[i], 20_000);
    }
    const other = network.listen({ hostname: "10.0.0.3", port: 80, ...turbo });
    servers.push(connectVia(listener, "10.0.0.3:80", 5, turbo));
    await servers[4].write(pattern(700));
    await readExactly(await other.accept(), 700);
    await network.delay(1000);
    for (const count of [5, 2, 0]) {
      const { totals } = listener;
      assertEquals([totals.accepted, totals.dialled, totals.open], [4, 1, count]);
      const { connections } = totals;
      const named: [number, (stats: SessionStats) => number][] = [
        [connections.bytesOut, (stats) => stats.bytesOut],
        [connections.packetsIn, (stats) => stats.packetsIn],
        [connections.payloadIn, (stats) => stats.payloadIn],
        [connections.lost, (stats) => stats.lost],
        [connections.fec.recovered, (stats) => stats.fec.recovered],
        [connections.datagrams.sent, (stats) => stats.datagrams.sent],
      ];
      for (const [sum, pick] of named) {
        assertEquals(sum, sumOf(servers, pick), `${pick} with ${count} open`);
      }
      assertEquals([connections.payloadIn, connections.datagrams.sent], [40_000, 4]);
      assert(connections.fec.parityOut > 0 && connections.fec.recovered > 0);
      const left = listener.connections;
      for (const conn of left.slice(0, count === 5 ? 3 : 5)) conn.abort();
      await network.delay(5000);
    }
    listener.close();
    await listener.closed;
    assertEquals(listener.totals.connections.payloadIn, 40_000, "after the close, too");
    for (const conn of clients) conn.abort();
  });
});

Deno.test("totals: what connections hold at present is counted for open ones only", async () => {
  const network = new SimulatedNetwork({ seed: 1, link: { latency: 10 } });
  const listener = network.listen({ ...HERE, ...turbo });
  await network.run(async () => {
    const client = network.connect({ ...HERE, ...turbo });
    await client.write(pattern(5000));
    await listener.accept();
    await network.delay(100);
    assertEquals(listener.totals.present.bytesHeld, 5000);
    client.abort();
    await network.delay(5000);
    assertEquals(listener.totals.present.bytesHeld, 0);
  });
});

Deno.test("totals: packets that no connection takes are counted for the socket", () => {
  const socket = new FakeSocket();
  const listener = listenOn(socket, new FakeClock());
  socket.receiver!.packet(new Uint8Array(5), "10.0.0.9:9");
  // The middle of an unknown conversation opens none.
  socket.receiver!.packet(encode({ conv: 7, sn: 500, data: pattern(3) }), "10.0.0.9:9");
  const { sockets, accepted, open } = listener.totals;
  assertEquals([sockets.packetsIn, sockets.invalid, accepted, open], [2, 1, 0, 0]);
  listener.close();
});

Deno.test("totals: the process sums up all sockets, open and closed", async () => {
  const before = processTotals();
  const since = () => {
    const { dialled, accepted, open, connections, sockets } = processTotals();
    return {
      dialled: dialled - before.dialled,
      accepted: accepted - before.accepted,
      open: open - before.open,
      payloadIn: connections.payloadIn - before.connections.payloadIn,
      payloadOut: connections.payloadOut - before.connections.payloadOut,
      packets: sockets.packetsIn - before.sockets.packetsIn,
    };
  };
  const network = new SimulatedNetwork({ seed: 2, link: { latency: 10 } });
  const listeners = [80, 81].map((port) => network.listen({ ...HERE, port, ...turbo }));
  const conns: Connection[] = [];
  await network.run(async () => {
    for (const [i, listener] of listeners.entries()) {
      const client = network.connect({ ...HERE, port: 80 + i, ...turbo });
      await client.write(pattern(1000));
      const server = await listener.accept();
      await readExactly(server, 1000);
      conns.push(client, server);
    }
    await network.delay(500);
    const { packets, ...sums } = since();
    const all = { dialled: 2, accepted: 2, payloadIn: 2000, payloadOut: 2000 };
    assertEquals(sums, { ...all, open: 4 });
    assertEquals(packets, network.stats.delivered);
    for (const listener of listeners) listener.close({ connections: "abort" });
    await Promise.all(listeners.map(({ closed }) => closed));
    await network.delay(60_000);
    const { packets: _, ...later } = since();
    assertEquals(later, { ...all, open: 0 });
    assertEquals(since().packets, network.stats.delivered - network.undeliverable);
  });
});

Deno.test("totals and stats: JSON has all of it, before and after the first packets", async () => {
  for (
    const options of [{}, turbo, { nc: true, burst: Infinity }, { congestion: "cubic" }] as const
  ) {
    const network = new SimulatedNetwork({ seed: "json", link: { latency: 20 } });
    const listener = network.listen({ hostname: "10.0.0.1", port: 80, ...options });
    await network.run(async () => {
      const client = network.connect({ hostname: "10.0.0.1", port: 80, ...options });
      const check = () => {
        for (const value of [client.stats, listener.stats, listener.totals, processTotals()]) {
          assertEquals(JSON.parse(JSON.stringify(value)), value);
        }
        assertEquals(JSON.parse(JSON.stringify(network.stats)), network.stats);
      };
      check();
      await client.write(new Uint8Array(3000));
      await listener.accept();
      await client.drained();
      check();
    });
  }
});

/** The members of kcp-go's `Snmp`, in the order of its source, version 5.7.5. */
const SNMP_NAMES =
  "BytesSent BytesReceived MaxConn ActiveOpens PassiveOpens CurrEstab InErrs InCsumErrors " +
  "KCPInErrors InPkts OutPkts InSegs OutSegs InBytes OutBytes RetransSegs FastRetransSegs " +
  "EarlyRetransSegs LostSegs RepeatSegs FECFullShardSet FECRecovered FECErrs FECParityShards " +
  "FECShardSet FECShardMin RingBufferSndQueue RingBufferRcvQueue RingBufferSndBuffer OOBPackets";

Deno.test("snmp: the 30 names of kcp-go, of a listener and of the process", async () => {
  const before = snmp();
  assertEquals(Object.keys(before).join(" "), SNMP_NAMES);
  const network = new SimulatedNetwork({ seed: 3, link: { latency: 10, loss: 0.1 } });
  const options = { ...turbo, fec: { dataShards: 4, parityShards: 2 } };
  const listener = network.listen({ ...HERE, ...options });
  await network.run(async () => {
    const client = network.connect({ ...HERE, ...options });
    await client.writeAll(pattern(100_000));
    const server = await listener.accept();
    await readExactly(server, 100_000);
    await server.write(pattern(500));
    await readExactly(client, 500);
    client.sendDatagram(pattern(9));
    client.sendDatagram(pattern(9));
    await network.delay(1000);
    const seen = snmp(listener.totals);
    const { stats } = server;
    assertEquals([seen.BytesSent, seen.BytesReceived, seen.InErrs], [500, 100_000, 0]);
    assertEquals([seen.ActiveOpens, seen.PassiveOpens, seen.CurrEstab, seen.MaxConn], [0, 1, 1, 1]);
    assertEquals([seen.InPkts, seen.OutBytes], [stats.packetsIn, stats.bytesOut]);
    assertEquals([seen.FECRecovered, seen.FECParityShards, seen.FECErrs], [
      stats.fec.recovered,
      stats.fec.parityIn,
      0,
    ]);
    // 72 segments in groups of 4; most groups arrive whole, or parity repairs them.
    assert(seen.FECFullShardSet >= 8 && seen.FECFullShardSet <= 20, `${seen.FECFullShardSet}`);
    assert(seen.OOBPackets > 0 && seen.RepeatSegs === stats.duplicates);
    const process = snmp();
    assertEquals(process.ActiveOpens - before.ActiveOpens, 1);
    assert(process.RetransSegs > before.RetransSegs);
    assertEquals(
      process.RetransSegs,
      process.LostSegs + process.FastRetransSegs + process.EarlyRetransSegs,
    );
  });
});

Deno.test("totals: maxOpen is the most at one time, of a listener and of the process", async () => {
  const network = new SimulatedNetwork({ seed: 4, link: { latency: 10 } });
  const listener = network.listen({ ...HERE, ...turbo });
  const before = processTotals();
  await network.run(async () => {
    for (const count of [3, 5, 2]) {
      const clients = Array.from({ length: count }, () => network.connect({ ...HERE, ...turbo }));
      for (const client of clients) {
        await client.write(pattern(1));
        await listener.accept();
        await client.drained();
      }
      assertEquals(listener.totals.open, count);
      for (const client of clients) client.abort();
      await network.delay(5000);
      assertEquals(listener.totals.open, 0);
    }
    assertEquals(listener.totals.maxOpen, 5);
    assert(processTotals().maxOpen >= Math.max(before.maxOpen, 10));
  });
});

Deno.test("totals: ended counts connections by the kind of their end, once each", async () => {
  const network = new SimulatedNetwork({ seed: 5, link: { latency: 10 } });
  const options = { ...turbo, deadLinkTime: 3000, idleTimeout: 20_000, keepAlive: Infinity };
  const listener = network.listen({ ...HERE, ...options });
  const before = processTotals().ended;
  await network.run(async () => {
    const open = async (localHostname: string) => {
      const client = network.connect({ ...HERE, ...options, localHostname });
      await client.write(pattern(1));
      const server = await listener.accept();
      await client.drained();
      await network.delay(100);
      return { client, server };
    };
    const orderly = await open("10.0.0.2");
    orderly.client.close();
    orderly.server.close();
    await Promise.all([orderly.client.closed, orderly.server.closed]);
    (await open("10.0.0.3")).client.abort();
    (await open("10.0.0.4")).server.abort();
    const { server } = await open("10.0.0.5");
    network.partition("10.0.0.1", "10.0.0.5");
    await server.write(pattern(1));
    await open("10.0.0.6");
    network.partition("10.0.0.1", "10.0.0.6");
    await network.delay(60_000);
    const { ended, open: left } = listener.totals;
    assertEquals(ended, {
      delivered: 1,
      unreachable: 1,
      idle: 1,
      unconfirmed: 0,
      reset: 1,
      closed: 1,
      socket: 0,
    });
    assertEquals(left, 0);
    const process = processTotals().ended;
    assertEquals(process.delivered - before.delivered, 2);
    assertEquals(process.idle - before.idle, 3, "the clients wait in vain, too");
  });
});

Deno.test("totals: an orderly end counts nothing that looks like an attack", async () => {
  for (const first of ["client", "server"]) {
    const network = new SimulatedNetwork({ seed: 6, link: { latency: 20, loss: 0.1, jitter: 5 } });
    const listener = network.listen({ ...HERE, ...turbo });
    await network.run(async () => {
      for (let i = 0; i < 20; i++) {
        const client = network.connect({ ...HERE, ...turbo });
        await client.writeAll(pattern(5000));
        const server = await listener.accept();
        await client.drained();
        const [one, other] = first === "client" ? [client, server] : [server, client];
        one.close();
        for (const buffer = new Uint8Array(65_536); await other.read(buffer) !== null;);
        other.close();
        await Promise.all([client.closed, server.closed]);
      }
      await network.delay(100_000);
      const { forged, replayed, invalid, unknown, refused } = listener.stats;
      assertEquals({ forged, replayed, invalid, unknown, refused }, {
        forged: 0,
        replayed: 0,
        invalid: 0,
        unknown: 0,
        refused: 0,
      });
      const { inputErrors } = listener.totals.connections;
      assertEquals(Object.values(inputErrors).reduce((sum, count) => sum + count), 0);
    });
  }
});
