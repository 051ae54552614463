import { LifeFailure, simulateLife } from "./run.ts";
const [start, n] = Deno.args.map(Number);
const counts = new Map<string, number>();
const fails = new Map<string, number[]>();
const first = new Map<string, string>();
const t = performance.now();
let packets = 0;
const slow: [number, number][] = [];
for (let s = start; s < start + n; s++) {
  const t0 = performance.now();
  try {
    const r = await simulateLife(s);
    packets += r.packets;
    for (const [k, v] of r.counts) counts.set(k, (counts.get(k) ?? 0) + v);
  } catch (e) {
    if (!(e instanceof LifeFailure)) throw e;
    fails.set(e.rule, [...(fails.get(e.rule) ?? []), s]);
    if (!first.has(e.rule)) first.set(e.rule, e.message);
  }
  slow.push([performance.now() - t0, s]);
}
slow.sort((a, b) => b[0] - a[0]);
console.log(
  (performance.now() - t) / n,
  "ms a run",
  packets / n,
  "packets; slowest",
  slow.slice(0, 5).map(([t, s]) => `${s}: ${t | 0}`).join(" "),
);
if (!Deno.args[2]) console.log([...counts].sort().map(([k, v]) => `${k} ${v}`).join("\n"));
for (const [r, s] of fails) {
  console.log(r, s.length, s.slice(0, 8).join(" "), "\n   ", first.get(r));
}
