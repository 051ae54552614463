/**
 * The examples with two ends, as programs of their own.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { pattern } from "../vectors/pattern.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const FLAGS = [
  "run",
  "--no-lock",
  "--no-check",
  `--import-map=${ROOT}tests/std/import_map.json`,
  "--unstable-net",
  "--allow-net",
  "--allow-read",
  "--allow-write",
];

/** A command that runs an example. */
function example(name: string, ...args: string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: [...FLAGS, `${ROOT}examples/${name}`, ...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

async function run(name: string, ...args: string[]): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await example(name, ...args).output();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** Starts a server at a free port, which it prints. The server is killed at the end. */
async function serve(
  name: string,
  ...args: string[]
): Promise<AsyncDisposable & { port: string }> {
  const process = example(name, ...args, "0").spawn();
  const lines = process.stdout.pipeThrough(new TextDecoderStream());
  const reader = lines.getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`${name} ends: ${text}`);
    text += value;
  }
  return {
    port: /port (\d+)/.exec(text)![1],
    async [Symbol.asyncDispose]() {
      process.kill("SIGKILL");
      await Promise.all([process.status, process.stderr.cancel(), drain(reader)]);
    },
  };
}

async function drain(reader: ReadableStreamDefaultReader<string>): Promise<void> {
  while (!(await reader.read()).done);
}

Deno.test("examples: several files at once arrive, and no file is overwritten", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kcp-files-" });
  try {
    const from = `${folder}/from`, to = `${folder}/to`;
    await Deno.mkdir(from);
    await Deno.mkdir(to);
    const sizes = [0, 1, 65_535, 65_536, 1_000_000, 3_000_001, 10, 20, 30, 40];
    const paths = sizes.map((_, i) => `${from}/file ${i}`);
    for (const [i, size] of sizes.entries()) await Deno.writeFile(paths[i], pattern(i, size));
    const kept = new TextEncoder().encode("as it was");
    await Deno.writeFile(`${to}/file 6`, kept);
    await using server = await serve("receive_file.ts", to);
    const { code, text } = await run("send_file.ts", `--port=${server.port}`, ...paths, "nowhere");
    assertEquals(code, 1, text);
    assertStringIncludes(text, "file 6 was not sent: refused: file 6 exists already");
    assertStringIncludes(text, "nowhere was not sent");
    for (const [i, size] of sizes.entries()) {
      const found = await Deno.readFile(`${to}/file ${i}`);
      assertEquals(found, i === 6 ? kept : pattern(i, size));
    }
    assertEquals([...Deno.readDirSync(to)].length, sizes.length);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("examples: remote calls", async () => {
  await using server = await serve("rpc/run_server.ts");
  const { code, text } = await run("rpc/run_client.ts", "127.0.0.1", server.port);
  assertEquals(code, 0, text);
  for (
    const line of [
      "stressed",
      '[ "evil", "reward", "desserts" ]',
      "3\n2\n1",
      '{ word: "a", count: 3 }',
      "A ROSE IS A ROSE IS A ROSE.\nLOVELINESS EXTREME.",
      "deadline-exceeded",
      "done",
    ]
  ) assertStringIncludes(text, line);
});
