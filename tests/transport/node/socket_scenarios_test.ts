import { scenarios } from "./socket_scenarios.ts";

for (const [name, scenario] of Object.entries(scenarios)) Deno.test(`/node: ${name}`, scenario);
