/**
 * The suite as one file for each kind of runtime, and the programs that run it.
 *
 * @module
 */
import { kernelFiles } from "../../../transport/kernels.ts";

const FILES = new URL("../", import.meta.url);
const ROOT = new URL("../../../", import.meta.url);

/** The kinds of runtimes: each has an entry of the suite in the folder `ends`. */
export type Kind = "deno" | "node" | "memory" | "webtransport" | "webrtc";

/** The kinds that run in browsers, too. */
const BROWSER: readonly Kind[] = ["memory", "webrtc"];

/**
 * Writes the bundles into a new folder, with the programs and the WebAssembly kernels beside them.
 *
 * @param flags The flags that tests/std/flags.ts prints.
 */
export async function makeBundles(
  flags: readonly string[],
  kinds: Iterable<Kind>,
): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "kcp-runtimes-" });
  const programs = new URL("programs/", FILES);
  for await (const { name } of Deno.readDir(programs)) {
    await Deno.copyFile(new URL(name, programs), `${folder}/${name}`);
  }
  for (const [name, bytes] of Object.entries(kernelFiles())) {
    await Deno.writeFile(`${folder}/${name}`, bytes);
  }
  await Promise.all(Array.from(kinds, (kind) => bundle(kind, folder, flags)));
  return folder;
}

async function bundle(kind: Kind, folder: string, flags: readonly string[]): Promise<void> {
  const output = `${folder}/${kind}.mjs`;
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "bundle",
      "--quiet",
      ...flags,
      `--platform=${BROWSER.includes(kind) ? "browser" : "deno"}`,
      `--output=${output}`,
      new URL(`ends/${kind}.ts`, FILES).pathname,
    ],
    cwd: ROOT.pathname,
  }).output();
  if (!success) throw new Error(`${kind}.ts: ${new TextDecoder().decode(stderr)}`);
}
