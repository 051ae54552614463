/**
 * Benchmarks: `deno task bench [--json] [--save FILE] [--runs N] [name…]`.
 *
 * A figure is the median of several runs after a warm-up. The figure of kcp-go beside it is measured
 * in the same way; it needs Go. What runs on Node.js needs that and npm. All benchmarks take turns, run by run: a machine that is slow for a
 * while is then slow for all of them. The ratio is the median of the ratios of the pairs. `--save`
 * also writes the results to a file of JSON lines. Its first line names the machine.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { CIPHER_NAMES } from "../../crypt/mod.ts";
import { buildPeer, hasGo, KCP_GO } from "../interop/peer.ts";
import { runCore } from "./core.ts";
import {
  keyOf,
  PACKET,
  runChecksum,
  runCode,
  runDecode,
  runEncode,
  runNobleSeal,
  runOpen,
  runSeal,
} from "./packets.ts";
import { kcptunBenchmarks } from "./kcptun.ts";
import { muxBenchmarks } from "./mux.ts";
import { prepareNode, UDX } from "./node.ts";
import {
  BARE_PACKET,
  KcpGo,
  type Load,
  measureBare,
  measureDefaults,
  measureKcpGo,
  measureOurs,
  measurePackets,
  measureProgram,
  type PeerJob,
} from "./throughput.ts";

/** One figure, as `--json` prints it. */
interface Result {
  name: string;
  value: number;
  unit: string;
  peer?: string;
  peerValue?: number;
  ratio?: number;
}

/** One benchmark. */
interface Benchmark {
  name: string;
  unit: "segments/s" | "packets/s" | "streams/s" | "B/s" | "B" | "ms" | "s/GB";
  run(): number | Promise<number>;
  /** The same measurement of kcp-go. */
  peer?: PeerJob;
  /** Another implementation, measured in its place: its name, and how it is measured. */
  rival?: { name: string; run(): Promise<number> };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    save: { type: "string" },
    runs: { type: "string", default: "5" },
    flags: { type: "string", default: "" },
  },
});
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) {
  console.error(`Cannot make ${values.runs} runs: allowed are whole numbers from 1`);
  Deno.exit(2);
}
/** Flags of `deno run` with which further processes find the packages. */
const flags = values.flags.split(" ").filter((flag) => flag !== "");

/** Data and parity shards. kcp-go's own benchmark uses the first ratio. */
const RATIOS = [[10, 3], [3, 1], [20, 8]];
const RATIO = { dataShards: 10, parityShards: 3 };
const CHACHA20_POLY1305 = {
  cipher: "chacha20-poly1305",
  key: keyOf("chacha20-poly1305").toHex(),
} as const;
const SALSA20 = { cipher: "salsa20", key: keyOf("salsa20").toHex() } as const;
/** Packets sent back to back. kcp-go has no limit; sockets with large buffers hold this many. */
const WIDE = 1024;
const MIB = 2 ** 20;

function nameOf({ mode, size, cipher, fec }: Load): string {
  return `${mode}-${size >> 10}K${cipher ? `-${cipher}` : ""}${fec ? "-10/3" : ""}`;
}

function atMtu(mtu: number | undefined): string {
  return mtu === undefined ? "" : `/mtu-${mtu}`;
}

function network(load: Load): Benchmark[] {
  const name = nameOf(load);
  const ours = (sockets: "linux" | "deno", burst: number): Benchmark => ({
    name: `${sockets}/${name}`,
    unit: "B/s",
    run: () => measureOurs(load, sockets, burst, flags),
    peer: { ...load, data: load.fec?.dataShards, parity: load.fec?.parityShards, seconds: 2 },
  });
  return [...Deno.build.os === "linux" ? [ours("linux", WIDE)] : [], ours("deno", 64)];
}

/**
 * Nothing set, beside kcp-go in its fastest mode. Each end is a process: `deno run -A`, or one that may
 * use Deno's own sockets only. With an `mtu`, packets over the loopback are not larger than those of
 * kcp-go.
 */
function defaults(
  load: Load,
  sockets: "automatic" | "deno" = "automatic",
  mtu?: number,
): Benchmark {
  return {
    name: `defaults/${sockets === "deno" ? "deno/" : ""}${nameOf(load)}${atMtu(mtu)}`,
    unit: "B/s",
    run: () => measureDefaults(load, flags, sockets, mtu),
    rival: hasGo
      ? {
        name: `kcp-go ${KCP_GO.name}`,
        run: async () => measureKcpGo(load, await buildPeer()),
      }
      : undefined,
  };
}

/** Packets on Deno's own sockets, beside those of bare sockets: the limit of the runtime. */
function packets(load: Load): Benchmark {
  return {
    name: `deno-packets/${nameOf(load)}`,
    unit: "packets/s",
    run: () => measurePackets(load, flags),
    rival: { name: "bare sockets", run: () => measureBare(load, flags) },
  };
}

