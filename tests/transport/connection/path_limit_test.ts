import { assertEquals } from "@std/assert";
import { createCipher } from "../../../crypt/mod.ts";
import { turbo } from "../../../mod.ts";
import { connectOn, connectVia, listenOn } from "../../../transport/mod.ts";
import { encode, pattern } from "../../kcp/harness.ts";
import { FakeClock, FakeSocket, settle } from "../harness.ts";

const PEER = "10.0.0.1:80";
const OPTIONS = { ...turbo, mtu: 1452 };

class LimitedSocket extends FakeSocket {
  maxPacketSize = 1287;
  /** The size of the largest packet since the last call. */
  get largest(): number {
    return Math.max(0, ...this.sent.splice(0).map(({ packet }) => packet.length));
  }
}

Deno.test("path limit: packets follow what the socket tells, with every layer", async () => {
  for (const crypt of [undefined, createCipher("aes-128-gcm", new Uint8Array(16))]) {
    for (const fec of [undefined, { dataShards: 2, parityShards: 1 }]) {
      const socket = new LimitedSocket();
      const entropy = (target: Uint8Array) => target.fill(7);
      const conn = connectOn(socket, new FakeClock(), PEER, 1, { ...OPTIONS, crypt, fec, entropy });
      await conn.write(pattern(10_000));
      await settle();
      assertEquals(socket.largest, 1287);
      socket.maxPacketSize = 1413;
      await conn.write(pattern(10_000));
      await settle();
      assertEquals(socket.largest, 1413);
      socket.maxPacketSize = 700;
      await conn.write(pattern(10_000));
      await settle();
      assertEquals(socket.largest, 700);
      assertEquals([conn.options.mtu, conn.stats.pathMtu], [1452, 700]);
    }
  }
});

Deno.test("path limit: it holds for what a listener accepts and dials", async () => {
  const socket = new LimitedSocket();
  const listener = listenOn(socket, new FakeClock(), OPTIONS);
  const dialled = connectVia(listener, PEER, 2, OPTIONS);
  socket.receiver!.packet(encode({ conv: 1, data: pattern(1) }), PEER);
  const accepted = await listener.accept();
  assertEquals([dialled, accepted].map(({ stats }) => stats.pathMtu), [1287, 1287]);
  socket.maxPacketSize = 1200;
  await dialled.write(pattern(1));
  await settle();
  assertEquals([dialled, accepted].map(({ stats }) => stats.pathMtu), [1200, 1200]);
});

Deno.test("path limit: a limit below every setting counts as the smallest MTU", async () => {
  const socket = new LimitedSocket();
  const conn = connectOn(socket, new FakeClock(), PEER, 1, OPTIONS);
  socket.maxPacketSize = -1;
  await conn.write(pattern(100));
  await settle();
  assertEquals(socket.largest, 50);
});
