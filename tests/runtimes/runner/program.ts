/**
 * Runs programs that print results as lines of JSON.
 *
 * @module
 */
import { Missing } from "./missing.ts";
import type { Outcome } from "./outcome.ts";

/** ms after which a program has failed: a registry may never answer. */
const TIMEOUT = 120_000;
/** Most characters of what a program prints beside its results that are shown. */
const SHOWN = 4000;

/** A program, and where it runs. */
export interface Program {
  readonly path: string;
  readonly args: readonly string[];
  /** The folder with the bundles. */
  readonly folder: string;
}

/**
 * Runs a program, and gives each line of its results to the outcome.
 *
 * @throws {Missing} When there is no such program.
 */
export async function runProgram({ path, args, folder }: Program, outcome: Outcome): Promise<void> {
  const { success, code, stdout, stderr } = await output(path, args, folder);
  let other = "";
  for (const line of stdout.split("\n")) {
    if (line.startsWith("{")) outcome.take(JSON.parse(line));
    else other += line;
  }
  if (success && outcome.done) return;
  outcome.fail(`It ended early, with code ${code}: ${(other + stderr).slice(-SHOWN)}`);
}

/** What a program prints. */
export async function output(path: string, args: readonly string[], cwd?: string): Promise<{
  readonly success: boolean;
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}> {
  const signal = AbortSignal.timeout(TIMEOUT);
  try {
    const command = new Deno.Command(path, {
      args: [...args],
      cwd,
      signal,
      env: { NO_COLOR: "1" },
    });
    const { success, code, stdout, stderr } = await command.output();
    const decoder = new TextDecoder();
    return { success, code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new Missing(`there is no program ${path}`);
    throw error;
  }
}
