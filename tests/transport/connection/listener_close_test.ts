/**
 * How long the socket of a listener stays open after its last connection has ended.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { Connection, EndpointOptions, ListenerCloseOptions } from "../../../mod.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { outcome, readAll, readExactly } from "../harness.ts";
import { errorOf } from "./pair.ts";

const HERE = { hostname: "10.0.0.1", port: 80 } as const;
const PEER = "10.0.0.2";
/** One way, in ms. */
const LATENCY = 20;

/** A listener with one open connection; `close` closes the listener, and tells how long it took. */
async function withServer(
  body: (ends: {
    network: SimulatedNetwork;
    client: Connection;
    server: Connection;
    close(options?: ListenerCloseOptions): Promise<number>;
  }) => Promise<void>,
  options: EndpointOptions = {},
): Promise<void> {
  const network = new SimulatedNetwork({ seed: "close", link: { latency: LATENCY } });
  const listener = network.listen({ ...HERE, ...options });
  await network.run(async () => {
    const client = network.connect({ ...HERE, localHostname: PEER, ...options });
    await client.write(new Uint8Array(10));
    const server = await listener.accept();
    await readExactly(server, 10);
    await network.delay(500);
    const close = async (options?: ListenerCloseOptions) => {
      const before = network.now;
      listener.close(options);
      await listener.closed;
      return network.now - before;
    };
    await body({ network, client, server, close });
    client.abort();
  });
}

/** Closes both ends, this side first, until both have ended. */
async function endBoth(client: Connection, server: Connection): Promise<void> {
  server.close();
  await readAll(client);
  client.close();
  await Promise.all([client.closed, server.closed]);
}

Deno.test("Listener.close: when both ends have ended, three timeouts", async () => {
  await withServer(async ({ client, server, close }) => {
    await endBoth(client, server);
    const took = await close();
    assert(took > 2 * LATENCY && took <= 3 * server.stats.rto, `${took} ms`);
  });
});

Deno.test("Listener.close: a client that ends when it reads the end holds it up no longer", async () => {
  await withServer(async ({ client, close }) => {
    const ended = readAll(client).then(() => client.close());
    const took = await close({ connections: "close" });
    assert(took < 500, `${took} ms`);
    await ended;
    await client.closed;
  });
});

Deno.test("Listener.close: a client that does not end is told for a second that it is over", async () => {
  await withServer(async ({ network, client, close }) => {
    const closing = close({ connections: "close" });
    await network.delay(800);
    await client.write(new Uint8Array(10));
    assertEquals((await errorOf(client.closed)).kind, "reset");
    const took = await closing;
    assert(took > 800 && took < 2000, `${took} ms`);
  });
});

Deno.test("Listener.close: abort tells the peers three times, and then ends", async () => {
  await withServer(async ({ network, client, close }) => {
    const before = network.stats.packets;
    const took = await close({ connections: "abort" });
    assertEquals(network.stats.packets - before, 3);
    assert(took > 0 && took < 500, `${took} ms`);
    assertEquals((await errorOf(client.closed)).reason, "The listener was closed");
  });
});

Deno.test("Listener.close: with a timeWait of 0 the port is free at once", async () => {
  await withServer(async ({ network, client, server, close }) => {
    await endBoth(client, server);
    assertEquals(await close({ timeWait: 0 }), 0);
    const next = network.listen(HERE);
    next.close();
    await next.closed;
  });
  await withServer(async ({ network, client, close }) => {
    const before = network.stats.packets;
    assertEquals(await close({ connections: "abort", timeWait: 0 }), 0);
    assertEquals(network.stats.packets - before, 1, "the peer is told once");
    assertEquals((await errorOf(client.closed)).kind, "reset");
    const next = network.listen(HERE);
    next.close();
    await next.closed;
  });
});

Deno.test("Listener.close: with a timeWait of 0 the peer's end is acknowledged before", async () => {
  await withServer(async ({ client, server, close, network }) => {
    const ended = readAll(client).then(() => {
      const before = network.now;
      client.close();
      return client.closed.then(() => network.now - before);
    });
    const over = outcome(server.closed);
    await close({ connections: "close", timeWait: 0 });
    assertEquals(over.state, "resolved");
    const took = await ended;
    assert(took < 200, `the client did not linger: ${took} ms`);
  });
});

Deno.test("Listener.close: a later call may shorten the wait of an earlier one", async () => {
  await withServer(async ({ network, client, server, close }) => {
    await endBoth(client, server);
    const first = outcome(close());
    await network.delay(1);
    assertEquals(first.state, "pending");
    assertEquals(await close({ timeWait: 0 }), 0);
  });
});

Deno.test("Listener.close: a timeWait between the two is kept", async () => {
  await withServer(async ({ close }) => {
    const took = await close({ connections: "close", timeWait: 300 });
    assert(took > 300 && took < 300 + 10 * LATENCY, `${took} ms`);
  });
});

Deno.test("Listener.close: a peer that misses the last acknowledgment is answered", async () => {
  await withServer(async ({ network, client, server, close }) => {
    const closing = close({ connections: "close" });
    await readAll(client);
    network.link(HERE.hostname, PEER).down = true;
    const before = network.now;
    client.close();
    await network.delay(3 * LATENCY);
    network.link(HERE.hostname, PEER).down = false;
    await client.closed;
    assert(network.now - before < 1000, "the client did not linger");
    await Promise.all([closing, server.closed]);
  });
});

Deno.test("Connection: to dispose of it takes three timeouts if both ends have ended, a second if not", async () => {
  for (const peerEnds of [true, false]) {
    await withServer(async ({ network, client, server, close }) => {
      const before = network.now;
      const ended = readAll(server).then(() => peerEnds ? server.close() : undefined);
      await client[Symbol.asyncDispose]();
      await ended;
      const took = network.now - before;
      const { rto } = client.stats;
      if (peerEnds) assert(took > 2 * LATENCY && took <= 3 * rto + 4 * LATENCY, `${took} ms`);
      else assert(took > 1000 && took < 2000, `${took} ms`);
      await close({ connections: "abort" });
    });
  }
});
