/**
 * The machines do no I/O: they read no clock, set no timer, draw no randomness and touch no
 * runtime.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { codeOf } from "./module_source.ts";

/** The rooms of the machines: here nothing is asynchronous either. */
const MACHINES = [
  "kcp",
  "fec",
  "crypt",
  "transport/kernels",
  "transport/session",
  "transport/mux/machine",
];

/** Rooms that run machines. All their modules but the adapters are free of a runtime. */
const AROUND = ["transport/connection", "transport/link", "transport/mux"];

/** Modules that touch a runtime: the adapters, their clock, and what chooses a socket. */
const ADAPTERS = [
  "transport/connection/builtin_modules.ts",
  "transport/connection/exit.ts",
  "transport/connection/system_clock.ts",
  "transport/connection/udp.ts",
  "transport/link/delayed_sender.ts",
  "transport/link/fake_timers.ts",
  "transport/link/macrotask.ts",
  "transport/link/proxy.ts",
  "transport/link/simulated_network.ts",
  "transport/link/virtual_time.ts",
];

/** What belongs to a runtime, to a clock, or to chance. The name of a symbol touches no runtime. */
const RUNTIME = new RegExp(
  [
    /\bDeno\.(?!customInspect")|\bprocess[.?[]|\bglobalThis\b|\bnavigator\b|\bfetch\b|\bconsole\b|"node:/,
    /\bperformance\b|\bDate\b|\bsetTimeout\b|\bsetInterval\b|\bsetImmediate\b/,
    /\bMath\.random\b|\bcrypto\b/,
  ].map(({ source }) => source).join("|"),
);

/** What runs later or elsewhere. */
const ASYNC = /\basync\b|\bawait\b|\bPromise\b|\bqueueMicrotask\b|\bMessageChannel\b|\bWorker\b/;

const root = new URL("../", import.meta.url);

/** The paths of all modules in a folder and its subfolders, from the root. */
async function modules(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isFile, isDirectory } of Deno.readDir(new URL(folder, root))) {
    if (isDirectory) found.push(...await modules(`${folder}/${name}`));
    if (isFile) found.push(`${folder}/${name}`);
  }
  return found.sort();
}

/** Every module of the folders that matches a pattern, with the first match. */
async function matches(folders: readonly string[], pattern: RegExp): Promise<string[]> {
  const found: string[] = [];
  let count = 0;
  for (const folder of folders) {
    for (const path of await modules(folder)) {
      if (ADAPTERS.includes(path)) continue;
      const hit = pattern.exec(codeOf(await Deno.readTextFile(new URL(path, root))));
      if (hit) found.push(`${path}: ${hit[0]}`);
      count++;
    }
  }
  assert(count > 10, `only ${count} modules were read`);
  return found;
}

Deno.test("machines use no clock, timer, randomness or runtime", async () => {
  assertEquals(await matches([...MACHINES, ...AROUND], RUNTIME), []);
});

Deno.test("machines are synchronous: no promise, microtask or thread", async () => {
  assertEquals(await matches(MACHINES, ASYNC), []);
});

for (
  const code of [
    "const now = Date.now();",
    "const now = performance\n  .now();",
    "const x = Math\n  .random();",
    `const url = "http://x"; setTimeout(() => {}, 1);`,
    "const text = `${Deno.build.os}`;",
    `import net from "node:net";`,
    `import net from 'node:net';`,
  ]
) {
  Deno.test(`what a machine must not use is found: ${JSON.stringify(code)}`, () => {
    assert(RUNTIME.test(codeOf(`/* Fine. */ ${code} // Fine.`)));
  });
}

Deno.test("comments are no code", () => {
  assertEquals(RUNTIME.test(codeOf("/** Reads Deno.build. */ a; // performance.now()")), false);
});
