/**
 * The adapter for `node:dgram`.
 *
 * @module
 */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { networkInterfaces, platform } from "node:os";
import type { PacketBatch } from "../../kcp/packet_batch.ts";
import { AddressBook, formatAddress, zoneOf } from "../session/address.ts";
import type { Connection } from "./connection.ts";
import type { LentSocketOptions } from "./deno.ts";
import type { DatagramReceiver, DatagramSocket } from "./driver.ts";
import { isClosedCode } from "./error_pause.ts";
import type { Listener } from "./listener.ts";
import {
  type Bind,
  type BindOptions,
  type ConnectOptions,
  connectUdp,
  type ListenOptions,
  listenUdp,
} from "./udp.ts";

export type { Bind, BindOptions, ConnectOptions, LentSocketOptions, ListenOptions };

/** Options of the sockets that {@linkcode node} opens. */
export interface NodeOptions {
  /**
   * Size of the socket's receive buffer in bytes, 4096 to 1,073,741,824. The system may give less.
   * Default: 4,194,304 (4 MiB).
   */
  receiveBuffer?: number;
  /**
   * Size of the socket's send buffer in bytes, 4096 to 1,073,741,824. The system may give less.
   * Default: 4,194,304 (4 MiB).
   */
  sendBuffer?: number;
}

/** Size in bytes of the socket's receive and send buffers. */
const BUFFER_SIZE = 4 << 20;

/**
 * Whether the runtime is Node.js. It sends packets in order, most of them before the call returns, and
 * receives up to 32 packets before it runs immediates. Others that have `node:dgram` do neither.
 */
const IS_NODE: boolean = (() => {
  const { process } = globalThis as { process?: { versions?: Record<string, string> } };
  const versions = process?.versions;
  return versions?.node !== undefined && versions.deno === undefined && versions.bun === undefined;
})();

function checkBuffers(options: NodeOptions): void {
  for (const name of ["receiveBuffer", "sendBuffer"] as const) {
    const value = options[name];
    if (value === undefined) continue;
    if (!Number.isInteger(value) || value < 4096 || value > 1 << 30) {
      throw new RangeError(
        `Cannot set ${name} to ${value}: allowed are whole numbers 4096 to ${1 << 30}`,
      );
    }
  }
}

/**
 * Returns a function that opens sockets of `node:dgram`, for the `bind` option of `listen` and
 * `connect`. Without it, they open such sockets with the default options.
 *
 * @param options Options of the sockets.
 * @throws {RangeError} When an option is out of its range.
 *
 * @example
 * ```ts
 * import { listen, node } from "@lowlatency/kcp/node";
 *
 * const listener = await listen({ hostname: "127.0.0.1", bind: node({ receiveBuffer: 1 << 20 }) });
 * listener.close();
 * ```
 */
export function node(options: NodeOptions = {}): Bind {
  checkBuffers(options);
  return (hostname, port) => open(hostname, port, options);
}

/**
 * Listens for connections on a UDP port.
 *
 * @throws {Error} When the address can't be bound.
 * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range.
 *
 * @example
 * ```ts
 * import { listen } from "@lowlatency/kcp/node";
 *
 * const listener = await listen({ hostname: "127.0.0.1", port: 4000 });
 * for await (const conn of listener) {
 *   conn.readable.pipeTo(conn.writable).catch((error) => console.error(error.message));
 * }
 * ```
 */
export function listen(options: ListenOptions = {}): Promise<Listener> {
  return listenUdp(options, node(), lookUp);
}

/**
 * Opens a connection to a listener.
 *
 * KCP has no handshake. The promise resolves when the socket is open. The listener accepts the
 * connection when the first written bytes arrive.
 *
 * @throws {Error} When the name can't be resolved, or the local address can't be bound.
 * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range.
 *
 * @example
 * ```ts
 * import { connect } from "@lowlatency/kcp/node";
 *
 * const conn = await connect({ hostname: "127.0.0.1", port: 4000, timeout: 3000 });
 * await conn.writeAll(new TextEncoder().encode("hello"));
 * conn.close();
 * ```
 */
export function connect(options: ConnectOptions): Promise<Connection> {
  return connectUdp(options, node(), lookUp);
}

async function lookUp(name: string): Promise<string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

async function open(host: string, port: number, options: NodeOptions): Promise<NodeSocket> {
  const { receiveBuffer = BUFFER_SIZE, sendBuffer = BUFFER_SIZE } = options;
  const hostname = withSystemZone(host);
  const socket = createSocket({
    type: isIP(hostname) === 6 ? "udp6" : "udp4",
    // Every hostname is an IP address. Node.js would look it up for each packet, and send it later.
    lookup: (address, _options, done) => done(null, address, isIP(address)),
    recvBufferSize: receiveBuffer,
    sendBufferSize: sendBuffer,
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(port, hostname, () => {
      socket.off("error", reject);
      resolve();
    });
  });
  return new NodeSocket(socket);
}

