/**
 * A network in one process, under virtual time, from one seed.
 *
 * @module
 */
import type { Entropy } from "../../crypt/packet_cipher.ts";
import type { Arena } from "../../kcp/arena.ts";
import { PacketBatch } from "../../kcp/packet_batch.ts";
import { formatAddress, hostOf } from "../session/address.ts";
import type { Connection } from "../connection/connection.ts";
import type { Clock, DatagramReceiver, DatagramSocket } from "../connection/driver.ts";
import type { EndpointOptions } from "../session/endpoint.ts";
import { emptyLinkStats, Link, type LinkStats } from "./link.ts";
import type { LinkOptions } from "./link_options.ts";
import type { Listener } from "../connection/listener.ts";
import { Random } from "./random.ts";
import type { SessionOptions } from "../session/session_options.ts";
import { connectOn, listenOn, orClose } from "../connection/sockets.ts";
import { TimerHeap } from "../session/timer_heap.ts";
import { TraceHash } from "./trace_hash.ts";

/** Settings of a {@linkcode SimulatedNetwork}. */
export interface SimulatedNetworkOptions {
  /** Decides every draw: the same seed gives the same run. 0 unless given. */
  seed?: number | string;
  /** What every link is like that nothing else is said about; perfect unless given. */
  link?: LinkOptions;
  /** The time at the start in ms, 0 unless given. */
  start?: number;
  /** Whether {@linkcode SimulatedNetwork.trace} keeps what happened to each packet. */
  trace?: boolean;
}

/** What happened to a packet. */
export interface TraceEntry {
  /** When, in ms. */
  readonly at: number;
  /** Whether it was sent, arrived, was lost on the link, or found nobody at its destination. */
  readonly event: "sent" | "arrived" | "lost" | "nobody";
  /** The sender's address. */
  readonly from: string;
  /** The destination. */
  readonly to: string;
  /** A copy of the packet. */
  readonly packet: Uint8Array<ArrayBuffer>;
}

/** A machine without I/O that has one peer: a `Kcp` or a `Session`. */
export interface PeerMachine {
  /** Takes a packet. */
  input(packet: Uint8Array, now: number): unknown;
  /** Takes the time. */
  tick(now: number): void;
  /** Gives the packets that are due. */
  output(batch: PacketBatch): number;
  /** When `tick` is due. */
  readonly deadline: number;
  /** Its memory. */
  readonly arena: Arena;
}

/** A machine without I/O that has many peers: an `Endpoint`. */
export interface EndpointMachine extends Omit<PeerMachine, "input"> {
  /** Takes a packet. */
  input(packet: Uint8Array, now: number, from: string): unknown;
}

/** A machine on a simulated network. */
export interface Attachment {
  /** Lets the machine send what is due now; call it after giving it data. */
  flush(): void;
  /** Takes the machine off the network. */
  detach(): void;
}

/** First port that is given to sockets that name none. Source: RFC 6335 §6. */
const FIRST_PORT = 49_152;

/** Something that happens at a time, unless it was called off. */
interface Event {
  run: (() => void) | null;
}

/** A network of simulated links with a clock of its own. */
export class SimulatedNetwork {
  /** What happened to each packet, if that was asked for. */
  readonly trace: TraceEntry[] = [];
  readonly #random: Random;
  readonly #convs: Random;
  readonly #nonces: Random;
  readonly #start: number;
  readonly #events = new TimerHeap<Event>();
  readonly #links = new Map<string, Link>();
  readonly #sockets = new Map<string, SimulatedSocket>();
  readonly #hash = new TraceHash();
  readonly #traced: boolean;
  #defaults: LinkOptions;
  #now: number;
  #nextPort = FIRST_PORT;
  #nobody = 0;

