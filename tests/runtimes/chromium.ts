/**
 * Starts a real Chromium without a window, and runs code in its pages. It speaks the Chrome DevTools
 * Protocol (https://chromedevtools.github.io/devtools-protocol/) over a WebSocket.
 *
 * @module
 */

/** The names under which systems install Chromium. The first one that is there is used. */
const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/** How long (ms) Chromium may take to start. */
const START_TIME = 60_000;

/** Path of the Chromium of this system: the variable `CHROMIUM`, or one in `PATH`. Else null. */
export async function findChromium(): Promise<string | null> {
  const named = Deno.env.get("CHROMIUM");
  if (named) return named;
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    for (const name of NAMES) {
      const path = `${folder}/${name}`;
      if (await Deno.stat(path).then(({ isFile }) => isFile, () => false)) return path;
    }
  }
  return null;
}

/** A message of the protocol. */
interface Message {
  id?: number;
  method?: string;
  sessionId?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { message: string };
}

/** A call that waits for its answer. */
interface Call {
  /** The session of the page that is called. */
  readonly session: string | undefined;
  resolve(result: Record<string, unknown>): void;
  reject(error: Error): void;
}

/**
 * A running Chromium with a profile of its own, which is removed at the end.
 *
 * @example
 * ```ts no-eval
 * await using chromium = await Chromium.launch((await findChromium())!);
 * const page = await chromium.open("about:blank");
 * console.log(await page.evaluate("1 + 1")); // 2
 * ```
 */
export class Chromium implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #calls = new Map<number, Call>();
  readonly #pages = new Map<string, Page>();
  #lastId = 0;
  /** Ends Chromium together with this process, which may end early. */
  readonly #onUnload = () => this.#process.kill("SIGKILL");

  private constructor(process: Deno.ChildProcess, profile: string, socket: WebSocket) {
    this.#process = process;
    this.#profile = profile;
    this.#socket = socket;
    globalThis.addEventListener("unload", this.#onUnload);
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    socket.onclose = () => {
      for (const call of this.#calls.values()) call.reject(new Error("Chromium has ended"));
      this.#calls.clear();
    };
  }

  /**
   * Starts Chromium.
   *
   * @param path Path of the program.
   * @param flags More arguments.
   * @throws {Error} When it does not start. The message has what it printed.
   */
  static async launch(path: string, flags: readonly string[] = []): Promise<Chromium> {
    const profile = await Deno.makeTempDir({ prefix: "chromium-" });
    const args = [
      "--headless",
      // Its sandbox needs rights that containers and the user root do not have.
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--no-first-run",
      "--no-default-browser-check",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      // Pages that nobody looks at must not become slow.
      "--disable-background-timer-throttling",
      "--disable-backgrounding-occluded-windows",
      "--disable-renderer-backgrounding",
      "--remote-debugging-port=0",
      `--user-data-dir=${profile}`,
      ...flags,
      "about:blank",
    ];
    const process = new Deno.Command(path, { args, stdout: "null", stderr: "piped" }).spawn();
    try {
      const socket = new WebSocket(await debuggerAddress(process));
      await new Promise((resolve, reject) => {
        socket.onopen = resolve;
        socket.onerror = () => reject(new Error("The debugger of Chromium does not answer"));
      });
      return new Chromium(process, profile, socket);
    } catch (error) {
      await end(process, profile);
      throw error;
    }
  }

  /** Opens a page, and waits until it is loaded. */
  async open(url: string): Promise<Page> {
    const { targetId } = await this.call("Target.createTarget", { url: "about:blank" });
    const attached = await this.call("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, targetId as string, attached.sessionId as string);
    this.#pages.set(page.session, page);
    await page.navigate(url);
    return page;
  }

  /** Calls a method of the protocol: of the browser, or of a page by its session. */
  call(
    method: string,
    params: Record<string, unknown> = {},
    sessionId?: string,
  ): Promise<Record<string, unknown>> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { session: sessionId, resolve, reject });
      this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    });
  }

  #take({ id, method, sessionId, params, result, error }: Message): void {
    if (id === undefined) {
      if (sessionId !== undefined) this.#pages.get(sessionId)?.tell(method!, params ?? {});
      else if (method === "Target.detachedFromTarget") this.#forget(params!.sessionId as string);
      return;
    }
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (error) call?.reject(new Error(`Chromium refuses: ${error.message}`));
    else call?.resolve(result ?? {});
  }

  /** A page has been closed, or its process has died. Its calls get no answer. */
  #forget(session: string): void {
    this.#pages.delete(session);
    for (const [id, call] of this.#calls) {
      if (call.session !== session) continue;
      this.#calls.delete(id);
      call.reject(new Error("The page is closed"));
    }
  }

  /** Ends Chromium, waits for it, and removes its profile. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#socket.readyState !== WebSocket.CLOSED) {
      const closed = new Promise((resolve) => this.#socket.addEventListener("close", resolve));
      this.call("Browser.close").catch(() => {});
      await closed;
    }
    await end(this.#process, this.#profile);
    globalThis.removeEventListener("unload", this.#onUnload);
  }
}

/** A page of {@linkcode Chromium}. */
export class Page {
  readonly #chromium: Chromium;
  readonly #target: string;
  /** The session of the protocol. */
  readonly session: string;
  /** What the page printed on its console, and errors that nothing caught, a line each. */
  readonly log: string[] = [];
  #loaded: (() => void) | null = null;

