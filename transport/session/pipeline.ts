import { AdaptiveParity } from "../../fec/adaptive_parity.ts";
import { FecDecoder, type FecDecoderStats } from "../../fec/decoder.ts";
import { FecEncoder, type FecEncoderStats } from "../../fec/encoder.ts";
import {
  DATA_HEADER,
  FEC_HEADER,
  OOB_HEADER,
  OOB_SEQID,
  packetType,
  SIZE,
  TYPE,
  TYPE_DATA,
  TYPE_INVALID,
  TYPE_OOB,
  TYPE_PARITY,
} from "../../fec/header.ts";
import { checkRatio, type FecRatio } from "../../fec/ratio.ts";
import type { Kcp } from "../../kcp/kcp.ts";
import type { PacketBatch, PacketLayer } from "../../kcp/packet_batch.ts";
import { CMD, CMD_PUSH, CMD_WINS, CONV, LEN, OVERHEAD } from "../../kcp/segment.ts";
import type { PacketProtection } from "./packet_protection.ts";

/** Error correction of what is sent: a ratio of data to parity shards. */
export interface FecOptions extends FecRatio {
  /**
   * Whether only as much parity is sent as the losses call for, from none to
   * {@linkcode FecOptions.parityShards}. Off unless given.
   */
  readonly adaptive?: boolean;
}

/** What `"auto"` means: small groups, so that parity comes soon, and as much parity as data at most. */
export const AUTO: FecOptions = Object.freeze({ dataShards: 5, parityShards: 5, adaptive: true });

/** What was counted of error correction. */
export interface FecStats extends FecEncoderStats, FecDecoderStats {
  /** The peer's ratio as far as it is known; null if the peer sends none. */
  peerRatio: FecRatio | null;
  /** Parity shards that each group gets at the moment. */
  parityLevel: number;
}

/** What was counted of datagrams. */
export interface DatagramStats {
  /** Datagrams given out. */
  sent: number;
  /** Datagrams that arrived. */
  received: number;
  /** Datagrams that were dropped because nobody read them, or because too many waited to leave. */
  dropped: number;
}

/** Datagrams that wait to be read, and to leave, at most. */
const MAX_DATAGRAMS = 256;
/** Bytes of datagrams that wait to be read, at most. */
const MAX_DATAGRAM_BYTES = 1 << 20;

/** A receive window of packets is one of so many bytes each, at least. */
const USUAL_PACKET = 1500;

/** What became of a packet. */
export const INVALID = 0;
/** It was valid, and the KCP machine may have changed. */
export const VALID = 1;
/** It was valid, and was not for the KCP machine. */
export const VALID_OTHER = 2;

/** Checks the `fec` setting, and gives the plain form of it. */
export function resolveFec(fec: FecOptions | "auto" | undefined): FecOptions | null {
  if (fec === undefined) return null;
  if (fec === "auto") return AUTO;
  if (typeof fec !== "object" || fec === null) {
    throw new TypeError(
      `Cannot set fec to ${String(fec)}: it must be "auto" or { dataShards, parityShards }`,
    );
  }
  const { adaptive = false } = fec;
  if (typeof adaptive !== "boolean") {
    throw new TypeError(`Cannot set fec.adaptive to ${String(adaptive)}: it must be a boolean`);
  }
  return Object.freeze({ ...checkRatio(fec, "fec."), adaptive });
}

/** Bytes that each packet has more than KCP's. */
export function overheadOf(protection: PacketProtection | null, fec: FecOptions | null): number {
  const { headroom, tailroom } = protection ?? NO_PROTECTION;
  return headroom + tailroom + (fec ? DATA_HEADER : 0);
}

const NO_PROTECTION = { headroom: 0, tailroom: 0 };

/**
 * What lies between a KCP machine and the network, for one session: error correction, datagrams beside the
 * stream, and encryption on the way out. (On the way in a packet is decrypted before its session is known.)
 */
export class Pipeline implements PacketLayer {
  readonly headroom: number;
  readonly tailroom: number;
  /** Bytes that each packet has more than KCP's. */
  readonly overhead: number;
  /** Whether there is nothing to do but to pass packets on. */
  readonly #plain: boolean;
  readonly #kcp: Kcp;
  readonly #protection: PacketProtection | null;
  readonly #front: number;
  readonly #encoder: FecEncoder | null;
  readonly #adaptive: AdaptiveParity | null;
  #decoder: FecDecoder | null = null;
  readonly #guess: FecRatio | undefined;
  #now = -Infinity;
  /** Datagrams that wait to leave, and that wait to be read. */
  readonly #outgoing: Uint8Array[] = [];
  readonly #incoming: Uint8Array<ArrayBuffer>[] = [];
  #incomingBytes = 0;
  readonly #datagrams: DatagramStats = { sent: 0, received: 0, dropped: 0 };

