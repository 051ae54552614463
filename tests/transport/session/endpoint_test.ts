import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { Arena } from "../../../kcp/mod.ts";
import {
  ConnectionError,
  Endpoint,
  type EndpointOptions,
  type Session,
} from "../../../transport/mod.ts";
import {
  ACK,
  encode,
  pattern,
  PUSH,
  range,
  RESET,
  type Segment,
  WASK,
  WINS,
} from "../../kcp/harness.ts";
import { drain, ownAnswers, Runner, type Sent } from "../harness.ts";
import { countingEntropy } from "./wire.ts";

const QUICK = { nodelay: 1, interval: 10, resend: 2, nc: true } as const;
const A = "10.0.0.1:1000";
const B = "10.0.0.2:2000";

function server(options: EndpointOptions = {}): Runner<Endpoint> {
  return new Runner(new Endpoint({ ...QUICK, ...options }, true));
}

/** The first packet of a client: one data segment. */
function first(conv: number, sn = 0, data = pattern(10)): Uint8Array {
  return encode({ conv, sn, data });
}

function accepted({ machine }: Runner<Endpoint>): Session {
  const session = machine.accept();
  assert(session, "no session waits to be accepted");
  return session;
}

/** The segments that were sent to one peer in one conversation. */
function sentTo(sent: Sent[], peer: string, conv: number): Segment[] {
  return sent.filter(({ to }) => to === peer).flatMap(({ segments }) => segments)
    .filter((segment) => segment.conv === conv);
}

/** Opens a session at `a` with a first packet, and answers its probe. */
function confirmed(a: Runner<Endpoint>, conv: number, from = A, now = 0): Session {
  assert(a.machine.input(first(conv), now, from));
  const session = accepted(a);
  const answers = ownAnswers(sentTo(a.sent(now), from, conv), now + 1);
  assert(a.machine.input(encode(...answers), now, from));
  a.sent(now);
  assert(!session.unconfirmed);
  return session;
}

Deno.test("Endpoint: a session is known by its conv and the address of its peer", () => {
  const a = server();
  const peers = [[A, 1], [A, 2], [B, 1], [B, 3]] as const;
  peers.forEach(([from, conv], i) => a.machine.input(first(conv, 0, pattern(5, i)), 0, from));
  assertEquals(a.machine.size, 4);
  peers.forEach(([from, conv], i) => {
    const session = accepted(a);
    assertEquals([session.peer, session.conv], [from, conv]);
    assertEquals(drain(session), pattern(5, i));
    session.write(pattern(7, 100 + i));
  });
  assertEquals(a.machine.accept(), null);
  const sent = a.sent(20);
  peers.forEach(([from, conv], i) => {
    const data = sentTo(sent, from, conv).filter(({ cmd }) => cmd === PUSH);
    assertEquals(data.map(({ data }) => data), [pattern(7, 100 + i)]);
  });
});

Deno.test("Endpoint: an address keeps its other sessions when one of them ends", () => {
  const a = server();
  const sessions = [1, 2, 3].map((conv) => confirmed(a, conv));
  let now = 0;
  for (const gone of [1, 0, 2]) {
    sessions[gone].close();
    for (const end = now + 10_000; now < end; now += 100) a.sent(now);
    assertEquals(sessions[gone].state, "closed");
    for (const { conv } of sessions.filter(({ state }) => state === "open")) {
      assert(a.machine.input(encode({ conv, cmd: WINS }), now, A), `${conv} is not found any more`);
    }
  }
  assertEquals(a.machine.size, 0);
});

