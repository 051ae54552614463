/** Datagrams beside the stream. kcp-go calls them out-of-band packets. */
import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { connect, type Connection, ConnectionError, listen } from "../../mod.ts";
import { pattern } from "../vectors/pattern.ts";
import { CIPHERS, ourSettings, type SharedCipher, theirSettings } from "./combinations.ts";
import { echo, expectEcho, finish } from "./echo.ts";
import { interopTest, PeerDialer, PeerServer } from "./peer.ts";

const DEADLINE = 30_000;
/** ms after which a test sends a datagram again, if it has not come back. */
const RETRY = 100;

/** One cipher of each kind, and no encryption. */
const SOME = ["", "none", "aes-128", "3des", "salsa20", "xor", "aes-128-gcm", "chacha20-poly1305"]
  .map((name) => CIPHERS.find((cipher) => cipher.name === name)!);

/** Bytes of the headers of a datagram, without those of the cipher. */
const OVERHEAD = 12;
const MTU = 1400;

for (const cipher of SOME) {
  const title = `with ${cipher.name || "no cipher"}`;
  const largest = MTU - OVERHEAD - cipherOverhead(cipher);

  interopTest(`datagrams of ours come back from kcp-go, ${title}`, async () => {
    await using server = await PeerServer.start([theirSettings(cipher, [10, 3])]);
    await using conn = await connect({ ...ourSettings(cipher, [10, 3]), port: server.ports[0] });
    assertEquals(conn.maxDatagramSize, largest);
    // kcp-go takes datagrams after it has accepted the session.
    await expectEcho(conn, 1, 10_000, DEADLINE);
    for (const [i, size] of [0, 1, 2, 13, 500, largest - 1, largest].entries()) {
      await comesBack(conn, pattern(i, size));
    }
    // The stream still works.
    const hash = await expectEcho(conn, 2, 100_000, DEADLINE);
    assertEquals(hash.length, 64);
    await finish(conn);
    const { bytes, datagrams } = await server.finish(0, conn.conv);
    assertEquals(bytes, 110_000);
    assertGreaterOrEqual(datagrams, 7);
  });

  // A datagram alone opens no session here.
  for (const bytes of [20_000, 1]) {
    const first = bytes > 1 ? "beside a stream" : "after one byte";

    interopTest(`datagrams of kcp-go come back from ours ${first}, ${title}`, async () => {
      await using dialer = await PeerDialer.start();
      using listener = await listen({ ...ourSettings(cipher, [10, 3]), hostname: "127.0.0.1" });
      const sizes = [4, 5, 13, 500, largest - 1, largest];
      const running = dialer.run({
        ...theirSettings(cipher, [10, 3]),
        address: `127.0.0.1:${listener.addr.port}`,
        mode: "datagrams",
        datagrams: sizes,
        seed: 3,
        bytes,
        timeout: DEADLINE,
      });
      const served = async () => {
        const conn = await listener.accept();
        const datagrams = echoDatagrams(conn);
        await echo(conn, bytes, DEADLINE);
        return { conn, datagrams };
      };
      const [report, { conn, datagrams }] = await Promise.all([running, served()]);
      const { clients: [client], close } = report;
      assertEquals({ bytes: client.bytes, datagrams: client.datagrams }, {
        bytes,
        datagrams: sizes.length,
      });
      await finish(conn);
      await close();
      assertGreaterOrEqual(await datagrams, sizes.length);
    });
  }
}

function cipherOverhead({ name }: SharedCipher): number {
  if (name === "") return 0;
  return name.includes("gcm") || name.includes("poly1305") ? 12 + 16 : 16 + 4;
}

/** Sends a datagram again and again until it comes back: the network may lose it. */
async function comesBack(conn: Connection, payload: Uint8Array): Promise<void> {
  const started = performance.now();
  while (performance.now() - started < DEADLINE) {
    assert(conn.sendDatagram(payload));
    try {
      for (;;) {
        const answer = await conn.receiveDatagram({ timeout: RETRY });
        // Another length: a late copy of an earlier datagram.
        if (answer!.length !== payload.length) continue;
        assertEquals(answer, payload);
        return;
      }
    } catch (error) {
      if (!(error instanceof ConnectionError && error.kind === "timeout")) throw error;
    }
  }
  throw new Error(`The datagram of ${payload.length} bytes never came back`);
}

/** Sends every datagram back until the connection ends, and returns how many came. */
async function echoDatagrams(conn: Connection): Promise<number> {
  for (let count = 0;; count++) {
    let datagram: Uint8Array | null;
    try {
      datagram = await conn.receiveDatagram();
    } catch (error) {
      if (error instanceof ConnectionError && error.kind === "closed") return count;
      throw error;
    }
    if (datagram === null) return count;
    conn.sendDatagram(datagram);
  }
}