  constructor(kcp: Kcp, protection: PacketProtection | null, fec: FecOptions | null) {
    this.#kcp = kcp;
    this.#protection = protection;
    const { headroom, tailroom } = protection ?? NO_PROTECTION;
    this.#front = headroom;
    this.tailroom = tailroom;
    this.overhead = overheadOf(protection, fec);
    this.headroom = this.overhead - tailroom;
    this.#plain = !protection && !fec;
    this.#encoder = fec ? new FecEncoder(fec) : null;
    this.#adaptive = fec?.adaptive ? new AdaptiveParity(fec) : null;
    this.#guess = fec ?? undefined;
  }

  // --- out ---

  /** Whether packets wait that are not the KCP machine's, and may leave some time. */
  get waiting(): boolean {
    if (this.pending) return true;
    const [first] = this.#outgoing;
    return first !== undefined && this.#wireSize(first) <= this.#kcp.sndLimit;
  }

  /** When what waits may leave. */
  get readyAt(): number {
    return this.pending ? this.#now : Math.max(this.#now, this.#kcp.readyAt());
  }

  /** Whether parity must leave before the next packet. */
  get pending(): boolean {
    return this.#encoder !== null && this.#encoder.pending > 0;
  }

  /** Appends what is due to a batch, and returns the number of packets. */
  output(batch: PacketBatch, now: number): number {
    this.#now = now;
    const before = batch.count;
    try {
      this.#fill(batch);
      // All at once: some ciphers are faster with several packets at a time.
      this.#protection?.seal(batch, before);
    } catch (error) {
      // What is not sealed must not leave.
      batch.cut(before);
      throw error;
    }
    return batch.count - before;
  }

