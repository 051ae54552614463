/**
 * Checks that JSR counts every exported symbol as documented, and that each entry has a
 * documentation of its own with an example.
 *
 * JSR reads all entries together, in the order of deno.json. Where an entry exports what an earlier
 * one exports too, JSR keeps a reference. That counts as documented only if the export specifier
 * has a comment: `export { /** What it is. *\/ type Loss } from "./loss.ts"`. (The rules are those
 * of `percentage_of_symbols_with_docs` in jsr's api/src/analysis.rs.)
 *
 * The arguments are flags with which the packages are found.
 *
 * @module
 */
import config from "../deno.json" with { type: "json" };

interface Doc {
  readonly doc?: string;
  readonly tags?: readonly { readonly kind: string }[];
}

interface Declaration {
  readonly kind: string;
  readonly declarationKind: string;
  readonly jsDoc?: Doc;
  readonly def?: { readonly hasBody?: boolean };
}

interface Entry {
  readonly module_doc?: Doc;
  readonly symbols: readonly {
    readonly name: string;
    readonly declarations: readonly Declaration[];
  }[];
}

/** What JSR counts: not the implementation of overloads, which no reader sees. */
function counted(declarations: readonly Declaration[]): Declaration[] {
  const shown = declarations.filter(({ declarationKind }) => declarationKind !== "private");
  const overloads = shown.length > 1 && shown.every(({ kind }) => kind === "function");
  return shown.filter(({ def }) => !(overloads && def?.hasBody));
}

const files = Object.values(config.exports);
const args = ["doc", "--json", ...Deno.args, ...files];
const { stdout, success } = await new Deno.Command(Deno.execPath(), { args }).output();
if (!success) throw new Error("deno doc failed");
const { nodes } = JSON.parse(new TextDecoder().decode(stdout)) as { nodes: Record<string, Entry> };

const missing: string[] = [];
let symbols = 0;
for (const file of files) {
  const entry = nodes[new URL(`../${file}`, import.meta.url).href];
  const tags = entry.module_doc?.tags ?? [];
  if (!entry.module_doc?.doc) missing.push(`${file} has no documentation`);
  if (!tags.some(({ kind }) => kind === "example")) missing.push(`${file} has no example`);
  for (const { name, declarations } of entry.symbols) {
    for (const { jsDoc } of counted(declarations)) {
      symbols++;
      if (!jsDoc?.doc) missing.push(`${file}: ${name}`);
    }
  }
}
if (symbols === 0) throw new Error("deno doc has found no symbol");
if (missing.length > 0) {
  console.error(`JSR counts ${missing.length} as undocumented:\n  ${missing.join("\n  ")}`);
  Deno.exit(1);
}
console.log(`JSR counts all ${symbols} symbols as documented`);
