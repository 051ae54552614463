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
import type { FecRatio } from "../../fec/ratio.ts";
import type { Kcp } from "../../kcp/kcp.ts";
import type { PacketBatch, PacketLayer } from "../../kcp/packet_batch.ts";
import { CMD, CONV, isCommand, LEN, OVERHEAD } from "../../kcp/segment.ts";
import { DatagramQueue } from "./datagram_queue.ts";
import type { ResolvedFec } from "./fec_options.ts";
import { CONTROL, DATA, kindOf, PacketFates } from "./packet_fates.ts";
import { NO_PROTECTION, type PacketProtection } from "./packet_protection.ts";

/** Counters and present state of error correction. */
export interface FecStats extends FecEncoderStats, FecDecoderStats {
  /** The peer's ratio; null while it is unknown, or if the peer sends no parity. */
  peerRatio: FecRatio | null;
  /** Data shards of each group that is sent at present; 0 while packets form no groups. */
  groupSize: number;
  /** Parity shards of each group that is sent at present. */
  parityLevel: number;
  /** Bytes of the parity packets that were sent, with encryption. Those of UDP and IP are extra. */
  parityBytesOut: number;
  /** Packets without content that were sent, so that a group got its parity in time. */
  fillersOut: number;
  /** Their bytes, counted as those of parity. */
  fillerBytesOut: number;
  /** Restored packets whose data no retransmission had brought before. */
  recoveredInTime: number;
  /**
   * The share of its packets that the sender takes for lost on the way, 0 to 1, whether parity repairs
   * them or not. It is measured with an adaptive ratio only; 0 otherwise.
   */
  pathLoss: number;
}

/** Least bytes of a packet when the size of the receive window is computed in bytes. */
const MIN_WINDOW_PACKET = 1500;

/**
 * A packet of the KCP machine that has at most so many bytes, and half of the path MTU, gets no header
 * while there are no groups. The headers of larger ones matter little, and the path must take them with
 * a header later.
 */
const MOST_BARE = 512;

/** {@linkcode Pipeline.input}: the packet was not valid. */
export const INVALID = 0;
/** {@linkcode Pipeline.input}: the packet was valid, and the KCP machine may have changed. */
export const VALID = 1;
/** {@linkcode Pipeline.input}: the packet was a valid datagram. */
export const DATAGRAM = 2;

/** Bytes that encryption and error correction add to each packet of the KCP machine. */
export function overheadOf(protection: PacketProtection | null, fec: ResolvedFec | null): number {
  const { headroom, tailroom } = protection ?? NO_PROTECTION;
  return headroom + tailroom + (fec ? DATA_HEADER : 0);
}

/**
 * The layers between a KCP machine and the network, for one session: error correction, datagrams,
 * and encryption of sent packets. (The endpoint decrypts a received packet before it finds its
 * session.)
 */
export class Pipeline implements PacketLayer {
  readonly headroom: number;
  readonly tailroom: number;
  /** Bytes that the layers add to each packet of the KCP machine. */
  readonly overhead: number;
  /** The datagrams of the session. */
  readonly datagrams: DatagramQueue = new DatagramQueue();
  /** Whether there is neither error correction nor encryption. */
  readonly #plain: boolean;
  readonly #kcp: Kcp;
  readonly #protection: PacketProtection | null;
  /** Bytes of encryption in front of each packet. */
  readonly #front: number;
  readonly #encoder: FecEncoder | null;
  readonly #adaptive: AdaptiveParity | null;
  /** What became of the packets, for the adaptive ratio. */
  readonly #fates: PacketFates | null;
  /** Whether the present packet fills a group, whatever it carries. */
  #filling = false;
  #parityBytesOut = 0;
  #fillersOut = 0;
  #fillerBytesOut = 0;
  #recoveredInTime = 0;
  #decoder: FecDecoder | null = null;
  /** The counters and the ratio of the decoder after {@linkcode Pipeline.close}. */
  #decoded: (FecDecoderStats & { peerRatio: FecRatio | null }) | null = null;
  /** The ratio that the peer is assumed to use before its packets show it. */
  readonly #assumedRatio: FecRatio | undefined;
  #now = -Infinity;
  /** Bytes that datagrams have sent more than the stream while both had something to send. */
  #ahead = 0;

