import { assertEquals } from "@std/assert";

/**
 * Modules of transport/ that touch a runtime: the adapters, their clock, and what chooses a socket.
 */
const ADAPTERS = [
  "connection/deno.ts",
  "connection/node.ts",
  "connection/system_clock.ts",
  "connection/udp.ts",
  "link/delayed_sender.ts",
  "link/proxy.ts",
  "link/simulated_network.ts",
];

const FOLDERS = [
  "kcp",
  "fec",
  "crypt",
  "transport/session",
  "transport/connection",
  "transport/link",
];

const FORBIDDEN =
  /\bDeno\.|\bperformance\b|\bDate\b|\bsetTimeout\b|\bsetInterval\b|\bMath\.random\b|\bcrypto\b|\bprocess\b|"node:/;

/** The code of a module, without its comments. */
async function code(path: string): Promise<string> {
  const text = await Deno.readTextFile(path);
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");
}

Deno.test("the machines read no clock, set no timer, draw no randomness and know no runtime", async () => {
  const root = new URL("../", import.meta.url).pathname;
  const paths: string[] = [];
  for (const folder of FOLDERS) {
    for await (const { name, isFile } of Deno.readDir(root + folder)) {
      const path = `${folder}/${name}`;
      if (isFile && !ADAPTERS.includes(path.replace("transport/", ""))) paths.push(root + path);
    }
  }
  const found: string[] = [];
  for (const path of paths) {
    const hit = FORBIDDEN.exec(await code(path));
    if (hit) found.push(`${path}: ${hit[0]}`);
  }
  assertEquals(found, []);
});
