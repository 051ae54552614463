import type { PacketBatch } from "./packet_batch.ts";
import { CMD, CONV, LEN, OVERHEAD, SN, TS, UNA } from "./segment.ts";

/** Takes note of packets with data. */
export interface PacketSink {
  /** A packet with data is complete. It has `bytes` bytes. */
  packetWritten(bytes: number): void;
}

/** Writes segments into the packets of a batch. A packet takes as many segments as fit. */
export class PacketWriter {
  /** Packets, bytes and segments that were written. */
  packets = 0;
  bytes = 0;
  segments = 0;
  /** Whether the open packet carries data. */
  carriesData = false;
  readonly #conv: number;
  readonly #sink: PacketSink;
  #batch!: PacketBatch;
  #mtu = 0;
  #window = 0;
  #una = 0;
  /** The open packet: its first byte, the place of the next segment, and the end of its room. */
  #start = 0;
  #at = 0;
  #limit = 0;

  constructor(conv: number, sink: PacketSink) {
    this.#conv = conv;
    this.#sink = sink;
  }

  /** Starts on a batch. Every segment until the next start carries `window` and `una`. */
  start(batch: PacketBatch, mtu: number, window: number, una: number): void {
    this.#batch = batch;
    this.#mtu = mtu;
    this.#window = window;
    this.#una = una;
  }

  /** Bytes of a full packet. */
  get mtu(): number {
    return this.#mtu;
  }

  /** Bytes that the open packet has room for; those of a new one if none is open. */
  get room(): number {
    return this.#limit > 0 ? this.#limit - this.#at : this.#mtu;
  }

  /** Whether the open packet has room for a segment of `size` bytes. */
  fits(size: number): boolean {
    return this.#at + size <= this.#limit;
  }

  /**
   * Makes room for a segment of `size` bytes, in the open packet or a new one. False: batch full.
   */
  reserve(size: number): boolean {
    if (this.fits(size)) return true;
    this.close();
    // A segment that was queued under a larger MTU gets a larger packet.
    const most = Math.max(this.#mtu, size);
    const start = this.#batch.reserve(most);
    if (start < 0) return false;
    this.#start = this.#at = start;
    this.#limit = start + most;
    return true;
  }

  /** Lets the network fragment the open packet. */
  allowFragments(): void {
    this.#batch.mayFragment = true;
  }

  /** The arena as integers. */
  get view(): DataView<ArrayBuffer> {
    return this.#batch.arena.view;
  }

  /** Bytes of the largest packet that the batch can hold. */
  get largest(): number {
    return this.#batch.largest;
  }

  /** Makes the data of the next segment `length` zero bytes. */
  pad(length: number): void {
    this.#batch.arena.bytes.fill(0, this.dataAt, this.dataAt + length);
  }

  /** Arena offset of the data of the next segment. */
  get dataAt(): number {
    return this.#at + OVERHEAD;
  }

  /** Writes a segment's header, and moves past its data, which is already at `dataAt`. */
  write(cmd: number, frg: number, ts: number, sn: number, length: number): void {
    const { view } = this.#batch.arena;
    const at = this.#at;
    view.setUint32(at + CONV, this.#conv, true);
    // One write for cmd, frg and wnd, which are adjacent.
    view.setUint32(at + CMD, cmd | frg << 8 | this.#window << 16, true);
    view.setUint32(at + TS, ts, true);
    view.setUint32(at + SN, sn, true);
    view.setUint32(at + UNA, this.#una, true);
    view.setUint32(at + LEN, length, true);
    this.segments++;
    this.#at = at + OVERHEAD + length;
  }

  /** {@linkcode PacketWriter.write} for a segment without data that has another `una`. */
  writeWithUna(cmd: number, frg: number, ts: number, sn: number, una: number): void {
    const usual = this.#una;
    this.#una = una;
    this.write(cmd, frg, ts, sn, 0);
    this.#una = usual;
  }

  /** Completes the open packet. */
  close(): void {
    const bytes = this.#at - this.#start;
    if (bytes > 0) {
      this.#batch.commit(this.#at);
      this.packets++;
      this.bytes += bytes;
    }
    if (this.carriesData) this.#sink.packetWritten(bytes);
    this.carriesData = false;
    this.#at = this.#start = this.#limit = 0;
  }
}
