/**
 * How much the npm package adds to the bundle of an application, and how long its entries take to
 * load.
 *
 * @module
 */
import { gzipSync } from "node:zlib";
import { markdownTable, readTable, writeTable } from "../readme/marked_table.ts";
import type { Consumer } from "./consumer.ts";
import { ENTRIES } from "./manifest.ts";

const COMMAND = "deno task npm --readme";

/** By how much a size in the README may differ from the real one, as a factor. */
const TOLERANCE = 1.1;

/** How often an entry is loaded. The fastest counts: other programs disturb the others. */
const LOADS = 5;

/** The rooms of connections over datagrams of any kind. */
const CONNECTIONS = ["kcp", "fec", "crypt", "session", "connection"];

/** The rooms of connections over UDP, whatever the runtime. */
const SOCKETS = [...CONNECTIONS, "runtime", "deno", "node", "linux"];

/** What applications import: exports, their entry, and the rooms that these need. */
const IMPORTS: [names: string[], subpath: string, rooms: string[]][] = [
  [["Kcp"], "./kcp", ["kcp"]],
  [["Session", "Endpoint"], "./transport", ["kcp", "fec", "crypt", "session"]],
  [["connectOn", "listenOn"], "./transport", CONNECTIONS],
  [["connect", "listen"], "./node", [...CONNECTIONS, "node"]],
  [["connect", "listen"], ".", SOCKETS],
  [["connectMux", "listenMux"], "./mux", [...SOCKETS, "mux", "machine"]],
  [["connect", "listen"], "./webtransport", [...CONNECTIONS, "webtransport"]],
  [["connect", "listen"], "./webrtc", [...CONNECTIONS, "webrtc"]],
  [["createCipher"], "./crypt", ["kcp", "crypt"]],
  [["chacha20Poly1305"], "./crypt", ["kcp", "crypt"]],
  [["aesGcm"], "./crypt", ["kcp", "crypt"]],
  [["ReedSolomon"], "./fec", ["kcp", "fec"]],
];

/** What is imported, minified, in bytes, and the same compressed by gzip. */
export interface Size {
  readonly what: string;
  readonly minified: number;
  readonly gzip: number;
}

/**
 * Bundles an application for each size.
 *
 * @throws {Error} If an application carries a part of the package that it does not need, or one for
 * browsers needs Node.js.
 */
export async function measureSizes(consumer: Consumer): Promise<Size[]> {
  const sizes: Size[] = [];
  const measure = async (what: string, source: string, node: boolean, rooms?: string[]) => {
    const { code, files } = await consumer.bundle(source, node);
    sizes.push({ what, minified: code.length, gzip: gzipSync(code, { level: 9 }).length });
    // The chunks of a room have its name, and a number if there are several.
    const others = files.filter((file) => {
      const [, room] = /^chunks\/([a-z]+)\d*\.js$/.exec(file) ?? [];
      return rooms && room && !rooms.includes(room);
    });
    if (others.length > 0) throw new Error(`An import of ${what} carries ${others.join(", ")}`);
  };
  for (const [names, subpath, rooms] of IMPORTS) {
    const entry = subpath === "." ? "the root" : `\`${subpath.slice(1)}\``;
    const what = `${names.map((name) => `\`${name}\``).join(" and ")} of ${entry}`;
    const specifier = consumer.specifierOf(subpath);
    await measure(
      what,
      `export { ${names.join(", ")} } from "${specifier}";`,
      subpath === "./node",
      rooms,
    );
  }
  const all = Object.keys(ENTRIES).map((subpath, i) =>
    `export * as entry${i} from "${consumer.specifierOf(subpath)}";`
  );
  await measure("everything", all.join("\n"), true);
  return sizes;
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`;
}

/** The sizes as a table in Markdown. */
export function tableOf(sizes: readonly Size[]): string {
  const head = ["import", "minified", "minified, gzip"];
  const rows = sizes.map((
    { what, minified, gzip },
  ) => [what, kilobytes(minified), kilobytes(gzip)]);
  return markdownTable([head, ...rows]);
}

/** Writes the sizes into the README. */
export function writeSizes(sizes: readonly Size[]): Promise<void> {
  return writeTable(COMMAND, tableOf(sizes));
}

/**
 * Compares the sizes with those in the README.
 *
 * @throws {Error} If the README lacks one, or one differs by more than a tenth.
 */
export async function checkSizes(sizes: readonly Size[]): Promise<void> {
  const rows = (await readTable(COMMAND)).split("\n").map((line) => line.split("|"));
  const wrong = sizes.filter(({ what, minified, gzip }) => {
    const cells = rows.find(([, cell]) => cell?.trim() === what) ?? [];
    return [minified, gzip].some((size, i) => {
      const factor = size / (1000 * parseFloat(cells[2 + i]));
      return !(factor < TOLERANCE && factor > 1 / TOLERANCE);
    });
  });
  if (wrong.length === 0) return;
  throw new Error(`The README has old sizes: run ${COMMAND}. The sizes are\n${tableOf(wrong)}`);
}

/** The processor time that it takes to load each entry on Node.js, in ms. */
export async function measureLoading(consumer: Consumer): Promise<Map<string, number>> {
  const times = new Map<string, number>();
  for (const subpath of Object.keys(ENTRIES)) {
    const loads: number[] = [];
    for (let i = 0; i < LOADS; i++) loads.push(await consumer.timeToLoad(subpath));
    times.set(subpath, Math.min(...loads));
  }
  return times;
}
