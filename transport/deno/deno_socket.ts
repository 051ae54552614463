/**
 * The adapter for `Deno.DatagramConn`.
 *
 * @module
 */
import type { PacketBatch } from "../../kcp/packet_batch.ts";
import type { DenoAddress, DenoDatagramConn } from "../connection/deno_datagram_conn.ts";
import type { DatagramReceiver, DatagramSocket } from "../connection/driver.ts";
import { ErrorPause, isClosedCode } from "../connection/error_pause.ts";
import type { LentSocketOptions } from "../connection/lent_socket.ts";
import { wholeOverLoopback } from "../connection/loopback.ts";
import type { Bind } from "../connection/udp.ts";
import type { UdpAddress } from "../connection/udp_address.ts";
import { AddressBook, formatAddress, zoneOf } from "../session/address.ts";

/**
 * Returns a function that opens sockets of Deno, for the `bind` option of `listen` and `connect`. On
 * Linux it chooses them also where the program may use faster ones.
 *
 * @example
 * ```ts
 * import { listen } from "@lowlatency/kcp";
 * import { deno } from "@lowlatency/kcp/deno";
 *
 * using listener = await listen({ hostname: "127.0.0.1", bind: deno() });
 * console.log(listener.adapter); // deno
 * ```
 */
export function deno(): Bind {
  return (hostname, port, purpose) => {
    checkDenoSockets(purpose ?? "listen");
    return new DenoSocket(Deno.listenDatagram({ transport: "udp", hostname, port }));
  };
}

/**
 * Checks that the runtime has `Deno.listenDatagram`.
 *
 * @param name The function that needs it.
 * @throws {Error} When it is missing. The message says what to use instead.
 */
export function checkDenoSockets(name: "connect" | "listen"): void {
  if (typeof Deno === "undefined") {
    throw new Error(
      `Cannot open a socket of Deno: this runtime is not Deno; import { ${name} } from ` +
        '"@lowlatency/kcp", which opens a socket of the runtime',
    );
  }
  if (typeof Deno.listenDatagram !== "function") {
    throw new Error(
      "Cannot open a UDP socket: run Deno with --unstable-net, " +
        'or set "unstable": ["net"] in deno.json',
    );
  }
}

/**
 * The receptions that were in progress when lent sockets were given back. Deno can't cancel them: they
 * belong to whoever borrows the socket next.
 */
const unfinished = new WeakMap<DenoDatagramConn, Promise<[Uint8Array, DenoAddress]>>();

/**
 * Sends and receives packets on a `Deno.DatagramConn`, for `listenOn`, `connectOn`, and the option
 * `bind`.
 *
 * @example A socket that the application opens before, and closes after
 * ```ts
 * import { listen, turbo } from "@lowlatency/kcp";
 * import { DenoSocket } from "@lowlatency/kcp/deno";
 *
 * const conn = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
 * const bind = () => new DenoSocket(conn, { lent: true });
 * const listener = await listen({ bind, ...turbo });
 * listener.close();
 * await listener.closed;
 * conn.close();
 * ```
 */
export class DenoSocket implements DatagramSocket {
  /** The kind of socket. */
  readonly adapter = "deno";
  /** The address that the socket is bound to, such as `127.0.0.1:4000`. */
  readonly address: string;
  readonly #conn: DenoDatagramConn;
  readonly #addresses: AddressBook;
  readonly #errorPause = new ErrorPause();
  readonly #lent: boolean;
  /** The reception in progress. */
  #receiving: Promise<[Uint8Array, DenoAddress]> | null = null;
  #closed = false;

  /**
   * Wraps a socket.
   *
   * @param conn A UDP socket that has no other receiver.
   * @param options Whether the socket is lent. When the library has given a lent socket back, the next
   * packet goes to the next `DenoSocket` on it. The application itself does not receive that packet.
   */
  constructor(conn: DenoDatagramConn, options: LentSocketOptions = {}) {
    this.#lent = options.lent ?? false;
    const { hostname, port } = conn.addr as UdpAddress;
    this.address = formatAddress(hostname, port);
    this.#addresses = new AddressBook(hostname);
    this.#conn = conn;
  }

  /**
   * The socket of Deno. Who receives from it takes packets away from the connections.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   * import { deno, DenoSocket } from "@lowlatency/kcp/deno";
   *
   * using listener = await listen({ hostname: "127.0.0.1", bind: deno() });
   * const { socket } = listener;
   * if (socket instanceof DenoSocket) console.log(socket.conn.addr);
   * ```
   */
  get conn(): DenoDatagramConn {
    return this.#conn;
  }

  /**
   * The address under which the packets of a peer arrive.
   *
   * @throws {TypeError} When the zone of the address is not a network of this host.
   */
  peerAddress(hostname: string, port: number): string {
    const zone = zoneOf(hostname);
    if (zone !== "") {
      checkZone(hostname, zone);
      // Deno does not tell the zone of a packet. This socket has one peer.
      this.#addresses.zone = zone;
    }
    return formatAddress(hostname, port);
  }

