/**
 * Puts the settings of a program together: the defaults, the environment, the command line, and the
 * file. A later one overrides an earlier one, as in kcptun.
 *
 * @module
 */
import type { CommandLine } from "./command_line.ts";
import { parseConfigFile } from "./config_file.ts";
import { defaultsOf, flagsOf, keyOf, type Value } from "./flags.ts";
import { applyMode } from "./modes.ts";
import {
  type ClientSettings,
  type CommonSettings,
  SettingsError,
  type SettingsOf,
  type Side,
} from "./settings.ts";
import { allowed, checkValue } from "./values.ts";

/** What the settings may depend on besides the command line. */
export interface Surroundings {
  /** The value of an environment variable; undefined if there is none. */
  env(name: string): string | undefined;
  /**
   * The content of a file.
   *
   * @throws {Error} When the file can't be read.
   */
  readFile(path: string): string;
}

/** Settings, and what is odd about them. */
export interface Resolved<S extends Side> {
  readonly settings: Readonly<SettingsOf<S>>;
  readonly warnings: readonly string[];
}

/** Where a value was found. */
interface Found {
  readonly value: Value;
  /** The flag and its value as they stand there. */
  shown(value: Value): string;
}

/**
 * The settings of a program.
 *
 * @throws {SettingsError} When something is wrong. It names everything that is.
 */
export function resolveSettings<S extends Side>(
  side: S,
  line: CommandLine,
  { env, readFile }: Surroundings,
): Resolved<S> {
  const problems = [...line.problems];
  const warnings = [...line.warnings];
  const found = new Map<string, Found>();
  const key = env("KCPTUN_KEY");
  if (key !== undefined) found.set("key", { value: key, shown: () => "KCPTUN_KEY" });
  for (const [name, value] of line.values) {
    found.set(name, { value, shown: (value) => `--${name} ${value}` });
  }
  const path = found.get("c")?.value;
  if (typeof path === "string" && path !== "") {
    let text: string | null = null;
    try {
      text = readFile(path);
    } catch (error) {
      problems.push(`Cannot read ${path}: ${(error as Error).message}`);
    }
    if (text !== null) {
      const file = parseConfigFile(side, text, path);
      problems.push(...file.problems);
      warnings.push(...file.warnings);
      const flags = flagsOf(side);
      for (const [name, value] of file.values) {
        const key = keyOf(flags.find((flag) => flag.name === name)!);
        found.set(name, {
          value,
          shown: (value) => `"${key}": ${JSON.stringify(value)} in ${path}`,
        });
      }
    }
  }

  const settings = defaultsOf(side);
  for (const flag of flagsOf(side)) {
    const { name, type, refused } = flag;
    const entry = found.get(name);
    if (!entry) continue;
    const shown = name === "key" ? "the key" : entry.shown(entry.value);
    if (refused) {
      if (entry.value === true) problems.push(`Cannot use ${shown}: ${refused}`);
      continue;
    }
    const checked = checkValue(flag, entry.value, shown);
    if (!checked) {
      problems.push(`Cannot set ${shown}: allowed are ${allowed(type)}`);
      continue;
    }
    if (name in settings) settings[name] = checked.value;
    if (checked.warning) warnings.push(checked.warning);
  }
  const resolved = settings as unknown as SettingsOf<S>;
  checkTogether(side, resolved, problems, warnings);
  if (problems.length > 0) throw new SettingsError(problems);
  return { settings: Object.freeze(applyMode(resolved)), warnings };
}

/** Checks what depends on more than one setting. */
function checkTogether(
  side: Side,
  settings: CommonSettings,
  problems: string[],
  warnings: string[],
): void {
  const { datashard, parityshard, smuxbuf, streambuf, smuxver, mtu, key } = settings;
  if (datashard !== "auto" && datashard > 0 && parityshard > 0 && datashard + parityshard > 256) {
    problems.push(
      `Cannot set --datashard ${datashard} and --parityshard ${parityshard}: ` +
        "together they may be at most 256",
    );
  }
  if (smuxver === 2 && streambuf > smuxbuf) {
    problems.push(
      `Cannot set --streambuf to ${streambuf}: allowed is at most --smuxbuf, which is ${smuxbuf}`,
    );
  }
  if (mtu > 1472) {
    warnings.push(`--mtu ${mtu} is for two ends of this program only: kcptun takes at most 1472`);
  }
  if (key === defaultsOf(side).key) {
    warnings.push("The key is the default that everybody knows: set --key or KCPTUN_KEY");
  }
  if (side === "client") {
    const { autoexpire, scavengettl } = settings as ClientSettings;
    if (autoexpire > 0 && scavengettl > autoexpire) {
      warnings.push(
        `--scavengettl ${scavengettl} is more than --autoexpire ${autoexpire}: ` +
          "several old sessions live at the same time",
      );
    }
  }
}
