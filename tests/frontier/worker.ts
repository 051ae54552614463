/**
 * Runs sessions of this module in a worker that mod.ts started.
 *
 * @module
 */
import type { SessionOptions } from "../../mod.ts";
import { serve } from "../measure/lanes.ts";
import { runSession, type SessionJob, type SessionResult } from "./session.ts";

/** Sessions with the same settings. */
export interface Task {
  readonly jobs: readonly SessionJob[];
  readonly options: SessionOptions;
}

/** What the worker answers: a result for each job, or why the session failed. */
export type Answer = readonly (SessionResult | string)[];

serve<Task, Answer>(({ jobs, options }) =>
  jobs.map((job) => {
    try {
      return runSession(job, options);
    } catch (error) {
      return (error as Error).message;
    }
  })
);
