/** Packets of kcp-go's clients and servers, fed to endpoints that take the place of the other side. */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { type CipherName, createCipher } from "../../crypt/mod.ts";
import { PacketBatch, turbo } from "../../kcp/mod.ts";
import { Endpoint, type EndpointOptions, type Session } from "../../transport/mod.ts";
import { Random } from "../../transport/link/random.ts";
import { pattern } from "./pattern.ts";
import {
  type ExchangeRecording,
  fromBase64,
  fromHex,
  readVectors,
  type RecordedPacket,
  sha256,
} from "./vectors.ts";

const PEER = "10.0.0.1:1000";
const DATA = 0xf1;
const PARITY = 0xf2;

/** What is done to the packets before they are fed. */
type Network = (packets: RecordedPacket[]) => RecordedPacket[];

const recordings = readVectors("exchange.json");

function optionsOf({ cipher, key, data, parity }: ExchangeRecording): EndpointOptions {
  const random = new Random("nonces");
  return {
    ...turbo,
    sndWnd: 1024,
    rcvWnd: 1024,
    ...(data > 0 ? { fec: { dataShards: data, parityShards: parity } } : {}),
    ...(cipher ? { crypt: createCipher(cipher as CipherName, fromHex(key)) } : {}),
    entropy: (target) => random.fill(target),
  };
}

/** An endpoint of which everything that it sends is lost: the recording answers already. */
class Side {
  readonly endpoint: Endpoint;
  readonly #batch: PacketBatch;
  readonly #pieces: Uint8Array[] = [];

  constructor(options: EndpointOptions, accepts: boolean) {
    this.endpoint = new Endpoint(options, accepts);
    this.#batch = new PacketBatch({ arena: this.endpoint.arena });
  }

  /** The packets as they were sent, at the time at which they were. */
  feed(packets: RecordedPacket[], each: (now: number) => void): void {
    for (const { at, bytes } of packets) {
      this.endpoint.input(fromBase64(bytes), at, PEER);
      each(at);
      this.send(at);
    }
  }

  send(now: number): void {
    const batch = this.#batch;
    this.endpoint.tick(now);
    for (batch.clear(); this.endpoint.output(batch) > 0; batch.clear());
  }

