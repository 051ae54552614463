import type { PacketBatch } from "../../kcp/packet_batch.ts";
import type { DatagramReceiver, DatagramSocket } from "../connection/driver.ts";
import { wholeOverLoopback } from "../connection/loopback.ts";
import { AddressBook, formatAddress, zoneOf } from "../session/address.ts";
import { type BufferName, bufferSize, setBufferSize } from "./bun_buffers.ts";
import { bunRuntime, type BunUdpSocket } from "./bun_udp.ts";
import { publishSocketError } from "./diagnostics.ts";
import { BUFFER_SIZE, checkBuffers, type NodeOptions } from "./node_options.ts";

/**
 * Opens a socket: the constructor is private.
 *
 * @throws {Error} When the address can't be bound, or a size was given and Bun can't set it.
 */
export let openBunSocket: (
  hostname: string,
  port: number,
  options?: NodeOptions,
) => Promise<BunSocket>;

/**
 * Sends and receives packets on a UDP socket of Bun, which takes a whole batch of packets in one call.
 * `listen` and `connect` open such sockets on Bun.
 *
 * @example
 * ```ts
 * import { BunSocket, listen } from "@lowlatency/kcp/node";
 *
 * const { socket } = await listen({ hostname: "127.0.0.1" });
 * if (socket instanceof BunSocket) socket.socket.setTTL(32);
 * ```
 */
export class BunSocket implements DatagramSocket {
  static {
    openBunSocket = (hostname, port, options = {}) => BunSocket.#bind(hostname, port, options);
  }

  /** The kind of socket. */
  readonly adapter = "bun";
  /** The address that the socket is bound to, such as `127.0.0.1:4000`. */
  readonly address: string;
  readonly #socket: BunUdpSocket;
  readonly #addresses: AddressBook;
  #receiver: DatagramReceiver | null = null;
  #settles = false;
  #closed = false;
  #errors = 0;
  /** The arguments of a send: for each packet its bytes, the port and the IP address. */
  readonly #packets: (Uint8Array | number | string)[] = [];
  /** Goes on with a send when the socket has room again. */
  #drained: (() => void) | null = null;

  private constructor(socket: BunUdpSocket, zone: string) {
    const { address, port } = socket.address;
    this.#socket = socket;
    // Bun does not tell the zone.
    this.address = formatAddress(zone === "" ? address : `${address}%${zone}`, port);
    this.#addresses = new AddressBook(address);
  }

  static async #bind(hostname: string, port: number, options: NodeOptions): Promise<BunSocket> {
    let own: BunSocket | null = null;
    const socket = await bunRuntime()!.udpSocket({
      hostname,
      port,
      binaryType: "uint8array",
      socket: {
        data: (_socket, packet, port, address) => {
          if (own) own.#received(packet, port, address);
        },
        drain: () => {
          if (own && own.#drained) own.#drained();
        },
        error: (_socket, error) => {
          if (own) own.#reported(error);
        },
      },
    });
    own = new BunSocket(socket, zoneOf(hostname));
    const { receiveBuffer, sendBuffer } = options;
    // Where Bun can't call the system, the system's sizes stay, unless others were asked for.
    const set = own.#resize("receiveBuffer", receiveBuffer ?? BUFFER_SIZE) &&
      own.#resize("sendBuffer", sendBuffer ?? BUFFER_SIZE);
    if (!set && (receiveBuffer ?? sendBuffer) !== undefined) {
      own.close();
      throw noSizes();
    }
    return own;
  }

  /**
   * The socket of Bun: for its options, such as `setTTL`.
   *
   * @example
   * ```ts
   * import { BunSocket, listen } from "@lowlatency/kcp/node";
   *
   * const { socket } = await listen({ hostname: "127.0.0.1" });
   * if (socket instanceof BunSocket) console.log(socket.socket.fd);
   * ```
   */
  get socket(): BunUdpSocket {
    return this.#socket;
  }

  /** The address under which the packets of a peer arrive. */
  peerAddress(hostname: string, port: number): string {
    this.#addresses.zone = zoneOf(hostname);
    return formatAddress(hostname, port);
  }

  /** The largest packet that reaches a peer on the loopback in one piece; 0 for other peers. */
  wholePacketSize(peer: string): number {
    return wholeOverLoopback(peer);
  }