const onNode = (name: string) => name.startsWith("node/");

/**
 * On Node.js with nothing set, beside another library of streams over UDP: our connections, and our
 * streams of `node:stream`, which the other one has, too.
 */
function node(load: Load): Benchmark[] {
  const ours = (name: string, sockets: "node" | "node-stream", mtu?: number): Benchmark => ({
    name: `${name}/${nameOf(load)}${atMtu(mtu)}`,
    unit: "B/s",
    run: () => measureProgram(load, commands!.ours, sockets, mtu),
    rival: { name: UDX, run: () => measureProgram(load, commands!.udx) },
  });
  return [
    ours("node", "node"),
    ours("node", "node", BARE_PACKET),
    ours("node/stream", "node-stream"),
  ];
}

const benchmarks: Benchmark[] = [
  ...[128, 1024, 4096, 16_384].map((window): Benchmark => ({
    name: `core/window-${window}`,
    unit: "segments/s",
    run: () => runCore(window, 0, 400_000),
  })),
  {
    name: "core/window-16384-loss-5%",
    unit: "segments/s",
    run: () => runCore(16_384, 0.05, 400_000),
  },
  ...CIPHER_NAMES.flatMap((cipher) =>
    (["seal", "open"] as const).map((mode): Benchmark => ({
      name: `${mode}/${cipher}`,
      unit: "B/s",
      run: () => mode === "seal" ? runSeal(cipher) : runOpen(cipher),
      peer: { mode, size: PACKET, cipher, key: keyOf(cipher).toHex(), seconds: 0.3 },
    }))
  ),
  {
    name: "seal/aes-128/noble",
    unit: "B/s",
    run: () => runSeal("aes-128"),
    rival: { name: "noble", run: () => Promise.resolve(runNobleSeal()) },
  },
  {
    name: "crc-32",
    unit: "B/s",
    run: runChecksum,
    peer: { mode: "crc", size: PACKET, seconds: 0.3 },
  },
  ...RATIOS.map(([data, parity]): Benchmark => ({
    name: `encode/${data}/${parity}`,
    unit: "B/s",
    run: () => runEncode(data, parity),
    peer: { mode: "fec", size: PACKET, data, parity, seconds: 0.3 },
  })),
  // Reed-Solomon alone: the function that kcp-go's encoder calls after it has copied a group.
  ...RATIOS.map(([data, parity]): Benchmark => ({
    name: `code/${data}/${parity}`,
    unit: "B/s",
    run: () => runCode(data, parity),
    peer: { mode: "encode", size: PACKET, data, parity, seconds: 0.3 },
  })),
  ...[0, 1, 3].map((lost): Benchmark => ({
    name: `decode/10/3-lost-${lost}`,
    unit: "B/s",
    run: () => runDecode(10, 3, lost),
  })),
  ...[4, 64, 256, 1024].flatMap((size) => network({ mode: "sink", size: size << 10 })),
  ...[4, 64, 512, 1024].flatMap((size) =>
    network({ mode: "echo", size: size << 10, ...SALSA20, fec: RATIO })
  ),
  ...network({ mode: "echo", size: 64 << 10 }),
  // The echo of kcp-go's own BenchmarkEchoSpeed.
  ...[4, 64, 512, 1024].flatMap((size) =>
    network({ mode: "pipelined-echo", size: size << 10, ...SALSA20, fec: RATIO })
  ),
  ...network({ mode: "pipelined-echo", size: 64 << 10 }),
  ...network({ mode: "sink", size: 64 << 10, ...CHACHA20_POLY1305 }),
  ...[64, 1024].map((size): Benchmark => {
    // QUIC encrypts: so it is compared with an encrypted connection.
    const load: Load = { mode: "sink", size: size << 10, ...CHACHA20_POLY1305 };
    const sockets = Deno.build.os === "linux" ? "linux" : "deno";
    return {
      name: `${sockets}/sink-${size}K-chacha20-poly1305/quic`,
      unit: "B/s",
      run: () => measureOurs(load, sockets, sockets === "linux" ? WIDE : 64, flags),
      rival: { name: "Deno QUIC", run: () => measureOurs(load, "quic", 0, flags) },
    };
  }),
  ...[undefined, BARE_PACKET].flatMap((mtu) => [
    ...[4, 64].map((size) => defaults({ mode: "sink", size: size << 10 }, "automatic", mtu)),
    ...[4, 64].map((size) =>
      defaults(
        { mode: "pipelined-echo", size: size << 10, ...SALSA20, fec: RATIO },
        "automatic",
        mtu,
      )
    ),
    ...[4, 64].map((size) => defaults({ mode: "echo", size: size << 10 }, "automatic", mtu)),
  ]),
  defaults({ mode: "sink", size: 64 << 10 }, "deno"),
  ...[4, 64].map((size) => defaults({ mode: "echo", size: size << 10 }, "deno")),
  packets({ mode: "sink", size: 64 << 10 }),
  packets({ mode: "echo", size: 64 << 10 }),
  ...node({ mode: "sink", size: 64 << 10 }),
  ...[4, 64].flatMap((size) => node({ mode: "echo", size: size << 10 })),
  ...muxBenchmarks(flags),
  ...kcptunBenchmarks(flags),
];

