/**
 * A process on the simulated network: a socket and a clock that can be frozen, killed and disturbed.
 *
 * @module
 */
import type { PacketBatch } from "../../../kcp/mod.ts";
import type { Clock, DatagramReceiver, DatagramSocket } from "../../../transport/connection/mod.ts";
import type { SimulatedNetwork } from "../../../transport/link/mod.ts";

/** What a frozen process holds in its socket at most, in bytes: the default of Linux. */
const SOCKET_BUFFER = 212_992;

/** What the processes of a run share. */
export interface Surroundings {
  readonly network: SimulatedNetwork;
  /** A process sends a packet; returns whether it may leave. */
  sends(from: Process, packet: Uint8Array, to: string): boolean;
  /** A packet left, and the path lost it or not. */
  left(from: Process, packet: Uint8Array, to: string, lost: boolean): void;
  /** A packet reached a socket of the process. */
  reached(process: Process, packet: Uint8Array, from: string): void;
  /** The process takes a packet from its socket. */
  takes(process: Process, packet: Uint8Array, from: string): void;
  /** A callback threw. */
  threw(error: unknown): void;
  /** A timer fired. */
  stepped(process: Process): void;
}

/** One process, from its start to its end. */
export class Process {
  /** For the library: `listenOn`, `connectOn`. */
  readonly socket: DatagramSocket;
  readonly clock: Clock;
  /** The memory of the endpoint on the socket. */
  arena: { readonly used: number } | null = null;
  /** When it was killed, in ms of the network. */
  killedAt = Infinity;
  /** Whether it is about to be replaced. */
  leaving = false;
  /** When it stopped to accept connections. */
  closesAt = Infinity;
  /** When it was last thawed, and how long it was frozen and its clock was moved in all. */
  thawedAt = -Infinity;
  disturbed = 0;
  frozen = false;
  /** Whether its socket is closed. */
  closed = false;
  /** When the clock last jumped. */
  jumpedAt = -Infinity;
  readonly startedAt: number;
  /** When packets last reached it, by where they came from and by its clock. */
  readonly heardAt = new Map<string, number>();
  /** When a packet first reached it that a reset can quote, by where it came from. */
  readonly quotableAt = new Map<string, number>();
  /** Called when it is killed. */
  readonly leaves = new Set<() => void>();
  readonly #world: Surroundings;
  readonly #raw: DatagramSocket;
  readonly #timer: Clock;
  #receiver: DatagramReceiver | null = null;
  #offset = 0;
  #wakeAt = Infinity;
  #callback: (() => void) | null = null;
  #due: (() => void) | null = null;
  readonly #waiting: { packet: Uint8Array; from: string }[] = [];
  #waitingBytes = 0;
  readonly #held: (() => void)[] = [];
  #frozenAt = 0;

  constructor(world: Surroundings, hostname: string, port: number) {
    this.#world = world;
    const { network } = world;
    this.startedAt = network.now;
    const raw = this.#raw = network.socket(hostname, port);
    this.#timer = network.clock();
    this.socket = {
      get address() {
        return raw.address;
      },
      open: (receiver) => this.#open(receiver),
      send: (batch) => this.#send(batch),
      close: () => {
        this.closed = true;
        raw.close();
      },
      ref: () => {},
      unref: () => {},
    };
    this.clock = {
      now: () => this.localTime,
      wake: (at, callback) => this.#wake(at, callback),
      stop: () => this.#wake(Infinity, () => {}),
      ref: () => {},
      unref: () => {},
    };
  }

  get address(): string {
    return this.#raw.address;
  }

  get alive(): boolean {
    return this.killedAt === Infinity;
  }

  /** Whether it is run at the moment. */
  get runs(): boolean {
    return this.alive && !this.frozen;
  }

