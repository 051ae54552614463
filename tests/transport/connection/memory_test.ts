/**
 * The memory of connections that end, and of those that wait for memory.
 *
 * @module
 */
import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { type Connection, ConnectionError, turbo } from "../../../mod.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { pattern } from "../../kcp/harness.ts";
import { fill, outcome, readAll, readExactly, writeAll } from "../harness.ts";

const SERVER = { hostname: "10.0.0.1", port: 80 } as const;
/** Memory of an endpoint without sessions: a batch, and a block for arriving packets. */
const IDLE = 65_536 + 2048;

/** A listener, and `count` connections to it at both ends. The first byte has been read. */
async function connections(
  network: SimulatedNetwork,
  count: number,
  options = {},
): Promise<
  { clients: Connection[]; servers: Connection[]; used: () => number; held: () => number }
> {
  const listener = network.listen({ ...SERVER, ...turbo, ...options });
  const clients: Connection[] = [];
  const servers: Connection[] = [];
  for (let i = 0; i < count; i++) {
    const localHostname = `10.0.1.${i}`;
    const client = network.connect({ ...SERVER, ...turbo, localHostname });
    await client.write(pattern(1));
    const server = await listener.accept();
    await readExactly(server, 1);
    clients.push(client);
    servers.push(server);
  }
  await network.delay(3000);
  return {
    clients,
    servers,
    used: () => listener.stats.memoryUsed,
    held: () => listener.stats.memoryHeld,
  };
}

/** Lets both ends of a connection fail while data waits at the server, which does not read it. */
async function loseWithUnread(
  network: SimulatedNetwork,
  clients: readonly Connection[],
): Promise<void> {
  for (const client of clients) await fill(client);
  for (const { localAddr } of clients) network.partition(SERVER.hostname, localAddr.hostname);
  await network.delay(60_000);
}

Deno.test("memory: the echo server of the README keeps nothing of connections that die", async () => {
  const network = new SimulatedNetwork({ link: { latency: 10 } });
  await network.run(async () => {
    const options = { deadLinkTime: 5000, idleTimeout: 20_000 };
    const { clients, servers, used } = await connections(network, 5, options);
    const failures: unknown[] = [];
    for (const conn of servers) {
      conn.readable.pipeTo(conn.writable).catch((error) => failures.push(error));
    }
    // The clients do not read, so the echo server can't write, and does not read any more.
    await loseWithUnread(network, clients);
    assertEquals([failures.length, used()], [5, IDLE]);
  });
});

const DISPOSALS: Record<string, (conn: Connection) => unknown> = {
  "close": (conn) => conn.close(),
  "abort": (conn) => conn.abort(),
  "dispose": (conn) => conn[Symbol.dispose](),
  "cancel of readable": (conn) => conn.readable.cancel(),
  "nothing": () => {},
};

for (const [name, dispose] of Object.entries(DISPOSALS)) {
  Deno.test(`memory: unread data of a lost connection is not in the arena (${name})`, async () => {
    const network = new SimulatedNetwork({ link: { latency: 10 } });
    await network.run(async () => {
      const { clients, servers: [server], used } = await connections(network, 1, {
        idleTimeout: 20_000,
      });
      await loseWithUnread(network, clients);
      assertEquals(used(), IDLE);
      await dispose(server);
      if (name !== "nothing") {
        await server.read(new Uint8Array(1)).then(
          (count) => assertEquals(count, null),
          (error) => assertEquals(error instanceof ConnectionError, true),
        );
        return;
      }
      // The application can still read all that had arrived, and then learns how it ended.
      const bytes = new Uint8Array(8 << 20);
      let length = 0;
      const error = await assertRejects(async () => {
        for (;;) length += (await server.read(bytes.subarray(length, length + 50_000)))!;
      }, ConnectionError);
      assertEquals([error.kind, length > 100_000], ["idle", true]);
      // `fill` writes pieces that continue the pattern.
      assertEquals(bytes.subarray(0, length), pattern(length));
    });
  });
}

/** Downloads 100 KB over `count` connections, 67 of which begin each second. */
async function downloads(count: number, memoryLimit: number): Promise<number> {
  const network = new SimulatedNetwork({ link: { latency: 20, bandwidth: 5e6 } });
  const listener = network.listen({ ...SERVER, ...turbo, memoryLimit });
  const file = pattern(100_000);
  let done = 0;
  await network.run(async () => {
    (async () => {
      for await (const conn of listener) {
        writeAll(conn, file).then(() => conn.close(), () => {});
      }
    })();
    const running: Promise<void>[] = [];
    for (let i = 0; i < count; i++) {
      const client = network.connect({
        ...SERVER,
        ...turbo,
        localHostname: `10.1.${i >> 8}.${i & 255}`,
      });
      running.push(
        (async () => {
          await client.write(pattern(1));
          const bytes = await readAll(client);
          if (bytes.length === file.length) done++;
          client.close();
        })().catch(() => {}),
      );
      await network.delay(15);
    }
    await Promise.all(running);
    assertLess(listener.stats.memoryUsed, memoryLimit / 4);
    listener.close();
  });
  return done;
}

