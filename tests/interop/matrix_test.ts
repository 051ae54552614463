/** Every cipher, every way to correct errors, good and bad networks, both directions. */
import { listen } from "../../mod.ts";
import { type LossyProxy, startProxy } from "../../transport/deno.ts";
import { CIPHERS, CORRECTIONS, lossy, ourSettings, theirSettings } from "./combinations.ts";
import { echoOverListener, echoOverServer } from "./echo.ts";
import { interopTest, PeerDialer, PeerServer } from "./peer.ts";
import { runAll, type Trial } from "./pool.ts";

/** Bytes that go there and back in each combination. */
const SIZE = 4 * 2 ** 20;
/** ms that a combination may take. */
const DEADLINE = 90_000;

// More at once take longer: while one computes, the others' segments time out and are sent again.
const NETWORKS = [
  { name: "loopback", loss: 0, atOnce: 3 },
  { name: "10 % loss each way", loss: 0.1, atOnce: 4 },
  { name: "20 % loss each way", loss: 0.2, atOnce: 5 },
];

const combinations = CORRECTIONS.flatMap((correction) =>
  CIPHERS.map((cipher, i) => ({
    cipher,
    correction,
    // Both ways in which kcp-go cuts writes into segments.
    stream: i % 2 === 0,
    name: `${cipher.name || "no cipher"}, ${correction.name}`,
  }))
);

/** A proxy in front of a port, if packets are to be lost. */
async function lose(loss: number, port: number, seed: number): Promise<LossyProxy | null> {
  if (loss === 0) return null;
  const link = lossy(loss);
  return await startProxy({ target: { hostname: "127.0.0.1", port }, up: link, down: link, seed });
}

for (const { name: network, loss, atOnce } of NETWORKS) {
  interopTest(`our clients, kcp-go's servers, ${network}`, async (t) => {
    await using server = await PeerServer.start(
      combinations.map(({ cipher, correction, stream }) => ({
        ...theirSettings(cipher, correction.theirs),
        stream,
      })),
    );
    const trials = combinations.map(({ name, cipher, correction }, i): Trial => ({
      name,
      async run() {
        await using proxy = await lose(loss, server.ports[i], i);
        await echoOverServer({
          server,
          listener: i,
          port: proxy?.addr.port,
          settings: ourSettings(cipher, correction.ours),
          seed: i,
          bytes: SIZE,
          timeout: DEADLINE,
        });
      },
    }));
    await runAll(t, trials, atOnce, DEADLINE);
  });

  interopTest(`kcp-go's clients, our servers, ${network}`, async (t) => {
    await using dialer = await PeerDialer.start();
    const trials = combinations.map(({ name, cipher, correction, stream }, i): Trial => ({
      name,
      async run() {
        const settings = ourSettings(cipher, correction.ours);
        await using listener = await listen({ ...settings, hostname: "127.0.0.1" });
        const { port } = listener.addr;
        await using proxy = await lose(loss, port, i);
        await echoOverListener(dialer, listener, {
          ...theirSettings(cipher, correction.theirs),
          stream,
          address: `127.0.0.1:${proxy?.addr.port ?? port}`,
          seed: i,
          bytes: SIZE,
          timeout: DEADLINE,
        });
      },
    }));
    await runAll(t, trials, atOnce, DEADLINE);
  });
}
