import { assert, assertEquals } from "@std/assert";
import { AdaptiveParity } from "../../../fec/adaptive_parity.ts";
import { FecEncoder } from "../../../fec/encoder.ts";
import {
  ARRIVED,
  type Guard,
  LOST,
  type Outcome,
  OVERTAKEN,
  UNKNOWN,
} from "../../../fec/loss_estimate.ts";
import {
  CONTROL,
  DATA,
  kindOf,
  OTHER,
  PacketFates,
} from "../../../transport/session/packet_fates.ts";
import { encode } from "../../kcp/harness.ts";

/** Notes what {@linkcode PacketFates} tells. */
class Notes extends AdaptiveParity {
  readonly fates: Outcome[] = [];
  readonly behind: [outcome: Outcome, between: number][] = [];

  constructor() {
    super(new FecEncoder({ dataShards: 2, parityShards: 1 }), true);
  }

  override addFate(outcome: Outcome, _guard: Guard | null): void {
    this.fates.push(outcome);
  }

  override addBehindLoss(outcome: Outcome, between: number, _guard: Guard | null): void {
    this.behind.push([outcome, between]);
  }
}

const RTT = 100;
const ACK = 82;
const PUSH = 81;

/** A sender whose packets have one segment each. */
class Sender {
  readonly firstSn: number;
  readonly notes = new Notes();
  readonly fates = new PacketFates(this.notes);

  constructor(firstSn = 0) {
    this.firstSn = firstSn;
  }

  send(now: number, ...sns: number[]): void {
    for (const sn of sns) this.sendPacket(now, sn);
  }

  /** Sends one packet with these segments. */
  sendPacket(now: number, ...sns: number[]): boolean {
    const segments = sns.map((sn) =>
      encode({ cmd: PUSH, ts: now, sn: this.firstSn + sn, data: new Uint8Array(1) })
    );
    const packet = new Uint8Array(segments.flatMap((segment) => [...segment]));
    const view = new DataView(packet.buffer);
    const news = this.fates.hasNews(view, 0, packet.length);
    this.fates.note(view, 0, packet.length, now);
    return news;
  }

  /** Takes acknowledgments, as pairs of sn and ts. */
  read(now: number, una: number, ...acks: [sn: number, ts: number][]): void {
    const header = { una: this.firstSn + una };
    const list: [sn: number, ts: number][] = acks.length > 0 ? acks : [[0, 0]];
    const segments = list.map(([sn, ts]) =>
      encode({ ...header, cmd: acks.length > 0 ? ACK : 84, sn: this.firstSn + sn, ts })
    );
    const packet = new Uint8Array(segments.flatMap((segment) => [...segment]));
    this.fates.read(new DataView(packet.buffer), 0, packet.length, now, RTT);
  }
}

for (const firstSn of [0, 0x7ffffffe, 0xfffffffe]) {
  Deno.test(`packet fates: packets that come in order have arrived, from sn ${firstSn} on`, () => {
    const sender = new Sender(firstSn);
    for (let sn = 0; sn < 300; sn++) sender.send(sn, sn);
    sender.read(400, 1, [0, 0]);
    assertEquals(sender.notes.fates, [ARRIVED]);
    sender.read(401, 300);
    assertEquals(sender.notes.fates, Array(300).fill(ARRIVED));
    assertEquals(sender.notes.behind, []);
  });
}

Deno.test("packet fates: one that a retransmission replaces is lost", () => {
  const sender = new Sender();
  sender.send(0, 0, 1, 2);
  sender.read(100, 1, [0, 0]);
  sender.read(101, 1, [2, 0]);
  sender.send(120, 1);
  sender.read(220, 3, [1, 120]);
  assertEquals(sender.notes.fates, [ARRIVED, LOST]);
  assertEquals(sender.notes.behind, [[ARRIVED, 0]]);
});

