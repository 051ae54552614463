import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { type Connection, ConnectionError, turbo } from "../../../mod.ts";
import type { LinkOptions } from "../../../transport/link/mod.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { pattern } from "../../kcp/harness.ts";
import { fill, outcome, readAll, readExactly, settle } from "../harness.ts";

/** Runs `body` with two ends of a connection on a network of its own. */
async function withPair(
  body: (client: Connection, server: Connection, network: SimulatedNetwork) => Promise<void>,
  options = {},
  link: LinkOptions = { latency: 20 },
): Promise<void> {
  const network = new SimulatedNetwork({ seed: "pair", link });
  const listener = network.listen({ hostname: "10.0.0.1", port: 80, ...turbo, ...options });
  await network.run(async () => {
    const client = network.connect({ hostname: "10.0.0.1", port: 80, ...turbo, ...options });
    await client.write(new Uint8Array([1]));
    const server = await listener.accept();
    await readExactly(server, 1);
    await body(client, server, network);
    client.abort();
    server.abort();
    await Promise.allSettled([client.closed, server.closed]);
    listener.close();
    await listener.closed;
  });
}

/** Checks that an operation is rejected with an error of one kind, and returns that. */
async function kindOf(promise: Promise<unknown>): Promise<string> {
  const error = await assertRejects(() => promise, ConnectionError);
  assert(error.message.length > 10, `the message says too little: ${error.message}`);
  return error.kind;
}

Deno.test("Connection: read gives the bytes that fit, and waits while there are none", async () => {
  await withPair(async (client, server, network) => {
    await client.write(pattern(10));
    const small = new Uint8Array(4);
    assertEquals(await server.read(small), 4);
    assertEquals(small, pattern(4));
    assertEquals(await server.read(new Uint8Array(100)), 6);
    const waiting = outcome(server.read(new Uint8Array(100)));
    await network.delay(5000);
    assertEquals(waiting.state, "pending");
    await client.write(pattern(1));
    await network.delay(100);
    assertEquals(waiting.state, "resolved");
  });
});

Deno.test("Connection: read and write of 0 bytes give 0 and send nothing", async () => {
  await withPair(async (client, server, network) => {
    assertEquals(await server.read(new Uint8Array()), 0);
    await network.delay(1000);
    const { packets } = network.stats;
    assertEquals(await client.write(new Uint8Array()), 0);
    await network.delay(1000);
    assertEquals(network.stats.packets, packets);
  });
});

Deno.test("Connection: every read at the end of the peer's stream gives null", async () => {
  await withPair(async (client, server) => {
    await client.write(pattern(3));
    await client.closeWrite();
    assertEquals(await readAll(server), pattern(3));
    assertEquals(await server.read(new Uint8Array(1)), null);
    assertEquals(await server.receiveMessage(), null);
  });
});

Deno.test("Connection: reads complete in the order of their calls", async () => {
  await withPair(async (client, server) => {
    const buffers = [1, 2, 3].map((size) => new Uint8Array(size));
    const reads = buffers.map((buffer) => server.read(buffer));
    await client.write(pattern(6));
    assertEquals(await Promise.all(reads), [1, 2, 3]);
    assertEquals(buffers.flatMap((buffer) => [...buffer]), [...pattern(6)]);
  });
});

Deno.test("Connection: writes wait while the peer does not read; memory is bounded", async () => {
  await withPair(async (client, server, network) => {
    const total = 3_000_000;
    let written = 0;
    const writing = (async () => {
      for (const piece = 50_000; written < total;) {
        written += await client.write(pattern(Math.min(piece, total - written), written));
      }
    })();
    await network.delay(20_000);
    // The peer's receive window of 256 segments, and the queue of 255 here.
    const bound = (256 + 255 + 128) * 1376;
    assertLess(written, bound);
    assertLess(client.stats.bytesHeld, bound);
    assertLess(server.stats.bytesHeld, 257 * 1376);
    const stuck = written;
    await network.delay(20_000);
    assertEquals(written, stuck, "writes continue although the peer does not read");
    assertEquals(await readExactly(server, total), pattern(total));
    await writing;
  }, { sndWnd: 128, rcvWnd: 256 });
});

Deno.test("Connection: a pending write completes as soon as the peer reads", async () => {
  await withPair(async (client, server, network) => {
    const written = await fill(client);
    const write = outcome(client.write(new Uint8Array(100_000)));
    await network.delay(1000);
    assertEquals(write.state, "pending");
    assertEquals(await readExactly(server, written), pattern(written));
    await network.delay(1000);
    assertEquals(write.state, "resolved");
  });
});

