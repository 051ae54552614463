import { flagsOf, keyOf, type Value } from "./flags.ts";
import { nearest } from "./nearest.ts";
import type { Side } from "./settings.ts";
import { allowed, takeValue } from "./values.ts";

/** What stands in a file of settings. */
export interface ConfigFile {
  /** The values, by the names of the flags. */
  readonly values: ReadonlyMap<string, Value>;
  /** What is wrong. */
  readonly problems: readonly string[];
  /** What is odd, but not wrong. */
  readonly warnings: readonly string[];
}

/** A value of a file as a message shows it. A secret does not appear in messages. */
function show(key: string, value: unknown): string {
  return key.toLowerCase() === "key" ? "a value of another type" : JSON.stringify(value);
}

/**
 * Reads a file of settings: a JSON object whose keys are the names of the flags, in letters of any
 * case, as in kcptun. `null` leaves a setting as it is.
 *
 * @param text The content of the file.
 * @param path Its path, for messages.
 */
export function parseConfigFile(side: Side, text: string, path: string): ConfigFile {
  const values = new Map<string, Value>();
  const problems: string[] = [];
  const warnings: string[] = [];
  let content: unknown;
  try {
    content = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (error) {
    // The rest of the message may have a part of the file, and with it the key.
    const [, place = ""] = /( \(line \d+ column \d+\))/.exec((error as Error).message) ?? [];
    problems.push(`Cannot read ${path}: it is no JSON${place}`);
    return { values, problems, warnings };
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    problems.push(`Cannot read ${path}: it must be a JSON object such as { "key": "secret" }`);
    return { values, problems, warnings };
  }
  const flags = flagsOf(side);
  const keys = flags.map(keyOf).filter((key) => key !== null);
  for (const [key, value] of Object.entries(content)) {
    const flag = flags.find((flag) => keyOf(flag)?.toLowerCase() === key.toLowerCase());
    if (!flag) {
      const other = side === "client" ? "server" : "client";
      const elsewhere = flagsOf(other).some((flag) => keyOf(flag) === key.toLowerCase());
      const near = nearest(key, keys);
      const hint = elsewhere
        ? `: only the ${other} has it`
        : near === null
        ? ""
        : `: did you mean "${near}"?`;
      warnings.push(`"${key}" in ${path} is unknown and has no effect${hint}`);
      continue;
    }
    if (value === null) continue;
    const taken = takeValue(flag.type, value);
    if (taken === null) {
      problems.push(
        `Cannot set "${key}" to ${show(key, value)} in ${path}: allowed are ${allowed(flag.type)}`,
      );
    } else {
      values.set(flag.name, taken);
    }
  }
  return { values, problems, warnings };
}
