/** Takes lines of the log. */
export type Log = (message: string) => void;

/** The beginning of a line: date and time, as kcptun has them. */
function stamp(date: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("/");
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":")}`;
}

/** One line of the log. Line breaks in a message become spaces: a peer may have chosen a part of it. */
export function logLine(date: Date, message: string): string {
  // deno-lint-ignore no-control-regex
  return `${stamp(date)} ${message.replaceAll(/[\x00-\x1f\x7f]+/g, " ")}\n`;
}

/**
 * Opens a log.
 *
 * @param path The file that lines are appended to; empty for the standard error.
 * @throws {Error} When the file can't be opened.
 */
export function openLog(path: string): Log {
  const sink = path === "" ? Deno.stderr : Deno.openSync(path, { append: true, create: true });
  const encoder = new TextEncoder();
  return (message) => {
    const bytes = encoder.encode(logLine(new Date(), message));
    try {
      for (let at = 0; at < bytes.length;) at += sink.writeSync(bytes.subarray(at));
    } catch {
      // A full disk must not end the tunnel.
    }
  };
}
