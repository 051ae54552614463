/**
 * Measures connections of a page of Chromium: over WebTransport to Deno, and over WebRTC to another
 * page. One line for each way to set them.
 *
 *     deno run -A --unstable-net tests/interop/browser/measure.ts [--mb=4] [--path=loopback,clean,lossy]
 *
 * The path between the page and Deno is this host's loopback, or has a round trip of 40 ms, 2 MB/s and a
 * queue of 100 packets, without other losses (clean) or with 3 % (lossy). WebRTC has the loopback.
 *
 * @module
 */
import { type SessionOptions, turbo } from "../../../mod.ts";
import { type LinkOptions, startProxy } from "../../../transport/deno.ts";
import { listen, WebTransportServer } from "../../../transport/webtransport.ts";
import { makeCertificate } from "./certificate.ts";
import { exchange, type Seen } from "./exchange.ts";
import { call, chromiumIfAny, Site } from "./site.ts";

const FAR: LinkOptions = { latency: 20, bandwidth: 2_000_000, queuePackets: 100 };
const PATHS: Record<string, LinkOptions> = {
  loopback: {},
  clean: FAR,
  lossy: { ...FAR, loss: 0.03 },
};
const MODES: Record<string, SessionOptions> = {
  "bbr": {},
  "bbr, error correction": { fec: { dataShards: 10, parityShards: 3 } },
  "turbo": turbo,
  "cubic": { congestion: "cubic" },
};
const QUIC = ["default", "throughput", "low-latency"] as const;

const given = Object.fromEntries(Deno.args.map((arg) => arg.replace(/^--/, "").split("=")));
const size = Number(given.mb ?? 4) << 20;
const paths = (given.path ?? Object.keys(PATHS).join()).split(",") as string[];

const certificate = await makeCertificate();
const chromium = await chromiumIfAny();
if (!certificate || !chromium) throw new Error("Cannot measure without OpenSSL and Chromium");
const { cert, key, hash } = certificate;
await using site = await Site.open(chromium, new URL("page.ts", import.meta.url));

/** Sends from the page, or to it, and gives what both ends have seen. */
async function overWebTransport(
  path: LinkOptions,
  options: SessionOptions,
  congestionControl: typeof QUIC[number],
  up: boolean,
): Promise<[page: Seen, server: Seen]> {
  using server = new WebTransportServer({ hostname: "127.0.0.1", cert, key, congestionControl });
  await using proxy = await startProxy({ target: server.addr, up: path, down: path });
  const served = (async () => {
    const { value: session } = await server[Symbol.asyncIterator]().next();
    const listener = await listen(session, options);
    return await exchange(await listener.accept(), up ? 0 : size);
  })();
  // When the page fails, so does the server.
  served.catch(() => {});
  const url = `https://127.0.0.1:${proxy.addr.port}/`;
  const page = await site.page();
  const args = [url, [...hash], options, up ? size : 0, { congestionControl }];
  const seen = await call<Seen>(page, "webTransport", ...args);
  const there = await served;
  await page.close();
  return [seen, there];
}

function show(name: string, sender: Seen, receiver: Seen): void {
  const rate = (receiver.bytes / 1e3 / receiver.ms).toFixed(2);
  const rest = `${sender.lost} lost, ${sender.srtt.toFixed(0)} ms, MTU ${sender.pathMtu}`;
  console.log(`${name}: ${rate} MB/s, ${rest}`);
}

for (const path of paths) {
  for (const [mode, options] of Object.entries(MODES)) {
    for (const quic of QUIC) {
      for (const up of [true, false]) {
        const name = `WebTransport, ${path}, ${mode}, QUIC ${quic}, ${
          up ? "page sends" : "Deno sends"
        }`;
        try {
          const [page, server] = await overWebTransport(PATHS[path], options, quic, up);
          if (up) show(name, page, server);
          else show(name, server, page);
        } catch (error) {
          console.log(`${name}: ${error}`);
        }
      }
    }
  }
}

for (const [mode, options] of Object.entries(MODES)) {
  const [a, b] = [await site.page(), await site.page()];
  const channel = { ordered: false, maxRetransmits: 0 };
  await call(a, "answered", await call(b, "answer", await call(a, "offer", channel)));
  const [sender, receiver] = await Promise.all([
    call<Seen>(a, "dial", options, size),
    call<Seen>(b, "serve", options, 0),
  ]);
  show(`WebRTC, loopback, ${mode}`, sender, receiver);
  await Promise.all([a.close(), b.close()]);
}