const isChosen = ({ name }: Benchmark) =>
  positionals.length === 0 || positionals.some((part) => name.includes(part));
const commands = benchmarks.some((it) => isChosen(it) && onNode(it.name))
  ? await prepareNode(flags)
  : null;
const chosen = benchmarks.filter((it) => isChosen(it) && (commands || !onNode(it.name)));
if (chosen.length === 0) {
  console.error(`No benchmark has ${positionals.join(" or ")} in its name`);
  Deno.exit(2);
}

const needed = chosen.some(({ peer }) => peer);
if (!hasGo && (needed || chosen.some(({ name }) => /^(defaults|mux)\//.test(name)))) {
  console.error("kcp-go is not measured: there is no Go on the PATH");
}
const kcpGo = needed && hasGo ? new KcpGo(await buildPeer()) : null;

const ours = chosen.map((): number[] => []);
const theirs = chosen.map((): number[] => []);
for (let i = -1; i < runs; i++) {
  for (const [n, { name, run, peer, rival, unit }] of chosen.entries()) {
    // A benchmark with processes of its own contains its warm-up.
    const alone = rival || /^(linux|deno|defaults|mux)\//.test(name);
    if (i < 0 && (alone || unit !== "B/s" && runs === 1)) continue;
    const value = await run();
    if (i < 0) continue;
    const peerValue = peer ? await kcpGo?.measure(peer) : await rival?.run();
    ours[n].push(value);
    if (peerValue !== undefined) theirs[n].push(peerValue);
  }
}
await kcpGo?.close();

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

/** Describes the machine, and the versions of the programs. */
async function machine(): Promise<Record<string, unknown>> {
  const cpu = /^model name\s*: (.*)$/m.exec(
    await Deno.readTextFile("/proc/cpuinfo").catch(() => ""),
  );
  const go = await new Deno.Command("go", { args: ["version"] }).output().catch(() => null);
  return {
    machine: {
      cpu: cpu?.[1] ?? "unknown",
      cores: navigator.hardwareConcurrency,
      memory: Deno.systemMemoryInfo().total,
      system: `${Deno.build.os} ${Deno.osRelease()} ${Deno.build.arch}`,
    },
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    go: go ? /go[\d.]+/.exec(new TextDecoder().decode(go.stdout))?.[0] : null,
    kcpGo: `v${KCP_GO.name}`,
    runs,
    date: new Date().toISOString().slice(0, 10),
  };
}

const saved = [JSON.stringify(await machine())];
const width = Math.max(...chosen.map(({ name }) => name.length));
for (const [n, { name, unit, rival }] of chosen.entries()) {
  const result: Result = { name, value: median(ours[n]), unit };
  if (theirs[n].length > 0) {
    result.peer = rival?.name ?? "kcp-go";
    result.peerValue = median(theirs[n]);
    result.ratio = median(ours[n].map((value, i) => value / theirs[n][i]));
  }
  saved.push(JSON.stringify(result));
  if (values.json) {
    console.log(JSON.stringify(result));
    continue;
  }
  const figure = (value: number) => {
    if (unit === "B/s") return `${(value / 1e6).toFixed(0).padStart(6)} MB/s`;
    if (unit === "ms") return `${value.toFixed(1).padStart(6)} ms`;
    if (unit === "s/GB") return `${value.toFixed(2).padStart(6)} s/GB`;
    if (unit === "B" && value >= MIB) return `${(value / MIB).toFixed(1).padStart(6)} MiB`;
    if (unit === "B" || unit === "streams/s") return `${value.toFixed(0).padStart(6)} ${unit}`;
    return `${(value / 1e6).toFixed(2).padStart(6)} M ${unit}`;
  };
  const { peer, peerValue, ratio } = result;
  const beside = peerValue === undefined
    ? ""
    : `   ${peer} ${figure(peerValue)}   ratio ${ratio!.toFixed(2)}`;
  const spread = `${figure(Math.min(...ours[n])).trim()} to ${figure(Math.max(...ours[n])).trim()}`;
  console.log(`${name.padEnd(width)}   ${figure(result.value)}   (${spread})${beside}`);
}
if (values.save) await Deno.writeTextFile(values.save, `${saved.join("\n")}\n`);
Deno.exit();