  /** What its clock shows. */
  get localTime(): number {
    const time = this.frozen && this.#stops ? this.#frozenAt : this.#world.network.now;
    return Math.max(this.#least, time + this.#offset);
  }

  #least = -Infinity;

  #stops = false;

  /** Ends the process without a word. */
  kill(): void {
    if (!this.alive) return;
    this.killedAt = this.#world.network.now;
    this.#timer.stop();
    this.#raw.close();
    this.#waiting.length = this.#held.length = 0;
    for (const leave of [...this.leaves]) leave();
  }

  /** Stops to run it for `ms`. */
  freeze(ms: number, clock: "runs" | "stops", timerFirst: boolean): void {
    if (!this.runs) return;
    const { network } = this.#world;
    this.#stops = clock === "stops";
    this.#frozenAt = network.now;
    this.frozen = true;
    // A timer of a clock that stands still does not come due.
    if (this.#stops) this.#timer.stop();
    network.schedule(network.now + ms, () => this.#thaw(timerFirst));
  }

  #thaw(timerFirst: boolean): void {
    if (!this.alive) return;
    const { network } = this.#world;
    const passed = network.now - this.#frozenAt;
    if (this.#stops) this.#offset -= passed;
    this.frozen = this.#stops = false;
    this.thawedAt = network.now;
    this.disturbed += passed;
    const due = this.#due;
    this.#due = null;
    if (due && timerFirst) this.#run(due);
    else if (!due) this.#arm();
    // Each packet and each turn of the application has a step of its own, as in an event loop.
    for (const { packet, from } of this.#waiting.splice(0)) {
      network.schedule(network.now, () => this.#deliver(packet, from));
    }
    this.#waitingBytes = 0;
    if (due && !timerFirst) network.schedule(network.now, () => this.#fire(due));
    for (const run of this.#held.splice(0)) network.schedule(network.now, () => this.#fire(run));
  }

  /** Moves the clock forward. */
  jump(ms: number): void {
    if (!this.runs) return;
    this.#offset += ms;
    this.disturbed += ms;
    this.jumpedAt = this.#world.network.now;
    this.#arm();
  }

  /** Calls `action` at a time of the network, later if the process is frozen then, never if it is dead. */
  at(time: number, action: () => void): void {
    this.#world.network.schedule(time, () => this.#fire(action));
  }

  /** Settles after `ms` in which the network's time goes on. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.at(this.#world.network.now + ms, resolve));
  }

  /** Lets a packet of a stranger reach the socket. */
  inject(packet: Uint8Array, from: string): void {
    if (this.alive) this.#arrive(packet, from);
  }

  #fire(action: () => void): void {
    if (!this.alive) return;
    if (this.frozen) this.#held.push(action);
    else this.#run(action);
  }

  #run(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#world.threw(error);
    }
  }

  #open(receiver: DatagramReceiver): void {
    this.#receiver = receiver;
    this.arena = receiver.arena;
    this.#raw.open({
      arena: receiver.arena,
      packet: (packet, from) => {
        this.#world.reached(this, packet, from);
        this.#arrive(packet, from);
      },
      packets: () => {},
      settled: () => {},
      failed: (error) => this.#world.threw(error),
    });
  }

  #arrive(packet: Uint8Array, from: string): void {
    if (!this.frozen) {
      this.#deliver(packet, from);
    } else if (this.#waitingBytes + packet.length <= SOCKET_BUFFER) {
      this.#waitingBytes += packet.length;
      this.#waiting.push({ packet, from });
    }
  }

  /** Whether packets wait in the socket of the frozen process. */
  get holdsPackets(): boolean {
    return this.#waiting.length > 0;
  }

  #deliver(packet: Uint8Array, from: string): void {
    const receiver = this.#receiver;
    if (!this.alive || !receiver) return;
    if (this.frozen) {
      this.#arrive(packet, from);
      return;
    }
    this.#world.takes(this, packet, from);
    this.#run(() => receiver.packet(packet, from));
  }

  #send(batch: PacketBatch): void {
    if (!this.alive) return;
    const one = { count: 1, packet: (_: number) => EMPTY, to: [""] };
    for (let i = 0; i < batch.count; i++) {
      const packet = batch.packet(i);
      const to = batch.to[i];
      if (!this.#world.sends(this, packet, to)) continue;
      const { network } = this.#world;
      const link = network.link(hostOf(this.address), hostOf(to));
      const { delivered } = link.stats;
      one.packet = () => packet;
      one.to[0] = to;
      this.#raw.send(one as unknown as PacketBatch);
      this.#world.left(this, packet, to, link.stats.delivered === delivered);
    }
  }

  #wake(at: number, callback: () => void): void {
    this.#wakeAt = at;
    this.#callback = callback;
    this.#due = null;
    this.#arm();
  }

  /** Sets the network's timer by this clock. */
  #arm(): void {
    if (this.#wakeAt === Infinity || !this.alive) {
      this.#timer.stop();
      return;
    }
    this.#timer.wake(this.#wakeAt - this.#offset, () => {
      if (!this.alive) return;
      const callback = this.#callback!;
      if (this.frozen) {
        this.#due = () => {
          this.#wakeAt = Infinity;
          callback();
        };
        return;
      }
      // The sum of a time and an offset may be off by its last bit.
      this.#least = Math.max(this.#least, this.#wakeAt);
      this.#wakeAt = Infinity;
      this.#world.stepped(this);
      this.#run(callback);
    });
  }
}

const EMPTY = new Uint8Array(0);

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":"));
}
