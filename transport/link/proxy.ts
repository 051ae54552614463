/**
 * A bad network between real UDP sockets, on Deno: a proxy with a simulated link in each direction.
 * It needs `--unstable-net` and `--allow-net`.
 *
 * @module
 */

import type { DenoAddress, DenoDatagramConn } from "../connection/deno_datagram_conn.ts";
import { ErrorPause } from "../connection/error_pause.ts";
import type { UdpAddress } from "../connection/udp_address.ts";
import { canonical, isAddress, localFor } from "../session/address.ts";
import { DelayedSender, type Route } from "./delayed_sender.ts";
import type { Link } from "./link.ts";
import type { LinkControl } from "./link_control.ts";
import { LinkGroup } from "./link_group.ts";
import type { LinkOptions } from "./link_options.ts";
import { addLinkStats, type LinkStats } from "./link_stats.ts";
import { Random } from "./random.ts";

/** Settings of a {@linkcode LossyProxy}. */
export interface ProxyOptions {
  /** Where packets of the clients go: an IP address or a host name, and a port. */
  readonly target: { readonly hostname: string; readonly port: number };
  /**
   * The address to which clients send. Default: a free port of 127.0.0.1, or of ::1 if the target
   * is an IPv6 address.
   */
  readonly listen?: { readonly hostname?: string; readonly port?: number };
  /**
   * What happens to packets from a client to the target. Each client has its own queue and
   * bandwidth. The times of blackouts count from the start of the proxy. Default: each packet is
   * forwarded at once.
   */
  readonly up?: LinkOptions;
  /**
   * What happens to packets from the target to a client. Each client has its own queue and
   * bandwidth. The times of blackouts count from the start of the proxy. Default: each packet is
   * forwarded at once.
   */
  readonly down?: LinkOptions;
  /** The seed of all randomness. Default: 0. */
  readonly seed?: number | string;
  /** How many clients the proxy serves at one time, 1 to 65,535. Default: 1024. */
  readonly maxClients?: number;
  /**
   * How long (ms) a client must have been idle before a new client may replace it. The proxy
   * replaces the client that is idle for longest, and only when `maxClients` is reached. Default:
   * 120,000, the minimum that RFC 4787 §4.3 sets for a NAT.
   */
  readonly idleTimeout?: number;
  /** How many bytes the proxy holds in both directions together, 0 or more. Default: 64 MiB. */
  readonly maxPendingBytes?: number;
}

/**
 * Counters of a {@linkcode LossyProxy}: the sum of both directions, and its own counters.
 *
 * @example
 * ```ts
 * import { startProxy } from "@lowlatency/kcp/deno";
 *
 * await using proxy = await startProxy({ target: { hostname: "127.0.0.1", port: 4000 } });
 * const { lost, systemDropped } = proxy.stats;
 * console.log(`lost ${lost} as asked, and ${systemDropped} since the proxy was too slow`);
 * ```
 */
export interface ProxyStats extends LinkStats {
  /** How many clients the proxy serves now. */
  clients: number;
  /**
   * Packets dropped because `maxClients` was reached, or because they were sent to a client by
   * another host than the target.
   */
  refused: number;
  /** Packets dropped after the link because the proxy held `maxPendingBytes` already. */
  discarded: number;
  /** Packets that the operating system did not send, or whose client had been replaced. */
  failed: number;
  /**
   * Packets that the operating system has dropped at the sockets of the proxy, since it could not read
   * them in time: losses that the options do not ask for. They are in no other counter. Linux tells it
   * where FFI is granted (`--allow-ffi` or `-A`, without limits). The sockets then also have buffers of
   * 4 MiB, or as much as the system gives. "unknown" elsewhere.
   */
  systemDropped: number | "unknown";
}

interface Client {
  readonly up: Link;
  readonly down: Link;
  /** The route to the target. The target sees the address of its socket as this client. */
  readonly route: Route<DenoDatagramConn>;
  /** Sends a packet to the target at a given time. A field, so that no packet needs a closure. */
  readonly toTarget: (packet: Uint8Array, at: number) => void;
  /** Sends a packet to the client at a given time. */
  readonly toClient: (packet: Uint8Array, at: number) => void;
  /** When the last packet came, from either side. */
  lastActive: number;
}

/** Watches the sockets of the proxy: `KernelSockets` of the room of Linux. */
interface SocketWatch {
  readonly dropped: number | "unknown";
  add(socket: DenoDatagramConn): void;
  remove(socket: DenoDatagramConn): void;
  close(): void;
}

type PacketHandler = (packet: Uint8Array, from: UdpAddress) => void;

