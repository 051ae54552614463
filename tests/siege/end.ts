/**
 * One process under siege: a listener, or clients. It runs on Deno and, bundled, on Node.js. The last
 * argument is its task, in JSON. It prints lines of JSON, and takes commands on stdin: `stop` ends
 * the work in order, `exit` ends the process at once as an application does.
 *
 * @module
 */
import { createHash } from "node:crypto";
import process from "node:process";
import { connect as connectDeno, ConnectionError, listen as listenDeno, turbo } from "../../mod.ts";
import { deno } from "../../transport/deno.ts";
import { linux } from "../../transport/linux.ts";
import type { Connection, ConnectOptions, Listener } from "../../mod.ts";
import { connect as connectNode, listen as listenNode } from "../../transport/node.ts";

/** The kinds of sockets. */
export type Adapter = "deno" | "node" | "linux";

/** The task of an end. */
export interface EndTask {
  /**
   * - `server` sends everything back, and prints {@linkcode Sample}s.
   * - `transfer` writes without a pause, and compares what comes back.
   * - `probe` sends a ping each 20 ms, and lets a new client connect each 200 ms.
   * - `talker` writes 16 bytes each 20 ms, and prints what ends its connection.
   */
  role: "server" | "transfer" | "probe" | "talker";
  adapter: Adapter;
  hostname: string;
  /** The port of the listener; 0 lets the system choose. */
  port: number;
  localPort?: number;
  /** The setting of a server, in ms. */
  keepAlive?: number;
  /** Whether a server prints the honest connections that it accepts and that end. */
  tells?: boolean;
}

/** What a server prints several times a second. */
export interface Sample {
  at: number;
  /** Resident memory in bytes. */
  rss: number;
  /** How late each timer of the last interval was, in ms. */
  late: number[];
  stats: Record<string, number>;
}

/** Why a connection ended, and when. `kind` is null if everything was delivered. */
export interface Ended {
  ended: number;
  kind: string | null;
  message?: string;
  at: number;
}

/** Under attack, most packets are lost: the end of a stream needs more than the 5 s of the default. */
const SIZES = { sndWnd: 1024, rcvWnd: 1024, mtu: 1400, linger: 30_000 };
const PING_EVERY = 20;
const CLIENT_EVERY = 200;
const SAMPLE_EVERY = 200;
/** A client that was not served after this time is a failure, in ms. */
const CLIENT_TIMEOUT = 15_000;

const task: EndTask = JSON.parse(process.argv.at(-1)!);

/** Settles at the command `stop`. */
let stop: () => void;
const stopped = new Promise<void>((resolve) => stop = resolve);
let stops = false;

function report(line: object): void {
  console.log(JSON.stringify(line));
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function settings() {
  // Each kind is chosen: with its permissions, this process would use those of Linux by itself.
  const bind = { deno: deno(), linux: linux(), node: undefined }[task.adapter];
  return { ...turbo, ...SIZES, bind };
}

function listen(): Promise<Listener> {
  const { hostname, port, keepAlive = Infinity } = task;
  const options = { ...settings(), hostname, port, keepAlive };
  return (task.adapter === "node" ? listenNode : listenDeno)(options);
}

function connect(more: Partial<ConnectOptions> = {}): Promise<Connection> {
  const { hostname, port } = task;
  const options = { ...settings(), hostname, port, ...more };
  return (task.adapter === "node" ? connectNode : connectDeno)(options);
}

/** Prints how a connection ends. */
async function tellEnd(conn: Connection): Promise<void> {
  const line: Ended = { ended: conn.conv, kind: null, at: 0 };
  try {
    await conn.closed;
  } catch (error) {
    line.kind = error instanceof ConnectionError ? error.kind : "other";
    line.message = String(error);
  }
  line.at = Date.now();
  report(line);
}

async function writeAll(conn: Connection, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await conn.write(bytes.subarray(done));
}

/** Sends everything back until the peer ends its stream. */
async function echo(conn: Connection): Promise<void> {
  // Thousands of connections of strangers must not cost much each.
  let buffer = new Uint8Array(2048);
  try {
    for (let count; (count = await conn.read(buffer)) !== null;) {
      await writeAll(conn, buffer.subarray(0, count));
      if (count === buffer.length && count < 65_536) buffer = new Uint8Array(65_536);
    }
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
  }
  conn.close();
}

async function serve(): Promise<void> {
  const listener = await listen();
  report({ port: listener.addr.port });
  let late: number[] = [];
  let due = performance.now() + PING_EVERY;
  setInterval(() => {
    const now = performance.now();
    late.push(Math.round(10 * Math.max(0, now - due)) / 10);
    due = now + PING_EVERY;
  }, PING_EVERY);
  setInterval(() => {
    const { rss } = process.memoryUsage();
    const sample: Sample = { at: Date.now(), rss, late, stats: { ...listener.stats } };
    report(sample);
    late = [];
  }, SAMPLE_EVERY);
  for await (const conn of listener) {
    if (task.tells && !isForged(conn)) {
      report({ accepted: conn.conv });
      tellEnd(conn);
    }
    echo(conn);
  }
}

/** Whether a peer has an address that the attacker draws. */
function isForged({ remoteAddr: { hostname } }: Connection): boolean {
  return hostname.startsWith("127.") && hostname !== "127.0.0.1";
}

/** Bytes that differ from write to write. */
function fill(bytes: Uint8Array, from: number): void {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  for (let i = 0, x = (from | 1) >>> 0; i < words.length; i++) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    words[i] = x;
  }
}

