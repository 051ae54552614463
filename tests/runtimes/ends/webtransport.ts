/**
 * The suite on Deno, over the datagrams of WebTransport. Both ends of a session are in one process.
 *
 * @module
 */
import type { Listener } from "../../../transport/mod.ts";
import {
  connect,
  type IncomingSession,
  listen,
  type WebTransportLike,
  WebTransportServer,
} from "../../../transport/webtransport.ts";
import type { Certificate } from "../../interop/browser/certificate.ts";
import type { Face } from "../suite/mod.ts";

export { connectionSuite as suite, runChecks } from "../suite/mod.ts";

/** Opens sessions to a server in this process. */
class Sessions {
  readonly #server: WebTransportServer;
  readonly #settings: object;
  /** What waits for the server's end of a session, by the path of its URL. */
  readonly #waiting = new Map<string, (session: IncomingSession) => void>();
  #opened = 0;

  constructor({ cert, key, hash }: Certificate) {
    this.#server = new WebTransportServer({ hostname: "127.0.0.1", cert, key });
    this.#settings = { serverCertificateHashes: [{ algorithm: "sha-256", value: hash }] };
    this.#accept();
  }

  async #accept(): Promise<void> {
    for await (const session of this.#server) {
      this.#waiting.get(new URL(session.url).pathname)?.(session);
    }
  }

  /** Both ends of a new session. */
  async open(): Promise<readonly [client: WebTransportLike, server: WebTransportLike]> {
    const path = `/${this.#opened++}`;
    const arrived = new Promise<IncomingSession>((resolve) => this.#waiting.set(path, resolve));
    const url = `https://127.0.0.1:${this.#server.addr.port}${path}`;
    const { WebTransport } = globalThis as unknown as {
      WebTransport: new (url: string, settings: object) => WebTransportLike;
    };
    const client = new WebTransport(url, this.#settings);
    await client.ready;
    return [client, await arrived];
  }

  close(): void {
    this.#server.close();
  }
}

/** The face of sessions of WebTransport. */
export function face(certificate: Certificate): Face {
  const sessions = new Sessions(certificate);
  const clients = new WeakMap<Listener, WebTransportLike>();
  return {
    adapter: "webtransport",
    rootAdapter: "deno",
    kernels: "compiled",
    dial: null,
    listen: async (options) => {
      const [client, server] = await sessions.open();
      const listener = await listen(server, options);
      clients.set(listener, client);
      return listener;
    },
    connect: (listener, options) => connect(clients.get(listener)!, options),
    close: () => sessions.close(),
  };
}
