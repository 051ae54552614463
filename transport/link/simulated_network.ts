/**
 * A network in one process, under virtual time, from one seed.
 *
 * @module
 */
import type { Entropy } from "../../crypt/packet_cipher.ts";
import type { Connection } from "../connection/connection.ts";
import type { Clock, DatagramSocket } from "../connection/driver.ts";
import type { Listener } from "../connection/listener.ts";
import type { RateLimitOptions } from "../connection/rate_limit.ts";
import { connectOn, listenOn, orClose } from "../connection/sockets.ts";
import { checkAddress, formatAddress, parseAddress } from "../session/address.ts";
import type { EndpointOptions } from "../session/endpoint.ts";
import type { SessionOptions } from "../session/session_options.ts";
import {
  attachMachine,
  type Attachment,
  type EndpointMachine,
  type PeerMachine,
} from "./attachment.ts";
import { type FakeTimers, type FakeTimersOptions, installFakeTimers } from "./fake_timers.ts";
import { FrozenHosts, hostnameOf } from "./frozen_hosts.ts";
import type { Link } from "./link.ts";
import type { LinkControl } from "./link_control.ts";
import { LinkGroup } from "./link_group.ts";
import type { LinkOptions } from "./link_options.ts";
import type { LinkStats } from "./link_stats.ts";
import { Random } from "./random.ts";
import { SimulatedSocket } from "./simulated_socket.ts";
import { TraceHash } from "./trace_hash.ts";
import { VirtualTime } from "./virtual_time.ts";

/** Settings of a {@linkcode SimulatedNetwork}. */
export interface SimulatedNetworkOptions {
  /** The seed of all randomness. The same seed gives the same run. Default: 0. */
  seed?: number | string;
  /** The options of every link. Default: a link that delivers each packet at once. */
  link?: LinkOptions;
  /** The time at the start, in ms. Default: 0. */
  start?: number;
  /** Whether {@linkcode SimulatedNetwork.trace} records packets. Default: false. */
  trace?: boolean;
}

/** Something that happened to a packet. */
export interface TraceEntry {
  /** When it happened, in ms. */
  readonly at: number;
  /**
   * The packet was `"sent"`, `"lost"` on the link, or `"arrived"` at a socket. It is
   * `"undeliverable"` if it arrived at an address without an open socket, or if the receive buffer of
   * a frozen host was full.
   */
  readonly event: "sent" | "lost" | "arrived" | "undeliverable";
  /** The address of the sender. */
  readonly from: string;
  /** The address of the receiver. */
  readonly to: string;
  /** A copy of the packet. */
  readonly packet: Uint8Array<ArrayBuffer>;
}

/**
 * The first port for sockets that ask for any free port. RFC 6335 §6: dynamic ports start here.
 */
const FIRST_PORT = 49_152;

/**
 * A network of simulated links, with a clock of its own. Each host is a name. A link leads from
 * each host to each other host.
 *
 * Code with promises runs in {@linkcode SimulatedNetwork.run}, where time passes by itself.
 * Machines without I/O run after {@linkcode SimulatedNetwork.attach}, while {@linkcode
 * SimulatedNetwork.elapse} lets time pass.
 *
 * @example
 * ```ts
 * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
 *
 * const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
 * const here = { hostname: "10.0.0.1", port: 80 };
 * const listener = network.listen(here);
 * await network.run(async () => {
 *   const client = network.connect(here);
 *   await client.sendMessage(new TextEncoder().encode("hello"));
 *   const message = await (await listener.accept()).receiveMessage();
 *   console.log(new TextDecoder().decode(message!)); // hello
 * });
 * ```
 */
