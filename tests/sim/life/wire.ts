/**
 * Packets as strangers see and make them: what a packet is by its first bytes, and forged ones.
 *
 * @module
 */
import type { Random } from "../../../transport/link/random.ts";
import { encode } from "../../kcp/harness.ts";

const DATA = 0xf1;
const PARITY = 0xf2;
const OUT_OF_BAND = 0xf3;
const WASK = 83;
const RESET = 88;
/** `frg` of a window probe of an end that opens the conversation. */
const OPENING = 0xe1;

/** The conversation of a packet that is not encrypted; -1 for a parity shard and for what is too short. */
export function convOf(packet: Uint8Array): number {
  if (packet.length < 12) return -1;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const type = view.getUint16(4, true);
  if (type === PARITY) return -1;
  return view.getUint32(type === DATA || type === OUT_OF_BAND ? 8 : 0, true);
}

/** Whether a packet that is not encrypted is an out-of-band one or a parity shard. */
export function isAside(packet: Uint8Array): boolean {
  return packet.length >= 6 && (packet[4] === PARITY || packet[4] === OUT_OF_BAND) &&
    packet[5] === 0;
}

/** Whether a packet that is not encrypted is a reset. */
export function isReset(packet: Uint8Array): boolean {
  return packet.length >= 24 && packet[4] === RESET;
}

/** The number and type of a shard; null for a packet without the header of error correction. */
export function shardOf(packet: Uint8Array): { seqid: number; parity: boolean } | null {
  if (packet.length < 8) return null;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const type = view.getUint16(4, true);
  if (type !== DATA && type !== PARITY) return null;
  return { seqid: view.getUint32(0, true), parity: type === PARITY };
}

/** A packet that looks like the first one of a client. */
export function firstPacket(random: Random): Uint8Array {
  const data = random.fill(new Uint8Array(1 + random.below(100)));
  return encode({ conv: random.uint32(), sn: 0, wnd: 32, data });
}

/** A packet that looks like a later one of a new client, as after a loss. */
export function earlyPacket(random: Random): Uint8Array {
  const data = random.fill(new Uint8Array(1 + random.below(1300)));
  return encode({ conv: random.uint32(), sn: 1 + random.below(127), wnd: 128, data });
}

/** A shard of error correction that nobody sent. */
export function parityPacket(random: Random, seqid: number, size: number): Uint8Array {
  const packet = random.fill(new Uint8Array(6 + size));
  const view = new DataView(packet.buffer);
  view.setUint32(0, seqid, true);
  view.setUint16(4, PARITY, true);
  return packet;
}

/** Bytes that mean nothing. */
export function garbage(random: Random): Uint8Array {
  return random.fill(new Uint8Array(random.below(200)));
}

/** A question whether a conversation may be opened, as a client sends it that has no data yet. */
export function questionPacket(random: Random): Uint8Array {
  return encode({ conv: random.uint32(), cmd: WASK, frg: OPENING, ts: random.uint32(), wnd: 256 });
}

/** A reset that nobody sent: whoever made it has not seen the packets of the conversation. */
export function resetPacket(random: Random, conv: number): Uint8Array {
  const sn = random.chance(0.5) ? 0 : random.below(300);
  return encode({ conv, cmd: RESET, frg: random.below(5), sn, ts: random.uint32() });
}

/** Whether a packet that is not encrypted can be quoted by a reset: it has data, or asks or answers. */
export function isQuotable(packet: Uint8Array): boolean {
  if (packet.length < 24 || isAside(packet)) return false;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  for (let at = shardOf(packet) ? 8 : 0; at + 24 <= packet.length;) {
    if ([81, WASK, 84, 85].includes(view.getUint8(at + 4))) return true;
    at += 24 + view.getUint32(at + 20, true);
  }
  return false;
}

const COMMANDS = ["PUSH", "ACK", "WASK", "WINS", "PIECE", "PROBE", "PROBE_ANSWER", "RESET", "SACK"];

/** A packet that is not encrypted, in words. */
export function describePacket(packet: Uint8Array): string {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const shard = shardOf(packet);
  if (shard?.parity) return `parity ${shard.seqid}`;
  if (isAside(packet)) return `datagram of ${packet.length - 12} bytes`;
  const words: string[] = shard ? [`shard ${shard.seqid}:`] : [];
  for (let at = shard ? 8 : 0; at + 24 <= packet.length;) {
    const length = view.getUint32(at + 20, true);
    const command = COMMANDS[view.getUint8(at + 4) - 81] ?? "?";
    words.push(
      `${command} sn ${view.getUint32(at + 12, true)} una ${view.getUint32(at + 16, true)} wnd ${
        view.getUint16(at + 6, true)
      } len ${length} |`,
    );
    at += 24 + length;
  }
  return words.join(" ");
}