  constructor(kcp: Kcp, protection: PacketProtection | null, fec: ResolvedFec | null) {
    this.#kcp = kcp;
    this.#protection = protection;
    const { headroom, tailroom } = protection ?? NO_PROTECTION;
    this.#front = headroom;
    this.tailroom = tailroom;
    this.overhead = overheadOf(protection, fec);
    this.headroom = this.overhead - tailroom;
    this.#plain = !protection && !fec;
    this.#encoder = fec ? new FecEncoder(fec) : null;
    kcp.sndRestores = fec !== null;
    const adaptive = fec?.adaptive ? new AdaptiveParity(this.#encoder!, !fec.flexible) : null;
    this.#adaptive = adaptive;
    this.#fates = adaptive && new PacketFates(adaptive);
    if (fec?.flexible) this.#encoder!.restart(null);
    this.#assumedRatio = fec && !fec.flexible ? fec : undefined;
  }

  // --- out ---

  /**
   * When parity or a datagram may leave without anything of the KCP machine, in ms; Infinity when none
   * waits.
   */
  get deadline(): number {
    if (this.pending) return this.#now;
    const closeAt = this.#adaptive?.closeAt ?? Infinity;
    return this.waiting ? Math.min(closeAt, Math.max(this.#now, this.#kcp.readyAt())) : closeAt;
  }

  /** Whether a datagram waits that may leave without anything of the KCP machine. */
  get waiting(): boolean {
    const first = this.datagrams.peek(0);
    return first !== undefined && this.#wireSize(first) <= this.#kcp.sndLimit;
  }

  /** {@linkcode PacketLayer.pending}: whether parity must leave before the next packet. */
  get pending(): boolean {
    return this.#encoder !== null && this.#encoder.pending > 0;
  }

  /** Appends the packets that are due to a batch, and returns their number. */
  output(batch: PacketBatch, now: number): number {
    this.#now = now;
    const before = batch.count;
    try {
      const adaptive = this.#adaptive;
      // First in an empty batch: what leaves before may take the room that a filler needs, time and again.
      if (adaptive && now >= adaptive.closeAt && batch.count === 0 && !this.pending) {
        this.#closeGroup(batch, adaptive);
      }
      this.#fill(batch);
      if (adaptive && now >= adaptive.closeAt) this.#closeGroup(batch, adaptive);
      // Some ciphers are faster with several packets at once.
      this.#protection?.seal(batch, before);
    } catch (error) {
      // An unencrypted packet must not leave.
      batch.cut(before);
      throw error;
    }
    return batch.count - before;
  }

  #fill(batch: PacketBatch): void {
    this.#appendParity(batch);
    if (this.pending) return;
    // A listener takes no datagram before it knows of the conversation.
    if (this.#kcp.opens) this.#appendStream(batch, 1);
    if (this.datagrams.peek(0) !== undefined) {
      this.#share(batch);
      return;
    }
    const bytes = this.#appendStream(batch, Infinity);
    if (this.#ahead > 0) this.#ahead = this.#paced ? Math.max(0, this.#ahead - bytes) : 0;
  }

  /**
   * Lets datagrams and the stream share the limits on burst, rate and unconfirmed addresses. Each
   * gets half of the bytes while both wait, and all of them while the other has nothing to send. The
   * shares are even over time, as in deficit round robin (Shreedhar and Varghese, "Efficient Fair
   * Queuing Using Deficit Round Robin", 1995).
   */
  #share(batch: PacketBatch): void {
    const kcp = this.#kcp;
    let contended = kcp.dataReady;
    if (!contended && !this.#paced) this.#ahead = Math.min(0, this.#ahead);
    while (true) {
      const sent = this.#appendDatagrams(batch, contended);
      if (batch.full) return;
      // Datagrams wait for the stream, or for a limit that the stream shares.
      const share = contended && this.waiting ? Math.max(1, this.#ahead) : Infinity;
      const bytes = this.#appendStream(batch, share);
      this.#ahead -= bytes;
      if (batch.full || this.pending) return;
      if (sent + bytes === 0 && !contended) break;
      contended = bytes > 0 && kcp.dataReady;
    }
    // What has nothing to send gets nothing for it later.
    if (!this.waiting) this.#ahead = Math.max(0, this.#ahead);
    if (!this.#paced) this.#ahead = 0;
  }

  /** Whether a limit on burst or rate holds every packet back. */
  get #paced(): boolean {
    return this.#kcp.readyAt() > this.#now;
  }

  /**
   * Appends packets of the KCP machine.
   *
   * @param share See {@linkcode Kcp.outputShare}.
   * @returns The bytes that the limit on the rate counted.
   */
  #appendStream(batch: PacketBatch, share: number): number {
    if (this.#plain) return this.#kcp.outputShare(batch, share);
    const mtu = this.#kcp.options.mtu + this.overhead;
    if (batch.largest < mtu) {
      throw new RangeError(
        `Cannot fill a batch whose largest packet is ${batch.largest} bytes: the MTU is ${mtu}`,
      );
    }
    batch.layer = this;
    try {
      return this.#kcp.outputShare(batch, share);
    } finally {
      batch.layer = null;
    }
  }

  /** {@linkcode PacketLayer.complete}. */
  complete(batch: PacketBatch, start: number, end: number): void {
    const encoder = this.#encoder;
    if (this.#adaptive) {
      this.#completeAdaptive(batch, start, end, this.#adaptive);
      return;
    }
    if (encoder && this.#kcp.extended) {
      // Other peers get what the ratio says, since some take no packet outside a group.
      const kind = kindOf(batch.arena.view, start + this.headroom, end - this.tailroom);
      if (kind === CONTROL) return this.#appendPlain(batch, start, end);
    }
    encoder?.seal(batch.arena, start + this.#front, end - this.tailroom, this.#now);
    this.#append(batch, end, this.overhead);
    if (encoder) this.#appendParity(batch);
  }

  /**
   * Completes a packet under an adaptive ratio. Only new data joins groups. Acknowledgments and window
   * reports are replaced by later ones, and what was lost once is late anyway. Each that took a place
   * would cost a share of the parity. Small packets have no header before parity is needed for the first
   * time.
   */
  #completeAdaptive(
    batch: PacketBatch,
    start: number,
    end: number,
    adaptive: AdaptiveParity,
  ): void {
    const { view } = batch.arena;
    const kcp = this.#kcp;
    const from = start + this.headroom;
    const to = end - this.tailroom;
    const fates = this.#fates!;
    const kind = kindOf(view, from, to);
    const news = kind === DATA && fates.hasNews(view, from, to);
    if (news) adaptive.beforeData(this.#now, kcp);
    if (kind === DATA) fates.note(view, from, to, this.#now);
    if (news) adaptive.noteNew(this.#now);
    if (!this.#filling) {
      if (kind === CONTROL || kind === DATA && !news) return this.#appendPlain(batch, start, end);
      const small = Math.min(MOST_BARE, kcp.pathMtu / 2);
      if (news && adaptive.idle && to - from <= small) return this.#appendPlain(batch, start, end);
    } else if (!news) {
      this.#fillersOut++;
      this.#fillerBytesOut += end - start;
    }
    this.#encoder!.seal(batch.arena, start + this.#front, to, this.#now);
    if (news) adaptive.afterData(this.#now);
    this.#append(batch, end, this.overhead);
    this.#appendParity(batch);
  }

  /** Appends a packet without the header of error correction: it belongs to no group. */
  #appendPlain(batch: PacketBatch, start: number, end: number): void {
    const from = start + this.headroom;
    batch.arena.copy(from - DATA_HEADER, from, end - this.tailroom - from);
    this.#append(batch, end - DATA_HEADER, this.overhead - DATA_HEADER);
  }

  /** Appends a packet of the KCP machine, to which the layers have added so many bytes. */
  #append(batch: PacketBatch, end: number, overhead: number): void {
    // The KCP machine has counted its segments, but not the bytes around them.
    this.#kcp.sndLimit -= overhead;
    batch.append(end);
    this.#kcp.charge(overhead);
  }

  /** Fills the open group, so that its parity leaves now. */
  #closeGroup(batch: PacketBatch, adaptive: AdaptiveParity): void {
    const encoder = this.#encoder!;
    while (!encoder.atGroupStart && !this.pending) {
      const before = batch.count;
      this.#filling = true;
      // A window report changes nothing at the peer.
      this.#kcp.announceWindow();
      try {
        this.#appendStream(batch, 1);
      } finally {
        this.#filling = false;
      }
      if (batch.full) return;
      if (batch.count === before) break;
    }
    adaptive.leaveOpen();
  }

  #appendParity(batch: PacketBatch): void {
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
      this.#parityBytesOut += size;
      this.#kcp.sndLimit -= size;
      this.#kcp.charge(size);
    }
  }

  /**
   * Appends datagrams.
   *
   * @param contended Whether the stream has data to send, so that datagrams get a share only.
   * @returns How many were appended.
   */
  #appendDatagrams(batch: PacketBatch, contended: boolean): number {
    const kcp = this.#kcp;
    // A few datagrams leave before the stream, since they are useless when they are late.
    const most = contended ? Math.min(kcp.paceRoom, kcp.sndLimit) / 2 : Infinity;
    let sent = 0;
    for (let payload; (payload = this.datagrams.peek(sent)) && !this.#paced;) {
      const size = this.#wireSize(payload);
      if (size > kcp.sndLimit) break;
      if (contended && this.#ahead > 0 && this.#ahead + size > most) break;
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
      this.#ahead += size;
      sent++;
    }
    this.datagrams.removeSent(sent);
    return sent;
  }

  /** Bytes of the packet with a datagram. */
  #wireSize(payload: Uint8Array): number {
    return this.#front + OOB_HEADER + payload.length + this.tailroom;
  }

  // --- in ---

  /**
   * Takes a decrypted packet.
   *
   * @param start Arena offset of its first byte.
   * @param end Arena offset after its last byte.
   * @returns {@linkcode INVALID}, {@linkcode VALID} or {@linkcode DATAGRAM}.
   */
  input(start: number, end: number, now: number): number {
    const kcp = this.#kcp;
    const { view } = kcp.arena;
    this.#now = now;
    const type = packetType(view, start, end);
    if (type === 0) {
      if (!kcp.inputAt(start, end, now)) return INVALID;
      if (kcp.believed) this.#fates?.read(view, start, end, now, kcp.srtt);
      return VALID;
    }
    if (type === TYPE_INVALID) return INVALID;
    if (type === TYPE_PARITY) {
      this.#decode(start, end);
      return VALID;
    }
    if (type === TYPE_DATA) {
      if (!kcp.inputAt(start + DATA_HEADER, end, now)) return INVALID;
      // The shards of two incarnations of the peer have the same numbers.
      if (kcp.believed) {
        this.#fates?.read(view, start + DATA_HEADER, end, now, kcp.srtt);
        this.#decode(start, end);
      }
      return VALID;
    }
    if (view.getUint32(start + DATA_HEADER, true) !== kcp.conv) return INVALID;
    this.datagrams.receive(kcp.arena.bytes.slice(start + OOB_HEADER, end), kcp.rcvLimit);
    return DATAGRAM;
  }

  /** Gives a shard to the decoder, which may recover lost packets of its group. */
  #decode(start: number, end: number): void {
    if (this.#decoded) return;
    const kcp = this.#kcp;
    this.#decoder ??= new FecDecoder(
      kcp.arena,
      this.#recovered,
      this.#assumedRatio,
      true,
      (packet) => isPacketOf(packet, kcp.conv),
    );
    // The decoder may hold as many bytes as the receive window.
    const { rcvWnd, mtu } = kcp.options;
    this.#decoder.limit = Math.min(kcp.rcvLimit, rcvWnd * Math.max(mtu, MIN_WINDOW_PACKET));
    this.#decoder.input(start, end);
  }

  readonly #recovered = (packet: Uint8Array): void => {
    const { payloadIn } = this.#kcp;
    this.#kcp.input(packet, this.#now, true);
    if (this.#kcp.payloadIn > payloadIn) this.#recoveredInTime++;
  };

  /** Whether a parity shard with this `seqid` may repair a loss of this session, or show the ratio. */
  needsParity(seqid: number): boolean {
    const decoder = this.#decoder;
    return decoder !== null && (decoder.ratio === null || decoder.awaits(seqid));
  }

  // --- both directions ---

  /** Bytes of the largest datagram on the present path. */
  get maxDatagramSize(): number {
    return this.#kcp.pathMtu + this.headroom - this.#front - OOB_HEADER;
  }

  /** The share of the packets, 0 to 1, that the KCP machine gets. The rest is parity. */
  get share(): number {
    if (!this.#encoder?.ratio) return 1;
    const { dataShards } = this.#encoder.ratio;
    return dataShards / (dataShards + this.#parityLevel);
  }

  get #parityLevel(): number {
    return this.#adaptive?.level ?? this.#encoder?.ratio?.parityShards ?? 0;
  }

  /** The counters of error correction: a snapshot. */
  get fecStats(): FecStats {
    const { dataOut, parityOut } = this.#encoder?.stats ?? NOTHING_ENCODED;
    const decoded = this.#decoded ?? this.#decoder?.stats ?? NOTHING_DECODED;
    const ratio = this.#decoded ? this.#decoded.peerRatio : this.#decoder?.ratio;
    return {
      dataOut,
      parityOut,
      dataIn: decoded.dataIn,
      parityIn: decoded.parityIn,
      recovered: decoded.recovered,
      failures: decoded.failures,
      complete: decoded.complete,
      incomplete: decoded.incomplete,
      groups: decoded.groups,
      peerRatio: ratio ?? null,
      groupSize: this.#encoder?.ratio?.dataShards ?? 0,
      parityLevel: this.#parityLevel,
      parityBytesOut: this.#parityBytesOut,
      fillersOut: this.#fillersOut,
      fillerBytesOut: this.#fillerBytesOut,
      recoveredInTime: this.#recoveredInTime,
      pathLoss: this.#adaptive?.loss ?? 0,
    };
  }

  /** Frees memory that an idle session does not need. */
  trim(): void {
    this.#decoder?.clear();
  }

  /** Drops the datagrams that wait to be sent, and frees memory. Nothing more is recovered. */
  close(): void {
    if (this.#decoded) return;
    this.datagrams.clearOutgoing();
    this.trim();
    const decoded = this.#decoder?.stats ?? NOTHING_DECODED;
    this.#decoded = { ...decoded, peerRatio: this.#decoder?.ratio ?? null };
    this.#decoder = null;
  }
}

/** Whether `packet` consists of whole segments of a conversation, and nothing else. */
function isPacketOf(packet: Uint8Array, conv: number): boolean {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  let at = 0;
  while (packet.length - at >= OVERHEAD) {
    if (view.getUint32(at + CONV, true) !== conv) return false;
    if (!isCommand(view.getUint8(at + CMD))) return false;
    at += OVERHEAD + view.getUint32(at + LEN, true);
  }
  return at > 0 && at === packet.length;
}

const NOTHING_ENCODED: FecEncoderStats = { dataOut: 0, parityOut: 0 };

const NOTHING_DECODED: FecDecoderStats = {
  dataIn: 0,
  parityIn: 0,
  recovered: 0,
  failures: 0,
  complete: 0,
  incomplete: 0,
  groups: 0,
};
