import { assertEquals, assertThrows } from "@std/assert";
import { ConnectionError } from "../../../mod.ts";
import { pattern } from "../../kcp/harness.ts";
import { settle } from "../harness.ts";
import { CLIENT, SERVER, withPair } from "./pair.ts";

Deno.test("tryRead: the bytes that are there, then 0, and null at the end", async () => {
  await withPair(async (client, server, network) => {
    const buffer = new Uint8Array(6);
    assertEquals(server.tryRead(buffer), 0);
    await client.write(pattern(10));
    await network.delay(100);
    assertEquals([server.tryRead(buffer), server.tryRead(buffer.subarray(0, 3))], [6, 3]);
    assertEquals([server.tryRead(new Uint8Array()), server.tryRead(buffer)], [0, 1]);
    assertEquals(server.tryRead(buffer), 0);
    await client.closeWrite();
    await network.delay(100);
    assertEquals([server.tryRead(buffer), server.tryRead(buffer)], [null, null]);
  });
});

Deno.test("tryRead: it does not overtake a read that waits", async () => {
  await withPair(async (client, server, network) => {
    const reading = server.read(new Uint8Array(4));
    assertEquals(server.tryRead(new Uint8Array(9)), 0);
    await client.write(pattern(10));
    await network.delay(100);
    assertEquals([await reading, server.tryRead(new Uint8Array(9))], [4, 6]);
  });
});

Deno.test("tryRead: it throws what ended the connection, after the last bytes", async () => {
  await withPair(async (client, server, network) => {
    await client.write(pattern(3));
    await network.delay(100);
    client.abort("enough");
    await network.delay(100);
    const buffer = new Uint8Array(9);
    assertEquals(server.tryRead(buffer), 3);
    assertEquals(assertThrows(() => server.tryRead(buffer), ConnectionError).kind, "reset");
    assertEquals(assertThrows(() => client.tryRead(buffer), ConnectionError).kind, "closed");
    assertThrows(() => client.tryRead("x" as unknown as Uint8Array), TypeError);
  });
});

Deno.test("onReadable: it is called for new bytes, the end, and an error, and not again", async () => {
  await withPair(async (client, server, network) => {
    const seen: (number | null)[] = [];
    const buffer = new Uint8Array(100);
    server.onReadable = () => {
      for (;;) {
        const count = server.tryRead(buffer);
        seen.push(count);
        if (!count) break;
      }
    };
    await network.delay(1000);
    assertEquals(seen, [], "there was nothing to read");
    await client.write(pattern(7));
    await network.delay(1000);
    assertEquals(seen, [7, 0]);
    await client.closeWrite();
    await network.delay(1000);
    assertEquals(seen, [7, 0, null]);
    let calls = 0;
    client.onReadable = () => calls++;
    network.partition(SERVER, CLIENT);
    client.abort();
    await settle();
    assertEquals(calls, 1);
  });
});

Deno.test("onReadable: set when bytes are there, it is called soon; packets share a call", async () => {
  await withPair(async (client, server, network) => {
    await client.writeAll(pattern(5000));
    await network.delay(100);
    let calls = 0;
    server.onReadable = () => calls++;
    assertEquals(calls, 0);
    await settle();
    assertEquals(calls, 1);
    // Nothing new has arrived, whatever else happens.
    server.tryRead(new Uint8Array(10));
    await network.delay(20_000);
    assertEquals(calls, 1);
    await client.write(pattern(1));
    await network.delay(100);
    assertEquals(calls, 2);
    server.onReadable = null;
    await client.write(pattern(1));
    await network.delay(100);
    assertEquals(calls, 2);
  });
});

Deno.test("onReadable: bytes that a waiting read takes are no news", async () => {
  await withPair(async (client, server, network) => {
    let calls = 0;
    server.onReadable = () => calls++;
    const reading = server.read(new Uint8Array(10));
    await client.write(pattern(10));
    assertEquals(await reading, 10);
    await network.delay(100);
    assertEquals(calls, 0);
  });
});

Deno.test("tryReceiveDatagram: the datagrams that are there, then none, and null at the end", async () => {
  await withPair(async (client, server, network) => {
    assertEquals(server.tryReceiveDatagram(), undefined);
    for (const size of [3, 0, 9]) client.sendDatagram(pattern(size));
    await network.delay(100);
    const sizes = [1, 2, 3].map(() => server.tryReceiveDatagram()?.length);
    assertEquals([...sizes, server.tryReceiveDatagram()], [3, 0, 9, undefined]);
    const waiting = server.receiveDatagram();
    client.sendDatagram(pattern(1));
    client.sendDatagram(pattern(2));
    assertEquals(server.tryReceiveDatagram(), undefined, "it belongs to the call that waits");
    await network.delay(100);
    assertEquals([(await waiting)?.length, server.tryReceiveDatagram()?.length], [1, 2]);
    await Promise.all([client.closeWrite(), server.closeWrite()]);
    await network.delay(1000);
    assertEquals(server.tryReceiveDatagram(), null);
    client.close();
    assertEquals(
      assertThrows(() => client.tryReceiveDatagram(), ConnectionError).kind,
      "closed",
    );
  });
});

Deno.test("onDatagram: it is called for datagrams and the end, not for bytes of the stream", async () => {
  await withPair(async (client, server, network) => {
    const seen: (number | string)[] = [];
    server.onDatagram = () => {
      try {
        for (let next; (next = server.tryReceiveDatagram());) seen.push(next.length);
      } catch (error) {
        seen.push((error as ConnectionError).kind);
      }
    };
    await client.write(pattern(1000));
    await network.delay(100);
    assertEquals(seen, []);
    client.sendDatagram(pattern(3));
    client.sendDatagram(pattern(4));
    await network.delay(100);
    assertEquals(seen, [3, 4]);
    await network.delay(20_000);
    client.abort();
    await network.delay(100);
    assertEquals(seen, [3, 4, "reset"]);
  });
});

Deno.test("onReadable and onDatagram: the error of an ended connection may pass through them", async () => {
  for (const end of ["here", "there"]) {
    await withPair(async (client, server, network) => {
      let calls = 0;
      const buffer = new Uint8Array(10);
      server.onReadable = () => {
        calls++;
        while (server.tryRead(buffer));
      };
      server.onDatagram = () => {
        calls++;
        while (server.tryReceiveDatagram());
      };
      if (end === "here") server.close();
      else client.abort("enough");
      await network.delay(1000);
      assertEquals(calls, 2);
    });
  }
});
