/**
 * kcp-go in virtual time: a Go program, in the folder kcp_go, whose clock `testing/synctest` moves.
 *
 * kcp-go's scheduler runs a task up to 5 ms early, and then again and again until it is due. In virtual
 * time no time would pass meanwhile, so this would never end. The program is built from a copy of
 * kcp-go in which each such round takes 50 µs. Nothing else is changed.
 *
 * @module
 */
import { jsonLines } from "../bench/process.ts";
import type { SessionJob, SessionResult } from "./session.ts";

/** A session of kcp-go: {@linkcode SessionJob}, and its error correction. */
export interface KcpGoJob extends SessionJob {
  /** Data and parity shards; 0 and 0 for no error correction. */
  readonly data: number;
  readonly parity: number;
}

const folder = new URL("kcp_go", import.meta.url);
const MODULE = "github.com/xtaci/kcp-go/v5";
/** The version that is measured. */
export const KCP_GO_VERSION = await readVersion();

async function readVersion(): Promise<string> {
  const text = await Deno.readTextFile(new URL("kcp_go/go.mod", import.meta.url));
  const version = /kcp-go\/v5 v(\S+)/.exec(text)?.[1];
  if (!version) throw new Error("tests/frontier/kcp_go/go.mod does not name a version of kcp-go");
  return version;
}

/** The end of a round of the scheduler, and the same with the time that the round takes. */
const ROUND = "\t\t\tdue = due[:0]\n\t\t\tcontinue\n";
const TIMED_ROUND =
  "\t\t\tdue = due[:0]\n\t\t\ttime.Sleep(50 * time.Microsecond)\n\t\t\tcontinue\n";

async function go(args: string[], cwd: URL | string = folder): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("go", { args, cwd }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`go ${args[0]} failed: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout).trim();
}

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name, isDirectory, isFile } of Deno.readDir(from)) {
    if (isDirectory) await copyFolder(`${from}/${name}`, `${to}/${name}`);
    else if (isFile) await Deno.writeFile(`${to}/${name}`, await Deno.readFile(`${from}/${name}`));
  }
}

/** A folder for programs, which is removed at the end. */
async function temporary(): Promise<string> {
  const directory = await Deno.makeTempDir({ prefix: "kcp-frontier-" });
  globalThis.addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));
  return directory;
}

const SUFFIX = Deno.build.os === "windows" ? ".exe" : "";

/** Builds the proxy and the ends in real time, with kcp-go as it is. Returns the program. */
export async function buildReal(): Promise<string> {
  const program = `${await temporary()}/real${SUFFIX}`;
  await go(["build", "-o", program, "."]);
  return program;
}

/** kcp-go, built to run in virtual time. */
export class VirtualKcpGo {
  readonly program: string;

  private constructor(program: string) {
    this.program = program;
  }

  /**
   * Builds the program.
   *
   * @throws {Error} When Go can't build it, or kcp-go's scheduler is not the one that is known.
   */
  static async build(): Promise<VirtualKcpGo> {
    const directory = await temporary();
    await go(["mod", "download"]);
    const source = await go(["list", "-m", "-f", "{{.Dir}}", MODULE]);
    const copy = `${directory}/kcp-go`;
    await copyFolder(source, copy);
    const scheduler = await Deno.readTextFile(`${copy}/timedsched.go`);
    if (scheduler.split(ROUND).length !== 2) {
      throw new Error(
        `Cannot give kcp-go ${KCP_GO_VERSION} virtual time: its scheduler has changed`,
      );
    }
    await Deno.writeTextFile(`${copy}/timedsched.go`, scheduler.replace(ROUND, TIMED_ROUND));
    const modfile = `${directory}/go.mod`;
    for (const name of ["go.mod", "go.sum"]) {
      await Deno.copyFile(new URL(`kcp_go/${name}`, import.meta.url), `${directory}/${name}`);
    }
    await go(["mod", "edit", `-replace=${MODULE}=${copy}`, modfile]);
    const program = `${directory}/virtual${SUFFIX}`;
    await go(["test", "-c", `-modfile=${modfile}`, "-o", program, "."]);
    return new VirtualKcpGo(program);
  }

  /**
   * Runs sessions one after the other, in a process of their own.
   *
   * @returns A result for each job, in order; an Error for a session that did not finish.
   * @throws {Error} When the process ends early.
   */
  async run(jobs: readonly KcpGoJob[]): Promise<(SessionResult | Error)[]> {
    const process = new Deno.Command(this.program, {
      args: ["-test.run=TestVirtualTime"],
      stdin: "piped",
      stdout: "piped",
      // One thread: sessions of one process take turns anyway, and runs are then nearly repeatable.
      env: { GOMAXPROCS: "1" },
    }).spawn();
    const writer = process.stdin.getWriter();
    const text = jobs.map((job, id) => `${JSON.stringify({ ...job, id })}\n`).join("");
    await writer.write(new TextEncoder().encode(text));
    await writer.close();
    const results: (SessionResult | Error)[] = [];
    for await (const line of jsonLines(process.stdout)) {
      const { delays, bytes, packets, sent, error } = line as {
        delays: Record<string, number>;
        bytes: number;
        packets: number;
        sent: number;
        error?: string;
      };
      if (error !== undefined) {
        results.push(new Error(error));
        continue;
      }
      const entries = Object.entries(delays).map(([steps, count]) =>
        [Number(steps), count] as const
      );
      results.push({ delays: entries, bytes, packets, sent });
    }
    const { code } = await process.status;
    if (code !== 0 || results.length !== jobs.length) {
      throw new Error(`kcp-go ended with exit code ${code} after ${results.length} sessions`);
    }
    return results;
  }
}
