import { type Flag, flagsOf, keyOf } from "./flags.ts";
import type { Side } from "./settings.ts";

/** Columns of the help. */
const WIDTH = 100;
/** Column at which the explanations begin. */
const INDENT = 26;

const PURPOSE: Readonly<Record<Side, string>> = {
  client: "Carries TCP connections through KCP to a kcptun server.",
  server: "Takes the connections of kcptun clients, and passes them to a target.",
};

const EXAMPLES: Readonly<Record<Side, readonly string[]>> = {
  client: [
    "kcptun-client -r example.com:29900 -l 127.0.0.1:8388 --key SECRET --mode fast2",
    "kcptun-client -c /etc/kcptun/client.json",
    "kcptun-client -r example.com:29900 --key SECRET --check",
  ],
  server: [
    "kcptun-server -l :29900 -t 127.0.0.1:8388 --key SECRET --mode fast2",
    "kcptun-server -l :29900-29999 -t socks5 --key SECRET",
    "kcptun-server -c /etc/kcptun/server.json",
  ],
};

/** A text in lines of at most `width` columns. */
function wrap(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1];
    if (last === "") lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length <= width) lines[lines.length - 1] += ` ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** The names of a flag, and what stands for its value. */
function usage({ name, short, type }: Flag): string {
  const value = type.kind === "switch" ? "" : type.kind === "number" ? " N" : ` ${type.value}`;
  const long = name.length === 1 ? `-${name}` : `--${name}`;
  return `${short ? `-${short}, ` : ""}${long}${value}`;
}

/** What a flag sets, its default, and what it allows. */
function explanation(flag: Flag, side: Side): string {
  const { type, help } = flag;
  const value = flag.defaults[side];
  const parts = [help];
  if (type.kind === "text" && type.known) parts.push(`one of ${type.known.join(", ")}`);
  if (type.kind === "number" && !flag.refused) {
    const { min, max, unit, words } = type;
    const range = `${min} to ${max}${unit ? ` ${unit}` : ""}`;
    parts.push(words ? `${range} or ${words.join(", ")}` : range);
  }
  if (type.kind !== "switch" && value !== "") parts.push(`default: ${value}`);
  if (keyOf(flag) !== null && keyOf(flag) !== flag.name) parts.push(`in a file: ${keyOf(flag)}`);
  return parts.join("; ");
}

function section(title: string, flags: readonly Flag[], side: Side): string[] {
  const lines = ["", `${title}:`];
  for (const flag of flags) {
    const names = `  ${usage(flag)}`;
    const text = wrap(explanation(flag, side), WIDTH - INDENT);
    const beside = names.length < INDENT - 1;
    if (!beside) lines.push(names);
    text.forEach((line, i) => {
      lines.push((i === 0 && beside ? names : "").padEnd(INDENT) + line);
    });
  }
  return lines;
}

/** The help of a program. It shows all flags. */
export function helpText(side: Side): string {
  const flags = flagsOf(side);
  const shown = flags.filter(({ hidden, own, refused }) => !hidden && !own && !refused);
  return [
    PURPOSE[side],
    "",
    `Usage: kcptun-${side} [FLAGS]`,
    "",
    ...wrap(
      "A flag has one or two hyphens. Its value follows it, or stands after =. Settings in the " +
        "file of -c override those of the command line, and these override KCPTUN_KEY.",
      WIDTH,
    ),
    ...section("Flags of kcptun", shown, side),
    ...section("Flags for --mode manual, and others that kcptun hides", [
      ...flags.filter(({ hidden }) => hidden),
    ], side),
    ...section("Flags that kcptun does not have", flags.filter(({ own }) => own), side),
    ...section(
      "Flags of kcptun that are errors here",
      flags.filter(({ refused }) => refused),
      side,
    ),
    "",
    "Others:",
    "  -h, --help              print this text",
    "  -v, --version           print the version",
    "  --completion SHELL      print a completion script for bash, zsh or fish",
    "",
    "Signals: SIGUSR1 logs the counters; SIGTERM and SIGINT tell the peers, and end the program.",
    "",
    "Examples:",
    ...EXAMPLES[side].map((line) => `  ${line}`),
    "",
  ].join("\n");
}
