/**
 * Tables and lines of JSON of what was measured.
 *
 * @module
 */
import { type FigureName, FIGURES, type Figures, format } from "./figures.ts";
import {
  type Aim,
  applies,
  type Configuration,
  configurationOf,
  describe,
  GROUPS,
  type Row,
  uncontrolled,
} from "./grid.ts";
import type { Outcome } from "./measure.ts";

/** An aim, and whether it was met. */
export interface Verdict {
  readonly figure: FigureName;
  readonly least?: number;
  readonly most?: number;
  readonly value: number;
  readonly met: boolean;
}

/** One configuration on one row: a line of JSON. Figures are means of all seeds. */
export interface Line extends Figures {
  /** The group, the row and the configuration. */
  readonly name: string;
  /** The first figure of the group. */
  readonly value: number;
  readonly unit: string;
  readonly group: keyof typeof GROUPS;
  readonly row: string;
  readonly configuration: string;
  readonly seeds: number;
  /** For how long each run sent. */
  readonly seconds: number;
  /** Of the first seed: see {@linkcode Outcome}. */
  readonly shape: readonly number[];
  readonly shares: readonly number[];
  readonly verdicts: readonly Verdict[];
}

/** Compares figures with the aims of a row that are for this configuration. */
export function judge(row: Row, configuration: Configuration, figures: Figures): Verdict[] {
  const kind = uncontrolled(configuration) ? "uncontrolled" : "controlled";
  return row.aims.filter((aim) => aim.for === undefined || aim.for === kind).map((aim) => {
    const { figure, least = -Infinity, most = Infinity }: Aim = aim;
    const value = figures[figure] ?? NaN;
    return {
      figure,
      ...aim.least !== undefined && { least: short(least) },
      ...aim.most !== undefined && { most: short(most) },
      value: short(value),
      met: value >= least && value <= most,
    };
  });
}

/** The means of the figures of several runs. */
export function meanOf(outcomes: readonly Outcome[]): Figures {
  const all = Object.keys(outcomes[0].figures) as FigureName[];
  return Object.fromEntries(all.map((name) => [
    name,
    outcomes.reduce((total, { figures }) => total + figures[name]!, 0) / outcomes.length,
  ]));
}

/** Five digits of a figure. */
const short = (value: number) => Number(value.toPrecision(5));

/** What one configuration on one row gave. */
export function lineOf(
  row: Row,
  configuration: Configuration,
  outcomes: readonly Outcome[],
  seconds: number,
): Line {
  const figures = meanOf(outcomes);
  const [main] = GROUPS[row.group].columns;
  const round = (list: readonly number[]) => list.map((value) => Math.round(1000 * value) / 1000);
  return {
    name: `${row.group}/${row.name}/${configuration.name}`,
    value: short(figures[main] ?? NaN),
    unit: FIGURES[main].unit,
    group: row.group,
    row: row.name,
    configuration: configuration.name,
    seeds: outcomes.length,
    seconds,
    ...Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, short(value)])),
    shape: round(outcomes[0].shape),
    shares: round(outcomes[0].shares),
    verdicts: judge(row, configuration, figures),
  };
}

const BARS = "▁▂▃▄▅▆▇█";

/** The rates of the first round trips as bars; the highest bar is the final rate or more. */
export function bars(shape: readonly number[]): string {
  return shape.map((share) => BARS[Math.min(7, Math.floor(8 * Math.max(0, share) / 1.0001))])
    .join("");
}

/** What missed its aim, in words. */
function missed(verdicts: readonly Verdict[]): string {
  const failed = verdicts.filter(({ met }) => !met).map(({ figure, value, least, most }) => {
    const limit = most !== undefined && !(value <= most)
      ? `> ${format(figure, most)}`
      : `< ${format(figure, least)}`;
    return `${headOf(figure)} ${format(figure, value)} ${limit}`;
  });
  if (verdicts.length === 0) return "";
  return failed.length === 0 ? "  all met" : `  missed: ${failed.join(", ")}`;
}

const NAME = 24;
const OWN = 12;
const COLUMN = 11;

/** The head of a column: the figure, with its unit where the values do not show it. */
function headOf(name: FigureName): string {
  const { short, unit } = FIGURES[name];
  return ["BDP", "RTT", "ms"].includes(unit) ? `${short} ${unit}` : short;
}

function widthOf(name: FigureName): number {
  return Math.max(COLUMN, headOf(name).length + 2);
}

/** What was measured so far. */
export class Report {
  readonly lines: Line[] = [];
  /** How many runs failed. */
  failures = 0;
  #group = "";

  /** Prints the heading of a group. */
  #begin(group: keyof typeof GROUPS): void {
    if (group === this.#group) return;
    this.#group = group;
    const { title, columns } = GROUPS[group];
    const head = columns.map((name) => headOf(name).padStart(widthOf(name)));
    console.log(`\n${title}\n${" ".repeat(NAME + OWN)}${head.join("")}`);
  }

  /** Prints what the configurations gave on a row. */
  show(
    row: Row,
    results: readonly { configuration: Configuration; line: Line | string[] }[],
  ): void {
    this.#begin(row.group);
    console.log(`${row.name.padEnd(NAME)} ${describe(row)}`);
    for (const { configuration, line } of results) {
      if (Array.isArray(line)) {
        this.failures += line.length;
        for (const reason of line) console.log(`  ${configuration.name}: ${reason}`);
        continue;
      }
      this.lines.push(line);
      const { columns } = GROUPS[row.group];
      const figures = columns.map((name) => format(name, line[name]).padStart(widthOf(name)));
      const shape = line.shape.length > 0 ? `  ${bars(line.shape)}` : "";
      console.log(
        `${" ".repeat(NAME)}${configuration.name.padEnd(OWN)}${figures.join("")}${shape}${
          missed(line.verdicts)
        }`,
      );
    }
  }

  /** Prints how many aims each configuration met. */
  summary(configurations: readonly Configuration[], seconds: number): void {
    console.log(`\n${this.lines.length} rows, ${seconds.toFixed(0)} s`);
    for (const { name } of configurations) {
      const verdicts = this.lines.filter(({ configuration }) => configuration === name)
        .flatMap((line) => line.verdicts);
      if (verdicts.length === 0) continue;
      const met = verdicts.filter(({ met }) => met).length;
      console.log(`${name.padEnd(OWN)} meets ${met} of ${verdicts.length} aims`);
    }
  }

  /** Prints which rows this version cannot run. */
  leftOut(rows: readonly Row[], configurations: readonly Configuration[]): void {
    const none = rows.filter((row) => !configurations.some((each) => applies(row, each)));
    const missing = rows.flatMap(({ flows }) => flows.map(({ of }) => of))
      .filter((name) => name !== undefined && !configurationOf(name));
    if (none.length === 0) return;
    const why = missing.length > 0
      ? `: this version has no ${[...new Set(missing)].join(" and no ")}`
      : "";
    console.log(`Left out are ${none.map(({ name }) => name).join(", ")}${why}`);
  }
}
