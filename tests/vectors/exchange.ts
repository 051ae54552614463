/**
 * Recorded packets of kcp-go's clients and servers are given to endpoints, which replace the other
 * side. It runs on every runtime.
 *
 * @module
 */
import { type CipherName, createCipher } from "../../crypt/mod.ts";
import { PacketBatch, turbo } from "../../kcp/mod.ts";
import { Random } from "../../transport/link/random.ts";
import { Endpoint, type EndpointOptions, type Session } from "../../transport/mod.ts";
import { fromBase64, fromHex, joined, sha256 } from "./bytes.ts";
import { pattern } from "./pattern.ts";
import type { ExchangeRecording, RecordedPacket } from "./vectors.ts";

const PEER = "10.0.0.1:1000";
const DATA = 0xf1;
const PARITY = 0xf2;
/** Bytes before the KCP packet of a data shard: sequence number, type and size. */
const SHARD_HEADER = 8;
/** Offset of `ts` in a segment. */
const TS = 8;

/** Changes the list of packets, as a network does. */
export type Network = (packets: RecordedPacket[]) => RecordedPacket[];

function optionsOf({ cipher, key, data, parity }: ExchangeRecording): EndpointOptions {
  const random = new Random("nonces");
  return {
    initialTs: 0,
    ...turbo,
    sndWnd: 1024,
    rcvWnd: 1024,
    ...(data > 0 ? { fec: { dataShards: data, parityShards: parity } } : {}),
    ...(cipher ? { crypt: createCipher(cipher as CipherName, fromHex(key)) } : {}),
    entropy: (target) => random.fill(target),
  };
}

/** An endpoint whose packets are all dropped, because the recording has the answers. */
export class Side {
  readonly endpoint: Endpoint;
  readonly #batch: PacketBatch;
  readonly #pieces: Uint8Array[] = [];
  /** The clock of the endpoint at time 0 of the recording, in ms. */
  readonly start: number;

  constructor(recording: ExchangeRecording, accepts: boolean) {
    this.start = clockOf(recording);
    this.endpoint = new Endpoint(optionsOf(recording), accepts);
    this.#batch = new PacketBatch({ arena: this.endpoint.arena });
  }

  /** Gives packets to the endpoint at their recorded times. Calls `each` after each packet. */
  feed(packets: RecordedPacket[], each: () => void): void {
    for (const { at, bytes } of packets) {
      this.endpoint.input(fromBase64(bytes), this.start + at, PEER);
      each();
      this.send(this.start + at);
    }
  }

  send(now: number): void {
    const batch = this.#batch;
    this.endpoint.tick(now);
    for (batch.clear(); this.endpoint.output(batch) > 0; batch.clear());
  }

