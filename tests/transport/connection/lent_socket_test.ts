/**
 * Sockets that belong to the application: the library borrows them.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { connect, type Connection, listen, type Listener, turbo } from "../../../mod.ts";
import type { PacketBatch } from "../../../kcp/mod.ts";
import { DenoSocket } from "../../../transport/deno.ts";
import type { DatagramReceiver } from "../../../transport/mod.ts";
import { NodeSocket } from "../../../transport/node.ts";
import { pattern } from "../../kcp/harness.ts";
import { readExactly } from "../harness.ts";

const HERE = { hostname: "127.0.0.1", port: 0 };

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `lent: ${name}`, fn, sanitizeOps: true, sanitizeResources: true });
}

/** Dials a listener, and checks that bytes arrive. Both ends are then aborted. */
async function use(listener: Listener): Promise<void> {
  const { port } = listener.addr;
  const conn: Connection = await connect({ ...turbo, ...HERE, port });
  await conn.write(pattern(3000));
  const server = await listener.accept({ timeout: 10_000 });
  assertEquals(await readExactly(server, 3000), pattern(3000));
  listener.close({ connections: "abort" });
  await listener.closed;
  await conn[Symbol.asyncDispose]();
}

/** A receiver that notes the first byte of each packet. */
function notes(seen: number[]): DatagramReceiver {
  const never = () => {};
  return {
    arena: null as unknown as PacketBatch["arena"],
    packet: (bytes) => seen.push(bytes[0]),
    packets: never,
    settled: never,
    failed: never,
  };
}

test("a Deno.DatagramConn stays open, and serves one listener after the other", async () => {
  const conn = Deno.listenDatagram({ transport: "udp", ...HERE });
  const bind = () => new DenoSocket(conn, { lent: true });
  for (let i = 0; i < 3; i++) {
    const listener = await listen({ bind, ...turbo });
    assertEquals(listener.addr, { ...conn.addr as Deno.NetAddr, transport: "udp" });
    await use(listener);
  }
  // It still sends.
  const peer = Deno.listenDatagram({ transport: "udp", ...HERE });
  await conn.send(Uint8Array.of(7), peer.addr);
  assertEquals((await peer.receive())[0], Uint8Array.of(7));
  conn.close();
  peer.close();
});

test("the next borrower of a Deno.DatagramConn gets the next packet", async () => {
  const conn = Deno.listenDatagram({ transport: "udp", ...HERE });
  const peer = Deno.listenDatagram({ transport: "udp", ...HERE });
  const first: number[] = [], second: number[] = [];
  const borrowed = new DenoSocket(conn, { lent: true });
  borrowed.open(notes(first));
  await peer.send(Uint8Array.of(1), conn.addr);
  while (first.length < 1) await new Promise((resolve) => setTimeout(resolve, 1));
  borrowed.close();
  borrowed.close();
  const again = new DenoSocket(conn, { lent: true });
  again.open(notes(second));
  for (const byte of [2, 3]) await peer.send(Uint8Array.of(byte), conn.addr);
  while (second.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  assertEquals([first, second], [[1], [2, 3]]);
  again.close();
  conn.close();
  peer.close();
});

test("a connection over a Deno.DatagramConn of the application leaves it open", async () => {
  const conn = Deno.listenDatagram({ transport: "udp", ...HERE });
  const listener = await listen({ ...HERE, ...turbo });
  const bind = () => new DenoSocket(conn, { lent: true });
  const { port } = listener.addr;
  const dialled = await connect({ ...turbo, ...HERE, port, bind, timeout: 10_000 });
  assertEquals(dialled.localAddr.port, (conn.addr as Deno.NetAddr).port);
  dialled.abort();
  listener.close({ connections: "abort" });
  await Promise.all([listener.closed, dialled[Symbol.asyncDispose]()]);
  conn.close();
});

/** A bound socket of Node.js. */
async function nodeSocket(): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}

test("a socket of node:dgram stays open, and keeps the application's own receivers", async () => {
  const socket = await nodeSocket();
  const seen: number[] = [];
  socket.on("message", (packet) => seen.push(packet[0]));
  const bind = () => new NodeSocket(socket, { lent: true });
  for (let i = 0; i < 2; i++) await use(await listen({ bind, ...turbo }));
  assertEquals(["message", "error", "close"].map((name) => socket.listenerCount(name)), [1, 0, 0]);
  const peer = await nodeSocket();
  seen.length = 0;
  peer.send(Uint8Array.of(9), socket.address().port, "127.0.0.1");
  while (seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  assertEquals(seen, [9]);
  for (const each of [socket, peer]) {
    each.close();
    await once(each, "close");
  }
});
