// Runs the suite in workerd. Each result is a line of JSON.
import { face, runChecks, suite } from "./memory.mjs";

const report = (line) => console.log(JSON.stringify(line));

export default {
  async test() {
    await runChecks(suite, face("portable"), { path: "portable" }, report);
    report({ done: true });
  },
};
