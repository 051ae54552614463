import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Connection, ConnectionError, type EndpointOptions, turbo } from "../../../mod.ts";
import type { LinkOptions } from "../../../transport/link/mod.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { pattern } from "../../kcp/harness.ts";
import { outcome, readAll, readExactly, settle } from "../harness.ts";
import { CLIENT, SERVER, withPair } from "./pair.ts";

const MIB = 1 << 20;

Deno.test("tryWrite: it takes what the queue has room for, then nothing", async () => {
  await withPair(async (client, server) => {
    const sent = pattern(8 * MIB);
    const taken = client.tryWrite(sent);
    assert(taken > 0 && taken < sent.length, `${taken} bytes were taken`);
    assertEquals([client.unsentBytes, client.tryWrite(sent), client.desiredSize], [taken, 0, 0]);
    assertEquals(await readExactly(server, taken), sent.subarray(0, taken));
    assertEquals([client.unsentBytes, client.tryWrite(new Uint8Array())], [0, 0]);
  });
});

Deno.test("tryWrite: it does not overtake a write that waits", async () => {
  await withPair(async (client, server) => {
    const sent = pattern(8 * MIB + 10);
    const writing = client.writeAll(sent.subarray(0, 8 * MIB));
    const rest = sent.subarray(8 * MIB);
    assertEquals([client.tryWrite(rest), client.tryWritev([rest]), client.desiredSize], [0, 0, 0]);
    assertEquals(client.trySendMessage(rest), false);
    const retry = writing.then(() => client.tryWrite(rest));
    assertEquals(await readExactly(server, sent.length), sent);
    assertEquals(await retry, 10);
  });
});

Deno.test("tryWrite: it throws after the end, a close, and a wrong argument", async () => {
  await withPair(async (client, server, network) => {
    for (const wrong of ["text", null, [1]]) {
      assertThrows(() => client.tryWrite(wrong as unknown as Uint8Array), TypeError);
      assertThrows(() => client.tryWritev([wrong as unknown as Uint8Array]), TypeError);
      assertThrows(() => client.trySendMessage(wrong as unknown as Uint8Array), TypeError);
    }
    assertThrows(() => client.tryWritev(pattern(3) as unknown as Uint8Array[]), TypeError);
    assertThrows(() => client.trySendMessage(new Uint8Array()), RangeError);
    const tooLarge = new Uint8Array(client.maxMessageSize + 1);
    assertThrows(() => client.trySendMessage(tooLarge), RangeError);
    const writes = (conn: Connection) => [
      () => conn.tryWrite(pattern(1)),
      () => conn.tryWritev([pattern(1)]),
      () => conn.trySendMessage(pattern(1)),
    ];
    await client.closeWrite();
    for (const write of writes(client)) {
      assertEquals(assertThrows(write, ConnectionError).code, "EPIPE");
    }
    client.abort("enough");
    await network.delay(100);
    for (const write of writes(client)) {
      assertEquals(assertThrows(write, ConnectionError).kind, "closed");
    }
    for (const write of writes(server)) {
      assertEquals(assertThrows(write, ConnectionError).kind, "reset");
    }
  });
});

Deno.test("tryWritev: the pieces arrive one after the other, and small ones share a packet", async () => {
  await withPair(async (client, server) => {
    const all = pattern(1000);
    const pieces = [all.subarray(0, 8), new Uint8Array(), all.subarray(8)];
    const { packetsOut } = client.stats;
    assertEquals(client.tryWritev(pieces), 1000);
    assertEquals(await readExactly(server, 1000), all);
    assertEquals(client.stats.packetsOut, packetsOut + 1);
    assertEquals(client.tryWritev([]), 0);
  });
});

