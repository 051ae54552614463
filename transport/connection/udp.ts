/**
 * What the adapters for UDP sockets share: which socket to open for whom.
 *
 * @module
 */
import { canonical, checkAddress, formatAddress, isAddress, localFor } from "../session/address.ts";
import type { Connection } from "./connection.ts";
import type { DatagramSocket } from "./driver.ts";
import type { EndpointOptions } from "../session/endpoint.ts";
import type { Listener } from "./listener.ts";
import type { SessionOptions } from "../session/session_options.ts";
import { connectOn, listenOn, orClose } from "./sockets.ts";
import { SystemClock, systemEntropy } from "./system_clock.ts";

/** What opens sockets. */
export interface BindOptions {
  /** Opens the socket: the runtime's own kind unless given; `linux()` of `/linux` makes a faster one. */
  bind?: Bind;
}

/** Where to listen, and settings of the endpoint and of its sessions. */
export interface ListenOptions extends EndpointOptions, BindOptions {
  /** The port; 0, one that is free, unless given. */
  port?: number;
  /** The IP address to bind: `0.0.0.0`, every IPv4 address, unless given. `::` serves IPv4 and IPv6. */
  hostname?: string;
}

/** Whom to connect to, and settings of the session. */
export interface ConnectOptions extends SessionOptions, BindOptions {
  /** The listener's port. */
  port: number;
  /** The listener's IP address or name; `127.0.0.1` unless given. */
  hostname?: string;
  /** The IP address to bind on this side; one that fits the listener's unless given. */
  localHostname?: string;
  /** The port to bind on this side; 0, one that is free, unless given. */
  localPort?: number;
  /** The conversation id; drawn at random unless given. */
  conv?: number;
}

/** Opens a UDP socket at an IP address and port; port 0 is one that is free. */
export type Bind = (hostname: string, port: number) => DatagramSocket | Promise<DatagramSocket>;

/** `listen` on the sockets that `own` opens unless the options bring others. */
export async function listenUdp(options: ListenOptions, own: Bind): Promise<Listener> {
  const { port = 0, hostname = "0.0.0.0", bind = own, ...endpoint } = options;
  checkAddress({ hostname, port }, 0);
  const socket = await bind(hostname, port);
  return orClose(socket, () => listenOn(socket, new SystemClock(), withEntropy(endpoint)));
}

/** `connect` likewise; `lookUp` gives the IP address of a name. */
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
    ...session
  } = options;
  checkAddress({ hostname, port }, 1);
  const host = canonical(await resolve(hostname, lookUp));
  const socket = await bind(localHostname ?? localFor(host), localPort);
  const peer = formatAddress(host, port);
  return orClose(
    socket,
    () => connectOn(socket, new SystemClock(), peer, conv, withEntropy(session)),
  );
}

function withEntropy<T extends SessionOptions>(options: T): T {
  return { ...options, entropy: options.entropy ?? systemEntropy };
}

async function resolve(
  hostname: string,
  lookUp: (name: string) => Promise<string>,
): Promise<string> {
  // Both loopback addresses have this name; a listener is on the IPv4 one unless told otherwise.
  if (hostname === "localhost") return "127.0.0.1";
  return isAddress(hostname) ? hostname : await lookUp(hostname);
}
