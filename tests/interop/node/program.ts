/**
 * Runs scenarios on Node.js or Bun. The first argument is a folder with the key and the certificate
 * of "localhost". It prints a line of JSON for each scenario: its name, and the error if it has failed.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { subscribe } from "node:diagnostics_channel";
import { readFileSync } from "node:fs";
import process from "node:process";
import { listen as listenOwn } from "../../../mod.ts";
import { connect, listen, node } from "../../../transport/node.ts";
import { type Scenario, scenarios as streams } from "../../transport/node/duplex_scenarios.ts";
import { scenarios as bun } from "../../transport/node/bun_scenarios.ts";
import { scenarios as sockets } from "../../transport/node/socket_scenarios.ts";

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

/** It must run before anything of `/node`, which publishes by itself. */
async function rootPublishes(): Promise<void> {
  const seen: unknown[] = [];
  subscribe("kcp:listener:open", (message) => seen.push(message));
  const listener = await listenOwn({ hostname: "127.0.0.1" });
  assertEquals(seen, [{ listener }]);
  listener.close();
  await listener.closed;
}

const scenarios: Record<string, Scenario> = {
  "the root entry publishes on channels, too": rootPublishes,
  ...streams,
  ...sockets,
  ..."Bun" in globalThis ? bun : {},
};

for (const [name, scenario] of Object.entries(scenarios)) {
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
