/**
 * A drawing of the paths: for each row its figures, one dot for each configuration, and the aims as
 * bars. The same figures give the same drawing.
 *
 * Run alone, it draws a file of `deno task paths --json`: `drawing.ts RESULTS SVG`.
 *
 * @module
 */
import { drawing, text, ticks } from "../measure/svg.ts";
import { type FigureName, FIGURES } from "./figures.ts";
import { GROUPS } from "./grid.ts";
import type { Line, Verdict } from "./report.ts";

/** Sizes in pixels. */
const LABELS = 190;
const PANEL = { width: 220, gap: 26 };
const RIGHT = 16;
const HEAD = 56;
const ROW = 22;
const AXIS = 34;
const RADIUS = 3.5;
/** The dots of a row lie within this height. */
const SPREAD = 16;
const COLORS = ["#2563eb", "#b45309", "#059669", "#7c3aed", "#dc2626", "#0891b2", "#4b5563"];
const SMALL = `font-size="11" fill="#4b5563"`;

/** A figure that is drawn, and where its axis ends. Larger values lie on the end. */
interface Panel {
  readonly figure: FigureName;
  readonly from: number;
  readonly to: number;
}

const share = (figure: FigureName): Panel => ({ figure, from: 0, to: 1 });

const OF_ONE: readonly Panel[] = [
  share("possible"),
  { figure: "sent", from: 1, to: 2.5 },
  { figure: "queueProducts", from: 0, to: 1.5 },
  { figure: "rounds", from: 0, to: 30 },
];

/** What is drawn of each group. */
const PANELS: Readonly<Record<keyof typeof GROUPS, readonly Panel[]>> = {
  single: OF_ONE,
  rates: OF_ONE,
  changes: [
    { figure: "recovery", from: 0, to: 50 },
    { figure: "sent", from: 1, to: 2.5 },
    { figure: "queue", from: 0, to: 400 },
    { figure: "queue95", from: 0, to: 1000 },
  ],
  fairness: [
    share("jain"),
    share("first"),
    share("lost"),
    { figure: "queueProducts", from: 0, to: 1.5 },
  ],
  game: [
    { figure: "late99", from: 0, to: 150 },
    { figure: "late50", from: 0, to: 150 },
    share("rate"),
    { figure: "sent", from: 1, to: 2.5 },
  ],
  requests: [
    { figure: "time50Rounds", from: 0, to: 20 },
    { figure: "time95Rounds", from: 0, to: 20 },
  ],
};

/** The bars of the aims of a figure: those of all configurations. */
function limitsOf(lines: readonly Line[], figure: FigureName): number[] {
  const verdicts: readonly Verdict[] = lines.flatMap((line) => line.verdicts);
  const found = verdicts.filter((each) => each.figure === figure)
    .flatMap(({ least, most }) => [least, most]);
  return [...new Set(found.filter((limit) => limit !== undefined))];
}

/** Draws one group below `top`. Returns its height. */
function group(lines: readonly Line[], top: number, colors: Map<string, string>, parts: string[]) {
  const name = lines[0].group;
  const rows = [...Map.groupBy(lines, ({ row }) => row)];
  const below = top + HEAD + rows.length * ROW;
  parts.push(text(16, top + 20, GROUPS[name].title, `font-weight="bold"`));
  rows.forEach(([row], i) => {
    const y = top + HEAD + (i + 0.5) * ROW;
    parts.push(text(LABELS - 10, y + 4, row, `font-size="12"`, "end"));
  });
  PANELS[name].forEach(({ figure, from, to }, n) => {
    const x0 = LABELS + n * (PANEL.width + PANEL.gap);
    const x1 = x0 + PANEL.width;
    const toX = (value: number) =>
      x0 + (Math.min(to, Math.max(from, value)) - from) / (to - from) * (x1 - x0);
    const { title, unit } = FIGURES[figure];
    const [scale, suffix] = unit === "%" ? [100, " %"] : [1, unit === "x" ? "" : ` ${unit}`];
    parts.push(text(x0, top + HEAD - 10, title, SMALL));
    for (const tick of ticks(from * scale, to * scale)) {
      const x = toX(tick / scale).toFixed(1);
      parts.push(`<path d="M${x} ${top + HEAD}V${below}" stroke="#e5e7eb"/>`);
      parts.push(text(Number(x), below + 14, `${Number(tick.toFixed(6))}`, SMALL, "middle"));
    }
    parts.push(text(x1, below + 27, suffix.trim(), SMALL, "end"));
    rows.forEach(([, own], i) => {
      const y = top + HEAD + (i + 0.5) * ROW;
      parts.push(`<path d="M${x0} ${y}H${x1}" stroke="#f3f4f6"/>`);
      for (const limit of limitsOf(own, figure)) {
        const x = toX(limit).toFixed(1);
        parts.push(`<path d="M${x} ${y - 8}v16" stroke="#111827" stroke-width="1.5"/>`);
      }
      own.forEach((line, k) => {
        const value = line[figure];
        // JSON has no Infinity: what was never reached is null.
        if (value === undefined || Number.isNaN(value)) return;
        // The dots of a row lie a little apart, so that equal ones can be seen.
        const at = (y + (k - (own.length - 1) / 2) * SPREAD / own.length).toFixed(1);
        const x = toX(value ?? Infinity);
        const color = colors.get(line.configuration);
        // A rate is a little more than all of the link while a queue drains.
        const past = (value ?? Infinity) > 1.02 * to;
        parts.push(
          past
            ? `<path d="M${x1 - 3} ${Number(at) - 3.5}l7 3.5l-7 3.5z" fill="${color}"/>`
            : `<circle cx="${x.toFixed(1)}" cy="${at}" r="${RADIUS}" fill="${color}" ` +
              `fill-opacity="0.85"/>`,
        );
      });
    });
  });
  return HEAD + rows.length * ROW + AXIS;
}

/**
 * Draws figures.
 *
 * @param lines The figures: those of one row follow each other.
 * @returns The drawing, as SVG.
 */
export function draw(lines: readonly Line[]): string {
  const names = [...new Set(lines.map(({ configuration }) => configuration))];
  const colors = new Map(names.map((name, i) => [name, COLORS[i % COLORS.length]]));
  const parts: string[] = [];
  let x = 16;
  for (const [name, color] of colors) {
    parts.push(`<circle cx="${x + 4}" cy="22" r="${RADIUS}" fill="${color}"/>`);
    parts.push(text(x + 14, 26, name));
    x += 30 + 8 * name.length;
  }
  parts.push(
    text(x + 10, 26, "Bars are aims. A triangle lies beyond the end of the axis.", SMALL),
  );
  let top = 36;
  for (const own of Map.groupBy(lines, ({ group }) => group).values()) {
    top += group(own, top, colors, parts);
  }
  const width = LABELS + 4 * PANEL.width + 3 * PANEL.gap + RIGHT;
  return drawing(width, top + 8, parts);
}

if (import.meta.main) {
  const [results, svg] = Deno.args;
  const lines = (await Deno.readTextFile(results)).trim().split("\n").slice(1)
    .map((line) => JSON.parse(line));
  await Deno.writeTextFile(svg, draw(lines));
}
