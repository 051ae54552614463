import { checkAddress, formatAddress } from "../session/address.ts";
import { type UdpAddress, udpAddress } from "../connection/udp_address.ts";
import { rememberAddress } from "./addresses.ts";
import type { WebTransportLike } from "./transport.ts";

/** Where a {@linkcode WebTransportServer} listens, and as whom. */
export interface WebTransportServerOptions {
  /** The UDP port, 0 to 65535; 0 lets the system choose a free one. Default: 0. */
  port?: number;
  /** The IP address to bind. Default: "0.0.0.0". */
  hostname?: string;
  /** The certificate of the server and those that lead to an authority, as PEM. */
  cert: string;
  /** The private key of the certificate, as PEM. */
  key: string;
  /** What the congestion control of QUIC is tuned for. Default: "low-latency". */
  congestionControl?: "default" | "throughput" | "low-latency";
  /** A session ends when nothing has arrived for this time, in ms. Default: 30000. */
  maxIdleTimeout?: number;
}

/** A session that a client has opened. */
export interface IncomingSession extends WebTransportLike {
  /** The URL that the client has asked for. */
  readonly url: string;
}

/** Most clients whose handshake is under way. Others wait. */
const MAX_HANDSHAKES = 256;
/** How long (ms) a client may take to open a session. */
const HANDSHAKE_TIME = 10_000;

/** The part of a QUIC connection of Deno that is needed. */
interface QuicConn {
  readonly remoteAddr: { readonly hostname: string; readonly port: number };
  close(info: { closeCode: number; reason: string }): void;
}

/** The part of a QUIC endpoint of Deno that is needed. */
interface QuicEndpoint {
  readonly addr: { readonly hostname: string; readonly port: number };
  listen(options: object): {
    incoming(): Promise<{ accept(): Promise<QuicConn> }>;
    stop(): void;
  };
  close(info: { closeCode: number; reason: string }): void;
}

/** The part of Deno that is needed. */
interface Runtime {
  readonly QuicEndpoint?: new (options: { hostname: string; port: number }) => QuicEndpoint;
  upgradeWebTransport?(conn: QuicConn): Promise<IncomingSession>;
}

/**
 * Accepts WebTransport sessions on Deno, which needs `--unstable-net`. Only QUIC is spoken: it is no web
 * server for pages.
 *
 * It is a loop over sessions. Give each one to {@linkcode listen}, or look at its `url` first and close
 * it.
 *
 * @example
 * ```ts no-eval
 * import { listen, WebTransportServer } from "@lowlatency/kcp/webtransport";
 *
 * const cert = await Deno.readTextFile("cert.pem");
 * const key = await Deno.readTextFile("key.pem");
 * const server = new WebTransportServer({ port: 4433, cert, key });
 * for await (const session of server) {
 *   if (new URL(session.url).pathname !== "/game") {
 *     session.close({ closeCode: 404, reason: "There is only /game" });
 *     continue;
 *   }
 *   const listener = await listen(session);
 *   listener.accept().then((conn) => conn.readable.pipeTo(conn.writable)).catch(() => {});
 * }
 * ```
 */
export class WebTransportServer implements AsyncIterable<IncomingSession>, Disposable {
  readonly #endpoint: QuicEndpoint;
  readonly #stop: () => void;
  /** Sessions that are open, and wait for the loop. */
  readonly #sessions: IncomingSession[] = [];
  /** Wakes the loop, and the acceptance of further clients. */
  #wake: () => void = () => {};
  #makeRoom: () => void = () => {};
  #handshakes = 0;
  #closed = false;

  /**
   * Starts to listen.
   *
   * @throws {Error} When the runtime has no QUIC, the address can't be bound, or the certificate does not
   * fit the key.
   * @throws {TypeError | RangeError} When the address is none.
   */
  constructor(options: WebTransportServerOptions) {
    const { port = 0, hostname = "0.0.0.0", cert, key, maxIdleTimeout = 30_000 } = options;
    const { congestionControl = "low-latency" } = options;
    checkAddress({ hostname, port }, 0);
    const { QuicEndpoint, upgrade } = quicOf(globalThis);
    this.#endpoint = new QuicEndpoint({ hostname, port });
    try {
      const alpnProtocols = ["h3"];
      const quic = { cert, key, alpnProtocols, congestionControl, maxIdleTimeout };
      const listener = this.#endpoint.listen(quic);
      this.#stop = () => listener.stop();
      this.#accept(listener.incoming.bind(listener), upgrade);
    } catch (error) {
      this.#endpoint.close({ closeCode: 0, reason: "" });
      throw error;
    }
  }

