/**
 * Simulated networks: the same seed gives the same packets at the same times, wherever it runs.
 *
 * @module
 */
import { createCipher } from "../../../crypt/mod.ts";
import { turbo } from "../../../kcp/mod.ts";
import { Mux, type MuxStream } from "../../../transport/mux.ts";
import type { EndpointOptions } from "../../../transport/mod.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { pattern } from "../../vectors/pattern.ts";
import { readAll } from "./ends.ts";
import { assertBytes, assertSame, type Check } from "./harness.ts";

const HERE = { hostname: "10.0.0.1", port: 80 } as const;

/** A bad path. */
const ROUGH = {
  latency: 30,
  jitter: 8,
  loss: 0.05,
  burstLoss: { enter: 0.002, leave: 0.2 },
  reorder: 0.02,
  duplicate: 0.01,
  bandwidth: 2_000_000,
  queuePackets: 100,
};

/** Sends patterns both ways at once, and gives the hash of all packets and their times. */
async function transfer(options: EndpointOptions, size = 400_000): Promise<string> {
  // Without a cipher, nothing would notice damage.
  const link = options.crypt ? { ...ROUGH, corrupt: 0.002 } : ROUGH;
  const network = new SimulatedNetwork({ seed: "runtimes", link });
  const listener = network.listen({ ...HERE, ...options });
  await network.run(async () => {
    const client = network.connect({ ...HERE, ...options });
    await client.opened;
    const server = await listener.accept();
    const ends = [client, server] as const;
    const read = await Promise.all(ends.map(async (end, i) => {
      const writing = end.writeAll(pattern(30 + i, size)).then(() => end.closeWrite());
      const bytes = await readAll(end);
      await writing;
      return bytes;
    }));
    for (const [i, bytes] of read.entries()) assertBytes(bytes, pattern(31 - i, size), `End ${i}`);
    await Promise.all(ends.map(({ closed }) => closed));
  });
  return network.hash;
}

/**
 * Sends back what a stream brings. It uses no Web Streams: in those of workerd, a byte takes other
 * turns of the queue of promises than in those of the others.
 */
async function sendBack(stream: MuxStream): Promise<void> {
  const buffer = new Uint8Array(4096);
  for (let count; (count = await stream.read(buffer)) !== null;) {
    await stream.writeAll(buffer.slice(0, count));
  }
  await stream.closeWrite();
}

/** Streams over a connection, timers of an application, and a host that stands still. */
async function application(): Promise<string> {
  const network = new SimulatedNetwork({ seed: "application", link: ROUGH });
  const timers = network.fakeTimers({ date: new Date("2026-01-01T00:00:00Z") });
  const log: string[] = [];
  try {
    await network.run(async () => {
      const listener = network.listen({ ...HERE, ...turbo });
      (async () => {
        const mux = new Mux(await listener.accept(), { client: false });
        for await (const stream of mux) {
          sendBack(stream).catch(() => {});
        }
      })().catch(() => {});
      setTimeout(() => network.freeze(HERE.hostname, 700), 500);
      const mux = new Mux(network.connect({ ...HERE, ...turbo }), { client: true });
      await Promise.all(Array.from({ length: 5 }, async (_, i) => {
        await new Promise((resolve) => setTimeout(resolve, 200 * i));
        const stream = await mux.createBidirectionalStream({ sendOrder: i });
        const sent = pattern(i, 30_000);
        const [bytes] = await Promise.all([
          readAll(stream),
          stream.writeAll(sent).then(() => stream.closeWrite()),
        ]);
        assertBytes(bytes, sent, `The echo of stream ${i}`);
        log.push(`${i} at ${new Date().toISOString()}`);
      }));
      mux.close();
      await mux.closed;
    });
  } finally {
    timers.restore();
  }
  return [network.hash, ...log].join(", ");
}

const hash = (name: string, run: () => Promise<string>): Check => ({
  row: "simulated network: hash",
  name,
  onBothPaths: true,
  compared: true,
  run: async () => {
    const value = await run();
    assertSame(await run(), value, "The second run with the same seed");
    return value;
  },
});

/** Checks of the simulated network. */
export const simulationChecks: readonly Check[] = [
  hash("BBR, which is the default", () => transfer({})),
  hash("turbo, chacha20-poly1305, error correction that adapts", () =>
    transfer({
      ...turbo,
      crypt: createCipher("chacha20-poly1305", pattern(40, 32)),
      fec: "auto",
    })),
  hash(
    "CUBIC, aes-256-gcm",
    () => transfer({ congestion: "cubic", crypt: createCipher("aes-256-gcm", pattern(41, 32)) }),
  ),
  hash("the controller of the reference", () => transfer({ congestion: "reference" })),
  hash("streams, timers of an application, a frozen host", application),
];