  /** Makes a page of a session that {@linkcode Chromium.open} has attached. */
  constructor(chromium: Chromium, target: string, session: string) {
    this.#chromium = chromium;
    this.#target = target;
    this.session = session;
  }

  /** Goes to an address, and waits until it is loaded. */
  async navigate(url: string): Promise<void> {
    await this.call("Page.enable");
    await this.call("Runtime.enable");
    const loaded = new Promise<void>((resolve) => this.#loaded = resolve);
    const { errorText } = await this.call("Page.navigate", { url });
    if (errorText) throw new Error(`Chromium cannot load ${url}: ${errorText}`);
    await loaded;
  }

  /**
   * Runs an expression in the page.
   *
   * @returns Its value; that of a promise when it has settled. It must be plain data, as in JSON.
   * @throws {Error} When the expression throws, or its promise rejects.
   */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.call("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    }) as { result: { value: T }; exceptionDetails?: Thrown };
    if (exceptionDetails) throw new Error(`In the page: ${describe(exceptionDetails)}`);
    return result.value;
  }

  /** Calls a method of the protocol for this page. */
  call(
    method: string,
    params: Record<string, unknown> = {},
  ): Promise<Record<string, unknown>> {
    return this.#chromium.call(method, params, this.session);
  }

  /** Takes an event of the protocol. */
  tell(method: string, params: Record<string, unknown>): void {
    if (method === "Page.loadEventFired") this.#loaded?.();
    if (method === "Runtime.exceptionThrown") {
      this.log.push(describe(params.exceptionDetails as Thrown));
    }
    if (method !== "Runtime.consoleAPICalled") return;
    const args = params.args as { value?: unknown; description?: string }[];
    this.log.push(args.map(({ value, description }) => String(value ?? description)).join(" "));
  }

  /** Closes the page. */
  async close(): Promise<void> {
    await this.#chromium.call("Target.closeTarget", { targetId: this.#target });
  }
}

/** What the protocol tells of an exception. */
interface Thrown {
  text: string;
  exception?: { description?: string; value?: unknown };
}

function describe({ text, exception }: Thrown): string {
  return exception?.description ?? `${text} ${String(exception?.value ?? "")}`;
}

/** Reads the address of the debugger from what Chromium prints, and drops the rest. */
async function debuggerAddress({ stderr, pid }: Deno.ChildProcess): Promise<string> {
  const timer = setTimeout(() => Deno.kill(pid, "SIGKILL"), START_TIME);
  const reader = stderr.pipeThrough(new TextDecoderStream()).getReader();
  let printed = "";
  try {
    for (let next; !(next = await reader.read()).done;) {
      printed += next.value;
      const address = /DevTools listening on (ws:\S+)\n/.exec(printed)?.[1];
      if (!address) continue;
      drop(reader);
      return address;
    }
  } finally {
    clearTimeout(timer);
  }
  throw new Error(`Chromium did not start: ${printed}`);
}

async function drop(reader: ReadableStreamDefaultReader<string>): Promise<void> {
  while (!(await reader.read()).done);
}

/** Ends the process if it has not ended yet, and removes the profile. */
async function end(process: Deno.ChildProcess, profile: string): Promise<void> {
  const timer = setTimeout(() => process.kill("SIGKILL"), 5_000);
  await process.status;
  clearTimeout(timer);
  // Helper processes of Chromium may write for a moment longer.
  for (let left = 20; left > 0; left--) {
    const removed = await Deno.remove(profile, { recursive: true }).then(() => true, () => false);
    if (removed) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
