/**
 * The worker that runs one code block: a module whose address it is sent. It reports what the block
 * prints, and how the block ended.
 *
 * @module
 */
const scope = globalThis as unknown as Worker;

function describe(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}

console.log = console.error = (...data: unknown[]) => {
  scope.postMessage({ printed: data.map(String).join(" ") });
};
addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  scope.postMessage({ failed: describe(event.reason) });
});

scope.onmessage = async ({ data: url }: MessageEvent<string>) => {
  try {
    await import(url);
    scope.postMessage({ done: true });
  } catch (error) {
    scope.postMessage({ failed: describe(error) });
  }
};

export {};
