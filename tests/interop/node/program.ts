/**
 * Runs scenarios on Node.js or Bun. The first argument is a folder with the key and the certificate
 * of "localhost". It prints a line of JSON for each scenario: its name, and the error if it has failed.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { connect, listen, node } from "../../../transport/node.ts";
import { scenarios as streams } from "../../transport/node/duplex_scenarios.ts";

/** ms after which a scenario is given up. */
const TIMEOUT = 20_000;

const folder = process.argv[2];
const runtime = {
  connect,
  listen,
  bind: node(),
  key: readFileSync(`${folder}/localhost.key`, "utf8"),
  cert: readFileSync(`${folder}/localhost.crt`, "utf8"),
};

/** Errors that no scenario has caught. */
const stray: unknown[] = [];
process.on("uncaughtException", (error) => stray.push(error));
process.on("unhandledRejection", (error) => stray.push(error));

for (const [name, scenario] of Object.entries(streams)) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let error: string | undefined;
  try {
    await Promise.race([
      scenario(runtime),
      new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`it took more than ${TIMEOUT} ms`)), TIMEOUT);
      }),
    ]);
    if (stray.length > 0) throw stray[0];
  } catch (thrown) {
    error = thrown instanceof Error ? thrown.stack : String(thrown);
  }
  clearTimeout(timer);
  stray.length = 0;
  console.log(JSON.stringify({ name, error }));
}
process.exit();
