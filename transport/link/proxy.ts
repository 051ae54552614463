/**
 * A bad network between real UDP sockets, on Deno: a proxy that puts a {@linkcode Link} into each
 * direction. It needs `--unstable-net` and `--allow-net`.
 *
 * @module
 */

import { canonical, isAddress, localFor } from "../session/address.ts";
import { DelayedSender, type Route } from "./delayed_sender.ts";
import type { Link, LinkStats } from "./link.ts";
import { addLinkStats, type LinkControl, LinkGroup } from "./link_group.ts";
import type { LinkOptions } from "./link_options.ts";
import { Random } from "./random.ts";

export type { LinkControl };

/** How to start a {@linkcode LossyProxy}. */
export interface ProxyOptions {
  /** Where the clients' packets go: an IP address or, in {@linkcode startProxy}, a name; a port. */
  readonly target: { readonly hostname: string; readonly port: number };
  /** Where clients send to. Default: 127.0.0.1, or ::1 if the target is IPv6; a free port. */
  readonly listen?: { readonly hostname?: string; readonly port?: number };
  /**
   * What happens to packets from a client to the target. Each client has its own queue and
   * bandwidth; blackouts count from the start of the proxy. Default: nothing.
   */
  readonly up?: LinkOptions;
  /** What happens to packets from the target to a client, likewise. Default: nothing. */
  readonly down?: LinkOptions;
  /** The seed of all that is random, as in {@linkcode Random}. Default: 0. */
  readonly seed?: number | string;
  /** How many clients there may be, 1 to 65,535. Default: 1024. */
  readonly maxClients?: number;
  /**
   * When `maxClients` is reached, a new client takes the place of the one that is silent for
   * longest, if no packet went either way for this many ms. Default: 120,000, as RFC 4787 §4.3 asks
   * of a NAT.
   */
  readonly idleTimeout?: number;
  /** How many bytes may be on the way in both directions together, 0 or more. Default: 64 MiB. */
  readonly maxPendingBytes?: number;
}

/** What a {@linkcode LossyProxy} did: the sum of both directions, and what no link counts. */
export interface ProxyStats extends LinkStats {
  /** How many clients there are now. */
  clients: number;
  /** Packets from a client beyond `maxClients`, or to a client but not from the target: dropped. */
  refused: number;
  /** Packets that a link delivered but that found `maxPendingBytes` on the way: dropped. */
  discarded: number;
  /** Packets that the operating system refused to send, or whose client had lost its place. */
  failed: number;
}

interface Client {
  readonly up: Link;
  readonly down: Link;
  /** The route to the target. Its socket is what the target sees as this client. */
  readonly route: Route;
  /** Made once, so that a packet costs no closure. */
  readonly toTarget: (packet: Uint8Array, at: number) => void;
  readonly toClient: (packet: Uint8Array, at: number) => void;
  lastSeen: number;
}

type PacketHandler = (packet: Uint8Array, from: Deno.NetAddr) => void;

