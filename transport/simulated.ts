/**
 * A network in one process, under virtual time, from one seed.
 *
 * Tests of anything that talks over connections run on it without sockets and without waiting: loss,
 * delay, reordering and outages are settings, a minute of network passes in a moment, and a failure is a
 * seed that anyone can run again.
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
 * console.log(text, network.now); // "hello" after 30 ms or more
 * ```
 *
 * @module
 */
export * from "./link/mod.ts";
