import { assertEquals } from "@std/assert";

/** Modules that hold the sans-IO half of transport/, and the asynchronous faces above it. */
const TRANSPORT = [
  "address.ts",
  "connection.ts",
  "driver.ts",
  "endpoint.ts",
  "errors.ts",
  "link.ts",
  "link_options.ts",
  "listener.ts",
  "packet_protection.ts",
  "pipeline.ts",
  "random.ts",
  "session.ts",
  "sockets.ts",
  "timer_heap.ts",
  "trace_hash.ts",
  "wire_options.ts",
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
  const paths = TRANSPORT.map((name) => `${root}transport/${name}`);
  for (const folder of ["kcp", "fec", "crypt"]) {
    for await (const { name } of Deno.readDir(root + folder)) {
      paths.push(`${root}${folder}/${name}`);
    }
  }
  const found: string[] = [];
  for (const path of paths) {
    const hit = FORBIDDEN.exec(await code(path));
    if (hit) found.push(`${path}: ${hit[0]}`);
  }
  assertEquals(found, []);
});
