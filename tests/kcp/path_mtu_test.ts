import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { fast, type KcpOptions, normal, turbo } from "../../kcp/mod.ts";
import { EXTENDED } from "../../kcp/segment.ts";
import type { PacketWriter } from "../../kcp/packet_writer.ts";
import { PathMtu } from "../../kcp/path_mtu.ts";
import { Link } from "../../transport/link/link.ts";
import { Random } from "../../transport/link/random.ts";
import {
  decode,
  End,
  Network,
  opened,
  pattern,
  PIECE,
  PROBE,
  PROBE_ANSWER,
  PUSH,
  queue,
  sent,
  WASK,
  WINS,
} from "./harness.ts";
import { Path, type Traffic } from "./path_mtu_harness.ts";

const MODES = { normal, fast, turbo };

const TRAFFIC: { [kind: string]: Traffic } = {
  "a stream": { message: 0, ahead: 0, total: 400_000 },
  "messages of 3,000 bytes": { message: 3_000, ahead: 1_000, total: 400_000 },
  "one full segment at a time": { message: 1_376, ahead: 1, total: 100_000 },
};

for (const [mode, options] of Object.entries(MODES)) {
  for (const [kind, traffic] of Object.entries(TRAFFIC)) {
    for (const mtu of [1280, 576, 100]) {
      Deno.test(`path MTU: ${mode}, ${kind}: 1400 to ${mtu} is noticed within 3 RTO`, () => {
        const path = new Path(traffic, options);
        path.network.at(90, () => path.shrink(mtu));
        path.finish();
        const { stats } = path.a.kcp;
        assert(path.rtos <= 3, `${path.rtos} RTO`);
        assertEquals(stats.pathMtuReductions, 1);
        assert(stats.pathMtu <= mtu && stats.pathMtu >= mtu * 63 / 64, `MTU ${stats.pathMtu}`);
        assert(stats.lost > 0, "what vanished is lost");
      });
    }
  }
}

Deno.test("path MTU: all that vanishes is counted as lost", () => {
  const path = new Path({ message: 0, ahead: 0, total: 400_000 }, turbo);
  let inFlight = 0;
  path.network.at(90, () => {
    path.shrink(576);
    inFlight = path.a.kcp.stats.inFlight;
  });
  path.finish();
  path.network.run(path.network.now + 1_000, () => path.a.kcp.drained);
  assert(path.a.kcp.lost >= inFlight / 2, `${path.a.kcp.lost} lost, ${inFlight} were in flight`);
});

Deno.test("path MTU: jumbo packets go on at 1400 bytes", () => {
  for (const message of [0, 30_000]) {
    const path = new Path({ message, ahead: 1_000, total: 4_000_000 }, { ...turbo, mtu: 9_000 });
    path.network.at(150, () => path.shrink(1_400));
    path.finish();
    assert(path.rtos <= 3, `${path.rtos} RTO`);
    assertAlmostEquals(path.a.kcp.pathMtu, 1_390, 10);
  }
});

Deno.test("path MTU: at 5 % loss, it is noticed, and every byte arrives", () => {
  for (const traffic of Object.values(TRAFFIC)) {
    for (const mtu of [1280, 576, 100]) {
      for (let seed = 0; seed < 5; seed++) {
        const path = new Path(traffic, turbo, { loss: 0.05 }, seed);
        path.network.at(90, () => path.shrink(mtu));
        path.finish();
        const { stats } = path.a.kcp;
        assert(stats.pathMtuReductions > 0 && stats.pathMtu <= mtu, `MTU ${stats.pathMtu}`);
      }
    }
  }
});

Deno.test("path MTU: 30 % loss is no small MTU, in 200 seeds", () => {
  const kinds: Traffic[] = [
    { message: 1_376, ahead: 1, total: 60_000 },
    { message: 1_376, ahead: 100, total: 400_000 },
    { message: 3_000, ahead: 4, total: 200_000 },
    { message: 100, ahead: 10, total: 20_000 },
  ];
  const modes = Object.values(MODES);
  const reduced: number[] = [];
  for (let seed = 0; seed < 200; seed++) {
    for (const traffic of kinds) {
      const path = new Path(
        traffic,
        modes[seed % modes.length],
        { loss: 0.3, jitter: 10, reorder: 0.02 },
        seed,
      );
      path.finish(600_000);
      if (path.a.kcp.stats.pathMtuReductions > 0) reduced.push(seed);
    }
  }
  // It is chance whether all large packets and no small ones are lost: in one of 1,200 conversations.
  assert(reduced.length <= 2, `seeds ${reduced}`);
});

