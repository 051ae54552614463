/**
 * The rooms of the library and the direction of its imports. A module imports only from its own room
 * and from the rooms below it, so no two rooms import from each other.
 *
 * @module
 */
import { assertEquals } from "@std/assert";

/** Which rooms each room may import from, beside itself. */
const BELOW: Record<string, string[]> = {
  "kcp": [],
  "fec": ["kcp"],
  "crypt": ["kcp"],
  "transport/session": ["kcp", "fec", "crypt"],
  "transport/connection": ["kcp", "fec", "crypt", "transport/session"],
  "transport/link": ["kcp", "fec", "crypt", "transport/session", "transport/connection"],
  "transport/linux": ["kcp", "fec", "crypt", "transport/session", "transport/connection"],
};

/** Entry files of transport/: they export what the rooms hold, and hold nothing themselves. */
const ENTRIES = ["deno.ts", "linux.ts", "mod.ts", "node.ts", "simulated.ts"];

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

const root = new URL("../", import.meta.url);

async function names(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isFile } of Deno.readDir(new URL(folder, root))) {
    if (isFile && name.endsWith(".ts") && !name.endsWith(".as.ts")) found.push(name);
  }
  return found.sort();
}

/** The modules that a module imports or exports from, as paths from the root. */
async function imports(path: string): Promise<string[]> {
  const text = await Deno.readTextFile(new URL(path, root));
  // Examples in comments import the public entries by name.
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "");
  const found = code.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g);
  const base = new URL(path, root);
  return [...found].map(([, specifier]) => new URL(specifier, base).href.slice(root.href.length));
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

Deno.test("imports: each room imports only from itself and from rooms below it", async () => {
  const back: string[] = [];
  let seen = 0;
  for (const [room, below] of Object.entries(BELOW)) {
    for (const name of await names(`${room}/`)) {
      for (const target of await imports(`${room}/${name}`)) {
        seen++;
        if (
          ![room, ...below].some((allowed) =>
            folderOf(target) === allowed || folderOf(target).startsWith(`${allowed}/`)
          )
        ) {
          back.push(`${room}/${name} imports ${target}`);
        }
      }
    }
  }
  assertEquals(back, []);
  // A pattern that finds no import would find no arrow back either.
  assertEquals(seen > 100, true, `only ${seen} imports were found`);
});

Deno.test("imports: the entry files of transport/ only export", async () => {
  assertEquals(await names("transport/"), ENTRIES);
  for (const name of ENTRIES) {
    const text = await Deno.readTextFile(new URL(`transport/${name}`, root));
    const code = text.replace(/\/\*[\s\S]*?\*\//g, "");
    const rest = code.replace(/export (type )?(\*|\{[^}]*\}) from "\.\/[^"]+";/g, "").trim();
    assertEquals(rest, "", `transport/${name} holds more than exports`);
  }
});

Deno.test("imports: links know nothing of connections", async () => {
  const found: string[] = [];
  for (const name of LINKS) {
    for (const target of await imports(`transport/link/${name}.ts`)) {
      if (folderOf(target) !== "transport/link" && target !== "transport/session/timer_heap.ts") {
        found.push(`${name} imports ${target}`);
      }
    }
  }
  assertEquals(found, []);
});

Deno.test("imports: every room has a mod.ts", async () => {
  for (const room of Object.keys(BELOW)) {
    assertEquals((await names(`${room}/`)).includes("mod.ts"), true, `${room}/mod.ts is missing`);
  }
});
