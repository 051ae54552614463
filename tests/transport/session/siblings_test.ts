import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { Endpoint, Session } from "../../../transport/mod.ts";
import { encode, pattern, range, WINS } from "../../kcp/harness.ts";
import { ownAnswers } from "../harness.ts";
import { dataPacket, Outlet, parityOf, parityPacket, shard } from "./wire.ts";

const QUICK = { nodelay: 1, interval: 10, resend: 2, nc: true } as const;
const PEER = "10.0.0.1:1000";
const FEC = { dataShards: 3, parityShards: 2 } as const;

/** An endpoint with `count` sessions with one address, each of which has got a data shard. */
function crowd(count: number): Endpoint {
  const endpoint = new Endpoint({ ...QUICK, fec: FEC });
  for (let conv = 1; conv <= count; conv++) {
    endpoint.open(PEER, conv, 0);
    endpoint.input(dataPacket(5 * conv, encode({ conv, sn: 0 })), 0, PEER);
  }
  return endpoint;
}

/** Packets from an address: garbage, of no session, for the newest session and the oldest one. */
const packets = (count: number) => [
  pattern(50),
  encode({ conv: 0xffff_0000, cmd: WINS }),
  encode({ conv: count, cmd: WINS }),
  encode({ conv: 1, cmd: WINS }),
  parityPacket(3, pattern(60)),
];

Deno.test("siblings: the cost of a packet does not depend on the sessions of its address", () => {
  const time = (count: number) => {
    const endpoint = crowd(count);
    const run = () => {
      const start = performance.now();
      for (let i = 0; i < 200; i++) {
        for (const packet of packets(count)) endpoint.input(packet, 1, PEER);
      }
      return performance.now() - start;
    };
    return Math.min(...range(0, 5).map(run));
  };
  // A walk over all sessions would take hundreds of times as long.
  const alone = time(1);
  assertLess(time(3000), 20 * alone + 5);
});

Deno.test("siblings: bad packets and parity touch a bounded number of sessions", () => {
  let touched = 0;
  const { countInvalid, needsParity } = Session.prototype;
  try {
    Session.prototype.countInvalid = function () {
      touched++;
      countInvalid.call(this);
    };
    Session.prototype.needsParity = function (seqid) {
      touched++;
      return needsParity.call(this, seqid);
    };
    for (const count of [1, 2, 3, 100]) {
      const endpoint = crowd(count);
      for (const packet of packets(count)) {
        touched = 0;
        endpoint.input(packet, 1, PEER);
        assertLess(touched, 18, `${count} sessions`);
      }
    }
  } finally {
    Object.assign(Session.prototype, { countInvalid, needsParity });
  }
});

Deno.test("siblings: every session of an address is found, in any order of opening and ending", () => {
  const b = new Outlet(new Endpoint(QUICK, true));
  const open = new Map<number, Session>();
  let state = 1;
  for (let turn = 0; turn < 2000; turn++) {
    state = Math.imul(state, 1_103_515_245) + 12_345 >>> 0;
    // Half of these ids have their highest bit set.
    const conv = (state >>> 16) % 6 * 0x3333_3333 >>> 0;
    const session = open.get(conv);
    if (session && state & 0x100) {
      session.close();
      b.packets(turn);
      if (session.over) open.delete(conv);
    } else if (session) {
      assert(b.machine.input(encode({ conv, cmd: WINS }), turn, PEER), `conv ${conv} is lost`);
    } else {
      open.set(conv, b.machine.open(PEER, conv, turn));
    }
    assertEquals(b.machine.size, open.size);
  }
});

Deno.test("siblings: forged sessions do not take the parity of a confirmed one", () => {
  const b = new Outlet(new Endpoint({ ...QUICK, fec: FEC }, true));
  const conv = 1;
  let sn = 0;
  let now = 0;
  const group = (number: number, between: () => void, lost = -1) => {
    const all = range(0, 3).map(() => encode({ conv, sn: sn++, data: pattern(100, sn) }));
    all.forEach((packet, i) => {
      if (i !== lost) b.machine.input(dataPacket(5 * number + i, packet), now, PEER);
    });
    between();
    parityOf(all.map((packet) => shard(packet)), 2).forEach((parity, i) =>
      b.machine.input(parityPacket(5 * number + 3 + i, parity), now, PEER)
    );
  };
  group(0, () => {});
  const session = b.machine.accept()!;
  const answers = ownAnswers(b.read(now).flatMap(({ segments }) => segments));
  b.machine.input(encode(...answers), now, PEER);
  for (let number = 1; number < 6; number++) {
    group(number, () => {});
    b.packets(now += 10);
  }
  assert(!session.unconfirmed);
  for (let round = 0; round < 3; round++) {
    group(6 + round, () => {
      for (let i = 0; i < 30; i++) {
        const forged = encode({ conv: 100 + 30 * round + i, sn: 0, data: pattern(10) });
        b.machine.input(dataPacket(5 * (6 + round), forged), now, PEER);
        b.machine.accept();
      }
    }, 1);
    b.packets(now += 10);
  }
  assertEquals(b.machine.size, 91);
  assertEquals(session.stats.fec.recovered, 3);
});

Deno.test("siblings: each session counts the bad packets of its address since it began", () => {
  const a = new Endpoint(QUICK);
  const bad = (count: number) => {
    for (let i = 0; i < count; i++) a.input(pattern(10), 1, PEER);
  };
  const first = a.open(PEER, 1, 0);
  bad(2);
  const second = a.open(PEER, 2, 0);
  bad(3);
  const third = a.open(PEER, 3, 0);
  bad(4);
  assertStringIncludes(first.diagnosis, "; 9 packets");
  assertStringIncludes(second.diagnosis, "; 7 packets");
  assertStringIncludes(third.diagnosis, "; 4 packets");
  const b = new Outlet(a);
  first.close();
  third.close();
  b.packets(2);
  assertEquals(a.size, 1);
  bad(1);
  assertStringIncludes(first.diagnosis, "; 9 packets");
  assertStringIncludes(second.diagnosis, "; 8 packets");
});