Deno.test("tryWritev: a full queue cuts it within a piece, and counts what was taken", async () => {
  await withPair(async (client, server) => {
    const all = pattern(8 * MIB);
    const pieces = [all.subarray(0, 100), all.subarray(100, MIB), all.subarray(MIB)];
    const taken = client.tryWritev(pieces);
    assert(taken > MIB && taken < all.length, `${taken} bytes were taken`);
    assertEquals(await readExactly(server, taken), all.subarray(0, taken));
  });
});

Deno.test("trySendMessage: it takes a message whole or not, and boundaries are kept", async () => {
  await withPair(async (client, server, network) => {
    assertEquals(server.tryReceiveMessage(), undefined);
    const large = pattern(200_000);
    let sent = 0;
    while (client.trySendMessage(large)) sent++;
    assert(sent > 5, `${sent} messages were taken`);
    assertEquals(client.unsentBytes, sent * large.length);
    for (let i = 0; i < sent; i++) assertEquals(await server.receiveMessage(), large);
    assertEquals(client.trySendMessage(pattern(3)), true);
    assertEquals(client.trySendMessage(pattern(4)), true);
    await client.closeWrite();
    await network.delay(100);
    assertEquals(server.tryReceiveMessage(), pattern(3));
    assertEquals(server.tryReceiveMessage(), pattern(4));
    assertEquals([server.tryReceiveMessage(), server.tryReceiveMessage()], [null, null]);
  });
});

Deno.test("tryReceiveMessage: it does not overtake a read that waits, and throws at the end", async () => {
  await withPair(async (client, server, network) => {
    const waiting = server.receiveMessage();
    client.trySendMessage(pattern(3));
    client.trySendMessage(pattern(4));
    assertEquals(server.tryReceiveMessage(), undefined);
    await network.delay(100);
    assertEquals([await waiting, server.tryReceiveMessage()], [pattern(3), pattern(4)]);
    client.trySendMessage(pattern(5));
    await network.delay(100);
    client.abort("enough");
    await network.delay(100);
    assertEquals(server.tryReceiveMessage(), pattern(5));
    const error = assertThrows(() => server.tryReceiveMessage(), ConnectionError);
    assertEquals(error.kind, "reset");
    assertThrows(() => client.tryReceiveMessage(), ConnectionError);
  });
});

Deno.test("onWritable: set when there is room, it is called soon, and not again without a write", async () => {
  await withPair(async (client, _, network) => {
    let calls = 0;
    client.onWritable = () => calls++;
    assertEquals(calls, 0);
    await settle();
    assertEquals(calls, 1);
    await network.delay(1000);
    assertEquals(calls, 1, "nothing was written");
    client.tryWrite(pattern(1));
    await network.delay(1000);
    assertEquals(calls, 1, "the queue never was long enough");
    client.tryWrite(new Uint8Array(64 * MIB));
    await network.delay(1000);
    assertEquals(calls, 2, "the queue became short");
    client.onWritable = null;
    client.tryWrite(new Uint8Array(64 * MIB));
    await network.delay(1000);
    assertEquals(calls, 2);
  }, { rcvWnd: 16_384 });
});

Deno.test("onWritable: a write of any kind that fills the queue makes it due", async () => {
  await withPair(async (client, _, network) => {
    let calls = 0;
    client.onWritable = () => calls++;
    await network.delay(1000);
    for (
      const write of [
        () => client.write(new Uint8Array(2 * MIB)),
        () => client.writeAll(new Uint8Array(8 * MIB)),
        () => client.sendMessage(new Uint8Array(300_000)),
      ]
    ) {
      const before = calls;
      await write();
      await network.delay(1000);
      assertEquals(calls, before + 1);
    }
  }, { rcvWnd: 16_384 });
});

