/**
 * A file transfer over real UDP sockets through a bad network, and a comparison of the modes of
 * KCP.
 *
 * The listener and the client run on the loopback interface. Between them is a proxy that loses and
 * delays packets:
 *
 *     deno task demo [--help]
 *
 * @module
 */
import { createCipheriv, createHash, type Hash } from "node:crypto";
import { parseArgs } from "node:util";
import {
  connect,
  type Connection,
  fast,
  type FecOptions,
  listen,
  type Listener,
  normal,
  turbo,
} from "@lowlatency/kcp";
import {
  CIPHER_NAMES,
  type CipherName,
  createCipherFromPassword,
  type PacketCipher,
} from "@lowlatency/kcp/crypt";
import { type LossyProxy, startProxy } from "@lowlatency/kcp/deno";
import type { KcpLiveOptions } from "@lowlatency/kcp/kcp";

const HELP = `Sends random bytes over KCP through a lossy network, and compares the modes.

Usage: deno task demo [options]

  --loss PERCENT   packets lost in each direction, 0 to 50 (10)
  --delay MS       one-way delay, 0 to 500; the jitter is a sixth of it in addition (30)
  --size MIB       size of the transfer, 1 to 4096 (32)
  --seed TEXT      seed of the bytes and of the losses (kcp)
  --cipher NAME    cipher of every packet, chacha20-poly1305 for example (no encryption)
  --help           prints this text

The exit code is 0 if every byte arrived, and 1 if not.`;

/** The transfer fails if no byte arrives for this long, in ms. */
const STALL = 10_000;
/** How long each mode is measured, in ms. */
const MODE_MS = 3_000;
/** The time between two messages, in ms. */
const MESSAGE_INTERVAL = 1000 / 60;
const MESSAGE_BYTES = 100;
/** How long (ms) to wait, after a mode's time is over, for messages that are still in flight. */
const MODE_GRACE = 3_000;

interface Settings {
  loss: number;
  delay: number;
  size: number;
  seed: string;
  crypt?: PacketCipher;
}