export class SimulatedNetwork {
  /**
   * What happened to each packet. It is empty unless the option `trace` is set.
   *
   * @example
   * ```ts
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ trace: true });
   * await network.advance(1000);
   * for (const { at, event, from, to } of network.trace) console.log(at, event, from, to);
   * ```
   */
  readonly trace: TraceEntry[] = [];
  readonly #conversations: Random;
  readonly #nonces: Random;
  readonly #time: VirtualTime;
  readonly #frozen: FrozenHosts;
  readonly #links: LinkGroup;
  /** The links that are in use, by the names of the two hosts. */
  readonly #linksByHosts = new Map<string, Link>();
  readonly #sockets = new Map<string, SimulatedSocket>();
  readonly #hash = new TraceHash();
  readonly #traced: boolean;
  #nextPort = FIRST_PORT;
  #undeliverable = 0;

  /**
   * Makes a network.
   *
   * @param options Settings.
   * @throws {TypeError} If the seed or a link option has the wrong type, or a link option is
   * unknown.
   * @throws {RangeError} If the seed, a link option or `start` is out of range.
   */
  constructor(options: SimulatedNetworkOptions = {}) {
    const { seed = 0, link = {}, start = 0, trace = false } = options;
    if (!Number.isFinite(start)) {
      throw new RangeError(`Cannot start at ${start}: the time must be finite`);
    }
    const random = new Random(seed);
    this.#conversations = random.fork("conv");
    this.#nonces = random.fork("nonce");
    this.#time = new VirtualTime(start);
    this.#frozen = new FrozenHosts(this.#time);
    this.#links = new LinkGroup(link, random, start);
    this.#traced = trace;
  }

  /**
   * The time in ms.
   *
   * @example
   * ```ts
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
   * await network.advance(1000);
   * console.log(network.now); // 1000
   * ```
   */
  get now(): number {
    return this.#time.now;
  }

  /**
   * A digest of every packet that was sent, lost or arrived, and of the times. Equal runs have
   * equal digests: 16 hexadecimal digits.
   *
   * One seed gives one digest on every runtime, as long as the application reads and writes with
   * `read` and `write`. The Web Streams `readable` and `writable` are the runtime's own: with them,
   * the digest is sure to be the same only on one version of one runtime.
   *
   * @example
   * ```ts
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
   * await network.advance(1000);
   * console.log(network.hash); // the same in each run
   * ```
   */
  get hash(): string {
    return this.#hash.digest();
  }

  /**
   * Packets that arrived at an address without an open socket, or at a full receive buffer.
   *
   * @example
   * ```ts
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
   * const client = network.connect({ hostname: "10.0.0.1", port: 80 });
   * await network.run(() => client.write(new TextEncoder().encode("hello")));
   * await network.advance(100);
   * console.log(network.undeliverable > 0); // true: nobody listens
   * ```
   */
  get undeliverable(): number {
    return this.#undeliverable;
  }

  // --- links ---

  /**
   * The link from one host to another. The opposite direction is another link.
   *
   * @param from The host of the sender, without port.
   * @param to The host of the receiver, without port.
   *
   * @example
   * ```ts
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
   * network.link("10.0.0.2", "10.0.0.1").configure({ loss: 0.5 }); // one direction
   * ```
   */
  link(from: string, to: string): LinkControl {
    return this.#link(from, to);
  }

