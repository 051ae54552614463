import { LifeFailure, simulateLife } from "./run.ts";
import { drawScenario } from "./draw.ts";
const [start, n] = Deno.args.map(Number);
const out = Deno.openSync(Deno.args[2], { write: true, create: true, truncate: true });
const counts = new Map<string, number>();
const fails = new Map<string, number>();
const t = performance.now();
let packets = 0;
for (let s = start; s < start + n; s++) {
  try {
    const r = await simulateLife(s);
    packets += r.packets;
    for (const [k, v] of r.counts) counts.set(k, (counts.get(k) ?? 0) + v);
  } catch (e) {
    if (!(e instanceof LifeFailure)) throw e;
    const sc = drawScenario(s);
    fails.set(e.rule, (fails.get(e.rule) ?? 0) + 1);
    out.writeSync(
      new TextEncoder().encode(
        JSON.stringify({ s, rule: e.rule, family: sc.family, app: sc.app, m: e.message, sc }) +
          "\n",
      ),
    );
  }
}
console.log((performance.now() - t) / n, "ms a run", packets / n);
if (Deno.args[3]) console.log([...counts].sort().map(([k, v]) => `${k} ${v}`).join("\n"));
console.log(fails);
