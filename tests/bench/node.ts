/**
 * Prepares what runs on Node.js: one end of this library, and one of udx-native.
 *
 * @module
 */

/** The library beside ours on Node.js, and its version. */
export const UDX = "udx-native 1.21.3";

/** The commands of both ends. */
export interface NodeCommands {
  readonly ours: readonly string[];
  readonly udx: readonly string[];
}

async function run(program: string, args: readonly string[], cwd?: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args: [...args], cwd }).output();
  if (!success) {
    const reason = new TextDecoder().decode(stderr).trim().split("\n").slice(-3).join(" ");
    throw new Error(`${program} ${args[0]} failed: ${reason}`);
  }
}

/**
 * Bundles our end, and installs udx-native beside its end. Without Node.js or without its package
 * registry it returns null and says why.
 *
 * @param flags Flags of `deno run` with which the packages are found.
 */
export async function prepareNode(flags: readonly string[]): Promise<NodeCommands | null> {
  const directory = await Deno.makeTempDir({ prefix: "kcp-bench-" });
  globalThis.addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));
  try {
    const bundle = `${directory}/end.mjs`;
    const end = new URL("end.ts", import.meta.url).pathname;
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const options = ["--quiet", "--no-lock", `--config=${config}`, "--platform=deno"];
    await run(Deno.execPath(), ["bundle", ...options, ...flags, `--output=${bundle}`, end]);
    const udx = `${directory}/udx`;
    await Deno.mkdir(udx);
    for (const name of ["package.json", "end.mjs"]) {
      await Deno.copyFile(new URL(`udx/${name}`, import.meta.url), `${udx}/${name}`);
    }
    await run("npm", ["install", "--no-audit", "--no-fund"], udx);
    return { ours: ["node", bundle], udx: ["node", `${udx}/end.mjs`] };
  } catch (error) {
    console.error(`Node.js is not measured: ${error instanceof Error ? error.message : error}`);
    return null;
  }
}