/**
 * A UDP proxy that loses, delays, reorders, duplicates and corrupts packets. The target sees each
 * client as a separate peer with its own port.
 *
 * A delayed packet never leaves early, and leaves up to 2 ms late, because timers have a
 * granularity of 1 ms. A packet without delay leaves at once.
 *
 * @example
 * ```ts no-eval
 * import { startProxy } from "@lowlatency/kcp/deno";
 *
 * await using proxy = await startProxy({
 *   target: { hostname: "127.0.0.1", port: 4000 },
 *   up: { loss: 0.05, latency: 20 },
 *   down: { latency: 20 },
 * });
 * console.log(`clients send to ${proxy.addr.hostname}:${proxy.addr.port}`);
 * proxy.up.configure({ loss: 0.5 });
 * ```
 */
export class LossyProxy implements AsyncDisposable, Disposable {
  /**
   * The address to which clients send.
   *
   * @example
   * ```ts
   * import { startProxy } from "@lowlatency/kcp/deno";
   *
   * const target = { hostname: "127.0.0.1", port: 4000 };
   * await using proxy = await startProxy({ target, up: { loss: 0.1 }, down: { loss: 0.1 } });
   * console.log(`clients send to port ${proxy.addr.port}`);
   * ```
   */
  readonly addr: UdpAddress;
  /**
   * The links from the clients to the target, those of later clients included.
   *
   * @example
   * ```ts
   * import { startProxy } from "@lowlatency/kcp/deno";
   *
   * const target = { hostname: "127.0.0.1", port: 4000 };
   * await using proxy = await startProxy({ target, up: { loss: 0.1 }, down: { loss: 0.1 } });
   * proxy.up.configure({ latency: 100 });
   * ```
   */
  readonly up: LinkControl;
  /**
   * The links from the target to the clients, those of later clients included.
   *
   * @example
   * ```ts
   * import { startProxy } from "@lowlatency/kcp/deno";
   *
   * const target = { hostname: "127.0.0.1", port: 4000 };
   * await using proxy = await startProxy({ target, up: { loss: 0.1 }, down: { loss: 0.1 } });
   * proxy.down.down = true; // nothing comes back
   * ```
   */
  readonly down: LinkControl;
  #up: LinkGroup;
  #down: LinkGroup;
  #listener: DenoDatagramConn;
  #target: UdpAddress;
  #maxClients: number;
  #idleTimeout: number;
  #sender: DelayedSender;
  readonly #watch: SocketWatch | null;
  #clients = new Map<string, Client>();
  #admitted = 0;
  #loops = new Set<Promise<void>>();
  #refused = 0;
  #closed: Promise<void> | undefined;

