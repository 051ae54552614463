/**
 * `listen` and `connect` over UDP, for every adapter: checks addresses and opens the right socket.
 *
 * @module
 */
import { canonical, checkAddress, formatAddress, isAddress, localFor } from "../session/address.ts";
import { type Connection, waitUntilOpen } from "./connection.ts";
import type { DatagramSocket } from "./driver.ts";
import type { EndpointOptions } from "../session/endpoint.ts";
import type { Listener } from "./listener.ts";
import type { SessionOptions } from "../session/session_options.ts";
import { connectOn, listenOn, orClose } from "./sockets.ts";
import { SystemClock, systemEntropy } from "./system_clock.ts";

/** The option that chooses the kind of socket. */
export interface BindOptions {
  /**
   * Opens the socket, for example `linux()` of `@lowlatency/kcp/linux`. Default: a socket of the
   * runtime's own kind.
   */
  bind?: Bind;
}

/** The address to listen on, and options of the endpoint and of its sessions. */
export interface ListenOptions extends EndpointOptions, BindOptions {
  /** The port, 0 to 65535; 0 lets the system choose a free one. Default: 0. */
  port?: number;
  /**
   * The IP address to bind. `0.0.0.0` receives on every IPv4 address, `::` on every IPv4 and IPv6
   * address. Default: "0.0.0.0".
   */
  hostname?: string;
}

/** The listener to connect to, and options of the session. */
export interface ConnectOptions extends SessionOptions, BindOptions {
  /** The listener's port, 1 to 65535. */
  port: number;
  /** The listener's IP address or name. Default: "127.0.0.1". */
  hostname?: string;
  /**
   * The IP address to bind on this side. Default: the loopback address if the listener is on the
   * loopback, otherwise every address of the listener's family.
   */
  localHostname?: string;
  /** The port to bind on this side, 0 to 65535; 0 lets the system choose a free one. Default: 0. */
  localPort?: number;
  /** The conversation id, 0 to 4294967295. Default: a random number. */
  conv?: number;
  /**
   * Waits until the listener answers, for at most this time (ms), 0 to `Infinity`. If it does not
   * answer, the promise rejects with a {@linkcode ConnectionError} of kind `timeout`. Default: does
   * not ask, unless there is a `signal`.
   */
  timeout?: number;
  /**
   * Waits until the listener answers. When the signal is aborted before, the promise rejects with the
   * signal's reason. Default: no signal.
   */
  signal?: AbortSignal;
}

/**
 * Opens a UDP socket at an IP address and port. Port 0 lets the system choose a free one.
 *
 * @param purpose Who uses the socket: `listen`, which has many peers, or `connect`, which has one.
 */
export type Bind = (
  hostname: string,
  port: number,
  purpose?: "listen" | "connect",
) => DatagramSocket | Promise<DatagramSocket>;

/**
 * Listens on a UDP port.
 *
 * @param own Opens the socket if the options have no `bind`.
 */
export async function listenUdp(options: ListenOptions, own: Bind): Promise<Listener> {
  const { port = 0, hostname = "0.0.0.0", bind = own, ...endpoint } = options;
  checkAddress({ hostname, port }, 0);
  const socket = await bind(hostname, port, "listen");
  return orClose(socket, () => listenOn(socket, new SystemClock(), withEntropy(endpoint)));
}

/**
 * Opens a connection to a listener over UDP.
 *
 * @param own Opens the socket if the options have no `bind`.
 * @param lookUp Finds the IP address of a name.
 */
export async function connectUdp(
  options: ConnectOptions,
  own: Bind,
  lookUp: (name: string) => Promise<string>,
): Promise<Connection> {
  const {
    port,
    hostname = "127.0.0.1",
    localHostname,
    localPort = 0,
    conv = crypto.getRandomValues(new Uint32Array(1))[0],
    bind = own,
    timeout,
    signal,
    ...session
  } = options;
  checkAddress({ hostname, port }, 1);
  signal?.throwIfAborted();
  const host = canonical(await resolve(hostname, lookUp));
  const socket = await bind(localHostname ?? localFor(host), localPort, "connect");
  const peer = formatAddress(host, port);
  const connection = orClose(
    socket,
    () => connectOn(socket, new SystemClock(), peer, conv, withEntropy(session)),
  );
  if (timeout !== undefined || signal) await waitUntilOpen(connection, { timeout, signal });
  return connection;
}

function withEntropy<T extends SessionOptions>(options: T): T {
  return { ...options, entropy: options.entropy ?? systemEntropy };
}

async function resolve(
  hostname: string,
  lookUp: (name: string) => Promise<string>,
): Promise<string> {
  // This name stands for 127.0.0.1 and ::1. A listener uses IPv4 by default.
  if (hostname === "localhost") return "127.0.0.1";
  return isAddress(hostname) ? hostname : await lookUp(hostname);
}
