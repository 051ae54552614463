import { assert, assertEquals } from "@std/assert";
import { Endpoint, type EndpointOptions, type Session } from "../../../transport/mod.ts";
import {
  ACK,
  encode,
  EXTENDED,
  pattern,
  PIECE,
  PROBE,
  PROBE_ANSWER,
  PUSH,
  WASK,
  WINS,
} from "../../kcp/harness.ts";
import { drain, ownAnswers, Runner } from "../harness.ts";

const CONV = 77;
const OLD = "10.0.0.1:1000";
const NEW = "10.0.0.8:4000";

/** A server with a session that received one segment and sent one. Both are acknowledged. */
function moving(options: EndpointOptions = {}): [Runner<Endpoint>, Session] {
  const a = new Runner(new Endpoint({ interval: 10, migrate: true, ...options }, true));
  a.machine.input(encode({ conv: CONV, data: pattern(10) }), 0, OLD);
  const session = a.machine.accept()!;
  drain(session);
  session.write(pattern(10));
  a.sent(0);
  a.machine.input(
    encode({ conv: CONV, cmd: ACK, una: 1 }, { conv: CONV, cmd: WINS, una: 1 }),
    0,
    OLD,
  );
  a.sent(20);
  return [a, session];
}

Deno.test("migrate: a session moves to the address of a packet that fits it", () => {
  const [a, session] = moving();
  assert(a.machine.input(encode({ conv: CONV, sn: 1, una: 1, data: pattern(5) }), 30, NEW));
  assertEquals([session.peer, drain(session), a.machine.size], [NEW, pattern(5), 1]);
  session.write(pattern(3));
  assertEquals(a.sent(60).map(({ to }) => to), [NEW]);
  assertEquals(a.machine.stats.migrated, 1);
});

Deno.test("migrate: by default the packet is dropped, and the session stays", () => {
  const [a, session] = moving({ migrate: false });
  const packet = encode({ conv: CONV, sn: 1, una: 1, data: pattern(5) });
  assertEquals(a.machine.input(packet, 30, NEW), false);
  assertEquals([session.peer, a.machine.size, a.machine.stats.migrated], [OLD, 1, 0]);
});

Deno.test("migrate: a packet that does not fit moves no session", () => {
  const misfits = {
    "una of the past": { sn: 1, una: 0x80000001 },
    "una of the future": { sn: 1, una: 2 },
    "sn beyond the window": { sn: 1 + 2048, una: 1 },
    "sn of long ago": { sn: -2048, una: 1 },
    "another conv": { conv: CONV + 1, sn: 1, una: 1 },
  };
  for (const [name, segment] of Object.entries(misfits)) {
    const [a, session] = moving();
    a.machine.input(encode({ conv: CONV, data: pattern(5), ...segment }), 30, NEW);
    assertEquals([session.peer, a.machine.stats.migrated], [OLD, 0], name);
  }
});

Deno.test("migrate: no packet of another incarnation, nor for one, moves a session", () => {
  const clock = 2 ** 30;
  for (const [ts, moves] of [[20, true], [clock, false]] as const) {
    for (
      const segment of [
        { cmd: WASK, frg: EXTENDED, ts, una: 1 },
        { cmd: WINS, frg: EXTENDED, sn: ts, ts: clock, una: 1 },
        { cmd: PROBE, sn: -2, ts, una: 1 },
        { cmd: PIECE, sn: 1, ts, una: 1, data: Uint8Array.of(2, 0, 0, 0, 7) },
        { cmd: ACK, sn: 0, ts, una: 1 },
        { cmd: PROBE_ANSWER, sn: 0, ts, una: 1 },
      ]
    ) {
      const [a, session] = moving();
      a.machine.input(encode({ conv: CONV, ...segment }), 30, NEW);
      assertEquals(session.peer, moves ? NEW : OLD, JSON.stringify(segment));
    }
  }
});

Deno.test("migrate: a first packet from elsewhere belongs to another peer", () => {
  const [a, session] = moving();
  assert(a.machine.input(encode({ conv: CONV, sn: 0, data: pattern(5) }), 30, NEW));
  assertEquals([session.peer, a.machine.size], [OLD, 2]);
});

