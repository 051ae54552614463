import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { type Connection, ConnectionError, type EndpointOptions, turbo } from "../../../mod.ts";
import { type ListenerCloseOptions, listenOn } from "../../../transport/mod.ts";
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

// --- connections ---

Deno.test("Listener: connections are those that were accepted and have not ended", async () => {
  const { network, listener, dial } = listening();
  await network.run(async () => {
    assertEquals(listener.connections, []);
    const clients = [await dial(), await dial(), await dial()];
    await network.delay(50);
    assertEquals(listener.connections, [], "nobody has accepted them");
    const servers = [];
    for (let i = 0; i < 3; i++) servers.push(await listener.accept());
    assertEquals(listener.connections, servers);
    clients[1].abort();
    await network.delay(50);
    assertEquals(listener.connections, [servers[0], servers[2]]);
    // A closed one is open until its last byte is delivered.
    network.partition("10.0.0.1", "10.0.0.2");
    await servers[0].write(pattern(10));
    servers[0].close();
    await network.delay(1000);
    assertEquals(listener.connections, [servers[0], servers[2]]);
    network.partition("10.0.0.1", "10.0.0.2", false);
    await servers[0].closed;
    assertEquals(listener.connections, [servers[2]]);
    servers[2].abort();
    assertEquals(listener.connections, [], "an aborted one is gone at once");
  });
});

Deno.test("Listener: connections is a snapshot, so that a loop over it may close them", async () => {
  const { network, listener, dial } = listening();
  await network.run(async () => {
    for (let i = 0; i < 3; i++) {
      await dial();
      await listener.accept();
    }
    for (const conn of listener.connections) conn.abort();
    assertEquals(listener.connections.length, 0);
  });
});

// --- close with options ---

/** Two accepted connections, with their clients. The first server has unsent data. */
async function twoAccepted(options: EndpointOptions = {}) {
  const { network, listener, dial } = listening(options);
  const clients: Connection[] = [], servers: Connection[] = [];
  await network.run(async () => {
    for (let i = 0; i < 2; i++) {
      clients.push(await dial());
      servers.push(await listener.accept());
    }
  });
  return { network, listener, clients, servers };
}

Deno.test('Listener: close({ connections: "close" }) delivers what was written, then closes', async () => {
  const { network, listener, clients, servers } = await twoAccepted();
  await network.run(async () => {
    await servers[0].write(pattern(5000));
    listener.close({ connections: "close" });
    await assertRejects(() => servers[1].write(pattern(1)), ConnectionError, "closed");
    assertEquals((await readAll(clients[0])).length, 5000);
    assertEquals((await readAll(clients[1])).length, 0);
    for (const client of clients) client.close();
    await listener.closed;
    for (const conn of [...servers, ...clients]) await conn.closed;
  });
});

Deno.test('Listener: close({ connections: "abort" }) ends them at once, and tells the peers', async () => {
  const { network, listener, clients, servers } = await twoAccepted();
  await network.run(async () => {
    const before = network.now;
    listener.close({ connections: "abort" });
    for (const conn of servers) {
      assertEquals((await assertRejects(() => conn.closed, ConnectionError)).kind, "closed");
    }
    for (const conn of clients) {
      const error = await assertRejects(() => conn.closed, ConnectionError);
      assertEquals([error.kind, error.reason], ["reset", "The listener was closed"]);
    }
    assertEquals(network.now - before, 10, "one trip");
    await listener.closed;
    assertEquals(listener.connections, []);
  });
});

Deno.test("Listener: close aborts what is still open after its timeout", async () => {
  for (const connections of ["wait", "close"] as const) {
    // A client that does not close keeps its connection open until linger is over.
    const { network, listener, clients, servers } = await twoAccepted({ linger: 60_000 });
    await network.run(async () => {
      await servers[0].write(pattern(1000));
      const before = network.now;
      network.partition("10.0.0.1", "10.0.0.2");
      listener.close({ connections, timeout: 2000 });
      const ended = outcome(servers[0].closed);
      await network.delay(1999);
      assertEquals(ended.state, "pending", connections);
      await network.delay(2);
      assertInstanceOf(ended.state, ConnectionError);
      assertEquals(ended.state.message, "The listener was closed");
      assertEquals(listener.connections, []);
      await listener.closed;
      assert(network.now - before < 10_000, `the socket closed after ${network.now - before} ms`);
      for (const client of clients) client.abort();
    });
  }
});

