/**
 * Draws the faults of a scenario.
 *
 * @module
 */
import type { Random } from "../../../transport/link/random.ts";
import { liveOptions, logarithmic, pick } from "./draw_settings.ts";
import type { Family, Fault, MomentName, When } from "./scenario.ts";

const MOMENTS: readonly MomentName[] = [
  "clientSends",
  "clientSends",
  "serverSends",
  "accept",
  "firstRead",
  "halfRead",
  "halfRead",
  "responseWritten",
  "drained",
  "drained",
  "closeWrite",
  "closeWrite",
  "close",
  "close",
];

/** Sizes of packets that paths let pass. Source: RFC 8899 §5.1.2, RFC 8200 §5, RFC 791. */
const PATH_MTUS = [576, 1200, 1200, 1280];

/** Draws the faults of a family, and now and then some of another. */
export class FaultDraw {
  readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  draw(family: Family): Fault[] {
    const { random } = this;
    const faults = this.#of(family);
    const others: readonly Family[] = ["outage", "cut", "restart", "freeze", "flood", "configure"];
    if (random.chance(0.1)) faults.push(...this.#of(pick(random, others)));
    return faults;
  }

  #when(): When {
    const { random } = this;
    if (random.chance(0.3)) return logarithmic(random, 1, 5000);
    return {
      after: pick(random, MOMENTS),
      ms: random.chance(0.6) ? 0 : logarithmic(random, 1, 3000),
    };
  }

  #of(family: Family): Fault[] {
    const { random } = this;
    const end = pick(random, ["client", "server"] as const);
    const when = this.#when();
    switch (family) {
      case "outage": {
        const both = random.chance(0.7);
        const up = both || random.chance(0.5);
        const ms = random.chance(0.6)
          ? logarithmic(random, 20, 5000)
          : logarithmic(random, 1000, 25_000);
        return [{ kind: "outage", when, ms, up, down: both || !up }];
      }
      case "cut":
        return this.#cuts();
      case "restart":
      case "death": {
        const dies = family === "death" || random.chance(0.1);
        if (family === "death" && random.chance(0.3)) {
          return [{ kind: "outage", when, ms: Infinity, up: true, down: true }];
        }
        return [{
          kind: "restart",
          end,
          when,
          how: dies ? "vanish" : pick(random, ["vanish", "vanish", "abort", "close"] as const),
          down: dies ? Infinity : random.chance(0.5) ? 0 : logarithmic(random, 1, 5000),
          samePort: random.chance(0.6),
          sameConv: random.chance(0.5),
        }];
      }
      case "rebind":
        return [{ kind: "rebind", when }];
      case "freeze": {
        const ms = random.chance(0.5)
          ? logarithmic(random, 50, 3000)
          : logarithmic(random, 1000, 60_000);
        if (random.chance(0.2)) return [{ kind: "jump", end, when, ms }];
        const clock = random.chance(0.75) ? "runs" : "stops";
        return [{ kind: "freeze", end, when, ms, clock, timerFirst: random.chance(0.7) }];
      }
      case "mtu":
        return [{
          kind: "mtu",
          when,
          mtu: pick(random, PATH_MTUS),
          byHand: random.chance(0.5) ? Infinity : logarithmic(random, 1, 3000),
        }];
      case "flood":
        return [{
          kind: "flood",
          when,
          what: pick(random, ["hosts", "ports", "garbage", "early", "parity", "parity"] as const),
          count: logarithmic(random, 5, 150),
          gap: random.chance(0.3) ? 0 : logarithmic(random, 1, 50),
        }];
      case "configure":
        return this.#configurations();
      default:
        return [];
    }
  }

  /** Cuts of single packets, where each one counts: at the beginning above all. */
  #cuts(): Fault[] {
    const { random } = this;
    const faults: Fault[] = [];
    for (let n = 1 + random.below(2); n > 0; n--) {
      faults.push({
        kind: "cut",
        from: pick(random, ["client", "server"] as const),
        size: pick(random, ["any", "any", "small", "large"] as const),
        skip: random.chance(0.5) ? 0 : random.below(12),
        count: random.chance(0.6) ? 1 : logarithmic(random, 1, 12),
      });
    }
    return faults;
  }

  #configurations(): Fault[] {
    const { random } = this;
    const faults: Fault[] = [];
    for (let n = 1 + random.below(3); n > 0; n--) {
      const change: Record<string, unknown> = { ...liveOptions(random) };
      for (const name of Object.keys(change)) if (random.chance(0.5)) delete change[name];
      // A message in larger segments may be larger than the peer's window.
      if (Number(change.mtu) > 1500) delete change.mtu;
      faults.push({
        kind: "configure",
        end: pick(random, ["client", "server"] as const),
        when: this.#when(),
        change,
      });
    }
    return faults;
  }
}