Deno.test("Connection: the caller may change the bytes after a write has completed", async () => {
  await withPair(async (client, server) => {
    const bytes = pattern(1000);
    assertEquals(await client.write(bytes), 1000);
    bytes.fill(0);
    assertEquals(await readExactly(server, 1000), pattern(1000));
  });
});

Deno.test("Connection: a read that timed out takes no bytes", async () => {
  await withPair(async (client, server, network) => {
    const before = network.now;
    assertEquals(await kindOf(server.read(new Uint8Array(9), { timeout: 250 })), "timeout");
    assertEquals(network.now, before + 250);
    await client.write(pattern(9));
    assertEquals(await readExactly(server, 9), pattern(9));
  });
});

Deno.test("Connection: readTimeout and writeTimeout apply to every read and write", async () => {
  await withPair(async (client, server, network) => {
    server.readTimeout = 300;
    let before = network.now;
    assertEquals(await kindOf(server.read(new Uint8Array(1))), "timeout");
    assertEquals(await kindOf(server.receiveMessage()), "timeout");
    assertEquals(network.now, before + 600);

    client.writeTimeout = 400;
    const error = await assertRejects(async () => {
      for (;;) {
        before = network.now;
        await client.write(new Uint8Array(1000));
      }
    }, ConnectionError);
    assertEquals([error.kind, network.now], ["timeout", before + 400]);
    // What the option of one operation says goes before.
    before = network.now;
    assertEquals(await kindOf(client.write(new Uint8Array(1), { timeout: 70 })), "timeout");
    assertEquals(network.now, before + 70);
  });
});

Deno.test("Connection: a write that timed out has queued no bytes", async () => {
  await withPair(async (client, server) => {
    const written = await fill(client);
    assertEquals(await kindOf(client.write(new Uint8Array(5), { timeout: 1 })), "timeout");
    const ended = client.closeWrite();
    assertEquals(await readAll(server), pattern(written));
    await ended;
  });
});

Deno.test("Connection: an AbortSignal rejects an operation, no bytes are lost", async () => {
  await withPair(async (client, server) => {
    const controller = new AbortController();
    const reason = new Error("changed my mind");
    const reading = outcome(server.read(new Uint8Array(5), { signal: controller.signal }));
    const behind = server.read(new Uint8Array(5));
    await settle();
    controller.abort(reason);
    await settle();
    assertEquals(reading.state, reason);
    const { signal } = controller;
    for (
      const operation of [
        () => server.read(new Uint8Array(5), { signal }),
        () => client.write(pattern(1), { signal }),
        () => client.sendMessage(pattern(1), { signal }),
        () => server.receiveMessage({ signal }),
        () => client.drained({ signal }),
      ]
    ) assertEquals(await operation().catch((error) => error), reason);
    await client.write(pattern(5));
    assertEquals(await behind, 5, "the read behind the aborted one did not get the bytes");
  });
});

Deno.test("Connection: an operation runs as soon as the one before it is aborted", async () => {
  await withPair(async (client, server, network) => {
    await fill(client);
    const controller = new AbortController();
    // The whole message does not fit; a few bytes would.
    const first = outcome(
      client.sendMessage(new Uint8Array(client.maxMessageSize), { signal: controller.signal }),
    );
    await readExactly(server, 20_000);
    await network.delay(1000);
    const second = outcome(client.write(pattern(1)));
    await network.delay(1000);
    assertEquals([first.state, second.state], ["pending", "pending"]);
    controller.abort("enough");
    await settle();
    assertEquals([first.state, second.state], ["enough", "resolved"]);
  });
});

Deno.test("Connection: a settled operation no longer listens to its signal", async () => {
  await withPair(async (client, server) => {
    const { signal } = new AbortController();
    let listening = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listening++;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listening--;
      removeEventListener.apply(signal, args);
    };
    const read = server.read(new Uint8Array(5), { signal, timeout: 1000 });
    assertEquals(listening, 1);
    await client.write(pattern(5), { signal });
    await read;
    assertEquals(listening, 0);
  });
});

Deno.test("Connection: messages keep their boundaries, whatever their size", async () => {
  await withPair(async (client, server) => {
    const sizes = [1, 2, 1376, 1377, 5000, client.maxMessageSize, 7];
    const sending = (async () => {
      for (const size of sizes) await client.sendMessage(pattern(size, size));
      await client.closeWrite();
    })();
    for (const size of sizes) assertEquals(await server.receiveMessage(), pattern(size, size));
    assertEquals(await server.receiveMessage(), null);
    await sending;
  });
});

Deno.test("Connection: an empty or too large message is refused", async () => {
  await withPair(async (client) => {
    assertEquals(client.maxMessageSize, 255 * 1376);
    await assertRejects(() => client.sendMessage(new Uint8Array()), RangeError, "empty");
    const error = await assertRejects(
      () => client.sendMessage(new Uint8Array(client.maxMessageSize + 1)),
      RangeError,
      "255",
    );
    assertInstanceOf(error, RangeError);
  });
});

