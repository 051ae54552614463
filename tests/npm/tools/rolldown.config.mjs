/**
 * The JavaScript of the npm package: a module for each entry, and chunks that they share. A chunk
 * loads in a fraction of the time that its modules take. It holds modules of one room that the same
 * entries need: so an application whose bundler drops unused chunks does not carry other rooms. The
 * comments stay in the declarations.
 *
 * `ENTRIES` holds the entries as JSON: names, and paths from the root. `FOLDER` is where they go.
 */
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** The room of a module, such as `session` for transport/session/pipeline.ts. */
function roomOf(id) {
  const [top, ...below] = id.slice(root.length).split(/[/\\]/);
  if (top !== "transport") return top;
  return below.length > 1 ? below.at(-2) : null;
}

export default {
  cwd: root,
  input: JSON.parse(process.env.ENTRIES),
  platform: "neutral",
  external: [/^@noble\//, /^node:/],
  transform: { target: "es2022" },
  output: {
    dir: process.env.FOLDER,
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: ({ name }) => `chunks/${name.split("~")[0]}.js`,
    codeSplitting: {
      // A room imports only from rooms below it, so chunks do not need each other in a circle.
      includeDependenciesRecursively: false,
      groups: [{ name: roomOf, entriesAware: true }],
    },
    comments: { jsdoc: false, annotation: true, legal: true },
  },
};