/** Reads the command line. */
function readSettings(args: string[]): Settings {
  const { values } = parseArgs({
    args,
    options: {
      loss: { type: "string", default: "10" },
      delay: { type: "string", default: "30" },
      size: { type: "string", default: "32" },
      seed: { type: "string", default: "kcp" },
      cipher: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    Deno.exit(0);
  }
  const number = (name: "loss" | "delay" | "size", min: number, max: number): number => {
    const value = Number(values[name]);
    if (!(value >= min && value <= max)) {
      throw new RangeError(`Cannot use --${name} ${values[name]}: allowed are ${min} to ${max}`);
    }
    return value;
  };
  const { cipher, seed } = values;
  if (cipher !== undefined && !(CIPHER_NAMES as readonly string[]).includes(cipher)) {
    throw new RangeError(`Cannot use --cipher ${cipher}: allowed are ${CIPHER_NAMES.join(", ")}`);
  }
  return {
    crypt: cipher === undefined ? undefined : createCipherFromPassword(cipher as CipherName, seed),
    loss: number("loss", 0, 50) / 100,
    delay: number("delay", 0, 500),
    size: Math.round(number("size", 1, 4096) * 2 ** 20),
    seed,
  };
}

/** The two ends of one connection through the proxy. */
interface Pair {
  client: Connection;
  server: Connection;
}

/** The listener, and the proxy in front of it. */
interface Path {
  listener: Listener;
  proxy: LossyProxy;
  crypt?: PacketCipher;
}

async function dial(path: Path, mode: KcpLiveOptions, fec?: FecOptions | "auto"): Promise<Pair> {
  const { listener, proxy, crypt } = path;
  const { hostname, port } = proxy.addr;
  const client = await connect({ hostname, port, crypt, fec, ...mode });
  // KCP has no handshake: the listener accepts a connection when its first byte arrives.
  await client.write(new Uint8Array(1));
  const server = await listener.accept();
  server.configure(mode);
  await server.read(new Uint8Array(1), { timeout: STALL });
  return { client, server };
}

/** The state of a running transfer. */
interface Progress {
  sent: Hash;
  received: Hash;
  bytes: number;
}

/** Makes an endless stream of bytes from a seed: the key stream of AES in counter mode. */
function bytesOf(seed: string): (length: number) => Uint8Array {
  const key = createHash("sha256").update(seed).digest();
  const cipher = createCipheriv("aes-256-ctr", key, new Uint8Array(16));
  return (length) => cipher.update(new Uint8Array(length));
}

async function sendBytes(client: Connection, size: number, seed: string, to: Hash): Promise<void> {
  const next = bytesOf(seed);
  for (let left = size; left > 0;) {
    const part = next(Math.min(left, 65_536));
    to.update(part);
    await client.writeAll(part);
    left -= part.length;
  }
  await client.closeWrite();
  await client.drained();
}

async function receiveBytes(server: Connection, progress: Progress): Promise<void> {
  const buffer = new Uint8Array(65_536);
  for (;;) {
    const count = await server.read(buffer, { timeout: STALL });
    if (count === null) return;
    progress.received.update(buffer.subarray(0, count));
    progress.bytes += count;
  }
}

/** Prints the progress: one changing line on a terminal, or else one line per second. */
function showProgress(client: Connection, size: number, progress: Progress): () => void {
  const terminal = Deno.stdout.isTerminal();
  const started = performance.now();
  let last = { at: started, bytes: 0 };
  const show = () => {
    const now = performance.now();
    const { timeoutRetransmits, fastRetransmits, earlyRetransmits, srtt } = client.stats;
    const rate = (progress.bytes - last.bytes) / Math.max(1, now - last.at) / 1000;
    last = { at: now, bytes: progress.bytes };
    const line = [
      `${(progress.bytes / size * 100).toFixed(0).padStart(4)} %`,
      `${rate.toFixed(1).padStart(6)} MB/s`,
      `RTT ${srtt.toFixed(0)} ms`,
      `${timeoutRetransmits + fastRetransmits + earlyRetransmits} retransmissions`,
    ].join("   ");
    if (terminal) Deno.stdout.writeSync(new TextEncoder().encode(`\r\x1b[K${line}`));
    else console.log(line);
  };
  const timer = setInterval(show, terminal ? 200 : 1000);
  return () => {
    clearInterval(timer);
    if (terminal) Deno.stdout.writeSync(new TextEncoder().encode("\r\x1b[K"));
  };
}

async function transfer(path: Path, settings: Settings): Promise<void> {
  const { size, seed } = settings;
  const { client, server } = await dial(path, {});
  const progress = { sent: createHash("sha256"), received: createHash("sha256"), bytes: 0 };
  const started = performance.now();
  const stop = showProgress(client, size, progress);
  try {
    await Promise.all([
      sendBytes(client, size, seed, progress.sent),
      receiveBytes(server, progress),
    ]);
  } finally {
    stop();
  }
  const seconds = (performance.now() - started) / 1000;
  const sent = progress.sent.digest("hex");
  const received = progress.received.digest("hex");
  const { payloadOut, bytesOut, timeoutRetransmits, fastRetransmits, earlyRetransmits } =
    client.stats;
  console.log(
    `${progress.bytes} bytes in ${seconds.toFixed(1)} s: ${(size / seconds / 1e6).toFixed(1)} MB/s`,
  );
  console.log(
    `${timeoutRetransmits} timeout, ${fastRetransmits} fast and ${earlyRetransmits} early ` +
      `retransmissions, ${(bytesOut / payloadOut).toFixed(2)} bytes on the wire for each byte`,
  );
  console.log(`SHA-256 sent      ${sent}\nSHA-256 received  ${received}`);
  client.close();
  server.close();
  if (sent !== received) throw new Error("the received bytes differ from the sent bytes");
  console.log("every byte arrived, in order, once");
}

/** One row of the table. */
interface Row {
  name: string;
  sent: number;
  latencies: number[];
  wireBytes: number;
}

/** Sends small messages at a steady rate, and measures how long each takes to the other end. */
async function measure(
  path: Path,
  name: string,
  mode: KcpLiveOptions,
  fec?: FecOptions | "auto",
): Promise<Row> {
  const { proxy } = path;
  const { client, server } = await dial(path, mode, fec);
  const latencies: number[] = [];
  const wireBefore = proxy.stats.bytes;
  const receiving = (async () => {
    for (;;) {
      const message = await server.receiveMessage();
      if (!message) return;
      const sentAt = new DataView(message.buffer).getFloat64(0);
      latencies.push(performance.now() - sentAt);
    }
  })();
  // Both connections are aborted below, which rejects this promise.
  receiving.catch(() => {});
  const message = new Uint8Array(MESSAGE_BYTES);
  const view = new DataView(message.buffer);
  const started = performance.now();
  let sent = 0;
  for (let due = started; due < started + MODE_MS; due += MESSAGE_INTERVAL) {
    const wait = due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    view.setFloat64(0, performance.now());
    await client.sendMessage(message);
    sent++;
  }
  await client.drained({ timeout: MODE_GRACE }).catch(() => {});
  const wireBytes = proxy.stats.bytes - wireBefore;
  client.abort();
  server.abort();
  return { name, sent, latencies, wireBytes };
}

function printTable(rows: Row[]): void {
  const header = ["mode", "arrived", "median", "p99", "worst", "bytes on the wire"];
  const table = rows.map(({ name, sent, latencies, wireBytes }) => {
    const sorted = latencies.toSorted((a, b) => a - b);
    const at = (quantile: number) =>
      sorted.length === 0
        ? "-"
        : `${
          sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * quantile))].toFixed(0)
        } ms`;
    return [
      name,
      `${latencies.length}/${sent}`,
      at(0.5),
      at(0.99),
      at(1),
      wireBytes.toLocaleString("en"),
    ];
  });
  const widths = header.map((title, i) =>
    Math.max(title.length, ...table.map((row) => row[i].length))
  );
  for (const row of [header, ...table]) {
    console.log(
      row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join("   "),
    );
  }
}

async function main(): Promise<void> {
  const settings = readSettings(Deno.args);
  const { loss, delay, seed, size, crypt } = settings;
  const link = { loss, latency: delay, jitter: delay / 6 };
  await using listener = await listen({ hostname: "127.0.0.1", crypt });
  const { hostname, port } = listener.addr;
  await using proxy = await startProxy({ target: { hostname, port }, up: link, down: link, seed });
  const path: Path = { listener, proxy, crypt };

  console.log(
    `${size / 2 ** 20} MiB, default settings, ${crypt ? `${crypt.name}, ` : ""}${
      loss * 100
    } % loss and ${delay} to ${(delay * 7 / 6).toFixed(0)} ms delay each way, seed ${seed}`,
  );
  await transfer(path, settings);

  console.log(
    `\n${MESSAGE_BYTES}-byte messages, ${Math.round(1000 / MESSAGE_INTERVAL)} a second for ${
      MODE_MS / 1000
    } s, one way, over the same network:`,
  );
  const rows: Row[] = [];
  for (const [name, mode] of Object.entries({ normal, fast, turbo, default: {} })) {
    rows.push(await measure(path, name, mode));
  }
  rows.push(await measure(path, "default, fec auto", {}, "auto"));
  printTable(rows);
}

try {
  await main();
} catch (error) {
  console.error(`demo failed: ${error instanceof Error ? error.message : error}`);
  Deno.exit(1);
}