  /**
   * Opens the socket for the clients, and starts to forward.
   *
   * @param options Settings. The target must be an IP address here; {@linkcode startProxy} accepts
   * a host name.
   * @param watch Watches the sockets. Default: nothing does.
   * @throws {TypeError} If an option has the wrong type, a link option is unknown, or the target is
   * a host name.
   * @throws {RangeError} If an option is out of range.
   * @throws {Deno.errors.AddrInUse} If the port is taken. `Deno.listenDatagram` may throw other
   * errors.
   */
  constructor(options: ProxyOptions, watch: SocketWatch | null = null) {
    this.#watch = watch;
    const { target, listen = {}, maxClients = 1024, idleTimeout = 120_000 } = options;
    const { maxPendingBytes = 64 * 1024 * 1024, seed = 0 } = options;
    if (!isAddress(target.hostname)) {
      throw new TypeError(`Cannot forward to "${target.hostname}": expected an IP address`);
    }
    const port = checkRange("target.port", target.port, 1, 65_535);
    this.#target = { transport: "udp", hostname: canonical(target.hostname), port };
    this.#maxClients = checkRange("maxClients", maxClients, 1, 65_535);
    this.#idleTimeout = checkRange("idleTimeout", idleTimeout, 0, Infinity);
    this.#sender = new DelayedSender(checkRange("maxPendingBytes", maxPendingBytes, 0, Infinity));
    // The times of blackouts count from here for all clients.
    const start = performance.now();
    const random = new Random(seed);
    this.up = this.#up = new LinkGroup(options.up ?? {}, random.fork("up"), start);
    this.down = this.#down = new LinkGroup(options.down ?? {}, random.fork("down"), start);
    const local = target.hostname.includes(":") ? "::1" : "127.0.0.1";
    this.#listener = this.#open(
      listen.hostname ?? local,
      checkRange("listen.port", listen.port ?? 0, 0, 65_535),
    );
    this.addr = this.#listener.addr as UdpAddress;
    this.#listen(this.#listener, (packet, from) => this.#fromClient(packet, from));
  }

  /**
   * What happened so far, computed at each call.
   *
   * @example
   * ```ts
   * import { startProxy } from "@lowlatency/kcp/deno";
   *
   * const target = { hostname: "127.0.0.1", port: 4000 };
   * await using proxy = await startProxy({ target, up: { loss: 0.1 }, down: { loss: 0.1 } });
   * console.log(proxy.stats.lost, proxy.stats.systemDropped);
   * ```
   */
  get stats(): ProxyStats {
    const sum = this.#up.stats;
    addLinkStats(sum, this.#down.stats);
    return {
      ...sum,
      clients: this.#clients.size,
      refused: this.#refused,
      discarded: this.#sender.discarded,
      failed: this.#sender.failed,
      systemDropped: this.#watch?.dropped ?? "unknown",
    };
  }

  /**
   * Changes the address under which the target sees each client, like a NAT that has lost its
   * state: each client gets a new port. Packets that the target sends to the old port are lost.
   * Delayed packets to the target leave from the new port.
   *
   * @throws {TypeError} If the proxy is closed.
   * @throws {Error} If ports or file descriptors run out, as `Deno.listenDatagram` does.
   *
   * @example
   * ```ts
   * import { startProxy } from "@lowlatency/kcp/deno";
   *
   * const target = { hostname: "127.0.0.1", port: 4000 };
   * await using proxy = await startProxy({ target, up: { loss: 0.1 }, down: { loss: 0.1 } });
   * proxy.rebind(); // as when a NAT forgets its mappings
   * ```
   */
  rebind(): void {
    if (this.#closed) throw new TypeError("Cannot rebind the clients: the proxy is closed");
    for (const client of this.#clients.values()) {
      const old = client.route.socket;
      client.route.socket = this.#openUpstream(() => client);
      this.#close(old);
    }
  }

  /**
   * Stops the proxy, and drops delayed packets. Further calls return the same promise.
   *
   * @returns A promise that is fulfilled once every socket is closed and every send has ended.
   *
   * @example
   * ```ts
   * import { startProxy } from "@lowlatency/kcp/deno";
   *
   * const target = { hostname: "127.0.0.1", port: 4000 };
   * const proxy = await startProxy({ target });
   * await proxy.close();
   * ```
   */
  close(): Promise<void> {
    return this.#closed ??= this.#shutDown();
  }

  /**
   * Closes the proxy, without waiting for sends to end.
   *
   * @example
   * ```ts
   * import { startProxy } from "@lowlatency/kcp/deno";
   *
   * const target = { hostname: "127.0.0.1", port: 4000 };
   * using proxy = await startProxy({ target });
   * console.log(proxy.addr.port);
   * ```
   */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Closes the proxy, as {@linkcode close} does.
   *
   * @example
   * ```ts
   * import { startProxy } from "@lowlatency/kcp/deno";
   *
   * const target = { hostname: "127.0.0.1", port: 4000 };
   * await using proxy = await startProxy({ target, up: { loss: 0.1 }, down: { loss: 0.1 } });
   * console.log(proxy.addr.port);
   * ```
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #shutDown(): Promise<void> {
    this.#close(this.#listener);
    for (const client of this.#clients.values()) this.#drop(client);
    this.#clients.clear();
    this.#watch?.close();
    await Promise.all([this.#sender.close(), ...this.#loops]);
  }

  #listen(socket: DenoDatagramConn, onPacket: PacketHandler): void {
    const loop = this.#receive(socket, onPacket).finally(() => this.#loops.delete(loop));
    this.#loops.add(loop);
  }

  async #receive(socket: DenoDatagramConn, onPacket: PacketHandler): Promise<void> {
    const buffer = new Uint8Array(65_536);
    const errorPause = new ErrorPause();
    for (;;) {
      let received: [Uint8Array, DenoAddress];
      try {
        received = await socket.receive(buffer);
      } catch (error) {
        const { BadResource, Interrupted } = Deno.errors;
        if (error instanceof Interrupted || error instanceof BadResource) return;
        // Windows reports here, as ConnectionReset, that an earlier packet reached a closed port.
        await errorPause.wait();
        continue;
      }
      errorPause.reset();
      if (this.#closed) return;
      // Nobody can be answered at port 0.
      if ((received[1] as UdpAddress).port === 0) continue;
      onPacket(received[0], received[1] as UdpAddress);
    }
  }

  #fromClient(packet: Uint8Array, from: UdpAddress): void {
    const key = `${from.hostname} ${from.port}`;
    const now = performance.now();
    const client = this.#clients.get(key) ?? this.#admit(key, from, now);
    if (client === undefined) {
      this.#refused++;
      return;
    }
    client.lastActive = now;
    client.up.transmit(packet, now, client.toTarget);
    this.#sender.run(now);
  }

  #fromTarget(client: Client, packet: Uint8Array, from: UdpAddress): void {
    if (from.port !== this.#target.port || from.hostname !== this.#target.hostname) {
      this.#refused++;
      return;
    }
    const now = performance.now();
    client.lastActive = now;
    client.down.transmit(packet, now, client.toClient);
    this.#sender.run(now);
  }

  #admit(key: string, address: UdpAddress, now: number): Client | undefined {
    if (this.#clients.size >= this.#maxClients && !this.#evict(now)) return undefined;
    let socket: DenoDatagramConn;
    try {
      socket = this.#openUpstream(() => client);
    } catch {
      return undefined; // No port or file descriptor is left: the proxy is full.
    }
    const label = String(this.#admitted++);
    const toTarget: Route<DenoDatagramConn> = {
      socket,
      address: this.#target,
      due: [],
      sending: false,
    };
    const toClient: Route = { socket: this.#listener, address, due: [], sending: false };
    const client: Client = {
      up: this.#up.open(label),
      down: this.#down.open(label),
      route: toTarget,
      toTarget: (packet, at) => this.#sender.schedule(toTarget, packet, at),
      toClient: (packet, at) => this.#sender.schedule(toClient, packet, at),
      lastActive: now,
    };
    this.#clients.set(key, client);
    return client;
  }

  #evict(now: number): boolean {
    let oldest: [string, Client] | undefined;
    for (const entry of this.#clients) {
      if (oldest === undefined || entry[1].lastActive < oldest[1].lastActive) oldest = entry;
    }
    if (oldest === undefined || now - oldest[1].lastActive < this.#idleTimeout) return false;
    this.#clients.delete(oldest[0]);
    this.#drop(oldest[1]);
    return true;
  }

  #drop(client: Client): void {
    this.#close(client.route.socket);
    this.#up.remove(client.up);
    this.#down.remove(client.down);
  }

  #openUpstream(client: () => Client): DenoDatagramConn {
    const socket = this.#open(localFor(this.#target.hostname), 0);
    this.#listen(socket, (packet, from) => this.#fromTarget(client(), packet, from));
    return socket;
  }

  #open(hostname: string, port: number): DenoDatagramConn {
    const socket = open(hostname, port);
    this.#watch?.add(socket);
    return socket;
  }

  #close(socket: DenoDatagramConn): void {
    this.#watch?.remove(socket);
    socket.close();
  }
}

