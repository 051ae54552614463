import { assert, assertEquals } from "@std/assert";
import { errorOf, readAll, streamOf, withMuxes } from "./face_pair.ts";
import { readExactly } from "../harness.ts";
import { pattern } from "../../kcp/harness.ts";

Deno.test("mux: bytes and ends arrive in both directions", async () => {
  await withMuxes(async (ends) => {
    const [client, server] = await streamOf(ends);
    const sent = pattern(300_000);
    const back = pattern(200_000);
    await Promise.all([
      client.writeAll(sent).then(() => client.closeWrite()),
      server.writeAll(back).then(() => server.closeWrite()),
      readAll(client).then((got) => assertEquals(got, back)),
      readAll(server).then((got) => assertEquals(got, sent)),
    ]);
    await Promise.all([client.closed, server.closed]);
    assertEquals([client.state, server.state], ["closed", "closed"]);
  });
});

Deno.test("mux: a close delivers what was written, and tells the code and the reason", async () => {
  await withMuxes(async (ends) => {
    const [client, server] = await streamOf(ends);
    const sent = pattern(200_000);
    const writing = client.writeAll(sent);
    const ending = errorOf(client.closeWrite());
    ends.client.close({ closeCode: 7, reason: "done" });
    assertEquals(await readExactly(server, sent.length), sent);
    assertEquals((await errorOf(server.read(new Uint8Array(1)))).closeCode, 7);
    await writing;
    assertEquals((await ending).kind, "closed");
    const info = { closeCode: 7, reason: "done" };
    assertEquals([await ends.server.closed, await ends.client.closed], [info, info]);
    const error = await errorOf(ends.client.createBidirectionalStream());
    assertEquals(error.kind, "closed");
    assert(ends.client.state === "closed");
  });
});
