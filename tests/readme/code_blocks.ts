/**
 * The code blocks of a Markdown file.
 *
 * @module
 */

/** A fenced block of TypeScript. */
export interface CodeBlock {
  /** The file that it stands in, relative to the root of the project. */
  readonly file: string;
  /** The line of its first line of code in that file, from 1. */
  readonly line: number;
  /** The code. */
  readonly code: string;
  /** Whether the fence says `no-run`: the block is type-checked only. */
  readonly noRun: boolean;
}

/**
 * Finds every block whose fence begins with `ts`.
 *
 * @param file The name of the file, for messages.
 * @param text Its content.
 * @throws {Error} When a fence has an unknown mark, or is not closed.
 */
export function codeBlocks(file: string, text: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; at++) {
    const fence = /^```(\S*) *(.*)$/.exec(lines[at]);
    if (!fence) continue;
    const start = at + 1;
    const end = lines.indexOf("```", start);
    if (end < 0) throw new Error(`${file}:${start}: the block is not closed`);
    at = end;
    const [, language, mark] = fence;
    if (language !== "ts") continue;
    if (mark !== "" && mark !== "no-run") {
      throw new Error(`${file}:${start}: a ts block can be marked "no-run", not "${mark}"`);
    }
    const code = lines.slice(start, end).join("\n");
    blocks.push({ file, line: start + 1, code, noRun: mark === "no-run" });
  }
  return blocks;
}

/** Whether the block listens and another block has to connect. */
export function isServer({ code }: CodeBlock): boolean {
  return /\blisten\(/.test(code) && !/\bconnect\(/.test(code);
}

/** Whether the block connects to a listener that another block has to open. */
export function isClient({ code }: CodeBlock): boolean {
  return /\bconnect\(/.test(code) && !/\b(listen|startProxy)\(/.test(code);
}

/** What the block says it prints, in comments such as `// prints: hello`. */
export function expectedOutput({ code }: CodeBlock): string[] {
  return [...code.matchAll(/\/\/ prints: (.*)$/gm)].map(([, text]) => text.trim());
}

/**
 * The block as a module whose line numbers are those of the Markdown file.
 *
 * The port 4000 of the examples becomes `port`. Examples that listen on all addresses listen on the
 * loopback: the tests have no permission for more.
 */
export function moduleOf({ line, code }: CodeBlock, port = 4000): string {
  const local = code
    .replaceAll("listen({ port: 4000", `listen({ hostname: "127.0.0.1", port: ${port}`)
    .replaceAll("port: 4000", `port: ${port}`);
  // Without an import or export it would be a script, in which names of blocks collide.
  return `${"\n".repeat(line - 1)}${local}\nexport {};\n`;
}
