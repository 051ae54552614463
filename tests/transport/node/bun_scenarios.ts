/**
 * What the sockets of Bun do, on Bun. Each scenario fails by an exception.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import process from "node:process";
import type { Connection } from "../../../transport/mod.ts";
import * as root from "../../../mod.ts";
import { bun, BunSocket, connect, listen, node } from "../../../transport/node.ts";

/** Writes bytes, and reads them back from a peer that echoes. */
async function echo(client: Connection, server: Connection, count: number): Promise<void> {
  const sent = new Uint8Array(count);
  for (let i = 0; i < count; i++) sent[i] = i * 7 >>> (i & 7);
  const echoing = server.readable.pipeTo(server.writable);
  const writing = client.writeAll(sent).then(() => client.closeWrite());
  const got = new Uint8Array(await new Response(client.readable).arrayBuffer());
  await Promise.all([writing, echoing]);
  assert(got.length === count && got.every((byte, i) => byte === sent[i]), "the bytes differ");
}

async function everyAddress(): Promise<void> {
  const cases = [
    ["127.0.0.1", "127.0.0.1"],
    ["::1", "::1"],
    ["0.0.0.0", "127.0.0.1"],
    ["::", "::1"],
    ["::", "127.0.0.1"],
    ["localhost", "localhost"],
  ];
  for (const [hostname, target] of cases) {
    const listener = await listen({ hostname });
    const client = await connect({ hostname: target, port: listener.addr.port });
    assertEquals([listener.adapter, client.adapter], ["bun", "bun"]);
    await client.open({ timeout: 5000 });
    const server = await listener.accept();
    const { hostname: host } = server.remoteAddr;
    assertEquals(host, target === "localhost" ? "127.0.0.1" : target);
    await echo(client, server, 300_000);
    await Promise.all([client.closed, server.closed]);
    listener.close({ timeWait: 0 });
    await listener.closed;
  }
}

async function rootEntry(): Promise<void> {
  const listener = await root.listen({ hostname: "127.0.0.1" });
  const client = await root.connect({ port: listener.addr.port });
  assert(listener.socket instanceof BunSocket);
  assert(client.socket instanceof BunSocket);
  const [server] = await Promise.all([listener.accept(), client.opened]);
  await echo(client, server, 4_000_000);
  listener.close({ timeWait: 0 });
  await Promise.all([client.closed, server.closed, listener.closed]);
}

async function withNode(): Promise<void> {
  const listener = await listen({ hostname: "127.0.0.1", bind: node() });
  const client = await connect({ port: listener.addr.port, bind: bun() });
  assertEquals([listener.adapter, client.adapter], ["node", "bun"]);
  const [server] = await Promise.all([listener.accept(), client.opened]);
  await echo(client, server, 1_000_000);
  listener.close({ timeWait: 0 });
  await listener.closed;
}

async function oneIsGone(): Promise<void> {
  // Nobody is at the port: the system reports that with a later packet, which may be another peer's.
  const gone = createSocket("udp4").bind(0, "127.0.0.1");
  await once(gone, "listening");
  const { port } = gone.address();
  gone.close();
  await once(gone, "close");
  const listener = await listen({ hostname: "127.0.0.1" });
  const peer = await listen({ hostname: "127.0.0.1" });
  const lost = await connect({ port, via: listener });
  const live = await connect({ port: peer.addr.port, via: listener });
  await lost.writeAll(new Uint8Array(100_000));
  await live.open({ timeout: 5000 });
  await echo(live, await peer.accept(), 300_000);
  assertEquals(lost.state, "connecting");
  lost.abort();
  for (const end of [listener, peer]) {
    end.close({ connections: "abort", timeWait: 0 });
    await end.closed;
  }
}

async function ports(): Promise<void> {
  const listener = await listen({ hostname: "127.0.0.1" });
  const { port } = listener.addr;
  const error = await assertRejects(() => listen({ hostname: "127.0.0.1", port }), Error);
  assertEquals((error as Error & { code?: string }).code, "EADDRINUSE");
  listener.close({ timeWait: 0 });
  await listener.closed;
  const again = await listen({ hostname: "127.0.0.1", port });
  again.unref();
  again.ref();
  again.close({ timeWait: 0 });
  await again.closed;
}

async function buffers(): Promise<void> {
  const bind = bun({ receiveBuffer: 65_536, sendBuffer: 32_768 });
  const listener = await listen({ hostname: "127.0.0.1", bind });
  const { socket } = listener;
  assert(socket instanceof BunSocket);
  // Linux tells twice the size (socket(7)).
  const factor = process.platform === "linux" ? 2 : 1;
  assertEquals(socket.settings, { receiveBuffer: factor * 65_536, sendBuffer: factor * 32_768 });
  socket.configure({ receiveBuffer: 100_000 });
  assertEquals(socket.settings.receiveBuffer, factor * 100_000);
  assertEquals(socket.socket.setTTL(32), 32);
  listener.close({ timeWait: 0 });
  await listener.closed;
  assertThrows(() => socket.settings, Error, "is closed");
}

/** All scenarios, by what they show. */
export const scenarios: Readonly<Record<string, () => Promise<void>>> = {
  "Bun's sockets on every kind of address": everyAddress,
  "the root entry opens Bun's sockets": rootEntry,
  "Bun's sockets with those of node:dgram": withNode,
  "a peer that is gone does not hold up another one": oneIsGone,
  "a port is taken, and free after the close": ports,
  "the buffers of Bun's sockets": buffers,
};