Deno.test("Connection: readable and writable carry a stream with backpressure", async () => {
  await withPair(async (client, server) => {
    const sent = pattern(1_000_000);
    const echoing = server.readable.pipeTo(server.writable);
    const writing = new Blob([sent]).stream().pipeTo(client.writable);
    assertEquals(new Uint8Array(await new Response(client.readable).arrayBuffer()), sent);
    await Promise.all([echoing, writing]);
  });
});

Deno.test("Connection: readable errors with the error that ended the connection", async () => {
  await withPair(async (client) => {
    const reader = client.readable.getReader();
    const reading = outcome(reader.read());
    client.abort("enough");
    await settle();
    assertInstanceOf(reading.state, ConnectionError);
    assertEquals(reading.state.message, "enough");
  });
});

Deno.test("Connection: conv, addresses, rtt, stats and options come from the session", async () => {
  await withPair(async (client, server, network) => {
    assertEquals(client.conv, server.conv);
    assertEquals(server.localAddr, { transport: "udp", hostname: "10.0.0.1", port: 80 });
    assertEquals(client.remoteAddr, server.localAddr);
    assertEquals(server.remoteAddr, client.localAddr);
    await network.delay(500);
    assert(client.rtt >= 40 && client.rtt <= 60, `rtt is ${client.rtt} ms`);
    assertEquals(client.stats.payloadOut, 1);
    assertEquals(server.stats.payloadIn, 1);
    assertEquals(client.options.interval, turbo.interval);
  });
});

Deno.test("Connection: windows, mtu and nodelay change while data flows", async () => {
  await withPair(async (client, server, network) => {
    const total = 2_000_000;
    const reading = readExactly(server, total);
    let written = 0;
    const changes = [{ sndWnd: 1024, rcvWnd: 1024 }, { mtu: 500 }, { sndWnd: 16 }, {
      mtu: 1200,
      nodelay: 0,
      nc: false,
    }] as const;
    while (written < total) {
      written += await client.write(pattern(Math.min(20_000, total - written), written));
      const change = changes[Math.floor(4 * written / total)];
      if (change) { for (const conn of [client, server]) conn.configure(change); }
    }
    assertEquals(await reading, pattern(total));
    const { mtu, sndWnd, nodelay } = client.options;
    assertEquals([mtu, sndWnd, nodelay], [1200, 16, 0]);
    assertLess(0, network.now);
    assertThrows(() => client.configure({ mtu: 10 }), RangeError, "10");
    assertEquals(client.options.mtu, 1200);
  });
});

Deno.test("Connection: a waiting write completes when the send queue becomes larger", async () => {
  await withPair(async (client) => {
    await fill(client);
    const waiting = outcome(client.write(new Uint8Array(1)));
    await settle();
    assertEquals(waiting.state, "pending");
    client.configure({ sndQueue: 4000 });
    await settle();
    assertEquals(waiting.state, "resolved");
  });
});

Deno.test("Connection: drained resolves when all data is acknowledged, not before", async () => {
  await withPair(async (client, server, network) => {
    const before = network.now;
    await client.write(pattern(100));
    await client.drained();
    assert(network.now >= before + 40, `after ${network.now - before} ms of a round trip of 40`);
    assertEquals(await readExactly(server, 100), pattern(100));
  });
});

for (const bytes of ["text", [1, 2], new ArrayBuffer(4), null, new Uint16Array(2)]) {
  Deno.test(`Connection: ${Object.prototype.toString.call(bytes)} instead of bytes is a TypeError`, async () => {
    await withPair(async (client, server, network) => {
      const wrong = bytes as unknown as Uint8Array;
      const { packets } = network.stats;
      for (const write of [() => client.write(wrong), () => client.sendMessage(wrong)]) {
        const result = await Promise.race([write(), network.delay(100)]).catch((error) => error);
        assertInstanceOf(result, TypeError, `it was taken: ${result}`);
      }
      assertEquals(network.stats.packets, packets, "something was sent for it");
      await client.write(pattern(3));
      assertEquals(await readExactly(server, 3), pattern(3));
    });
  });
}

for (const timeout of [-1, NaN, "5"]) {
  Deno.test(`Connection: a timeout of ${timeout} is refused at once`, async () => {
    await withPair(async (client) => {
      const options = { timeout: timeout as number };
      const error = await client.read(new Uint8Array(1), options).catch((error) => error);
      assert(error instanceof RangeError || error instanceof TypeError, String(error));
      assert(error.message.includes(String(timeout)), error.message);
    });
  });
}