/**
 * A UDP proxy that loses, delays, reorders, duplicates and corrupts packets as told. The target
 * sees each client as a peer of its own, from a port of its own.
 *
 * A packet never leaves early. It leaves up to 2 ms late, because timers have a granularity of 1
 * ms; one without delay leaves at once.
 *
 * @example
 * ```ts no-eval
 * import { startProxy } from "./proxy.ts";
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
  /** Where clients send to. */
  readonly addr: Deno.NetAddr;
  /** From the clients to the target. `configure` and `down` hold for later clients, too. */
  readonly up: LinkControl;
  /** From the target to the clients. `configure` and `down` hold for later clients, too. */
  readonly down: LinkControl;
  #up: LinkGroup;
  #down: LinkGroup;
  #listener: Deno.DatagramConn;
  #target: Deno.NetAddr;
  #maxClients: number;
  #idleTimeout: number;
  #sender: DelayedSender;
  #clients = new Map<string, Client>();
  #admitted = 0;
  #loops = new Set<Promise<void>>();
  #refused = 0;
  #closed: Promise<void> | undefined;

  /**
   * Opens the socket for the clients and starts.
   *
   * @param options What to do; the target is an IP address here ({@linkcode startProxy} takes a
   * name).
   * @throws {TypeError} If an option has the wrong type, a link option is unknown, or the target is
   * a name.
   * @throws {RangeError} If an option is out of range.
   * @throws {Deno.errors.AddrInUse} If the port is taken; other errors as `Deno.listenDatagram` has
   * them.
   */
  constructor(options: ProxyOptions) {
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
    // Blackouts count from here for all clients.
    const start = performance.now();
    const random = new Random(seed);
    this.up = this.#up = new LinkGroup(options.up ?? {}, random.fork("up"), start);
    this.down = this.#down = new LinkGroup(options.down ?? {}, random.fork("down"), start);
    const local = target.hostname.includes(":") ? "::1" : "127.0.0.1";
    this.#listener = open(
      listen.hostname ?? local,
      checkRange("listen.port", listen.port ?? 0, 0, 65_535),
    );
    this.addr = this.#listener.addr as Deno.NetAddr;
    this.#listen(this.#listener, (packet, from) => this.#fromClient(packet, from));
  }

  /** What happened so far, counted now. */
  get stats(): ProxyStats {
    const sum = this.#up.stats;
    addLinkStats(sum, this.#down.stats);
    return {
      ...sum,
      clients: this.#clients.size,
      refused: this.#refused,
      discarded: this.#sender.discarded,
      failed: this.#sender.failed,
    };
  }

  /**
   * Changes the address of every client as the target sees it, like a NAT that has lost its state:
   * each gets a new port, and what the target still sends to the old one is lost. Packets that are
   * on their way to the target leave from the new port.
   *
   * @throws {TypeError} If the proxy is closed. Other errors as `Deno.listenDatagram` has them,
   * when ports or file descriptors run out.
   */
  rebind(): void {
    if (this.#closed) throw new TypeError("Cannot rebind the clients: the proxy is closed");
    for (const client of this.#clients.values()) {
      const old = client.route.socket;
      client.route.socket = this.#openUpstream(() => client);
      old.close();
    }
  }

  /**
   * Stops, and drops what is on its way. Another call changes nothing.
   *
   * @returns A promise that is fulfilled once every socket is closed and nothing is under way.
   */
  close(): Promise<void> {
    return this.#closed ??= this.#shutDown();
  }

  /** Closes the proxy without waiting for the end of what is under way. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Closes the proxy, as {@linkcode close} does. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #shutDown(): Promise<void> {
    this.#listener.close();
    for (const client of this.#clients.values()) this.#drop(client);
    this.#clients.clear();
    await Promise.all([this.#sender.close(), ...this.#loops]);
  }

  #listen(socket: Deno.DatagramConn, onPacket: PacketHandler): void {
    const loop = this.#receive(socket, onPacket).finally(() => this.#loops.delete(loop));
    this.#loops.add(loop);
  }

  async #receive(socket: Deno.DatagramConn, onPacket: PacketHandler): Promise<void> {
    const buffer = new Uint8Array(65_536);
    for (;;) {
      let received: [Uint8Array, Deno.Addr];
      try {
        received = await socket.receive(buffer);
      } catch (error) {
        const { BadResource, Interrupted } = Deno.errors;
        if (error instanceof Interrupted || error instanceof BadResource) return;
        // On Windows an earlier send to a port that nobody has comes back here as ConnectionReset.
        continue;
      }
      if (this.#closed) return;
      onPacket(received[0], received[1] as Deno.NetAddr);
    }
  }

  #fromClient(packet: Uint8Array, from: Deno.NetAddr): void {
    const key = `${from.hostname} ${from.port}`;
    const now = performance.now();
    const client = this.#clients.get(key) ?? this.#admit(key, from, now);
    if (client === undefined) {
      this.#refused++;
      return;
    }
    client.lastSeen = now;
    client.up.transmit(packet, now, client.toTarget);
    this.#sender.run(now);
  }

  #fromTarget(client: Client, packet: Uint8Array, from: Deno.NetAddr): void {
    if (from.port !== this.#target.port || from.hostname !== this.#target.hostname) {
      this.#refused++;
      return;
    }
    const now = performance.now();
    client.lastSeen = now;
    client.down.transmit(packet, now, client.toClient);
    this.#sender.run(now);
  }

  #admit(key: string, address: Deno.NetAddr, now: number): Client | undefined {
    if (this.#clients.size >= this.#maxClients && !this.#evict(now)) return undefined;
    let socket: Deno.DatagramConn;
    try {
      socket = this.#openUpstream(() => client);
    } catch {
      return undefined; // Out of ports or of file descriptors: as good as full.
    }
    const label = String(this.#admitted++);
    const toTarget: Route = { socket, address: this.#target, due: [], sending: false };
    const toClient: Route = { socket: this.#listener, address, due: [], sending: false };
    const client: Client = {
      up: this.#up.open(label),
      down: this.#down.open(label),
      route: toTarget,
      toTarget: (packet, at) => this.#sender.schedule(toTarget, packet, at),
      toClient: (packet, at) => this.#sender.schedule(toClient, packet, at),
      lastSeen: now,
    };
    this.#clients.set(key, client);
    return client;
  }

  #evict(now: number): boolean {
    let oldest: [string, Client] | undefined;
    for (const entry of this.#clients) {
      if (oldest === undefined || entry[1].lastSeen < oldest[1].lastSeen) oldest = entry;
    }
    if (oldest === undefined || now - oldest[1].lastSeen < this.#idleTimeout) return false;
    this.#clients.delete(oldest[0]);
    this.#drop(oldest[1]);
    return true;
  }

  #drop(client: Client): void {
    client.route.socket.close();
    this.#up.retire(client.up);
    this.#down.retire(client.down);
  }

  #openUpstream(client: () => Client): Deno.DatagramConn {
    const socket = open(localFor(this.#target.hostname), 0);
    this.#listen(socket, (packet, from) => this.#fromTarget(client(), packet, from));
    return socket;
  }
}

/**
 * Starts a proxy. A name as target is resolved once, here: `localhost` is 127.0.0.1, and another
 * name is looked up in the DNS, IPv4 before IPv6.
 *
 * @param options What to do.
 * @returns The running proxy. Close it, or keep it with `await using`.
 * @throws {TypeError} If an option has the wrong type, or a link option is unknown.
 * @throws {RangeError} If an option is out of range.
 * @throws {Deno.errors.NotFound} If the name has no address.
 */
export async function startProxy(options: ProxyOptions): Promise<LossyProxy> {
  const { hostname, port } = options.target;
  if (isAddress(hostname)) return new LossyProxy(options);
  const resolved = hostname === "localhost" ? "127.0.0.1" : await resolve(hostname);
  return new LossyProxy({ ...options, target: { hostname: resolved, port } });
}

async function resolve(name: string): Promise<string> {
  try {
    return (await Deno.resolveDns(name, "A"))[0];
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return (await Deno.resolveDns(name, "AAAA"))[0];
  }
}

function open(hostname: string, port: number): Deno.DatagramConn {
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
