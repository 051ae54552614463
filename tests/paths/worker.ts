/**
 * Runs rows in a worker that mod.ts started.
 *
 * @module
 */
import { serve } from "../measure/lanes.ts";
import { CONFIGURATIONS, ROWS } from "./grid.ts";
import { type Outcome, runRow } from "./measure.ts";

/** A row to run. Names stand for what the grid has, because settings may hold functions. */
export interface Task {
  readonly row: string;
  readonly configuration: string;
  readonly seeds: number;
  readonly seconds: number;
}

/** What the worker answers: an outcome for each seed, or why the run failed. */
export type Answer = readonly (Outcome | string)[];

serve<Task, Answer>((task) => {
  const row = ROWS.find(({ name }) => name === task.row)!;
  const configuration = CONFIGURATIONS.find(({ name }) => name === task.configuration)!;
  return Array.from({ length: task.seeds }, (_, i) => {
    try {
      return runRow(row, configuration, i + 1, task.seconds);
    } catch (error) {
      return (error as Error).stack ?? (error as Error).message;
    }
  });
});