Deno.test("Endpoint: only a packet that begins a conversation opens a session", () => {
  const a = server();
  const others = {
    "an ACK": encode({ conv: 1, cmd: ACK, sn: 0, una: 0 }),
    "a WASK": encode({ conv: 1, cmd: WASK }),
    "data that acknowledges": encode({ conv: 1, sn: 0, una: 1, data: pattern(1) }),
    "data beyond any first window": first(1, 128),
    "data before the first": first(1, -1),
  };
  for (const [name, packet] of Object.entries(others)) {
    assertEquals(a.machine.input(packet, 0, A), false, name);
    assertEquals(a.machine.size, 0, `${name} opened a session`);
  }
  assertEquals(a.machine.stats.unknown, Object.keys(others).length);
});

Deno.test("Endpoint: a packet that is bad behind its first segment opens no session", () => {
  const bad = {
    "an ACK of what was never sent": { cmd: ACK, sn: 5 },
    "a una of what was never sent": { cmd: WINS, una: 5 },
    "another conv": { conv: 2 },
    "an unknown cmd": { cmd: 80 },
  };
  for (const [name, segment] of Object.entries(bad)) {
    const a = server();
    const packet = encode({ conv: 1, data: pattern(1) }, { conv: 1, ...segment });
    assertEquals(a.machine.input(packet, 0, A), false, name);
    const { sessions, accepted, invalid, unknown } = a.machine.stats;
    assertEquals([sessions, accepted, invalid + unknown], [0, 0, 1], `a packet with ${name}`);
  }
});

Deno.test("Endpoint: one that only dials opens no session for a peer", () => {
  const a = new Runner(new Endpoint(QUICK));
  assertEquals(a.machine.input(first(1), 0, A), false);
  assertEquals([a.machine.size, a.machine.stats.unknown], [0, 1]);
});

Deno.test("Endpoint: lost or reordered first packets open one session, in order", () => {
  const a = server();
  for (const sn of [3, 1, 2, 0, 0]) {
    assert(a.machine.input(first(9, sn, pattern(10, 10 * sn)), sn, A));
    a.sent(sn);
  }
  assertEquals([a.machine.size, a.machine.stats.accepted], [1, 1]);
  assertEquals(drain(accepted(a)), pattern(40));
});

Deno.test("Endpoint: a first packet of another conv does not disturb a live session", () => {
  const a = server();
  const live = confirmed(a, 1);
  drain(live);
  for (let conv = 2; conv < 40; conv++) a.machine.input(first(conv), 5, A);
  assertEquals(live.state, "open");
  assert(a.machine.input(first(1, 1, pattern(3)), 6, A));
  assertEquals(drain(live), pattern(3));
});

Deno.test("Endpoint: a client that reuses its port gets a new session at once", () => {
  const a = server({ idleTimeout: 300_000 });
  const old = confirmed(a, 1);
  assert(a.machine.input(first(2, 0, pattern(6)), 10, A));
  const young = accepted(a);
  assertEquals([young.conv, young.peer, drain(young)], [2, A, pattern(6)]);
  assertEquals(old.state, "open");
});

for (const timeWait of [0, 5000, 200_000]) {
  const remembered = Math.max(120_000, timeWait);
  Deno.test(`Endpoint: a delayed packet of a session opens none for ${remembered} ms after its end, with a timeWait of ${timeWait}`, () => {
    const a = server({ timeWait });
    const session = confirmed(a, 1);
    session.close();
    const end = sentTo(a.sent(100), A, 1).find(({ cmd }) => cmd === PUSH)!;
    const ack = { conv: 1, cmd: ACK, sn: end.sn, ts: end.ts, una: 1 };
    a.machine.input(encode(ack, { conv: 1, sn: 1, una: 1 }), 100, A);
    a.idle(100, 3999);
    assertEquals([session.state, session.error], ["closed", null]);

    const opens = (now: number) => {
      a.machine.input(first(1), now, A);
      a.sent(now);
      return a.machine.accept() !== null;
    };
    for (let now = 4000; now < remembered; now += 2000) {
      assertEquals(opens(now), false, `at ${now} ms, it is delivered a second time`);
    }
    assert(a.machine.input(first(1), remembered, B), "the same conv of another peer was refused");
    assertEquals(accepted(a).peer, B);
    // A packet that arrives during TIME-WAIT makes it longer, and the memory starts at its end.
    a.idle(remembered, 3 * remembered - 1);
    assertEquals(opens(3 * remembered), true, "the session is never forgotten");
  });
}