  /**
   * Makes a network.
   *
   * @param options Settings.
   * @throws {TypeError | RangeError} When a setting of the link has the wrong type or is out of range.
   */
  constructor(options: SimulatedNetworkOptions = {}) {
    const { seed = 0, link = {}, start = 0, trace = false } = options;
    if (!Number.isFinite(start)) {
      throw new RangeError(`Cannot start at ${start}: the time must be finite`);
    }
    this.#random = new Random(seed);
    this.#convs = this.#random.fork("conv");
    this.#nonces = this.#random.fork("nonce");
    this.#start = this.#now = start;
    this.#traced = trace;
    this.#defaults = { ...link };
    // Settings are refused here, not when the first packet is sent.
    new Link(link, this.#random.fork("check"), start);
  }

  /** The time in ms. */
  get now(): number {
    return this.#now;
  }

  /** A digest of every packet sent and arrived and of its time: equal runs have equal digests. */
  get hash(): string {
    return this.#hash.digest();
  }

  /** Packets that arrived where nobody was. */
  get nobody(): number {
    return this.#nobody;
  }

  // --- links ---

  /**
   * The link from one host to another: to change it while it runs, cut it with `down`, or read its
   * `stats`. The way back is another link.
   *
   * @param from The sender's host, without port.
   * @param to The receiver's host, without port.
   */
  link(from: string, to: string): Link {
    const key = `${from} ${to}`;
    let link = this.#links.get(key);
    if (!link) {
      link = new Link(this.#defaults, this.#random.fork(key), this.#start);
      this.#links.set(key, link);
    }
    return link;
  }

  /** Changes every link, those that are there and those to come. */
  configure(change: LinkOptions): void {
    this.#defaults = { ...this.#defaults, ...change };
    for (const link of this.#links.values()) link.configure(change);
  }

  /** Cuts both links between two hosts, or joins them again. */
  partition(a: string, b: string, cut = true): void {
    this.link(a, b).down = this.link(b, a).down = cut;
  }

  /** Counters of all links, added up. */
  get stats(): LinkStats {
    const sum: Record<string, number> = { ...emptyLinkStats() };
    for (const link of this.#links.values()) {
      for (const [name, value] of Object.entries(link.stats)) sum[name] += value;
    }
    return sum as unknown as LinkStats;
  }

  /**
   * Changes the address that a socket is seen under, as when a phone changes networks or a router forgets
   * a mapping. Packets to the old address find nobody.
   *
   * @throws {TypeError} When nobody is at the old address, or somebody at the new one.
   */
  rebind(oldAddress: string, newAddress: string): void {
    const socket = this.#sockets.get(oldAddress);
    if (!socket) throw new TypeError(`Cannot rebind ${oldAddress}: nobody is there`);
    if (this.#sockets.has(newAddress)) {
      throw new TypeError(`Cannot rebind to ${newAddress}: somebody is there`);
    }
    this.#sockets.delete(oldAddress);
    this.#sockets.set(newAddress, socket);
    socket.address = newAddress;
  }

  // --- who is on it ---

  /**
   * Opens a socket, for a driver of one's own.
   *
   * @param hostname Any name without a colon, or an IPv6 address.
   * @param port The port; one that is free unless given.
   * @throws {TypeError} When the address is taken.
   */
  socket(hostname: string, port = 0): DatagramSocket {
    return this.#bind(hostname, port);
  }

  #bind(hostname: string, port: number): SimulatedSocket {
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
      (address) => this.#sockets.delete(address),
    );
    this.#sockets.set(address, socket);
    return socket;
  }

  /** A clock that shows the network's time. */
  clock(): Clock {
    let pending: Event | null = null;
    const stop = () => {
      if (pending) pending.run = null;
      pending = null;
    };
    return {
      now: () => this.#now,
      wake: (at, callback) => {
        stop();
        if (at === Infinity) return;
        pending = this.#at(at, () => {
          pending = null;
          callback();
        });
      },
      stop,
      ref: () => {},
      unref: () => {},
    };
  }

  /** Listens on the network, as `listen` does on a real one. */
  listen(options: EndpointOptions & { hostname: string; port?: number }): Listener {
    const { hostname, port = 0, ...endpoint } = options;
    const socket = this.#bind(hostname, port);
    return orClose(socket, () => listenOn(socket, this.clock(), this.#withEntropy(endpoint)));
  }

  /** Opens a connection on the network, as `connect` does on a real one. */
  connect(
    options: SessionOptions & {
      hostname: string;
      port: number;
      /** This side's host, `10.0.0.2` unless given. */
      localHostname?: string;
      localPort?: number;
      conv?: number;
    },
  ): Connection {
    const { hostname, port, localHostname = "10.0.0.2", localPort = 0, ...rest } = options;
    const { conv = this.#convs.uint32(), ...session } = rest;
    const socket = this.#bind(localHostname, localPort);
    return orClose(
      socket,
      () =>
        connectOn(
          socket,
          this.clock(),
          formatAddress(hostname, port),
          conv,
          this.#withEntropy(session),
        ),
    );
  }

  /** Nonces come from the network's seed, so that a run with encryption can be repeated too. */
  #withEntropy<T extends SessionOptions>(options: T): T {
    const entropy: Entropy = (target) => this.#nonces.fill(target);
    return { ...options, entropy: options.entropy ?? entropy };
  }

  /**
   * Puts a machine without I/O on the network.
   *
   * @param address Its own address, host and port.
   * @param machine A machine that has one peer.
   * @param to The peer's address.
   */
  attach(address: string, machine: PeerMachine, to: string): Attachment;
  /**
   * Puts a machine without I/O on the network.
   *
   * @param address Its own address, host and port.
   * @param machine A machine that has many peers.
   */
  attach(address: string, machine: EndpointMachine): Attachment;
  attach(address: string, machine: PeerMachine | EndpointMachine, to?: string): Attachment {
    const colon = address.lastIndexOf(":");
    const hostname = address.slice(0, colon).replace(/^\[|\]$/g, "");
    const socket = this.#bind(hostname, Number(address.slice(colon + 1)));
    const clock = this.clock();
    const batch = new PacketBatch({ arena: machine.arena });
    const flush = () => {
      machine.tick(this.#now);
      for (batch.clear(); machine.output(batch) > 0; batch.clear()) {
        if (to !== undefined) batch.to.fill(to, 0, batch.count);
        socket.send(batch);
      }
      clock.wake(machine.deadline, flush);
    };
    socket.open({
      arena: machine.arena,
      // Sockets of this network deliver one packet at a time.
      packets: () => {},
      settled: () => {},
      packet: (packet, from) => {
        // A machine with one peer has no use for the address.
        if (to === undefined) (machine as EndpointMachine).input(packet, this.#now, from);
        else (machine as PeerMachine).input(packet, this.#now);
        flush();
      },
      failed: () => {},
    });
    return {
      flush,
      detach: () => {
        clock.stop();
        socket.close();
      },
    };
  }

  // --- time ---

  /** Settles after `ms` of the network's time. */
  delay(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#at(this.#now + ms, resolve);
    });
  }

  /** Calls `action` at the network's time `at`: to change a link by schedule, for example. */
  schedule(at: number, action: () => void): void {
    this.#at(at, action);
  }

  /**
   * Lets time pass while machines without I/O run: everything that happens within `ms` happens before it
   * returns. Code that waits for promises needs {@linkcode SimulatedNetwork.advance}.
   */
  elapse(ms: number): void {
    const end = this.#now + ms;
    while (this.#events.deadline <= end) this.#step();
    this.#now = end;
  }

  /** Lets time pass; code that waits for the network goes on as its promises settle. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await turn();
    while (this.#events.deadline <= end) {
      this.#step();
      await turn();
    }
    this.#now = end;
  }

  /**
   * Lets time pass until `body` is done, and returns what it returns. Time does not wait for anything
   * outside the network: whoever awaits a file or a real timer in `body` gets a run that differs.
   *
   * @param body What to run.
   * @param limit ms after which to give up, one hour unless given.
   * @throws {Error} When nothing is left to happen, or the limit is reached, before `body` is done.
   */
  async run<T>(body: () => T | Promise<T>, limit = 3_600_000): Promise<T> {
    const end = this.#now + limit;
    let done = false;
    const result = (async () => await body())().finally(() => done = true);
    result.catch(() => {});
    for (await turn(); !done; await turn()) {
      if (this.#events.size === 0) {
        throw new Error(
          `Nothing is left to happen at ${this.#now} ms, but the body still waits: for a packet that nobody sends, or for something outside the network`,
        );
      }
      if (this.#events.deadline > end) {
        throw new Error(`The body was not done after ${limit} ms of the network's time`);
      }
      this.#step();
    }
    return await result;
  }

  #step(): void {
    const at = this.#events.deadline;
    if (at > this.#now) this.#now = at;
    this.#events.pop()!.run?.();
  }

  #at(at: number, run: () => void): Event {
    const event: Event = { run };
    this.#events.push(Math.max(at, this.#now), event);
    return event;
  }

  // --- packets ---

  #send(packet: Uint8Array, from: string, to: string): void {
    this.#record("sent", from, to, packet);
    let copies = 0;
    this.link(unbracket(hostOf(from)), unbracket(hostOf(to))).transmit(
      packet,
      this.#now,
      (arriving, at) => {
        copies++;
        this.#at(at, () => this.#arrive(arriving, from, to));
      },
    );
    if (copies === 0) this.#record("lost", from, to, packet);
  }

  #arrive(packet: Uint8Array, from: string, to: string): void {
    const receiver = this.#sockets.get(to)?.receiver;
    this.#record(receiver ? "arrived" : "nobody", from, to, packet);
    if (receiver) receiver.packet(packet, from);
    else this.#nobody++;
  }

  #record(event: TraceEntry["event"], from: string, to: string, packet: Uint8Array): void {
    this.#hash.text(event).number(this.#now).text(from).text(to).bytes(packet);
    if (!this.#traced) return;
    this.trace.push({ at: this.#now, event, from, to, packet: new Uint8Array(packet) });
  }
}

function unbracket(host: string): string {
  return host.startsWith("[") ? host.slice(1, -1) : host;
}

/** A socket on a simulated network. */
class SimulatedSocket implements DatagramSocket {
  receiver: DatagramReceiver | null = null;

  constructor(
    public address: string,
    private readonly transmit: (packet: Uint8Array, from: string, to: string) => void,
    private readonly unbind: (address: string) => void,
  ) {}

  open(receiver: DatagramReceiver): void {
    this.receiver = receiver;
  }

  send(batch: PacketBatch): void {
    for (let i = 0; i < batch.count; i++) {
      this.transmit(batch.packet(i), this.address, batch.to[i]);
    }
  }

  close(): void {
    this.receiver = null;
    this.unbind(this.address);
  }

  ref(): void {}

  unref(): void {}
}

/** Waits until every promise that can settle without new events has settled. */
function turn(): Promise<void> {
  const { setImmediate } = globalThis as { setImmediate?: (callback: () => void) => unknown };
  if (setImmediate) return new Promise((resolve) => setImmediate(resolve));
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
