/**
 * Processes that measure. The last argument of a process is its task, in JSON. It prints its results
 * as lines of JSON.
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

/** Starts a process with a task. */
export type Start = (task: unknown) => Measuring;

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

/** Starts a program. */
export function startProgram([program, ...args]: readonly string[], task: unknown): Measuring {
  const process = new Deno.Command(program, {
    args: [...args, JSON.stringify(task)],
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

/** Flags of a script that opens the sockets that its task names. */
const LIMITED = [
  "--unstable-net",
  "--allow-net=127.0.0.1,localhost",
  "--allow-read",
  "--allow-ffi",
  "--allow-sys",
];

/**
 * Starts a script of this folder.
 *
 * @param flags Flags of `deno run`, in addition to permissions.
 * @param permissions The permissions.
 */
export function startScript(
  file: string,
  task: unknown,
  flags: readonly string[],
  permissions: readonly string[] = LIMITED,
): Measuring {
  const script = new URL(file, import.meta.url).pathname;
  const command = [Deno.execPath(), "run", "--no-lock", ...flags, ...permissions, script];
  return startProgram(command, task);
}

/** Ticks of a second in which Linux counts CPU time: the same on every architecture. */
const TICKS = 100;

/** CPU seconds that a process has taken, all of its threads together. Linux only. */
export function cpuSeconds(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // The name of the program, in parentheses, may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** Resident memory of a process in bytes. Linux only. */
export function residentBytes(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return 1024 * Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1]);
}