  /**
   * The sizes of the buffers in bytes, as far as the system tells them: Linux names twice the size that
   * was asked for.
   *
   * @throws {Error} When the socket is closed, or Bun can't ask the system.
   *
   * @example
   * ```ts
   * import { BunSocket, listen } from "@lowlatency/kcp/node";
   *
   * const { socket } = await listen({ hostname: "127.0.0.1" });
   * if (socket instanceof BunSocket) console.log(socket.settings.receiveBuffer);
   * ```
   */
  get settings(): Required<NodeOptions> {
    this.#checkOpen();
    const fd = this.#socket.fd ?? -1;
    const receiveBuffer = bufferSize(fd, "receiveBuffer");
    const sendBuffer = bufferSize(fd, "sendBuffer");
    if (receiveBuffer === undefined || sendBuffer === undefined) throw noSizes();
    return { receiveBuffer, sendBuffer };
  }

  /**
   * Changes the sizes of the buffers, for all connections of the socket.
   *
   * @param change The options to change. Those that are not named keep their values.
   * @throws {RangeError} When an option is out of its range. No option is changed then.
   * @throws {Error} When the socket is closed, or Bun can't call the system.
   *
   * @example
   * ```ts
   * import { BunSocket, listen } from "@lowlatency/kcp/node";
   *
   * const { socket } = await listen({ hostname: "127.0.0.1" });
   * if (socket instanceof BunSocket) socket.configure({ receiveBuffer: 16 << 20 });
   * ```
   */
  configure(change: NodeOptions): void {
    checkBuffers(change);
    this.#checkOpen();
    for (const name of ["receiveBuffer", "sendBuffer"] as const) {
      const size = change[name];
      if (size !== undefined && !this.#resize(name, size)) throw noSizes();
    }
  }

  #resize(name: BufferName, size: number): boolean {
    return setBufferSize(this.#socket.fd ?? -1, name, size);
  }

  #checkOpen(): void {
    if (this.#closed) throw new Error(`The socket on ${this.address} is closed`);
  }

  /**
   * Errors of the socket so far. It goes on after most of them.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp/node";
   *
   * const { socket } = await listen({ hostname: "127.0.0.1" });
   * console.log(socket.readErrors); // 0
   * ```
   */
  get readErrors(): number {
    return this.#errors;
  }

  /** Starts to deliver packets. */
  open(receiver: DatagramReceiver): void {
    this.#receiver = receiver;
  }

  #received(packet: Uint8Array, port: number, address: string): void {
    const receiver = this.#receiver;
    if (!receiver || this.#closed) return;
    receiver.packet(packet, this.#addresses.peer(address, port), true);
    if (this.#settles) return;
    // Bun delivers all packets that it has read before it runs immediates.
    this.#settles = true;
    setImmediate(this.#settle);
  }

  readonly #settle = () => {
    this.#settles = false;
    if (!this.#closed) this.#receiver!.settled();
  };

  #reported(error: Error): void {
    this.#errors++;
    publishSocketError(this, error);
  }

  /** Sends the packets of a batch. A packet that the system refuses is lost. */
  send(batch: PacketBatch): void | Promise<void> {
    const packets = this.#packets;
    packets.length = 3 * batch.count;
    for (let i = 0; i < batch.count; i++) {
      const { hostname, port } = this.#addresses.get(batch.to[i]);
      packets[3 * i] = batch.packet(i);
      packets[3 * i + 1] = port;
      packets[3 * i + 2] = hostname;
    }
    if (this.#sendPackets()) return;
    return new Promise((resolve, reject) => {
      this.#drained = () => {
        try {
          if (!this.#sendPackets()) return;
          this.#drained = null;
          resolve();
        } catch (error) {
          this.#drained = null;
          reject(error);
        }
      };
    });
  }

  /** Sends the packets that are left. False if the socket has no room: `drain` is called then. */
  #sendPackets(): boolean {
    const packets = this.#packets;
    let refused = false;
    while (packets.length > 0 && !this.#closed) {
      let count: number;
      try {
        count = this.#socket.sendMany(packets);
        refused = false;
        if (count === 0) return false;
      } catch (error) {
        if (this.#socket.closed) throw error;
        // It may be the error of an earlier packet. A packet that is refused twice is lost.
        count = refused ? 1 : 0;
        refused = !refused;
      }
      if (3 * count === packets.length) packets.length = 0;
      else packets.splice(0, 3 * count);
    }
    return true;
  }

  /** Sends the packets of a batch, for the end of the process. */
  sendNow(batch: PacketBatch): void {
    try {
      this.send(batch);
    } catch {
      // Nothing more can be done.
    }
  }

  /** Closes the socket. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
    this.#drained?.();
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

function noSizes(): Error {
  return new Error(
    "Cannot reach the buffers of the socket: Bun can't call this system's C library",
  );
}
