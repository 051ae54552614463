/**
 * What error correction costs and buys a game: small messages at a steady rate over a simulated network.
 *
 * @module
 */
import { type SessionOptions, turbo } from "../../mod.ts";
import { SimulatedNetwork } from "../../transport/simulated.ts";

/** What came of a run. Times are one-way, from writing a message to reading it, in ms. */
export interface Latency {
  median: number;
  p99: number;
  worst: number;
  /** Bytes of all packets that both sides sent, UDP and IP headers not counted. */
  bytes: number;
  messages: number;
}

/** What a run is about. */
export interface LatencyOptions {
  seed: number;
  /** Packets lost each way, 0 to 1. */
  loss: number;
  /** Round-trip time in ms. */
  rtt: number;
  /** ms for which messages are sent. */
  duration: number;
  /** Messages a second, and bytes in each. */
  rate: number;
  size: number;
  /** Settings of both ends. */
  session: SessionOptions;
}

/** 60 messages of 200 bytes a second for 5 minutes, over 100 ms, in the fastest mode. */
export const GAME = { rtt: 100, duration: 300_000, rate: 60, size: 200 };

/** Sends the messages, and measures how long each takes. */
export async function measureLatency(options: LatencyOptions): Promise<Latency> {
  const { seed, loss, rtt, duration, rate, size, session } = options;
  const network = new SimulatedNetwork({ seed, link: { latency: rtt / 2, loss } });
  const settings = { ...turbo, ...session };
  const listener = network.listen({ hostname: "10.0.0.1", port: 80, ...settings });
  const times: number[] = [];
  await network.run(async () => {
    const client = network.connect({ hostname: "10.0.0.1", port: 80, ...settings });
    const count = Math.round(duration / 1000 * rate);
    const sending = (async () => {
      const message = new Uint8Array(size);
      const view = new DataView(message.buffer);
      for (let i = 0; i < count; i++) {
        view.setFloat64(0, network.now, true);
        await client.sendMessage(message);
        await network.delay(1000 / rate);
      }
    })();
    const server = await listener.accept();
    for (let i = 0; i < count; i++) {
      const message = (await server.receiveMessage())!;
      times.push(network.now - new DataView(message.buffer).getFloat64(0, true));
    }
    await sending;
  });
  times.sort((a, b) => a - b);
  return {
    median: times[times.length >> 1],
    p99: times[Math.floor(times.length * 0.99)],
    worst: times[times.length - 1],
    bytes: network.stats.bytes,
    messages: times.length,
  };
}
