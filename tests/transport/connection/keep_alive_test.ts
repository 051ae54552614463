import { assert, assertEquals } from "@std/assert";
import { fast } from "../../../mod.ts";
import { connectOn, type DatagramSocket } from "../../../transport/mod.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { decode, encode, pattern, WASK, WINS } from "../../kcp/harness.ts";
import { FakeClock, FakeSocket, readExactly } from "../harness.ts";

const SERVER = { hostname: "10.0.0.1", port: 80 } as const;
const PEER = "10.0.0.1:80";

Deno.test("keepAlive: an idle connection costs a probe and an answer each 15 s", async () => {
  const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
  const listener = network.listen({ ...SERVER, ...fast });
  await network.run(async () => {
    const client = network.connect({ ...SERVER, ...fast });
    await client.write(pattern(1));
    const server = await listener.accept();
    await readExactly(server, 1);
    await network.delay(1000);
    const { packets } = network.stats;
    const { bytesOut, segmentsIn } = client.stats;
    const hour = 3_600_000;
    await network.delay(hour);
    const probes = Math.floor(hour / 15_000);
    const spent = network.stats.packets - packets;
    assert(spent <= 2 * probes && spent > 2 * probes - 4, `${spent} packets in an hour`);
    assertEquals(client.stats.bytesOut - bytesOut, 24 * (client.stats.segmentsIn - segmentsIn));
    // The connection lives, and so does the other end.
    await client.write(pattern(5, 9));
    assertEquals(await readExactly(server, 5), pattern(5, 9));
  }, Infinity);
});

Deno.test("keepAlive: between two probes the timer runs twice at most", async () => {
  const socket = new FakeSocket();
  const clock = new FakeClock();
  const conn = connectOn(socket, clock, PEER, 7, fast);
  socket.onSend = () => {
    for (const { packet } of socket.sent.splice(0)) {
      for (const { cmd, sn, ts } of decode(packet)) {
        const answer = cmd === WASK ? { cmd: WINS, una: 1 } : { cmd: 82, sn, ts, una: 1 };
        queueMicrotask(() =>
          socket.receiver!.packet(encode({ conv: 7, wnd: 99, ...answer }), PEER)
        );
      }
    }
  };
  await conn.write(pattern(1));
  await clock.advance(20_000);
  const { woken } = clock;
  await clock.advance(3_600_000);
  // The probe, and once more to free memory that an idle connection does not need.
  const times = (clock.woken - woken) / 240;
  assert(times <= 2.1, `${times} wake-ups for each probe`);
  assertEquals(conn.stats.inputErrors.conv, 0);
  conn.abort();
});

Deno.test("keepAlive: a connection that never sent a packet is not probed", async () => {
  const network = new SimulatedNetwork({ seed: 2, link: { latency: 20 } });
  const listener = network.listen({ ...SERVER, ...fast });
  await network.run(async () => {
    const client = network.connect({ ...SERVER, ...fast, keepAlive: 1000 });
    await network.delay(200_000);
    assertEquals(network.stats.packets, 0);
    await client.write(pattern(3));
    const server = await listener.accept();
    assertEquals(await readExactly(server, 3), pattern(3));
    client.abort();
  }, Infinity);
});

Deno.test("keepAlive: the client notices a dead peer while nothing is written", async () => {
  const network = new SimulatedNetwork({ seed: 3, link: { latency: 20 } });
  const listener = network.listen({ ...SERVER, ...fast });
  await network.run(async () => {
    const client = network.connect({ ...SERVER, ...fast });
    await client.write(pattern(1));
    await listener.accept();
    await network.delay(1000);
    network.partition("10.0.0.1", "10.0.0.2");
    const before = network.now;
    const kind = await client.closed.then(() => "", (error) => error.kind);
    assertEquals(kind, "unreachable");
    assert(network.now - before <= 15_000 + 30_000 + 1000, `after ${network.now - before} ms`);
  }, Infinity);
});

Deno.test("keepAlive: a lost probe does not end a connection", async () => {
  for (const keepAlive of [2000, 5000, 15_000]) {
    for (const lost of ["10.0.0.1", "10.0.0.2"]) {
      const network = new SimulatedNetwork({ seed: 4, link: { latency: 20 } });
      const listener = network.listen({ ...SERVER, ...fast });
      await network.run(async () => {
        const client = network.connect({ ...SERVER, ...fast, keepAlive, deadLinkTime: 5000 });
        await client.write(pattern(1));
        const server = await listener.accept();
        await readExactly(server, 1);
        await network.delay(1000);
        // The first probe, or its answer, is lost.
        const link = network.link(lost, lost === "10.0.0.1" ? "10.0.0.2" : "10.0.0.1");
        link.configure({ loss: 1 });
        await network.delay(keepAlive - client.lastHeard + 100);
        link.configure({ loss: 0 });
        const { packets } = network.stats;
        await network.delay(5000 / 8);
        assert(client.lastHeard < 700, `not heard for ${client.lastHeard} ms`);
        assertEquals(network.stats.packets - packets, 2);
        client.abort();
      });
    }
  }
});

Deno.test("keepAlive: at 10 % loss, idle connections live on", async () => {
  for (let seed = 0; seed < 10; seed++) {
    const network = new SimulatedNetwork({ seed, link: { latency: 20, loss: 0.1 } });
    const listener = network.listen({ ...SERVER, ...fast });
    await network.run(async () => {
      const client = network.connect({ ...SERVER, ...fast });
      await client.write(pattern(1));
      await readExactly(await listener.accept(), 1);
      await network.delay(3_600_000);
      assertEquals(client.state, "open", `seed ${seed}`);
      client.abort();
    }, Infinity);
  }
});

Deno.test("keepAlive: connectOn refuses values out of range", () => {
  const socket: DatagramSocket = new FakeSocket();
  for (const keepAlive of [0, -1, NaN, "x", null]) {
    let refused = false;
    try {
      connectOn(socket, new FakeClock(), PEER, 7, { keepAlive: keepAlive as number });
    } catch {
      refused = true;
    }
    assert(refused, `${keepAlive} was taken`);
  }
});

Deno.test("resume: after an outage what waits for a timeout is sent at once", async () => {
  for (const resumes of [false, true]) {
    const network = new SimulatedNetwork({ seed: 4, link: { latency: 20 } });
    const listener = network.listen({ ...SERVER, ...fast });
    await network.run(async () => {
      const client = network.connect({ ...SERVER, ...fast });
      await client.write(pattern(1));
      const server = await listener.accept();
      await readExactly(server, 1);
      await network.delay(100);
      network.partition("10.0.0.1", "10.0.0.2");
      await client.write(pattern(5000, 1));
      await network.delay(9_000);
      network.partition("10.0.0.1", "10.0.0.2", false);
      const before = network.now;
      if (resumes) client.resume();
      await readExactly(server, 5000);
      const waited = network.now - before;
      if (resumes) assert(waited <= 21, `${waited} ms after resume()`);
      else assert(waited > 200, "without resume() it is as fast, so the test proves nothing");
      client.resume();
      client.abort();
      client.resume();
    }, Infinity);
  }
});
