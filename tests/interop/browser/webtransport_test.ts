/**
 * Connections over WebTransport on a real network: a page of Chromium and Deno, and Deno and Deno.
 *
 * @module
 */
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { ConnectionError, type SessionOptions, turbo } from "../../../mod.ts";
import type { Connection } from "../../../transport/mod.ts";
import { connect, listen, WebTransportServer } from "../../../transport/webtransport.ts";
import { makeCertificate } from "./certificate.ts";
import { exchange, type Seen } from "./exchange.ts";
import { call, chromiumIfAny, required, Site } from "./site.ts";

const SIZE = 4 << 20;
const FEC = { dataShards: 10, parityShards: 3 };

const certificate = await makeCertificate();
if (!certificate && required) {
  throw new Error('Cannot test WebTransport: KCP_INTEROP is "required", and there is no OpenSSL');
}
const chromium = await chromiumIfAny();
const withoutCertificate = certificate === null;
const withoutBrowser = withoutCertificate || chromium === null;

/** Serves each connection of each session on 127.0.0.1. */
class Server implements Disposable {
  readonly server: WebTransportServer;
  readonly url: string;
  readonly hash = [...certificate!.hash];
  /** What was tried with each session that has come, and what has ended a listener. */
  readonly paths: string[] = [];
  readonly errors: unknown[] = [];

  constructor(
    handle: (conn: Connection) => Promise<unknown>,
    options: SessionOptions = {},
    maxIdleTimeout?: number,
  ) {
    const { cert, key } = certificate!;
    this.server = new WebTransportServer({ hostname: "127.0.0.1", cert, key, maxIdleTimeout });
    this.url = `https://127.0.0.1:${this.server.addr.port}/game`;
    this.#serve(handle, options);
  }

  async #serve(
    handle: (conn: Connection) => Promise<unknown>,
    options: SessionOptions,
  ): Promise<void> {
    for await (const session of this.server) {
      this.paths.push(new URL(session.url).pathname);
      listen(session, options).then(async (listener) => {
        for await (const conn of listener) handle(conn).catch((error) => this.errors.push(error));
      }).catch((error) => this.errors.push(error));
    }
  }

  [Symbol.dispose](): void {
    this.server.close();
  }
}

/** Checks that each end has got what the other has sent. */
function assertSame(one: Seen, other: Seen): void {
  assertEquals([one.bytes, other.bytes], [SIZE, SIZE]);
  assertEquals([one.read, other.read], [other.sent, one.sent]);
}

const SETTINGS: Record<string, SessionOptions> = {
  "the defaults": {},
  "error correction": { fec: FEC },
  "turbo, adaptive error correction": { ...turbo, fec: "auto" },
};

/** Waits until something is there. */
async function until(there: () => boolean): Promise<void> {
  const end = performance.now() + 20_000;
  while (!there() && performance.now() < end) await new Promise((done) => setTimeout(done, 20));
  assert(there(), "it did not come within 20 s");
}

Deno.test({
  name: "WebTransport: Chromium and Deno",
  ignore: withoutBrowser,
  async fn(test) {
    await using site = await Site.open(chromium!, new URL("page.ts", import.meta.url));
    for (const [name, options] of Object.entries(SETTINGS)) {
      await test.step(`${name}: 4 MiB both ways at once`, async () => {
        const served = Promise.withResolvers<Seen>();
        using server = new Server(async (conn) => {
          served.resolve(await exchange(conn, SIZE));
        }, options);
        const page = await site.page();
        const { url, hash } = server;
        const there = await call<Seen>(page, "webTransport", url, hash, options, SIZE);
        const here = await served.promise;
        assertSame(there, here);
        assert(there.pathMtu >= 1024, `MTU ${there.pathMtu}`);
        assertEquals(server.paths, ["/game"]);
        await page.close();
      });
    }

    await test.step("several connections share a session, and its end is told", async () => {
      const conns: Connection[] = [];
      using server = new Server(
        async (conn) => {
          conns.push(conn);
          await conn.readable.pipeTo(conn.writable);
        },
        {},
        1_000,
      );
      const page = await site.page();
      const words = await call<string[]>(page, "several", server.url, server.hash, 5);
      assertEquals(words, ["word 0", "word 1", "word 2", "word 3", "word 4"]);
      assertEquals(new Set(conns.map(({ remoteAddr }) => remoteAddr.port)).size, 1);

      // The page goes away. Chromium does not tell that.
      const end = call<string>(page, "endOf", server.url, server.hash).catch(() => {});
      await until(() => conns.length === 6);
      await page.close();
      await end;
      const error = await assertRejects(() => conns[5].closed);
      assertInstanceOf(error, ConnectionError);
      assertEquals(error.kind, "socket");

      // The server goes away.
      const told = call<string>(await site.page(), "endOf", server.url, server.hash);
      await until(() => conns.length === 7);
      server.server.close();
      assert((await told).startsWith("socket: The socket failed: "), await told);
    });
  },
});

Deno.test({
  name: "WebTransport: Deno and Deno, with error correction: 4 MiB both ways at once",
  ignore: withoutCertificate,
  async fn() {
    const served = Promise.withResolvers<Seen>();
    using server = new Server(async (conn) => {
      served.resolve(await exchange(conn, SIZE));
    }, { fec: FEC });
    const value = certificate!.hash;
    const webTransport = { serverCertificateHashes: [{ algorithm: "sha-256", value }] };
    const conn = await connect(server.url, { webTransport, fec: FEC, timeout: 20_000 });
    const here = await exchange(conn, SIZE);
    const there = await served.promise;
    assertSame(here, there);
  },
});

Deno.test({
  name: "WebTransport: a server that is not trusted, or not there, is an error",
  ignore: withoutCertificate,
  async fn() {
    using server = new Server(() => Promise.resolve());
    const untrusted = await assertRejects(() => connect(server.url, { timeout: 20_000 }));
    assertInstanceOf(untrusted, ConnectionError);
    assertEquals(untrusted.kind, "socket");
    assert(untrusted.cause !== undefined);
    const nobody = await assertRejects(() => connect("https://127.0.0.1:9/", { timeout: 300 }));
    assertInstanceOf(nobody, ConnectionError);
  },
});
