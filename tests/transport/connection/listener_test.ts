import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { type Connection, ConnectionError, type EndpointOptions, turbo } from "../../../mod.ts";
import { listenOn } from "../../../transport/mod.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { encode, pattern } from "../../kcp/harness.ts";
import { FakeClock, FakeSocket, outcome, readAll, readExactly, settle } from "../harness.ts";

const HERE = { hostname: "10.0.0.1", port: 80 } as const;

/** A network with a listener on it; `dial` opens a connection and writes `bytes`. */
function listening(options: EndpointOptions = {}) {
  const network = new SimulatedNetwork({ seed: "listener", link: { latency: 10 } });
  const listener = network.listen({ ...HERE, ...turbo, ...options });
  const dial = async (bytes = pattern(1)): Promise<Connection> => {
    const conn = network.connect({ ...HERE, ...turbo });
    await conn.write(bytes);
    return conn;
  };
  return { network, listener, dial };
}

Deno.test("Listener: accept gives connections in order of arrival", async () => {
  const { network, listener, dial } = listening();
  await network.run(async () => {
    const before = [listener.accept(), listener.accept()];
    const dialled = [await dial(), await dial(), await dial()];
    const accepted = [...await Promise.all(before), await listener.accept()];
    assertEquals(accepted.map(({ conv }) => conv), dialled.map(({ conv }) => conv));
    assertEquals(listener.stats.accepted, 3);
  });
});

Deno.test("Listener: a connection that arrives before accept waits with its data", async () => {
  const { network, listener, dial } = listening();
  await network.run(async () => {
    await dial(pattern(5000));
    await network.delay(1000);
    const conn = await listener.accept();
    assertEquals(await readExactly(conn, 5000), pattern(5000));
  });
});

Deno.test("Listener: addr is the address that it is bound to", () => {
  const { listener } = listening();
  assertEquals(listener.addr, { transport: "udp", ...HERE });
});

Deno.test("Listener: async iteration gives every connection, and ends at close", async () => {
  const { network, listener, dial } = listening();
  await network.run(async () => {
    const convs: number[] = [];
    const iterating = (async () => {
      for await (const conn of listener) convs.push(conn.conv);
    })();
    const dialled = [await dial(), await dial()];
    await network.delay(100);
    listener.close();
    await iterating;
    assertEquals(convs, dialled.map(({ conv }) => conv));
  });
});

Deno.test("Listener: close rejects pending and later accepts with kind closed", async () => {
  const { listener } = listening();
  const pending = outcome(listener.accept());
  listener.close();
  listener.close();
  await settle();
  assertInstanceOf(pending.state, ConnectionError);
  assertEquals(pending.state.kind, "closed");
  assertEquals((await assertRejects(() => listener.accept(), ConnectionError)).kind, "closed");
  await listener.closed;
});

Deno.test("Listener: after close, accepted connections continue", async () => {
  const { network, listener, dial } = listening();
  await network.run(async () => {
    const client = await dial();
    const server = await listener.accept();
    const waiting = await dial();
    await network.delay(50);
    listener.close();
    const late = await dial();
    await network.delay(50);
    const refusals = [waiting, late].map(({ closed }) => outcome(closed));
    // A session that was not accepted answers its peer for a second.
    await network.delay(1000);
    for (const { state } of refusals) {
      assertInstanceOf(state, ConnectionError);
      assertEquals(state.kind, "reset");
    }
    const over = outcome(listener.closed);
    await client.write(pattern(100));
    client.close();
    assertEquals((await readAll(server)).length, 101);
    assertEquals([listener.stats.sessions, over.state], [1, "pending"]);
    server.close();
    await listener.closed;
    assertEquals(listener.stats.sessions, 0);
  });
});

