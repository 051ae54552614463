/**
 * The JavaScript of the npm package: a module for each entry, and chunks that they share. A chunk
 * loads in a fraction of the time that its modules take. The comments stay in the declarations.
 *
 * `ENTRIES` holds the entries as JSON: names, and paths from the root. `FOLDER` is where they go.
 */
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));

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
    chunkFileNames: "chunks/[name].js",
    comments: { jsdoc: false, annotation: true, legal: true },
  },
};
