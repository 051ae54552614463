import { assertEquals } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import standIns from "./import_map.json" with { type: "json" };

Deno.test("the stand-in map has all imports of deno.json, and only JSR packages differ", () => {
  const expected: Record<string, string> = {};
  for (const [name, target] of Object.entries(config.imports)) {
    expected[name] = target.startsWith("jsr:") ? name.replace("@std/", "./") + ".ts" : target;
    // An import map needs a second entry for the modules of a package; deno.json does not.
    const reached = name.startsWith("@noble/") || name === "assemblyscript";
    if (reached) expected[`${name}/`] = target.replace("npm:", "npm:/") + "/";
  }
  assertEquals<Record<string, string>>(standIns.imports, expected);
});