  /** Reads what can be read, and gives all that was read so far. */
  read(session: Session): Uint8Array<ArrayBuffer> {
    const buffer = new Uint8Array(65_536);
    for (let count; (count = session.read(buffer)) > 0;) this.#pieces.push(buffer.slice(0, count));
    const size = this.#pieces.reduce((sum, { length }) => sum + length, 0);
    const all = new Uint8Array(size);
    let at = 0;
    for (const piece of this.#pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }
}

/** The client's packets go to a server of ours, which answers as kcp-go's did. */
function serve(recording: ExchangeRecording, network: Network): { side: Side; session: Session } {
  const side = new Side(optionsOf(recording), true);
  const total = recording.writes.reduce((sum, length) => sum + length);
  let session: Session | null = null;
  let answered = false;
  side.feed(network(recording.packets.filter(({ from }) => from === "client")), () => {
    session ??= side.endpoint.accept();
    if (!session || answered) return;
    const received = side.read(session);
    if (received.length < total) return;
    answered = true;
    assertEquals(session.write(received), total, "The send queue has room for the answer");
  });
  assert(session, "The first packets opened a session");
  return { side, session };
}

/** The server's packets go to a client of ours, which has sent the same segments as kcp-go's. */
function dial(recording: ExchangeRecording, network: Network): { side: Side; session: Session } {
  const side = new Side(optionsOf(recording), false);
  const session = side.endpoint.open(PEER, recording.conv, 0);
  const total = recording.writes.reduce((sum, length) => sum + length);
  const bytes = pattern(recording.seed, total);
  const { mss } = session.kcp;
  let at = 0;
  for (const length of recording.writes) {
    // A kcp-go session that is no stream gives each write segments of its own.
    for (const end = at + length; at < end;) {
      const size = Math.min(mss, end - at);
      assert(session.send(bytes.subarray(at, at + size)), "The send queue has room for everything");
      at += size;
    }
  }
  side.send(0);
  side.feed(network(recording.packets.filter(({ from }) => from === "server")), () => {
    side.read(session);
  });
  return { side, session };
}

const asSent: Network = (packets) => packets;
const twice: Network = (packets) => packets.flatMap((packet) => [packet, packet]);

/** Groups that arrive whole: until the ratio is known, nothing is restored. */
const LESSON = 1;

/** Loses the `place`th data shard of every group, after the first ones, of which parity was sent. */
function without(recording: ExchangeRecording, place: number): Network {
  const { data, parity } = recording;
  return (packets) => {
    const shards = packets.map((packet) => ({ packet, ...shardOf(recording, packet) }));
    const groups = new Map<number, number>();
    for (const { type, seqid } of shards) {
      const group = Math.floor(seqid / (data + parity));
      if (type === PARITY) groups.set(group, (groups.get(group) ?? 0) + 1);
    }
    return shards.filter(({ type, seqid }) => {
      const group = Math.floor(seqid / (data + parity));
      // With one data shard, a group that lost it says nothing of where groups begin.
      const spared = data === 1 ? group % 3 < 2 : group < LESSON;
      const protects = !spared && groups.has(group);
      return !(type === DATA && protects && seqid % (data + parity) === place % data);
    }).map(({ packet }) => packet);
  };
}

function shardOf(recording: ExchangeRecording, packet: RecordedPacket) {
  const bytes = fromBase64(packet.bytes);
  let start = 0;
  if (recording.cipher) {
    const cipher = createCipher(recording.cipher as CipherName, fromHex(recording.key));
    assert(cipher.open(bytes, 0, bytes.length));
    start = cipher.headroom;
  }
  const view = new DataView(bytes.buffer, start);
  return { seqid: view.getUint32(0, true), type: view.getUint16(4, true) };
}

async function check(
  recording: ExchangeRecording,
  { side, session }: { side: Side; session: Session },
): Promise<void> {
  const bytes = side.read(session);
  assertEquals(bytes.length, recording.writes.reduce((sum, length) => sum + length));
  assertEquals(await sha256(bytes), recording.sha256);
  assertEquals(session.conv, recording.conv);
  const { forged, invalid, unknown, refused } = side.endpoint.stats;
  assertEquals({ forged, invalid, unknown, refused }, {
    forged: 0,
    invalid: 0,
    unknown: 0,
    refused: 0,
  });
  assert(session.kcp.drained, "What kcp-go acknowledged is acknowledged");
}

for (const recording of recordings) {
  const { name, data, parity, cipher } = recording;
  const title = `vectors: exchange ${name.trim()}`;

  for (const [side, run] of [["server", serve], ["client", dial]] as const) {
    Deno.test(`${title}: our ${side} reads what kcp-go sent`, async () => {
      const ran = run(recording, asSent);
      await check(recording, ran);
      const { fec } = ran.session.stats;
      assertEquals(fec.recovered, 0);
      assertEquals(
        fec.peerRatio,
        data > 0 ? { dataShards: data, parityShards: parity } : null,
      );
    });

    Deno.test(`${title}: our ${side} reads it once when every packet comes twice`, async () => {
      const ran = run(recording, twice);
      await check(recording, ran);
      const authenticates = cipher.includes("gcm") || cipher.includes("poly1305");
      const { packetsIn, replayed } = ran.side.endpoint.stats;
      assertEquals(replayed, authenticates ? packetsIn / 2 : 0);
    });

    if (data === 0) continue;
    for (let place = 0; place < data; place++) {
      Deno.test(`${title}: our ${side} restores data shard ${place} of each group once it knows the ratio`, async () => {
        const network = without(recording, place);
        const ran = run(recording, network);
        await check(recording, ran);
        const packets = recording.packets.filter(({ from }) =>
          (from === "client") === (side === "server")
        );
        const lost = packets.length - network(packets).length;
        assertGreater(lost, 0);
        assertEquals(ran.session.stats.fec.recovered, lost);
      });
    }
  }
}