  /**
   * The address that the server is bound to.
   *
   * @example
   * ```ts no-eval
   * import { WebTransportServer } from "@lowlatency/kcp/webtransport";
   *
   * const cert = await Deno.readTextFile("cert.pem");
   * const key = await Deno.readTextFile("key.pem");
   * using server = new WebTransportServer({ cert, key });
   * console.log(`listening on port ${server.addr.port}`);
   * ```
   */
  get addr(): UdpAddress {
    const { hostname, port } = this.#endpoint.addr;
    return udpAddress(formatAddress(hostname, port));
  }

  /**
   * Ends the server and all its sessions.
   *
   * @example
   * ```ts no-eval
   * import { WebTransportServer } from "@lowlatency/kcp/webtransport";
   *
   * const cert = await Deno.readTextFile("cert.pem");
   * const key = await Deno.readTextFile("key.pem");
   * const server = new WebTransportServer({ cert, key });
   * setTimeout(() => server.close(), 60_000);
   * for await (const session of server) console.log(session.url); // ends after a minute
   * ```
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#sessions.length = 0;
    this.#stop();
    this.#endpoint.close({ closeCode: 0, reason: "" });
    this.#wake();
    this.#makeRoom();
  }

  /**
   * Calls {@linkcode WebTransportServer.close}.
   *
   * @example
   * ```ts no-eval
   * import { WebTransportServer } from "@lowlatency/kcp/webtransport";
   *
   * const cert = await Deno.readTextFile("cert.pem");
   * const key = await Deno.readTextFile("key.pem");
   * {
   *   using server = new WebTransportServer({ cert, key });
   *   console.log(server.addr.port);
   * } // closes it
   * ```
   */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * The sessions as clients open them, until the server is closed. Leaving the loop closes the server.
   *
   * @example
   * ```ts no-eval
   * import { WebTransportServer } from "@lowlatency/kcp/webtransport";
   *
   * const cert = await Deno.readTextFile("cert.pem");
   * const key = await Deno.readTextFile("key.pem");
   * for await (const session of new WebTransportServer({ port: 4433, cert, key })) {
   *   console.log(session.url);
   * }
   * ```
   */
  async *[Symbol.asyncIterator](): AsyncIterableIterator<IncomingSession> {
    try {
      for (;;) {
        const next = this.#sessions.shift();
        if (next) {
          this.#makeRoom();
          yield next;
        } else if (this.#closed) return;
        else await new Promise<void>((resolve) => this.#wake = resolve);
      }
    } finally {
      this.close();
    }
  }

  async #accept(
    incoming: () => Promise<{ accept(): Promise<QuicConn> }>,
    upgrade: (conn: QuicConn) => Promise<IncomingSession>,
  ): Promise<void> {
    while (!this.#closed) {
      let client: { accept(): Promise<QuicConn> };
      try {
        client = await incoming();
      } catch {
        // The endpoint is closed.
        return;
      }
      this.#handshakes++;
      this.#open(client, upgrade).finally(() => {
        this.#handshakes--;
        this.#makeRoom();
      });
      while (!this.#closed && this.#handshakes + this.#sessions.length >= MAX_HANDSHAKES) {
        await new Promise<void>((resolve) => this.#makeRoom = resolve);
      }
    }
  }

  async #open(
    client: { accept(): Promise<QuicConn> },
    upgrade: (conn: QuicConn) => Promise<IncomingSession>,
  ): Promise<void> {
    let late: ReturnType<typeof setTimeout> | undefined;
    try {
      const conn = await client.accept();
      const { hostname, port } = conn.remoteAddr;
      late = setTimeout(() => conn.close({ closeCode: 0, reason: "" }), HANDSHAKE_TIME);
      const session = await upgrade(conn);
      session.closed.catch(() => {});
      if (this.#closed) return;
      rememberAddress(session, formatAddress(hostname, port));
      this.#sessions.push(session);
      this.#wake();
    } catch {
      // A client that speaks something else, or has gone.
    } finally {
      clearTimeout(late);
    }
  }
}

/**
 * Finds QUIC and WebTransport of Deno.
 *
 * @param scope The global object.
 * @throws {Error} When they are missing. The message says what to do.
 */
export function quicOf(scope: object): Required<Pick<Runtime, "QuicEndpoint">> & {
  upgrade: (conn: QuicConn) => Promise<IncomingSession>;
} {
  const { Deno } = scope as { Deno?: Runtime };
  const { QuicEndpoint, upgradeWebTransport } = Deno ?? {};
  if (!QuicEndpoint || !upgradeWebTransport) {
    throw new Error(
      Deno
        ? "Cannot accept WebTransport sessions: run Deno with --unstable-net, " +
          'or set "unstable": ["net"] in deno.json'
        : "Cannot accept WebTransport sessions: this runtime is not Deno; " +
          "give sessions of another server to listen",
    );
  }
  return { QuicEndpoint, upgrade: (conn) => upgradeWebTransport(conn) };
}
