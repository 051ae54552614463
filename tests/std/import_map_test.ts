import { assertEquals } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import standIns from "./import_map.json" with { type: "json" };

Deno.test("the stand-in map names every import of deno.json, and differs in JSR packages only", () => {
  const expected: Record<string, string> = {};
  for (const [name, target] of Object.entries(config.imports)) {
    expected[name] = target.startsWith("jsr:") ? name.replace("@std/", "./") + ".ts" : target;
    // deno.json reaches a package's modules by its name; an import map has to say so.
    const reached = name.startsWith("@noble/") || name === "assemblyscript";
    if (reached) expected[`${name}/`] = target.replace("npm:", "npm:/") + "/";
  }
  assertEquals<Record<string, string>>(standIns.imports, expected);
});