Deno.test("packet fates: `una` alone shows what a retransmission repairs, and what it can't", () => {
  for (const [now, expected] of [[220, LOST], [150, OVERTAKEN]] as const) {
    const sender = new Sender();
    sender.send(0, 0, 1, 2);
    sender.read(101, 0, [2, 0]);
    sender.send(120, 0);
    sender.read(now, 3);
    assertEquals(sender.notes.fates, [expected], `acknowledged at ${now} ms`);
    assertEquals(sender.notes.behind, [[UNKNOWN, 0], [ARRIVED, 1]]);
  }
});

Deno.test("packet fates: one that comes after later ones without a retransmission is overtaken", () => {
  const sender = new Sender();
  sender.send(0, 0, 1, 2, 3);
  sender.read(100, 0, [1, 0]);
  sender.read(110, 2, [0, 0]);
  sender.read(111, 4);
  assertEquals(sender.notes.fates, [OVERTAKEN, ARRIVED, ARRIVED]);
  assertEquals(sender.notes.behind, [[ARRIVED, 0]]);
});

Deno.test("packet fates: nothing that is missing after a missing one is counted as lost", () => {
  const sender = new Sender();
  sender.send(0, 0, 1, 2, 3, 4, 5);
  sender.read(100, 0, [1, 0], [4, 0]);
  sender.read(110, 2);
  sender.read(120, 5);
  sender.read(130, 6);
  assertEquals(sender.notes.fates, [OVERTAKEN, ARRIVED]);
  assertEquals(sender.notes.behind, [[ARRIVED, 0], [UNKNOWN, 1], [UNKNOWN, 2], [ARRIVED, 3]]);
});

Deno.test("packet fates: a packet counts once, whatever the number of its segments", () => {
  const sender = new Sender();
  assert(sender.sendPacket(0, 0, 1, 2));
  assert(sender.sendPacket(1, 2, 3), "it has a new segment");
  assert(!sender.sendPacket(2, 3, 1), "it has none");
  sender.read(100, 4);
  assertEquals(sender.notes.fates, [ARRIVED, ARRIVED]);
});

Deno.test("packet fates: acknowledgments of what was not sent change nothing", () => {
  const sender = new Sender();
  sender.read(0, 7, [6, 0]);
  sender.send(0, 0, 1);
  sender.read(100, 50, [49, 0]);
  sender.read(100, 0, [49, 0], [-5, 0]);
  assertEquals(sender.notes.fates, []);
  sender.read(101, 2);
  assertEquals(sender.notes.fates, [ARRIVED, ARRIVED]);
});

Deno.test("packet fates: a flight of any size needs bounded memory", () => {
  const sender = new Sender();
  for (let sn = 0; sn < 30_000; sn++) sender.send(0, sn);
  sender.read(100, 30_000);
  assert(sender.notes.fates.length >= 30_000);
  sender.send(200, 30_000);
  sender.read(300, 30_001);
  assertEquals(sender.notes.fates.at(-1), ARRIVED);
});

Deno.test("packet fates: the kind of a packet", () => {
  const kinds = (...cmds: number[]) => {
    const packet = new Uint8Array(cmds.flatMap((cmd) => [...encode({ cmd })]));
    return kindOf(new DataView(packet.buffer), 0, packet.length);
  };
  assertEquals([kinds(82), kinds(82, 84), kinds(83)], [CONTROL, CONTROL, CONTROL]);
  assertEquals([kinds(81), kinds(82, 81), kinds(84, 81)], [DATA, DATA, DATA]);
  assertEquals([kinds(86), kinds(85)], [OTHER, OTHER]);
});

Deno.test("packet fates: an `una` that is half of all numbers away tells nothing, at once", () => {
  const sender = new Sender();
  sender.send(0, 0);
  const started = performance.now();
  for (const far of [2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 31 + 2]) sender.read(100, far);
  assertEquals(sender.notes.fates, []);
  assert(performance.now() - started < 1000, "it does not go through all numbers");
  sender.read(101, 1);
  assertEquals(sender.notes.fates, [ARRIVED]);
});
