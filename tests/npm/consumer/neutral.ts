/**
 * A program for any runtime, which knows no types of Deno or of Node.js. It prints `ok` if the
 * package works.
 *
 * @module
 */
import type { Connection, SessionOptions } from "@lowlatency/kcp";
import { turbo } from "@lowlatency/kcp";
import { createCipher } from "@lowlatency/kcp/crypt";
import { ReedSolomon } from "@lowlatency/kcp/fec";
import { Kcp, PacketBatch } from "@lowlatency/kcp/kcp";
import { Mux } from "@lowlatency/kcp/mux";
import { type LinkOptions, SimulatedNetwork } from "@lowlatency/kcp/simulated";
import { ConnectionError } from "@lowlatency/kcp/transport";

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(`the package is broken: ${what}`);
}

// A state machine.
const sender = new Kcp(1, turbo);
const receiver = new Kcp(1, turbo);
const batch = new PacketBatch({ arena: sender.arena });
sender.send(Uint8Array.of(1, 2, 3));
sender.tick(0);
sender.output(batch);
for (const packet of batch) receiver.input(packet, 0);
const got = new Uint8Array(8);
check(receiver.recv(got) === 3 && got[2] === 3, "Kcp");

// Error correction.
const shards: (Uint8Array | null)[] = [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(0)];
const code = new ReedSolomon(2, 1);
code.encode(shards as Uint8Array[]);
shards[0] = null;
code.reconstructData(shards);
check(shards[0]?.[0] === 1, "ReedSolomon");

// Encryption, on a simulated network with losses.
const link: LinkOptions = { latency: 20, loss: 0.1, jitter: undefined };
const options: SessionOptions = {
  crypt: createCipher("aes-256-gcm", new Uint8Array(32)),
  ...turbo,
};
const network = new SimulatedNetwork({ seed: 1, link });
const listener = network.listen({ hostname: "10.0.0.1", port: 80, ...options });

const text = await network.run(async () => {
  const client: Connection = network.connect({ hostname: "10.0.0.1", port: 80, ...options });
  await client.writeAll(new TextEncoder().encode("hello"));
  const server = await listener.accept();
  server.readable.pipeTo(server.writable).catch((error: unknown) => {
    check(error instanceof ConnectionError, String(error));
  });
  const buffer = new Uint8Array(100);
  const count = await client.read(buffer);
  return new TextDecoder().decode(buffer.subarray(0, count ?? 0));
});
check(text === "hello", "SimulatedNetwork");
check(typeof Mux === "function", "Mux");

console.log("ok");
