/**
 * What a runtime has reported.
 *
 * @module
 */
import type { Result } from "../suite/mod.ts";

/** One line of a program that runs the suite. */
export type Line =
  | Result
  | { readonly version: string }
  | { readonly done: true }
  | { readonly broken: string };

/** The name of the row for what ends a whole run. */
export const WHOLE_RUN = "the whole run";

/** The results of one column of the matrix. */
export class Outcome {
  readonly results: Result[] = [];
  /** The version of the runtime. */
  version = "";
  /** Why the runtime is not there, or null. */
  missing: string | null = null;
  #done = false;

  /** Takes a line. */
  take(line: Line): void {
    if ("version" in line) this.version = line.version;
    else if ("done" in line) this.#done = true;
    else if ("broken" in line) this.fail(line.broken);
    else this.results.push(line);
  }

  /** Whether the suite has run to its end. */
  get done(): boolean {
    return this.#done;
  }

  /** Counts a failure of the run itself. */
  fail(message: string): void {
    this.results.push({ row: WHOLE_RUN, name: WHOLE_RUN, ok: false, ms: 0, message });
  }

  /** Turns a result into a failure. */
  refute(result: Result, message: string): void {
    this.results[this.results.indexOf(result)] = { ...result, ok: false, message };
  }

  /** The checks that have failed. */
  get failures(): Result[] {
    return this.results.filter(({ ok }) => !ok);
  }
}
