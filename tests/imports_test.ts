/**
 * The rooms of the library and the direction of its imports. A module imports only from its own
 * room and from the rooms below it, so no two rooms import from each other.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { codeBesideExports, importsOf } from "./module_source.ts";

/** The other rooms that each room may import from. A room includes its subfolders. */
const BELOW: Record<string, string[]> = {
  "kcp": [],
  "fec": ["kcp"],
  "crypt": ["kcp"],
  "transport/kernels": ["kcp", "fec", "crypt"],
  "transport/session": ["kcp", "fec", "crypt"],
  "transport/connection": ["kcp", "fec", "crypt", "transport/session"],
  "transport/linux": ["kcp", "fec", "crypt", "transport/session", "transport/connection"],
  "transport/mux/machine": ["kcp"],
  "transport/mux": [
    "kcp",
    "transport/session",
    "transport/connection",
    "transport/runtime",
    "transport/mux/machine",
  ],
  "transport/link": [
    "kcp",
    "fec",
    "crypt",
    "transport/session",
    "transport/connection",
    "transport/linux",
  ],
  "transport/deno": [
    "kcp",
    "fec",
    "crypt",
    "transport/session",
    "transport/connection",
    "transport/linux",
  ],
  "transport/node": ["kcp", "transport/session", "transport/connection"],
  "transport/webtransport": ["kcp", "transport/session", "transport/connection"],
  "transport/webrtc": ["kcp", "transport/session", "transport/connection"],
  "transport/runtime": [
    "transport/session",
    "transport/connection",
    "transport/deno",
    "transport/node",
  ],
};

/** The packages and built-in modules that each room may import. */
const PACKAGES: Record<string, string[]> = {
  "crypt": ["@noble/ciphers", "@noble/hashes"],
  "transport/connection": [
    "node:dgram",
    "node:diagnostics_channel",
    "node:dns/promises",
    "node:os",
  ],
  "transport/node": [
    "node:buffer",
    "node:dgram",
    "node:diagnostics_channel",
    "node:dns/promises",
    "node:os",
    "node:stream",
    "node:timers",
  ],
};

/** Entry files of transport/. They export what the rooms hold, and hold nothing themselves. */
const ENTRIES = [
  "deno.ts",
  "kernels.ts",
  "linux.ts",
  "mod.ts",
  "mux.ts",
  "node.ts",
  "simulated.ts",
  "webrtc.ts",
  "webtransport.ts",
];

/**
 * The entries that load on any runtime: nothing that they load, now or later, imports a built-in
 * module of Node.js. A bundle for browsers can't hold such an import, even one that never runs.
 */
const ANY_RUNTIME = [
  ".",
  "./kcp",
  "./fec",
  "./crypt",
  "./kernels",
  "./transport",
  "./deno",
  "./linux",
  "./mux",
  "./simulated",
  "./webtransport",
  "./webrtc",
];

/** The modules of transport/link/ that know of links alone, not of connections. */
const LINKS = [
  "bandwidth_queue",
  "delayed_sender",
  "link",
  "link_control",
  "link_group",
  "link_options",
  "link_stats",
  "random",
  "trace_hash",
];

/** The entries of the library. Programs under examples/ are exported, too. */
const LIBRARY: Record<string, string> = Object.fromEntries(
  Object.entries(config.exports).filter(([, path]) => !path.startsWith("./examples/")),
);

const root = new URL("../", import.meta.url);

/** The paths of all modules in a folder and its subfolders, from the root. */
async function modules(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isFile, isDirectory } of Deno.readDir(new URL(folder, root))) {
    if (isDirectory) found.push(...await modules(`${folder}${name}/`));
    // AssemblyScript is compiled into the kernels; it is not loaded.
    if (isFile && /\.[mc]?[jt]sx?$/.test(name) && !name.endsWith(".as.ts")) {
      found.push(folder + name);
    }
  }
  return found.sort();
}

function read(path: string): Promise<string> {
  return Deno.readTextFile(new URL(path, root));
}