Deno.test("Listener: a second close may be harsher, a second equal one changes nothing", async () => {
  const { network, listener, servers } = await twoAccepted();
  await network.run(async () => {
    listener.close();
    listener.close();
    await network.delay(5000);
    assertEquals(listener.connections, servers);
    listener.close({ connections: "close" });
    listener.close({ connections: "abort" });
    listener.close({ connections: "abort" });
    await listener.closed;
    listener.close({ connections: "abort", timeout: 5 });
    assertEquals(listener.connections, []);
  });
});

Deno.test("Listener: close refuses wrong options, and stays open then", async () => {
  const { network, listener, dial } = listening();
  for (
    const [options, message] of [
      [{ connections: "kill" }, '"kill"'],
      [{ connections: null }, "null"],
      [{ timeout: -1 }, "-1"],
      [{ timeout: NaN }, "NaN"],
      [{ timeout: "1" }, "number"],
      [{ timeWait: -1 }, "timeWait of -1"],
      [{ timeWait: "1" }, "number"],
    ] as const
  ) {
    const error = assertThrows(() => listener.close(options as ListenerCloseOptions));
    assert(error instanceof Error && error.message.includes(message), String(error));
  }
  await network.run(async () => {
    await dial();
    await listener.accept();
  });
});

// --- accept with limits ---

Deno.test("Listener: accept with a timeout rejects on time, and the listener goes on", async () => {
  const { network, listener, dial } = listening();
  await network.run(async () => {
    const before = network.now;
    const error = await assertRejects(() => listener.accept({ timeout: 300 }), ConnectionError);
    assertEquals([error.kind, network.now - before], ["timeout", 300]);
    const client = await dial();
    assertEquals((await listener.accept({ timeout: 300 })).conv, client.conv);
    await assertRejects(() => listener.accept({ timeout: 0 }), ConnectionError);
    const next = await dial();
    await network.delay(50);
    assertEquals((await listener.accept({ timeout: 0 })).conv, next.conv);
    await assertRejects(() => listener.accept({ timeout: -1 }), RangeError, "-1");
  });
});

Deno.test("Listener: an aborted accept takes no connection, and keeps no place in the queue", async () => {
  const { network, listener, dial } = listening();
  await network.run(async () => {
    const before = AbortSignal.abort(new Error("too late"));
    const client = await dial();
    await network.delay(50);
    await assertRejects(() => listener.accept({ signal: before }), Error, "too late");
    assertEquals((await listener.accept()).conv, client.conv);
    const controller = new AbortController();
    const first = outcome(listener.accept({ signal: controller.signal }));
    const second = listener.accept();
    controller.abort(new Error("changed my mind"));
    await settle();
    assertEquals((first.state as Error).message, "changed my mind");
    const next = await dial();
    assertEquals((await second).conv, next.conv);
    // The signal has no effect on a connection that was accepted.
    const late = new AbortController();
    const last = await dial();
    const accepted = await listener.accept({ signal: late.signal });
    late.abort();
    assertEquals([accepted.conv, (await readExactly(accepted, 1)).length], [last.conv, 1]);
  });
});

Deno.test("Listener: close while accepts with limits wait rejects them with kind closed", async () => {
  const { network, listener } = listening();
  await network.run(async () => {
    const { signal } = new AbortController();
    const waiting = [
      listener.accept({ timeout: 1000 }),
      listener.accept({ signal }),
      listener.accept(),
    ].map(outcome);
    listener.close();
    await network.delay(1);
    for (const { state } of waiting) assertEquals((state as ConnectionError).kind, "closed");
    await assertRejects(() => listener.accept({ timeout: 1000 }), ConnectionError, "closed");
    await listener.closed;
  });
});
