/**
 * A program for each runtime that has UDP sockets, without types of any. It prints `ok` if the
 * package works.
 *
 * @module
 */
import { connect, listen, type OperationOptions, type SessionOptions } from "@lowlatency/kcp";

// An option that is undefined has its default, also for programs with exactOptionalPropertyTypes.
const settings = { crypt: undefined, fec: undefined, linger: undefined } satisfies SessionOptions;
const limits: OperationOptions = { timeout: undefined, signal: undefined };

const listener = await listen({ hostname: "127.0.0.1", port: undefined, ...settings });
const { port } = listener.addr;
const client = await connect({ hostname: "127.0.0.1", port, ...limits, ...settings });
await client.writeAll(new TextEncoder().encode("hello"), limits);
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
