/**
 * The columns of the matrix: runtimes, and ways in which they run the suite.
 *
 * @module
 */
import type { Kind } from "./bundles.ts";
import { runInChromium } from "./chromium_page.ts";
import { END_ROW } from "../suite/mod.ts";
import type { Outcome } from "./outcome.ts";
import type { Peer } from "./peer.ts";
import { Missing } from "./missing.ts";
import { install } from "./packages.ts";
import { runProgram } from "./program.ts";

/** A way to run the suite. */
export interface Column {
  /** The name on the command line. */
  readonly name: string;
  /** The title in the matrix, without the version. */
  readonly title: string;
  readonly kind: Kind;
  /**
   * Runs the suite.
   *
   * @throws {Missing} When the runtime is not there.
   */
  run(context: Context, outcome: Outcome): Promise<void>;
}

/** What all columns share. */
export interface Context {
  /** The folder with the bundles. */
  readonly folder: string;
  /** The process that others talk to. */
  readonly peer: Peer;
}

/** Runs the suite in a process, and looks how its peer sees the end of it. */
async function runProcess(
  { folder, peer }: Context,
  { path, flags = [], name, bundle, adapter }: {
    readonly path: string;
    readonly flags?: readonly string[];
    readonly name: string;
    readonly bundle: string;
    readonly adapter: string;
  },
  outcome: Outcome,
): Promise<void> {
  const args = [...flags, "process.mjs", `./${bundle}`, adapter, name, peer.ports];
  await runProgram({ path, args, folder }, outcome);
  const end = await peer.end(name);
  outcome.take({
    row: END_ROW,
    name: "the peer is told, though the connection was left open",
    ok: end === "reset",
    ms: 0,
    ...(end === "reset" ? {} : { message: `The connection of the peer ended with ${end}` }),
  });
}

function denoColumn(adapter: "deno" | "linux", permissions: readonly string[]): Column {
  return {
    name: adapter,
    title: adapter === "deno" ? "Deno" : "Deno, sockets of Linux",
    kind: "deno",
    run: async (context, outcome) => {
      if (adapter === "linux" && Deno.build.os !== "linux") throw new Missing("this is not Linux");
      const flags = ["run", "--no-config", "--no-lock", "--unstable-net", ...permissions];
      flags.push(`--allow-read=${context.folder}`);
      const path = Deno.execPath();
      const program = { path, flags, name: adapter, bundle: "deno.mjs", adapter };
      await runProcess(context, program, outcome);
    },
  };
}

function nodeColumn(version: string): Column {
  const [major] = version.split(".");
  return packagedColumn({ runtime: "node", version, name: `node-${major}`, title: "Node.js" });
}

/** A runtime from npm, with its own sockets or those of `node:dgram`. */
function packagedColumn(
  { runtime, version, name, title, adapter = runtime }: {
    readonly runtime: "node" | "bun";
    readonly version: string;
    readonly name: string;
    readonly title: string;
    readonly adapter?: "node" | "bun";
  },
): Column {
  return {
    name,
    title,
    kind: "node",
    run: async (context, outcome) => {
      const path = await install(runtime, version);
      await runProcess(context, { path, name, bundle: "node.mjs", adapter }, outcome);
    },
  };
}

function workerdColumn(precompiled: boolean): Column {
  const config = precompiled ? "precompiled_worker.capnp" : "worker.capnp";
  return {
    name: precompiled ? "workerd-kernels" : "workerd",
    title: precompiled ? "workerd, precompiled kernels" : "workerd",
    kind: "memory",
    run: async ({ folder }, outcome) => {
      const path = await install("workerd", WORKERD);
      outcome.take({ version: WORKERD });
      await runProgram({ path, args: ["test", config], folder }, outcome);
    },
  };
}

function chromiumColumn(strict: boolean): Column {
  return {
    name: strict ? "chromium-csp" : "chromium",
    title: strict ? "Chromium, strict CSP" : "Chromium",
    kind: "memory",
    run: async ({ folder, peer }, outcome) => {
      // The strict policy lets a page connect to nobody.
      const server = strict ? null : peer.webTransport;
      await runInChromium({ folder, bundle: "memory.mjs", strict, server }, outcome);
    },
  };
}

const webRtcColumn: Column = {
  name: "webrtc",
  title: "WebRTC in Chromium",
  kind: "webrtc",
  run: ({ folder }, outcome) =>
    runInChromium({ folder, bundle: "webrtc.mjs", strict: false, server: null }, outcome),
};

const webTransportColumn: Column = {
  name: "webtransport",
  title: "WebTransport on Deno",
  kind: "webtransport",
  run: async ({ folder, peer }, outcome) => {
    const { cert, key, hash } = peer.certificate;
    const args = ["run", "--no-config", "--no-lock", "--unstable-net", "--allow-net=127.0.0.1"];
    args.push(`--allow-read=${folder}`, "webtransport_process.mjs");
    args.push(JSON.stringify({ cert, key, hash: [...hash] }));
    await runProgram({ path: Deno.execPath(), args, folder }, outcome);
  },
};

/** Versions of packages in npm. */
const BUN = "1.4.5", WORKERD = "1.20261117.1";

/** All columns. */
export const columns: readonly Column[] = [
  denoColumn("deno", ["--allow-net=127.0.0.1"]),
  denoColumn("linux", ["--allow-net", "--allow-ffi"]),
  nodeColumn("20.20.2"),
  nodeColumn("22.23.3"),
  nodeColumn("24.21.0"),
  nodeColumn("26.10.0"),
  packagedColumn({ runtime: "bun", version: BUN, name: "bun", title: "Bun" }),
  packagedColumn({
    runtime: "bun",
    version: BUN,
    name: "bun-dgram",
    title: "Bun, node:dgram",
    adapter: "node",
  }),
  workerdColumn(false),
  workerdColumn(true),
  chromiumColumn(false),
  chromiumColumn(true),
  webTransportColumn,
  webRtcColumn,
];
