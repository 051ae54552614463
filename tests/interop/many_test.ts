/** Many connections at once on one listener. */
import { assertEquals } from "@std/assert";
import { listen } from "../../mod.ts";
import { CIPHERS, ourSettings, theirSettings } from "./combinations.ts";
import { assertClean, echo, echoOverServer, finish, WRITES } from "./echo.ts";
import { interopTest, PeerDialer, PeerServer } from "./peer.ts";

const DEADLINE = 60_000;
const CLIENTS = 64;
const SIZE = 2 ** 17;

for (const name of ["", "salsa20", "aes-256-gcm"]) {
  const cipher = CIPHERS.find((cipher) => cipher.name === name)!;
  const title = `with ${name || "no cipher"}`;

  interopTest(
    `${CLIENTS} clients of kcp-go at once on one listener of ours, ${title}`,
    async () => {
      await using dialer = await PeerDialer.start();
      await using listener = await listen({
        ...ourSettings(cipher, [10, 3]),
        hostname: "127.0.0.1",
      });
      const running = dialer.run({
        ...theirSettings(cipher, [10, 3]),
        address: `127.0.0.1:${listener.addr.port}`,
        clients: CLIENTS,
        seed: 1000,
        bytes: SIZE,
        writes: WRITES,
        timeout: DEADLINE,
      });
      const served = Promise.all(Array.from({ length: CLIENTS }, async () => {
        const conn = await listener.accept();
        const hash = await echo(conn, SIZE, DEADLINE);
        await finish(conn);
        assertClean(conn);
        return [conn.conv, hash] as const;
      }));
      const { clients, close } = await running;
      const ours = await served;
      await close();
      const theirs = new Map(clients.map(({ conv, sha256 }) => [conv, sha256]));
      assertEquals(new Map(ours), theirs);
      assertEquals(new Set(theirs.values()).size, CLIENTS, "Each client has bytes of its own");
      assertEquals(listener.stats.accepted, CLIENTS);
    },
  );

  interopTest(
    `${CLIENTS} clients of ours at once on one listener of kcp-go, ${title}`,
    async () => {
      await using server = await PeerServer.start([theirSettings(cipher, [10, 3])]);
      const settings = ourSettings(cipher, [10, 3]);
      await Promise.all(
        Array.from(
          { length: CLIENTS },
          (_, i) =>
            echoOverServer({ server, settings, seed: 2000 + i, bytes: SIZE, timeout: DEADLINE }),
        ),
      );
    },
  );
}