Deno.test("path MTU: an outage is no small MTU", () => {
  for (const options of Object.values(MODES)) {
    for (const traffic of Object.values(TRAFFIC)) {
      for (const length of [100, 1_000, 5_000]) {
        const path = new Path(traffic, options);
        path.network.at(90, () => path.there.down = path.back.down = true);
        path.network.at(90 + length, () => path.there.down = path.back.down = false);
        path.finish();
        assertEquals(path.a.kcp.stats.pathMtuReductions, 0);
      }
    }
  }
});

Deno.test("path MTU: when the first packet is too large, its pieces begin the conversation", () => {
  for (const options of Object.values(MODES)) {
    for (const traffic of Object.values(TRAFFIC)) {
      const path = new Path(traffic, options);
      path.shrink(576);
      path.finish();
      assert(path.a.kcp.pathMtu <= 576);
      assert(path.b.kcp.stats.payloadIn > 0);
    }
  }
});

Deno.test("path MTU: the pieces of a first packet that is too large wait for the pacer", () => {
  for (const limits of [{ burst: 1 }, { pacingRate: 2_000 }, { burst: 1, pacingRate: 5_000 }]) {
    for (const message of [0, 2_500]) {
      const traffic = { message, ahead: 2, total: 5_000 };
      const path = new Path(traffic, { ...turbo, ...limits });
      path.shrink(576);
      // A listener knows a conversation by its first segment, and drops everything before it.
      const { kcp } = path.b;
      const input = kcp.input.bind(kcp);
      kcp.input = (packet, now) => {
        const [{ cmd, sn }] = decode(packet);
        return (kcp.started || cmd !== PROBE && sn === 0) && input(packet, now);
      };
      path.network.run(20_000, () => path.b.kcp.stats.payloadIn > 0);
      assert(path.b.kcp.stats.payloadIn > 0, JSON.stringify(limits));
      path.finish();
    }
  }
});

Deno.test("path MTU: a listener that asks for the first segment still gets it in pieces", () => {
  const a = new End({ ...turbo, extensions: true });
  a.kcp.requireEcho(true);
  a.kcp.write(pattern(2_000));
  a.segments(0);
  // Only the second segment has arrived.
  a.input(50, { cmd: WASK, frg: EXTENDED, ts: 77 });
  const bytes = () => {
    const pieces = a.segments(a.kcp.deadline).filter(({ cmd, sn }) => cmd === PIECE && sn === 0);
    return pieces.reduce((sum, { data }) => sum + data.length, 0);
  };
  let sum = 0;
  for (let n = 0; n < 10 && sum === 0; n++) sum = bytes();
  assert(sum >= 1_376, `${sum} bytes`);
});

Deno.test("path MTU: larger packets are tried again after a minute", () => {
  const path = new Path({ message: 1_376, ahead: 1, total: 4_000_000 }, turbo);
  path.network.at(90, () => path.shrink(1_000));
  path.network.at(30_000, () => path.shrink(Infinity));
  path.network.run(50_000);
  assertAlmostEquals(path.a.kcp.pathMtu, 990, 10);
  for (let at = 50_000; at < 63_000; at += 100) path.network.at(at, () => {});
  path.network.run(63_000);
  assertEquals(path.a.kcp.pathMtu, 1_400);
});

Deno.test("path MTU: up to maxMtu, larger packets are found and used", () => {
  for (const foreign of [false, true]) {
    const path = new Path(
      { message: 0, ahead: 0, total: 8_000_000 },
      { ...turbo, maxMtu: 9_000 },
      { mtu: 3_000, bandwidth: 10_000_000 },
    );
    if (foreign) path.forgetExtensions();
    path.finish();
    const { stats } = path.a.kcp;
    if (!foreign) assert(stats.pathMtu > 2_900 && stats.pathMtu <= 3_000, `MTU ${stats.pathMtu}`);
    assertEquals(stats.pathMtuReductions, 0);
  }
});

Deno.test("path MTU: a peer of another implementation is probed upwards when there is room", () => {
  const path = new Path(
    { message: 500, ahead: 1, total: 50_000 },
    { ...turbo, maxMtu: 9_000 },
    { mtu: 3_000 },
  );
  path.forgetExtensions();
  path.finish();
  const { pathMtu } = path.a.kcp;
  assert(pathMtu > 2_900 && pathMtu <= 3_000, `MTU ${pathMtu}`);
});

