/**
 * One end of a connection whose throughput is measured, in a process of its own. It runs on Deno and,
 * bundled, on Node.js. The last argument is its task, in JSON. It prints lines of JSON: a server its
 * port, and the end that counts its result.
 *
 * @module
 */
import process from "node:process";
import { type CipherName, createCipher } from "../../crypt/mod.ts";
import { connect as connectDeno, type Connection, listen as listenDeno, turbo } from "../../mod.ts";
import { deno } from "../../transport/deno.ts";
import { linux } from "../../transport/linux.ts";
import { connect as connectNode, listen as listenNode } from "../../transport/node.ts";
import { Counter } from "./counter.ts";
import { dialStream, serveStream } from "./node_stream.ts";

/** The task of an end. */
export interface EndTask {
  role: "server" | "client";
  /**
   * `sink`: the server counts the bytes that arrive. `echo`: the client counts the bytes that come
   * back, and reads each write back before the next write. `pipelined-echo`: the client counts them
   * while it writes and reads at once.
   */
  mode: "sink" | "echo" | "pipelined-echo";
  /**
   * What `listen` chooses by itself, Deno's own sockets, those of the Linux transport, those of
   * Node.js, the same under a stream of `node:stream`, or, for a sink, a stream of Deno's QUIC.
   */
  sockets: "automatic" | "deno" | "linux" | "node" | "node-stream" | "quic";
  /** Whether nothing but the cipher, the error correction and the `mtu` is set. */
  defaults?: boolean;
  /** The largest packet, where nothing else is set. */
  mtu?: number;
  port: number;
  /** Length of a write in bytes. */
  size: number;
  /** Seconds before the count begins. */
  warmup: number;
  /** Seconds that the count takes. */
  seconds: number;
  burst: number;
  cipher?: CipherName;
  /** The key of the cipher, in hexadecimal. */
  key?: string;
  fec?: { dataShards: number; parityShards: number };
}

function settingsOf({ sockets, defaults, mtu, burst, cipher, key, fec }: EndTask) {
  const bind = sockets === "deno" ? deno() : sockets === "linux" ? linux() : undefined;
  const crypt = cipher && createCipher(cipher, Uint8Array.fromHex(key ?? ""));
  const tuned = { ...turbo, sndWnd: 1024, rcvWnd: 1024, mtu: 1400, burst };
  return { ...defaults ? { mtu } : tuned, bind, crypt, fec };
}

/** Writes all of `bytes`. */
async function writeAll(conn: Connection, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await conn.write(bytes.subarray(done));
}

async function serve(task: EndTask): Promise<void> {
  const listen = task.sockets === "node" ? listenNode : listenDeno;
  const listener = await listen({ hostname: "127.0.0.1", port: task.port, ...settingsOf(task) });
  console.log(JSON.stringify({ port: listener.addr.port }));
  const conn = await listener.accept();
  const buffer = new Uint8Array(1 << 18);
  const counter = new Counter(task, () => listener.stats.packetsIn);
  while (!counter.result) {
    const count = await conn.read(buffer);
    if (count === null) return;
    if (task.mode === "sink") counter.add(count);
    else await writeAll(conn, buffer.subarray(0, count));
  }
  console.log(JSON.stringify(counter.result));
}

async function dial(task: EndTask): Promise<void> {
  const connect = task.sockets === "node" ? connectNode : connectDeno;
  const conn = await connect({ hostname: "127.0.0.1", ...settingsOf(task), port: task.port });
  const bytes = new Uint8Array(task.size);
  const buffer = new Uint8Array(1 << 18);
  const counter = new Counter(task, () => conn.stats.packetsIn);
  const write = () => writeAll(conn, bytes);
  const read = async () => {
    for (let got = 0; got < task.size;) {
      const count = await conn.read(buffer);
      if (count === null) throw new Error("The server ended the stream");
      got += count;
      counter.add(count);
    }
  };
  const writeOn = async () => {
    while (!counter.result) await write();
  };
  const readOn = async () => {
    while (!counter.result) await read();
  };
  if (task.mode === "sink") await writeOn();
  else if (task.mode === "pipelined-echo") await Promise.race([writeOn(), readOn()]);
  else while (!counter.result) await Promise.all([write(), read()]);
  console.log(JSON.stringify(counter.result));
}

/** A certificate for localhost, and its key. Both are public: use them for nothing else. */
const CERTIFICATE = new URL("localhost.crt", import.meta.url);
const CERTIFICATE_KEY = new URL("localhost.key", import.meta.url);
const ALPN = ["sink"];

async function serveQuic(task: EndTask): Promise<void> {
  const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
  const listener = endpoint.listen({
    cert: await Deno.readTextFile(CERTIFICATE),
    key: await Deno.readTextFile(CERTIFICATE_KEY),
    alpnProtocols: ALPN,
  });
  console.log(JSON.stringify({ port: endpoint.addr.port }));
  const connection = await listener.accept();
  for await (const { readable } of connection.incomingBidirectionalStreams) {
    const counter = new Counter(task, () => 0);
    for await (const bytes of readable) {
      counter.add(bytes.length);
      if (counter.result) break;
    }
    console.log(JSON.stringify(counter.result));
  }
}

async function dialQuic({ port, size }: EndTask): Promise<void> {
  const connection = await Deno.connectQuic({
    hostname: "localhost",
    port,
    alpnProtocols: ALPN,
    caCerts: [await Deno.readTextFile(CERTIFICATE)],
  });
  const { writable } = await connection.createBidirectionalStream();
  const writer = writable.getWriter();
  const bytes = new Uint8Array(size);
  try {
    for (;;) await writer.write(bytes);
  } catch {
    // The server has its result, and closed.
  }
}

const task: EndTask = JSON.parse(process.argv.at(-1)!);
const server = task.role === "server";
if (task.sockets === "node-stream") await (server ? serveStream(task) : dialStream(task));
else if (task.sockets === "quic") await (server ? serveQuic(task) : dialQuic(task));
else await (server ? serve(task) : dial(task));
// The measurement ends both processes. If one ended by itself, the other would print an error.
setTimeout(() => process.exit(), 10_000);
