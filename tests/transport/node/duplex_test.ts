import { connect, deno, listen } from "../../../transport/deno.ts";
import { scenarios } from "./duplex_scenarios.ts";

const read = (name: string) =>
  Deno.readTextFileSync(new URL(`../../bench/${name}`, import.meta.url));
const runtime = {
  connect,
  listen,
  bind: deno(),
  key: read("localhost.key"),
  cert: read("localhost.crt"),
};

for (const [name, scenario] of Object.entries(scenarios)) {
  Deno.test(`toDuplex: ${name}`, () => scenario(runtime));
}