  /** Reads all available bytes. Returns all bytes that were read so far. */
  read(session: Session): Uint8Array<ArrayBuffer> {
    const buffer = new Uint8Array(65_536);
    for (let count; (count = session.read(buffer)) > 0;) this.#pieces.push(buffer.slice(0, count));
    return joined(this.#pieces);
  }
}

/** What has run on a recording. */
export interface Ran {
  readonly side: Side;
  readonly session: Session;
}

/** Gives the client's packets to our server, which answers as kcp-go's server did. */
export function serve(recording: ExchangeRecording, network: Network): Ran {
  const side = new Side(recording, true);
  const total = recording.writes.reduce((sum, length) => sum + length);
  let session: Session | null = null;
  let answered = false;
  side.feed(network(recording.packets.filter(({ from }) => from === "client")), () => {
    session ??= side.endpoint.accept();
    if (!session || answered) return;
    const received = side.read(session);
    if (received.length < total) return;
    answered = true;
    assert(session.write(received) === total, "The send queue has no room for the answer");
  });
  assert(session, "The first packets opened no session");
  return { side, session };
}

/**
 * Gives the server's packets to our client, which has sent the same segments as kcp-go's client.
 */
export function dial(recording: ExchangeRecording, network: Network): Ran {
  const side = new Side(recording, false);
  const session = side.endpoint.open(PEER, recording.conv, side.start);
  const total = recording.writes.reduce((sum, length) => sum + length);
  const bytes = pattern(recording.seed, total);
  const { mss } = session.kcp;
  let at = 0;
  for (const length of recording.writes) {
    // A kcp-go session in message mode does not put two writes into one segment.
    for (const end = at + length; at < end;) {
      const size = Math.min(mss, end - at);
      assert(
        session.send(bytes.subarray(at, at + size)),
        "The send queue has no room for everything",
      );
      at += size;
    }
  }
  side.send(side.start);
  side.feed(network(recording.packets.filter(({ from }) => from === "server")), () => {
    side.read(session);
  });
  return { side, session };
}

/** Every packet arrives once. */
export const asSent: Network = (packets) => packets;
/** Every packet arrives twice. */
export const twice: Network = (packets) => packets.flatMap((packet) => [packet, packet]);

/** Groups without losses at the start: nothing is restored until the ratio is known. */
const COMPLETE_GROUPS = 1;

/** Drops data shard `place` of every group that has parity, except for the first groups. */
export function without(recording: ExchangeRecording, place: number): Network {
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
      // With one data shard, a group without it does not show where groups begin.
      const complete = data === 1 ? group % 3 < 2 : group < COMPLETE_GROUPS;
      const protects = !complete && groups.has(group);
      return !(type === DATA && protects && seqid % (data + parity) === place % data);
    }).map(({ packet }) => packet);
  };
}

function shardOf(recording: ExchangeRecording, packet: RecordedPacket) {
  const view = decrypt(recording, packet);
  return { seqid: view.getUint32(0, true), type: view.getUint16(4, true) };
}

/**
 * The clock of the recorded process at time 0 of the recording, in ms. Both ends shared it.
 *
 * An endpoint takes acknowledgments only after one that echoes a `ts` of its own. So it needs the
 * clock of the end that it replaces.
 */
function clockOf(recording: ExchangeRecording): number {
  const { data, packets } = recording;
  const kcp = packets.filter((packet) => data === 0 || shardOf(recording, packet).type === DATA);
  const header = data === 0 ? 0 : SHARD_HEADER;
  // A packet is recorded a moment after it got its `ts`.
  return Math.max(
    ...kcp.map((packet) => decrypt(recording, packet).getUint32(header + TS, true) - packet.at),
  );
}

function decrypt({ cipher, key }: ExchangeRecording, packet: RecordedPacket): DataView {
  const bytes = fromBase64(packet.bytes);
  if (!cipher) return new DataView(bytes.buffer);
  const opener = createCipher(cipher as CipherName, fromHex(key));
  assert(opener.open(bytes, 0, bytes.length), "A recorded packet can't be decrypted");
  return new DataView(bytes.buffer, opener.headroom);
}

/**
 * Throws unless a session has read all bytes, whole and without a bad packet, and kcp-go has
 * acknowledged all of its own.
 */
export async function check(recording: ExchangeRecording, { side, session }: Ran): Promise<void> {
  const bytes = side.read(session);
  const total = recording.writes.reduce((sum, length) => sum + length);
  assert(bytes.length === total, `${bytes.length} of ${total} bytes were read`);
  assert(await sha256(bytes) === recording.sha256, "The SHA-256 of what was read is wrong");
  assert(session.conv === recording.conv, `The session has the id ${session.conv}`);
  const { forged, invalid, unknown, refused } = side.endpoint.stats;
  const bad = forged + invalid + unknown + refused;
  assert(bad === 0, `Bad packets: ${JSON.stringify({ forged, invalid, unknown, refused })}`);
  assert(session.kcp.drained, "Some data is not acknowledged, but kcp-go acknowledged all");
}

function assert(holds: unknown, message: string): asserts holds {
  if (!holds) throw new Error(message);
}
