/**
 * `listen` and `connect` over UDP, for every adapter: checks addresses and opens the right socket.
 *
 * @module
 */
import {
  canonical,
  checkAddress,
  checkHostname,
  checkPort,
  formatAddress,
  isAddress,
  isIpv6,
  isLinkLocal,
  localFor,
  normalize,
  parseAddress,
  zoneOf,
} from "../session/address.ts";
import { ConnectionError } from "../session/errors.ts";
import { shown } from "../session/shown.ts";
import { type Connection, waitUntilOpen } from "./connection.ts";
import type { DatagramSocket } from "./driver.ts";
import type { EndpointOptions } from "../session/endpoint.ts";
import { happyEyeballs, interleaveFamilies } from "./happy_eyeballs.ts";
import { Listener } from "./listener.ts";
import { checkSignal, checkTimeout } from "./operation_queue.ts";
import type { SessionOptions } from "../session/session_options.ts";
import type { RateLimitOptions } from "./rate_limit.ts";
import { connectOn, connectVia, listenOn, orClose } from "./sockets.ts";
import { SystemClock, systemEntropy } from "./system_clock.ts";

/** The option that chooses the kind of socket. */
export interface BindOptions {
  /**
   * Opens the socket: `linux()` of `@lowlatency/kcp/linux`, `deno()` of `@lowlatency/kcp/deno`,
   * `node()` of `@lowlatency/kcp/node`, or a function of your own. Default: a socket of the runtime; on
   * Deno for Linux, with both `--allow-ffi` and `--allow-net` granted without limits, one as `linux()`
   * opens. `Connection.adapter` tells which one it is.
   */
  bind?: Bind | undefined;
}

/** The address to listen on, and options of the endpoint and of its sessions. */
export interface ListenOptions extends EndpointOptions, BindOptions, RateLimitOptions {
  /** The port, 0 to 65535; 0 lets the system choose a free one. Default: 0. */
  port?: number | undefined;
  /**
   * The IP address to bind, or a name of this host. `0.0.0.0` receives on every IPv4 address, `::`
   * on every IPv4 and IPv6 address. A link-local address needs its zone: `fe80::1%eth0`. Default:
   * "0.0.0.0".
   *
   * If this host has several addresses, a peer expects answers from the one that it has sent to. On
   * `0.0.0.0` or `::`, only the sockets of Linux (`adapter` is "linux") can do that. Other sockets
   * answer from the address that the route to the peer prefers. With them, bind one listener to each
   * address.
   */
  hostname?: string | undefined;
  /**
   * Calls {@linkcode Listener.close} when it is aborted: connections that were accepted continue. When
   * it is aborted before the socket is open, the promise rejects with the signal's reason. Default: no
   * signal.
   */
  signal?: AbortSignal | undefined;
}

