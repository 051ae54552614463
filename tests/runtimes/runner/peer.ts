/**
 * The other process of the suite: listeners on Deno, in the process of the runner.
 *
 * @module
 */
import { listen, type Listener } from "../../../mod.ts";
import { peerOptions } from "../suite/peer_checks.ts";

/** ms after which a process that has ended should have told it. */
const TOLD = 5_000;

/** Listeners for programs: one sends back what it gets, one waits until they end. */
export class Peer implements AsyncDisposable {
  readonly #echo: Listener;
  readonly #end: Listener;
  /** How the connections of programs have ended, by their names. */
  readonly #ends = new Map<string, PromiseWithResolvers<string>>();

  private constructor(echo: Listener, end: Listener) {
    this.#echo = echo;
    this.#end = end;
    this.#serve().catch(() => {});
    this.#watch().catch(() => {});
  }

  /** Opens the listeners. */
  static async start(): Promise<Peer> {
    const options = { hostname: "127.0.0.1", ...peerOptions() };
    return new Peer(await listen(options), await listen(options));
  }

  /** The ports for the argument of a program. */
  get ports(): string {
    return JSON.stringify({ echo: this.#echo.addr.port, end: this.#end.addr.port });
  }

  async #serve(): Promise<void> {
    for await (const conn of this.#echo) conn.readable.pipeTo(conn.writable).catch(() => {});
  }

  async #watch(): Promise<void> {
    for await (const conn of this.#end) {
      (async () => {
        const name = new TextDecoder().decode((await conn.receiveMessage())!);
        const end = this.#endOf(name);
        await conn.closed.then(() => end.resolve("closed"), ({ kind }) => end.resolve(kind));
      })().catch(() => {});
    }
  }

  #endOf(name: string): PromiseWithResolvers<string> {
    const end = this.#ends.get(name) ?? Promise.withResolvers<string>();
    this.#ends.set(name, end);
    return end;
  }

  /** How the connection of a program that has ended did end; "silence" if that is not known soon. */
  async end(name: string): Promise<string> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const silence = new Promise<string>((resolve) => {
      timer = setTimeout(resolve, TOLD, "silence");
    });
    try {
      return await Promise.race([this.#endOf(name).promise, silence]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes the listeners. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const listener of [this.#echo, this.#end]) {
      listener.close({ connections: "abort" });
      await listener.closed;
    }
  }
}
