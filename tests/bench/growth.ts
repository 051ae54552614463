/**
 * How cost grows: `deno task growth [--json] [PART…]`. Without a PART, all parts are measured:
 *
 * - `bytes`: time per byte, memory and timer delay of one connection over the Linux transport, from
 *   1 MiB to 10 GiB;
 * - `garbage`: bytes that V8 allocates per packet, at both ends;
 * - `window`: which share of a simulated link of 100 MB/s and 200 ms round trip a window fills,
 *   from 1024 to 16,384 segments;
 * - `connections`: memory, CPU and total echo throughput of one listener with 1 to 10,000
 *   connections.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { type KcpOptions, turbo } from "../../mod.ts";
import { SimulatedNetwork } from "../../transport/simulated.ts";
import { writeAll } from "../transport/harness.ts";
import type { Crowd, GrowthTask, Mark } from "./growth_end.ts";
import { startScript } from "./process.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const WIDE: KcpOptions = { ...turbo, sndWnd: 1024, rcvWnd: 1024, burst: 1024 };
/** For one of many connections. */
const SMALL: KcpOptions = { ...turbo, sndWnd: 32, rcvWnd: 32 };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    flags: { type: "string", default: "" },
  },
});
const flags = values.flags.split(" ").filter((flag) => flag !== "");

/** Prints a row of figures. The name of a figure includes its unit. */
function row(name: string, figures: Record<string, number>): void {
  if (values.json) {
    console.log(JSON.stringify({ name, ...figures }));
    return;
  }
  const text = Object.entries(figures).map(([what, value]) =>
    `${what} ${value.toLocaleString("en", { maximumSignificantDigits: 4 })}`
  );
  console.log(`${name.padEnd(28)} ${text.join("   ")}`);
}

/** Transfers bytes from one process to another. Returns the marks of both. */
async function transfer(
  bytes: number,
  marks: number[],
  v8: readonly string[],
): Promise<{ receiver: Mark[]; sender: Mark[] }> {
  const task = { bytes, marks, options: WIDE };
  const receiver = startScript(
    "growth_end.ts",
    { ...task, role: "receive", port: 0 } satisfies GrowthTask,
    [...flags, ...v8],
  );
  const { port } = (await receiver.lines.next()).value as { port: number };
  const sender = startScript(
    "growth_end.ts",
    { ...task, role: "send", port } satisfies GrowthTask,
    [...flags, ...v8],
  );
  const marksOf = async (lines: AsyncGenerator<unknown>) => {
    const marked: Mark[] = [];
    while (marked.length < marks.length) {
      const { value, done } = await lines.next();
      if (done) throw new Error("A process ended before it transferred all bytes");
      marked.push(value as Mark);
    }
    return marked;
  };
  const [got, sent] = await Promise.all([marksOf(receiver.lines), marksOf(sender.lines)]);
  await Promise.all([receiver.stop(), sender.stop()]);
  return { receiver: got, sender: sent };
}

async function growBytes(): Promise<void> {
  const marks = [1, 16, 128, 1024, 2048, 4096, 6144, 8192, 10_240].map((n) => n * MIB);
  const { receiver, sender } = await transfer(10 * GIB, marks, []);
  for (const [n, mark] of receiver.entries()) {
    const before = receiver[n - 1] ?? { bytes: 0, seconds: 0 };
    row(
      `to ${
        mark.bytes / MIB >= 1024
          ? `${Math.round(mark.bytes / GIB)} GiB`
          : `${Math.round(mark.bytes / MIB)} MiB`
      }`,
      {
        "ns/byte": (mark.seconds - before.seconds) / (mark.bytes - before.bytes) * 1e9,
        "receiver MiB": mark.rss / MIB,
        "sender MiB": sender[n].rss / MIB,
        "late p50 ms": mark.timerDelay.p50,
        "p99 ms": mark.timerDelay.p99,
        "max ms": mark.timerDelay.max,
        "sender p99 ms": sender[n].timerDelay.p99,
        "sender max ms": sender[n].timerDelay.max,
      },
    );
  }
}