/** The listener to connect to, and options of the session. */
export interface ConnectOptions extends SessionOptions, BindOptions, RateLimitOptions {
  /** The listener's port, 1 to 65535. */
  port: number;
  /**
   * The listener's IP address or name. If a name has several addresses, each is asked in turn, and the
   * first that answers is used (RFC 8305). A link-local address needs its zone: `fe80::1%eth0`.
   * Default: "127.0.0.1".
   */
  hostname?: string | undefined;
  /**
   * The IP address to bind on this side. It must be of the listener's family, or `::`. Default: the
   * loopback address if the listener is on the loopback, otherwise every address of the listener's
   * family.
   */
  localHostname?: string | undefined;
  /** The port to bind on this side, 0 to 65535; 0 lets the system choose a free one. Default: 0. */
  localPort?: number | undefined;
  /** The conversation id, 0 to 4294967295. Default: a random number. */
  conv?: number | undefined;
  /**
   * A listener over whose socket the connection runs. The peer sees the listener's address. So many
   * connections need one socket, and two peers behind NATs can reach each other (hole punching): each
   * listens, learns the public address of the other from a server that both know, and dials it over
   * its listener at the same time. If both give the same `conv`, they get the two ends of one
   * connection; otherwise each also accepts the connection that the other has dialled.
   *
   * The listener's encryption, `replayWindow` and `memoryLimit` hold. `bind`, `localHostname` and
   * `localPort` can't be given. `listener.close` waits for the connection, too. Default: a socket of
   * its own.
   *
   * @example
   * ```ts
   * import { connect, listen, turbo } from "@lowlatency/kcp";
   *
   * using alice = await listen({ hostname: "127.0.0.1", ...turbo });
   * using bob = await listen({ hostname: "127.0.0.1", ...turbo });
   * const options = { hostname: "127.0.0.1", conv: 7, timeout: 5000, ...turbo };
   * const ends = await Promise.all([
   *   connect({ ...options, port: bob.addr.port, via: alice }),
   *   connect({ ...options, port: alice.addr.port, via: bob }),
   * ]);
   * await ends[0].write(new TextEncoder().encode("hello"));
   * console.log(await ends[1].read(new Uint8Array(10))); // 5
   * for (const end of ends) end.abort();
   * ```
   */
  via?: Listener | undefined;
  /**
   * Waits until the listener answers, for at most this time (ms), 0 to `Infinity`. If it does not
   * answer, the promise rejects with a {@linkcode ConnectionError} of kind `timeout`. Default: does
   * not ask, unless there is a `signal`.
   */
  timeout?: number | undefined;
  /**
   * Waits until the listener answers. When the signal is aborted before, the promise rejects with the
   * signal's reason. Default: no signal.
   */
  signal?: AbortSignal | undefined;
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

/** Finds the IP addresses of a name, the best one first. */
export type LookUp = (name: string) => Promise<readonly string[]>;

/**
 * Listens on a UDP port.
 *
 * @param own Opens the socket if the options have no `bind`.
 * @param lookUp Finds the IP addresses of a name.
 */
export async function listenUdp(
  options: ListenOptions,
  own: Bind,
  lookUp: LookUp,
): Promise<Listener> {
  const { port = 0, hostname = "0.0.0.0", bind = own, signal, ...endpoint } = options;
  checkAddress({ hostname, port }, 0);
  checkBind(bind);
  if (signal) checkSignal(signal);
  const hosts = (await resolve(hostname, lookUp)).map(normalize);
  const socket = await firstOf(hosts, (host) => {
    if (isLinkLocal(host) && zoneOf(host) === "") throw withoutZone(host);
    return bind(host, port, "listen");
  });
  return orClose(socket, () => {
    signal?.throwIfAborted();
    const listener = listenOn(socket, new SystemClock(), withEntropy(endpoint));
    if (signal) closeOnAbort(listener, signal);
    return listener;
  });
}

function closeOnAbort(listener: Listener, signal: AbortSignal): void {
  const close = () => listener.close();
  signal.addEventListener("abort", close);
  listener.closed.then(() => signal.removeEventListener("abort", close));
}

/**
 * Opens a connection to a listener over UDP.
 *
 * @param own Opens the socket if the options have no `bind`.
 * @param lookUp Finds the IP addresses of a name.
 */
export async function connectUdp(
  options: ConnectOptions,
  own: Bind,
  lookUp: LookUp,
): Promise<Connection> {
  const {
    port,
    hostname = "127.0.0.1",
    localHostname,
    localPort = 0,
    conv = crypto.getRandomValues(new Uint32Array(1))[0],
    bind = own,
    via,
    timeout,
    signal,
    ...session
  } = options;
  checkAddress({ hostname, port }, 1);
  if (via !== undefined) checkVia(via, options);
  if (localHostname !== undefined) checkHostname(localHostname);
  checkPort(localPort, 0);
  checkBind(bind);
  if (timeout !== undefined) checkTimeout("connect", timeout);
  if (signal) checkSignal(signal);
  const hosts = (await resolve(hostname, lookUp)).map(canonical);
  const locals = localHostname === undefined
    ? null
    : (await resolve(localHostname, lookUp)).map(normalize);
  const dial = async (host: string) => {
    if (via) return connectVia(via, peerOver(via.socket, host, port), conv, session);
    const { socket, peer } = await openTo(host, port, locals, localPort, bind);
    return orClose(
      socket,
      () => connectOn(socket, new SystemClock(), peer, conv, withEntropy(session)),
    );
  };
  const asks = timeout !== undefined || signal !== undefined;
  // A listener on this machine uses IPv4 by default, so there is nothing to find out.
  if (!asks && (hosts.length === 1 || hostname === "localhost")) {
    return firstOf(hosts, dial);
  }
  const endsAt = performance.now() + (timeout ?? Infinity);
  const attempt = async (host: string, signal: AbortSignal) => {
    const connection = await dial(host);
    const left = Math.max(0, Math.ceil(endsAt - performance.now()));
    await waitUntilOpen(connection, { timeout: left, wholeTimeout: timeout, signal });
    return connection;
  };
  try {
    return await happyEyeballs(hosts, attempt, { signal, discard: (late) => late.abort() });
  } catch (error) {
    throw error instanceof AggregateError ? noneAnswered(hostname, error) : error;
  }
}

/** Checks the function that opens the socket. */
function checkBind(bind: unknown): void {
  if (typeof bind === "function") return;
  throw new TypeError(`Cannot set bind to ${shown(bind)}: it must be a function, such as deno()`);
}

/** Checks that the options of a connection over a listener name no other socket. */
function checkVia(via: unknown, options: ConnectOptions): void {
  if (!(via instanceof Listener)) {
    throw new TypeError(`Cannot connect via ${shown(via)}: it must be a Listener`);
  }
  for (const name of ["bind", "localHostname", "localPort"] as const) {
    if (options[name] === undefined) continue;
    throw new TypeError(`Cannot set ${name} together with via: the listener has its socket`);
  }
}

/** The error for a name of which no address answered. */
function noneAnswered(hostname: string, cause: AggregateError): Error {
  const errors: unknown[] = cause.errors;
  const silent = errors.find((error) => error instanceof ConnectionError);
  const words = errors.map((error) => error instanceof Error ? error.message : String(error));
  const message = `No address of ${hostname} answered: ${words.join("; ")}`;
  return silent
    ? new ConnectionError(silent.kind, message, { cause })
    : new Error(message, { cause });
}

function withEntropy<T extends SessionOptions>(options: T): T {
  return { ...options, entropy: options.entropy ?? systemEntropy };
}

/** The IP addresses of a hostname, in the order in which they are tried. */
async function resolve(hostname: string, lookUp: LookUp): Promise<string[]> {
  // This name stands for both. A listener uses IPv4 by default.
  if (hostname === "localhost") return ["127.0.0.1", "::1"];
  const host = normalize(hostname);
  return isAddress(host) ? [host] : interleaveFamilies(await lookUp(host));
}

/** The result for the first address that works; the error of the first one if none does. */
async function firstOf<T>(
  hosts: readonly string[],
  open: (host: string) => T | Promise<T>,
): Promise<T> {
  let first: { readonly error: unknown } | null = null;
  for (const host of hosts) {
    try {
      return await open(host);
    } catch (error) {
      first ??= { error };
    }
  }
  throw first ? first.error : new TypeError("Cannot open a UDP socket: there is no address");
}

/** A socket, and the address of the peer in its form. */
interface Opened {
  readonly socket: DatagramSocket;
  readonly peer: string;
}

/**
 * Opens a socket from which a host can be reached.
 *
 * @param locals The addresses to choose the local one from; null for the default.
 */
async function openTo(
  host: string,
  port: number,
  locals: readonly string[] | null,
  localPort: number,
  bind: Bind,
): Promise<Opened> {
  const local = locals ? locals.find((local) => reaches(local, host)) : localFor(host);
  if (local === undefined) throw crossed(host, locals!.join(" or "));
  const target = inZoneOf(local, host);
  const socket = await bind(local, localPort, "connect");
  // A `bind` of the application may have opened any socket.
  return orClose(socket, () => ({ socket, peer: peerOver(socket, target, port) }));
}

/** The address of a peer in the form of a socket that must be able to send there. */
function peerOver(socket: DatagramSocket, host: string, port: number): string {
  const own = parseAddress(socket.address).hostname;
  if (isAddress(own) && !reaches(own, host)) throw crossed(host, own);
  const target = inZoneOf(own, host);
  return socket.peerAddress?.(target, port) ?? formatAddress(target, port);
}

/** A link-local address without a zone gets that of the local address. */
function inZoneOf(local: string, host: string): string {
  if (!isLinkLocal(host) || zoneOf(host) !== "") return host;
  const zone = zoneOf(local);
  if (zone === "") throw withoutZone(host);
  return `${host}%${zone}`;
}

/** Whether a socket that is bound to a local address may send to a host. */
function reaches(local: string, host: string): boolean {
  return local === "::" || isIpv6(normalize(local)) === isIpv6(host);
}

function withoutZone(host: string): TypeError {
  return new TypeError(
    `Cannot use the hostname ${host}: it needs the zone of its network, such as ${host}%eth0`,
  );
}

function crossed(host: string, local: string): TypeError {
  const [family, other] = isIpv6(host) ? ["IPv6", "IPv4"] : ["IPv4", "IPv6"];
  return new TypeError(
    `Cannot reach ${host} from ${local}: the first is an ${family} address, the other ${other}`,
  );
}
