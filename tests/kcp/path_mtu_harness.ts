/**
 * Two machines, and a path between them whose MTU changes.
 *
 * @module
 */
import { AssertionError } from "@std/assert";
import type { KcpOptions } from "../../kcp/mod.ts";
import { Link } from "../../transport/link/link.ts";
import type { LinkOptions } from "../../transport/link/link_options.ts";
import { Random } from "../../transport/link/random.ts";
import { End, Network, pattern, PIECE } from "./harness.ts";

/** What the sending end sends: a stream, or messages of a size of which so many may wait. */
export interface Traffic {
  /** Bytes of a message. 0 for a stream. */
  message: number;
  /** Messages that are sent before the first of them has arrived. */
  ahead: number;
  /** Bytes in all. */
  total: number;
}

/** One end that sends, one that reads and checks every byte, and both links. */
export class Path {
  readonly traffic: Traffic;
  readonly a: End;
  readonly b: End;
  readonly there: Link;
  readonly back: Link;
  readonly network: Network;
  /** Bytes or messages that have arrived. */
  arrived = 0;
  /** When the first packet was too large for the path, and the RTO then. */
  vanishedAt = Infinity;
  rto = 0;
  /** When the sender noticed it. */
  noticedAt = Infinity;
  #queued = 0;

  constructor(
    traffic: Traffic,
    options: KcpOptions = {},
    link: LinkOptions = {},
    seed = 1,
    peer: KcpOptions = options,
  ) {
    this.traffic = traffic;

    const random = new Random(seed);
    this.a = new End(options);
    this.b = new End(peer);
    this.there = new Link({ latency: 25, ...link }, random.fork("there"));
    this.back = new Link({ latency: 25, ...link }, random.fork("back"));
    this.network = new Network(this.a, this.b, this.there, this.back);
    this.network.onTransmit = (from, packet) => {
      if (from !== this.a || packet.length <= this.there.options.mtu) return;
      if (this.vanishedAt < Infinity) return;
      this.vanishedAt = this.network.now;
      this.rto = this.a.kcp.rto;
    };
    this.network.onStep = () => this.#step();
  }

  /** Makes both ends drop extension segments, as every other implementation does. */
  forgetExtensions(): void {
    for (const { kcp } of [this.a, this.b]) {
      const input = kcp.input.bind(kcp);
      kcp.input = (packet, now, recovered) =>
        packet.length > 4 && packet[4] >= PIECE ? false : input(packet, now, recovered);
    }
  }

  /** Changes the MTU of both directions. */
  shrink(mtu: number): void {
    this.there.configure({ mtu });
    this.back.configure({ mtu });
  }

  /** RTOs from the first packet that vanished until the sender noticed. */
  get rtos(): number {
    return (this.noticedAt - this.vanishedAt) / this.rto;
  }

  /** Whether everything has arrived. */
  get done(): boolean {
    const { message, total } = this.traffic;
    return this.arrived === (message > 0 ? Math.floor(total / message) : total);
  }

  /** Runs until everything has arrived. Fails after `limit` ms. */
  finish(limit = 120_000): void {
    // The application looks after its data now and then.
    for (let at = this.network.now; at < limit; at += 100) this.network.at(at, () => {});
    this.network.run(limit, () => this.done);
    if (!this.done) {
      throw new AssertionError(
        `After ${limit} ms ${this.arrived} have arrived: ${JSON.stringify(this.a.kcp.stats)}`,
      );
    }
  }

  #step(): void {
    if (this.a.kcp.stats.pathMtuReductions > 0 && this.noticedAt === Infinity) {
      this.noticedAt = this.network.now;
    }
    if (this.traffic.message > 0) this.#messages();
    else this.#stream();
  }

  #stream(): void {
    const { total } = this.traffic;
    while (this.#queued < total) {
      const size = Math.min(20_000, total - this.#queued);
      const count = this.a.kcp.write(pattern(size, this.#queued));
      this.#queued += count;
      if (count < size) break;
    }
    for (let bytes; (bytes = this.b.read()).length > 0; this.arrived += bytes.length) {
      check(bytes, pattern(bytes.length, this.arrived), `byte ${this.arrived}`);
    }
  }

  #messages(): void {
    const { message: size, ahead, total } = this.traffic;
    const count = Math.floor(total / size);
    while (this.#queued < count && this.#queued - this.arrived < ahead) {
      if (!this.a.kcp.send(pattern(size, 7 * this.#queued))) break;
      this.#queued++;
    }
    for (let message; (message = this.b.recv()); this.arrived++) {
      check(message, pattern(size, 7 * this.arrived), `message ${this.arrived}`);
    }
  }
}

function check(actual: Uint8Array, expected: Uint8Array, what: string): void {
  if (actual.length !== expected.length) {
    throw new AssertionError(`${what} has ${actual.length} bytes, not ${expected.length}`);
  }
  for (let i = 0; i < actual.length; i++) {
    if (actual[i] !== expected[i]) throw new AssertionError(`${what} is wrong ${i} bytes later`);
  }
}
