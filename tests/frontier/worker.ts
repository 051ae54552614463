/**
 * Runs sessions of this module in a worker that mod.ts started.
 *
 * @module
 */
import type { SessionOptions } from "../../mod.ts";
import { runSession, type SessionJob, type SessionResult } from "./session.ts";

/** Sessions with the same settings. */
export interface Task {
  readonly jobs: readonly SessionJob[];
  readonly options: SessionOptions;
}

/** What the worker answers: a result for each job, or why the session failed. */
export type Answer = readonly (SessionResult | string)[];

interface WorkerScope {
  onmessage: ((event: { data: Task }) => void) | null;
  postMessage(answer: Answer): void;
}

const scope = globalThis as unknown as WorkerScope;
scope.onmessage = ({ data: { jobs, options } }) => {
  scope.postMessage(jobs.map((job) => {
    try {
      return runSession(job, options);
    } catch (error) {
      return (error as Error).message;
    }
  }));
};
