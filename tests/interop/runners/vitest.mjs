import { test, vi } from "vitest";
import { scenario } from "./scenario.mjs";

test("the timers of the application are the network's", async () => {
  console.log(`result: ${await scenario()}`);
});

test("fake timers of the runner do not stop the network", async () => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "setInterval", "setImmediate", "Date", "performance"],
  });
  try {
    console.log(`result: ${await scenario()}`);
  } finally {
    vi.useRealTimers();
  }
});
