/**
 * A siege on real sockets: `deno task siege [--seconds N] [--long] [--json] [adapter…] [life]`.
 *
 * A program attacks a listener over the loopback while the listener serves honest peers, once for
 * each adapter. Then processes are killed, restarted and suspended, and a link goes down. Everything
 * that must hold is checked: the exit code is 1 if something does not. It needs Go; as root, sources
 * are forged and the link goes down.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { attack, type Figures, type Spread } from "./attack.ts";
import { runLife } from "./life.ts";
import { adapters, buildFlood, hasProgram, prepare } from "./processes.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "60" },
    long: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const seconds = Number(values.seconds);
if (!(seconds >= 15)) {
  console.error(`Cannot run for ${values.seconds} s: allowed are numbers from 15`);
  Deno.exit(2);
}
if (!await hasProgram("go", "version")) {
  console.error("The siege needs Go: there is none on the PATH");
  Deno.exit(2);
}

const directory = await Deno.makeTempDir({ prefix: "kcp-siege-" });
globalThis.addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));
const launch = await prepare(directory);
const all = [...adapters(launch), "life"] as const;
const unknown = positionals.filter((name) => !all.some((known) => known === name));
if (unknown.length > 0) {
  console.error(`Cannot run ${unknown.join(", ")}: allowed are ${all.join(", ")}`);
  Deno.exit(2);
}
const chosen = all.filter((name) => positionals.length === 0 || positionals.includes(name));
const besieged = chosen.filter((name) => name !== "life");
const faults: string[] = [];

function print(name: string, value: number, unit: string): void {
  if (values.json) console.log(JSON.stringify({ name, value, unit }));
}

function note(text: string): void {
  if (!values.json) console.log(text);
}

function ms({ p50, p99, worst }: Spread): string {
  return [p50, p99, worst].map((value) => value.toFixed(value < 10 ? 1 : 0)).join(" / ");
}

function row(adapter: string, figures: Figures): void {
  const { phase, attack, throughput, ping, clients, late, memory } = figures;
  const name = `siege/${adapter}/${phase}`;
  print(`${name}/attack`, attack, "packets/s");
  print(`${name}/throughput`, throughput, "B/s");
  for (const [what, spread] of Object.entries({ ping, clients, late })) {
    for (const key of ["p50", "p99", "worst"] as const) {
      print(`${name}/${what}/${key}`, spread[key], "ms");
    }
  }
  print(`${name}/clients/served`, clients.count, "clients");
  for (const [i, bytes] of memory.entries()) print(`${name}/memory/third-${i + 1}`, bytes, "B");
  note([
    adapter.padEnd(7),
    phase.padEnd(6),
    `${(attack / 1000).toFixed(1)}k/s`.padStart(10),
    `${(throughput / 1e6).toFixed(1)} MB/s`.padStart(11),
    ms(ping).padStart(18),
    ms(clients).padStart(20),
    String(clients.count).padStart(7),
    ms(late).padStart(18),
    memory.map((bytes) => (bytes / 2 ** 20).toFixed(0)).join(" ").padStart(13),
  ].join("  "));
}

const HEAD = [
  "adapter",
  "phase ",
  "attack".padStart(10),
  "transfer".padStart(11),
  "ping, ms".padStart(18),
  "new client, ms".padStart(20),
  "served".padStart(7),
  "loop late, ms".padStart(18),
  "RSS, MiB".padStart(13),
].join("  ");

if (besieged.length > 0) {
  note("Times: median / 99th percentile / worst. Memory: the three thirds of a phase.");
  note(HEAD);
  const flood = await buildFlood(directory);
  // Starting and ending the processes takes about 5 s for each adapter.
  const each = (chosen.includes("life") ? seconds - 15 : seconds) / besieged.length - 5;
  const phases = [
    { name: "alone", seconds: Math.max(1, 0.15 * each), rate: null },
    { name: "10k", seconds: Math.max(2, 0.3 * each), rate: 10_000 },
    { name: "full", seconds: Math.max(3, 0.55 * each), rate: 0 },
  ];
  const ends: string[] = [];
  for (const adapter of besieged) {
    const siege = await attack(launch, adapter, flood, phases);
    for (const figures of siege.figures) row(adapter, figures);
    faults.push(...siege.faults.map((fault) => `${adapter}: ${fault}`));
    const counters = (stats: Record<string, number>) =>
      Object.entries(stats).filter(([, n]) => n > 0).map(([name, n]) => `${name} ${n}`).join(", ");
    ends.push(
      `${adapter}: the attacker sent ${counters(siege.sent)}`,
      `${adapter}: the listener's stats before: ${counters(siege.before)}`,
      `${adapter}: the listener's stats after: ${counters(siege.after)}`,
    );
    for (const [name, value] of Object.entries(siege.after)) {
      print(`siege/${adapter}/stats/${name}`, value, /memory/.test(name) ? "B" : "");
    }
  }
  for (const line of ends) note(line);
}

if (chosen.includes("life")) {
  for (const { name, value, fault } of await runLife(launch, values.long)) {
    if (fault !== undefined) faults.push(`${name}: ${fault}`);
    else if (value === undefined) note(`${name}: not run, since it needs root`);
    else {
      print(`siege/${name}`, value, "ms");
      note(`${name}: ${value} ms`);
    }
  }
}

for (const fault of faults) console.error(`FAULT ${fault}`);
if (faults.length === 0) note("Nothing was lost, and every honest peer was served.");
Deno.exit(faults.length > 0 ? 1 : 0);