Deno.test("memory: many short downloads need the memory of those that run", async () => {
  assertEquals(await downloads(300, 2 ** 21), 300);
});

Deno.test("memory: writes that met full memory go on when memory is back, in order", async () => {
  const network = new SimulatedNetwork({ link: { latency: 10 } });
  await network.run(async () => {
    const { clients, servers } = await connections(network, 17, { memoryLimit: 2 ** 20 });
    // The holders take all memory, as their peers do not read. The last of them wait in vain.
    const holders = servers.slice(0, 12);
    for (const server of holders) await fill(server);
    const order: number[] = [];
    const writers = servers.slice(12);
    const writes = writers.map((server, i) =>
      (i % 2 ? server.sendMessage(pattern(90_000, i)) : server.write(pattern(90_000, i)))
        .then(() => order.push(i))
    );
    const reading = outcome(writers[0].read(new Uint8Array(1)));
    await network.delay(10_000);
    assertEquals(order, [], "all wait");
    for (const server of holders) {
      server.abort();
      await network.delay(20);
    }
    assertEquals([order, reading.state], [[0, 1, 2, 3, 4], "pending"]);
    await Promise.all(writes);
    for (const [i, client] of clients.slice(12).entries()) {
      const size = i % 2 ? 90_000 : 10_000;
      assertEquals(await readExactly(client, size), pattern(size, i));
    }
  });
});

Deno.test("memory: a connection that ends while it waits for memory leaves the queue", async () => {
  const network = new SimulatedNetwork({ link: { latency: 10 } });
  await network.run(async () => {
    const { servers } = await connections(network, 15, { memoryLimit: 2 ** 20 });
    const holders = servers.slice(0, 12);
    for (const server of holders) await fill(server);
    const [first, second, third] = servers.slice(12);
    const refused = first.write(pattern(50_000)).catch((error) => error.kind);
    const withdrawn = second.write(pattern(50_000), { timeout: 50 }).catch((error) => error.kind);
    const taken = third.write(pattern(50_000));
    await network.delay(100);
    first.abort();
    for (const server of holders) server.abort();
    assertEquals([await refused, await withdrawn, await taken], ["closed", "timeout", 50_000]);
  });
});

Deno.test("memory: an idle listener gives memory back to the runtime", async () => {
  const network = new SimulatedNetwork({ link: { latency: 10 } });
  await network.run(async () => {
    const { clients, servers, held } = await connections(network, 10);
    for (const server of servers) await fill(server);
    assert(held() > 2 ** 22, `${held()} bytes`);
    for (const client of clients) client.readable.pipeTo(new WritableStream());
    await network.delay(10_000);
    assertEquals(held(), 2 ** 20);
    // The connections work on.
    await servers[3].write(pattern(500));
    await clients[3].write(pattern(700));
    assertEquals(await readExactly(servers[3], 700), pattern(700));
  });
});

Deno.test("memory: the limit is 1 MiB to 1 GiB", () => {
  const network = new SimulatedNetwork();
  for (const memoryLimit of [0, 2 ** 20 - 1, 2 ** 30 + 1, 2 ** 20 + 0.5, NaN, Infinity, "1"]) {
    const options = { ...SERVER, memoryLimit: memoryLimit as number };
    const name = typeof memoryLimit === "string" ? "TypeError" : "RangeError";
    for (const make of [() => network.listen(options), () => network.connect(options)]) {
      let thrown: unknown;
      try {
        make();
      } catch (error) {
        thrown = error;
      }
      assertEquals((thrown as Error)?.name, name, String(memoryLimit));
    }
  }
  network.listen({ ...SERVER, memoryLimit: 2 ** 20 });
  network.connect({ ...SERVER, memoryLimit: 2 ** 20 });
});

Deno.test("memory: one connection works within the smallest limit, both ways at once", async () => {
  const network = new SimulatedNetwork({ link: { latency: 5 } });
  const limit = { memoryLimit: 2 ** 20 };
  const listener = network.listen({ ...SERVER, ...turbo, ...limit });
  await network.run(async () => {
    const client = network.connect({ ...SERVER, ...turbo, ...limit });
    const all = pattern(3_000_000);
    const sent = writeAll(client, all).then(() => client.closeWrite());
    const server = await listener.accept();
    const back = writeAll(server, all).then(() => server.closeWrite());
    const [a, b] = await Promise.all([readAll(server), readAll(client), sent, back]);
    assertEquals([a, b], [all, all]);
    assertLess(listener.stats.memoryHeld, 2 ** 20 + 1);
  });
});