async function transfer(): Promise<void> {
  const conn = await connect({ timeout: CLIENT_TIMEOUT });
  const { hostname, port } = conn.localAddr;
  report({ conv: conn.conv, local: `${hostname}:${port}` });
  const sent = createHash("sha256"), received = createHash("sha256");
  let sentBytes = 0, receivedBytes = 0;
  const timer = setInterval(() => report({ at: Date.now(), bytes: receivedBytes }), 100);
  const write = async () => {
    const bytes = new Uint8Array(65_536);
    while (!stops) {
      fill(bytes, sentBytes);
      sent.update(bytes);
      await writeAll(conn, bytes);
      sentBytes += bytes.length;
    }
    conn.closeWrite().catch(() => {});
  };
  const read = async () => {
    const bytes = new Uint8Array(1 << 18);
    for (let count; (count = await conn.read(bytes)) !== null;) {
      received.update(bytes.subarray(0, count));
      receivedBytes += count;
    }
  };
  let error = null;
  await Promise.all([write(), read()]).catch((reason) => error = String(reason));
  clearInterval(timer);
  const same = error === null && sent.digest("hex") === received.digest("hex");
  report({ done: true, same, error, sentBytes, receivedBytes });
  await conn[Symbol.asyncDispose]();
}

/** A ping each 20 ms. Prints the round trips in ms, several times a second. */
async function ping(): Promise<void> {
  const conn = await connect({ timeout: CLIENT_TIMEOUT });
  let pings: number[] = [];
  let sent = 0, received = 0;
  const bytes = new Float64Array(1);
  const timer = setInterval(() => {
    bytes[0] = performance.now();
    sent++;
    writeAll(conn, new Uint8Array(bytes.slice().buffer)).catch(() => {});
  }, PING_EVERY);
  const tell = setInterval(() => {
    if (pings.length > 0) report({ at: Date.now(), pings });
    pings = [];
  }, SAMPLE_EVERY);
  stopped.then(() => {
    clearInterval(timer);
    conn.closeWrite().catch(() => {});
  });
  const buffer = new Uint8Array(8 * 256);
  let error: string | null = null;
  try {
    for (let have = 0, count; (count = await conn.read(buffer.subarray(have))) !== null;) {
      have += count;
      const whole = have >> 3;
      const now = performance.now();
      for (const at of new Float64Array(buffer.buffer, 0, whole)) pings.push(now - at);
      received += whole;
      buffer.copyWithin(0, whole << 3, have);
      have -= whole << 3;
    }
  } catch (reason) {
    error = String(reason);
  }
  clearInterval(tell);
  report({ at: Date.now(), pings });
  report({ pinged: true, sent, received, error });
  await conn[Symbol.asyncDispose]();
}

/** A new client: connects, gets 1 KiB back, and closes. */
async function newClient(number: number): Promise<void> {
  const start = performance.now();
  const began = Date.now();
  let conn: Connection | undefined;
  try {
    conn = await connect();
    conn.readTimeout = conn.writeTimeout = CLIENT_TIMEOUT;
    const bytes = new Uint8Array(1024);
    fill(bytes, number);
    await writeAll(conn, bytes);
    const back = new Uint8Array(1024);
    for (let have = 0; have < back.length;) {
      const count = await conn.read(back.subarray(have));
      if (count === null) throw new Error("The listener ended the stream");
      have += count;
    }
    if (bytes.some((byte, i) => byte !== back[i])) throw new Error("Other bytes came back");
    report({ at: began, client: performance.now() - start });
    conn.close();
    await conn.closed;
    await conn[Symbol.asyncDispose]();
  } catch (error) {
    report({
      conv: conn?.conv,
      at: began,
      failed: `${error} after ${Math.round(performance.now() - start)} ms`,
    });
    conn?.abort();
  }
}

async function probe(): Promise<void> {
  const clients: Promise<void>[] = [];
  const timer = setInterval(() => clients.push(newClient(clients.length)), CLIENT_EVERY);
  stopped.then(() => clearInterval(timer));
  await ping();
  await Promise.all(clients);
  report({ done: true });
}

/** Writes a little at a time, and compares what comes back. */
async function talk(): Promise<void> {
  const conn = await connect({ timeout: CLIENT_TIMEOUT, localPort: task.localPort });
  report({ opened: conn.conv, port: conn.localAddr.port, at: Date.now() });
  tellEnd(conn);
  let sent = 0, received = 0, right = true;
  const write = async () => {
    while (!stops) {
      await writeAll(conn, Uint8Array.from({ length: 16 }, (_, i) => sent + i));
      sent += 16;
      await sleep(PING_EVERY);
    }
    await conn.closeWrite();
    await conn.drained();
  };
  const read = async () => {
    const buffer = new Uint8Array(4096);
    for (let count; (count = await conn.read(buffer)) !== null;) {
      for (let i = 0; i < count; i++) right &&= buffer[i] === (received + i & 255);
      received += count;
      if (received === count) report({ answered: true });
    }
  };
  await Promise.all([write(), read()]).catch(() => {});
  report({ done: true, same: right && sent === received, sent, received });
  await conn[Symbol.asyncDispose]();
}

/** Ends the process as an application does. */
function exit(): never {
  const { Deno } = globalThis as unknown as { Deno?: { exit(): never } };
  return Deno ? Deno.exit() : process.exit();
}

process.stdin.on("data", (data: { toString(): string }) => {
  const text = data.toString();
  if (text.includes("exit")) exit();
  if (text.includes("stop")) {
    stops = true;
    stop();
  }
});
// The process that gives the commands has gone.
process.stdin.on("end", exit);

switch (task.role) {
  case "server":
    await serve();
    break;
  case "transfer":
    await transfer();
    break;
  case "probe":
    await probe();
    break;
  case "talker":
    await talk();
}
// Stdin would keep the process alive.
exit();
