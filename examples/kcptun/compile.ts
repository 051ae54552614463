/**
 * Compiles both programs with `deno compile`, and prints the sizes.
 *
 *     deno task compile [FOLDER] [TARGET …]
 *
 * The folder is `kcptun` by default, and the targets are all that `deno compile` has.
 *
 * @module
 */
import config from "../../deno.json" with { type: "json" };

const TARGETS = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
  "x86_64-pc-windows-msvc",
];

const root = new URL("../../", import.meta.url);

/**
 * An import map with what the programs need. With deno.json, all packages of the development would
 * become part of them, which are twenty times as large.
 */
function importMap(): string {
  const imports: Record<string, string> = {};
  for (const [entry, path] of Object.entries(config.exports)) {
    imports[config.name + entry.slice(1)] = new URL(path, root).href;
  }
  for (const [name, target] of Object.entries(config.imports)) {
    if (name.startsWith("@noble/")) imports[`${name}/`] = `${target.replace("npm:", "npm:/")}/`;
  }
  return JSON.stringify({ imports });
}

const [folder = "kcptun", ...chosen] = Deno.args;
const unknown = chosen.filter((target) => !TARGETS.includes(target));
if (unknown.length > 0) {
  console.error(`Cannot compile for ${unknown.join(", ")}: allowed are ${TARGETS.join(", ")}`);
  Deno.exit(2);
}

await Deno.mkdir(folder, { recursive: true });
const map = await Deno.makeTempFile({ suffix: ".json" });
try {
  await Deno.writeTextFile(map, importMap());
  for (const target of chosen.length > 0 ? chosen : TARGETS) {
    for (const side of ["client", "server"]) {
      const file = `${folder}/kcptun-${side}-${target}${target.includes("windows") ? ".exe" : ""}`;
      const { success } = await new Deno.Command(Deno.execPath(), {
        args: [
          ...["compile", "--quiet", "-A", "--no-check", "--no-config", "--no-lock"],
          ...[`--import-map=${map}`, `--unstable-${config.unstable[0]}`, "--target", target],
          ...["--output", file, new URL(`${side}.ts`, import.meta.url).href],
        ],
      }).spawn().status;
      if (!success) Deno.exit(1);
      const { size } = await Deno.stat(file);
      console.log(`${file}: ${(size / 2 ** 20).toFixed(0)} MiB`);
    }
  }
} finally {
  await Deno.remove(map);
}