  #link(from: string, to: string): Link {
    const key = `${from} ${to}`;
    let link = this.#linksByHosts.get(key);
    if (!link) {
      link = this.#links.open(key);
      this.#linksByHosts.set(key, link);
    }
    return link;
  }

  /**
   * Changes options of all links, also of links that are used later.
   *
   * @param change The options to change. A member that is `undefined` goes back to its default.
   * @throws {TypeError} If an option is unknown or has the wrong type. Nothing is changed then.
   * @throws {RangeError} If an option is out of range. Nothing is changed then.
   *
   * @example
   * ```ts
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
   * network.configure({ loss: 0.1, jitter: 10 }); // all links
   * ```
   */
  configure(change: LinkOptions): void {
    this.#links.configure(change);
  }

  /**
   * Cuts both links between two hosts, or restores them if `cut` is false.
   *
   * @example
   * ```ts
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
   * network.partition("10.0.0.1", "10.0.0.2");
   * await network.advance(5000);
   * network.partition("10.0.0.1", "10.0.0.2", false);
   * ```
   */
  partition(a: string, b: string, cut = true): void {
    this.link(a, b).down = this.link(b, a).down = cut;
  }

  /**
   * The sum of the counters of all links.
   *
   * @example
   * ```ts
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
   * const { packets, lost } = network.stats;
   * console.log(`${lost} of ${packets} packets were lost`);
   * ```
   */
  get stats(): LinkStats {
    return this.#links.stats;
  }

  /**
   * Changes the address of a socket, as when a phone changes networks or a NAT forgets a mapping.
   * Later packets to the old address are undeliverable.
   *
   * @param oldAddress The address of an open socket, such as `10.0.0.2:1000`.
   * @param newAddress A free address.
   * @throws {TypeError} If no socket has the old address, or a socket has the new one.
   *
   * @example
   * ```ts
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
   * const listener = network.listen({ hostname: "10.0.0.1", port: 80, migrate: true });
   * await network.run(async () => {
   *   const client = network.connect({ hostname: "10.0.0.1", port: 80, localPort: 5000 });
   *   await client.opened;
   *   const server = await listener.accept();
   *   network.rebind("10.0.0.2:5000", "10.9.9.9:7000"); // the phone leaves the Wi-Fi
   *   await client.write(new TextEncoder().encode("hello"));
   *   await client.drained();
   *   console.log(server.remoteAddr.hostname); // 10.9.9.9
   * });
   * ```
   */
  rebind(oldAddress: string, newAddress: string): void {
    const socket = this.#sockets.get(oldAddress);
    if (!socket) throw new TypeError(`Cannot rebind ${oldAddress}: no socket has this address`);
    if (this.#sockets.has(newAddress)) {
      throw new TypeError(`Cannot rebind to ${newAddress}: the address is taken`);
    }
    this.#sockets.delete(oldAddress);
    this.#sockets.set(newAddress, socket);
    socket.address = newAddress;
  }

  // --- hosts ---

  /**
   * Ends the processes of a host, as when they crash: nothing tells their peers. Its connections and
   * listeners end with a `ConnectionError` of kind `socket`, and machines without I/O leave the
   * network. What they had sent before is still on its way. A new process of the host may bind the
   * same ports at once.
   *
   * @param hostname The host, without port.
   *
   * @example
   * ```ts
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ link: { latency: 20 } });
   * const here = { hostname: "10.0.0.1", port: 80 };
   * network.listen(here);
   * await network.run(async () => {
   *   const client = network.connect({ ...here, keepAlive: 2000, deadLinkTime: 5000 });
   *   await client.opened;
   *   network.crash("10.0.0.1");
   *   const error = await client.closed.catch((error) => error);
   *   console.log(error.kind, Math.round(network.now)); // unreachable, after about 7 s
   *   network.listen(here); // the server restarts
   * });
   * ```
   */
  crash(hostname: string): void {
    this.#frozen.forget(hostname);
    const error = new Error(`The host ${hostname} has crashed`);
    for (const socket of [...this.#sockets.values()]) {
      if (hostnameOf(socket.address) === hostname) socket.crash(error);
    }
  }

  /**
   * Suspends the processes of a host, as when a laptop sleeps or a process gets `SIGSTOP`: its timers
   * do not fire, and it sends nothing. What arrives waits in the receive buffers of its sockets, which
   * hold 208 KiB each, and is read afterwards. The application's own code is not suspended, but
   * what it sends leaves afterwards.
   *
   * @param hostname The host, without port.
   * @param ms For how long, 0 or more, and finite. A host that is suspended already stays so for the
   * longer of the two times.
   * @throws {RangeError} When `ms` is out of its range.
   *
   * @example
   * ```ts
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ link: { latency: 20 } });
   * const listener = network.listen({ hostname: "10.0.0.1", port: 80 });
   * await network.run(async () => {
   *   const client = network.connect({ hostname: "10.0.0.1", port: 80 });
   *   network.freeze("10.0.0.1", 5000);
   *   await client.write(new TextEncoder().encode("hello"));
   *   await listener.accept();
   *   console.log(network.now); // 5000
   * });
   * ```
   */
  freeze(hostname: string, ms: number): void {
    this.#frozen.freeze(hostname, ms);
  }

  // --- sockets, connections and machines ---

  /**
   * Opens a socket: for `listenOn` and `connectOn` of `@lowlatency/kcp/transport`, or a driver of
   * your own.
   *
   * @param hostname Any name without a colon, or an IPv6 address.
   * @param port The port. Default: 0, which stands for a free port.
   * @throws {TypeError} If the address is taken.
   * @throws {RangeError} If the port is out of range.
   *
   * @example
   * ```ts
   * import { listenOn } from "@lowlatency/kcp/transport";
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
   * const listener = listenOn(network.socket("10.0.0.1", 80), network.clock());
   * console.log(listener.addr.port); // 80
   * ```
   */
  socket(hostname: string, port = 0): DatagramSocket {
    return this.#bind(hostname, port);
  }

  #bind(hostname: string, port: number): SimulatedSocket {
    checkAddress({ hostname, port }, 0);
    while (port === 0) {
      if (!this.#sockets.has(formatAddress(hostname, this.#nextPort))) port = this.#nextPort;
      this.#nextPort = this.#nextPort === 65_535 ? FIRST_PORT : this.#nextPort + 1;
    }
    const address = formatAddress(hostname, port);
    if (this.#sockets.has(address)) {
      throw new TypeError(`Cannot bind ${address}: the address is taken`);
    }
    const socket = new SimulatedSocket(
      address,
      (packet, from, to) => this.#send(packet, from, to),
      (socket) => {
        if (this.#sockets.get(socket.address) === socket) this.#sockets.delete(socket.address);
      },
    );
    this.#sockets.set(address, socket);
    return socket;
  }

  /**
   * Makes a clock that shows the time of the network. Each driver needs one of its own.
   *
   * @example
   * ```ts
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
   * const clock = network.clock();
   * clock.wake(500, () => console.log(clock.now())); // 500
   * await network.advance(1000);
   * ```
   */
  clock(): Clock {
    return this.#time.clock();
  }

  /** The clock of a process on the host of a socket. */
  #clockOf(socket: DatagramSocket): Clock {
    return this.#time.clock(() => this.#frozen.until(socket.address));
  }

  /**
   * Listens on the network, as `listen` does on real sockets.
   *
   * @param options Settings, the host, and the port. Default: a free port.
   * @throws {TypeError} If a setting has the wrong type, or the address is taken.
   * @throws {RangeError} If a setting is out of range.
   *
   * @example
   * ```ts
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
   * const listener = network.listen({ hostname: "10.0.0.1", port: 80 });
   * console.log(listener.addr.hostname); // 10.0.0.1
   * ```
   */
  listen(
    options: EndpointOptions & RateLimitOptions & { hostname: string; port?: number },
  ): Listener {
    const { hostname, port = 0, ...endpoint } = options;
    const socket = this.#bind(hostname, port);
    return orClose(
      socket,
      () => listenOn(socket, this.#clockOf(socket), this.#withEntropy(endpoint)),
    );
  }

  /**
   * Opens a connection on the network, as `connect` does on real sockets.
   *
   * @param options Settings, and the host and the port of the listener.
   * @throws {TypeError} If a setting has the wrong type, or the local address is taken.
   * @throws {RangeError} If a setting is out of range.
   *
   * @example
   * ```ts
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
   * const here = { hostname: "10.0.0.1", port: 80 };
   * network.listen(here);
   * await network.run(async () => {
   *   const client = network.connect({ ...here, localHostname: "10.0.0.7" });
   *   await client.opened;
   *   console.log(network.now); // 40: a round trip
   * });
   * ```
   */
  connect(
    options: SessionOptions & RateLimitOptions & {
      hostname: string;
      port: number;
      /** The host of this end. Default: `"10.0.0.2"`. */
      localHostname?: string | undefined;
      /** The port of this end. Default: a free port. */
      localPort?: number | undefined;
      /** The conversation id. Default: drawn from the seed. */
      conv?: number | undefined;
    },
  ): Connection {
    const { hostname, port, localHostname = "10.0.0.2", localPort = 0, ...rest } = options;
    const { conv = this.#conversations.uint32(), ...session } = rest;
    checkAddress({ hostname, port }, 0);
    const socket = this.#bind(localHostname, localPort);
    const peer = formatAddress(hostname, port);
    return orClose(
      socket,
      () => connectOn(socket, this.#clockOf(socket), peer, conv, this.#withEntropy(session)),
    );
  }

  /** Takes nonces from the seed of the network, so that a run with encryption can be repeated. */
  #withEntropy<T extends SessionOptions>(options: T): T {
    const entropy: Entropy = (target) => this.#nonces.fill(target);
    return { ...options, entropy: options.entropy ?? entropy };
  }

  /**
   * Puts a machine without I/O on the network.
   *
   * @param address The address of the machine, host and port.
   * @param machine A machine that has one peer.
   * @param to The address of the peer.
   * @throws {TypeError} If the address is taken.
   *
   * @example
   * ```ts
   * import { Kcp } from "@lowlatency/kcp/kcp";
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ link: { latency: 20 } });
   * const alice = new Kcp(1);
   * const bob = new Kcp(1);
   * const attached = network.attach("10.0.0.1:1", alice, "10.0.0.2:1");
   * network.attach("10.0.0.2:1", bob, "10.0.0.1:1");
   *
   * alice.send(new TextEncoder().encode("hello"));
   * attached.flush();
   * network.elapse(100);
   * console.log(bob.peekSize()); // 5
   * ```
   */
  attach(address: string, machine: PeerMachine, to: string): Attachment;
  /**
   * Puts a machine without I/O on the network.
   *
   * @param address The address of the machine, host and port.
   * @param machine A machine that has many peers.
   * @throws {TypeError} If the address is taken.
   *
   * @example
   * ```ts
   * import { Endpoint } from "@lowlatency/kcp/transport";
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
   * const server = new Endpoint({}, true);
   * const attached = network.attach("10.0.0.1:80", server);
   * network.elapse(1000);
   * attached.detach();
   * ```
   */
  attach(address: string, machine: EndpointMachine): Attachment;
  attach(address: string, machine: PeerMachine | EndpointMachine, to?: string): Attachment {
    const { hostname, port } = parseAddress(address);
    const socket = this.#bind(hostname, port);
    return attachMachine(machine, socket, this.#clockOf(socket), to);
  }

  // --- time ---

  /**
   * Returns a promise that is fulfilled after `ms` of the network's time.
   *
   * @param ms How long to wait.
   * @param options A `signal` rejects the promise with its reason when it is aborted before.
   *
   * @example
   * ```ts
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork();
   * const stop = new AbortController();
   * network.schedule(1000, () => stop.abort());
   * await network.run(() => network.delay(5000, stop).catch(() => {}));
   * console.log(network.now); // 1000
   * ```
   */
  delay(ms: number, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    return this.#time.delay(ms, signal);
  }

  /**
   * Calls `action` at the time `at`: to change a link at a given time, for example.
   *
   * @param at When, in ms. If it has passed, the action is due now.
   * @param action What to do.
   * @param options A `signal` takes the call back when it is aborted before.
   *
   * @example
   * ```ts
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
   * network.schedule(5000, () => network.partition("10.0.0.1", "10.0.0.2"));
   * await network.advance(6000);
   * ```
   */
  schedule(at: number, action: () => void, { signal }: { signal?: AbortSignal } = {}): void {
    this.#time.scheduleUnless(at, action, signal);
  }

  /**
   * Puts the timers and clocks of the application on the network's time: `setTimeout`, `setInterval`,
   * `Date`, `performance.now` and `AbortSignal.timeout` of the whole process, until they are restored.
   * Without that, a real timer never fires during {@linkcode SimulatedNetwork.run}, which does not
   * wait for it. It works under any test runner. Fake timers of the runner are not needed, and stop
   * the application's timers in `run`.
   *
   * `setImmediate`, microtasks, and the timers of `node:timers` stay real. So do connections over real
   * sockets, which then stand still: do not use both at a time.
   *
   * @param options The date at the network's time 0.
   * @returns What restores them: call `restore`, or declare it with `using`.
   * @throws {Error} When timers are on the time of a network already.
   * @throws {RangeError} When the date is none.
   *
   * @example
   * ```ts
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ link: { latency: 20 } });
   * network.listen({ hostname: "10.0.0.1", port: 80 });
   * using _timers = network.fakeTimers({ date: new Date("2026-01-01") });
   * await network.run(async () => {
   *   const client = network.connect({ hostname: "10.0.0.1", port: 80 });
   *   const signal = AbortSignal.timeout(60_000);
   *   await client.read(new Uint8Array(1), { signal }).catch((error) => console.log(error.name));
   *   console.log(new Date().toISOString()); // 2026-01-01T00:01:00.000Z
   * });
   * ```
   */
  fakeTimers(options: FakeTimersOptions = {}): FakeTimers {
    return installFakeTimers(this.#time, options);
  }

  /**
   * Lets time pass for machines without I/O. All that happens within `ms` happens before this
   * returns. Code that waits for promises needs {@linkcode SimulatedNetwork.advance}.
   *
   * @example
   * ```ts
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
   * network.schedule(500, () => console.log("half of it"));
   * network.elapse(1000);
   * ```
   */
  elapse(ms: number): void {
    this.#time.elapse(ms);
  }

  /**
   * Lets `ms` pass. After each event, code that waits for promises gets its turn.
   *
   * @example
   * ```ts
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
   * network.delay(500).then(() => console.log("half of it"));
   * await network.advance(1000);
   * ```
   */
  async advance(ms: number): Promise<void> {
    await this.#time.advance(ms);
  }

  /**
   * Lets time pass until `body` has ended, and returns its result. The time of the network does not
   * wait for anything outside: if `body` waits for a file or for a real timer, the run cannot be
   * repeated.
   *
   * @param body What to run.
   * @param limit After how many ms of the network's time to give up. Default: 3,600,000, one hour.
   * @throws {Error} If nothing is left to happen, or the limit is reached, before `body` has ended.
   *
   * @example
   * ```ts
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
   * const answer = await network.run(async () => {
   *   await network.delay(1000);
   *   return 42;
   * });
   * console.log(answer, network.now); // 42 1000
   * ```
   */
  async run<T>(body: () => T | Promise<T>, limit = 3_600_000): Promise<T> {
    return await this.#time.run(body, limit);
  }

  // --- packets ---

  #send(packet: Uint8Array, from: string, to: string): void {
    if (this.#frozen.has(from)) {
      const copy = packet.slice();
      this.#frozen.holdSent(from, () => this.#send(copy, from, to));
      return;
    }
    this.#record("sent", from, to, packet);
    let copies = 0;
    this.#link(hostnameOf(from), hostnameOf(to)).transmit(packet, this.now, (arriving, at) => {
      copies++;
      this.#time.schedule(at, () => this.#arrive(arriving, from, to));
    });
    if (copies === 0) this.#record("lost", from, to, packet);
  }

  #arrive(packet: Uint8Array, from: string, to: string): void {
    if (!this.#frozen.has(to)) this.#deliver(packet, from, to);
    else if (!this.#frozen.holdArrived(to, packet.length, () => this.#deliver(packet, from, to))) {
      this.#record("undeliverable", from, to, packet);
      this.#undeliverable++;
    }
  }

  #deliver(packet: Uint8Array, from: string, to: string): void {
    const receiver = this.#sockets.get(to)?.receiver;
    this.#record(receiver ? "arrived" : "undeliverable", from, to, packet);
    if (receiver) receiver.packet(packet, from);
    else this.#undeliverable++;
  }

  #record(event: TraceEntry["event"], from: string, to: string, packet: Uint8Array): void {
    this.#hash.text(event).number(this.now).text(from).text(to).bytes(packet);
    if (!this.#traced) return;
    this.trace.push({ at: this.now, event, from, to, packet: new Uint8Array(packet) });
  }
}
