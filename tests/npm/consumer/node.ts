/**
 * A program for Node.js, which sends over real sockets. It prints `ok` if the package works.
 *
 * @module
 */
import { connect, listen } from "@lowlatency/kcp/node";

const listener = await listen({ hostname: "127.0.0.1" });
const client = await connect({ port: listener.addr.port });
await client.writeAll(new TextEncoder().encode("hello"));
const server = await listener.accept();
const buffer = new Uint8Array(100);
const count = await server.read(buffer);
const text = new TextDecoder().decode(buffer.subarray(0, count ?? 0));
if (text !== "hello") throw new Error(`the server got ${JSON.stringify(text)}`);

server.close();
client.close();
listener.close();
console.log("ok");