/** A search for larger packets, of which a test says which probes arrive, and when they are answered. */
class Search {
  readonly path = new PathMtu(1_400, 9_000);
  /** The probes of the round, not answered yet: pairs of a number and a size. */
  probes: [sn: number, size: number][] = [];
  now = 1;

  constructor() {
    this.path.arrived(1_400, 0, this.now);
    this.output();
    this.answer(Infinity, 0);
  }

  /** Writes the probes that are due. */
  output(): void {
    let reserved = 0;
    const probes: [sn: number, size: number][] = [];
    const writer = {
      largest: 9_000,
      reserve: (size: number) => (reserved = size) > 0,
      write: (_cmd: number, _frg: number, _ts: number, sn: number) => probes.push([sn, reserved]),
      close: () => {},
      pad: () => {},
    } as unknown as PacketWriter;
    this.path.raiseIfDue(this.now);
    if (!this.path.due) return;
    this.path.write(writer, -1, 0, 0, this.now, 50, Infinity);
    this.probes = probes;
    this.#ts = this.now;
  }
  #ts = 0;

  /** Answers the probes of up to `takes` bytes, one every `every` ms. */
  answer(takes: number, every: number): void {
    const { path } = this;
    const ts = this.#ts;
    for (const [sn, size] of this.probes.splice(0)) {
      if (size > takes) continue;
      this.now += every;
      path.tick(this.now);
      this.output();
      path.answered(sn, ts, true, this.now, 2);
      path.conclude(this.now);
      this.output();
    }
    this.now = Math.max(this.now, path.deadline === Infinity ? this.now : path.deadline);
    path.tick(this.now);
    this.output();
  }
}

Deno.test("path MTU: a search waits for a peer that answers its probes slowly", () => {
  const search = new Search();
  assert(search.probes.at(-1)![1] === 9_000, "the largest size is tried");
  search.answer(Infinity, 15);
  assertEquals(search.path.mtu, 9_000);
});

Deno.test("path MTU: after a search whose larger probes were lost, the next one begins soon", () => {
  const search = new Search();
  while (search.probes.length > 0) search.answer(5_000, 0);
  const found = search.path.mtu;
  assert(found > 4_900 && found <= 5_000, `MTU ${found}`);
  search.now += 500;
  search.output();
  search.answer(Infinity, 0);
  assertEquals(search.path.mtu, 9_000);
  // Where it finds nothing more, a minute passes.
  const other = new Search();
  for (let i = 0; i < 2; i++, other.now += 500, other.output()) {
    while (other.probes.length > 0) other.answer(5_000, 0);
  }
  assertEquals(other.probes.length, 0);
});

Deno.test("path MTU: under a rate limit, two losses in a row cost few probes", () => {
  const traffic = { message: 1_376, ahead: 1, total: 50_000 };
  const path = new Path(traffic, { ...turbo, pacingRate: 10_000 });
  let [full, probes] = [0, 0];
  path.network.onTransmit = (from, packet) => {
    if (from !== path.a) return;
    const { cmd } = decode(packet)[0];
    if (cmd === PROBE) probes += packet.length;
    const lost = cmd === PUSH && packet.length === 1_400 && ++full % 10 > 7;
    path.there.configure({ loss: lost ? 1 : 0 });
  };
  path.finish();
  assert(full > 40);
  assertEquals(path.a.kcp.stats.pathMtuReductions, 0);
  assert(probes < 15_000, `${probes} bytes of probes`);
});

Deno.test("path MTU: the suspicion follows data that is sent again without its acknowledgments", () => {
  const path = new PathMtu(1_400, 1_400);
  path.resent(1_067, 0, 100);
  path.resent(1_043, 100, 200);
  assertEquals(path.suspect, 1_043, "with an ACK it had 1,067 bytes");
  path.resent(600, 100, 300);
  assertEquals(path.suspect, 1_043, "a much smaller packet tells nothing of it");
  path.arrived(1_040, 250, 400);
  path.resent(1_030, 200, 500);
  assertEquals(path.suspect, 1_043, "packets of that size arrive");
});

// --- by hand ---