  /** The largest packet that reaches a peer on the loopback in one piece; 0 for other peers. */
  wholePacketSize(peer: string): number {
    return wholeOverLoopback(peer);
  }

  /**
   * Reads that have failed so far. The socket goes on after most errors.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   * import { deno, DenoSocket } from "@lowlatency/kcp/deno";
   *
   * using listener = await listen({ hostname: "127.0.0.1", bind: deno() });
   * const { socket } = listener;
   * if (socket instanceof DenoSocket) console.log(socket.readErrors); // 0
   * ```
   */
  get readErrors(): number {
    return this.#errorPause.count;
  }

  /** Starts to deliver packets. */
  open(receiver: DatagramReceiver): void {
    this.#receive(receiver);
  }

  async #receive(receiver: DatagramReceiver): Promise<void> {
    // Without a buffer, Deno allocates 64 KiB for every packet.
    const buffer = new Uint8Array(65_536);
    // Most packets come from the sender of the packet before.
    let lastHostname = "", lastPort = 0, address = "";
    while (!this.#closed) {
      let packet: Uint8Array, from: DenoAddress;
      try {
        this.#receiving = this.#takeUnfinished() ?? this.#conn.receive(buffer);
        [packet, from] = await this.#receiving;
      } catch (error) {
        if (this.#closed) return;
        if (isClosed(error)) {
          receiver.failed(error);
          return;
        }
        // Some systems report here that an earlier packet could not be delivered. Others lack
        // memory for a while. The socket still works.
        await this.#errorPause.wait();
        continue;
      }
      // A lent socket may have been given back meanwhile.
      if (this.#closed) return;
      this.#errorPause.reset();
      const { hostname, port } = from as UdpAddress;
      if (port !== lastPort || hostname !== lastHostname) {
        lastHostname = hostname;
        lastPort = port;
        address = this.#addresses.peer(hostname, port);
      }
      receiver.packet(packet, address);
    }
  }

  /** The reception that was in progress when the socket was given back. */
  #takeUnfinished(): Promise<[Uint8Array, DenoAddress]> | undefined {
    if (!this.#lent) return undefined;
    const receiving = unfinished.get(this.#conn);
    unfinished.delete(this.#conn);
    return receiving;
  }

  /** Sends the packets of a batch. A packet that the system refuses is lost. */
  async send(batch: PacketBatch): Promise<void> {
    // Deno may reorder sends that wait for the socket at the same time.
    for (let i = 0; i < batch.count && !this.#closed; i++) {
      try {
        await this.#conn.send(batch.packet(i), this.#addresses.get(batch.to[i]));
      } catch (error) {
        if (isClosed(error) && !this.#closed) throw error;
      }
    }
  }

  /** Sends the packets of a batch, for the end of the process. */
  sendNow(batch: PacketBatch): void {
    for (let i = 0; i < batch.count; i++) {
      // The first attempt is made before the call returns.
      this.#conn.send(batch.packet(i), this.#addresses.get(batch.to[i])).catch(() => {});
    }
  }

  /**
   * Closes the socket, or gives it back if it is lent. The port is free when the promise resolves: until
   * it has ended, a receive holds the socket.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#errorPause.end();
    if (this.#lent) {
      if (this.#receiving) unfinished.set(this.#conn, this.#receiving);
      this.ref();
      return;
    }
    try {
      this.#conn.close();
    } catch {
      // Other code has closed it before.
    }
    await this.#receiving?.catch(() => {});
  }

  /** Keeps the process alive while the socket is open. This is the initial state. */
  ref(): void {
    this.#errorPause.ref();
    (this.#conn as Partial<RefCounted>).ref?.();
  }

  /** Lets the process end while the socket is open. */
  unref(): void {
    this.#errorPause.unref();
    (this.#conn as Partial<RefCounted>).unref?.();
  }
}

/**
 * Checks that a network has the name of the zone. `Deno.networkInterfaces` would need a permission
 * of its own. An address with a wrong zone can't be parsed, so that it can't be bound either.
 *
 * @throws {TypeError} When there is no such network.
 */
function checkZone(hostname: string, zone: string): void {
  try {
    Deno.listenDatagram({ transport: "udp", hostname, port: 0 }).close();
  } catch (error) {
    // That this host does not have the address is no error here.
    const { message, code } = error as Error & { code?: string };
    if (!message.includes("failed to lookup") && code !== "ENODEV") return;
    throw new TypeError(`Cannot use the hostname ${hostname}: there is no network ${zone}`);
  }
}

/** Whether an error shows that the socket is closed. Any other error may pass. */
function isClosed(error: unknown): boolean {
  return error instanceof Deno.errors.BadResource || isClosedCode(error);
}

/** Methods of a `Deno.DatagramConn` that its type does not declare. */
interface RefCounted {
  ref(): void;
  unref(): void;
}
