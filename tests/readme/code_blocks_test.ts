import { assertEquals, assertThrows } from "@std/assert";
import { startBlock } from "./block_runner.ts";
import { type CodeBlock, codeBlocks } from "./code_blocks.ts";

const FENCE = "```";
/** The port in these blocks does not matter. */
const PORT = 4000;

/** A block that begins on line 7 of a file. */
function block(code: string): CodeBlock {
  return { file: "PAGE.md", line: 7, code, noRun: false };
}

async function outcome(code: string, timeLimit?: number): Promise<string> {
  using running = startBlock(block(code), PORT, timeLimit);
  return await running.ended ?? "fine";
}

Deno.test("code blocks: ts blocks are found with their line and mark", () => {
  const text = [
    "# Page",
    `${FENCE}sh`,
    "ls",
    FENCE,
    `${FENCE}ts`,
    "one();",
    "two();",
    FENCE,
    `${FENCE}ts no-run`,
    "three();",
    FENCE,
  ].join("\n");
  assertEquals(codeBlocks("PAGE.md", text), [
    { file: "PAGE.md", line: 6, code: "one();\ntwo();", noRun: false },
    { file: "PAGE.md", line: 10, code: "three();", noRun: true },
  ]);
});

Deno.test("code blocks: unknown marks and open fences are refused with their line", () => {
  assertThrows(
    () => codeBlocks("PAGE.md", `\n${FENCE}ts norun\nx\n${FENCE}`),
    Error,
    'PAGE.md:2: a ts block can be marked "no-run", not "norun"',
  );
  assertThrows(() => codeBlocks("PAGE.md", `${FENCE}ts\nx`), Error, "PAGE.md:1: ");
});

Deno.test("code blocks: a block that throws is reported with the line of the page", async () => {
  const message = await outcome("const x = 1;\nthrow new Error(`boo ${x}`);");
  assertEquals(message.includes("PAGE.md:7: the block failed: Error: boo 1"), true, message);
  assertEquals(message.includes("PAGE.md:8:7"), true, message);
});

Deno.test("code blocks: a block that prints something else, or does not end, is reported", async () => {
  assertEquals(await outcome("console.log('a');\n// prints: a"), "fine");
  assertEquals(
    await outcome("console.log('a');\n// prints: b"),
    'PAGE.md:7: the block did not print "b", but ["a"]',
  );
  assertEquals(
    await outcome("await new Promise(() => setInterval(() => {}, 1000));", 200),
    "PAGE.md:7: the block failed: it took longer than 200 ms",
  );
});

Deno.test("code blocks: a rejection without a handler is reported", async () => {
  const message = await outcome(
    "Promise.reject(new Error('lost'));\nawait new Promise((resolve) => setTimeout(resolve, 1000));",
  );
  assertEquals(message.includes("PAGE.md:7: the block failed: Error: lost"), true, message);
});
