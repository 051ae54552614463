/** Error correction at one end only, different ratios, and the adaptive ratio. */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { type FecOptions, listen } from "../../mod.ts";
import { startProxy } from "../../transport/deno.ts";
import { CIPHERS, lossy, ourSettings, type Ratio, theirSettings } from "./combinations.ts";
import { type Echoed, echoOverListener, echoOverServer } from "./echo.ts";
import { interopTest, PeerDialer, PeerServer } from "./peer.ts";

const DEADLINE = 60_000;
const SIZE = 8 * 2 ** 20;
const CIPHER = CIPHERS.find(({ name }) => name === "salsa20")!;

interface Case {
  name: string;
  ours: FecOptions | "auto" | null;
  theirs: Ratio;
  check(echoed: Echoed): void;
}

const CASES: Case[] = [
  {
    name: "FEC 10/3 of ours to a kcp-go without",
    ours: { dataShards: 10, parityShards: 3 },
    theirs: null,
    check({ conn, recovered }) {
      // kcp-go decodes in any setting.
      assertGreater(recovered, 0, "kcp-go restored nothing");
      const { fec } = conn.stats;
      assertGreater(fec.parityOut, 0);
      assertEquals({ peer: fec.peerRatio, back: fec.recovered }, { peer: null, back: 0 });
    },
  },
  {
    name: "FEC 10/3 of kcp-go to one of ours without",
    ours: null,
    theirs: [10, 3],
    check({ conn, recovered }) {
      assertEquals(recovered, 0);
      const { fec } = conn.stats;
      assertEquals(fec.peerRatio, { dataShards: 10, parityShards: 3 });
      assertGreater(fec.recovered, 0, "Our end restored nothing");
      assertEquals(fec.parityOut, 0);
    },
  },
  {
    name: "FEC 3/2 of ours, 20/5 of kcp-go: each learns the other's",
    ours: { dataShards: 3, parityShards: 2 },
    theirs: [20, 5],
    check({ conn, recovered }) {
      assertGreater(recovered, 0, "kcp-go restored nothing");
      const { fec } = conn.stats;
      assertEquals(fec.peerRatio, { dataShards: 20, parityShards: 5 });
      assertGreater(fec.recovered, 0, "Our end restored nothing");
    },
  },
  ...([[10, 3], null] as const).map((theirs): Case => ({
    name: `FEC "auto" of ours to a kcp-go ${theirs ? "with 10/3" : "without"}`,
    ours: "auto",
    theirs,
    check({ conn, recovered }) {
      assertGreater(recovered, 0, "kcp-go restored nothing");
      const { fec } = conn.stats;
      assertGreater(fec.parityOut, fec.dataOut / 20, "Our end sends no parity in spite of losses");
      if (theirs) assertGreater(fec.recovered, 0, "Our end restored nothing");
      else assertEquals(fec.recovered, 0);
    },
  })),
];

for (const { name, ours, theirs, check } of CASES) {
  const settings = { ...ourSettings(CIPHER, null), ...(ours ? { fec: ours } : {}) };
  // On a short path, a retransmission comes in time, and "auto" sends no parity.
  const link = { ...lossy(0.1), latency: ours === "auto" ? 50 : 0 };

  interopTest(`${name}, kcp-go listens, 10 % loss`, async () => {
    await using server = await PeerServer.start([theirSettings(CIPHER, theirs)]);
    const target = { hostname: "127.0.0.1", port: server.ports[0] };
    await using proxy = await startProxy({ target, up: link, down: link });
    const { port } = proxy.addr;
    check(
      await echoOverServer({ server, port, settings, seed: 1, bytes: SIZE, timeout: DEADLINE }),
    );
  });

  interopTest(`${name}, kcp-go dials, 10 % loss`, async () => {
    await using dialer = await PeerDialer.start();
    await using listener = await listen({ ...settings, hostname: "127.0.0.1" });
    const target = { hostname: "127.0.0.1", port: listener.addr.port };
    await using proxy = await startProxy({ target, up: link, down: link });
    const echoed = await echoOverListener(dialer, listener, {
      ...theirSettings(CIPHER, theirs),
      address: `127.0.0.1:${proxy.addr.port}`,
      seed: 2,
      bytes: SIZE,
      timeout: DEADLINE,
    });
    check(echoed);
  });
}

interopTest('FEC "auto" of ours sends almost no parity without losses', async () => {
  await using server = await PeerServer.start([theirSettings(CIPHER, null)]);
  // Small bursts fit the buffers of the system. A long RTO prevents retransmissions on a busy machine.
  const calm = { sndWnd: 32, rcvWnd: 32, resend: 0, minRto: 5000 };
  const settings = { ...ourSettings(CIPHER, null), ...calm, fec: "auto" } as const;
  const { conn } = await echoOverServer({
    server,
    settings,
    seed: 3,
    bytes: 2 ** 20,
    timeout: DEADLINE,
  });
  const { dataOut, parityOut } = conn.stats.fec;
  assert(parityOut < dataOut / 20, `${parityOut} parity shards for ${dataOut} data shards`);
});
