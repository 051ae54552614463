import { assertEquals } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import standIns from "./import_map.json" with { type: "json" };

Deno.test("the stand-in map names every import of deno.json, and differs in JSR packages only", () => {
  const expected = Object.fromEntries(
    Object.entries(config.imports).map(([name, target]) => [
      name,
      target.startsWith("jsr:") ? name.replace("@std/", "./") + ".ts" : target,
    ]),
  );
  assertEquals<Record<string, string>>(standIns.imports, expected);
});
