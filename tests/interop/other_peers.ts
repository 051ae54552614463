/**
 * Builds the peers other than kcp-go: small programs around other implementations of KCP, whose
 * sources are in `tests/interop/others`. The package registries supply the implementations.
 *
 * A program is kept in the directory for temporary files, under a name that contains a hash of its
 * sources: later runs use it again.
 *
 * @module
 */
import { dirname } from "node:path";
import { tmpdir } from "node:os";

/** ms after which a build is given up: a registry may never answer. */
const BUILD_TIMEOUT = 300_000;

/** A peer. */
export interface OtherPeer {
  /** The implementation and its version. */
  name: string;
  /** Lengths of the messages to exchange, used in turn. */
  messages: readonly number[];
  /** The receive window of our end in segments. Default: 256. */
  rcvWnd?: number;
  /** The command that runs the peer, or the reason why there is none. */
  command: string[] | { missing: string };
}

/** From one byte to many segments. */
const MANY_SEGMENTS = [1, 1000, 1376, 1377, 17, 20_000, 3, 65_536, 5000];
/** At most one segment each, for an implementation that does not join fragments. */
const ONE_SEGMENT = [1, 1000, 1376, 17, 1375, 700, 3];

/** Makes a program in a directory, which begins as a copy of one in `others`. */
type Build = (directory: string) => Promise<string[]>;

/** A reason why a peer can't be built. */
class Missing extends Error {}

async function run(directory: string, program: string, ...args: string[]): Promise<string> {
  const signal = AbortSignal.timeout(BUILD_TIMEOUT);
  try {
    const { success, stdout, stderr } = await new Deno.Command(program, {
      args,
      cwd: directory,
      signal,
    }).output();
    if (success) return new TextDecoder().decode(stdout);
    if (signal.aborted) throw new Missing(`${program} took more than ${BUILD_TIMEOUT} ms`);
    const lines = new TextDecoder().decode(stderr).trim().split("\n");
    throw new Missing(`${program} ${args[0]} failed: ${lines.slice(-3).join(" ")}`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Missing(`there is no ${program} on the PATH`);
  }
}

/** Compiles the C peer with the `ikcp.c` and `ikcp.h` of another directory. */
async function compile(directory: string, source: string): Promise<string[]> {
  const program = `${directory}/echo`;
  const files = [`${directory}/echo.c`, `${source}/ikcp.c`];
  await run(directory, "cc", "-O2", "-std=gnu11", "-I", source, ...files, "-o", program);
  return [program];
}

/** The crate kcp-sys 0.1.0 contains the C source of version 1.7.1. */
const buildC: Build = async (directory) => {
  const crates = await run(directory, "cargo", "metadata", "--quiet", "--format-version", "1");
  const { packages } = JSON.parse(crates) as {
    packages: { name: string; manifest_path: string }[];
  };
  const { manifest_path } = packages.find(({ name }) => name === "kcp-sys")!;
  return await compile(directory, `${dirname(manifest_path)}/kcp`);
};

const buildTokio: Build = async (directory) => {
  await run(directory, "cargo", "build", "--quiet");
  await Deno.rename(`${directory}/target/debug/echo`, `${directory}/echo`);
  await Deno.remove(`${directory}/target`, { recursive: true });
  return [`${directory}/echo`];
};

const buildNode = (script: string): Build => async (directory) => {
  const node = await run(directory, "node", "--print", "process.execPath");
  // Node.js usually comes with its headers. Without them, node-gyp would download them.
  const headers = dirname(dirname(node.trim()));
  const install = ["install", "--no-audit", "--no-fund", `--nodedir=${headers}`];
  await run(directory, "npm", ...install);
  // Without any input, it ends at once. An error says that the packages do not work.
  await run(directory, "node", script, "serve");
  return ["node", `${directory}/${script}`];
};

/** A hash of the names and the contents of all files of a directory. */
async function hashOf(directory: URL): Promise<string> {
  const entries = [];
  for await (const { name, isFile } of Deno.readDir(directory)) if (isFile) entries.push(name);
  const texts = entries.sort().map(async (name) => [
    name,
    await Deno.readTextFile(new URL(name, directory)),
  ]);
  const bytes = new TextEncoder().encode(JSON.stringify(await Promise.all(texts)));
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex().slice(0, 16);
}

/** Builds in a copy of a directory of `others`, unless an earlier run has. */
async function buildOnce(folder: string, key: string, build: Build): Promise<OtherPeer["command"]> {
  const sources = new URL(`others/${folder}/`, import.meta.url);
  const kept = `${tmpdir()}/kcp-interop-${key}-${await hashOf(sources)}`;
  const record = `${kept}/command.json`;
  try {
    return JSON.parse(await Deno.readTextFile(record));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const work = await Deno.makeTempDir({ prefix: "kcp-interop-build-" });
  try {
    for await (const { name, isFile } of Deno.readDir(sources)) {
      if (isFile) await Deno.copyFile(new URL(name, sources), `${work}/${name}`);
    }
    const command = (await build(work)).map((part) => part.replace(work, kept));
    await Deno.writeTextFile(`${work}/command.json`, JSON.stringify(command));
    try {
      await Deno.rename(work, kept);
    } catch (error) {
      // Another process was faster. Its program is the same.
      if (!await Deno.stat(record).catch(() => null)) throw error;
    }
    return command;
  } catch (error) {
    if (error instanceof Missing) return { missing: error.message };
    throw error;
  } finally {
    await Deno.remove(work, { recursive: true }).catch(() => {});
  }
}

/**
 * No package of a registry contains version 2. `KCP_C_SOURCE` may name a directory with another
 * `ikcp.c` and `ikcp.h`.
 */
async function buildOtherC(): Promise<OtherPeer["command"]> {
  const source = Deno.env.get("KCP_C_SOURCE");
  if (!source) return { missing: "KCP_C_SOURCE does not name a directory with its source" };
  const sources = new URL("others/c/", import.meta.url);
  const work = await Deno.makeTempDir({ prefix: "kcp-interop-" });
  globalThis.addEventListener("unload", () => Deno.removeSync(work, { recursive: true }));
  try {
    await Deno.copyFile(new URL("echo.c", sources), `${work}/echo.c`);
    return await compile(work, await Deno.realPath(source));
  } catch (error) {
    if (error instanceof Missing) return { missing: error.message };
    throw error;
  }
}

/** Builds all of them, one after the other. */
export async function buildOtherPeers(): Promise<OtherPeer[]> {
  return [
    {
      name: "C reference 1.7.1",
      messages: MANY_SEGMENTS,
      command: await buildOnce("c", "c", buildC),
    },
    {
      name: "C reference 2",
      messages: MANY_SEGMENTS,
      command: await buildOtherC(),
    },
    {
      name: "tokio_kcp 0.9.8",
      messages: MANY_SEGMENTS,
      command: await buildOnce("tokio_kcp", "tokio", buildTokio),
    },
    {
      name: "node-kcp 1.0.13",
      messages: MANY_SEGMENTS,
      command: await buildOnce("node", "node-kcp", buildNode("node_kcp.mjs")),
    },
    {
      name: "@hazae41/kcp 1.1.3",
      messages: ONE_SEGMENT,
      // It passes as long as no window report and no probe of the path MTU is sent to it.
      command: {
        missing:
          "it ends the process on every command but PUSH, ACK and WASK, where others drop it",
      },
    },
  ];
}
