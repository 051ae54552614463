import { assert, assertEquals } from "@std/assert";
import { Random } from "../../../transport/link/random.ts";
import { Endpoint, type FecOptions, type Session } from "../../../transport/mod.ts";
import { CONV, encode, pattern } from "../../kcp/harness.ts";
import { drain } from "../harness.ts";
import { dataPacket, Outlet, parityPacket, readWire } from "./wire.ts";

const QUICK = { nodelay: 1, interval: 10, resend: 2, nc: true, sndWnd: 256, rcvWnd: 512 } as const;
const CLIENT = "10.0.0.2:7";
const SERVER = "10.0.0.1:80";
const FEC: FecOptions = { dataShards: 10, parityShards: 3 };
/** A session that does not know the ratio has learned it after this time in ms. */
const LEARNING = 1500;

/** Makes a forged packet. `live` is the number of the shard that the client sent last. */
type Forger = (live: number, random: Random) => Uint8Array;

const body = (random: Random) => random.fill(new Uint8Array(30 + random.below(500)));
const FORGERS: Record<string, Forger> = {
  "parity far ahead": (live, random) => parityPacket(live + 500 + random.below(9000), body(random)),
  "parity near the stream": (live, random) =>
    parityPacket(Math.max(0, live - 130 + random.below(260)), body(random)),
  "parity of another ratio": (live, random) =>
    parityPacket((Math.floor(live / 8) + random.below(8)) * 8 + 4 + random.below(4), body(random)),
  "data and parity from anywhere": (live, random) => {
    const seqid = random.chance(0.5) ? random.uint32() : Math.max(0, live - 50 + random.below(100));
    if (random.chance(0.3)) return parityPacket(seqid, body(random));
    const conv = CONV + 1 + random.below(9);
    return dataPacket(seqid, encode({ conv, sn: 0, data: pattern(100) }));
  },
};

/**
 * A client writes to a server for 4 s over a path that loses 10 % of its packets. Beside them, ten
 * times as many forged ones come from its address. Fails if the stream is damaged. Returns how many
 * packets were restored after the ratio was learned.
 */
function run(forger: Forger | null, fec: FecOptions | undefined, several: boolean): number {
  const a = new Outlet(new Endpoint({ ...QUICK, fec: FEC }));
  const b = new Outlet(new Endpoint({ ...QUICK, fec, backlog: 9 }, true));
  const session = a.machine.open(SERVER, CONV, 0);
  if (several) a.machine.open(SERVER, CONV + 100, 0).write(pattern(50));
  const loss = new Random("loss");
  const random = new Random("forger");
  const servers = new Map<number, Session>();
  const heard: number[] = [];
  const written: number[] = [];
  let live = 0;
  let learned = 0;
  for (let now = 0; now < 5000; now += 10) {
    for (let n = 0; n < 3 && now < 4000; n++) {
      const message = pattern(1200, now + n);
      if (session.send(message)) written.push(...message);
    }
    for (const { packet } of a.packets(now)) {
      const { type, seqid, segments } = readWire(packet);
      if (type === "parity" || segments.some(({ conv }) => conv === CONV)) live = seqid;
      for (let n = 0; n < 10 && forger; n++) b.machine.input(forger(live, random), now, CLIENT);
      if (!loss.chance(0.1)) b.machine.input(packet, now, CLIENT);
    }
    for (let one; (one = b.machine.accept());) servers.set(one.conv, one);
    for (const { to, packet } of b.packets(now)) {
      if (to === CLIENT) a.machine.input(packet, now, SERVER);
    }
    const server = servers.get(CONV);
    if (server) heard.push(...drain(server));
    if (now === LEARNING) learned = server!.stats.fec.recovered;
  }
  assert(heard.length > 300_000, `only ${heard.length} bytes arrived`);
  assertEquals(heard, written.slice(0, heard.length), "the stream");
  const { fec: stats, inputErrors } = servers.get(CONV)!.stats;
  assertEquals([inputErrors.ack, inputErrors.length], [0, 0], "a wrong packet was restored");
  assertEquals(stats.peerRatio, FEC);
  return stats.recovered - learned;
}

for (const [name, forger] of Object.entries(FORGERS)) {
  for (
    const [title, fec, several] of [
      ["a session with 10/3", FEC, false],
      ["a session without a ratio", undefined, false],
      ["a session with 4/2", { dataShards: 4, parityShards: 2 }, false],
      ["one of two sessions with an address", FEC, true],
    ] as const
  ) {
    Deno.test(`forged ${name}: ${title} restores 80 % of the packets`, () => {
      const alone = run(null, fec, several);
      const beside = run(forger, fec, several);
      assert(alone > 50, `${alone} packets were restored without forged ones`);
      assert(beside >= 0.8 * alone, `${beside} of ${alone} packets were restored`);
    });
  }
}
