/** Packets that the network damages, and peers with another key. */
import { assertEquals, assertGreater, assertRejects } from "@std/assert";
import { connect, ConnectionError, listen } from "../../mod.ts";
import { startProxy } from "../../transport/deno.ts";
import { CIPHERS, ourSettings, theirSettings } from "./combinations.ts";
import { echoOverListener, echoOverServer } from "./echo.ts";
import { interopTest, PeerDialer, PeerServer } from "./peer.ts";

const DEADLINE = 60_000;
const SIZE = 2 ** 21;
const DAMAGED = { corrupt: 0.05, duplicate: 0.05 };

const SOME = ["none", "aes-128", "cast5", "salsa20", "aes-128-gcm", "chacha20-poly1305"]
  .map((name) => CIPHERS.find((cipher) => cipher.name === name)!);

for (const cipher of SOME) {
  const settings = ourSettings(cipher, [10, 3]);
  const peer = theirSettings(cipher, [10, 3]);

  interopTest(`damaged packets are dropped, ${cipher.name}, kcp-go listens`, async () => {
    await using server = await PeerServer.start([peer]);
    const target = { hostname: "127.0.0.1", port: server.ports[0] };
    await using proxy = await startProxy({ target, up: DAMAGED, down: DAMAGED });
    const { port } = proxy.addr;
    await echoOverServer({ server, port, settings, seed: 1, bytes: SIZE, timeout: DEADLINE });
    assertGreater(proxy.up.stats.corrupted, 20);
    assertGreater(proxy.down.stats.corrupted, 20);
  });

  interopTest(`damaged packets are dropped, ${cipher.name}, kcp-go dials`, async () => {
    await using dialer = await PeerDialer.start();
    await using listener = await listen({ ...settings, hostname: "127.0.0.1" });
    const target = { hostname: "127.0.0.1", port: listener.addr.port };
    await using proxy = await startProxy({ target, up: DAMAGED, down: DAMAGED });
    await echoOverListener(dialer, listener, {
      ...peer,
      address: `127.0.0.1:${proxy.addr.port}`,
      seed: 2,
      bytes: SIZE,
      timeout: DEADLINE,
    });
    const { forged, replayed, invalid } = listener.stats;
    assertGreater(forged, 20);
    assertEquals(invalid, 0);
    // Only a cipher that authenticates detects duplicates.
    const authenticates = /gcm|poly1305/.test(cipher.name);
    if (authenticates) assertGreater(replayed, 20);
    else assertEquals(replayed, 0);
  });

  // "none" has no key.
  if (cipher.name === "none") continue;

  interopTest(`packets of a peer with another key are dropped, ${cipher.name}`, async () => {
    const other = { ...cipher, key: cipher.key.map((byte) => byte ^ 0x55) };
    await using server = await PeerServer.start([theirSettings(other, null)]);
    await using conn = await connect({
      ...ourSettings(cipher, null),
      port: server.ports[0],
      linger: 100,
    });
    await conn.write(new Uint8Array(1000));
    const read = () => conn.read(new Uint8Array(10), { timeout: 500 });
    await assertRejects(read, ConnectionError, "key");

    await using dialer = await PeerDialer.start();
    await using listener = await listen({ ...ourSettings(cipher, null), hostname: "127.0.0.1" });
    const job = {
      ...theirSettings(other, null),
      address: `127.0.0.1:${listener.addr.port}`,
      seed: 3,
      bytes: 1000,
      timeout: 500,
    };
    await assertRejects(() => dialer.run(job), Error, "timeout");
    assertEquals(listener.stats.accepted, 0);
    assertGreater(listener.stats.forged, 0);
  });
}
