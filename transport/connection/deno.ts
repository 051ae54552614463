/**
 * The adapter for `Deno.DatagramConn`.
 *
 * @module
 */
import type { PacketBatch } from "../../kcp/packet_batch.ts";
import { AddressBook, formatAddress } from "../session/address.ts";
import type { Connection } from "./connection.ts";
import type { DatagramReceiver, DatagramSocket } from "./driver.ts";
import type { Listener } from "./listener.ts";
import {
  type Bind,
  type BindOptions,
  type ConnectOptions,
  connectUdp,
  type ListenOptions,
  listenUdp,
} from "./udp.ts";

export type { Bind, BindOptions, ConnectOptions, ListenOptions };

/**
 * Listens for connections on a UDP port.
 *
 * @throws {Error} When the runtime has no datagram sockets, or the address can't be bound.
 * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range.
 */
export function listen(options: ListenOptions = {}): Promise<Listener> {
  return listenUdp(options, bind);
}

/**
 * Opens a connection to a listener.
 *
 * KCP has no handshake: the promise settles when the socket is there, and the listener learns of the
 * connection when the first bytes are written to it.
 *
 * @throws {Error} When the runtime has no datagram sockets, the name can't be resolved, or the local
 * address can't be bound.
 * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range.
 */
export function connect(options: ConnectOptions): Promise<Connection> {
  return connectUdp(options, bind, resolve);
}

function bind(hostname: string, port: number): DenoSocket {
  if (typeof Deno === "undefined") {
    throw new Error(
      "Cannot open a datagram socket: this runtime is not Deno; use listenOn and connectOn with a socket of your own",
    );
  }
  if (typeof Deno.listenDatagram !== "function") {
    throw new Error(
      'Cannot open a datagram socket: run Deno with --unstable-net, or set "unstable": ["net"] in deno.json',
    );
  }
  return new DenoSocket(Deno.listenDatagram({ transport: "udp", hostname, port }));
}

async function resolve(hostname: string): Promise<string> {
  const { lookup } = await import("node:dns/promises");
  return (await lookup(hostname)).address;
}

/** `Deno.DatagramConn` as a socket for a driver. */
export class DenoSocket implements DatagramSocket {
  /** Its own address. */
  readonly address: string;
  readonly #conn: Deno.DatagramConn;
  readonly #addresses = new AddressBook();
  #closed = false;

  /**
   * Takes over a socket.
   *
   * @param conn A UDP socket that nobody else receives from.
   */
  constructor(conn: Deno.DatagramConn) {
    const { hostname, port } = conn.addr as Deno.NetAddr;
    this.address = formatAddress(hostname, port);
    this.#conn = conn;
  }

  /** Starts to deliver packets. */
  open(receiver: DatagramReceiver): void {
    this.#receive(receiver);
  }

  async #receive(receiver: DatagramReceiver): Promise<void> {
    // Receiving into a buffer of one's own saves an allocation of 64 KiB per packet.
    const buffer = new Uint8Array(65_536);
    // Packets mostly come from the one that the last came from.
    let lastHostname = "", lastPort = 0, address = "";
    while (!this.#closed) {
      let packet: Uint8Array, from: Deno.Addr;
      try {
        [packet, from] = await this.#conn.receive(buffer);
      } catch (error) {
        if (this.#closed) return;
        // Some systems report here that an earlier packet found nobody: it is lost, like others.
        if (error instanceof Deno.errors.ConnectionRefused) continue;
        if (error instanceof Deno.errors.ConnectionReset) continue;
        receiver.failed(error);
        return;
      }
      const { hostname, port } = from as Deno.NetAddr;
      if (port !== lastPort || hostname !== lastHostname) {
        lastHostname = hostname;
        lastPort = port;
        address = formatAddress(hostname, port);
      }
      receiver.packet(packet, address);
    }
  }

  /** Sends the packets of a batch; what the system refuses is lost. */
  async send(batch: PacketBatch): Promise<void> {
    // One after the other: Deno does not keep sends in order that wait for the socket together.
    for (let i = 0; i < batch.count && !this.#closed; i++) {
      try {
        await this.#conn.send(batch.packet(i), this.#addresses.get(batch.to[i]));
      } catch (error) {
        if (error instanceof Deno.errors.BadResource && !this.#closed) throw error;
      }
    }
  }

  /** Closes the socket. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
  }

  /** Lets the process live while the socket is open. */
  ref(): void {
    (this.#conn as Partial<RefCounted>).ref?.();
  }

  /** Lets the process end although the socket is open. */
  unref(): void {
    (this.#conn as Partial<RefCounted>).unref?.();
  }
}

/** What Deno's sockets have, though the types of the datagram socket do not say so. */
interface RefCounted {
  ref(): void;
  unref(): void;
}