Deno.test("path MTU: data waits for no probes any more when a packet that was missed has only been late", () => {
  const path = new PathMtu(1_400, 1_400);
  const writer = {
    largest: 9_000,
    reserve: () => true,
    write: () => {},
    close: () => {},
    pad: () => {},
  } as unknown as PacketWriter;
  path.resent(1_400, 50, 100);
  for (let n = 0; n < 20; n++) path.sent(1_400);
  while (path.copies > 0) {
    path.sent(1_400);
    path.copied();
  }
  path.write(writer, -1, 0, 0, 100, 50, Infinity);
  assert(path.holds, "probes of all sizes are under way");
  path.arrived(1_400, 49, 110);
  assert(path.holds, "this one was sent before those that are missed");
  path.arrived(1_400, 50, 120);
  assertEquals([path.suspect, path.holds], [0, false]);
});

/** The path MTU, and a peer that answers the probes that arrive. */
class Rounds {
  readonly path: PathMtu;
  /** Bytes of the largest packet that the path takes. */
  takes = Infinity;
  /** Bytes of the probes and copies. */
  readonly probes: number[] = [];
  readonly #heeds: boolean;
  #reserved = 0;
  #now = 0;

  constructor(mtu: number, heeds: boolean) {
    this.path = new PathMtu(mtu, mtu);
    this.path.understood = this.path.probes = this.#heeds = heeds;
  }

