// Deno checks this file too, and can't find what the test puts beside it.
const load = (name) => import(/* @vite-ignore */ name);
const { test, vi } = await load("vitest");
const { scenario } = await load("./scenario.mjs");

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