Deno.test("Endpoint: the memory of ended sessions is bounded", () => {
  // 70,000 sessions open and end within timeWait. The oldest ones are forgotten.
  const a = server({
    idleTimeout: 1,
    maxUnconfirmedPerHost: Infinity,
    maxSessionsPerAddress: Infinity,
    timeWait: 1e9,
  });
  let now = 0;
  for (let conv = 0; conv < 70_000; conv++) {
    a.machine.input(encode({ conv }), now, A);
    accepted(a);
    if (conv % 100 === 99) a.sent(now += 2);
  }
  // A session answers its peer for a second after its end.
  a.sent(now += 1100);
  a.sent(now += 1100);
  assertEquals(a.machine.size, 0);
  assertEquals(a.machine.input(encode({ conv: 69_999 }), now, A), false);
  assert(a.machine.input(encode({ conv: 0 }), now, A), "the first is still remembered");
});

for (
  const [limit, sessions, opened] of [
    ["backlog", "unaccepted sessions", 5],
    ["maxSessions", "sessions", 5],
  ] as const
) {
  Deno.test(`Endpoint: a flood of spoofed convs is capped by ${limit}`, () => {
    const a = server({ [limit]: opened });
    for (let i = 0; i < 1000; i++) {
      a.machine.input(first(i, 0, pattern(1300)), 0, `10.0.0.1:${i}`);
      if (limit !== "backlog") a.machine.accept();
    }
    const { stats } = a.machine;
    assertEquals(
      [stats.sessions, stats.accepted, stats.refused],
      [opened, opened, 1000 - opened],
      sessions,
    );
    assertLess(a.machine.arena.used, 65_536 + 2048 + opened * 4096 + 1);
  });
}

for (const limit of ["maxUnconfirmed", "maxUnconfirmedPerHost"] as const) {
  Deno.test(`Endpoint: a flood of spoofed convs beyond ${limit} must prove its addresses`, () => {
    const a = server({ [limit]: 5, entropy: countingEntropy() });
    const packet = first(0, 0, pattern(1300));
    for (let i = 0; i < 1000; i++) {
      a.machine.input(first(i, 0, pattern(1300)), 0, `10.0.0.1:${i}`);
      a.machine.accept();
    }
    const { stats } = a.machine;
    assertEquals(
      [stats.sessions, stats.accepted, stats.asked, stats.refused],
      [5, 5, 995, 0],
    );
    assertLess(a.machine.arena.used, 65_536 + 2048 + 5 * 4096 + 1);
    const asked = a.sent(0).filter(({ segments: [{ conv }] }) => conv >= 5);
    assertEquals(asked.length, 995);
    for (const { packet: { length }, segments: [{ cmd, sn, data }] } of asked) {
      assertEquals([length, cmd, sn, data.length], [24, PUSH, -1 >>> 0, 0]);
      assertLess(length, packet.length);
    }
    // One that echoes what it was asked for is let in.
    const { to, segments: [question] } = asked[700];
    const { conv, sn, ts } = question;
    const echo = { conv, cmd: ACK, sn, ts };
    const opening = { conv, sn: 0, data: pattern(10) };
    assert(!a.machine.input(encode({ ...echo, ts: ts + 1 }, opening), 20, to), "another echo");
    assert(!a.machine.input(encode(echo, opening), 20, `10.0.0.1:${conv + 1}`), "another address");
    assert(a.machine.input(encode(echo, opening), 20, to));
    const session = accepted(a);
    assertEquals([session.conv, session.unconfirmed, drain(session)], [conv, false, pattern(10)]);
    // After 10 s of silence, the oldest one gives way.
    a.idle(20, 9999);
    assert(!a.machine.input(first(2000), 9999, "10.0.0.1:2000"));
    assert(a.machine.input(first(2000), 10_000, "10.0.0.1:2000"));
    assertEquals([accepted(a).conv, a.machine.stats.unconfirmed], [2000, 5]);
  });

  Deno.test(`Endpoint: without entropy, the newest of ${limit} stay`, () => {
    const a = server({ [limit]: 5 });
    const live = [];
    for (let i = 0; i < 1000; i++) {
      assert(a.machine.input(first(i, 0, pattern(1300)), 0, `10.0.0.1:${i}`));
      live.push(accepted(a));
      assertLess(a.machine.size, 6);
    }
    assertEquals(live.filter(({ over }) => !over).map(({ conv }) => conv), range(995, 1000));
    assertLess(a.machine.arena.used, 65_536 + 2048 + 5 * 4096 + 1);
  });
}

