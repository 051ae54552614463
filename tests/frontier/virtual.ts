/**
 * The measurement in virtual time: workers run sessions of this module, and processes run those of
 * kcp-go.
 *
 * @module
 */
import { type Lane, runOnLanes } from "../measure/lanes.ts";
import type { Arguments } from "./arguments.ts";
import { type Cell, CONFIGURATIONS, linkOf, TROUBLES } from "./grid.ts";
import { VirtualKcpGo } from "./kcp_go.ts";
import { type Floor, floorOf, type Implementation, type Point, pointOf } from "./point.ts";
import type { Report } from "./report.ts";
import { runSession, type SessionJob, type SessionResult } from "./session.ts";
import type { Answer, Task } from "./worker.ts";

/** What the sessions of one configuration gave in one cell. */
type Outcome = (SessionResult | Error)[];

/** Runs sessions of this module in a worker. */
async function runIn(lane: Lane<Task, Answer>, task: Task): Promise<Outcome> {
  const answer = await lane.run(task);
  return answer.map((each) => typeof each === "string" ? new Error(each) : each);
}

/** Something to run on a lane. */
type Work = (lane: Lane<Task, Answer>) => Promise<void>;

/** The sessions of a cell. The sessions of every configuration have the same seeds. */
function jobsOf(cell: Cell, seeds: number, seconds: number): SessionJob[] {
  const { rate, size } = cell.application;
  return Array.from({ length: seeds }, (_, i) => ({
    seed: i + 1,
    rate,
    size,
    messages: rate * seconds,
    bothWays: cell.way === "both-ways",
    link: linkOf(cell),
  }));
}

/** Measures the floor of a cell: see {@linkcode Floor}. */
export function measureFloor(cell: Cell, seconds: number): Floor {
  const [job] = jobsOf({ ...cell, trouble: TROUBLES[0] }, 1, seconds);
  return floorOf([runSession(job, CONFIGURATIONS[0].options)]);
}

/** Measures every cell, and shows each as soon as it and those before it are complete. */
export async function measureVirtual(
  { cells, configurations, theirs, seeds, seconds, jobs }: Arguments,
  report: Report,
): Promise<void> {
  const kcpGo = theirs.length > 0 ? await VirtualKcpGo.build() : null;
  const measured: readonly { implementation: Implementation; name: string }[] = [
    ...configurations.map(({ name }) => ({ implementation: "ours" as const, name })),
    ...theirs.map(({ name }) => ({ implementation: "kcp-go" as const, name })),
  ];
  const outcomes = cells.map((): Outcome[] => Array(measured.length));
  const left = cells.map(() => measured.length);
  const floors = new Map<string, Floor>();
  let shown = 0;

  const show = () => {
    for (; shown < cells.length && left[shown] === 0; shown++) {
      const cell = cells[shown];
      const key = `${cell.application.name} ${cell.way} ${cell.roundTrip}`;
      const floor = floors.get(key) ?? measureFloor(cell, seconds);
      floors.set(key, floor);
      report.begin(cell, floor);
      const points: Point[] = [];
      for (const [i, { implementation, name }] of measured.entries()) {
        const finished: SessionResult[] = [];
        for (const result of outcomes[shown][i]) {
          if (result instanceof Error) report.fail(`${implementation} ${name}`, result.message);
          else finished.push(result);
        }
        if (finished.length > 0) points.push(pointOf(implementation, name, finished, floor));
      }
      report.end(cell, points);
      outcomes[shown] = [];
    }
  };

  const work: Work[] = cells.flatMap((cell, n) => {
    const sessions = jobsOf(cell, seeds, seconds);
    const done = (i: number, outcome: Outcome) => {
      outcomes[n][i] = outcome;
      left[n]--;
      show();
    };
    return [
      ...configurations.map(({ options }, i): Work => async (lane) =>
        done(i, await runIn(lane, { jobs: sessions, options }))
      ),
      ...theirs.map(({ data, parity }, i): Work => async () => {
        const theirJobs = sessions.map((job) => ({ ...job, data, parity }));
        done(configurations.length + i, await kcpGo!.run(theirJobs));
      }),
    ];
  });
  await runOnLanes(jobs, new URL("./worker.ts", import.meta.url), work);
}
