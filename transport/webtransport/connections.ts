import type { Connection } from "../connection/connection.ts";
import type { Listener } from "../connection/listener.ts";
import {
  type PeerConnectOptions,
  type PeerListenOptions,
  PeerTransports,
} from "../connection/peer_transport.ts";
import { ConnectionError } from "../session/errors.ts";
import { shown } from "../session/shown.ts";
import { addressOf } from "./addresses.ts";
import { WebTransportSocket } from "./socket.ts";
import type { WebTransportLike, WebTransportSettings } from "./transport.ts";

/**
 * The default MTU, in bytes: no QUIC packet on an Ethernet is larger. The session tells how much of it
 * there is.
 */
const MTU = 1452;
/** With less, no packet of this library fits. */
const LEAST_SIZE = 200;

/** Options of {@linkcode connect}. */
export interface ConnectOptions extends PeerConnectOptions {
  /** Options for the constructor of `WebTransport`, if `connect` gets a URL. */
  webTransport?: WebTransportSettings;
}

/** Options of {@linkcode listen}. */
export type ListenOptions = PeerListenOptions;

const transports = new PeerTransports<WebTransportLike>({
  name: "a WebTransport session",
  mtu: MTU,
  ready,
  open: (transport, peer) => new WebTransportSocket(transport, peer),
  peerOf: (transport) => addressOf(transport) ?? "webtransport:1",
});

/**
 * Opens a connection over datagrams of a WebTransport session. A session can carry any number of
 * connections. The other end has a listener on the session.
 *
 * @param transport A session that the application has opened, and closes when nobody needs it any more;
 * or the URL of a server: a session is opened then, and closed after the connection.
 * @param options Options of the connection. The default of `mtu` is 1452, and in any case no packet is
 * larger than the session takes at the time.
 * @throws {ConnectionError} With the kind `socket` when the session can't be opened; the error of the
 * runtime is the cause. With the kind `timeout` when the option `timeout` has passed.
 * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range.
 * @throws {Error} When the runtime has no WebTransport.
 *
 * @example
 * ```ts no-eval
 * import { connect } from "@lowlatency/kcp/webtransport";
 *
 * await using conn = await connect("https://example.com:4433/game", { timeout: 5000 });
 * await conn.writeAll(new TextEncoder().encode("hello"));
 * ```
 */
export async function connect(
  transport: WebTransportLike | string | URL,
  options: ConnectOptions = {},
): Promise<Connection> {
  const { webTransport, ...rest } = options;
  if (typeof transport === "object" && !(transport instanceof URL)) {
    if (webTransport !== undefined) {
      throw new TypeError("Cannot set webTransport for a session that is there: it needs a URL");
    }
    checkTransport(transport);
    return await transports.connect(transport, rest);
  }
  const url = new URL(transport);
  const opened = open(url, webTransport);
  const { remoteAddr = { hostname: hostOf(url), port: Number(url.port) || 443 } } = rest;
  let connection: Connection;
  try {
    connection = await transports.connect(opened, { ...rest, remoteAddr });
  } catch (error) {
    end(opened);
    throw error;
  }
  transports.idle(opened).then(() => end(opened));
  return connection;
}

/**
 * Listens for connections that the other end of a WebTransport session opens over it. `connect` on the
 * same session opens connections in the other direction.
 *
 * @param transport The session. The listener does not close it, and ends with it.
 * @param options Options of the listener and of its connections. The default of `mtu` is 1452, and in any
 * case no packet is larger than the session takes at the time.
 * @throws {ConnectionError} With the kind `socket` when the session can't be opened.
 * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range, or the
 * session carries connections already.
 *
 * @example A server on Deno that sends back what it receives
 * ```ts no-eval
 * import { listen, WebTransportServer } from "@lowlatency/kcp/webtransport";
 *
 * const cert = await Deno.readTextFile("cert.pem");
 * const key = await Deno.readTextFile("key.pem");
 * for await (const session of new WebTransportServer({ port: 4433, cert, key })) {
 *   listen(session).then(async (listener) => {
 *     for await (const conn of listener) conn.readable.pipeTo(conn.writable).catch(() => {});
 *   }).catch((error) => console.error(error.message)); // the session has ended
 * }
 * ```
 */
export async function listen(
  transport: WebTransportLike,
  options: ListenOptions = {},
): Promise<Listener> {
  checkTransport(transport);
  return await transports.listen(transport, options);
}

function checkTransport(transport: WebTransportLike): void {
  if (typeof transport?.datagrams?.readable?.getReader === "function") return;
  throw new TypeError(
    `Cannot use ${shown(transport)} as a WebTransport session: it has no datagrams`,
  );
}

/** Waits for a session, and checks that it has datagrams. */
async function ready(transport: WebTransportLike): Promise<void> {
  try {
    await transport.ready;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `Cannot open a WebTransport session: ${reason}`;
    throw new ConnectionError("socket", message, { cause });
  }
  const { maxDatagramSize } = transport.datagrams;
  if (maxDatagramSize < LEAST_SIZE) {
    throw new ConnectionError(
      "socket",
      `Cannot use the WebTransport session: its largest datagram has ${maxDatagramSize} bytes`,
    );
  }
}

/** Opens a session to a server. */
function open(url: URL, settings: WebTransportSettings = {}): WebTransportLike {
  const { WebTransport } = globalThis as unknown as {
    WebTransport?: new (url: string, options: object) => WebTransportLike;
  };
  if (typeof WebTransport !== "function") {
    throw new Error(
      `Cannot connect to ${url.href}: this runtime has no WebTransport; Deno has it with ` +
        "--unstable-net, and browsers have it in pages that came over https",
    );
  }
  const defaults = { congestionControl: "low-latency", requireUnreliable: true };
  const session = new WebTransport(url.href, { ...defaults, ...settings });
  // They reject together with `ready`.
  session.closed.catch(() => {});
  return session;
}

function hostOf({ hostname }: URL): string {
  return hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
}

function end(transport: WebTransportLike): void {
  try {
    transport.close();
  } catch {
    // It is not open yet, or not any more.
  }
}