  /**
   * Sends a packet of `size` bytes again that was sent with `before` bytes, and a round of probes.
   */
  resend(size: number, before: number = size): void {
    const { path } = this;
    const writer = {
      largest: 9_000,
      reserve: (size: number) => {
        assert(size >= 24, `a packet of ${size} bytes`);
        return (this.#reserved = size) > 0;
      },
      write: (_cmd: number, _frg: number, _ts: number, sn: number) => {
        this.probes.push(this.#reserved);
        if (this.#reserved <= this.takes) answers.push(sn);
      },
      close: () => {},
      pad: () => {},
    } as unknown as PacketWriter;
    const answers: number[] = [];
    path.resent(before, this.#now, this.#now += 100);
    const now = this.#now;
    path.sent(size);
    while (path.copies > 0 && size >= path.suspect) {
      this.probes.push(size);
      path.sent(size);
      path.copied();
    }
    path.write(writer, -1, 0, 0, now, 50, Infinity);
    for (const sn of answers) path.answered(sn, now, this.#heeds, now + 20, 20);
    path.conclude(now + 20);
    path.tick(now + 50);
  }
}

Deno.test("path MTU: after a false alarm, data that is sent again without acknowledgments still counts", () => {
  const rounds = new Rounds(9_000, true);
  const { path, probes } = rounds;
  rounds.resend(600);
  assertEquals(probes, [24]);
  rounds.resend(600);
  assertEquals([path.suspect, probes.filter((size) => size === 600).length > 7], [0, true]);
  rounds.takes = 1_400;
  rounds.resend(8_025);
  for (let n = 0; n < 3; n++) rounds.resend(8_001);
  assert(probes.includes(8_025), "the suspected size is tried");
});

Deno.test("path MTU: the suspected size is tried if data is sent again in smaller packets only", () => {
  const rounds = new Rounds(9_000, true);
  rounds.resend(600);
  rounds.resend(600);
  assertEquals(rounds.path.suspect, 0, "a false alarm: more losses are needed the next time");
  rounds.takes = 1_400;
  // Two segments that shared a packet are sent again one by one.
  rounds.resend(8_728);
  for (let n = 0; n < 4; n++) rounds.resend(n % 2 === 0 ? 1_634 : 7_094, n < 2 ? 8_728 : undefined);
  assert(rounds.probes.filter((size) => size === 8_728).length >= 8, `${rounds.probes}`);
  assertEquals(rounds.path.reductions, 1);
  // Then the largest size that arrives is searched for.
  for (let n = 0; n < 6; n++) rounds.resend(1_000);
  assert(rounds.path.mtu > 1_370 && rounds.path.mtu <= 1_400, `MTU ${rounds.path.mtu}`);
});

Deno.test("foreign peer: a suspicion of a size that is not sent any more gives way to another", () => {
  const rounds = new Rounds(9_000, false);
  rounds.takes = 1_400;
  rounds.resend(8_728);
  for (let n = 0; n < 20; n++) {
    rounds.resend(n % 2 === 0 ? 1_634 : 7_094, n < 2 ? 8_728 : undefined);
  }
  assertEquals(rounds.path.reductions, 1);
});

Deno.test("path MTU: configure cuts what waits, and keeps the boundaries of messages", () => {
  const a = opened({ mtu: 1_024 });
  const b = new End({ rcvWnd: 2_000 });
  const sizes = [1, 1_000, 1_001, 30_000, 76, 77];
  for (const size of sizes) a.kcp.send(pattern(size, size));
  a.kcp.write(pattern(5_000));
  a.kcp.configure({ mtu: 100 });
  a.kcp.send(pattern(500));
  const packets = a.packets(0);
  assert(packets.length > 300);
  for (const packet of packets) {
    b.kcp.input(packet, 0);
    assert(packet.length <= 24 + Math.ceil(30_000 / 255), `${packet.length} bytes`);
  }
  for (const size of sizes) assertEquals(b.recv(), pattern(size, size));
  const stream = b.read(5_000);
  assertEquals(stream, pattern(5_000));
  assertEquals(b.recv(), pattern(500));
});

Deno.test("path MTU: a message gets no more fragments than the peer's window has segments", () => {
  for (const wnd of [1, 3, 7]) {
    const a = new End({ mtu: 9_000, nc: true });
    a.input(0, { cmd: WINS, wnd });
    a.kcp.send(pattern(8_976));
    a.kcp.configure({ mtu: 1_024 });
    const segments = a.segments(0);
    assertEquals(segments[0].frg + 1, wnd);
    assertEquals(segments.length, wnd);
  }
});

Deno.test("path MTU: on a smaller path, large messages still pass small windows", () => {
  for (const rcvWnd of [1, 2, 5]) {
    const jumbo = { ...turbo, mtu: 9_000 };
    const traffic = { message: 8_976, ahead: 1, total: 90_000 };
    const path = new Path(traffic, jumbo, {}, 1, { ...turbo, rcvWnd });
    path.network.at(90, () => path.shrink(1_280));
    path.finish();
    assert(path.a.kcp.pathMtu <= 1_280);
  }
});

Deno.test("path MTU: a message that was sent in part keeps its fragments", () => {
  const a = opened({ mtu: 1_024, sndWnd: 2 });
  const b = new End();
  a.kcp.send(pattern(5_000));
  const packets = a.packets(0);
  a.kcp.configure({ mtu: 524, sndWnd: 1_024 });
  a.kcp.send(pattern(2_000));
  packets.push(...a.packets(1));
  for (const packet of packets) b.kcp.input(packet, 1);
  assertEquals(b.recv(), pattern(5_000));
  assertEquals(b.recv(), pattern(2_000));
});

Deno.test("path MTU: configure to what the path takes ends the losses at once", () => {
  for (const [kind, traffic] of Object.entries(TRAFFIC)) {
    const path = new Path(traffic, turbo);
    path.network.at(90, () => path.shrink(576));
    path.network.at(100, () => path.a.kcp.configure({ mtu: 576 }));
    path.finish();
    const { tooLarge } = path.there.stats;
    assert(tooLarge <= 300, `${kind}: ${tooLarge} packets were too large`);
    assert(path.a.kcp.pathMtu <= 576);
  }
});

// --- pieces ---

/** The data of a piece. */
function piece(total: number, offset: number, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 + data.length);
  new DataView(bytes.buffer).setUint16(0, total, true);
  new DataView(bytes.buffer).setUint16(2, offset, true);
  bytes.set(data, 4);
  return bytes;
}

Deno.test("piece: pieces in any order, twice and of different sizes make a segment once", () => {
  const random = new Random(7);
  for (let run = 0; run < 50; run++) {
    const b = new End({ ackNoDelay: true });
    const data = pattern(1 + random.below(3_000), run);
    const cuts: [number, number][] = [];
    for (const size of [100, 333, 1_000]) {
      for (let at = 0; at < data.length; at += size) {
        cuts.push([at, Math.min(data.length, at + size)]);
      }
    }
    for (let i = 0; i < 3 * cuts.length; i++) {
      const [from, to] = cuts[i < 2 * cuts.length ? random.below(cuts.length) : i % cuts.length];
      b.input(i, {
        cmd: PIECE,
        sn: 0,
        ts: i,
        data: piece(data.length, from, data.subarray(from, to)),
      });
    }
    assertEquals(b.recv(), data);
    assertEquals(b.recv(), null);
    assertEquals(b.kcp.rcvNxt, 1);
  }
});

Deno.test("piece: an ACK with the ts of the last piece follows the last piece only", () => {
  const b = new End({ ackNoDelay: true });
  b.input(5, { cmd: PIECE, ts: 5, data: piece(20, 0, pattern(10)) });
  assertEquals(b.segments(5), []);
  b.input(6, { cmd: PIECE, ts: 6, data: piece(20, 10, pattern(10, 10)) });
  assertEquals(b.segments(6).map(({ cmd, sn, ts, una }) => [cmd, sn, ts, una]), [[82, 0, 6, 1]]);
});

Deno.test("piece: pieces that can't be are input errors", () => {
  const b = new End();
  const wrong = [
    new Uint8Array(0),
    new Uint8Array(3),
    piece(10, 0, new Uint8Array(0)),
    piece(10, 5, pattern(6)),
    piece(10, 11, pattern(1)),
    piece(65_484, 0, pattern(10)),
    piece(0, 0, pattern(1)),
  ];
  for (const data of wrong) assertEquals(b.input(1, { cmd: PIECE, data }), false);
  assertEquals(b.kcp.stats.inputErrors.piece, wrong.length);
  b.input(1, { cmd: PIECE, data: piece(10, 0, pattern(5)) });
  b.input(1, { cmd: PIECE, data: piece(11, 5, pattern(5)) });
  b.input(1, { cmd: PIECE, frg: 1, data: piece(10, 5, pattern(5)) });
  assertEquals(b.kcp.stats.inputErrors.piece, wrong.length + 2);
  assertEquals(b.recv(), null);
  b.input(1, { cmd: PIECE, data: piece(10, 5, pattern(5, 5)) });
  assertEquals(b.recv(), pattern(10));
});

Deno.test("piece: a flood of pieces takes bounded memory, and the next segment still arrives", () => {
  const b = new End({ rcvWnd: 1_024 });
  const before = b.kcp.arena.used;
  for (let n = 0; n < 100_000; n++) {
    const offset = n * 7919 % 65_000;
    b.input(0, { cmd: PIECE, sn: 1 + n % 900, data: piece(65_483, offset, pattern(1 + n % 400)) });
  }
  const used = b.kcp.arena.used - before;
  assert(used <= 2 * 131_072 + 16 * 4_096, `${used} bytes`);
  for (let at = 0; at < 60_000; at += 1_000) {
    b.input(0, { cmd: PIECE, sn: 0, data: piece(60_000, at, pattern(1_000, at)) });
  }
  assertEquals(b.recv(), pattern(60_000));
  b.kcp.close();
  assertEquals(b.kcp.arena.used, 65_536);
});

Deno.test("piece: pieces of an earlier incarnation do not get into a segment", () => {
  const b = new End();
  b.input(0, { cmd: PIECE, ts: 5, data: piece(20, 0, pattern(10, 50)) });
  b.input(0, { cmd: PIECE, ts: 1_000_000_000, data: piece(20, 10, pattern(10, 10)) });
  assertEquals(b.recv(), null);
  b.input(0, { cmd: PIECE, ts: 1_000_000_000, data: piece(20, 0, pattern(10)) });
  assertEquals(b.recv(), pattern(20));
});

Deno.test("piece: a path that takes only the first packets of a burst delivers all pieces", () => {
  const path = new Path({ message: 1_376, ahead: 1, total: 13_760 }, turbo);
  path.network.at(90, () => path.shrink(200));
  path.network.run(1_000, () => path.a.kcp.pathMtu <= 200);
  path.there.configure({ bandwidth: 100_000, queuePackets: 3 });
  path.finish();
});

Deno.test("piece: pieces stay when unused memory is freed, and are freed at the end", () => {
  const b = new End();
  const before = b.kcp.arena.used;
  b.input(0, { cmd: PIECE, sn: 0, data: piece(20, 0, pattern(10)) });
  b.kcp.trim();
  b.input(5_000, { cmd: PIECE, sn: 0, data: piece(20, 10, pattern(10, 10)) });
  assertEquals(b.recv(), pattern(20));
  b.input(5_000, { cmd: PIECE, sn: 1, data: piece(20, 0, pattern(10, 20)) });
  b.input(5_000, { sn: 1, data: pattern(20, 20) });
  assertEquals(b.recv(), pattern(20, 20));
  b.kcp.trim();
  assertEquals(b.kcp.arena.used, before, "the segment arrived whole");
  b.input(5_000, { cmd: PIECE, sn: 2, data: piece(20, 0, pattern(10, 40)) });
  b.kcp.close();
  assertEquals(b.kcp.arena.used, before);
});

Deno.test("probe: a flood of probes gets one answer an output, which names the largest", () => {
  const b = new End();
  for (let n = 0; n < 10_000; n++) {
    b.input(0, { cmd: PROBE, sn: n, ts: 77, data: new Uint8Array(n % 1_000) });
  }
  const answers = b.segments(0);
  assertEquals(answers.map(({ cmd, sn, ts }) => [cmd, sn, ts]), [[87, 999, 77]]);
  assertEquals(b.segments(1), []);
});

// --- peers that do not know pieces ---

Deno.test("foreign peer: a single segment in flight is cut anew, every byte arrives once", () => {
  for (const options of Object.values(MODES)) {
    for (const mtu of [1280, 576, 100]) {
      const path = new Path({ message: 1_376, ahead: 1, total: 100_000 }, options);
      path.forgetExtensions();
      path.network.at(90, () => path.shrink(mtu));
      path.finish();
      assert(path.a.kcp.pathMtu <= mtu);
    }
  }
});

Deno.test("foreign peer: on a path without loss, all that is in flight is cut anew", () => {
  for (const message of [0, 1_376]) {
    const path = new Path({ message, ahead: 1_000, total: 8_000_000 }, { ...turbo, sndWnd: 256 });
    path.forgetExtensions();
    path.network.at(1_000, () => path.shrink(1_280));
    path.finish();
    assert(path.a.kcp.pathMtu <= 1_280);
  }
});

Deno.test("foreign peer: nothing is cut behind a segment that may have arrived", () => {
  const options: KcpOptions = { nodelay: 1, interval: 10, nc: true };
  const a = opened(options);
  for (let n = 0; n < 3; n++) a.kcp.send(pattern(1_376, n));
  a.segments(0);
  // The second one arrived.
  a.input(50, { cmd: 82, sn: 1, ts: 0, una: 0, wnd: 128 });
  for (let now = 50; now < 60_000; now += 10) {
    for (const packet of a.packets(now)) {
      const [cmd, size] = [packet[4], packet.length];
      assert(cmd !== PIECE, "pieces for a peer that does not know them");
      if (cmd !== PUSH) continue;
      const view = new DataView(packet.buffer);
      const sn = view.getInt32(12, true);
      if (sn >= 0) assertEquals(size, 1_400, "a segment was cut");
      // It answers every packet that passes.
      else if (size <= 1_280) {
        a.input(now + 1, { cmd: 82, sn, ts: view.getUint32(8, true), una: 0, wnd: 128 });
      }
    }
  }
  assert(a.kcp.pathMtu <= 1_280);
  assertEquals(a.kcp.sndNxt, 3);
});

Deno.test("foreign peer: what vanishes is sent at long intervals", () => {
  const path = new Path({ message: 0, ahead: 0, total: 400_000 }, turbo);
  path.forgetExtensions();
  path.network.at(90, () => path.shrink(1_280));
  path.network.run(3_000);
  const before = path.there.stats.packets;
  const { inFlight, rto } = path.a.kcp.stats;
  path.network.run(63_000);
  const packets = path.there.stats.packets - before;
  // Each timeout of a segment makes the next one longer by half an RTO: n of them take n² RTO / 4.
  const times = Math.ceil(Math.sqrt(4 * 63_000 / rto));
  assert(
    packets <= times * inFlight + 200,
    `${packets} packets in a minute, ${inFlight} in flight`,
  );
  assertEquals(path.a.kcp.dead, null);
});

Deno.test("foreign peer: pieces are never sent to it", () => {
  for (const traffic of Object.values(TRAFFIC)) {
    const path = new Path(traffic, turbo);
    path.forgetExtensions();
    path.network.at(90, () => path.shrink(576));
    const { onTransmit } = path.network;
    path.network.onTransmit = (from, packet) => {
      onTransmit(from, packet);
      assert(packet[4] !== PIECE);
    };
    path.network.run(5_000);
  }
});

Deno.test("foreign peer: with extensions, it gets no command that it does not know", () => {
  for (const traffic of Object.values(TRAFFIC)) {
    for (const [at, mtu] of [[0, 576], [90, 1_280], [90, 576]]) {
      const path = new Path(traffic, { ...turbo, extensions: true }, {}, 1, turbo);
      const { onTransmit } = path.network;
      path.network.onTransmit = (from, packet) => {
        onTransmit(from, packet);
        if (from === path.a) assert(packet[4] <= WINS, `command ${packet[4]}`);
      };
      path.network.at(at, () => path.shrink(mtu));
      path.network.run(5_000);
      assert(at === 0 || path.a.kcp.pathMtu <= mtu, `pathMtu ${path.a.kcp.pathMtu}`);
    }
  }
});

Deno.test("path MTU: a peer that shows that it is of this library gets probes and pieces", () => {
  for (const traffic of Object.values(TRAFFIC)) {
    const path = new Path(traffic, { ...turbo, extensions: true });
    path.shrink(576);
    path.finish();
    assert(path.a.kcp.pathMtu <= 576);
  }
});

Deno.test("path MTU: until data is taken, a question does not share a packet with data sent again", () => {
  for (const ask of ["askWindow", "askEcho"] as const) {
    const a = opened(turbo);
    queue(a, 1);
    a.packets(0);
    a.kcp.tick(a.kcp.rto);
    a.kcp[ask]();
    const packets = a.packets(a.kcp.rto).map(decode);
    const asking = packets.filter((segments) =>
      segments.some(({ cmd, data }) => cmd === WASK || cmd === PUSH && data.length === 0)
    );
    assertEquals(asking.map(({ length }) => length), [1]);
  }
});

Deno.test("path MTU: all goes on after a time of loss in which no probe was answered", () => {
  for (let seed = 0; seed < 60; seed++) {
    const options = { ...turbo, sndWnd: 3 + seed % 4, extensions: seed % 2 === 0 };
    const path = new Path({ message: 0, ahead: 0, total: 20_000 }, options, { loss: 0.3 }, seed);
    const input = path.a.kcp.input.bind(path.a.kcp);
    path.a.kcp.input = (packet, now, recovered) =>
      now < 1_000 && packet[4] === PROBE_ANSWER ? false : input(packet, now, recovered);
    path.network.at(90, () => path.shrink(576));
    path.network.at(1_000, () => {
      for (const link of [path.there, path.back]) link.configure({ loss: 0 });
    });
    path.finish(20_000);
  }
});

Deno.test("path MTU: it is found behind a queue that drops the last packets of each burst", () => {
  for (const extensions of [true, false]) {
    for (const queuePackets of [10, 15, 30]) {
      const traffic = { message: 1_384, ahead: 64, total: 100_000 };
      const path = new Path(traffic, { ...turbo, extensions });
      path.there.configure({ bandwidth: 136_000, queuePackets, mtu: 1_200 });
      // The peer is heard, so that the first segment does not leave in pieces.
      path.b.kcp.send(pattern(10));
      path.a.input(0, { sn: 0, data: pattern(10) });
      path.finish(4_000);
    }
  }
});

Deno.test("path MTU: with small segments in large packets, the packets get smaller", () => {
  const path = new Path({ message: 100, ahead: 1_000, total: 400_000 }, turbo);
  path.network.at(90, () => path.shrink(576));
  path.finish();
  assert(path.rtos <= 3, `${path.rtos} RTO`);
  assertAlmostEquals(path.a.kcp.pathMtu, 570, 6);
});

Deno.test("path MTU: an idle machine sends nothing", () => {
  const path = new Path({ message: 0, ahead: 0, total: 100_000 }, { ...turbo, maxMtu: 9_000 });
  path.network.at(30, () => path.shrink(576));
  path.finish();
  path.network.run(path.network.now + 10_000);
  assertEquals([path.a.kcp.deadline, path.b.kcp.deadline], [Infinity, Infinity]);
  assertEquals(sent(path.a.segments(path.network.now + 100_000)), []);
});

Deno.test("path MTU: small segments that ride along in a large packet do not show that it arrived", () => {
  for (const rideAlong of [0, 1, 8]) {
    const a = new End({ ...turbo, copies: 0, rideAlong, extensions: true });
    const b = new End({ ...turbo, copies: 0, rideAlong, extensions: true });
    const random = new Random("ride-along");
    const there = new Link({ latency: 25 }, random.fork("there"));
    const back = new Link({ latency: 25 }, random.fork("back"));
    const network = new Network(a, b, there, back);
    let last = 0;
    let longest = 0;
    network.onStep = () => {
      for (let got; (got = b.recv());) {
        assert(got.length > 0);
        longest = Math.max(longest, network.now - last);
        last = network.now;
      }
    };
    for (let time = 0; time < 10_000; time += 20) {
      network.at(time, () => assert(a.kcp.send(pattern(time % 100 === 60 ? 1250 : 30))));
    }
    network.at(2_000, () => there.configure({ mtu: 1200 }));
    network.run(12_000);
    assert(longest < 500, `${longest} ms without a message, rideAlong ${rideAlong}`);
  }
});
