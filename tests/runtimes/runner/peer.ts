/**
 * The other process of the suite: listeners on Deno, in the process of the runner, over UDP and over
 * WebTransport.
 *
 * @module
 */
import { listen, type Listener } from "../../../mod.ts";
import { listen as listenOver, WebTransportServer } from "../../../transport/webtransport.ts";
import { type Certificate, makeCertificate } from "../../interop/browser/certificate.ts";
import type { EchoServer } from "../ends/memory.ts";
import { peerOptions } from "../suite/peer_checks.ts";
import { Missing } from "./missing.ts";

/** ms after which a process that has ended should have told it. */
const TOLD = 5_000;

/** Listeners for programs: one sends back what it gets, one waits until they end. */
export class Peer implements AsyncDisposable {
  readonly #echo: Listener;
  readonly #end: Listener;
  readonly #certificate: Certificate | null;
  readonly #server: WebTransportServer | null;
  /** How the connections of programs have ended, by their names. */
  readonly #ends = new Map<string, PromiseWithResolvers<string>>();

  private constructor(echo: Listener, end: Listener, certificate: Certificate | null) {
    this.#echo = echo;
    this.#end = end;
    this.#certificate = certificate;
    this.#server = certificate &&
      new WebTransportServer({ hostname: "127.0.0.1", ...certificate });
    serve(echo).catch(() => {});
    this.#serveSessions().catch(() => {});
    this.#watch().catch(() => {});
  }

  /** Opens the listeners. */
  static async start(): Promise<Peer> {
    const options = { hostname: "127.0.0.1", ...peerOptions() };
    return new Peer(await listen(options), await listen(options), await makeCertificate());
  }

  /** The ports for the argument of a program. */
  get ports(): string {
    return JSON.stringify({ echo: this.#echo.addr.port, end: this.#end.addr.port });
  }

  /**
   * A certificate for 127.0.0.1.
   *
   * @throws {Missing} When this system can't make one.
   */
  get certificate(): Certificate {
    if (!this.#certificate) throw new Missing("there is no OpenSSL");
    return this.#certificate;
  }

  /**
   * The WebTransport server that sends back what it gets.
   *
   * @throws {Missing} When this system can't make a certificate.
   */
  get webTransport(): EchoServer {
    const { hash } = this.certificate;
    return { url: `https://127.0.0.1:${this.#server!.addr.port}/`, hash: [...hash] };
  }

  async #serveSessions(): Promise<void> {
    for await (const session of this.#server ?? []) {
      listenOver(session, peerOptions()).then(serve).catch(() => {});
    }
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
    this.#server?.close();
    for (const listener of [this.#echo, this.#end]) {
      listener.close({ connections: "abort" });
      await listener.closed;
    }
  }
}

/** Sends back what the connections of a listener bring. */
async function serve(listener: Listener): Promise<void> {
  for await (const conn of listener) conn.readable.pipeTo(conn.writable).catch(() => {});
}
