/**
 * Connections over a transport of the application that leads to one peer, such as a WebTransport
 * session: as many as it likes, and a listener.
 *
 * @module
 */
import type { PacketCipher } from "../../crypt/packet_cipher.ts";
import { formatAddress } from "../session/address.ts";
import type { EndpointOptions } from "../session/endpoint.ts";
import type { SessionOptions } from "../session/session_options.ts";
import { type Connection, newConnection, partsOf, waitUntilOpen } from "./connection.ts";
import type { DatagramSocket, Driver } from "./driver.ts";
import type { Listener } from "./listener.ts";
import { checkSignal, checkTimeout } from "./operation_queue.ts";
import type { RateLimitOptions } from "./rate_limit.ts";
import { connectOn, connectVia, DIALLED_KEEP_ALIVE, listenOn, orClose } from "./sockets.ts";
import { SystemClock, systemEntropy } from "./system_clock.ts";
import { inTime } from "./timed_wait.ts";

/** The name of the other end of a transport. */
export interface PeerNameOptions {
  /**
   * The address of the other end, if the application knows it: for `remoteAddr` and for messages.
   * Nothing is sent there. Default: a name of the kind of transport, and port 1.
   */
  remoteAddr?: { readonly hostname: string; readonly port: number } | undefined;
}

/** Options of a listener on a transport that leads to one peer, and of its connections. */
export interface PeerListenOptions extends EndpointOptions, RateLimitOptions, PeerNameOptions {}

/** Options of a connection over a transport that leads to one peer. */
export interface PeerConnectOptions extends SessionOptions, RateLimitOptions, PeerNameOptions {
  /** The conversation id, 0 to 4294967295. Default: a random number. */
  conv?: number | undefined;
  /**
   * Waits until the transport is ready and the listener answers, for at most this time (ms), 0 to
   * `Infinity`. Else the promise rejects with a {@linkcode ConnectionError} of kind `timeout`.
   * Default: waits for the transport, and does not ask the listener, unless there is a `signal`.
   */
  timeout?: number | undefined;
  /**
   * Waits until the listener answers. When the signal is aborted before, the promise rejects with the
   * signal's reason. Default: no signal.
   */
  signal?: AbortSignal | undefined;
}

/** What runs over a transport. */
interface Running {
  /** The listener that carries all connections; null without one. */
  readonly listener: Listener | null;
  /** What runs the connections without a listener. */
  readonly driver: Driver | null;
  /** The address of the other end, in the form of the machines. */
  readonly peer: string;
  readonly crypt: PacketCipher | undefined;
  /** Settles when the socket is closed. */
  readonly closed: Promise<void>;
}

/** A kind of transport, of which each leads to one peer. */
export interface PeerTransportKind<T extends object> {
  /** What an application calls one, with its article: "a WebTransport session". */
  readonly name: string;
  /** The default of the `mtu` option, in bytes. */
  readonly mtu: number;
  /** Waits until datagrams can be sent. Rejects if that will never be. */
  ready(transport: T): Promise<void>;
  /** Makes a socket that gives every packet to `peer`, and says that all are from there. */
  open(transport: T, peer: string): DatagramSocket;
  /** The address of the other end in the form of the machines, unless the application tells it. */
  peerOf(transport: T): string;
}

/** Opens connections and listeners over transports of one kind. */
export class PeerTransports<T extends object> {
  readonly #kind: PeerTransportKind<T>;
  readonly #running = new WeakMap<T, Running>();

  constructor(kind: PeerTransportKind<T>) {
    this.#kind = kind;
  }

