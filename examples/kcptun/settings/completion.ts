/**
 * Completion scripts for shells. They complete flags, and the values of those that have few.
 *
 * @module
 */
import { type Flag, flagsOf } from "./flags.ts";
import type { Side } from "./settings.ts";

/** The shells that have a script. */
export const SHELLS: readonly string[] = Object.freeze(["bash", "zsh", "fish"]);

/** What a shell can offer for a flag. */
interface Offer {
  /** The names with their hyphens, the long one last. */
  readonly names: readonly string[];
  readonly help: string;
  /** What follows: nothing, one of some words, a file, or something else. */
  readonly value: "none" | "file" | "other" | readonly string[];
}

function offerOf({ name, short, type, help }: Flag): Offer {
  const names = [...(short ? [`-${short}`] : []), name.length === 1 ? `-${name}` : `--${name}`];
  const words = type.kind === "text" ? type.known : type.kind === "number" ? type.words : undefined;
  const file = type.kind === "text" && type.file;
  const value = words ?? (type.kind === "switch" ? "none" : file ? "file" : "other");
  return { names, help, value };
}

function offersOf(side: Side): Offer[] {
  return [
    ...flagsOf(side).filter(({ refused }) => !refused).map(offerOf),
    { names: ["-h", "--help"], help: "print the help", value: "none" },
    { names: ["-v", "--version"], help: "print the version", value: "none" },
    { names: ["--completion"], help: "print a completion script", value: SHELLS },
  ];
}

/** A word in single quotes, as all three shells read it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function bash(program: string, offers: readonly Offer[]): string {
  const id = program.replaceAll("-", "_");
  const cases = offers.filter(({ value }) => value !== "none").map(({ names, value }) => {
    const reply = value === "file"
      ? `COMPREPLY=($(compgen -f -- "$cur"))`
      : value === "other"
      ? "COMPREPLY=()"
      : `COMPREPLY=($(compgen -W ${quoted((value as string[]).join(" "))} -- "$cur"))`;
    return `    ${names.join("|")}) ${reply}; return ;;`;
  });
  const all = offers.flatMap(({ names }) => names).join(" ");
  return [
    `# Completion of ${program} in bash.`,
    `_${id}() {`,
    `  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}"`,
    `  case "$prev" in`,
    ...cases,
    `  esac`,
    `  COMPREPLY=($(compgen -W ${quoted(all)} -- "$cur"))`,
    `}`,
    `complete -F _${id} ${program}`,
    "",
  ].join("\n");
}

function zsh(program: string, offers: readonly Offer[]): string {
  const specs = offers.map(({ names, help, value }) => {
    const text = help.replaceAll(/[[\]:]/g, (letter) => `\\${letter}`);
    const action = value === "none"
      ? ""
      : value === "file"
      ? ":file:_files"
      : value === "other"
      ? ":value:"
      : `:value:(${(value as string[]).join(" ")})`;
    // Names that exclude each other are given in braces, outside the quotes.
    const exclusive = names.length > 1 ? `'(${names.join(" ")})'{${names.join(",")}}` : names[0];
    return `  ${exclusive}${quoted(`[${text}]${action}`)}`;
  });
  return [`#compdef ${program}`, "", `_arguments \\`, specs.join(" \\\n"), ""].join("\n");
}

function fish(program: string, offers: readonly Offer[]): string {
  const lines = offers.map(({ names, help, value }) => {
    const options = names.map((name) => {
      if (name.startsWith("--")) return `-l ${name.slice(2)}`;
      return name.length === 2 ? `-s ${name.slice(1)}` : `-o ${name.slice(1)}`;
    });
    const argument = value === "none"
      ? ""
      : value === "file"
      ? " -rF"
      : value === "other"
      ? " -x"
      : ` -xa ${quoted((value as string[]).join(" "))}`;
    return `complete -c ${program} ${options.join(" ")}${argument} -d ${fishQuoted(help)}`;
  });
  return [
    `# Completion of ${program} in fish.`,
    `complete -c ${program} -f`,
    ...lines,
    "",
  ].join("\n");
}

/** A word in single quotes, as fish reads it: a backslash escapes a quote in it. */
function fishQuoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

/** The completion script of a program for a shell; null if there is none for that shell. */
export function completionScript(side: Side, shell: string): string | null {
  const program = `kcptun-${side}`;
  const offers = offersOf(side);
  switch (shell) {
    case "bash":
      return bash(program, offers);
    case "zsh":
      return zsh(program, offers);
    case "fish":
      return fish(program, offers);
    default:
      return null;
  }
}
