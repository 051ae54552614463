/**
 * Tables and lines of JSON of what was measured.
 *
 * A line of JSON is one point. `name`, `value` (the p99), `unit`, `peer`, `peerValue` and `ratio` are
 * those of `deno task bench --json`; the peer is kcp-go with the same configuration. The other members
 * are those of {@linkcode Point}, the parts of the cell, and `sessionSeconds`, for how long each session
 * sent.
 *
 * @module
 */
import { type Cell, nameOf } from "./grid.ts";
import { dominated, type Floor, type Point } from "./point.ts";

/** A point, its cell, and the members that `deno task bench --json` has, too. */
export interface Line extends Point {
  readonly name: string;
  readonly value: number;
  readonly unit: "ms";
  readonly peer?: "kcp-go";
  readonly peerValue?: number;
  readonly ratio?: number;
  readonly application: string;
  readonly way: string;
  /** In ms. */
  readonly roundTrip: number;
  /** A name in the list of troubles. */
  readonly trouble: string;
  readonly sessionSeconds: number;
}

const HEAD = `  ${"ms, one way".padEnd(26)}${"p50".padStart(8)}${"p99".padStart(8)}${
  " ".repeat(8)
}${"p99.9".padStart(8)}${"worst".padStart(8)}${"bytes".padStart(10)}${"packets".padStart(10)}`;

/** A line of the table. */
function row(point: Point): string {
  const { implementation, configuration, p50, p99, p99Error, p999, worst, bytes, packets } = point;
  const name = implementation === "ours" ? configuration : `kcp-go ${configuration}`;
  const ms = (value: number) => value.toFixed(1).padStart(8);
  const percent = (value: number) => `${(100 * value).toFixed(1)} %`.padStart(10);
  return `  ${name.padEnd(26)}${ms(p50)}${ms(p99)} ± ${p99Error.toFixed(1).padEnd(5)}${ms(p999)}${
    ms(worst)
  }${percent(bytes)}${percent(packets)}${disturbance(point)}`;
}

/** How much the machine disturbed a point in real time. */
function disturbance({ late, stall }: Point): string {
  if (late === undefined || stall === undefined) return "";
  return `   proxy late ${late.toFixed(1)}, stall ${stall.toFixed(0)}`;
}

/** What was measured so far. */
export class Report {
  readonly sessionSeconds: number;
  readonly lines: Line[] = [];
  /** How many sessions did not finish. */
  failures = 0;
  /** How many points of ours are dominated by one of kcp-go's: see {@linkcode dominated}. */
  pairs = 0;

  /** @param sessionSeconds For how long each session sends. */
  constructor(sessionSeconds: number) {
    this.sessionSeconds = sessionSeconds;
  }

  /** Prints the heading of a cell. */
  begin({ application, way, roundTrip, trouble }: Cell, floor: Floor): void {
    console.log(
      `\n${application.name}, ${way}, ${roundTrip} ms, ${trouble.title}; ` +
        `floor ${floor.bytes.toFixed(0)} bytes, ${floor.packets.toFixed(2)} packets a message`,
    );
    console.log(HEAD);
  }

  /** Prints why a session did not finish. */
  fail(who: string, reason: string): void {
    this.failures++;
    console.log(`  ${who}: ${reason}`);
  }

  /** Prints the points of a cell. */
  end(cell: Cell, points: readonly Point[]): void {
    for (const point of points) console.log(row(point));
    for (const { theirs, ours } of dominated(points)) {
      this.pairs++;
      console.log(
        `  kcp-go ${theirs.configuration} has a lower p99 and fewer bytes than ${ours.configuration}`,
      );
    }
    for (const point of points) this.lines.push(this.#line(cell, point, points));
  }

  #line(cell: Cell, point: Point, points: readonly Point[]): Line {
    const ours = point.implementation === "ours";
    const peer = ours
      ? points.find(({ implementation, configuration }) =>
        implementation === "kcp-go" && configuration === point.configuration
      )
      : undefined;
    return {
      name: `${nameOf(cell)}/${ours ? "" : "kcp-go/"}${point.configuration}`,
      value: point.p99,
      unit: "ms",
      ...peer && { peer: "kcp-go" as const, peerValue: peer.p99, ratio: point.p99 / peer.p99 },
      application: cell.application.name,
      way: cell.way,
      roundTrip: cell.roundTrip,
      trouble: cell.trouble.name,
      ...point,
      sessionSeconds: this.sessionSeconds,
    };
  }

  /** Prints what was run, and what it says about kcp-go. */
  summary(expected: number, minutes: number, seconds: number): void {
    console.log(
      `\n${this.lines.length} points of ${expected}, ${minutes} minutes of session time each, ` +
        `${this.failures} sessions did not finish, ${seconds.toFixed(0)} s`,
    );
    if (!this.lines.some(({ implementation }) => implementation === "kcp-go")) return;
    const times = this.pairs === 1 ? "Once" : `${this.pairs} times`;
    console.log(
      this.pairs === 0
        ? "No point of kcp-go's has both a lower p99 and fewer bytes than one of ours"
        : `${times} a point of kcp-go's has both a lower p99 and fewer bytes than one of ours`,
    );
  }
}
