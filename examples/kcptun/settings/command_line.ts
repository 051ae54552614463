import { type Flag, flagsOf, type Value } from "./flags.ts";
import { nearest } from "./nearest.ts";
import type { Side } from "./settings.ts";
import { allowed, parseValue } from "./values.ts";

/** What stands on a command line. */
export interface CommandLine {
  /** The values of the flags that it has, by the names of the flags. */
  readonly values: ReadonlyMap<string, Value>;
  /** What the program is asked to print instead of running. */
  readonly print: "help" | "version" | { readonly completion: string } | null;
  /** What is wrong. */
  readonly problems: readonly string[];
  /** What is odd, but not wrong. */
  readonly warnings: readonly string[];
}

/** Finds a flag by its name or short name, without hyphens. */
function find(flags: readonly Flag[], name: string): Flag | undefined {
  return flags.find((flag) => flag.name === name || flag.short === name);
}

/** A flag of the other program, or the flag that may have been meant, as the end of a message. */
function hint(side: Side, flags: readonly Flag[], name: string): string {
  const other = side === "client" ? "server" : "client";
  if (find(flagsOf(other), name)) return `, only the ${other} has it`;
  const known = flags.flatMap(({ name, short }) => short ? [name, short] : [name]);
  const near = nearest(name, [...known, "help", "version", "completion"]);
  return near === null ? ": --help shows the flags" : `: did you mean --${near}?`;
}

/**
 * Reads a command line as the package `flag` of Go does, which kcptun uses: a flag has one or two
 * hyphens, its value follows as the next argument or after `=`, a switch has a value only after `=`,
 * and the flags end at `--` or at the first argument that is no flag.
 *
 * @param args The arguments of the program, without its name.
 */
export function parseCommandLine(side: Side, args: readonly string[]): CommandLine {
  const flags = flagsOf(side);
  const values = new Map<string, Value>();
  const problems: string[] = [];
  const warnings: string[] = [];
  let print: CommandLine["print"] = null;
  let at = 0;
  for (; at < args.length; at++) {
    const parts = /^--?([^-=][^=]*)(?:=([^]*))?$/.exec(args[at]);
    if (!parts) {
      if (/^--?./.test(args[at]) && args[at] !== "--") {
        problems.push(`Cannot read argument ${at + 1}: it is no flag`);
        continue;
      }
      break;
    }
    const [shown, name, attached] = [args[at].split("=", 1)[0], parts[1], parts[2]];
    if (name === "help" || name === "h" || name === "version" || name === "v") {
      print ??= name.startsWith("h") ? "help" : "version";
      continue;
    }
    const flag = find(flags, name);
    if (!flag && name !== "completion") {
      problems.push(`There is no flag ${shown}${hint(side, flags, name)}`);
      continue;
    }
    if (flag?.type.kind === "switch" && attached === undefined) {
      values.set(flag.name, true);
      continue;
    }
    const written = attached ?? args[++at];
    if (written === undefined) {
      problems.push(`Cannot set ${shown}: its value is missing`);
    } else if (!flag) {
      print ??= { completion: written };
    } else {
      const value = parseValue(flag.type, written);
      if (value === null) {
        problems.push(
          `Cannot set ${shown} to ${JSON.stringify(written)}: allowed are ${allowed(flag.type)}`,
        );
      } else {
        values.set(flag.name, value);
      }
    }
  }
  if (args[at] === "--") at++;
  if (at < args.length) {
    // The arguments are not shown: they may be parts of a key with spaces.
    const asSwitch = ["true", "false"].includes(args[at])
      ? ". A switch takes its value after =, as in --nocomp=true"
      : "";
    warnings.push(
      `The flags end before argument ${at + 1}, which is no flag: it and the ` +
        `${args.length - at - 1} after it have no effect${asSwitch}`,
    );
  }
  return { values, print, problems, warnings };
}
