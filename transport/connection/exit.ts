/** What must be done before the process ends. */
const hooks = new Set<() => void>();
let installed = false;

/**
 * Calls `hook` when the process ends in order: it has nothing more to do, or it calls `Deno.exit` or
 * `process.exit`. The hook can't wait for anything.
 *
 * @returns A function that removes the hook.
 */
export function beforeExit(hook: () => void): () => void {
  if (!installed) {
    installed = true;
    const run = () => {
      for (const each of [...hooks]) each();
    };
    const { Deno, process } = globalThis as unknown as {
      Deno?: unknown;
      process?: { on?(name: "exit", listener: () => void): void };
    };
    if (Deno !== undefined) globalThis.addEventListener("unload", run);
    else process?.on?.("exit", run);
  }
  hooks.add(hook);
  return () => hooks.delete(hook);
}
