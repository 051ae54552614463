import type { RemoteInfo, Socket } from "node:dgram";
import type { PacketBatch } from "../../kcp/packet_batch.ts";
import { builtinModule } from "../connection/builtin_modules.ts";
import type { DatagramReceiver, DatagramSocket } from "../connection/driver.ts";
import { isClosedCode } from "../connection/error_pause.ts";
import type { LentSocketOptions } from "../connection/lent_socket.ts";
import { wholeOverLoopback } from "../connection/loopback.ts";
import { AddressBook, formatAddress, zoneOf } from "../session/address.ts";
import { publishSocketError } from "./diagnostics.ts";
import { checkBuffers, type NodeOptions } from "./node_options.ts";
import { withSystemZone } from "./zone.ts";

/** Whether the runtime is Node.js itself. Others have `node:dgram`, too. */
function isNode(): boolean {
  const { process } = globalThis as { process?: { versions?: Record<string, string> } };
  const versions = process?.versions;
  return versions?.node !== undefined && versions.deno === undefined && versions.bun === undefined;
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
  /**
   * Whether packets are sent in order, most of them before the call returns, and up to 32 arrive
   * before immediates run: so does Node.js, and no other runtime.
   */
  readonly #isNode = isNode();
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
    const os = builtinModule("node:os");
    const host = os ? withSystemZone(hostname, os) : hostname;
    // Node.js tells the zone of a packet. Deno, when it runs this adapter, does not.
    this.#addresses.zone = zoneOf(host);
    return formatAddress(host, port);
  }

  /** The largest packet that reaches a peer on the loopback in one piece; 0 for other peers. */
  wholePacketSize(peer: string): number {
    return wholeOverLoopback(peer);
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
      receiver.packet(packet, this.#addresses.peer(address, port), this.#isNode);
      if (!this.#isNode || settles) return;
      settles = true;
      setImmediate(settle);
    };
    // An error belongs to one packet, or it passes: Node.js goes on to receive.
    const onError = (error: Error) => {
      this.#errors++;
      publishSocketError(this, error);
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
      if (this.#isNode) this.#sendInOrder(batch, resolve, reject);
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
