// Runs the suite in a page. Each result is a line of JSON on its console.
const report = (line) => console.log(JSON.stringify(line));

/** @param {"compiled" | "portable"} kernels How WebAssembly kernels come here. */
export async function run(kernels) {
  const first = await import("/memory.mjs");
  const path = kernels === "portable" ? "portable" : "kernels";
  await first.runChecks(first.suite, first.face(kernels), { path }, report);
  if (kernels === "compiled") {
    // A second copy of all modules, which has started no kernel.
    globalThis.WebAssembly = undefined;
    const second = await import("/memory.mjs?portable");
    await second.runChecks(
      second.suite,
      second.face("portable"),
      { path: "portable", again: true },
      report,
    );
  }
  report({ done: true });
}