/**
 * Sends and receives packets on a socket of `node:dgram`, for `listenOn`, `connectOn`, and the option
 * `bind`.
 *
 * @example A socket that the application opens before, and closes after
 * ```ts
 * import { createSocket } from "node:dgram";
 * import { once } from "node:events";
 * import { listen, NodeSocket } from "@lowlatency/kcp/node";
 *
 * const socket = createSocket("udp4").bind(0, "127.0.0.1");
 * await once(socket, "listening");
 * const listener = await listen({ bind: () => new NodeSocket(socket, { lent: true }) });
 * listener.close();
 * await listener.closed;
 * socket.close();
 * ```
 */
export class NodeSocket implements DatagramSocket {
  /** The kind of socket. */
  readonly adapter = "node";
  /** The address that the socket is bound to, such as `127.0.0.1:4000`. */
  readonly address: string;
  readonly #socket: Socket;
  readonly #addresses: AddressBook;
  readonly #lent: boolean;
  /** Takes the listeners off the socket. */
  #unlisten: () => void = () => {};
  #closed = false;
  #errors = 0;
  /** Settles the promise of the `send` that is in progress. */
  #endSend: (() => void) | null = null;

  /**
   * Wraps a socket.
   *
   * @param socket A bound UDP socket. A lent one may have other receivers.
   * @param options Whether the socket is lent.
   */
  constructor(socket: Socket, options: LentSocketOptions = {}) {
    this.#lent = options.lent ?? false;
    const { address, port } = socket.address();
    this.address = formatAddress(address, port);
    this.#addresses = new AddressBook(address);
    this.#socket = socket;
  }

  /**
   * The socket of Node.js: for its options, such as `setTTL`.
   *
   * @example
   * ```ts
   * import { listen, node, NodeSocket } from "@lowlatency/kcp/node";
   *
   * const listener = await listen({ hostname: "127.0.0.1", bind: node() });
   * const { socket } = listener;
   * if (socket instanceof NodeSocket) socket.socket.setTTL(32);
   * ```
   */
  get socket(): Socket {
    return this.#socket;
  }

  /**
   * The address under which the packets of a peer arrive.
   *
   * @throws {TypeError} When the zone of the address is not a network of this host.
   */
  peerAddress(hostname: string, port: number): string {
    const host = withSystemZone(hostname);
    // Node.js tells the zone of a packet. Deno, when it runs this adapter, does not.
    this.#addresses.zone = zoneOf(host);
    return formatAddress(host, port);
  }

  /**
   * The sizes of the buffers in bytes, as far as the system tells them: Linux names twice the size that
   * was asked for.
   *
   * @throws {Error} When the socket is closed.
   *
   * @example
   * ```ts
   * import { listen, node, NodeSocket } from "@lowlatency/kcp/node";
   *
   * const listener = await listen({ hostname: "127.0.0.1", bind: node() });
   * const { socket } = listener;
   * if (socket instanceof NodeSocket) console.log(socket.settings.receiveBuffer);
   * ```
   */
  get settings(): Required<NodeOptions> {
    this.#checkOpen();
    return {
      receiveBuffer: this.#socket.getRecvBufferSize(),
      sendBuffer: this.#socket.getSendBufferSize(),
    };
  }

  /**
   * Changes the sizes of the buffers, for all connections of the socket: kcp-go's `SetReadBuffer` and
   * `SetWriteBuffer`.
   *
   * @param change The options to change. Those that are not named keep their values.
   * @throws {RangeError} When an option is out of its range. No option is changed then.
   * @throws {Error} When the socket is closed.
   *
   * @example
   * ```ts
   * import { listen, node, NodeSocket } from "@lowlatency/kcp/node";
   *
   * const listener = await listen({ hostname: "127.0.0.1", bind: node() });
   * const { socket } = listener;
   * if (socket instanceof NodeSocket) socket.configure({ receiveBuffer: 16 << 20 });
   * ```
   */
  configure(change: NodeOptions): void {
    checkBuffers(change);
    this.#checkOpen();
    const { receiveBuffer, sendBuffer } = change;
    if (receiveBuffer !== undefined) this.#socket.setRecvBufferSize(receiveBuffer);
    if (sendBuffer !== undefined) this.#socket.setSendBufferSize(sendBuffer);
  }

  #checkOpen(): void {
    if (this.#closed) throw new Error(`The socket on ${this.address} is closed`);
  }

  /**
   * Errors of the socket so far. It goes on after most of them.
   *
   * @example
   * ```ts
   * import { listen, node, NodeSocket } from "@lowlatency/kcp/node";
   *
   * const listener = await listen({ hostname: "127.0.0.1", bind: node() });
   * const { socket } = listener;
   * console.log(socket.readErrors); // 0
   * ```
   */
  get readErrors(): number {
    return this.#errors;
  }

