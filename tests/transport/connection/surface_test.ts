/** What a connection tells of itself, its messages and datagrams, and options that change live. */
import { inspect } from "node:util";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Connection, ConnectionError, turbo } from "../../../mod.ts";
import { MuxListener } from "../../../transport/mux.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { pattern } from "../../kcp/harness.ts";
import { fill, outcome, settle } from "../harness.ts";
import { CLIENT, errorOf, SERVER, withPair } from "./pair.ts";

Deno.test("Connection: it can be used where a Deno.Conn is asked for", async () => {
  await withPair(async (client) => {
    const conn: Deno.Conn<Connection["localAddr"]> = client;
    assertEquals(conn.remoteAddr.port, 80);
    await conn.closeWrite();
  });
});

Deno.test("state: connecting, open, closing, closed", async () => {
  const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
  const listener = network.listen({ hostname: SERVER, port: 80, ...turbo });
  await network.run(async () => {
    const client = network.connect({ hostname: SERVER, port: 80, ...turbo });
    assertEquals(client.state, "connecting");
    await client.write(pattern(1));
    assertEquals(client.state, "connecting");
    const server = await listener.accept();
    await client.drained();
    assertEquals([client.state, server.state], ["open", "open"]);
    await client.closeWrite();
    assertEquals([client.state, server.state], ["open", "open"]);
    client.close();
    assertEquals(client.state, "closing");
    await client.closed;
    assertEquals(client.state, "closed");
    server.abort();
    assertEquals(server.state, "closed");
  });
});

Deno.test("messages: a loop over them ends with the stream, and may be left and begun again", async () => {
  await withPair(async (client, server) => {
    for (const size of [3, 5000, 1, 7]) await client.sendMessage(pattern(size));
    await client.closeWrite();
    const sizes: number[] = [];
    for await (const message of server.messages) {
      sizes.push(message.length);
      if (sizes.length === 2) break;
    }
    for await (const message of server.messages) sizes.push(message.length);
    assertEquals(sizes, [3, 5000, 1, 7]);
    for await (const _ of server.messages) throw new Error("there is none after the end");
  });
});

Deno.test("messages: two loops share them; a failure ends both with its error", async () => {
  await withPair(async (client, server, network) => {
    const seen: number[] = [];
    const loops = [1, 2].map(async () => {
      for await (const message of server.messages) seen.push(message.length);
    });
    for (const size of [1, 2, 3, 4]) await client.sendMessage(pattern(size));
    await network.delay(100);
    assertEquals(seen, [1, 2, 3, 4]);
    client.abort("enough");
    for (const loop of loops) assertEquals((await errorOf(loop)).reason, "enough");
  });
});

Deno.test("datagrams: a loop over them ends when none can follow", async () => {
  await withPair(async (client, server, network) => {
    for (const size of [3, 0, 9]) assertEquals(client.sendDatagram(pattern(size)), true);
    await network.delay(100);
    await Promise.all([client.closeWrite(), server.closeWrite()]);
    const sizes: number[] = [];
    for await (const datagram of server.datagrams) sizes.push(datagram.length);
    assertEquals(sizes, [3, 0, 9]);
    assertEquals(client.sendDatagram(pattern(1)), false);
    assertThrows(() => client.sendDatagram(new Uint8Array(9999)), RangeError, "9999");
  });
});

Deno.test("abort: an Error is the cause here, and its message the reason there", async () => {
  await withPair(async (client, server) => {
    const cause = new TypeError("no such room");
    client.abort(cause, 404);
    const here = await errorOf(client.closed);
    assertEquals([here.kind, here.message, here.cause], ["closed", "no such room", cause]);
    const there = await errorOf(server.closed);
    assertEquals([there.reason, there.closeCode, there.code], ["no such room", 404, "ECONNRESET"]);
    assertEquals(there.cause, undefined);
  });
});

