import { test } from "node:test";
import { scenario } from "./scenario.mjs";

test("the timers of the application are the network's", async () => {
  console.log(`result: ${await scenario()}`);
});

test("fake timers of the runner do not stop the network", async (context) => {
  context.mock.timers.enable();
  console.log(`result: ${await scenario()}`);
});
