/**
 * The sockets of the runtime behind connections and listeners: kcp-go's `Control`.
 *
 * @module
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type Bind, connect, listen } from "../../../transport/deno.ts";
import { deno, DenoSocket } from "../../../transport/deno.ts";
import { linux, LinuxSocket } from "../../../transport/linux.ts";
import { NodeSocket } from "../../../transport/node.ts";
import type { Connection } from "../../../transport/mod.ts";
import { withPair } from "./pair.ts";

const HERE = { hostname: "127.0.0.1", port: 0 };

function test(name: string, fn: () => Promise<void>, ignore = false): void {
  Deno.test({ name: `socket: ${name}`, ignore, fn, sanitizeOps: true, sanitizeResources: true });
}

/** Both ends of a connection over sockets of one kind. */
async function withEnds(
  bind: Bind,
  body: (client: Connection, server: Connection) => void,
): Promise<void> {
  const listener = await listen({ ...HERE, bind });
  const client = await connect({ ...HERE, bind, port: listener.addr.port });
  await client.write(new Uint8Array(1));
  const server = await listener.accept();
  assert(server.socket === listener.socket, "the connections of a listener share its socket");
  assert(client.socket !== server.socket);
  body(client, server);
  client.abort();
  listener.close({ connections: "abort" });
  await Promise.all([client[Symbol.asyncDispose](), listener.closed]);
}

test("Deno's is a Deno.DatagramConn with the address of the connection", async () => {
  await withEnds(deno(), ({ socket, localAddr }) => {
    assertInstanceOf(socket, DenoSocket);
    assertEquals(socket.conn.addr, { ...localAddr, transport: "udp" });
  });
});

test("that of Linux has a descriptor, on which system calls work", async () => {
  let left: LinuxSocket | undefined;
  await withEnds(linux(), ({ socket, localAddr }) => {
    assertInstanceOf(socket, LinuxSocket);
    const libc = Deno.dlopen("libc.so.6", {
      getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
    });
    const name = new Uint8Array(16);
    assertEquals(libc.symbols.getsockname(socket.fd, name, Int32Array.of(16)), 0);
    assertEquals(new DataView(name.buffer).getUint16(2), localAddr.port);
    libc.close();
    left = socket;
  });
  assertEquals(left!.fd, -1, "the number may belong to another file later");
}, Deno.build.os !== "linux");

test("that of Node.js is the dgram.Socket", async () => {
  const own = createSocket("udp4").bind(0, "127.0.0.1");
  await once(own, "listening");
  const listener = await listen({ bind: () => new NodeSocket(own) });
  const { socket } = listener;
  assertInstanceOf(socket, NodeSocket);
  assert(socket.socket === own);
  socket.socket.setTTL(3);
  listener.close();
  await listener.closed;
});

test("a simulated one is that of the network", async () => {
  await withPair((client, server) => {
    assertEquals([client.socket.adapter, server.socket.adapter], ["simulated", "simulated"]);
    assertEquals(client.socket.address, "10.0.0.2:5000");
    return Promise.resolve();
  });
});
