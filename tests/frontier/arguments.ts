/**
 * The command line of `deno task frontier`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { choose, names, number } from "../measure/choices.ts";
import {
  APPLICATIONS,
  type Cell,
  type Configuration,
  CONFIGURATIONS,
  KCP_GO_CONFIGURATIONS,
  type KcpGoConfiguration,
  ROUND_TRIPS,
  TROUBLES,
  WAYS,
} from "./grid.ts";

/** What `--help` prints. */
export const USAGE =
  `Measures how long messages take, and how many bytes that costs: of this module, and of kcp-go if
Go is there. By default it runs in virtual time, and what the README shows.

  --all          the whole grid; takes hours
  --app LIST     ${names(APPLICATIONS).join(", ")}. Default: game
  --way LIST     ${WAYS.join(", ")}. Default: both-ways
  --rtt LIST     ${ROUND_TRIPS.join(", ")} ms, or others. Default: 100
  --loss LIST    ${names(TROUBLES).join(", ")}.
                 10x3 is 10 % in bursts of 3 on average. Default: 0, 1, 5, 10, 20
  --config LIST  ${names(CONFIGURATIONS).join(", ")}.
                 kcp-go has ${names(KCP_GO_CONFIGURATIONS).join(", ")}. Default: all
  --peer WHO     kcp-go or none. Default: kcp-go
  --seeds N      sessions of each point. Default: 20
  --seconds N    for how long a session sends. Default: 60
  --jobs N       how many sessions run at once. Default: one for each core
  --json FILE    writes the points, one JSON object a line
  --svg FILE     draws them
  --help         prints this

  --real         over real sockets, through a proxy that loses packets; needs Go. The defaults are
                 --loss 5,10 --seeds 40 --seconds 30 --jobs 20
  --tries N      with --real: how often a run is made until the machine does not disturb it. Default: 3
  --linux        with --real: this module uses the sockets of /linux, not Deno's own

The bytes are compared with the floor: what this module sends for the same traffic without loss, at
the same settings and without redundancy. UDP and IP headers are not counted. Percentiles are those of
all messages of a point together. The figure behind the p99 is its standard error.`;

/** What is asked for. */
export interface Arguments {
  readonly cells: readonly Cell[];
  /** Configurations of this module. */
  readonly configurations: readonly Configuration[];
  /** Configurations of kcp-go. */
  readonly theirs: readonly KcpGoConfiguration[];
  readonly seeds: number;
  readonly seconds: number;
  readonly jobs: number;
  readonly json: string | undefined;
  readonly svg: string | undefined;
  readonly real: boolean;
  /** How often a run in real time is made until the machine does not disturb it. */
  readonly tries: number;
  readonly linux: boolean;
  /** Flags of `deno run` with which further processes find the packages. */
  readonly flags: readonly string[];
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
      all: { type: "boolean", default: false },
      app: { type: "string" },
      way: { type: "string" },
      rtt: { type: "string" },
      loss: { type: "string" },
      config: { type: "string" },
      peer: { type: "string", default: "kcp-go" },
      seeds: { type: "string" },
      seconds: { type: "string" },
      jobs: { type: "string" },
      json: { type: "string" },
      svg: { type: "string" },
      real: { type: "boolean", default: false },
      tries: { type: "string", default: "3" },
      linux: { type: "boolean", default: false },
      flags: { type: "string", default: "" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
  const { all, real } = values;
  const own = <T>(list: T[]) => all ? null : list;
  const losses = real ? ["5", "10"] : ["0", "1", "5", "10", "20"];
  const applications = choose("app", values.app, APPLICATIONS, own(["game"]));
  const ways = choose("way", values.way, WAYS.map((name) => ({ name })), own(["both-ways"]));
  const troubles = choose("loss", values.loss, TROUBLES, own(losses));
  const roundTrips = values.rtt?.split(",").map((text) => number("rtt", text)) ??
    own([100]) ?? ROUND_TRIPS;
  const configurations = choose("config", values.config, CONFIGURATIONS, null);
  if (values.peer !== "kcp-go" && values.peer !== "none") {
    throw new RangeError(`Cannot set --peer to ${values.peer}: allowed are kcp-go and none`);
  }
  const cores = navigator.hardwareConcurrency;
  return {
    cells: applications.flatMap((application) =>
      ways.flatMap(({ name: way }) =>
        roundTrips.flatMap((roundTrip) =>
          troubles.map((trouble) => ({ application, way, roundTrip, trouble }))
        )
      )
    ),
    configurations,
    theirs: values.peer === "none"
      ? []
      : KCP_GO_CONFIGURATIONS.filter(({ name }) => names(configurations).includes(name)),
    seeds: number("seeds", values.seeds ?? (real ? "40" : "20")),
    seconds: number("seconds", values.seconds ?? (real ? "30" : "60")),
    jobs: number("jobs", values.jobs ?? (real ? "20" : `${cores}`)),
    json: values.json,
    svg: values.svg,
    real,
    tries: number("tries", values.tries),
    linux: values.linux,
    flags: values.flags.split(" ").filter((flag) => flag !== ""),
  };
}
