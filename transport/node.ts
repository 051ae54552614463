/**
 * Connections over UDP on Node.js, by `node:dgram`.
 *
 * It runs on Deno too, where the adapter of `./deno` is several times faster.
 *
 * @module
 */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { PacketBatch } from "../kcp/packet_batch.ts";
import { canonical, checkAddress, formatAddress, localFor, parseAddress } from "./address.ts";
import type { Connection } from "./connection.ts";
import type { ConnectOptions, ListenOptions } from "./deno.ts";
import type { DatagramReceiver, DatagramSocket } from "./driver.ts";
import type { Listener } from "./listener.ts";
import { connectOn, listenOn, orClose } from "./sockets.ts";
import { SystemClock } from "./system_clock.ts";

export type { ConnectOptions, ListenOptions };

/** Bytes that the socket's receive and send buffers should have; the system may give less. */
const BUFFER_SIZE = 4 << 20;

/**
 * Listens for connections on a UDP port.
 *
 * @throws {Error} When the address can't be bound.
 * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range.
 */
export async function listen(options: ListenOptions = {}): Promise<Listener> {
  const { port = 0, hostname = "0.0.0.0", ...endpoint } = options;
  checkAddress({ hostname, port }, 0);
  const socket = await bind(hostname, port);
  return orClose(socket, () => listenOn(socket, new SystemClock(), endpoint));
}

/**
 * Opens a connection to a listener.
 *
 * KCP has no handshake: the promise settles when the socket is there, and the listener learns of the
 * connection when the first bytes are written to it.
 *
 * @throws {Error} When the name can't be resolved, or the local address can't be bound.
 * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range.
 */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const {
    port,
    hostname = "127.0.0.1",
    localHostname,
    localPort = 0,
    conv = crypto.getRandomValues(new Uint32Array(1))[0],
    ...session
  } = options;
  checkAddress({ hostname, port }, 1);
  const host = canonical((await lookup(hostname)).address);
  const socket = await bind(localHostname ?? localFor(host), localPort);
  const peer = formatAddress(host, port);
  return orClose(socket, () => connectOn(socket, new SystemClock(), peer, conv, session));
}

async function bind(hostname: string, port: number): Promise<NodeSocket> {
  const socket = createSocket({
    type: isIP(hostname) === 6 ? "udp6" : "udp4",
    recvBufferSize: BUFFER_SIZE,
    sendBufferSize: BUFFER_SIZE,
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

/** A `dgram` socket as a socket for a driver. */
export class NodeSocket implements DatagramSocket {
  /** Its own address. */
  readonly address: string;
  readonly #socket: Socket;
  readonly #addresses = new Map<string, { hostname: string; port: number }>();
  #closed = false;

  /**
   * Takes over a socket.
   *
   * @param socket A bound UDP socket that nobody else receives from.
   */
  constructor(socket: Socket) {
    const { address, port } = socket.address();
    this.address = formatAddress(address, port);
    this.#socket = socket;
  }

  /** Starts to deliver packets. */
  open(receiver: DatagramReceiver): void {
    this.#socket.on("message", (packet: Uint8Array, { address, port }: RemoteInfo) => {
      receiver.packet(packet, formatAddress(address, port));
    });
    this.#socket.on("error", (error) => {
      if (!this.#closed) receiver.failed(error);
    });
  }

  /** Sends the packets of a batch; what the system refuses is lost. */
  send(batch: PacketBatch): Promise<void> {
    return new Promise((resolve) => {
      let left = batch.count;
      const done = () => {
        if (--left === 0) resolve();
      };
      for (let i = 0; i < batch.count; i++) {
        const { hostname, port } = this.#addressOf(batch.to[i]);
        this.#socket.send(batch.packet(i), port, hostname, done);
      }
    });
  }

  #addressOf(to: string): { hostname: string; port: number } {
    let address = this.#addresses.get(to);
    if (!address) {
      if (this.#addresses.size >= 4096) this.#addresses.clear();
      address = parseAddress(to);
      this.#addresses.set(to, address);
    }
    return address;
  }

  /** Closes the socket. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }

  /** Lets the process live while the socket is open. */
  ref(): void {
    this.#socket.ref();
  }

  /** Lets the process end although the socket is open. */
  unref(): void {
    this.#socket.unref();
  }
}
