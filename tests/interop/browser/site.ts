/**
 * A Chromium, and a site on this host from which it loads the page of the tests.
 *
 * @module
 */
import { Chromium, findChromium, type Page } from "../../runtimes/chromium.ts";

/** With "required", a test without its peer fails instead of being skipped. */
export const required = Deno.env.get("KCP_INTEROP") === "required";

/** Chromium shows other pages names instead of its addresses, which not every host resolves. */
const FLAGS = ["--disable-features=WebRtcHideLocalIpsWithMdns"];

/** The path of Chromium. Without one: null, or an error if it is required. */
export async function chromiumIfAny(): Promise<string | null> {
  const path = await findChromium();
  if (path === null && required) {
    throw new Error('Cannot test browsers: KCP_INTEROP is "required", and there is no Chromium');
  }
  return path;
}

/** A running Chromium, and the site that it loads pages from. */
export class Site implements AsyncDisposable {
  readonly #chromium: Chromium;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  private constructor(chromium: Chromium, server: Deno.HttpServer<Deno.NetAddr>) {
    this.#chromium = chromium;
    this.#server = server;
  }

  /**
   * Bundles a module, serves it, and starts Chromium.
   *
   * @param path The path of Chromium.
   * @param module The module of the page.
   */
  static async open(path: string, module: URL): Promise<Site> {
    const script = await bundle(module);
    const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, ({ url }) => {
      const isScript = new URL(url).pathname === "/page.js";
      const [body, type] = isScript
        ? [script, "text/javascript"]
        : ['<!doctype html><script type="module" src="/page.js"></script>', "text/html"];
      return new Response(body, { headers: { "content-type": type } });
    });
    try {
      return new Site(await Chromium.launch(path, FLAGS), server);
    } catch (error) {
      await server.shutdown();
      throw error;
    }
  }

  /** Opens the page. */
  page(): Promise<Page> {
    return this.#chromium.open(`http://127.0.0.1:${this.#server.addr.port}/`);
  }

  /** Ends Chromium and the site. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#chromium[Symbol.asyncDispose]();
    await this.#server.shutdown();
  }
}

/** How long (ms) a call in a page may take. */
const CALL_TIME = 20_000;

/** Calls a function of the page of the tests by its name. */
export async function call<T>(page: Page, name: string, ...args: unknown[]): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const fail = () => reject(new Error(`${name} in the page took too long: ${page.log}`));
    timer = setTimeout(fail, CALL_TIME);
  });
  const call = `page.${name}(${args.map((arg) => JSON.stringify(arg)).join(", ")})`;
  try {
    return await Promise.race([page.evaluate<T>(call), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A module and all that it imports as one script. */
export async function bundle(module: URL): Promise<string> {
  const root = new URL("../../../", import.meta.url).pathname;
  const args = ["bundle", "--quiet", "--no-check", "--no-lock", "--platform=browser"];
  args.push(`--config=${root}deno.json`, `--import-map=${root}tests/std/import_map.json`);
  const command = new Deno.Command(Deno.execPath(), { args: [...args, module.pathname] });
  const { success, stdout, stderr } = await command.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}
