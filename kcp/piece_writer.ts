import type { Pacer } from "./pacer.ts";
import type { PacketWriter } from "./packet_writer.ts";
import { PIECE_HEADER, writePieceHeader } from "./piece.ts";
import { CMD_PIECE, OVERHEAD } from "./segment.ts";
import type { SendBuffer } from "./send_buffer.ts";

/** Sends data segments in pieces that fit packets of a smaller MTU. See {@linkcode CMD_PIECE}. */
export class PieceWriter {
  /** The segment whose pieces are being sent, and the first byte that was not sent. */
  #sn = 0;
  #offset = 0;
  /** Bytes of the packets with the pieces of the last segment. The last packet may be smaller. */
  packetSize = 0;

  /**
   * Writes the pieces of a segment, each in a packet of its own. When the pacer stops or the batch is
   * full, the next call for the same segment goes on there.
   *
   * @param mtu Bytes of the largest packet.
   * @returns Whether all pieces are written.
   */
  write(
    writer: PacketWriter,
    pacer: Pacer,
    buffer: SendBuffer,
    sn: number,
    ts: number,
    mtu: number,
  ): boolean {
    if (sn !== this.#sn) this.#offset = 0;
    this.#sn = sn;
    const total = buffer.length(sn);
    const room = mtu - OVERHEAD - PIECE_HEADER;
    // Pieces of equal size: none is larger than it must be.
    const size = Math.ceil(total / Math.ceil(total / room));
    this.packetSize = OVERHEAD + PIECE_HEADER + size;
    while (this.#offset < total) {
      const length = Math.min(size, total - this.#offset);
      writer.close();
      if (!pacer.ready || !writer.reserve(OVERHEAD + PIECE_HEADER + length)) return false;
      const at = writer.dataAt;
      writePieceHeader(writer.view, at, total, this.#offset);
      buffer.copyPart(sn, this.#offset, length, at + PIECE_HEADER);
      writer.write(CMD_PIECE, buffer.frg(sn), ts, sn, PIECE_HEADER + length);
      writer.carriesData = true;
      this.#offset += length;
    }
    writer.close();
    this.#offset = 0;
    return true;
  }
}