/**
 * Starts a proxy. If the target is a host name, it is resolved once, here: `localhost` is
 * 127.0.0.1. Other names are looked up in the DNS, first for IPv4, then for IPv6.
 *
 * @param options Settings.
 * @returns The running proxy. Call `close` at the end, or declare it with `await using`.
 * @throws {TypeError} If an option has the wrong type, or a link option is unknown.
 * @throws {RangeError} If an option is out of range.
 * @throws {Deno.errors.NotFound} If the name has no address.
 *
 * @example
 * ```ts
 * import { startProxy } from "@lowlatency/kcp/deno";
 *
 * const target = { hostname: "127.0.0.1", port: 4000 };
 * await using proxy = await startProxy({ target, up: { loss: 0.1 }, down: { loss: 0.1 } });
 * console.log(`clients send to port ${proxy.addr.port}`);
 * ```
 */
export async function startProxy(options: ProxyOptions): Promise<LossyProxy> {
  const { hostname, port } = options.target;
  // A bundle may lack the module.
  const kernel = await import("../linux/kernel_sockets.ts").catch(() => null);
  const watch = kernel && new kernel.KernelSockets();
  if (isAddress(hostname)) return new LossyProxy(options, watch);
  const resolved = hostname === "localhost" ? "127.0.0.1" : await resolve(hostname);
  return new LossyProxy({ ...options, target: { hostname: resolved, port } }, watch);
}

async function resolve(name: string): Promise<string> {
  try {
    return (await Deno.resolveDns(name, "A"))[0];
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return (await Deno.resolveDns(name, "AAAA"))[0];
  }
}

function open(hostname: string, port: number): DenoDatagramConn {
  if (typeof Deno.listenDatagram !== "function") {
    throw new TypeError("Cannot open a UDP socket: run Deno with --unstable-net");
  }
  return Deno.listenDatagram({ transport: "udp", hostname, port });
}

function checkRange(name: string, value: number, low: number, high: number): number {
  if (!(value >= low && value <= high) || (high < Infinity && !Number.isInteger(value))) {
    const Misuse = typeof value === "number" ? RangeError : TypeError;
    throw new Misuse(`Cannot set ${name} to ${value}: the range is ${low} to ${high}`);
  }
  return value;
}
