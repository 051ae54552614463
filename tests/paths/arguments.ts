/**
 * The command line of `deno task paths`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { choose, names, number } from "../measure/choices.ts";
import { type Configuration, CONFIGURATIONS, GROUPS, type Row, ROWS } from "./grid.ts";

const WIDTH = 96;

/** A list that goes on below itself. */
function wrap(list: readonly string[], indent: number): string {
  const lines = [""];
  for (const word of list) {
    const line = lines[lines.length - 1];
    if (line.length + word.length + 2 + indent > WIDTH) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line}, ${word}`;
  }
  return lines.join(`,\n${" ".repeat(indent)}`);
}

/** What `--help` prints. */
export const USAGE =
  `Measures how congestion control uses paths: rate, waste, queue, and fairness, in virtual time.

  --row LIST     ${wrap([...Object.keys(GROUPS), ...names(ROWS)], 17)}.
                 A group stands for its rows. Default: all
  --config LIST  ${wrap(names(CONFIGURATIONS), 17)}. Default: all
  --seeds N      runs of each row. Figures are means. Default: 4 for fairness, 1 for the others
  --seconds N    for how long senders send at most; rows with changes need 10 at least
  --jobs N       how many rows run at once. Default: one for each core
  --json FILE    writes the figures, one JSON object a line
  --svg FILE     draws them
  --help         prints this

Each row says which of its aims are missed. The exit code is 1 if a run fails, not for a missed aim.`;

/** What is asked for. */
export interface Arguments {
  readonly rows: readonly Row[];
  readonly configurations: readonly Configuration[];
  /** Null: as many as each row has by itself. */
  readonly seeds: number | null;
  /** At most so many seconds of each row. */
  readonly seconds: number;
  readonly jobs: number;
  readonly json: string | undefined;
  readonly svg: string | undefined;
}

/**
 * Reads the arguments.
 *
 * @returns null when help is asked for.
 * @throws {Error} When they make no sense; the message is for the user.
 */
export function parse(args: readonly string[]): Arguments | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      row: { type: "string" },
      config: { type: "string" },
      seeds: { type: "string" },
      seconds: { type: "string" },
      jobs: { type: "string", default: `${navigator.hardwareConcurrency}` },
      json: { type: "string" },
      svg: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
  const wanted = values.row?.split(",").flatMap((name) =>
    name in GROUPS ? names(ROWS.filter(({ group }) => group === name)) : [name]
  );
  return {
    rows: choose("row", wanted?.join(","), ROWS, null),
    configurations: choose("config", values.config, CONFIGURATIONS, null),
    seeds: values.seeds === undefined ? null : number("seeds", values.seeds),
    seconds: values.seconds === undefined ? Infinity : number("seconds", values.seconds),
    jobs: number("jobs", values.jobs),
    json: values.json,
    svg: values.svg,
  };
}
