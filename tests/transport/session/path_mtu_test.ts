import { assert, assertEquals } from "@std/assert";
import { createCipher } from "../../../crypt/mod.ts";
import { type Connection, fast, normal, turbo } from "../../../mod.ts";
import type { SessionOptions } from "../../../transport/mod.ts";
import type { LinkOptions } from "../../../transport/link/mod.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { pattern } from "../../kcp/harness.ts";
import { readAll, writeAll } from "../harness.ts";

const SERVER = { hostname: "10.0.0.1", port: 80 };

/** What one run sends both ways, as a stream or as messages, and when the MTU changes. */
interface Plan {
  options?: SessionOptions;
  link?: LinkOptions;
  messages?: boolean;
  /** Pairs of a time in ms and the MTU from then on. */
  changes: readonly (readonly [at: number, mtu: number])[];
  size?: number;
  seed?: number;
}

async function send(conn: Connection, size: number, from: number, messages: boolean) {
  if (messages) {
    for (let at = 0; at < size; at += 3_000) await conn.sendMessage(pattern(3_000, from + at));
  } else {
    await writeAll(conn, pattern(size, from));
  }
  await conn.closeWrite();
}

async function receive(conn: Connection, size: number, from: number, messages: boolean) {
  if (!messages) {
    assertEquals(await readAll(conn), pattern(size, from));
    return;
  }
  for (let at = 0; at < size; at += 3_000) {
    assertEquals(await conn.receiveMessage(), pattern(3_000, from + at));
  }
  assertEquals(await conn.receiveMessage(), null);
}

/** Runs a plan; checks every byte. Returns both ends, and the network. */
async function run(plan: Plan) {
  const { options = {}, link, messages = false, changes, size = 300_000, seed = 1 } = plan;
  const network = new SimulatedNetwork({ seed, link: { latency: 20, ...link } });
  const settings = { ...turbo, linger: 60_000, ...options };
  const listener = network.listen({ ...SERVER, ...settings });
  for (const [at, mtu] of changes) network.schedule(at, () => network.configure({ mtu }));
  return await network.run(async () => {
    const client = network.connect({ ...SERVER, ...settings });
    const up = send(client, size, 0, messages);
    const server = await listener.accept();
    await Promise.all([
      up,
      send(server, size, 99, messages),
      receive(server, size, 0, messages),
      receive(client, size, 99, messages),
    ]);
    return { client, server, network };
  });
}

const crypts = {
  "without encryption": undefined,
  "aes-128": () => createCipher("aes-128", new Uint8Array(16)),
  "chacha20-poly1305": () => createCipher("chacha20-poly1305", new Uint8Array(32)),
};

for (const [name, crypt] of Object.entries(crypts)) {
  for (const fec of [undefined, { dataShards: 5, parityShards: 2 }]) {
    for (const messages of [false, true]) {
      const title = `${name}, ${fec ? "error correction" : "no error correction"}, ` +
        (messages ? "messages" : "streams");
      Deno.test(`path MTU: ${title}: it drops in both directions`, async () => {
        for (const mtu of [1_280, 576, 100]) {
          for (const loss of [0, 0.05]) {
            const { client, server, network } = await run({
              options: { crypt: crypt?.(), fec },
              link: { loss, bandwidth: 400_000 },
              messages,
              // More than a burst, which would leave before the change.
              size: 300_000,
              changes: [[100, mtu]],
            });
            assert(network.stats.tooLarge > 0);
            for (const { stats } of [client, server]) {
              assert(stats.pathMtu <= mtu, `${stats.pathMtu} bytes on a path of ${mtu}`);
              assert(stats.pathMtuReductions > 0);
            }
          }
        }
      });
    }
  }
}

Deno.test("path MTU: it is too small from the start", async () => {
  for (const options of [normal, fast, turbo]) {
    for (const crypt of [undefined, createCipher("aes-128-gcm", new Uint8Array(16))]) {
      const { server } = await run({ options: { ...options, crypt }, changes: [[0, 576]] });
      assert(server.stats.pathMtu <= 576);
    }
  }
});

