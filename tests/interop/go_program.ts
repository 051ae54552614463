/**
 * Programs in Go, which the tests and the benchmarks build.
 *
 * @module
 */
import { AssertionError } from "@std/assert";

/** With this value, a missing Go fails the tests. Without it, the tests are ignored. */
const required = Deno.env.get("KCP_INTEROP") === "required";
/** Whether there is a Go on the PATH. */
export const hasGo = await findGo();

async function findGo(): Promise<boolean> {
  try {
    return (await new Deno.Command("go", { args: ["version"], stdout: "null" }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

if (!hasGo && !required) {
  console.error("The tests against kcp-go are ignored: there is no Go on the PATH");
}

/** A test that needs Go. */
export function interopTest(name: string, fn: (t: Deno.TestContext) => Promise<void>): void {
  Deno.test({ name: `interop: ${name}`, ignore: !hasGo && !required, fn });
}

const built = new Map<string, Promise<string>>();

/**
 * Builds a program, once for each folder and module file.
 *
 * @param folder The folder of its source, beside this file.
 * @param module The Go module file in the folder, which selects the versions.
 * @returns The path of the program.
 */
export function buildGo(folder: string, module = "go.mod"): Promise<string> {
  const key = `${folder}/${module}`;
  const program = built.get(key) ?? build(folder, module);
  built.set(key, program);
  return program;
}

async function build(folder: string, module: string): Promise<string> {
  if (!hasGo) {
    throw new AssertionError(
      'Cannot build the peer: KCP_INTEROP is "required", and no Go is on the PATH',
    );
  }
  const directory = await Deno.makeTempDir({ prefix: "kcp-interop-" });
  globalThis.addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));
  const program = `${directory}/${folder}${Deno.build.os === "windows" ? ".exe" : ""}`;
  const { success, stderr } = await new Deno.Command("go", {
    args: ["build", `-modfile=${module}`, "-o", program, "."],
    cwd: new URL(folder, import.meta.url),
  }).output();
  if (!success) {
    const reason = new TextDecoder().decode(stderr);
    throw new AssertionError(`Cannot build ${folder} with ${module}: ${reason}`);
  }
  return program;
}