Deno.test("Listener: dispose closes; asyncDispose waits for the last connection", async () => {
  const { network, listener, dial } = listening();
  await network.run(async () => {
    const client = await dial();
    const server = await listener.accept();
    const disposed = outcome(listener[Symbol.asyncDispose]());
    await network.delay(1000);
    assertEquals(disposed.state, "pending");
    client.close();
    server.close();
    await network.delay(3000);
    assertEquals(disposed.state, "resolved");
  });
  const { listener: other } = listening();
  {
    using _ = other;
  }
  await other.closed;
});

Deno.test("Listener: connections beyond the backlog are refused", async () => {
  const { network, listener, dial } = listening({ backlog: 2 });
  await network.run(async () => {
    for (let i = 0; i < 3; i++) await dial();
    await network.delay(20);
    assertEquals([listener.stats.sessions, listener.stats.refused], [2, 1]);
    await listener.accept();
    // The one that was refused tries again.
    await network.delay(1000);
    assertEquals(listener.stats.sessions, 3);
  });
});

Deno.test("Listener: accept skips a connection that the peer gave up", async () => {
  const { network, listener, dial } = listening({ idleTimeout: 500 });
  await network.run(async () => {
    const gone = network.connect({ ...HERE, ...turbo });
    await gone.opened;
    assertEquals(listener.stats.sessions, 1);
    gone.abort();
    await network.delay(2000);
    assertEquals([listener.stats.accepted, listener.stats.sessions], [1, 0]);
    const next = listener.accept();
    const client = await dial();
    assertEquals((await next).conv, client.conv);
  });
});

Deno.test("Listener: a connection that the peer gave up is accepted if it has data to read", async () => {
  const { network, listener, dial } = listening({ idleTimeout: 500 });
  await network.run(async () => {
    const gone = await dial(pattern(100));
    await network.delay(100);
    assertEquals(gone.stats.acknowledged, 1);
    gone.abort();
    await network.delay(2000);
    assertEquals(listener.stats.sessions, 0);
    const client = await dial();
    const conn = await listener.accept();
    assertEquals(conn.conv, gone.conv);
    assertEquals(await readExactly(conn, 100), pattern(100));
    const error = await assertRejects(() => conn.read(new Uint8Array(1)), ConnectionError);
    assertEquals(error.kind, "reset");
    assertEquals((await listener.accept()).conv, client.conv);
  });
});

Deno.test("Listener: ref and unref reach the socket and the clock", () => {
  const socket = new FakeSocket();
  const clock = new FakeClock();
  const listener = listenOn(socket, clock);
  listener.unref();
  listener.ref();
  assertEquals([socket.refs, clock.refs], [["unref", "ref"], ["unref", "ref"]]);
  listener.close();
});

Deno.test("Listener: a failed socket ends it and its connections with kind socket", async () => {
  const socket = new FakeSocket();
  const listener = listenOn(socket, new FakeClock());
  socket.receiver!.packet(encode({ data: pattern(1) }), "10.0.0.1:1");
  const conn = await listener.accept();
  await readExactly(conn, 1);
  const accept = outcome(listener.accept());
  const read = outcome(conn.read(new Uint8Array(1)));
  const cause = new Error("no network");
  socket.receiver!.failed(cause);
  await settle();
  for (const { state } of [accept, read, outcome(conn.closed)]) {
    await settle();
    assertInstanceOf(state, ConnectionError);
    assertEquals(state.kind, "socket");
  }
  const error = await assertRejects(() => conn.closed, ConnectionError, "no network");
  assertEquals(error.cause, cause);
  assert(socket.closed);
});

Deno.test("Listener: iteration throws when the socket fails", async () => {
  const socket = new FakeSocket();
  const listener = listenOn(socket, new FakeClock());
  const iterating = outcome((async () => {
    for await (const _ of listener);
  })());
  await settle();
  socket.receiver!.failed(new Error("no network"));
  await settle();
  assertInstanceOf(iterating.state, ConnectionError);
  assertEquals(iterating.state.kind, "socket");
});
