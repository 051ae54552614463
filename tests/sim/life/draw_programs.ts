/**
 * Draws what the applications do.
 *
 * @module
 */
import type { Random } from "../../../transport/link/random.ts";
import { logarithmic, pick, type Settings } from "./draw_settings.ts";
import type { Family, Program, ReadPlan, Scenario, WritePlan } from "./scenario.ts";

const NO_DATAGRAMS = { count: 0, gap: 0, size: 0 };
const NOTHING: WritePlan = {
  after: "start",
  sizes: [],
  gap: 0,
  lockstep: false,
  drainEvery: 0,
  then: "nothing",
};
/** Most bytes of one direction; jumbo packets make more. */
const MOST_BYTES = 120_000;

type Apps = Pick<Scenario, "app" | "messages" | "clientProgram" | "serverProgram" | "acceptDelay">;

/** Draws the programs of both ends. */
export class ProgramDraw {
  readonly random: Random;
  readonly family: Family;
  readonly settings: Settings;

  constructor(
    random: Random,
    family: Family,
    settings: Settings,
  ) {
    this.random = random;
    this.family = family;
    this.settings = settings;
  }

  draw(): Apps {
    const { random, family } = this;
    const names = [
      "sensor",
      "upload",
      "exchange",
      "exchange",
      "download",
      "echo",
      "duplex",
      "rpc",
      "trickle",
    ];
    const app = family === "datagrams"
      ? "datagrams"
      : family === "memory"
      ? pick(random, ["download", "echo", "upload"])
      : family === "death"
      ? pick(random, ["sensor", "download", "rpc", "duplex", "quiet", "quiet"])
      : pick(random, names);
    const [client, server] = this.#programs(app);
    const slow = family === "pause" ? 0.4 : 0.1;
    const acceptDelay = random.chance(slow) ? logarithmic(random, 100, 30_000) : 0;
    const forgets = random.chance(0.3);
    return {
      app,
      messages: app !== "echo" && random.chance(app === "rpc" || app === "sensor" ? 0.6 : 0.25),
      clientProgram: { ...client, forgets },
      serverProgram: { ...server, forgets },
      acceptDelay,
    };
  }

