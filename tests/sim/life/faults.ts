/**
 * Makes the faults of a scenario happen.
 *
 * @module
 */
import type { Random } from "../../../transport/link/random.ts";
import { abort, configure, rebind, restart } from "./incarnations.ts";
import type { Fault, MomentName, When } from "./scenario.ts";
import { SERVER_ADDRESS, type World } from "./world.ts";
import {
  earlyPacket,
  firstPacket,
  garbage,
  parityPacket,
  questionPacket,
  resetPacket,
} from "./wire.ts";

/** Packets that are at most so long count as small: acknowledgments, questions and the end. */
const SMALL = 100;

/** The address of somebody who sees the packets of the client. */
const EAVESDROPPER = "10.0.0.66:6666";

type Cut = Extract<Fault, { kind: "cut" }>;

/** The faults of one run. */
export class Faults {
  readonly world: World;
  readonly random: Random;
  readonly #waiting = new Map<MomentName, (() => void)[]>();
  readonly #cuts: { readonly fault: Cut; seen: number }[] = [];
  readonly #down = { up: 0, down: 0 };
  /** Packets of the client that are still copied. */
  #copiesLeft = 0;

  constructor(world: World, random: Random) {
    this.world = world;
    this.random = random;

    for (const fault of world.scenario.faults) {
      if (fault.kind === "cut") this.#cuts.push({ fault, seen: 0 });
      else this.#plan(fault.when, () => this.#start(fault));
    }
  }

  #plan(when: When, run: () => void): void {
    const { network } = this.world;
    if (typeof when === "number") {
      network.schedule(when, run);
      return;
    }
    const list = this.#waiting.get(when.after) ?? [];
    list.push(() => network.schedule(network.now + when.ms, run));
    this.#waiting.set(when.after, list);
  }

  /** Something happened that faults may wait for. Each waits for the first time. */
  moment(name: MomentName): void {
    const list = this.#waiting.get(name);
    if (!list) return;
    this.#waiting.delete(name);
    for (const run of list) run();
  }

  /** Whether a packet of one end is cut. */
  cuts(from: "client" | "server", size: number): boolean {
    let cut = false;
    for (const each of this.#cuts) {
      const { fault } = each;
      if (fault.from !== from || fault.size === "small" && size > SMALL) continue;
      if (fault.size === "large" && size <= SMALL) continue;
      const place = each.seen++;
      if (place >= fault.skip && place < fault.skip + fault.count) cut = true;
    }
    return cut;
  }

  /** Somebody sees a packet of the client, and may send a copy that arrives sooner. */
  seen(packet: Uint8Array): void {
    const { world } = this;
    if (this.#copiesLeft === 0 || world.over) return;
    this.#copiesLeft--;
    const copy = packet.slice();
    world.network.schedule(world.now, () => world.server.inject(copy, EAVESDROPPER));
  }

  #start(fault: Exclude<Fault, Cut>): void {
    const { world } = this;
    if (world.over) return;
    world.count(`fault: ${fault.kind}`);
    world.log?.(`${world.now} ${JSON.stringify(fault)}`);
    switch (fault.kind) {
      case "outage":
        this.#outage(fault);
        break;
      case "freeze":
      case "jump":
        this.#disturb(fault);
        break;
      case "restart":
        restart(world, fault);
        break;
      case "rebind":
        rebind(world);
        break;
      case "mtu":
        this.#shrink(fault);
        break;
      case "configure":
        configure(world, fault.end, fault.change);
        break;
      case "abort":
        abort(world, fault.end);
        break;
      case "eavesdrop":
        this.#copiesLeft = fault.count;
        break;
      case "flood":
        this.#flood(fault);
    }
  }

  #outage({ ms, up, down }: Extract<Fault, { kind: "outage" }>): void {
    const { world } = this;
    const change = (by: number) => {
      if (up) world.up.down = (this.#down.up += by) > 0;
      if (down) world.down.down = (this.#down.down += by) > 0;
    };
    const from = world.now;
    change(1);
    if (up && down) {
      world.outageUntil = from + ms;
      for (const history of world.histories) {
        history.outage = { from, to: from + ms };
        if (ms === Infinity) history.brokenAt = from;
      }
    }
    if (ms < Infinity) world.network.schedule(from + ms, () => change(-1));
  }

  #disturb(fault: Extract<Fault, { kind: "freeze" | "jump" }>): void {
    const { world } = this;
    const process = fault.end === "client" ? world.client?.process : world.server;
    if (!process?.runs) return;
    const histories = fault.end === "client" ? [world.client!.history] : world.histories;
    for (const history of histories) history.disturb(world.now);
    if (fault.kind === "jump") {
      process.jump(fault.ms);
      return;
    }
    process.freeze(fault.ms, fault.clock, fault.timerFirst);
    world.network.schedule(world.now + fault.ms, () => {
      for (const history of histories) history.disturb(world.now);
    });
  }

  #shrink({ mtu, byHand }: Extract<Fault, { kind: "mtu" }>): void {
    const { world } = this;
    world.up.configure({ mtu });
    world.down.configure({ mtu });
    world.mtuAt = world.now;
    for (const history of world.histories) history.mtuAt = world.now;
    if (byHand === Infinity) return;
    world.network.schedule(world.now + byHand, () => {
      if (world.over) return;
      for (const history of world.histories) history.mtuAt = world.now;
      configure(world, "client", { mtu });
      configure(world, "server", { mtu });
    });
  }

  #flood({ what, count, gap }: Extract<Fault, { kind: "flood" }>): void {
    const { world, random } = this;
    const { network } = world;
    const own = () => world.client?.process.address ?? "10.0.0.2:5000";
    for (let n = 0; n < count; n++) {
      network.schedule(world.now + n * gap, () => {
        if (world.over) return;
        const { server } = world;
        const stranger = `h${n}:${1000 + n}`;
        switch (what) {
          case "hosts":
            server.inject(firstPacket(random), stranger);
            break;
          case "ports":
            server.inject(firstPacket(random), `10.0.0.9:${1000 + n}`);
            break;
          case "early":
            server.inject(earlyPacket(random), random.chance(0.5) ? own() : stranger);
            break;
          case "garbage":
            server.inject(garbage(random), random.chance(0.5) ? own() : stranger);
            break;
          case "openings":
            server.inject(firstPacket(random), anyHost(random));
            break;
          case "questions":
            server.inject(questionPacket(random), anyHost(random));
            break;
          case "resets": {
            const { client } = world;
            if (!client) break;
            const packet = resetPacket(random, client.conv);
            if (random.chance(0.5)) server.inject(packet, own());
            else client.process.inject(packet, SERVER_ADDRESS);
            break;
          }
          default: {
            const packet = parityPacket(random, this.#seqid(what, n), 30 + random.below(1300));
            for (const correction of world.corrections) correction.forged(packet);
            server.inject(packet, own());
          }
        }
      });
    }
  }

  /**
   * The number of a forged parity shard: anywhere, or one after the other far away, or ahead of the
   * peer's by more and more.
   */
  #seqid(what: "parity" | "far" | "ahead", n: number): number {
    const { random } = this;
    const [correction] = this.world.corrections;
    if (what === "parity" || !correction) {
      return random.chance(0.5) ? random.below(2000) : random.uint32();
    }
    return correction.parityAhead(what === "far" ? 100_000 + n : 8 * (1 + n % 16), n);
  }
}

/** An invented address. */
function anyHost(random: Random): string {
  const host = [11 + random.below(200), ...Array.from({ length: 3 }, () => random.below(256))];
  return `${host.join(".")}:${1024 + random.below(60_000)}`;
}