Deno.test("Endpoint: each host has its own limit, so a flood of one leaves room for others", () => {
  const a = server({ maxUnconfirmedPerHost: 3 });
  for (let port = 1; port < 100; port++) a.machine.input(first(port), 0, `10.0.0.1:${port}`);
  for (let port = 1; port < 100; port++) a.machine.input(first(port), 0, `[::1]:${port}`);
  assert(a.machine.input(first(1), 0, B));
  assertEquals(a.machine.size, 7);
});

Deno.test("Endpoint: one address has at most maxSessionsPerAddress sessions", () => {
  const a = server({ maxSessionsPerAddress: 3 });
  for (let conv = 1; conv <= 3; conv++) confirmed(a, conv);
  assertEquals(a.machine.input(first(4), 0, A), false);
  assertEquals(a.machine.stats.refused, 1);
  confirmed(a, 4, B);
  const b = server({ maxSessionsPerAddress: 1 });
  confirmed(b, 1).abort(new ConnectionError("closed", "enough"));
  b.sent(0);
  confirmed(b, 2);
  assertEquals(b.machine.size, 1, "a session that has ended makes room");
});

Deno.test("Endpoint: by default, one address has at most 1024 sessions", () => {
  const a = server({
    backlog: Infinity,
    maxUnconfirmed: Infinity,
    maxUnconfirmedPerHost: Infinity,
  });
  for (let conv = 0; conv < 1030; conv++) a.machine.input(first(conv), 0, A);
  assertEquals([a.machine.size, a.machine.stats.refused], [1024, 6]);
  assert(a.machine.input(first(0), 0, B));
});

Deno.test("Endpoint: a confirmed session makes room for another", () => {
  const a = server({ maxUnconfirmedPerHost: 1, maxUnconfirmed: 1 });
  for (let conv = 0; conv < 10; conv++) confirmed(a, conv);
  assertEquals([a.machine.size, a.machine.stats.unconfirmed], [10, 0]);
});

Deno.test("Endpoint: unconfirmed sessions end, and their data can still be accepted", () => {
  const a = server({ maxUnconfirmed: 50 });
  const packet = first(0, 0, pattern(1300));
  for (let i = 0; i < 50; i++) a.machine.input(packet, 0, `10.0.0.${i}:1`);
  a.idle(0, 30_000);
  const { sessions, unconfirmed } = a.machine.stats;
  assertEquals([sessions, unconfirmed], [0, 0]);
  assert(a.machine.input(first(1), 30_000, A), "no room is left after the flood");
  for (let i = 0; i < 50; i++) {
    const session = accepted(a);
    assertEquals([session.state, session.error?.kind], ["closed", "unconfirmed"]);
    assertEquals(drain(session), pattern(1300), "acknowledged data is lost");
  }
  assertEquals([accepted(a).conv, a.machine.accept()], [1, null]);
});

