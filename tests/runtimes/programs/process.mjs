// Runs the suite in a process of Deno, Node.js or Bun. Arguments: the bundle, and the adapter. Each
// result is a line of JSON.
const [file, adapter] = globalThis.Deno?.args ?? process.argv.slice(2);
const { Deno, Bun, process: self } = globalThis;
const report = (line) => console.log(JSON.stringify(line));

report({ version: Deno?.version.deno ?? Bun?.version ?? self.versions.node });
const first = await import(file);
await first.runChecks(first.suite, first.face(adapter), { path: "kernels" }, report);

// A second copy of all modules, which has started no kernel.
globalThis.WebAssembly = undefined;
const second = await import(`${file}?portable`);
if (second.suite === first.suite) throw new Error("The second import gave the same modules");
await second.runChecks(
  second.suite,
  second.face(adapter),
  { path: "portable", again: true },
  report,
);
report({ done: true });