Deno.test("abort: a reason of another type and a code out of range are refused", async () => {
  await withPair(async (client) => {
    for (const [wrong, name] of [[5, "5"], [null, "null"], [{}, "a plain object"]]) {
      assertThrows(() => client.abort(wrong as string), TypeError, `the reason ${name}:`);
    }
    assertThrows(() => client.abort("", 65_536), RangeError, "65536");
    await settle();
    assertEquals(client.state, "open");
  });
});

Deno.test("configure: idleTimeout, keepAlive and linger change live", async () => {
  await withPair(async (client, server, network) => {
    // The server is not probed, so it ends with its new timeout.
    server.configure({ idleTimeout: 7000 });
    const before = network.now - server.lastHeard;
    const error = await errorOf(server.closed);
    assertEquals([error.kind, Math.round(network.now - before)], ["idle", 7000]);
    assertEquals(server.options.idleTimeout, 7000);
    assertEquals(client.options.idleTimeout, 300_000);
  }, { keepAlive: Infinity });

  await withPair(async (client, _, network) => {
    client.configure({ keepAlive: 2000, sndWnd: 64 });
    assertEquals([client.options.keepAlive, client.options.sndWnd], [2000, 64]);
    const { packets } = network.stats;
    await network.delay(21_000);
    assertEquals(network.stats.packets - packets, 20);
    client.configure({ keepAlive: Infinity });
    await network.delay(100_000);
    assertEquals(network.stats.packets - packets, 20);
  }, { keepAlive: Infinity });

  await withPair(async (client, _, network) => {
    network.partition(SERVER, CLIENT);
    await client.write(pattern(9));
    const before = network.now;
    client.close();
    await network.delay(1000);
    client.configure({ linger: 2000 });
    const error = await errorOf(client.closed);
    assertEquals([error.kind, network.now - before], ["closed", 2000]);
    assert(error.message.includes("2000 ms"), error.message);
  });
});

Deno.test("configure: a wrong time is refused with its value and range, and changes nothing", async () => {
  await withPair((client) => {
    const before = client.options;
    for (const name of ["idleTimeout", "keepAlive", "linger"]) {
      const change = { sndWnd: 7, [name]: -1 };
      const error = assertThrows(() => client.configure(change), RangeError, `${name} to -1`);
      assert(error.message.includes("to Infinity"), error.message);
      assertThrows(() => client.configure({ [name]: "5" }), TypeError, "must be a number");
      assertThrows(() => client.configure({ [name]: 5000, mtu: 1 }), RangeError, "mtu");
    }
    client.configure({ idleTimeout: undefined });
    assertEquals(client.options, before);
    return Promise.resolve();
  });
});

Deno.test("console.log: addresses, state and rtt, on Deno and on Node.js", async () => {
  await withPair((client) => {
    for (const shown of [Deno.inspect(client), inspect(client)]) {
      assert(shown.startsWith("Connection {"), shown);
      for (const part of ["10.0.0.2", "5000", "10.0.0.1", "80", "open", "rtt: 40"]) {
        assert(shown.includes(part), `${part} is not in ${shown}`);
      }
    }
    assert(Deno.inspect({ client }).includes("10.0.0.1"));
    return Promise.resolve();
  });
});

Deno.test("console.log: the address of listeners, on Deno and on Node.js", () => {
  const network = new SimulatedNetwork({ seed: 1 });
  const listener = network.listen({ hostname: SERVER, port: 80 });
  const muxListener = new MuxListener(network.listen({ hostname: SERVER, port: 81 }));
  for (const shown of [Deno.inspect(listener), inspect(listener)]) {
    assert(shown.startsWith("Listener {"), shown);
    for (const part of [SERVER, "80", "simulated", "sessions: 0"]) {
      assert(shown.includes(part), shown);
    }
  }
  for (const shown of [Deno.inspect(muxListener), inspect(muxListener)]) {
    assert(shown.startsWith("MuxListener {"), shown);
    assert(shown.includes(SERVER) && shown.includes("81"), shown);
  }
});