Deno.test("onWritable: a number is the mark, and desiredSize is what lacks to it", async () => {
  await withPair(
    async (client, _, network) => {
      client.unsentLowWater = 50_000;
      assertEquals([client.unsentLowWater, client.desiredSize], [50_000, 50_000]);
      const seen: number[] = [];
      client.onWritable = () => seen.push(client.unsentBytes);
      await settle();
      client.tryWrite(new Uint8Array(30_000));
      assertEquals(client.desiredSize, 20_000);
      client.tryWrite(new Uint8Array(970_000));
      assertEquals([client.desiredSize, seen.length], [0, 1]);
      await network.delay(1000);
      assertEquals(seen.length, 2);
      assert(seen[1] < 50_000 && seen[1] > 0, `called with ${seen[1]} bytes in the queue`);
      for (const wrong of ["low", null, {}]) {
        assertThrows(() => client.unsentLowWater = wrong as "auto", TypeError);
      }
      for (const wrong of [0, -1, NaN]) {
        assertThrows(() => client.unsentLowWater = wrong, RangeError);
      }
      assertEquals(client.unsentLowWater, 50_000);
    },
    {},
    { latency: 20, bandwidth: 1_000_000 },
  );
});

Deno.test("onWritable: it is not called any more when the connection has ended", async () => {
  await withPair(async (client, server, network) => {
    let calls = 0;
    client.onWritable = () => {
      calls++;
      client.tryWrite(new Uint8Array(client.desiredSize));
    };
    await network.delay(30);
    const before = calls;
    assert(before > 0);
    server.abort("enough");
    await network.delay(10_000);
    const after = calls;
    client.onWritable = () => calls++;
    await network.delay(10_000);
    assert(calls - after <= 0 && after - before < 50, `${before}, ${after}, ${calls} calls`);
    assertEquals(client.desiredSize, 0);
  });
});

Deno.test("onWritable: a callback may close or abort its connection, and others", async () => {
  for (const end of ["close", "abort"] as const) {
    await withPair(async (client, server, network) => {
      client.tryWrite(pattern(10));
      client.onWritable = () => client[end]();
      const closed = [outcome(client.closed), outcome(server.closed)];
      if (end === "close") assertEquals(await readAll(server), pattern(10));
      server.close();
      await network.delay(10_000);
      assertEquals(closed[0].state === "resolved", end === "close");
      assertEquals(closed[1].state === "resolved", end === "close");
    });
  }
});

Deno.test("onWritable: bytes that it writes leave in the same turn", async () => {
  await withPair(async (client, server, network) => {
    const start = network.now;
    client.onWritable = () => client.tryWrite(pattern(5));
    await readExactly(server, 5);
    assertEquals(network.now - start, 20, "latency alone");
  });
});

/** Moves bytes in one of two ways, and tells how long it took, and the queue behind each call. */
async function transfer(
  client: Connection,
  server: Connection,
  network: SimulatedNetwork,
  total: number,
  late: boolean,
): Promise<{ time: number; queues: number[] }> {
  const start = network.now;
  const queues: number[] = [];
  if (late) {
    let left = total;
    client.onWritable = () => {
      queues.push(client.unsentBytes);
      for (let size; left > 0 && (size = client.desiredSize) > 0;) {
        left -= client.tryWrite(new Uint8Array(Math.min(size, left)));
      }
    };
  } else {
    client.writeAll(new Uint8Array(total)).catch(() => {});
  }
  await readExactly(server, total);
  return { time: network.now - start, queues };
}

const LINKS: Record<string, LinkOptions> = {
  "a long fast path": { latency: 50, bandwidth: 12_500_000, queueBytes: 1_000_000 },
  "losses": { latency: 10, bandwidth: 2_500_000, loss: 0.02, queueBytes: 100_000 },
};

const SENDERS: Record<string, EndpointOptions> = {
  "bbr": { nc: false },
  "cubic": { nc: false, congestion: "cubic" },
  "a rate": { nc: false, pacingRate: 2_000_000 },
  "FEC": { nc: false, fec: { dataShards: 10, parityShards: 3 } },
};

