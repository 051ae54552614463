/**
 * A program for each runtime that has UDP sockets, without types of any. It prints `ok` if the
 * package works.
 *
 * @module
 */
import { connect, listen } from "@lowlatency/kcp";

const listener = await listen({ hostname: "127.0.0.1" });
const client = await connect({ hostname: "127.0.0.1", port: listener.addr.port });
await client.writeAll(new TextEncoder().encode("hello"));
const server = await listener.accept();
const buffer = new Uint8Array(100);
const count = await server.read(buffer);
const text = new TextDecoder().decode(buffer.subarray(0, count ?? 0));
if (text !== "hello") throw new Error(`the server got ${JSON.stringify(text)}`);

server.close();
client.close();
listener.close();
await Promise.all([client.closed, server.closed, listener.closed]);
console.log("ok");
