/**
 * What a mux makes of a path: it costs no throughput, and an urgent stream waits for two segments.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { EndpointOptions } from "../../../mod.ts";
import type { LinkOptions } from "../../../transport/link/mod.ts";
import { Mux, MuxListener, type MuxStream } from "../../../transport/mux.ts";
import { muxOver } from "../../../transport/mux/connect.ts";
import { openBeside } from "../../../transport/mux/conversations.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { readExactly } from "../harness.ts";
import { withMuxes } from "./face_pair.ts";

/** 20 Mbit/s, 40 ms. */
const PATH: LinkOptions = { latency: 20, bandwidth: 2.5e6, queueBytes: 200_000 };
const BYTES = 4_000_000;

type Stream = Pick<MuxStream, "read" | "writeAll">;

/** How long (ms) it takes to move all bytes over pairs of streams, in pieces of a given size. */
async function transferTime(
  options: EndpointOptions,
  piece: number,
  open: (client: Mux, server: Mux) => Promise<[Stream, Stream][]>,
  bare = false,
): Promise<number> {
  const network = new SimulatedNetwork({ seed: 1, link: PATH });
  const at = { hostname: "10.0.0.1", port: 80 } as const;
  const listener = network.listen({ ...at, ...options });
  return await network.run(async () => {
    const clientConn = network.connect({ ...at, ...options });
    await clientConn.open();
    const serverConn = await listener.accept();
    const pairs: [Stream, Stream][] = bare
      ? [[clientConn, serverConn]]
      : await open(new Mux(clientConn, { client: true }), new Mux(serverConn, { client: false }));
    const start = network.now;
    const each = BYTES / pairs.length;
    const bytes = new Uint8Array(Math.min(piece, each));
    await Promise.all(pairs.map(async ([client, server]) => {
      const writing = (async () => {
        for (let sent = 0; sent < each; sent += bytes.length) await client.writeAll(bytes);
      })();
      await readExactly(server, each);
      await writing;
    }));
    return network.now - start;
  });
}

/** Opens pairs of streams. */
function pairs(count: number) {
  return async (client: Mux, server: Mux): Promise<[Stream, Stream][]> => {
    const all: [Stream, Stream][] = [];
    for (let i = 0; i < count; i++) {
      all.push([await client.createBidirectionalStream(), await server.accept()]);
    }
    return all;
  };
}

const CONFIGS: Record<string, EndpointOptions> = {
  "the defaults": {},
  "cubic": { congestion: "cubic" },
  "a pacing rate": { nc: true, pacingRate: 1e6, sndWnd: 512, rcvWnd: 512 },
};

for (const [name, options] of Object.entries(CONFIGS)) {
  Deno.test(`mux: a bulk transfer is as fast as over the bare connection: ${name}`, async () => {
    const bare = await transferTime(options, BYTES, pairs(1), true);
    for (const [count, piece] of [[1, BYTES], [1, 50_000], [1, 1000], [10, BYTES]]) {
      const share = bare / await transferTime(options, piece, pairs(count));
      assert(share >= 0.98, `${share} of the rate with ${count} streams, pieces of ${piece} bytes`);
    }
  });
}

for (const bulks of [1, 20]) {
  Deno.test(`mux: an urgent stream beside ${bulks} others waits for two segments`, async () => {
    // What leaves is limited to 1,000,000 bytes a second; nothing waits behind that.
    const kcp = { pacingRate: 1e6 };
    await withMuxes(async ({ client, server, network, below }) => {
      for (let i = 0; i < bulks; i++) {
        const bulk = await client.createBidirectionalStream();
        bulk.writeAll(new Uint8Array(10_000_000)).catch(() => {});
        const reading = await server.accept();
        reading.readable.pipeTo(new WritableStream()).catch(() => {});
      }
      await network.delay(500);
      const urgent = await client.createBidirectionalStream({ sendOrder: 1 });
      const arriving = await server.accept();
      const before = below.client.stats.payloadOut, start = network.now;
      let longest = 0;
      for (let i = 0; i < 100; i++) {
        await network.delay(13.7);
        assert(below.client.unsentBytes <= 2 * 1400, `${below.client.unsentBytes} bytes wait`);
        const sentAt = network.now;
        urgent.writeAll(new Uint8Array(1024));
        await readExactly(arriving, 1024);
        longest = Math.max(longest, network.now - sentAt);
      }
      // The path takes 20 ms, the message about 1.1 ms, and a segment 1.4 ms.
      assert(longest <= 20 + 1.1 + 2 * 1.4 + 0.6, `${longest} ms`);
      // The others have all the rest: the pacing rate counts packets with their headers.
      const rate = (below.client.stats.payloadOut - before) / (network.now - start) * 1000;
      assert(rate >= 0.95e6, `${rate} bytes a second`);
    }, { kcp, link: { latency: 20 } });
  });
}