  /** Accepts the connections that the peer opens over a transport. */
  async listen(transport: T, options: PeerListenOptions): Promise<Listener> {
    const { remoteAddr, ...endpoint } = options;
    await this.#kind.ready(transport);
    if (this.#running.has(transport)) {
      throw new TypeError(
        `Cannot listen on ${this.#kind.name} that is in use: listen first, and connect then`,
      );
    }
    const peer = this.#peer(transport, remoteAddr);
    const socket = this.#kind.open(transport, peer);
    const { mtu } = this.#kind;
    const settings = { mtu, entropy: systemEntropy, ...withoutUndefined(endpoint) };
    const listener = orClose(socket, () => listenOn(socket, new SystemClock(), settings));
    const { closed } = listener;
    this.#run(transport, { listener, driver: null, peer, crypt: endpoint.crypt, closed });
    return listener;
  }

  /** Opens a connection to the peer of a transport. */
  async connect(transport: T, options: PeerConnectOptions): Promise<Connection> {
    const { timeout, signal, ...rest } = options;
    if (timeout !== undefined) checkTimeout("connect", timeout);
    if (signal) checkSignal(signal);
    const clock = new SystemClock();
    const endsAt = clock.now() + (timeout ?? Infinity);
    await inTime(this.#kind.ready(transport), { timeout, signal });
    const connection = this.#dial(transport, rest);
    if (timeout === undefined && signal === undefined) return connection;
    const left = Math.max(0, Math.ceil(endsAt - clock.now()));
    await waitUntilOpen(connection, { timeout: left, wholeTimeout: timeout, signal });
    return connection;
  }

  /** Waits until nothing runs over a transport any more. */
  async idle(transport: T): Promise<void> {
    await this.#running.get(transport)?.closed;
  }

  #dial(transport: T, options: PeerConnectOptions): Connection {
    const { conv = randomConv(), remoteAddr, ...session } = options;
    const { mtu } = this.#kind;
    const settings = { mtu, ...withoutUndefined(session) };
    const running = this.#running.get(transport);
    if (running) {
      if (running.listener) return connectVia(running.listener, running.peer, conv, settings);
      return dialBeside(running, conv, settings);
    }
    const peer = this.#peer(transport, remoteAddr);
    const socket = this.#kind.open(transport, peer);
    const all = { entropy: systemEntropy, ...settings };
    const connection = orClose(
      socket,
      () => connectOn(socket, new SystemClock(), peer, conv, all),
    );
    const { driver } = partsOf(connection);
    const { closed } = driver;
    this.#run(transport, { listener: null, driver, peer, crypt: session.crypt, closed });
    return connection;
  }

  #peer(transport: T, remoteAddr: PeerNameOptions["remoteAddr"]): string {
    return remoteAddr
      ? formatAddress(remoteAddr.hostname, remoteAddr.port)
      : this.#kind.peerOf(transport);
  }

  /** Remembers what runs over a transport until its socket is closed. */
  #run(transport: T, running: Running): void {
    this.#running.set(transport, running);
    running.closed.then(() => this.#running.delete(transport));
  }
}

/** Opens a connection beside those that run over a transport, with options of its own. */
function dialBeside(
  running: Running,
  conv: number,
  options: SessionOptions & RateLimitOptions,
): Connection {
  const { rateLimit, entropy = systemEntropy, keepAlive = DIALLED_KEEP_ALIVE, ...rest } = options;
  const driver = running.driver!;
  if (rest.crypt !== running.crypt) {
    throw new TypeError(
      "Cannot connect with another cipher: all connections of a transport share one",
    );
  }
  if (rateLimit !== undefined && rateLimit !== driver.rateLimit) {
    throw new TypeError(
      "Cannot connect with another rateLimit: all connections of a transport share one",
    );
  }
  const session = driver.endpoint.open(running.peer, conv, driver.now(), {
    ...rest,
    entropy,
    keepAlive,
  });
  session.delayKeepAlive();
  driver.ledger.dialled++;
  return newConnection(session, driver, true);
}

function randomConv(): number {
  const bytes = new Uint8Array(4);
  systemEntropy(bytes);
  return new DataView(bytes.buffer).getUint32(0);
}

/** A copy without the members that are undefined: they must not hide a default. */
function withoutUndefined<O extends object>(options: O): O {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as O;
}
