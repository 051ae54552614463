/**
 * Processes that measure: each takes its task as JSON in its first argument, and prints what it found as lines of JSON.
 *
 * @module
 */

/** A running process. */
export interface Measuring {
  /** What it prints. */
  readonly lines: AsyncGenerator<unknown>;
  /** Ends it, if it has not ended by itself. */
  stop(): Promise<void>;
}

/** Reads lines of JSON. */
export async function* jsonLines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<unknown> {
  let text = "";
  for await (const part of stream.pipeThrough(new TextDecoderStream())) {
    text += part;
    for (let end; (end = text.indexOf("\n")) >= 0; text = text.slice(end + 1)) {
      yield JSON.parse(text.slice(0, end));
    }
  }
}

/**
 * Starts a script of this folder.
 *
 * @param flags What `deno run` needs beside permissions.
 */
export function startScript(file: string, task: unknown, flags: readonly string[]): Measuring {
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-lock",
      "--unstable-net",
      ...flags,
      "--allow-net=127.0.0.1,localhost",
      "--allow-read",
      "--allow-ffi",
      "--allow-sys",
      new URL(file, import.meta.url).pathname,
      JSON.stringify(task),
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines = jsonLines(process.stdout);
  return {
    lines,
    stop: async () => {
      try {
        process.kill("SIGKILL");
      } catch {
        // It has ended by itself.
      }
      await process.status;
      // To the end of what it has printed.
      while (!(await lines.next()).done);
    },
  };
}
