/**
 * Reads and checks the values of flags, as they stand on the command line and in a file.
 *
 * @module
 */
import type { Flag, Type, Value } from "./flags.ts";

/** What a flag allows, as it ends a message. */
export function allowed(type: Type): string {
  if (type.kind === "switch") return "true and false";
  if (type.kind === "text") return "texts";
  const { min, max, words, unit } = type;
  const range = `whole numbers from ${min} to ${max}${unit ? ` (${unit})` : ""}`;
  return words ? `${range}, and ${words.join(", ")}` : range;
}

/** The words that Go takes for a switch. */
const TRUE = ["1", "t", "T", "TRUE", "true", "True"];
const FALSE = ["0", "f", "F", "FALSE", "false", "False"];

/** A number in the notations of Go: decimal, 0x, 0o, 0b, 0 for octal, `_` between digits. */
const NUMBER =
  /^[+-]?(?:0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO]?(?:_?[0-7])+|0|[1-9](?:_?[0-9])*)$/;

/** Reads a number; null if it is none. */
function numberOf(written: string): number | null {
  if (!NUMBER.test(written)) return null;
  const digits = written.replace(/^[+-]/, "").replaceAll("_", "");
  const octal = /^0[oO]?([0-7]+)$/.exec(digits);
  const value = octal ? parseInt(octal[1], 8) : Number(digits);
  return written.startsWith("-") ? -value : value;
}

/** Reads a value of the command line; null if it is not one that the flag can have. */
export function parseValue(type: Type, written: string): Value | null {
  if (type.kind === "text") return written;
  if (type.kind === "switch") {
    return TRUE.includes(written) ? true : FALSE.includes(written) ? false : null;
  }
  return type.words?.includes(written) ? written : numberOf(written);
}

/** Takes a value out of a file; null if it is not one that the flag can have. */
export function takeValue(type: Type, value: unknown): Value | null {
  if (type.kind === "text") return typeof value === "string" ? value : null;
  if (type.kind === "switch") return typeof value === "boolean" ? value : null;
  if (typeof value === "string" && type.words?.includes(value)) return value;
  return typeof value === "number" ? value : null;
}

/** A value after a check. */
export interface Checked {
  readonly value: Value;
  /** What is worth a warning: kcptun takes the value in its own way, and so does this program. */
  readonly warning?: string;
}

/**
 * Checks that a value is one that the flag allows.
 *
 * kcptun takes some values as others: negative limits as none, and unknown names as the default.
 * Settings that work there work here too, with a warning.
 *
 * @param flag The flag.
 * @param value Its value.
 * @param shown How the flag and its value stand where they were found.
 * @returns Null if it is not allowed.
 */
export function checkValue(flag: Flag, value: Value, shown: string): Checked | null {
  const { type, name } = flag;
  if (type.kind === "text") {
    const { known, otherwise } = type;
    if (!known || known.includes(value as string)) return { value };
    return {
      value: otherwise!,
      warning: `${shown} is unknown, and means ${otherwise}: known are ${known.join(", ")}`,
    };
  }
  if (type.kind === "switch" || typeof value !== "number") return { value };
  const { min, max } = type;
  if (!Number.isInteger(value)) return null;
  const none = ["ratelimit", "closewait", "snmpperiod", "autoexpire", "scavengettl"];
  if (value < 0 && none.includes(name)) {
    return { value: 0, warning: `${shown} is negative, and means 0` };
  }
  if (value > max && (name === "sndwnd" || name === "rcvwnd")) {
    return { value: max, warning: `${shown} is more than a window can be, and means ${max}` };
  }
  return value >= min && value <= max ? { value } : null;
}
