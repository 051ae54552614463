/**
 * A network in one process, under virtual time, from one seed.
 *
 * Test an application on it without sockets and without waiting. Loss, delay, reordering and
 * outages are settings. A minute of the network's time takes a moment of real time. A test that
 * fails can be repeated exactly with the same seed.
 *
 * @example
 * ```ts
 * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
 *
 * const network = new SimulatedNetwork({ seed: 1, link: { latency: 30, loss: 0.1 } });
 * const listener = network.listen({ hostname: "10.0.0.1", port: 80 });
 * const text = await network.run(async () => {
 *   const client = network.connect({ hostname: "10.0.0.1", port: 80 });
 *   await client.write(new TextEncoder().encode("hello"));
 *   const server = await listener.accept();
 *   const buffer = new Uint8Array(100);
 *   const count = await server.read(buffer);
 *   return new TextDecoder().decode(buffer.subarray(0, count!));
 * });
 * console.log(text, network.now); // "hello", after 30 ms or more
 * ```
 *
 * @module
 */
export * from "./link/mod.ts";

// Earlier entries export these too. JSR wants a line for each where it finds them again.
export type {
  /** Loss in bursts, by the model of Gilbert and Elliott. */
  BurstLoss,
  /** Changes one direction of a path while it is in use, and shows what happened on it. */
  LinkControl,
  /** What a link does to packets. */
  LinkOptions,
  /** What happened on a link so far. */
  LinkStats,
  /** Reordering: some packets are held back, so that later packets overtake them. */
  Reorder,
  /** The options of a link with all defaults filled in. */
  ResolvedLinkOptions,
} from "./link/mod.ts";
