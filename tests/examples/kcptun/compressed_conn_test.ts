import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Connection } from "../../../mod.ts";
import { CompressedConn } from "../../../examples/kcptun/snappy/compressed_conn.ts";
import { SnappyError } from "../../../examples/kcptun/snappy/decoder.ts";
import { Random } from "../../../transport/link/random.ts";
import { SimulatedNetwork, type SimulatedNetworkOptions } from "../../../transport/simulated.ts";

/** Runs a test with both ends of a connection. */
async function withPair(
  options: SimulatedNetworkOptions,
  test: (client: Connection, server: Connection, network: SimulatedNetwork) => Promise<void>,
): Promise<void> {
  const network = new SimulatedNetwork(options);
  await network.run(async () => {
    const listener = network.listen({ hostname: "server", port: 80 });
    const client = network.connect({ hostname: "server", port: 80, localHostname: "client" });
    const accepted = listener.accept();
    await client.opened;
    await test(client, await accepted, network);
  });
}

/** Text with noise in it. */
function mixture(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = random.chance(0.3) ? random.below(256) : i & 15;
  return bytes;
}

async function readAll(conn: CompressedConn, room: number): Promise<Uint8Array> {
  const found: number[] = [];
  const buffer = new Uint8Array(room);
  for (let count; (count = await conn.read(buffer)) !== null;) {
    for (let i = 0; i < count; i++) found.push(buffer[i]);
  }
  return Uint8Array.from(found);
}

Deno.test("compressed: bytes and the end arrive in both directions, through losses", async () => {
  const link = { latency: 20, loss: 0.1, jitter: 5 };
  await withPair({ seed: 1, link }, async (lower, upper) => {
    const ends = [new CompressedConn(lower), new CompressedConn(upper)];
    const random = new Random(4);
    const sent = ends.map(() => mixture(random, 150_000));
    const writes = ends.map(async (end, i) => {
      for (let at = 0; at < sent[i].length;) {
        const piece = sent[i].subarray(at, at + 1 + random.below(30_000));
        assertEquals(await end.write(piece), piece.length);
        at += piece.length;
      }
      await end.closeWrite();
    });
    const [fromUpper, fromLower] = await Promise.all([
      readAll(ends[0], 900),
      readAll(ends[1], 9000),
    ]);
    await Promise.all(writes);
    assertEquals(fromLower, sent[0]);
    assertEquals(fromUpper, sent[1]);
    // It was worth it.
    assert(lower.stats.payloadOut < 0.95 * 150_000, `${lower.stats.payloadOut} bytes`);
    for (const end of ends) end.close();
  });
});

Deno.test("compressed: what is written arrives without more being written", async () => {
  await withPair({ seed: 2, link: { latency: 10 } }, async (lower, upper) => {
    const [client, server] = [new CompressedConn(lower), new CompressedConn(upper)];
    const buffer = new Uint8Array(100);
    for (const length of [1, 2, 99, 100]) {
      await client.write(new Uint8Array(length));
      assertEquals(await server.read(buffer), length);
    }
    assertEquals(await client.write(new Uint8Array()), 0);
    client.close();
    assertEquals(await server.read(buffer), null);
    server.close();
  });
});

Deno.test("compressed: a write waits while the path takes nothing, so the queue stays short", async () => {
  const link = { latency: 50, bandwidth: 100_000 };
  await withPair({ seed: 3, link }, async (lower, upper, network) => {
    const [client, server] = [new CompressedConn(lower), new CompressedConn(upper)];
    const random = new Random(8);
    let written = 0;
    const writing = (async () => {
      for (; written < 40; written++) await client.write(random.fill(new Uint8Array(10_000)));
      client.close();
    })();
    const reading = readAll(server, 10_000);
    let most = 0;
    while (written < 40) {
      await network.delay(20);
      most = Math.max(most, lower.unsentBytes);
    }
    await writing;
    assertEquals((await reading).length, 400_000);
    assert(most < 60_000, `${most} bytes stood in the queue`);
    server.close();
  });
});

Deno.test("compressed: a write that waits fails when the connection ends", async () => {
  const link = { latency: 20, bandwidth: 10_000 };
  await withPair({ seed: 4, link }, async (lower, upper, network) => {
    const client = new CompressedConn(lower);
    const noise = new Random(1).fill(new Uint8Array(60_000));
    const failed = assertRejects(async () => {
      for (;;) await client.write(noise);
    });
    await network.delay(500);
    upper.abort("enough");
    await failed;
  });
});

Deno.test("compressed: a peer that does not compress is an error that says so", async () => {
  await withPair({ seed: 5, link: { latency: 5 } }, async (lower, upper) => {
    const server = new CompressedConn(upper);
    await lower.writeAll(Uint8Array.of(2, 0, 0, 0, 3, 0, 0, 0));
    await assertRejects(() => server.read(new Uint8Array(9)), SnappyError, "--nocomp");
    lower.close();
    server.close();
  });
});

Deno.test("compressed: an end in the middle of a chunk is an error", async () => {
  await withPair({ seed: 6, link: { latency: 5 } }, async (lower, upper) => {
    const server = new CompressedConn(upper);
    await lower.writeAll(Uint8Array.of(0xff, 6, 0, 0, 0x73));
    await lower.closeWrite();
    await assertRejects(() => server.read(new Uint8Array(9)), SnappyError, "middle of a chunk");
    lower.close();
    server.close();
  });
});

Deno.test("compressed: after the finish, reads give the end, and what was written arrives", async () => {
  await withPair({ seed: 7, link: { latency: 5 } }, async (lower, upper) => {
    const [client, server] = [new CompressedConn(lower), new CompressedConn(upper)];
    const reading = client.read(new Uint8Array(9));
    await client.write(new Uint8Array(5000));
    client.finish();
    assertEquals(await reading, null);
    assertEquals(await client.read(new Uint8Array(9)), null);
    assertEquals((await readAll(server, 9000)).length, 5000);
    server.close();
    await lower.closed;
  });
});
