/** A plain exchange leaves no error in the counters of kcp-go, and a question opens a session there. */
import { assert, assertEquals } from "@std/assert";
import { connect, listen } from "../../mod.ts";
import { CIPHERS, ourSettings, type Ratio, theirSettings } from "./combinations.ts";
import { echoOverListener, echoOverServer, expectEcho, finish } from "./echo.ts";
import { interopTest, KCP_GO, OLD_KCP_GO, PeerDialer, PeerServer } from "./peer.ts";

const DEADLINE = 60_000;
const SIZE = 200_000;
const CASES: [name: string, ratio: Ratio][] = [
  ["", null],
  ["", [10, 3]],
  ["salsa20", [3, 1]],
  ["aes-128-gcm", null],
];

for (const version of [KCP_GO, OLD_KCP_GO]) {
  for (const [name, ratio] of CASES) {
    const cipher = CIPHERS.find((cipher) => cipher.name === name)!;
    const title = `${name || "no cipher"}, ${ratio ? `FEC ${ratio.join("/")}` : "no FEC"}`;

    interopTest(
      `a plain exchange leaves no errors at kcp-go ${version.name}, ${title}`,
      async () => {
        const theirs = theirSettings(cipher, ratio);
        const ours = ourSettings(cipher, ratio);
        await using server = await PeerServer.start([theirs], version);
        const settings = { ...ours, timeout: 5_000 };
        const dialled = await echoOverServer({
          server,
          settings,
          seed: 1,
          bytes: SIZE,
          timeout: DEADLINE,
        });
        assertEquals(dialled.errors, 0, "our client");
        await using dialer = await PeerDialer.start(version);
        using listener = await listen({ ...ours, hostname: "127.0.0.1" });
        const accepted = await echoOverListener(dialer, listener, {
          ...theirs,
          address: `127.0.0.1:${listener.addr.port}`,
          seed: 2,
          bytes: SIZE,
          timeout: DEADLINE,
        });
        assertEquals(accepted.errors, 0, "our listener");
      },
    );

    interopTest(`a question opens a session at kcp-go ${version.name}, ${title}`, async () => {
      await using server = await PeerServer.start([theirSettings(cipher, ratio)], version);
      const port = server.ports[0];
      const conn = await connect({ ...ourSettings(cipher, ratio), hostname: "127.0.0.1", port });
      const from = performance.now();
      await conn.opened;
      assert(performance.now() - from < 5_000, "kcp-go answers late");
      assertEquals(conn.stats.payloadOut, 0);
      // The first question shows of which kind the peer is, the next one is what it answers.
      for (let n = 0; n < 3; n++) {
        const rtt = await conn.ping({ timeout: 5_000 });
        assert(rtt > 0 && rtt < 1_000, `${rtt} ms`);
      }
      await expectEcho(conn, 3, 1000, DEADLINE);
      await finish(conn);
      assertEquals((await server.finish(0, conn.conv)).errors, 0);
    });
  }
}