Deno.test("migrate: a session that knows nothing of its peer yet takes no packet from elsewhere", () => {
  // The first segment is lost, and the window has no room for the second one.
  const a = new Runner(new Endpoint({ interval: 10, migrate: true, rcvWnd: 1 }, true));
  a.machine.input(encode({ conv: CONV, sn: 1, data: pattern(9) }), 0, OLD);
  assertEquals(a.machine.size, 1);
  // Another peer has the same conversation id.
  assert(a.machine.input(encode({ conv: CONV, ts: 2 ** 30, data: pattern(5) }), 30, NEW));
  const session = a.machine.accept()!;
  assertEquals([a.machine.size, a.machine.stats.migrated], [2, 0]);
  assertEquals([session.peer, drain(session), a.machine.accept()], [NEW, pattern(5), null]);
  // The peer of the first session sends its first segment again.
  assert(a.machine.input(encode({ conv: CONV, data: pattern(7) }), 60, OLD));
  const first = a.machine.accept()!;
  assertEquals([first.peer, drain(first)], [OLD, pattern(7)]);
});

Deno.test("migrate: a session that only received data moves, too", () => {
  // The server sent no data, so una is 0 in every packet of the client, as in a first packet.
  const a = new Runner(new Endpoint({ interval: 10, migrate: true }, true));
  for (let sn = 0; sn < 5; sn++) {
    a.machine.input(encode({ conv: CONV, sn, data: pattern(1) }), 0, OLD);
  }
  a.machine.input(encode({ conv: CONV, cmd: WINS }), 0, OLD);
  a.sent(20);
  const session = a.machine.accept()!;
  assert(a.machine.input(encode({ conv: CONV, sn: 5, data: pattern(1) }), 30, NEW));
  const acked = a.sent(60).flatMap(({ segments }) => segments).filter(({ cmd }) => cmd === ACK);
  assertEquals(
    [session.peer, a.machine.size, acked.map(({ una }) => una)],
    [NEW, 1, [6]],
    "a second session took, and acknowledged, data that nobody will ever read",
  );
});

Deno.test("migrate: no session moves to an address that has maxSessionsPerAddress sessions", () => {
  const [a, session] = moving({ maxSessionsPerAddress: 2 });
  for (const conv of [1, 2]) a.machine.input(encode({ conv, data: pattern(1) }), 20, NEW);
  const packet = encode({ conv: CONV, sn: 1, una: 1, data: pattern(5) });
  assertEquals(a.machine.input(packet, 30, NEW), false);
  assertEquals([session.peer, a.machine.size, a.machine.stats.migrated], [OLD, 3, 0]);
});

Deno.test("migrate: the limit of a host counts its unconfirmed sessions after they moved", () => {
  const a = new Runner(
    new Endpoint({ interval: 10, migrate: true, maxUnconfirmedPerHost: 1 }, true),
  );
  a.machine.input(encode({ conv: 1, sn: 0, data: pattern(1) }), 0, OLD);
  const answers = ownAnswers(a.segments(0));
  // The data from the new address lies beyond the first window.
  a.machine.input(encode({ conv: 1, sn: 200, data: pattern(1) }), 1, NEW);
  assertEquals(a.machine.stats.migrated, 1);
  a.sent(1);
  a.machine.input(encode(...answers), 2, NEW);
  a.sent(2);
  assertEquals(a.machine.stats.unconfirmed, 0);
  for (const from of [OLD, NEW]) {
    assert(a.machine.input(encode({ conv: 2, data: pattern(1) }), 3, from), `${from} is refused`);
  }
});

Deno.test("migrate: after a move, delayed packets from the old address open no session", () => {
  const [a, session] = moving();
  a.machine.input(encode({ conv: CONV, sn: 1, una: 1 }), 30, NEW);
  session.close();
  a.sent(30);
  const end = session.kcp.sndNxt;
  a.machine.input(encode({ conv: CONV, cmd: ACK, sn: end - 1, una: end }), 40, NEW);
  a.idle(60, 2000);
  assertEquals(session.state, "closed");
  const late = encode({ conv: CONV, cmd: PUSH, sn: 0, data: pattern(10) });
  for (const from of [NEW, OLD]) a.machine.input(late, 2000, from);
  assertEquals([a.machine.stats.accepted, a.machine.accept(), session.peer], [1, null, NEW]);
});
