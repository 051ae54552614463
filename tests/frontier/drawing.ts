/**
 * A drawing of the frontier: one panel for each network, with the p99 against the bytes. The same
 * points give the same drawing.
 *
 * Run alone, it draws a file of `deno task frontier --json`: `drawing.ts RESULTS SVG`.
 *
 * @module
 */
import { drawing, text, ticks } from "../measure/svg.ts";
import { TROUBLES } from "./grid.ts";
import type { Line } from "./report.ts";

const COLUMNS = 2;
/** The size of a panel and of its parts, in pixels. */
const PANEL = { width: 450, height: 320, left: 52, right: 16, top: 52, bottom: 46 };
const FOOT = 46;
const OURS = "#2563eb";
const THEIRS = "#b45309";
const AXIS = "#9ca3af";
const RADIUS = 4;
/** The width of a letter and the height of a line in a label, in pixels. */
const LETTER = 6.1;
const LINE = 12;

/** A rectangle that is taken. */
interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** A point at its place in the drawing. */
interface Placed {
  readonly x: number;
  readonly y: number;
  readonly line: Line;
}

function overlap(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

/** The points that no other has both fewer bytes and a lower p99 than, by rising bytes. */
export function frontierOf(lines: readonly Line[]): Line[] {
  const sorted = lines.toSorted((a, b) => a.bytes - b.bytes || a.p99 - b.p99);
  let best = Infinity;
  return sorted.filter(({ p99 }) => p99 < best && ((best = p99), true));
}

/** Places where the label of a point may be, the best one first: its box, given its width. */
function* places(x: number, y: number, width: number): Generator<Box> {
  const near = RADIUS + 3;
  for (let away = 0; away <= 60; away += LINE / 2) {
    for (const dy of away === 0 ? [0] : [-away, away]) {
      const top = y + dy - LINE / 2;
      yield { left: x + near, right: x + near + width, top, bottom: top + LINE };
      yield { left: x - near - width, right: x - near, top, bottom: top + LINE };
      if (away >= near + LINE / 2) {
        yield { left: x - width / 2, right: x + width / 2, top, bottom: top + LINE };
      }
    }
  }
}

/** Draws the points of one cell. */
function panel(lines: readonly Line[], left: number, top: number): string[] {
  const parts: string[] = [];
  const x0 = left + PANEL.left;
  const x1 = left + PANEL.width - PANEL.right;
  const y0 = top + PANEL.height - PANEL.bottom;
  const y1 = top + PANEL.top;
  const maxBytes = 1 + Math.max(0.2, 1.12 * (Math.max(...lines.map(({ bytes }) => bytes)) - 1));
  const maxDelay = 1.1 * Math.max(...lines.map(({ p99 }) => p99));
  const toX = (bytes: number) => x0 + (bytes - 1) / (maxBytes - 1) * (x1 - x0);
  const toY = (delay: number) => y0 - delay / maxDelay * (y0 - y1);

  const { application, way, roundTrip, trouble } = lines[0];
  const title = TROUBLES.find(({ name }) => name === trouble)?.title ?? trouble;
  const words = `${application}, ${way.replace("-", " ")}, ${roundTrip} ms: ${title}`;
  parts.push(text(x0, top + 24, words, `font-weight="bold"`));
  parts.push(`<path d="M${x0} ${y1}V${y0}H${x1}" fill="none" stroke="${AXIS}"/>`);
  const small = `font-size="11" fill="#4b5563"`;
  for (const delay of ticks(0, maxDelay)) {
    const y = toY(delay).toFixed(1);
    parts.push(`<path d="M${x0} ${y}H${x1}" stroke="#e5e7eb"/>`);
    parts.push(text(x0 - 6, Number(y) + 4, `${delay}`, small, "end"));
  }
  for (const percent of ticks(100, 100 * maxBytes)) {
    const x = toX(percent / 100);
    parts.push(`<path d="M${x.toFixed(1)} ${y0}v4" stroke="${AXIS}"/>`);
    parts.push(text(x, y0 + 17, `${percent} %`, small, "middle"));
  }
  parts.push(text(x1, y0 + 34, "bytes, of what is needed without loss", small, "end"));
  parts.push(text(x0 - 36, y1 - 4, "p99 one way, ms", small));

  const taken: Box[] = [];
  const placed: Placed[] = [];
  for (const [color, mine] of [[THEIRS, false], [OURS, true]] as const) {
    const own = lines.filter(({ implementation }) => (implementation === "ours") === mine);
    const steps = frontierOf(own).map(({ bytes, p99 }, i) => {
      const [x, y] = [toX(bytes).toFixed(1), toY(p99).toFixed(1)];
      return i === 0 ? `M${x} ${y}` : `H${x}V${y}`;
    });
    if (steps.length > 1) {
      const path = `d="${steps.join("")}" fill="none" stroke="${color}" stroke-opacity="0.35"`;
      parts.push(`<path ${path}/>`);
    }
    for (const line of own) {
      const [x, y] = [toX(line.bytes), toY(line.p99)];
      placed.push({ x, y, line });
      taken.push({ left: x - RADIUS, right: x + RADIUS, top: y - RADIUS, bottom: y + RADIUS });
      const at = `cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${RADIUS}"`;
      parts.push(`<circle ${at} fill="${color}" fill-opacity="0.85"/>`);
    }
  }
  const frame: Box = { left: x0 + 2, right: x1 + PANEL.right, top: y1 - 2, bottom: y0 - 1 };
  for (const { x, y, line } of placed) {
    const ours = line.implementation === "ours";
    const label = ours ? line.configuration : `kcp-go ${line.configuration}`;
    const width = LETTER * label.length;
    const all = [...places(x, y, width)].filter((box) =>
      box.left >= frame.left && box.right <= frame.right && box.top >= frame.top &&
      box.bottom <= frame.bottom
    );
    const box = all.find((box) => !taken.some((other) => overlap(box, other))) ?? all[0];
    if (!box) continue;
    taken.push(box);
    const middle = (box.top + box.bottom) / 2;
    if (Math.abs(middle - y) > LINE) {
      // A line leads from the point to a label that is not beside it.
      const end = Math.min(Math.max(x, box.left), box.right);
      const edge = middle > y ? box.top : box.bottom;
      const way = `M${x.toFixed(1)} ${y.toFixed(1)}L${end.toFixed(1)} ${edge.toFixed(1)}`;
      parts.push(`<path d="${way}" stroke="${ours ? OURS : THEIRS}" stroke-width="0.6"/>`);
    }
    const style = `font-size="11" fill="${ours ? OURS : THEIRS}"`;
    parts.push(text(box.left, box.bottom - 2.5, label, style));
  }
  return parts;
}

/**
 * Draws points. A cell in which every point has the same p99 is left out.
 *
 * @param lines The points: those of one cell follow each other.
 * @param foot What is printed below.
 * @returns The drawing, as SVG.
 */
export function draw(lines: readonly Line[], foot = ""): string {
  const all = Map.groupBy(
    lines,
    ({ application, way, roundTrip, trouble }) => `${application} ${way} ${roundTrip} ${trouble}`,
  );
  const cells = [...all.values()].filter((points) =>
    points.some(({ p99 }) => p99 !== points[0].p99)
  );
  const parts: string[] = [];
  cells.forEach((points, i) => {
    const left = i % COLUMNS * PANEL.width;
    const top = Math.floor(i / COLUMNS) * PANEL.height;
    parts.push(...panel(points, left, top));
  });
  const width = Math.min(COLUMNS, cells.length) * PANEL.width;
  const below = Math.ceil(cells.length / COLUMNS) * PANEL.height;
  const key = "Blue: this module. Brown: kcp-go. The lower and the further left, the better.";
  const same = cells.length < all.size
    ? " Networks without any difference in p99 are left out."
    : "";
  parts.push(text(16, below + 14, key + same, `font-size="11"`));
  parts.push(text(16, below + 30, foot, `font-size="11"`));
  return drawing(width, below + FOOT, parts);
}

/** The line below a drawing, from the first line of the results and a point. */
export function footOf(
  head: { readonly time: string; readonly kcpGo: string | null },
  lines: readonly Line[],
): string {
  const { sessions, sessionSeconds } = lines[0];
  return `${head.time === "real" ? "Real" : "Virtual"} time, ${sessions} sessions of ` +
    `${sessionSeconds} s for each point${head.kcpGo ? `, kcp-go ${head.kcpGo}` : ""}.`;
}

if (import.meta.main) {
  const [results, svg] = Deno.args;
  const [head, ...lines] = (await Deno.readTextFile(results)).trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  await Deno.writeTextFile(svg, draw(lines, footOf(head, lines)));
}
