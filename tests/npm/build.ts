/**
 * Builds the npm package from the sources.
 *
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { kernelFiles } from "../../transport/kernels.ts";
import { writeDeclarations } from "./declarations.ts";
import { ENTRIES, manifest } from "./manifest.ts";
import { installTools, runTool } from "./tools.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Files that go into the package as they are. */
const TEXTS = ["README.md", "CHANGELOG.md", "LICENSE"];

/** What the import of a .wasm file gives, where a build compiles it. */
const KERNEL_TYPES = `declare const module: WebAssembly.Module;
export default module;
`;

/** The URL of the repository that a workflow of GitHub builds from; undefined elsewhere. */
function repositoryOfWorkflow(): string | undefined {
  const server = Deno.env.get("GITHUB_SERVER_URL");
  const repository = Deno.env.get("GITHUB_REPOSITORY");
  return server && repository ? `${server}/${repository}` : undefined;
}

/**
 * Builds the package into a folder. What the folder held before is removed.
 *
 * @throws {Error} If the folder holds something else than a package of this name, or a tool fails.
 */
export async function build(folder: string): Promise<void> {
  const { name } = manifest();
  await clear(folder, name);
  await installTools();
  const files = Object.values(ENTRIES);
  const modules = files.map((file) => [file.replace(/\.ts$/, ""), file]);
  await runTool("rolldown", ["--config", "rolldown.config.mjs"], {
    cwd: fileURLToPath(new URL("tools/", import.meta.url)),
    env: { ENTRIES: JSON.stringify(Object.fromEntries(modules)), FOLDER: folder },
  });
  await writeDeclarations(ROOT, files, folder);
  const kernels = join(folder, "kernels");
  await Deno.mkdir(kernels);
  await Deno.writeTextFile(join(kernels, "module.d.ts"), KERNEL_TYPES);
  for (const [name, bytes] of Object.entries(kernelFiles())) {
    await Deno.writeFile(join(kernels, name), bytes);
  }
  for (const text of TEXTS) await Deno.copyFile(join(ROOT, text), join(folder, text));
  const json = JSON.stringify(manifest(repositoryOfWorkflow()), null, 2);
  await Deno.writeTextFile(join(folder, "package.json"), json + "\n");
}

/** Removes an earlier package. Other files are not lost: a folder without the package stays. */
async function clear(folder: string, name: unknown): Promise<void> {
  let names: string[];
  try {
    names = await Array.fromAsync(Deno.readDir(folder), (entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  if (names.length === 0) return;
  const earlier = names.includes("package.json") &&
    JSON.parse(await Deno.readTextFile(join(folder, "package.json"))).name === name;
  if (!earlier) throw new Error(`Cannot build into ${folder}: it holds something else`);
  await Deno.remove(folder, { recursive: true });
}