Deno.test("errors: nothing was sent yet", async () => {
  const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
  await network.run(async () => {
    const client = network.connect({ hostname: SERVER, port: 80 });
    const error = await errorOf(client.read(new Uint8Array(1), { timeout: 100 }));
    assertEquals([error.kind, error.code], ["timeout", "ETIMEDOUT"]);
    assert(error.message.includes("nothing was sent to the peer yet"), error.message);
    await client.write(pattern(1));
    const later = await errorOf(client.read(new Uint8Array(1), { timeout: 100 }));
    assert(later.message.includes("nothing came from there"), later.message);
    client.abort();
  });
});

Deno.test("errors: the time of silence counts from when an answer was due", async () => {
  await withPair(async (client, _, network) => {
    await network.delay(1_000_000);
    network.partition(SERVER, CLIENT);
    await client.write(pattern(1));
    const error = await errorOf(client.closed);
    assertEquals(error.kind, "unreachable");
    const [, silence] = error.message.match(/for (\d+) ms/)!;
    assert(Math.abs(Number(silence) - 4000) <= 1, error.message);
  }, { keepAlive: Infinity, idleTimeout: Infinity, deadLinkTime: 4000 });
});

Deno.test("errors: the peer had ended its stream", async () => {
  await withPair(async (client, server, network) => {
    await server.closeWrite();
    await network.delay(100);
    network.partition(SERVER, CLIENT);
    await fill(client);
    const late = await errorOf(client.drained({ timeout: 100 }));
    assert(late.message.includes("the peer had ended its stream"), late.message);
    const error = await errorOf(client.closed);
    assertEquals(error.kind, "unreachable");
    assert(error.message.includes("the peer had ended its stream"), error.message);
  }, { deadLinkTime: 4000 });
});

Deno.test("errors: each kind has a code, and a cause gives its own", () => {
  const codes = {
    unreachable: "ETIMEDOUT",
    idle: "ETIMEDOUT",
    unconfirmed: "ETIMEDOUT",
    reset: "ECONNRESET",
    closed: "ECONNABORTED",
    socket: "EIO",
    timeout: "ETIMEDOUT",
  } as const;
  for (const kind of Object.keys(codes) as (keyof typeof codes)[]) {
    assertEquals(new ConnectionError(kind, "x").code, codes[kind]);
  }
  const cause = Object.assign(new Error("denied"), { code: "EACCES" });
  const error = new ConnectionError("socket", "x", { cause });
  assertEquals([error.code, error.cause], ["EACCES", cause]);
  assertEquals(new ConnectionError("socket", "x", { cause: "text" }).code, "EIO");
  assertEquals(new ConnectionError("reset", "x", { code: "ECONNREFUSED" }).code, "ECONNREFUSED");
});

Deno.test("errors: a listener that accepts nothing more is ECONNREFUSED", async () => {
  const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
  const listener = network.listen({ hostname: SERVER, port: 80 });
  await network.run(async () => {
    const first = network.connect({ hostname: SERVER, port: 80 });
    await first.opened;
    const server = await listener.accept();
    listener.close();
    const late = network.connect({ hostname: SERVER, port: 80 });
    const error = await errorOf(late.open());
    assertEquals([error.kind, error.code], ["reset", "ECONNREFUSED"]);
    first.abort();
    server.abort();
  });
});

Deno.test("two operations at once: each kind has its own order, and a close rejects all", async () => {
  await withPair(async (client, server, network) => {
    const waiting = [
      server.read(new Uint8Array(1)),
      server.receiveMessage(),
      server.receiveDatagram(),
    ].map(outcome);
    client.sendDatagram(pattern(3));
    await network.delay(100);
    assertEquals(waiting.map(({ state }) => state), ["pending", "pending", "resolved"]);
    await client.write(pattern(2));
    await network.delay(100);
    assertEquals(waiting.map(({ state }) => state), ["resolved", "resolved", "resolved"]);
    const last = [server.read(new Uint8Array(1)), server.receiveDatagram(), server.ping()];
    server.close();
    for (const promise of last) {
      assertEquals((await assertRejects(() => promise, ConnectionError)).kind, "closed");
    }
  });
});
