import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Mux } from "../../../transport/mux.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
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

Deno.test("mux: wrong codes and reasons are refused, and nothing ends", async () => {
  await withMuxes(async (ends) => {
    for (const closeCode of [-1, 0.5, 2 ** 32, NaN]) {
      assertThrows(() => ends.client.close({ closeCode }), RangeError);
      assertThrows(() => ends.client.abort("", closeCode), RangeError);
    }
    assertThrows(() => ends.client.abort(5 as unknown as string), TypeError);
    await ends.network.delay(10_000);
    const [client, server] = await streamOf(ends);
    await client.write(new Uint8Array([1]));
    assertEquals([await server.read(new Uint8Array(1)), ends.client.state], [1, "open"]);
  });
});

Deno.test("mux: an abort of this side rejects with its error, and tells the peer", async () => {
  await withMuxes(async (ends) => {
    const cause = new Error("no more");
    ends.client.abort(cause, 6);
    const error = await errorOf(ends.client.closed);
    assertEquals([error.kind, error.message, error.cause], ["closed", "no more", cause]);
    assertEquals(await ends.server.closed, { closeCode: 6, reason: "no more" });
    await ends.client.draining;
  });
});

Deno.test("mux: waitUntilAvailable waits for the peer, until the signal is aborted", async () => {
  const network = new SimulatedNetwork({ link: { latency: 20, loss: 1 } });
  await network.run(async () => {
    const conn = network.connect({ hostname: "10.0.0.1", port: 80 });
    const client = new Mux(conn, { client: true });
    const controller = new AbortController();
    const { signal } = controller;
    const options = { waitUntilAvailable: true, signal };
    const opening = assertRejects(() => client.createBidirectionalStream(options), Error, "stop");
    await network.delay(100);
    controller.abort(new Error("stop"));
    await opening;
    const hopeless = client.createBidirectionalStream({ waitUntilAvailable: true });
    const gone = assertRejects(() => hopeless);
    client.abort();
    await gone;
    await conn.closed.catch(() => {});
  });
});

Deno.test("mux: both sides close at the same time", async () => {
  await withMuxes(async (ends) => {
    const [client, server] = await streamOf(ends);
    client.write(new Uint8Array(100));
    server.write(new Uint8Array(100));
    ends.client.close({ closeCode: 1, reason: "client" });
    ends.server.close({ closeCode: 2, reason: "server" });
    // Each had ended before it heard of the other.
    assertEquals(await ends.client.closed, { closeCode: 1, reason: "client" });
    assertEquals(await ends.server.closed, { closeCode: 2, reason: "server" });
    await Promise.all([ends.below.client.closed, ends.below.server.closed]);
  });
});

Deno.test("mux: a close towards nobody ends after the linger", async () => {
  const network = new SimulatedNetwork({ link: { latency: 20, loss: 1 } });
  await network.run(async () => {
    const conn = network.connect({ hostname: "10.0.0.1", port: 80 });
    const client = new Mux(conn, { client: true, linger: 700 });
    const stream = await client.createBidirectionalStream();
    await stream.write(new Uint8Array(1000));
    client.close();
    const error = await errorOf(client.closed);
    assertEquals([error.kind, network.now], ["timeout", 700]);
    await errorOf(stream.closed);
    await conn.closed.catch(() => {});
  });
});

Deno.test("mux: streams of many sizes go through a connection with a tiny MTU and send queue", async () => {
  await withMuxes(async (ends) => {
    await Promise.all(
      [1, 100, 5000, 60_000].map(async (size) => {
        const [client, server] = await streamOf(ends);
        const sent = pattern(size);
        const writing = client.writeAll(sent).then(() => client.closeWrite());
        assertEquals(await readAll(server), sent);
        await writing;
      }),
    );
  }, { kcp: { mtu: 100, sndWnd: 4, rcvWnd: 128, sndQueue: 255 } });
});

Deno.test("mux: what a connection without memory does not take is sent later, in order", async () => {
  let cut = 0;
  await withMuxes(async (ends) => {
    // Counts what was cut.
    const { client: below } = ends.below;
    const write = below.tryWritev;
    below.tryWritev = (pieces) => {
      const taken = write.call(below, pieces);
      if (taken < pieces.reduce((sum, { length }) => sum + length, 0)) cut++;
      return taken;
    };
    await Promise.all(
      [1, 2, 3, 4].map(async () => {
        const [client, server] = await streamOf(ends);
        const sent = pattern(1_000_000);
        const writing = client.writeAll(sent).then(() => client.closeWrite());
        assertEquals(await readAll(server), sent);
        await writing;
      }),
    );
  }, {
    kcp: { memoryLimit: 1 << 20, nc: true, sndWnd: 8192, rcvWnd: 8192 },
    link: { latency: 300 },
    maxStreamBuffer: 1 << 20,
  });
  assert(cut > 0);
});
