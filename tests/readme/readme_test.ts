/**
 * What the READMEs say is true: every code block type-checks and runs, and the tables and lists agree
 * with the code.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import * as kcp from "../../mod.ts";
import { Kcp } from "../../kcp/mod.ts";
import { freePort, type RunningBlock, startBlock, typeCheck } from "./block_runner.ts";
import { type CodeBlock, codeBlocks, isClient, isServer } from "./code_blocks.ts";

const root = new URL("../../", import.meta.url);
const FILES = ["README.md", "tests/bench/README.md"];
/** Blocks that run, at least: so that a pattern that finds nothing does not pass. */
const MIN_RUN = 12;

const read = (path: string) => Deno.readTextFile(new URL(path, root));
const readme = await read("README.md");
const blocks: CodeBlock[] = [];
for (const file of FILES) blocks.push(...codeBlocks(file, await read(file)));

Deno.test("readme: every code block type-checks", async () => {
  assertEquals(await typeCheck(blocks), []);
});

Deno.test("readme: every code block runs", async (t) => {
  let ran = 0;
  /** The server block that was met last, and its port. */
  let server:
    | { block: CodeBlock; running: RunningBlock; port: number; clients: number }
    | undefined;

  async function endServer(): Promise<void> {
    if (!server) return;
    const { block, running, clients } = server;
    server = undefined;
    if (clients === 0) {
      running[Symbol.dispose]();
      throw new Error(`${block.file}:${block.line}: no block connects to this server`);
    }
    const { failure } = running;
    running[Symbol.dispose]();
    assertEquals(failure, null);
  }

  for (const block of blocks) {
    if (block.noRun) continue;
    const name = `${block.file}:${block.line}`;
    // The sockets of Linux need system calls that other systems lack.
    const ignore = /kcp\/linux"/.test(block.code) && Deno.build.os !== "linux";
    ran++;
    if (isServer(block)) {
      await endServer();
      const port = freePort();
      server = { block, running: startBlock(block, port), port, clients: 0 };
      continue;
    }
    await t.step({
      name,
      ignore,
      fn: async () => {
        if (isClient(block)) {
          assert(server, `${name}: no block above listens for this client`);
          server.clients++;
        }
        using running = startBlock(block, isClient(block) ? server!.port : freePort());
        const first = await Promise.race([
          running.ended,
          ...(isClient(block) ? [serverFails()] : []),
        ]);
        assertEquals(first, null);
      },
    });
  }
  await endServer();

  /** Settles only when the server fails. */
  function serverFails(): Promise<string> {
    const { ended } = server!.running;
    return new Promise((resolve) => ended.then((failure) => failure !== null && resolve(failure)));
  }

  // Counted in another way than the blocks are found.
  const texts = await Promise.all(FILES.map(read));
  const fences = texts.join("\n").match(/^```ts\b/gm)?.length ?? 0;
  const exempt = texts.join("\n").match(/^```ts no-run$/gm)?.length ?? 0;
  assertEquals(ran, fences - exempt, "some blocks did not run");
  assert(ran >= MIN_RUN, `only ${ran} blocks ran: expected ${MIN_RUN} or more`);
});
