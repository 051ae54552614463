/**
 * Connections over WebRTC data channels between two pages of Chromium.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type SessionOptions, turbo } from "../../../mod.ts";
import type { Page } from "../../runtimes/chromium.ts";
import type { Seen } from "./exchange.ts";
import { call, chromiumIfAny, Site } from "./site.ts";

const SIZE = 4 << 20;
const FEC = { dataShards: 10, parityShards: 3 };
const UNRELIABLE = { ordered: false, maxRetransmits: 0 };

const chromium = await chromiumIfAny();

/** Two pages with a channel between them, for which this process carries the descriptions. */
async function pages(site: Site, channel: object): Promise<[Page, Page]> {
  const [a, b] = [await site.page(), await site.page()];
  await call(a, "answered", await call(b, "answer", await call(a, "offer", channel)));
  return [a, b];
}

const SETTINGS: Record<string, SessionOptions> = {
  "the defaults": {},
  "error correction": { fec: FEC },
  "turbo, adaptive error correction": { ...turbo, fec: "auto" },
};

Deno.test({
  name: "WebRTC: two pages of Chromium",
  ignore: chromium === null,
  async fn(test) {
    await using site = await Site.open(chromium!, new URL("page.ts", import.meta.url));
    for (const [name, options] of Object.entries(SETTINGS)) {
      await test.step(`${name}: 4 MiB both ways at once`, async () => {
        const [a, b] = await pages(site, UNRELIABLE);
        const [there, here] = await Promise.all([
          call<Seen>(a, "dial", options, SIZE),
          call<Seen>(b, "serve", options, SIZE),
        ]);
        assertEquals([there.bytes, here.bytes], [SIZE, SIZE]);
        assertEquals([there.read, here.read], [here.sent, there.sent]);
        assert(there.pathMtu > 1000 && there.pathMtu <= 1152, `MTU ${there.pathMtu}`);
        await Promise.all([a.close(), b.close()]);
      });
    }

    await test.step("a way that ends is told", async () => {
      const [a, b] = await pages(site, UNRELIABLE);
      const told = call<string>(a, "end");
      await call(b, "close");
      // The words behind that are Chromium's.
      assert((await told).startsWith("socket: The socket failed: "), await told);
    });

    await test.step("an ordered channel and a reliable one are refused", async () => {
      for (const channel of [{}, { ordered: false }, { maxRetransmits: 0 }]) {
        const [a, b] = await pages(site, channel);
        await assertRejects(
          () => call(a, "dial", {}, 1),
          Error,
          "{ ordered: false, maxRetransmits: 0 }",
        );
        await assertRejects(() => call(b, "serve", {}, 1), Error, "TypeError: Cannot use");
        await Promise.all([a.close(), b.close()]);
      }
    });
  },
});
