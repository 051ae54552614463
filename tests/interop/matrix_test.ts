/**
 * Every cipher with every setting of error correction on good and bad networks, in both directions.
 *
 * The older kcp-go only runs on the network with 10 % loss. That leaves out the loopback without
 * loss, and 20 % loss.
 *
 * @module
 */
import { listen } from "../../mod.ts";
import { type LossyProxy, startProxy } from "../../transport/deno.ts";
import {
  CIPHERS,
  type Correction,
  CORRECTIONS,
  lossy,
  ourSettings,
  type SharedCipher,
  theirSettings,
} from "./combinations.ts";
import { echoOverListener, echoOverServer } from "./echo.ts";
import {
  interopTest,
  KCP_GO,
  OLD_KCP_GO,
  PeerDialer,
  PeerServer,
  type PeerVersion,
} from "./peer.ts";
import { runAll, type Trial } from "./pool.ts";

/** Bytes that each trial sends there and back. */
const SIZE = 4 * 2 ** 20;
/** ms after which a trial has failed. */
const DEADLINE = 90_000;

interface Network {
  name: string;
  /** Share of packets lost in each direction. */
  loss: number;
  /**
   * How many trials run at once. A higher number makes the whole slower: while one trial computes,
   * the segments of the others time out and are retransmitted.
   */
  atOnce: number;
}

const LOOPBACK: Network = { name: "loopback", loss: 0, atOnce: 3 };
const LOSS_10: Network = { name: "10 % loss each way", loss: 0.1, atOnce: 4 };
const LOSS_20: Network = { name: "20 % loss each way", loss: 0.2, atOnce: 5 };

interface Combination {
  name: string;
  cipher: SharedCipher;
  correction: Correction;
  /** kcp-go cuts writes into segments in two ways: with and without stream mode. */
  stream: boolean;
}

const COMBINATIONS = CORRECTIONS.flatMap((correction) =>
  CIPHERS.map((cipher, i): Combination => ({
    name: `${cipher.name || "no cipher"}, ${correction.name}`,
    cipher,
    correction,
    stream: i % 2 === 0,
  }))
);

for (const network of [LOOPBACK, LOSS_10, LOSS_20]) {
  testServers(KCP_GO, network);
  testClients(KCP_GO, network);
}
testServers(OLD_KCP_GO, LOSS_10);
testClients(OLD_KCP_GO, LOSS_10);

/** A proxy in front of a port. Null on a network without loss. */
async function lose(loss: number, port: number, seed: number): Promise<LossyProxy | null> {
  if (loss === 0) return null;
  const link = lossy(loss);
  return await startProxy({ target: { hostname: "127.0.0.1", port }, up: link, down: link, seed });
}

function testServers(version: PeerVersion, network: Network): void {
  const { loss, atOnce } = network;
  interopTest(`our clients, servers of kcp-go ${version.name}, ${network.name}`, async (t) => {
    const listeners = COMBINATIONS.map(({ cipher, correction, stream }) => ({
      ...theirSettings(cipher, correction.theirs),
      stream,
    }));
    await using server = await PeerServer.start(listeners, version);
    const trials = COMBINATIONS.map(({ name, cipher, correction }, i): Trial => ({
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
}

function testClients(version: PeerVersion, network: Network): void {
  const { loss, atOnce } = network;
  interopTest(`clients of kcp-go ${version.name}, our servers, ${network.name}`, async (t) => {
    await using dialer = await PeerDialer.start(version);
    const trials = COMBINATIONS.map(({ name, cipher, correction, stream }, i): Trial => ({
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
