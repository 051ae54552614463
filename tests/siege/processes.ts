/**
 * Processes of a siege: the ends of connections on each adapter, and the attacker.
 *
 * @module
 */
import { AssertionError } from "@std/assert";
import { jsonLines } from "../bench/process.ts";
import type { Adapter, EndTask } from "./end.ts";

/** A line of JSON that a process prints. */
// deno-lint-ignore no-explicit-any -- each kind of line has fields of its own
export type Line = Record<string, any>;

/** Finds a line, and says what to return. Undefined: not this one. */
type Match<T> = (line: Line) => T | undefined;

/** A running process that prints lines of JSON. */
export class Program implements AsyncDisposable {
  /** The lines that it has printed. */
  readonly lines: Line[] = [];
  /** Called for each line. */
  onLine: ((line: Line) => void) | null = null;
  /** Settles with the exit code when the process has ended. */
  readonly ended: Promise<number>;
  readonly #name: string;
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #waiting = new Set<() => void>();
  #over = false;

  constructor(name: string, [program, ...args]: string[]) {
    this.#name = name;
    this.#process = new Deno.Command(program, {
      args,
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.ended = this.#read();
  }

  /** The id of the process. */
  get pid(): number {
    return this.#process.pid;
  }

  /** Whether the process has ended. */
  get over(): boolean {
    return this.#over;
  }

  async #read(): Promise<number> {
    for await (const line of jsonLines(this.#process.stdout)) {
      this.lines.push(line as Line);
      this.onLine?.(line as Line);
      for (const check of [...this.#waiting]) check();
    }
    const { code } = await this.#process.status;
    this.#over = true;
    for (const check of [...this.#waiting]) check();
    return code;
  }

  /**
   * Waits for a line, among those that were printed and those that follow.
   *
   * @param timeout In ms.
   */
  find<T>(what: string, match: Match<T>, timeout: number): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    let seen = 0;
    const check = () => {
      while (seen < this.lines.length) {
        const found = match(this.lines[seen++]);
        if (found !== undefined) return resolve(found);
      }
      if (this.#over) reject(new AssertionError(`${this.#name} ended before ${what}`));
    };
    this.#waiting.add(check);
    const timer = setTimeout(
      () => reject(new AssertionError(`${this.#name}: no ${what} within ${timeout} ms`)),
      timeout,
    );
    check();
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiting.delete(check);
    });
  }

  /** Gives a command. */
  async tell(command: "stop" | "exit"): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${command}\n`)).catch(() => {});
  }

  /** Sends a signal, if the process still runs. */
  kill(signal: Deno.Signal): void {
    try {
      this.#process.kill(signal);
    } catch {
      // The process has ended.
    }
  }

  /** Ends the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    await this.#input.abort().catch(() => {});
    await this.ended;
  }
}

const END = new URL("end.ts", import.meta.url).pathname;
const CONFIG = new URL("../../deno.json", import.meta.url).pathname;

/** How to start the ends. */
export interface Launch {
  /** The bundle for Node.js; null if there is no Node.js. */
  readonly bundle: string | null;
}

/** Whether there is such a program. */
export async function hasProgram(name: string, ...args: string[]): Promise<boolean> {
  try {
    const command = new Deno.Command(name, { args, stdout: "null", stderr: "null" });
    return (await command.output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function run(what: string, program: string, args: string[], cwd?: URL): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args, cwd }).output();
  if (!success) throw new AssertionError(`Cannot ${what}: ${new TextDecoder().decode(stderr)}`);
}

/** Prepares the ends: bundles them for Node.js if that is installed. */
export async function prepare(directory: string): Promise<Launch> {
  if (!await hasProgram("node", "--version")) return { bundle: null };
  const bundle = `${directory}/end.mjs`;
  await run("bundle the end for Node.js", Deno.execPath(), [
    "bundle",
    "--quiet",
    "--no-lock",
    `--config=${CONFIG}`,
    "--platform=deno",
    `--output=${bundle}`,
    END,
  ]);
  return { bundle };
}

/** The adapters that this machine can run. */
export function adapters({ bundle }: Launch): Adapter[] {
  return [
    "deno",
    ...bundle ? ["node" as const] : [],
    ...Deno.build.os === "linux" ? ["linux" as const] : [],
  ];
}

/**
 * Starts an end.
 *
 * @param inside A command that runs another command, such as `ip netns exec NAME`.
 */
export function startEnd(launch: Launch, task: EndTask, inside: string[] = []): Program {
  const command = task.adapter === "node" ? ["node", launch.bundle!] : [
    Deno.execPath(),
    "run",
    "--no-lock",
    "--no-check",
    "--quiet",
    `--config=${CONFIG}`,
    // Deno drops packets to addresses that are not allowed, and the listener answers forged ones.
    "--allow-net",
    "--allow-ffi",
    END,
  ];
  const name = `the ${task.role} on ${task.adapter}`;
  return new Program(name, [...inside, ...command, JSON.stringify(task)]);
}

/** Starts a listener, and waits until it listens. */
export async function startServer(
  launch: Launch,
  task: Omit<EndTask, "role">,
  inside?: string[],
): Promise<{ server: Program; port: number }> {
  const server = startEnd(launch, { role: "server", ...task }, inside);
  try {
    const port = await server.find<number>("port", ({ port }) => port, 20_000);
    return { server, port };
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

/** Builds the attacker. Returns the path of the program. */
export async function buildFlood(directory: string): Promise<string> {
  const program = `${directory}/flood`;
  const source = new URL("flood", import.meta.url);
  await run("build the attacker", "go", ["build", "-o", program, "."], source);
  return program;
}
