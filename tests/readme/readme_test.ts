/**
 * The code blocks of the READMEs type-check and run.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { freePort, type RunningBlock, startBlock, typeCheck } from "./block_runner.ts";
import { type CodeBlock, codeBlocks, isClient, isServer } from "./code_blocks.ts";

const FILES = ["README.md", "tests/bench/README.md"];
/** Fewer blocks than this mean that the pattern does not find them. */
const MIN_RUN = 12;

const texts = await Promise.all(
  FILES.map((file) => Deno.readTextFile(new URL(`../../${file}`, import.meta.url))),
);
const blocks = FILES.flatMap((file, i) => codeBlocks(file, texts[i]));

Deno.test("readme: every code block type-checks", async () => {
  assertEquals(await typeCheck(blocks), []);
});

/** Blocks that run while a server block runs. */
interface Group {
  /** Null for the blocks above the first server. */
  readonly server: CodeBlock | null;
  readonly others: CodeBlock[];
}

/** Puts each block into the group of the nearest server above it. */
function groups(): Group[] {
  const found: Group[] = [{ server: null, others: [] }];
  for (const block of blocks) {
    if (block.noRun) continue;
    if (isServer(block)) found.push({ server: block, others: [] });
    else found.at(-1)!.others.push(block);
  }
  return found;
}

/** Runs a block to its end, with the server that it connects to. */
async function run(block: CodeBlock, server: RunningBlock | null, port: number): Promise<void> {
  if (!isClient(block)) {
    using running = startBlock(block, freePort());
    assertEquals(await running.ended, null);
    return;
  }
  assert(server, `${block.file}:${block.line}: no block above listens for this client`);
  using running = startBlock(block, port);
  const serverFails = new Promise<string>((resolve) => {
    server.ended.then((failure) => failure !== null && resolve(failure));
  });
  assertEquals(await Promise.race([running.ended, serverFails]), null);
}

Deno.test("readme: every code block runs", async (t) => {
  let ran = 0, skipped = 0;
  for (const { server, others } of groups()) {
    const port = freePort();
    using running = server && startBlock(server, port, Infinity);
    if (server) {
      ran++;
      const name = `${server.file}:${server.line}`;
      assert(others.some(isClient), `${name}: no block connects to this server`);
    }
    for (const block of others) {
      // Other systems lack the system calls of these sockets.
      const ignore = block.code.includes("kcp/linux") && Deno.build.os !== "linux";
      if (ignore) skipped++;
      else ran++;
      await t.step({
        name: `${block.file}:${block.line}`,
        ignore,
        fn: () => run(block, running, port),
      });
    }
  }

  // These patterns are not the ones that find the blocks.
  const all = texts.join("\n");
  const fences = all.match(/^```ts\b/gm)?.length ?? 0;
  const exempt = all.match(/^```ts no-run$/gm)?.length ?? 0;
  assertEquals(ran + skipped, fences - exempt, "some blocks did not run");
  assert(ran >= MIN_RUN, `only ${ran} blocks ran: expected ${MIN_RUN} or more`);
});
