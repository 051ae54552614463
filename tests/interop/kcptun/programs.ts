/**
 * The programs of kcptun: Debian's package `kcptun`, or others in the folder that the variable
 * KCPTUN_PATH names (`kcptun-client` and `kcptun-server`).
 *
 * @module
 */
import { AssertionError } from "@std/assert";
import type { Side } from "../../../examples/kcptun/settings/settings.ts";

/** With this value, missing programs fail the tests. Without it, the tests are ignored. */
const required = Deno.env.get("KCP_INTEROP") === "required";
const folder = Deno.env.get("KCPTUN_PATH");

/** The command of a program. */
export function commandOf(side: Side): string {
  return folder ? `${folder}/kcptun-${side}` : `kcptun-${side}`;
}

/** What the help of a program says. Null if there is no such program. */
async function helpOf(side: Side): Promise<string | null> {
  try {
    const { stdout } = await new Deno.Command(commandOf(side), { args: ["--help"] }).output();
    return new TextDecoder().decode(stdout);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

const [clientHelp, serverHelp] = await Promise.all([helpOf("client"), helpOf("server")]);
/** Whether the programs of kcptun are there. */
export const hasKcptun = clientHelp !== null && serverHelp !== null;
if (!hasKcptun && !required) {
  console.error("The tests against kcptun are ignored: install the package kcptun");
}

/** Whether a program of kcptun has a flag: older releases lack some. */
export function hasFlag(side: Side, name: string): boolean {
  return ((side === "client" ? clientHelp : serverHelp) ?? "").includes(`--${name} `);
}

/** How long (ms) a test may take. */
const TEST_TIMEOUT = 60_000;

/** A test that needs kcptun. */
export function kcptunTest(name: string, fn: () => Promise<void>): void {
  const limited = async () => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = new AssertionError(`The test took more than ${TEST_TIMEOUT} ms`);
      timer = setTimeout(() => reject(error), TEST_TIMEOUT);
    });
    await Promise.race([fn(), late]).finally(() => clearTimeout(timer));
  };
  Deno.test({ name: `kcptun: ${name}`, ignore: !hasKcptun && !required, fn: limited });
}

/** How long (ms) a program may take to start. */
const START_TIMEOUT = 10_000;

/** A running program of kcptun. */
export class KcptunProgram implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  /** What it has logged. */
  log = "";
  #wake: () => void = () => {};

  private constructor(command: string, args: string[]) {
    this.#process = new Deno.Command(command, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#reading = this.#read();
  }

  /** Starts a program, and waits until it listens. */
  static async start(side: Side, args: string[]): Promise<KcptunProgram> {
    return await KcptunProgram.run(commandOf(side), args);
  }

  /** Starts a program of another command, and waits until it has logged that it listens. */
  static async run(
    command: string,
    args: string[],
    listens: RegExp = /listening on:?.*\n[^]*key derivation done/i,
  ): Promise<KcptunProgram> {
    const program = new KcptunProgram(command, args);
    await program.waitFor(listens).catch(
      async (error) => {
        await program[Symbol.asyncDispose]();
        throw error;
      },
    );
    return program;
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const piece of this.#process.stderr) {
      this.log += decoder.decode(piece, { stream: true });
      this.#wake();
    }
    this.log += "\n(ended)";
    this.#wake();
  }

  /** Waits until something has been logged. */
  async waitFor(pattern: RegExp, timeout = START_TIMEOUT): Promise<void> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#wake();
    }, timeout);
    while (!pattern.test(this.log)) {
      if (late || this.log.endsWith("(ended)")) {
        clearTimeout(timer);
        throw new AssertionError(`kcptun did not log ${pattern}:\n${this.log}`);
      }
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    clearTimeout(timer);
  }

  /** Sends a signal. */
  kill(signal: Deno.Signal): void {
    this.#process.kill(signal);
  }

  /** How it has ended. */
  get status(): Promise<Deno.CommandStatus> {
    return this.#process.status;
  }

  /** Kills it, and waits until it has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#process.status;
    await this.#reading;
  }
}

const folderOfOurs = new URL("../../../examples/kcptun/", import.meta.url);
const importMap = new URL("../../std/import_map.json", import.meta.url);

/** The arguments of `deno` that run a program of this repository, and those of the program. */
export function ourCommand(side: Side, args: readonly string[]): string[] {
  const file = new URL(`${side}.ts`, folderOfOurs).pathname;
  return ["run", "-A", "--no-check", `--import-map=${importMap.pathname}`, file, ...args];
}

/** Starts a program of this repository as a process, and waits until it listens. */
export async function startOurs(side: Side, args: readonly string[]): Promise<KcptunProgram> {
  return await KcptunProgram.run(Deno.execPath(), ourCommand(side, args), /listening on: .*\n/);
}
