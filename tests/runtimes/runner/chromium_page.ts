/**
 * Runs the suite in a page of Chromium.
 *
 * @module
 */
import { Chromium, findChromium } from "../chromium.ts";
import type { EchoServer } from "../ends/memory.ts";
import type { Outcome } from "./outcome.ts";
import { Missing } from "./missing.ts";

/** ms after which a page has failed. */
const TIMEOUT = 120_000;

/** The strict policy lets scripts of the server run, and nothing else: no WebAssembly is compiled. */
const STRICT = "default-src 'none'; script-src 'self'";

const PAGE = "<!doctype html><meta charset=utf-8><title>runtimes</title>";

/**
 * Runs the suite in a page.
 *
 * @param folder The folder with the bundles.
 * @param bundle The name of the bundle.
 * @param strict Whether the page has a strict Content Security Policy.
 * @param server A WebTransport server for the page; null for none.
 * @throws {Missing} When there is no Chromium.
 */
export async function runInChromium(
  { folder, bundle, strict, server: echo }: {
    readonly folder: string;
    readonly bundle: string;
    readonly strict: boolean;
    readonly server: EchoServer | null;
  },
  outcome: Outcome,
): Promise<void> {
  const path = await findChromium();
  if (path === null) throw new Missing("there is no Chromium");
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => answer(request, folder, strict),
  );
  await using chromium = await Chromium.launch(path);
  const { product } = await chromium.call("Browser.getVersion");
  // Chrome/156.0.8078.108, or HeadlessChrome/…
  outcome.take({ version: String(product).split("/").at(-1)! });
  const page = await chromium.open(`http://127.0.0.1:${server.addr.port}/`);
  const args = [`/${bundle}`, strict ? "portable" : "compiled", echo];
  const call = `run(${args.map((arg) => JSON.stringify(arg)).join(", ")})`;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Not done after ${TIMEOUT} ms`)), TIMEOUT);
  });
  try {
    const run = page.evaluate(`import("/page.mjs").then(({ run }) => ${call})`);
    await Promise.race([run, late]);
  } catch (error) {
    outcome.fail(error instanceof Error ? error.message : String(error));
  } finally {
    clearTimeout(timer);
  }
  const lines = page.log.filter((line) => line.startsWith("{"));
  for (const line of lines) outcome.take(JSON.parse(line));
  if (!outcome.done && outcome.failures.length === 0) {
    outcome.fail(`The page ended early: ${page.log.filter((line) => !lines.includes(line))}`);
  }
}

async function answer(request: Request, folder: string, strict: boolean): Promise<Response> {
  const { pathname } = new URL(request.url);
  const headers: Record<string, string> = strict ? { "content-security-policy": STRICT } : {};
  if (pathname === "/") {
    return new Response(PAGE, { headers: { ...headers, "content-type": "text/html" } });
  }
  if (!/^\/\w+\.mjs$/.test(pathname)) return new Response("Not found", { status: 404 });
  const body = await Deno.readFile(folder + pathname);
  return new Response(body, { headers: { ...headers, "content-type": "text/javascript" } });
}