  #fill(batch: PacketBatch): void {
    this.#flushParity(batch);
    this.#flushDatagrams(batch);
    if (this.pending) return;
    if (this.#plain) {
      this.#kcp.output(batch);
      return;
    }
    const { mtu } = this.#kcp.options;
    if (batch.largest < mtu + this.overhead) {
      throw new RangeError(
        `Cannot fill a batch whose largest packet is ${batch.largest} bytes: the MTU is ${
          mtu + this.overhead
        }`,
      );
    }
    batch.layer = this;
    try {
      this.#kcp.output(batch);
    } finally {
      batch.layer = null;
    }
  }

  /** {@linkcode PacketLayer.complete}. */
  complete(batch: PacketBatch, start: number, end: number): void {
    const encoder = this.#encoder;
    if (encoder) {
      if (this.#adaptive && encoder.atGroupStart) {
        const { acknowledged, lost } = this.#kcp;
        encoder.parityLimit = this.#adaptive.next(acknowledged, lost);
      }
      encoder.seal(batch.arena, start + this.#front, end - this.tailroom, this.#now);
    }
    // The machine counts its segments only.
    this.#kcp.sndLimit -= this.overhead;
    batch.append(end);
    this.#kcp.charge(this.overhead);
    if (encoder) this.#flushParity(batch);
  }

  #flushParity(batch: PacketBatch): void {
    const encoder = this.#encoder;
    while (encoder && encoder.pending > 0) {
      const size = this.#front + encoder.paritySize + this.tailroom;
      if (size > this.#kcp.sndLimit) {
        encoder.skipParity();
        return;
      }
      const start = batch.place(size);
      if (start < 0) return;
      const end = encoder.takeParity(batch.arena, start + this.#front) + this.tailroom;
      batch.append(end);
      this.#kcp.sndLimit -= size;
      this.#kcp.charge(size);
    }
  }

  #flushDatagrams(batch: PacketBatch): void {
    const outgoing = this.#outgoing;
    const kcp = this.#kcp;
    let sent = 0;
    while (sent < outgoing.length && kcp.readyAt() <= this.#now) {
      const payload = outgoing[sent];
      const size = this.#wireSize(payload);
      if (size > kcp.sndLimit) break;
      const start = batch.place(size);
      if (start < 0) break;
      const { bytes, view } = batch.arena;
      const at = start + this.#front;
      view.setUint32(at, OOB_SEQID, true);
      view.setUint16(at + TYPE, TYPE_OOB, true);
      view.setUint16(at + SIZE, OOB_HEADER - FEC_HEADER + payload.length, true);
      view.setUint32(at + DATA_HEADER, kcp.conv, true);
      bytes.set(payload, at + OOB_HEADER);
      batch.append(start + size);
      kcp.sndLimit -= size;
      kcp.spend(size);
      sent++;
    }
    if (sent > 0) outgoing.splice(0, sent);
    this.#datagrams.sent += sent;
  }

  #wireSize(payload: Uint8Array): number {
    return this.#front + OOB_HEADER + payload.length + this.tailroom;
  }

  // --- in ---

  /**
   * Takes a packet that has been decrypted.
   *
   * @param start Arena offset of its first byte.
   * @param end Arena offset after its last byte.
   * @returns {@linkcode INVALID}, {@linkcode VALID} or {@linkcode VALID_OTHER}.
   */
  input(start: number, end: number, now: number): number {
    const kcp = this.#kcp;
    const { view } = kcp.arena;
    this.#now = now;
    const type = packetType(view, start, end);
    if (type === 0) return kcp.inputAt(start, end, now) ? VALID : INVALID;
    if (type === TYPE_INVALID) return INVALID;
    if (type === TYPE_PARITY) {
      this.#correct(start, end);
      return VALID;
    }
    if (type === TYPE_DATA) {
      if (!kcp.inputAt(start + DATA_HEADER, end, now)) return INVALID;
      this.#correct(start, end);
      return VALID;
    }
    if (view.getUint32(start + DATA_HEADER, true) !== kcp.conv) return INVALID;
    this.#receive(kcp.arena.bytes.slice(start + OOB_HEADER, end));
    return VALID_OTHER;
  }

  #receive(payload: Uint8Array<ArrayBuffer>): void {
    const incoming = this.#incoming;
    this.#datagrams.received++;
    incoming.push(payload);
    this.#incomingBytes += payload.length;
    const limit = Math.min(this.#kcp.rcvLimit, MAX_DATAGRAM_BYTES);
    while (incoming.length > MAX_DATAGRAMS || this.#incomingBytes > limit) {
      // What is old is worth least.
      this.#incomingBytes -= incoming.shift()!.length;
      this.#datagrams.dropped++;
    }
  }

  #correct(start: number, end: number): void {
    const kcp = this.#kcp;
    this.#decoder ??= new FecDecoder(
      kcp.arena,
      this.#recovered,
      this.#guess,
      true,
      (packet) => isPacketOf(packet, kcp.conv),
    );
    // As much as the window may hold.
    const { rcvWnd, mtu } = kcp.options;
    this.#decoder.limit = Math.min(kcp.rcvLimit, rcvWnd * Math.max(mtu, USUAL_PACKET));
    this.#decoder.input(start, end);
  }

  readonly #recovered = (packet: Uint8Array): void => {
    this.#kcp.input(packet, this.#now, true);
  };

  /** Whether a parity shard with that number may belong to this session. */
  awaits(seqid: number): boolean {
    return this.#decoder?.awaits(seqid) ?? false;
  }

  // --- datagrams ---

  /** Bytes of the largest datagram. */
  get maxDatagramSize(): number {
    const bare = this.#kcp.options.mtu + this.headroom - this.#front;
    return bare - OOB_HEADER;
  }

  /** Whether a datagram was ever queued, or arrived. */
  get usedDatagrams(): boolean {
    const { sent, received } = this.#datagrams;
    return sent + received + this.#outgoing.length > 0;
  }

  /** Queues a datagram; false when too many wait. */
  sendDatagram(payload: Uint8Array): boolean {
    if (this.#outgoing.length === MAX_DATAGRAMS) {
      this.#datagrams.dropped++;
      return false;
    }
    this.#outgoing.push(payload.slice());
    return true;
  }

  /** The datagram that arrived first of those not read. */
  takeDatagram(): Uint8Array<ArrayBuffer> | undefined {
    const datagram = this.#incoming.shift();
    this.#incomingBytes -= datagram?.length ?? 0;
    return datagram;
  }

  // --- the whole ---

  /** The share of KCP's packets among those with data or parity. */
  get share(): number {
    if (!this.#encoder) return 1;
    const { dataShards } = this.#encoder.ratio;
    return dataShards / (dataShards + this.#parityLevel);
  }

  get #parityLevel(): number {
    return this.#adaptive?.level ?? this.#encoder?.ratio.parityShards ?? 0;
  }

  /** What was counted of error correction: a snapshot. */
  get fecStats(): FecStats {
    return {
      ...(this.#encoder?.stats ?? { dataOut: 0, parityOut: 0 }),
      ...(this.#decoder?.stats ?? NOTHING_IN),
      peerRatio: this.#decoder?.ratio ?? null,
      parityLevel: this.#parityLevel,
    };
  }

  /** What was counted of datagrams: a snapshot. */
  get datagramStats(): DatagramStats {
    return { ...this.#datagrams };
  }

  /** Gives back memory that an idle session does not need. */
  trim(): void {
    this.#decoder?.clear();
  }

  /** Drops what waits to leave. */
  close(): void {
    this.#outgoing.length = 0;
    this.trim();
  }
}

/** Whether bytes are whole segments of a conversation, and nothing else. */
function isPacketOf(packet: Uint8Array, conv: number): boolean {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  let at = 0;
  while (packet.length - at >= OVERHEAD) {
    const cmd = view.getUint8(at + CMD);
    if (view.getUint32(at + CONV, true) !== conv || cmd < CMD_PUSH || cmd > CMD_WINS) return false;
    at += OVERHEAD + view.getUint32(at + LEN, true);
  }
  return at > 0 && at === packet.length;
}

const NOTHING_IN: FecDecoderStats = {
  dataIn: 0,
  parityIn: 0,
  recovered: 0,
  failures: 0,
  incomplete: 0,
};