for (const [path, link] of Object.entries(LINKS)) {
  for (const [name, options] of Object.entries(SENDERS)) {
    if (path === "losses" && name === "cubic") continue;
    Deno.test(`desiredSize: ${path}, ${name}: all of the rate, with next to no queue`, async () => {
      const total = 4_000_000;
      const results: { time: number; queues: number[] }[] = [];
      for (const late of [false, true]) {
        await withPair(
          async (client, server, network) => {
            results.push(await transfer(client, server, network, total, late));
          },
          options,
          link,
        );
      }
      const [deep, late] = results;
      assert(late.time < deep.time * 1.1, `${late.time} ms, not ${deep.time} ms`);
      // What is left behind each output is a segment. Retransmissions may take the place of others.
      const longest = Math.max(...late.queues);
      const mean = late.queues.reduce((sum, bytes) => sum + bytes) / late.queues.length;
      const most = link.loss ? 20_000 : 3000;
      assert(longest < most && mean < 3000, `up to ${longest}, on average ${mean} bytes waited`);
    });
  }
}

Deno.test("desiredSize: small messages fill the path, too", async () => {
  const times: number[] = [];
  for (const late of [false, true]) {
    await withPair(
      async (client, server, network) => {
        const message = pattern(100);
        const start = network.now;
        let left = 10_000;
        if (late) {
          client.onWritable = () => {
            while (left > 0 && client.desiredSize > 0 && client.trySendMessage(message)) left--;
          };
        } else {
          (async () => {
            while (left-- > 0) await client.sendMessage(message);
          })();
        }
        for (let i = 0; i < 10_000; i++) await server.receiveMessage();
        times.push(network.now - start);
      },
      { nc: false },
      LINKS["a long fast path"],
    );
  }
  assert(times[1] < times[0] * 1.05, `${times[1]} ms, not ${times[0]} ms`);
});

Deno.test("desiredSize: 0 while the peer's window is closed, and onWritable waits for it", async () => {
  await withPair(async (client, server, network) => {
    let written = 0;
    client.onWritable = () => {
      for (let size; (size = client.desiredSize) > 0;) {
        written += client.tryWrite(new Uint8Array(size));
      }
    };
    await network.delay(20_000);
    const before = written;
    assertEquals(client.desiredSize, 0);
    await network.delay(20_000);
    assertEquals(written, before);
    await readExactly(server, before - 3000);
    await network.delay(1000);
    assert(written > before, "the window opened");
    network.partition(SERVER, CLIENT);
  }, { rcvWnd: 256 });
});

Deno.test("onWritable: who has seen no room is called for the next, though the room went without a write", async () => {
  // A seed with which the room vanishes between two calls, without a write.
  const link = {
    latency: 34.90835890173912,
    bandwidth: 2823451.8822282553,
    loss: 0.02607817294076085,
  };
  const network = new SimulatedNetwork({ seed: 11, link: { ...link, queueBytes: 515_417 } });
  const at = { hostname: SERVER, port: 80 };
  const listener = network.listen({ ...at, ...turbo });
  await network.run(async () => {
    const client = network.connect({ ...at, ...turbo });
    await client.open();
    const server = await listener.accept();
    const buffer = new Uint8Array(65_536);
    server.onReadable = () => {
      while (server.tryRead(buffer));
    };
    const piece = pattern(491);
    let waiting = false;
    let written = () => {};
    /** Writes the piece that waits, if there is room. */
    const fill = () => {
      if (!waiting || client.desiredSize === 0) return;
      waiting = false;
      client.tryWrite(piece);
      written();
    };
    client.onWritable = fill;
    for (let i = 0; i < 1500; i++) {
      waiting = true;
      const writing = new Promise<void>((resolve) => written = resolve);
      fill();
      if (waiting) {
        await Promise.race([writing, network.delay(5000)]);
        assertEquals(waiting, false, `no call for ${client.desiredSize} bytes of room, piece ${i}`);
      } else {
        await writing;
      }
      await null;
    }
    server.onReadable = client.onWritable = null;
    client.abort();
    server.abort();
  });
});
