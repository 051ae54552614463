/**
 * The tools that build and examine the npm package: TypeScript, a bundler, and linters of packages.
 * Their versions are in tools/package-lock.json.
 *
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = new URL("tools/", import.meta.url);

/**
 * The files of the tools, by their paths in node_modules. `tsc5` is the oldest TypeScript that
 * reads the declarations.
 */
export const TOOLS = {
  attw: "@arethetypeswrong/cli/dist/index.js",
  esbuild: "esbuild/bin/esbuild",
  publint: "publint/src/cli.js",
  rolldown: "rolldown/bin/cli.mjs",
  tsc: "typescript/bin/tsc",
  tsc5: "typescript-5/bin/tsc",
};

/** The path of an installed file of the tools. */
export function pathOfTool(path: string): string {
  return fileURLToPath(new URL(`node_modules/${path}`, FOLDER));
}

/** The time at which a file was written, in ms; 0 if there is no such file. */
async function writtenAt(name: string): Promise<number> {
  try {
    return (await Deno.stat(new URL(name, FOLDER))).mtime?.getTime() ?? 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

/** Installs the tools, unless these versions are there. Their install scripts do not run. */
export async function installTools(): Promise<void> {
  const [locked, installed] = await Promise.all([
    writtenAt("package-lock.json"),
    writtenAt("node_modules/.package-lock.json"),
  ]);
  if (installed > locked) return;
  await npm(fileURLToPath(FOLDER), "ci", "--ignore-scripts");
}

/** How a program runs. */
export interface RunOptions {
  /** The working directory. Default: that of this process. */
  readonly cwd?: string;
  /** Further environment variables. */
  readonly env?: Record<string, string>;
}

/**
 * Runs a program, and returns what it prints.
 *
 * @throws {Error} If the program is missing or fails. The message has what it printed.
 */
export async function run(
  program: string,
  args: readonly string[],
  { cwd, env }: RunOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd,
    env: { NO_COLOR: "1", FORCE_COLOR: "0", ...env },
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  if (code === 0) return text;
  const command = [program, ...args].join(" ");
  throw new Error(`${command} ended with ${code}\n${text}${new TextDecoder().decode(stderr)}`);
}

/** Runs npm in a folder. It asks the registry only for what its cache does not hold. */
export function npm(cwd: string, ...args: string[]): Promise<string> {
  const quiet = ["--prefer-offline", "--no-audit", "--no-fund", "--no-update-notifier"];
  return run(Deno.build.os === "windows" ? "npm.cmd" : "npm", [...args, ...quiet], { cwd });
}

/** Runs a tool on Node.js, and returns what it prints. */
export function runTool(
  name: keyof typeof TOOLS,
  args: readonly string[],
  options?: RunOptions,
): Promise<string> {
  return run("node", [pathOfTool(TOOLS[name]), ...args], options);
}

/** Packs a package into a tarball in another folder. Returns the path of that. */
export async function pack(folder: string, to: string): Promise<string> {
  const [{ filename }] = JSON.parse(await npm(to, "pack", folder, "--json"));
  return join(to, filename);
}
