import { test } from "node:test";
import { inspect } from "node:util";

// Deno checks this file too, and can't find what the test puts beside it.
const load = (name) => import(name);
const { scenario, shown } = await load("./scenario.mjs");

test("the timers of the application are the network's", async () => {
  console.log(`result: ${await scenario()}`);
});

test("fake timers of the runner do not stop the network", async (context) => {
  context.mock.timers.enable();
  console.log(`result: ${await scenario()}`);
});

test("console.log shows a connection", () => {
  console.log(`shown: ${shown(inspect).replaceAll(/\s+/g, " ")}`);
});
