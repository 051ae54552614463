// Runs the suite in a page. Each result is a line of JSON on its console.
const report = (line) => console.log(JSON.stringify(line));

/**
 * Runs the suite of a bundle.
 *
 * @param {string} bundle The path of the bundle.
 * @param {"compiled" | "portable"} kernels How WebAssembly kernels come here.
 * @param {object | null} server A WebTransport server that sends back what it gets.
 */
export async function run(bundle, kernels, server) {
  const first = await import(bundle);
  const path = kernels === "portable" ? "portable" : "kernels";
  await first.runChecks(first.suite, first.face(kernels, server), { path }, report);
  if (kernels === "compiled") {
    // A second copy of all modules, which has started no kernel.
    globalThis.WebAssembly = undefined;
    const second = await import(`${bundle}?portable`);
    await second.runChecks(
      second.suite,
      second.face("portable", server),
      { path: "portable", again: true },
      report,
    );
  }
  report({ done: true });
}