Deno.test("Endpoint: sessions that ended unconfirmed leave a full backlog to others", () => {
  const a = server({ backlog: 50 });
  for (let i = 0; i < 50; i++) a.machine.input(first(i), 0, `10.0.0.${i}:1`);
  assertEquals(a.machine.input(first(50), 0, A), false);
  a.idle(0, 30_000);
  accepted(a);
  for (let conv = 100; conv < 150; conv++) assert(a.machine.input(first(conv), 30_000, A));
  assertEquals(a.machine.input(first(150), 30_000, A), false, "the backlog is full");
  for (let conv = 100; conv < 150; conv++) assertEquals(accepted(a).conv, conv);
  assertEquals(a.machine.accept(), null);
});

Deno.test("Endpoint: an unconfirmed session that was not accepted frees its memory", () => {
  const a = server();
  a.machine.input(first(1, 500), 0, A);
  const before = a.machine.arena.used;
  for (let i = 0; i < 50; i++) a.machine.input(first(i, 0, pattern(1300)), 0, `10.0.0.${i}:1`);
  a.idle(0, 100_000);
  assertEquals(a.machine.size, 0);
  assertEquals(a.machine.arena.used, before, "sessions that ended keep their memory");
});

Deno.test("Endpoint: stopAccepting frees the memory of sessions that were not accepted", () => {
  const a = server();
  a.machine.input(first(1, 500), 0, A);
  a.sent(0);
  const before = a.machine.arena.used;
  for (let i = 0; i < 50; i++) a.machine.input(first(i, 0, pattern(1300)), 0, `10.0.0.${i}:1`);
  a.machine.stopAccepting();
  const told = a.sent(0).map(({ segments }) => segments.map(({ cmd, frg }) => [cmd, frg]));
  assertEquals(told, Array(50).fill([[RESET, 4]]));
  assertEquals(a.machine.arena.used, before, "sessions that ended keep their memory");
  // They answer their peers for a second.
  a.idle(0, 2000);
  assertEquals(a.machine.size, 0);
});

Deno.test("Endpoint: a closed session frees its memory", () => {
  const a = server();
  a.machine.input(first(1, 500), 0, A);
  const before = a.machine.arena.used;
  const session = confirmed(a, 1);
  session.write(pattern(50_000));
  a.sent(0);
  assertGreater(a.machine.arena.used, before + 50_000);
  session.close();
  a.idle(0, 10_000);
  assertEquals([a.machine.size, a.machine.arena.used], [0, before]);
});

Deno.test("Endpoint: without free memory it refuses packets, and never throws", () => {
  const a = new Runner(new Endpoint({ ...QUICK, backlog: 1e9 }, true, new Arena(131_072)));
  for (let conv = 0; conv < 500; conv++) {
    a.machine.input(first(conv, 0, pattern(1300)), 0, `10.0.${conv}.1:1`);
  }
  a.sent(0);
  assertLess(a.machine.arena.capacity, 131_073);
  let whole = 0;
  for (let session; (session = a.machine.accept());) whole += drain(session).length / 1300;
  assert(Number.isInteger(whole) && whole > 5 && whole < 100, `${whole} packets were stored`);
});

Deno.test("Endpoint: stopAccepting opens no more sessions; the accepted ones go on", () => {
  const a = server();
  const live = confirmed(a, 1);
  a.machine.input(first(2), 0, A);
  a.machine.stopAccepting();
  assertEquals(a.machine.input(first(3), 0, A), false);
  a.idle(0, 2000);
  assertEquals([a.machine.size, a.machine.accept(), live.state], [1, null, "open"]);
});

Deno.test("Endpoint: a session with much data does not starve the others", () => {
  const a = server({ sndWnd: 1000, burst: Infinity });
  const busy = confirmed(a, 1);
  const quiet = confirmed(a, 2);
  for (const conv of [1, 2]) a.machine.input(encode({ conv, cmd: WINS, wnd: 1000 }), 0, A);
  busy.write(pattern(200_000));
  quiet.write(pattern(1));
  a.batch.clear();
  a.machine.tick(0);
  a.machine.output(a.batch);
  assert(a.batch.full, "the busy session does not fill a batch");
  a.batch.clear();
  a.machine.output(a.batch);
  const convs = [...a.batch].map((packet) =>
    new DataView(packet.buffer, packet.byteOffset).getUint32(0, true)
  );
  assertEquals(convs[0], 2);
});