/** The path from the root of what a module imports; null for a package or a computed import. */
function targetOf(path: string, specifier: string): string | null {
  if (!/^\.{0,2}\//.test(specifier)) return null;
  const { href } = new URL(specifier, new URL(path, root));
  return href.startsWith(root.href) ? href.slice(root.href.length) : href;
}

/** The room of a path from the root; undefined if it is in none. */
function roomOf(path: string): string | undefined {
  return Object.keys(BELOW).find((room) => path.startsWith(`${room}/`));
}

/** What is wrong with the imports of a module in a room. */
function badImports(path: string, source: string): string[] {
  const room = roomOf(path)!;
  const allowed = [room, ...BELOW[room]];
  return importsOf(source).map(({ specifier }) => {
    const target = targetOf(path, specifier);
    if (target === null) {
      const known = (PACKAGES[room] ?? []).some((name) =>
        specifier === name || (!name.includes(":") && specifier.startsWith(`${name}/`))
      );
      return known ? "" : `${path} imports ${specifier}`;
    }
    // The face of a room is for others. Its own modules would import from each other through it.
    const face = target === `${room}/mod.ts`;
    return face || !allowed.includes(roomOf(target) ?? "") ? `${path} imports ${target}` : "";
  }).filter((problem) => problem !== "");
}

Deno.test("imports: each room imports only from itself and from rooms below it", async () => {
  const bad: string[] = [];
  let seen = 0;
  for (const room of Object.keys(BELOW)) {
    for (const path of await modules(`${room}/`)) {
      const source = await read(path);
      seen += importsOf(source).length;
      bad.push(...badImports(path, source));
    }
  }
  assertEquals(bad, []);
  // A reader that finds no imports would find no wrong import either.
  assert(seen > 100, `only ${seen} imports were found`);
});

const PLANTED = [
  `import { Session } from "../transport/session/session.ts";`,
  `import type { Session } from "../transport/session/session.ts";`,
  `import { type Session } from '../transport/session/session.ts';`,
  `import {\n  Session,\n  // a comment\n}\nfrom\n"../transport/session/session.ts"`,
  `import Session, * as all from "../transport/session/session.ts";`,
  `import "../transport/session/session.ts";`,
  `export { Session } from "../transport/session/session.ts";`,
  `export type { Session } from "../transport/session/session.ts";`,
  `export * from "../transport/session/session.ts";`,
  `export * as all from "../transport/session/session.ts";`,
  `export type * from "../transport/session/session.ts";`,
  `const { Session } = await import("../transport/session/session.ts");`,
  `const all = import(/* later */ "../transport/session/session.ts", { with: {} });`,
  `let session: import("../transport/session/session.ts").Session;`,
  `import session = require("../transport/session/session.ts");`,
  `declare module "../transport/session/session.ts" { interface Session { x: 1 } }`,
  `const url = import.meta.resolve("../transport/session/session.ts");`,
  `new Worker(new URL("../transport/session/session.ts", import.meta.url));`,
  `/// <reference path="../transport/session/session.ts" />`,
  `// @ts-types="../transport/session/session.ts"`,
  `const url = "http://x"; import("../transport/session/session.ts");`,
  `const quote = /["'\`/]/; import("../transport/session/session.ts");`,
  "const text = `a ${{ b: await import('../transport/session/session.ts') }} c`;",
  `const text = "/*"; import "../transport/session/session.ts"; /* */`,
  `import { Fec } from "../fec/mod.ts";`,
  `import { Kcp } from "./mod.ts";`,
  `import { Kcp } from "../mod.ts";`,
  `import { listen } from "../transport/deno.ts";`,
  `import { echo } from "../tests/interop/echo.ts";`,
  `import { listen } from "@lowlatency/kcp";`,
  `import { createSocket } from "node:dgram";`,
  `import { gcm } from "@noble/ciphers/aes.js";`,
  `import { assert } from "https://example.com/mod.ts";`,
  `import { assert } from "/absolute.ts";`,
  `import { x } from "..\\u002ftransport/session/session.ts";`,
  "import(`../transport/session/session.ts`);",
  `import("../transport/" + "session/session.ts");`,
  `import(name);`,
];

for (const source of PLANTED) {
  Deno.test(`imports: an arrow back from kcp/ is found: ${JSON.stringify(source)}`, () => {
    const good = `import { Arena } from "./arena.ts";\n`;
    assertEquals(badImports("kcp/planted.ts", good + source + "\n").length, 1);
    // From a subfolder, the same files are one step further away.
    const deeper = source.replace(/(["'])\.\.\//g, "$1../../").replace('"./', '"../');
    assertEquals(badImports("kcp/subfolder/planted.ts", deeper).length, 1);
  });
}

const HARMLESS = [
  `import { Arena } from "./arena.ts";`,
  `export type { Arena } from "./arena.ts";`,
  `// import { Session } from "../transport/session/session.ts";`,
  `/** @example import { listen } from "../transport/deno.ts"; */`,
  `const text = 'import { listen } from "../transport/deno.ts"';`,
  "const text = `import { listen } from '../transport/deno.ts'`;",
  `loader.import("../transport/deno.ts"); this.#import("../transport/deno.ts");`,
  `export const from = "../transport/deno.ts";`,
  `const half = a / b; const other = "/"; const third = c / d;`,
];

for (const source of HARMLESS) {
  Deno.test(`imports: no arrow back is seen in ${JSON.stringify(source)}`, () => {
    assertEquals(badImports("kcp/planted.ts", source), []);
  });
}

Deno.test("imports: every module is in a room or is an entry", async () => {
  for (const folder of ["kcp/", "fec/", "crypt/", "transport/"]) {
    for (const path of await modules(folder)) {
      const entry = ENTRIES.some((name) => path === `transport/${name}`);
      assert(entry || roomOf(path), `${path} is in no room: BELOW has no entry for its folder`);
    }
  }
});

Deno.test("imports: no two modules import each other, directly or through others", async () => {
  const graph = new Map<string, string[]>();
  for (const room of Object.keys(BELOW)) {
    for (const path of await modules(`${room}/`)) {
      const loaded = importsOf(await read(path)).filter(({ kind }) => kind === "static");
      graph.set(path, loaded.flatMap(({ specifier }) => targetOf(path, specifier) ?? []));
    }
  }
  const done = new Set<string>();
  const visit = (path: string, trail: string[]) => {
    assert(!trail.includes(path), `a cycle: ${[...trail, path].join(" -> ")}`);
    if (done.has(path)) return;
    for (const target of graph.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  assertEquals(done.size, graph.size);
});

Deno.test("imports: the entries for any runtime load no built-in module of Node.js", async () => {
  const entries = LIBRARY;
  for (const name of ANY_RUNTIME) {
    const loaded = new Set([entries[name].slice(2)]);
    for (const path of loaded) {
      for (const { specifier, kind } of importsOf(await read(path))) {
        if (kind === "type") continue;
        assert(!specifier.startsWith("node:"), `${name} loads ${path}, which imports ${specifier}`);
        const target = targetOf(path, specifier);
        if (target !== null) loaded.add(target);
      }
    }
    assert(loaded.size > 3, `only ${loaded.size} modules of ${name} were found`);
  }
});

Deno.test("imports: the sockets of Linux are loaded only where they are used", async () => {
  const entries = LIBRARY;
  for (const name of Object.keys(entries)) {
    const loaded = new Set([entries[name].slice(2)]);
    for (const path of loaded) {
      for (const { specifier, kind } of importsOf(await read(path))) {
        const target = targetOf(path, specifier);
        if (kind === "static" && target !== null) loaded.add(target);
      }
    }
    const linux = [...loaded].some((path) => roomOf(path) === "transport/linux");
    assertEquals(linux, name === "./linux", name);
  }
});

Deno.test("imports: the entry files and every mod.ts only export", async () => {
  const inTransport = (await modules("transport/")).filter((path) => !roomOf(path));
  assertEquals(inTransport, ENTRIES.map((name) => `transport/${name}`));
  const faces = Object.keys(BELOW).map((room) => `${room}/mod.ts`);
  const entries = Object.values(LIBRARY).map((path) => path.slice(2));
  for (const path of new Set([...entries, ...faces])) {
    const source = await read(path);
    assertEquals(codeBesideExports(source), "", `${path} holds more than exports`);
    for (const { specifier } of importsOf(source)) {
      const target = targetOf(path, specifier) ?? specifier;
      // A face exports from its own room, an entry of transport/ from the rooms, the root from
      // entries and what chooses the socket.
      const room = roomOf(path);
      const allowed = room
        ? roomOf(target) === room && target !== path
        : path === "mod.ts"
        ? (entries.includes(target) && target !== path) || target === "transport/runtime/mod.ts"
        : roomOf(target) !== undefined;
      assert(allowed, `${path} exports from ${target}`);
    }
  }
});

for (
  const source of [
    "export const x = 1;",
    "console.log(1);",
    `import { x } from "./x.ts"; export { x };`,
    `import "./x.ts";`,
    `export function f() {}`,
    `export { x };`,
    `export default 1;`,
  ]
) {
  Deno.test(`imports: an entry file that holds code is found: ${source}`, () => {
    const good =
      `/** An entry. */\nexport * from "./a.ts";\nexport {\n  a,\n  type B,\n} from "./b.ts";\n`;
    assertEquals(codeBesideExports(good), "");
    assert(codeBesideExports(good + source) !== "");
    assert(codeBesideExports(source + good) !== "");
  });
}

Deno.test("imports: links know nothing of connections", async () => {
  const found: string[] = [];
  for (const name of LINKS) {
    const path = `transport/link/${name}.ts`;
    for (const { specifier } of importsOf(await read(path))) {
      const target = targetOf(path, specifier) ?? specifier;
      if (roomOf(target) !== "transport/link" && target !== "transport/session/timer_heap.ts") {
        found.push(`${name} imports ${target}`);
      }
    }
  }
  assertEquals(found, []);
});

Deno.test("imports: every room has a mod.ts", async () => {
  for (const room of Object.keys(BELOW)) {
    assert((await modules(`${room}/`)).includes(`${room}/mod.ts`), `${room}/mod.ts is missing`);
  }
});
