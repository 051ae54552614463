/**
 * Processes that measure. The first argument of a process is its task, in JSON. It prints its
 * results as lines of JSON.
 *
 * @module
 */

/** A running process. */
export interface Measuring {
  /** The lines that it prints, parsed. */
  readonly lines: AsyncGenerator<unknown>;
  /** Ends the process, if it still runs. */
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
 * @param flags Flags of `deno run`, in addition to permissions.
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
        // The process has ended.
      }
      await process.status;
      // Reads the rest: an open stream would keep this process alive.
      while (!(await lines.next()).done);
    },
  };
}