  #programs(app: string): [Program, Program] {
    const { random } = this;
    const loss = Number(this.settings.up.loss ?? 0) + Number(this.settings.down.loss ?? 0);
    const bulk = (end: "client" | "server") => this.#bulk(end, loss > 0.5 ? 20_000 : MOST_BYTES);
    const client = (write: Partial<WritePlan>, more: Partial<Program> = {}) =>
      this.#program("server", write, more);
    const server = (write: Partial<WritePlan>, more: Partial<Program> = {}) =>
      this.#program("client", write, more);
    const halfClose = { then: "closeWrite" } as const;
    switch (app) {
      case "sensor": {
        const sizes = Array(logarithmic(random, 1, 40)).fill(logarithmic(random, 1, 300));
        const then = pick(random, ["close", "close", "drainClose", "closeWrite"] as const);
        const gap = random.chance(0.5) ? 2000 : logarithmic(random, 1, 5000);
        const drainEvery = pick(random, [0, 0, 1, 3]);
        return [client({ sizes, gap, then, drainEvery }), server({})];
      }
      case "upload": {
        const then = pick(random, ["closeWrite", "close", "drainClose"] as const);
        const answer = then === "closeWrite" && random.chance(0.5);
        return [
          client({ sizes: bulk("client"), then }),
          server(answer ? { after: "end", sizes: [logarithmic(random, 1, 5000)] } : {}),
        ];
      }
      case "exchange": {
        const then = pick(random, ["closeWrite", "drainClose", "close", "nothing"] as const);
        return [
          client({ sizes: [logarithmic(random, 1, 5000)], ...halfClose }),
          server({ after: "end", sizes: this.#response(), then }),
        ];
      }
      case "download": {
        const then = pick(random, ["closeWrite", "closeWrite", "close", "drainClose"] as const);
        return [
          client({ sizes: [random.chance(0.5) ? 1 : logarithmic(random, 1, 500)] }),
          server({ after: "firstByte", sizes: bulk("server"), then }),
        ];
      }
      case "echo":
        return [
          client({ sizes: bulk("client"), ...halfClose }),
          server({}, { echo: true }),
        ];
      case "rpc": {
        const sizes = Array(logarithmic(random, 1, 60)).fill(logarithmic(random, 1, 1000));
        const gap = random.chance(0.6) ? 0 : logarithmic(random, 1, 2000);
        return [
          client({ sizes, gap, lockstep: true, ...halfClose }),
          server({ after: "firstByte", sizes, lockstep: true, ...halfClose }),
        ];
      }
      case "trickle": {
        // One direction is never silent for long, the other has something to say now and then.
        const often = Array(logarithmic(random, 20, 200)).fill(logarithmic(random, 1, 200));
        const gap = logarithmic(random, 2, 60);
        const seldom = Array(logarithmic(random, 1, 10)).fill(logarithmic(random, 1, 300));
        const pause = logarithmic(random, 20, 1000);
        const busy = { sizes: often, gap, ...halfClose };
        const calm = { sizes: seldom, gap: pause, ...halfClose };
        return random.chance(0.5)
          ? [client(busy), server({ after: "firstByte", ...calm })]
          : [client(calm), server({ after: "firstByte", ...busy })];
      }
      case "quiet": {
        const gap = logarithmic(random, 5_000, 60_000);
        const sizes = [100, 100, 100];
        return random.chance(0.5)
          ? [client({ sizes: [1] }), server({ after: "firstByte", sizes, gap, ...halfClose })]
          : [client({ sizes, gap, ...halfClose }), server({ after: "end", ...halfClose })];
      }
      case "datagrams": {
        const gap = pick(random, [1, 2, 5, 10]);
        const count = Math.ceil(logarithmic(random, 1000, 6000) / gap);
        const size = logarithmic(random, 40, 1000);
        const datagrams = { count: Math.min(count, 1500), gap, size };
        const sizes = Array(10).fill(logarithmic(random, 1000, 60_000));
        return [
          client({ sizes: random.chance(0.3) ? [100] : sizes, ...halfClose }, { datagrams }),
          server(halfClose),
        ];
      }
      default:
        return [
          client({ sizes: bulk("client"), ...halfClose }),
          server({ sizes: bulk("server"), ...halfClose }),
        ];
    }
  }

  #response(): number[] {
    const { random } = this;
    return [logarithmic(random, 1, random.chance(0.1) ? MOST_BYTES : 12_000)];
  }

  /** Sizes of pieces of some segments' worth in all. */
  #bulk(end: "client" | "server", most: number): number[] {
    const { random, settings } = this;
    const mtu = Math.max(86, settings[end].mtu ?? 1400);
    const rare = mtu > 1500 && random.chance(0.1);
    const bytes = Math.min(rare ? 1_000_000 : most, logarithmic(random, 1, 200) * (mtu - 24));
    const pieces = logarithmic(random, 1, 12);
    // A message has 255 segments at most.
    const largest = 40 * (mtu - 60);
    const sizes: number[] = [];
    for (let left = bytes; left > 0;) {
      const size = Math.min(left, largest, Math.ceil(bytes / pieces * 2 * random.next()) + 1);
      sizes.push(size);
      left -= size;
    }
    return sizes;
  }

  #program(reads: "client" | "server", write: Partial<WritePlan>, more: Partial<Program>): Program {
    return {
      write: { ...NOTHING, ...write },
      read: this.#readPlan(reads),
      echo: false,
      datagrams: NO_DATAGRAMS,
      forgets: false,
      ...more,
    };
  }

  #readPlan(_from: "client" | "server"): ReadPlan {
    const { random, family } = this;
    const pauses = [];
    const often = family === "pause";
    if (random.chance(often ? 0.8 : 0.08)) {
      for (let n = logarithmic(random, 1, 3); n > 0; n--) {
        const ms = logarithmic(random, 100, often ? 60_000 : 5_000);
        pauses.push({ after: logarithmic(random, 1, 40_000), ms });
      }
      pauses.sort((a, b) => a.after - b.after);
    }
    const delay = random.chance(often ? 0.5 : 0.05) ? logarithmic(random, 50, 60_000) : 0;
    const chunk = random.chance(0.7) ? 65_536 : logarithmic(random, 1 + 50, 5000);
    return { delay, chunk, pauses };
  }
}
