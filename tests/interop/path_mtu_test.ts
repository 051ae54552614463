/** A path to kcp-go that takes smaller packets from some time on. kcp-go knows no pieces. */
import { assert, assertEquals } from "@std/assert";
import { connect } from "../../mod.ts";
import { startProxy } from "../../transport/deno.ts";
import { pattern } from "../vectors/pattern.ts";
import { sha256 } from "../vectors/vectors.ts";
import { CIPHERS, ourSettings, type Ratio, theirSettings } from "./combinations.ts";
import { interopTest, PeerServer } from "./peer.ts";

/** A packet with such a write is too large for the path, and is one segment with every cipher. */
const SEGMENT = 1_300;

for (const name of ["", "aes-128", "chacha20-poly1305"]) {
  for (const ratio of [null, [10, 3]] as Ratio[]) {
    const cipher = CIPHERS.find((one) => one.name === name)!;
    const title = `${name || "no cipher"}, ${ratio ? "error correction" : "no error correction"}`;
    interopTest(`a full segment at a time while the path MTU drops, ${title}`, async () => {
      await using server = await PeerServer.start([
        { ...theirSettings(cipher, ratio), mode: "sink" },
      ]);
      const target = { hostname: "127.0.0.1", port: server.ports[0] };
      const mtu = 576;
      await using proxy = await startProxy({ target, up: { latency: 5 }, down: { latency: 5 } });
      const { port } = proxy.addr;
      const conn = await connect({ ...ourSettings(cipher, ratio), port });
      const bytes = pattern(mtu, 40 * SEGMENT);
      for (let at = 0; at < bytes.length; at += SEGMENT) {
        if (at === 10 * SEGMENT) proxy.up.configure({ mtu });
        await conn.write(bytes.subarray(at, at + SEGMENT));
        await conn.drained({ timeout: 10_000 });
      }
      const { pathMtu, pathMtuReductions } = conn.stats;
      assert(pathMtu <= mtu && pathMtuReductions === 1, `MTU ${pathMtu}`);
      const seen = await server.finish(0, conn.conv);
      assertEquals(seen.sha256, await sha256(bytes));
      conn.abort();
    });
  }
}