  /** Starts to deliver packets. */
  open(receiver: DatagramReceiver): void {
    const socket = this.#socket;
    let settles = false;
    const settle = () => {
      settles = false;
      receiver.settled();
    };
    const onMessage = (packet: Uint8Array, { address, port }: RemoteInfo) => {
      receiver.packet(packet, this.#addresses.peer(address, port), IS_NODE);
      if (!IS_NODE || settles) return;
      settles = true;
      setImmediate(settle);
    };
    // An error belongs to one packet, or it passes: Node.js goes on to receive.
    const onError = (error: Error) => {
      this.#errors++;
      if (!this.#closed && isClosedCode(error)) receiver.failed(error);
    };
    const onClose = () => {
      this.#endSend?.();
      if (this.#closed) return;
      this.#closed = true;
      receiver.failed(new Error("The socket was closed by other code"));
    };
    socket.on("message", onMessage).on("error", onError).on("close", onClose);
    this.#unlisten = () => {
      socket.off("message", onMessage).off("error", onError).off("close", onClose);
    };
  }

  /** Sends the packets of a batch. A packet that the system refuses is lost. */
  send(batch: PacketBatch): Promise<void> {
    return new Promise((resolve, reject) => {
      // After a close, Node.js does not report every packet.
      this.#endSend = resolve;
      if (IS_NODE) this.#sendInOrder(batch, resolve, reject);
      else this.#sendEach(batch, resolve, reject);
    });
  }

  /** Sends packets of which each reports that it has left. */
  #sendEach(batch: PacketBatch, resolve: () => void, reject: (reason: unknown) => void): void {
    let unsent = batch.count + 1;
    const done = (error?: Error | null) => {
      if (isClosedCode(error)) reject(error);
      if (--unsent === 0) resolve();
    };
    // A packet that Node.js refuses with an exception reports nothing.
    for (let i = 0; i < batch.count; i++) if (!this.#sendPacket(batch, i, done)) done();
    done();
  }

  /** Sends packets of which the last one reports that all have left: each report costs time. */
  #sendInOrder(batch: PacketBatch, resolve: () => void, reject: (reason: unknown) => void): void {
    const last = batch.count - 1;
    for (let i = 0; i < last; i++) this.#sendPacket(batch, i);
    const done = (error?: Error | null) => {
      if (isClosedCode(error)) reject(error);
      else this.#awaitQueue(resolve);
    };
    if (!this.#sendPacket(batch, last, done)) done();
  }

  /** Waits until the socket needs the bytes of no packet any more. */
  #awaitQueue(resolve: () => void): void {
    if (this.#closed || this.#socket.getSendQueueCount() === 0) resolve();
    else setTimeout(() => this.#awaitQueue(resolve), 1);
  }

  /** Sends a packet. False when Node.js refuses it with an exception, as it does with some addresses. */
  #sendPacket(batch: PacketBatch, i: number, done?: (error: Error | null) => void): boolean {
    if (this.#closed) return false;
    const { hostname, port } = this.#addresses.get(batch.to[i]);
    try {
      this.#socket.send(batch.packet(i), port, hostname, done);
      return true;
    } catch {
      return false;
    }
  }

  /** Sends the packets of a batch, for the end of the process. */
  sendNow(batch: PacketBatch): void {
    this.send(batch).catch(() => {});
  }

  /** Closes the socket, or gives it back if it is lent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#endSend?.();
    if (!this.#lent) {
      this.#socket.close();
      return;
    }
    this.#unlisten();
    this.#socket.ref();
  }

  /** Keeps the process alive while the socket is open. This is the initial state. */
  ref(): void {
    this.#socket.ref();
  }

  /** Lets the process end while the socket is open. */
  unref(): void {
    this.#socket.unref();
  }
}

/**
 * An address with its zone in the form that Node.js uses: a name, on Windows a number.
 *
 * @throws {TypeError} When this host has no such network.
 */
function withSystemZone(hostname: string): string {
  const zone = zoneOf(hostname);
  if (zone === "") return hostname;
  let networks: ReturnType<typeof networkInterfaces>;
  try {
    networks = networkInterfaces();
  } catch {
    // Deno may forbid it. It takes both forms.
    return hostname;
  }
  for (const [name, addresses = []] of Object.entries(networks)) {
    const index = addresses.find(({ scopeid }) => scopeid)?.scopeid;
    if (name !== zone && String(index) !== zone) continue;
    const own = platform() === "win32" ? String(index) : name;
    return hostname.replace(`%${zone}`, `%${own}`);
  }
  throw new TypeError(`Cannot use the hostname ${hostname}: there is no network ${zone}`);
}
