/**
 * Draws scenarios in which strangers attack, or one end leaves: on a path that loses nothing, so that the
 * bounds are close.
 *
 * @module
 */
import type { Random } from "../../../transport/link/random.ts";
import { logarithmic, pick } from "./draw_settings.ts";
import type { Fault, MomentName, Program, Scenario, When } from "./scenario.ts";

const KINDS = [
  "resets",
  "openings",
  "questions",
  "kicked",
  "aborted",
  "restarted",
  "greeting",
  "eavesdrop",
  "roaming",
  "silence",
] as const;

const MOMENTS: readonly MomentName[] = ["accept", "firstRead", "halfRead", "drained"];
const READS = { delay: 0, chunk: 65_536, pauses: [] };
const CIPHERS = ["chacha20-poly1305", "aes-128-gcm"] as const;

/** The scenario on a clean path, with an attack, or with an end that leaves. */
export function withAttack(drawn: Scenario, random: Random): Scenario {
  const kind = pick(random, KINDS);
  const scenario = calm(drawn, random);
  switch (kind) {
    case "resets":
      return { ...scenario, cipher: "none", faults: [flood(random, "resets")] };
    case "openings":
    case "questions":
      return {
        ...(random.chance(0.5) ? greeting(scenario, random) : asking(scenario, random)),
        cipher: "none",
        faults: [flood(random, kind)],
        clients: 1 + random.below(4),
        clientGap: logarithmic(random, 1, 300),
      };
    case "kicked":
      return {
        ...datagrams(scenario, random),
        faults: [{ kind: "abort", end: "server", when: when(random, ["accept"]) }],
      };
    case "aborted": {
      const end = pick(random, ["client", "server"] as const);
      return { ...scenario, faults: [{ kind: "abort", end, when: when(random, MOMENTS) }] };
    }
    case "restarted":
      return { ...scenario, cipher: "none", faults: [restart(random)] };
    case "greeting":
      return { ...greeting(scenario, random), faults: [] };
    case "eavesdrop": {
      const rebind: Fault = { kind: "rebind", when: when(random, MOMENTS) };
      return {
        ...moving(scenario, random),
        faults: [
          { kind: "eavesdrop", when: when(random, MOMENTS), count: logarithmic(random, 13, 1000) },
          ...(random.chance(0.3) ? [rebind] : []),
        ],
      };
    }
    case "silence":
      return silent(scenario, random);
    case "roaming": {
      if (random.chance(0.5)) {
        const roams = moving(scenario, random);
        return { ...roams, faults: [{ kind: "rebind", when: when(random, MOMENTS) }] };
      }
      const roams = moving(closing(datagrams(scenario, random)), random);
      const { count, gap } = roams.clientProgram.datagrams;
      const rebind: When = { after: "accept", ms: 1 + random.below(Math.ceil(count * gap / 2)) };
      return { ...roams, faults: [{ kind: "rebind", when: rebind }] };
    }
  }
}

/** The scenario on a path that loses nothing, with readers that do not pause. */
function calm(scenario: Scenario, random: Random): Scenario {
  const latency = logarithmic(random, 1, 150);
  const reads = (program: Program): Program => ({ ...program, read: READS });
  return {
    ...scenario,
    family: "attack",
    up: { latency },
    down: { latency },
    oneWay: latency,
    calmAt: Infinity,
    clientProgram: reads(scenario.clientProgram),
    serverProgram: reads(scenario.serverProgram),
    acceptDelay: 0,
    redials: 0,
  };
}

function when(random: Random, moments: readonly MomentName[]): When {
  return {
    after: pick(random, moments),
    ms: random.chance(0.3) ? 0 : logarithmic(random, 1, 2000),
  };
}

function flood(random: Random, what: "resets" | "openings" | "questions"): Fault {
  const count = what === "resets" ? 300 : logarithmic(random, 300, 2500);
  const gap = what === "resets" ? logarithmic(random, 1, 20) : random.next() / 5;
  return { kind: "flood", when: 0, what, count, gap };
}

