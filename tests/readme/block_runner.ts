/**
 * Runs code blocks: each in a worker of its own, which can be ended while it still listens. A worker
 * has the permissions of the test.
 *
 * @module
 */
import { type CodeBlock, expectedOutput, moduleOf } from "./code_blocks.ts";

/** How long (ms) a block may run. */
const TIME_LIMIT = 30_000;

const WORKER = new URL("block_worker.ts", import.meta.url).href;

/** What a worker reports. */
type Report = { printed: string } | { done: true } | { failed: string };

function moduleUrl(code: string): string {
  return URL.createObjectURL(new Blob([code], { type: "application/typescript" }));
}

/** Starts a worker, and gives its first report that is not about output; it is ended by the caller. */
function start(url: string, onPrint: (text: string) => void = () => {}) {
  const worker = new Worker(url, { type: "module" });
  const outcome = new Promise<string | null>((resolve) => {
    worker.onmessage = ({ data }: MessageEvent<Report>) => {
      if ("printed" in data) onPrint(data.printed);
      else resolve("failed" in data ? data.failed : null);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      resolve(event.message);
    };
  });
  return { worker, outcome };
}

/**
 * Type-checks blocks.
 *
 * Deno type-checks a worker's first module with all that it imports. The module here names the
 * blocks and runs none.
 *
 * @returns What is wrong, one line for each bad block. Deno itself prints the details.
 */
export async function typeCheck(blocks: readonly CodeBlock[]): Promise<string[]> {
  if (await checks(blocks)) return [];
  const bad: string[] = [];
  for (const block of blocks) {
    if (await checks([block])) continue;
    bad.push(`${block.file}:${block.line}: the block does not type-check (see above)`);
  }
  return bad.length > 0 ? bad : ["the blocks do not type-check together"];
}

async function checks(blocks: readonly CodeBlock[]): Promise<boolean> {
  const imports = blocks.map((block) => `() => import("${moduleUrl(moduleOf(block))}");`);
  const report = "(globalThis as unknown as Worker).postMessage({ done: true }); export {};";
  const { worker, outcome } = start(moduleUrl(`${imports.join("\n")}\n${report}`));
  const failure = await outcome;
  worker.terminate();
  return failure === null;
}

/** A block that runs. */
export interface RunningBlock extends Disposable {
  /** Settles when the block has ended, with what went wrong, or null. */
  readonly ended: Promise<string | null>;
}

/**
 * Starts a block.
 *
 * @param block The block.
 * @param port The port that replaces 4000.
 * @param timeLimit How long (ms) the block may run.
 */
export function startBlock(
  block: CodeBlock,
  port: number,
  timeLimit: number = TIME_LIMIT,
): RunningBlock {
  const url = moduleUrl(moduleOf(block, port));
  const printed: string[] = [];
  const { worker, outcome } = start(WORKER, (text) => printed.push(text));
  worker.postMessage(url);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLong = new Promise<string>((resolve) => {
    if (timeLimit === Infinity) return;
    timer = setTimeout(() => resolve(`it took longer than ${timeLimit} ms`), timeLimit);
  });
  const name = `${block.file}:${block.line}: the block`;
  const ended = Promise.race([outcome, tooLong]).then((problem) => {
    clearTimeout(timer);
    if (problem !== null) return `${name} failed: ${problem.replaceAll(url, block.file)}`;
    const missing = expectedOutput(block).find((text) => !printed.includes(text));
    if (missing === undefined) return null;
    return `${name} did not print "${missing}", but ${JSON.stringify(printed)}`;
  });
  return {
    ended,
    [Symbol.dispose]() {
      clearTimeout(timer);
      worker.terminate();
      URL.revokeObjectURL(url);
    },
  };
}

/** A UDP port on the loopback that is free at the moment. */
export function freePort(): number {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const { port } = socket.addr as Deno.NetAddr;
  socket.close();
  return port;
}
