/**
 * Node.js 24 runs the sources themselves: it strips types, and can do no more. So it can from 22.18
 * on.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { nodeRuntimes } from "./node/runtimes.ts";

/** ms after which an installation is given up: the registry may never answer. */
const TIMEOUT = 120_000;

/** Runs a program, and gives what it prints. */
async function run(cwd: string, program: string, ...args: string[]): Promise<string> {
  const { stdout, stderr, success } = await new Deno.Command(program, {
    args,
    cwd,
    env: { NO_COLOR: "1" },
    signal: AbortSignal.timeout(TIMEOUT),
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** Copies the sources of the library. */
async function copy(from: URL, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copy(new URL(`${name}/`, from), `${to}/${name}`);
    else await Deno.copyFile(new URL(name, from), `${to}/${name}`);
  }
}

/** The entries of the library. */
const ENTRIES = Object.values(config.exports).filter((path) => !path.startsWith("./examples/"));

/** Loads every entry, and sends a word through a connection. */
const PROGRAM = `
const entries = ${JSON.stringify(ENTRIES)};
const loaded = await Promise.all(entries.map((path) => import(path)));
const { connect, listen } = loaded[0];
const { chacha20Poly1305 } = await import("./crypt/mod.ts");
const crypt = chacha20Poly1305(new Uint8Array(32));
const listener = await listen({ hostname: "127.0.0.1", crypt });
const conn = await connect({ hostname: "127.0.0.1", port: listener.addr.port, crypt });
await conn.writeAll(new TextEncoder().encode("hello"));
const server = await listener.accept();
const buffer = new Uint8Array(10);
const count = await server.read(buffer);
console.log(loaded.length, conn.adapter, new TextDecoder().decode(buffer.subarray(0, count)));
process.exit();
`;

for (const { name, program } of await nodeRuntimes()) {
  if (!name.startsWith("Node.js 24")) continue;
  const ignore = typeof program !== "string";
  Deno.test({
    name: `type stripping: ${name} runs the sources${
      ignore ? ` (ignored: ${program.missing})` : ""
    }`,
    ignore,
    async fn() {
      const folder = await Deno.makeTempDir({ prefix: "kcp-sources-" });
      try {
        const root = new URL("../../", import.meta.url);
        const tops = new Set(ENTRIES.map((path) => path.split("/")[1]));
        for (const top of tops) {
          if (top.endsWith(".ts")) await Deno.copyFile(new URL(top, root), `${folder}/${top}`);
          else await copy(new URL(`${top}/`, root), `${folder}/${top}`);
        }
        await Deno.writeTextFile(`${folder}/package.json`, '{ "type": "module" }');
        await Deno.writeTextFile(`${folder}/main.js`, PROGRAM);
        const packages = Object.values(config.imports)
          .filter((specifier) => specifier.startsWith("npm:@noble/"))
          .map((specifier) => specifier.slice("npm:".length));
        const options = ["--no-audit", "--no-fund", "--ignore-scripts"];
        await run(folder, "npm", "install", ...options, ...packages);
        const output = await run(folder, program as string, "main.js");
        assertEquals(output.trim(), `${ENTRIES.length} node hello`);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}