Deno.test("path MTU: it drops before the first answer, which is too large", async () => {
  // Nothing is acknowledged before the first segment, so that the small ones are sent again, too.
  const sizes = [1806, 33, 2445, 1821, 794, 859, 1141, 733];
  const options = { ...turbo, deadLinkTime: 2000 };
  for (const mtu of [1300, 1280, 1200, 900]) {
    const network = new SimulatedNetwork({ seed: mtu, link: { latency: 150 } });
    const listener = network.listen({ ...SERVER, ...options });
    network.schedule(2, () => network.configure({ mtu }));
    await network.run(async () => {
      const client = network.connect({ ...SERVER, ...options });
      for (const size of [5655, 9481]) await client.sendMessage(pattern(size));
      const server = await listener.accept();
      for (const size of sizes) await server.sendMessage(pattern(size));
      for (const size of sizes) {
        assertEquals(await client.receiveMessage({ timeout: 10_000 }), pattern(size), `MTU ${mtu}`);
      }
      client.abort();
      server.abort();
    });
  }
});

Deno.test("path MTU: it changes again and again, with loss, reordering and duplicates", async () => {
  for (let seed = 0; seed < 40; seed++) {
    const sizes = [100, 300, 576, 1_000, 1_280, 1_400, Infinity];
    const changes = [0, 1, 2, 3].map((n) =>
      [60 + 170 * n + seed, sizes[(3 * seed + 5 * n) % sizes.length]] as const
    );
    await run({
      seed,
      changes,
      size: 120_000,
      messages: seed % 2 === 1,
      link: { loss: 0.03, jitter: 5, reorder: 0.05, duplicate: 0.02 },
      options: {
        ...[normal, fast, turbo][seed % 3],
        fec: seed % 4 === 0 ? "auto" : undefined,
        maxMtu: seed % 5 === 0 ? 1_500 : undefined,
      },
    });
  }
});

Deno.test("path MTU: the largest datagram follows it, the largest message does not", async () => {
  const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
  const crypt = createCipher("aes-128", new Uint8Array(16));
  const listener = network.listen({ ...SERVER, ...turbo, crypt });
  await network.run(async () => {
    const client = network.connect({ ...SERVER, ...turbo, crypt });
    const before = [client.maxDatagramSize, client.maxMessageSize];
    assertEquals(client.stats.pathMtu, 1_400);
    await client.write(pattern(10));
    const server = await listener.accept();
    network.configure({ mtu: 700 });
    await writeAll(client, pattern(100_000));
    await client.drained();
    const { pathMtu } = client.stats;
    assert(pathMtu <= 700 && pathMtu > 680, `MTU ${pathMtu}`);
    assertEquals(before[0] - client.maxDatagramSize, 1_400 - pathMtu);
    assertEquals(client.maxMessageSize, before[1]);
    assertEquals(client.options.mtu, 1_400);
    // A probe may still find a byte more.
    const size = client.maxDatagramSize;
    client.sendDatagram(pattern(size));
    assertEquals(await server.receiveDatagram(), pattern(size));
    const message = pattern(client.maxMessageSize);
    client.sendMessage(message);
    for (let bytes = 0; bytes < 100_010;) bytes += (await server.read(new Uint8Array(65_536)))!;
    assertEquals(await server.receiveMessage(), message);
  });
});

Deno.test("path MTU: maxMtu counts the bytes of all layers", async () => {
  const network = new SimulatedNetwork({ seed: 1, link: { latency: 20, mtu: 2_000 } });
  const options = {
    ...turbo,
    crypt: createCipher("aes-128", new Uint8Array(16)),
    fec: { dataShards: 4, parityShards: 1 },
    mtu: 1_200,
    maxMtu: 9_000,
  };
  const listener = network.listen({ ...SERVER, ...options });
  await network.run(async () => {
    const client = network.connect({ ...SERVER, ...options });
    assertEquals([client.options.mtu, client.options.maxMtu], [1_200, 9_000]);
    const sending = writeAll(client, pattern(1_000_000)).then(() => client.closeWrite());
    const server = await listener.accept();
    assertEquals(await readAll(server), pattern(1_000_000));
    await sending;
    const { pathMtu } = client.stats;
    assert(pathMtu > 1_950 && pathMtu <= 2_000, `MTU ${pathMtu}`);
  });
});
