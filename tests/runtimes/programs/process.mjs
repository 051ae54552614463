// Runs the suite in a process of Deno, Node.js or Bun. Arguments: the bundle, the adapter, the name
// of the column, and the ports of the other process. Each result is a line of JSON.
const { Deno, Bun, process: self } = globalThis;
const [file, adapter, name, ports] = Deno?.args ?? self.argv.slice(2);
const report = (line) => console.log(JSON.stringify(line));

report({ version: Deno?.version.deno ?? Bun?.version ?? self.versions.node });
const { face: faceOf, leave, peerOptions, runChecks, suite } = await import(file);
const face = faceOf(adapter, JSON.parse(ports));
await runChecks(suite, face, { path: "kernels" }, report);

// A second copy of all modules, which has started no kernel.
const { WebAssembly } = globalThis;
globalThis.WebAssembly = undefined;
const second = await import(`${file}?portable`);
if (second.suite === suite) throw new Error("The second import gave the same modules");
await second.runChecks(
  second.suite,
  second.face(adapter, JSON.parse(ports)),
  { path: "portable", again: true },
  report,
);
globalThis.WebAssembly = WebAssembly;

await leave(await face.dial("end", peerOptions()), name);
report({ done: true });
