/**
 * The package.json of the npm package.
 *
 * @module
 */
import config from "../../deno.json" with { type: "json" };

/**
 * The entries of the package: subpaths, and source files as paths from the root. The programs of
 * kcptun are left out, because they need Deno.
 */
export const ENTRIES: Record<string, string> = Object.fromEntries(
  Object.entries(config.exports)
    .filter(([subpath]) => !subpath.startsWith("./kcptun/"))
    .map(([subpath, file]) => [subpath, file.replace(/^\.\//, "")]),
);

/** The packages that the library imports, with the versions of deno.json. */
const DEPENDENCIES = Object.fromEntries(
  Object.entries(config.imports)
    .filter(([name]) => name.startsWith("@noble/"))
    .map(([name, specifier]) => [name, specifier.slice(`npm:${name}@`.length)]),
);

/**
 * Returns the package.json.
 *
 * @param repository The URL of the repository, if it is known. npm's provenance compares it with
 * the repository that the package was built from.
 */
export function manifest(repository?: string): Record<string, unknown> {
  const exports = Object.entries(ENTRIES).map(([subpath, file]) => {
    const module = `./${file.replace(/\.ts$/, "")}`;
    return [subpath, { types: `${module}.d.ts`, default: `${module}.js` }];
  });
  return {
    name: config.name,
    version: config.version,
    description: "Reliable, ordered, low-latency connections over UDP: KCP, wire-compatible with " +
      "kcp-go and the C reference",
    keywords: ["kcp", "udp", "arq", "reliable", "low-latency", "fec", "smux", "games", "tunnel"],
    license: config.license,
    ...repository === undefined
      ? {}
      : { repository: { type: "git", url: `git+${repository}.git` } },
    type: "module",
    sideEffects: false,
    engines: { node: "^20.16 || >=22.3" },
    exports: {
      ...Object.fromEntries(exports),
      "./kernels/*.wasm": { types: "./kernels/module.d.ts", default: "./kernels/*.wasm" },
      "./package.json": "./package.json",
    },
    dependencies: DEPENDENCIES,
    publishConfig: { access: "public" },
  };
}
