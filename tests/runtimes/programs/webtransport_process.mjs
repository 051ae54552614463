// Runs the suite on Deno, over WebTransport. Argument: the certificate. Each result is a line of JSON.

// Deno checks this file too, and can't find what the runner puts beside it.
const load = (name) => import(name);
const report = (line) => console.log(JSON.stringify(line));

const { cert, key, hash } = JSON.parse(Deno.args[0]);
const { face: faceOf, runChecks, suite } = await load("./webtransport.mjs");
report({ version: Deno.version.deno });
const face = faceOf({ cert, key, hash: new Uint8Array(hash) });
await runChecks(suite, face, { path: "kernels" }, report);
face.close();
report({ done: true });