for (const upward of [true, false]) {
  const side = upward ? "client" : "server";
  Deno.test(`mux: conversations share pacing, and take turns, at the ${side}`, async () => {
    const network = new SimulatedNetwork({ seed: "sessions", link: { latency: 20 } });
    const at = { hostname: "10.0.0.1", port: 80, pacingRate: 1e6 } as const;
    const listener = new MuxListener(network.listen(at), { sessions: 4 });
    await network.run(async () => {
      const first = network.connect(at);
      const beside = [1, 2, 3].map((i) => openBeside(first, i));
      const ends = [muxOver([first, ...beside], { client: true }), await listener.accept()];
      // The listener joins a conversation when its peer has shown that it has the address.
      await network.delay(500);
      assertEquals(ends.map(({ sessions }) => sessions), [4, 4]);
      const [sender, receiver] = upward ? ends : ends.toReversed();
      const got = [0, 0, 0];
      for (let i = 0; i < 3; i++) {
        const bulk = await sender.createBidirectionalStream({
          sendGroup: sender.createSendGroup(),
        });
        bulk.writeAll(new Uint8Array(10_000_000)).catch(() => {});
        const reading = await receiver.accept();
        reading.onReadable = () => {
          const buffer = new Uint8Array(65_536);
          for (let count; (count = reading.tryRead(buffer));) got[i] += count;
        };
      }
      const sendGroup = sender.createSendGroup();
      const urgent = await sender.createBidirectionalStream({ sendGroup });
      await urgent.writeAll(new Uint8Array(1));
      const arriving = await receiver.accept();
      await readExactly(arriving, 1);
      await network.delay(1000);
      const before = [...got], start = network.now;
      let longest = 0;
      for (let i = 0; i < 100; i++) {
        await network.delay(13.7);
        const sentAt = network.now;
        urgent.writeAll(new Uint8Array(1024));
        await readExactly(arriving, 1024);
        longest = Math.max(longest, network.now - sentAt);
      }
      // The path takes 20 ms, the message about 1.1 ms, and a turn two segments of 1.4 ms.
      assert(longest <= 20 + 1.1 + 2 * 1.4 + 1.4 + 0.6, `${longest} ms`);
      const rates = got.map((bytes, i) => (bytes - before[i]) / (network.now - start) * 1000);
      const sum = rates[0] + rates[1] + rates[2];
      assert(sum > 0.9e6 && sum < 1e6, `${sum} bytes a second together`);
      for (const rate of rates) assert(Math.abs(3 * rate / sum - 1) < 0.05, `${rates}`);
      for (const end of ends) end.abort();
      await Promise.allSettled(ends.map(({ closed }) => closed));
      listener.stop();
      await listener.closed;
    }, 600_000);
  });
}

Deno.test("mux: streams of one order share by their weights, a higher order goes first", async () => {
  await withMuxes(async ({ client, server, network }) => {
    const got = [0, 0, 0];
    const readings: MuxStream[] = [];
    const settings = [{ weight: 16 }, { weight: 48 }, { weight: 16, sendOrder: -1 }];
    for (const [i, options] of settings.entries()) {
      const stream = await client.createBidirectionalStream(options);
      stream.writeAll(new Uint8Array(10_000_000)).catch(() => {});
      const reading = await server.accept();
      readings.push(reading);
      reading.onReadable = () => {
        const buffer = new Uint8Array(65_536);
        for (let count; (count = reading.tryRead(buffer));) got[i] += count;
      };
    }
    await network.delay(3000);
    const [one, three, none] = got;
    assert(one > 500_000 && Math.abs(three / one - 3) < 0.1, `${one} and ${three} bytes`);
    assertEquals(none < 10_000, true, `${none} bytes of the lower order`);
    for (const reading of readings) reading.onReadable = null;
  }, { kcp: { pacingRate: 1e6 }, maxStreamBuffer: 262_144 });
});