function restart(random: Random): Fault {
  return {
    kind: "restart",
    end: "server",
    when: when(random, MOMENTS),
    how: "vanish",
    down: random.chance(0.3) ? 0 : logarithmic(random, 1, 1000),
    samePort: true,
    sameConv: false,
  };
}

/** A server that speaks first to a client that waits until the server has answered. */
function greeting(scenario: Scenario, random: Random): Scenario {
  const none = scenario.clientProgram.write;
  const speaks = { ...none, after: "start", lockstep: false, drainEvery: 0, gap: 0 } as const;
  const client: Program = {
    ...scenario.clientProgram,
    write: { ...speaks, after: "firstByte", sizes: [1 + random.below(500)], then: "closeWrite" },
    read: READS,
    echo: false,
    datagrams: { count: 0, gap: 0, size: 0 },
    opens: true,
  };
  const server: Program = {
    ...client,
    write: { ...speaks, sizes: [1 + random.below(2000)], then: "closeWrite" },
    opens: false,
  };
  return { ...scenario, app: "greeting", clientProgram: client, serverProgram: server };
}

/** An application closes its connection after a silence that is longer than `linger`. */
function silent(scenario: Scenario, random: Random): Scenario {
  const { clientProgram, serverProgram } = asking(scenario, random);
  const linger = 2000 + random.below(2000);
  return {
    ...scenario,
    app: "silence",
    client: { ...scenario.client, linger, idleTimeout: 60_000, keepAlive: 15_000 },
    server: { ...scenario.server, linger, idleTimeout: 60_000, keepAlive: 15_000 },
    clientProgram: { ...clientProgram, write: { ...clientProgram.write, then: "nothing" } },
    serverProgram: { ...serverProgram, write: { ...serverProgram.write, then: "nothing" } },
    faults: [{
      kind: "restart",
      end: "client",
      when: { after: "firstRead", ms: logarithmic(random, 2000, 14_000) },
      how: "close",
      down: Infinity,
      samePort: true,
      sameConv: false,
    }],
  };
}

/** A client that speaks first, to a server that answers. */
function asking(scenario: Scenario, random: Random): Scenario {
  const { clientProgram, serverProgram } = greeting(scenario, random);
  return {
    ...scenario,
    app: "exchange",
    clientProgram: {
      ...clientProgram,
      write: { ...clientProgram.write, after: "start" },
      opens: false,
    },
    serverProgram: { ...serverProgram, write: { ...serverProgram.write, after: "firstByte" } },
  };
}

/** A client that sends datagrams, and no byte of a stream. */
function datagrams(scenario: Scenario, random: Random): Scenario {
  const nothing = { ...scenario.clientProgram.write, sizes: [], then: "nothing" } as const;
  const program: Program = {
    ...scenario.clientProgram,
    write: { ...nothing, after: "start" },
    read: READS,
    echo: false,
    datagrams: { count: 50, gap: logarithmic(random, 5, 100), size: 1 + random.below(40) },
  };
  return {
    ...scenario,
    app: "datagrams",
    messages: false,
    client: { ...scenario.client, keepAlive: 5000 },
    clientProgram: program,
    serverProgram: { ...program, datagrams: { count: 0, gap: 0, size: 0 } },
  };
}

/** The client writes a byte before its datagrams, and one after them, and closes. */
function closing(scenario: Scenario): Scenario {
  const { write, datagrams: { count, gap } } = scenario.clientProgram;
  const writes = {
    ...write,
    sizes: [1, 1],
    gap: (count + 10) * gap,
    lockstep: false,
    then: "close",
  } as const;
  return { ...scenario, clientProgram: { ...scenario.clientProgram, write: writes } };
}

/** The scenario with a server that follows its clients, since it can authenticate their packets. */
function moving(scenario: Scenario, random: Random): Scenario {
  return {
    ...scenario,
    cipher: pick(random, CIPHERS),
    server: { ...scenario.server, migrate: true },
  };
}
