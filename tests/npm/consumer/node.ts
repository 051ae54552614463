/**
 * A program for Node.js, which sends over real sockets. It prints `ok` if the package works.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { activeKernels, useKernels } from "@lowlatency/kcp/kernels";
import { connect, listen } from "@lowlatency/kcp/node";

const kernel = new URL(import.meta.resolve("@lowlatency/kcp/kernels/crc32.wasm"));
useKernels({ crc32: await WebAssembly.compile(new Uint8Array(await readFile(kernel))) });
if (activeKernels().crc32.path !== "precompiled") throw new Error("the kernel is not used");

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