Deno.test("Endpoint: a thousand idle sessions have no deadline but the idle timeout", () => {
  const a = server({ idleTimeout: Infinity });
  const sessions = Array.from({ length: 1000 }, (_, conv) => confirmed(a, conv));
  a.idle(0, 10_000);
  assertEquals(a.machine.deadline, Infinity);
  assert(sessions.every(({ state }) => state === "open"));
});

Deno.test("Endpoint: a tick runs only the sessions that are due", () => {
  const a = server({ idleTimeout: Infinity });
  const sessions = Array.from({ length: 300 }, (_, conv) => confirmed(a, conv));
  a.idle(0, 10_000);
  let ticks = 0;
  for (const session of sessions) {
    const { tick } = session;
    session.tick = (now) => {
      ticks++;
      tick.call(session, now);
    };
  }
  sessions[7].write(pattern(1));
  assertEquals(a.sent(20_000).length, 1);
  assertLess(ticks, 3);
});

Deno.test("Endpoint: it opens one session for a peer and conv", () => {
  const a = new Endpoint(QUICK);
  a.open(A, 5, 0);
  a.open(B, 5, 0);
  const error = assertThrows(() => a.open(A, 5, 0), TypeError);
  assertStringIncludes(error.message, "5");
  assertStringIncludes(error.message, A);
});

for (
  const [name, value, kind] of [
    ["backlog", -1, RangeError],
    ["maxSessions", NaN, RangeError],
    ["maxUnconfirmed", "9", TypeError],
    ["maxSessionsPerAddress", -1, RangeError],
    ["maxUnconfirmedPerHost", null, TypeError],
    ["timeWait", -1, RangeError],
    ["interval", 0, RangeError],
    ["linger", -1, RangeError],
    ["migrate", "no", TypeError],
  ] as const
) {
  Deno.test(`Endpoint: ${name}: ${value} (a ${typeof value}) is refused at once`, () => {
    const options = { [name]: value } as unknown as EndpointOptions;
    const error = assertThrows(() => new Endpoint(options, true), kind, name);
    assertStringIncludes(error.message, String(value));
  });
}

Deno.test("Endpoint: an application is told of a run once, when all packets of a run are there", () => {
  const a = server();
  const { machine } = a;
  const sessions = [confirmed(a, 1), confirmed(a, 2)];
  const told: string[] = [];
  const buffer = new Uint8Array(100);
  for (const session of sessions) {
    drain(session);
    session.onChange = () => told.push(`${session.conv}: ${session.read(buffer)} bytes`);
  }
  /** Packets of one length, as the kernel joins them. */
  const run = (...packets: Uint8Array[]) => {
    const { length } = packets[0];
    const start = machine.arena.alloc(packets.length * length);
    packets.forEach((packet, i) => machine.arena.bytes.set(packet, start + i * length));
    machine.inputRun(start, start + packets.length * length, length, 1, A);
    machine.arena.free(start, packets.length * length);
    return told.splice(0);
  };
  const next = [1, 1];
  const data = (conv: number) => first(conv, next[conv - 1]++);
  assertEquals(run(data(1), data(1), data(1)), ["1: 30 bytes"]);
  assertEquals(run(data(1)), ["1: 10 bytes"]);
  // The last one is invalid, or belongs to another session.
  const invalid = first(1).fill(0, 4);
  assertEquals(run(data(1), data(1), invalid), ["1: 20 bytes"]);
  assertEquals(run(data(1), data(1), data(2)), ["1: 20 bytes", "2: 10 bytes"]);
});
