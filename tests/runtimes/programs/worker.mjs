// Runs the suite in workerd. Each result is a line of JSON.

// Deno checks this file too, and can't find what the runner puts beside it.
const load = (name) => import(name);
const report = (line) => console.log(JSON.stringify(line));

export default {
  async test() {
    const { face, runChecks, suite } = await load("./memory.mjs");
    await runChecks(suite, face("portable"), { path: "portable" }, report);
    report({ done: true });
  },
};