async function countGarbage(): Promise<void> {
  // A large young generation, so that few collections fall between two samples of the heap.
  const v8 = ["--v8-flags=--min-semi-space-size=256,--max-semi-space-size=256"];
  const { receiver, sender } = await transfer(2 * GIB, [GIB, 2 * GIB], v8);
  for (const [name, [first, last]] of Object.entries({ receiver, sender })) {
    const packets = last.packets - first.packets;
    row(name, {
      "bytes/packet": (last.allocated - first.allocated) / packets,
      packets,
      "MB in all": (last.allocated - first.allocated) / 1e6,
    });
  }
}

async function fillLink(): Promise<void> {
  const rate = 100e6;
  const total = 600e6;
  for (const sndWnd of [1024, 4096, 16_384]) {
    const network = new SimulatedNetwork({
      seed: 1,
      link: { latency: 100, bandwidth: rate, queuePackets: 20_000 },
    });
    const options = {
      hostname: "10.0.0.1",
      port: 80,
      ...turbo,
      sndWnd,
      rcvWnd: sndWnd,
      burst: sndWnd,
    };
    const listener = network.listen(options);
    const started = performance.now();
    // The measurement starts after a quarter of the bytes: a sender needs some round trips until it
    // uses its whole window.
    let from = 0, before = 0, packets = 0;
    let share = 0;
    await network.run(async () => {
      const client = network.connect(options);
      const bytes = total * sndWnd / 16_384;
      const writing = (async () => {
        const piece = new Uint8Array(65_536);
        for (let sent = 0; sent < bytes; sent += piece.length) await writeAll(client, piece);
      })();
      const server = await listener.accept();
      const buffer = new Uint8Array(1 << 18);
      for (let got = 0; got < bytes;) {
        got += (await server.read(buffer)) ?? Infinity;
        if (from === 0 && got >= bytes / 4) {
          from = network.now;
          before = server.stats.bytesIn;
        }
      }
      share = (server.stats.bytesIn - before) / (network.now - from) * 1000 / rate;
      packets = server.stats.packetsIn + server.stats.packetsOut;
      await writing;
    });
    row(`window ${sndWnd}`, {
      "share of the link": share,
      "at most": Math.min(1, sndWnd * 1400 / (0.2 * rate)),
      "µs/packet, both ends and the link": (performance.now() - started) / packets * 1000,
    });
  }
}

async function growConnections(): Promise<void> {
  let none: Crowd | null = null;
  for (const count of [1, 100, 1000, 10_000]) {
    const task = { count, idle: 5, busy: 4, port: 0, options: SMALL };
    const listener = startScript(
      "growth_end.ts",
      { ...task, role: "listen" } satisfies GrowthTask,
      [...flags, "--v8-flags=--expose-gc"],
    );
    const { port } = (await listener.lines.next()).value as { port: number };
    const dialer = startScript(
      "growth_end.ts",
      { ...task, role: "dial", port } satisfies GrowthTask,
      flags,
    );
    const { value, done } = await listener.lines.next();
    if (done) throw new Error(`The listener ended before it had ${count} connections`);
    await Promise.all([listener.stop(), dialer.stop()]);
    const crowd = value as Crowd;
    none ??= crowd;
    const more = Math.max(1, count - 1);
    row(`${count} connections`, {
      "RSS MiB": crowd.rss / MIB,
      "heap bytes each": (crowd.heap - none.heap) / more,
      "RSS bytes each": (crowd.rss - none.rss) / more,
      "idle CPU %": crowd.idle * 100,
      "echoed MB/s": crowd.throughput / 1e6,
    });
  }
}

const PARTS: Record<string, () => Promise<void>> = {
  bytes: growBytes,
  garbage: countGarbage,
  window: fillLink,
  connections: growConnections,
};
const unknown = positionals.find((part) => !Object.hasOwn(PARTS, part));
if (unknown !== undefined) {
  console.error(`Cannot measure ${unknown}: there are ${Object.keys(PARTS).join(", ")}`);
  Deno.exit(2);
}
for (const [part, run] of Object.entries(PARTS)) {
  if (positionals.length > 0 && !positionals.includes(part)) continue;
  if (!values.json) console.log(`\n${part}`);
  await run();
}
Deno.exit();
