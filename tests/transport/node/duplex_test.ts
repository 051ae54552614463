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

/** Deno's node:http2 sometimes ends the process when a session is closed (an assertion of nghttp2). */
const CRASHES = "HTTP/2 with requests side by side";

for (const [name, scenario] of Object.entries(scenarios)) {
  if (name !== CRASHES) Deno.test(`toDuplex: ${name}`, () => scenario(runtime));
}
