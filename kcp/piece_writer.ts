import type { Pacer } from "./congestion/pacer.ts";
import type { PacketWriter } from "./packet_writer.ts";
import { PIECE_HEADER, writePieceHeader } from "./piece.ts";
import { CMD_PIECE, OVERHEAD } from "./segment.ts";
import type { SendBuffer } from "./send_buffer.ts";

/**
 * The golden ratio without its 1: its multiples modulo 1 lie apart from each other, however many
 * there are.
 */
const SPREAD = (Math.sqrt(5) - 1) / 2;

/** Sends data segments in pieces that fit packets of a smaller MTU. See {@linkcode CMD_PIECE}. */
export class PieceWriter {
  /** The segment whose pieces are being sent, the bytes of a piece, 0 for none, and its first one. */
  #sn = 0;
  #size = 0;
  #start = 0;
  /** Bytes of the segment that were sent. */
  #done = 0;
  /** Segments that were sent again in pieces. */
  #turns = 0;
  /** Bytes of the packets with the pieces of the last segment. The last packet may be smaller. */
  packetSize = 0;

  /**
   * Writes the pieces of a segment, each in a packet of its own. When the pacer stops or the batch is
   * full, the next call for the same segment goes on there.
   *
   * A queue on the path may drop the last packets of each burst. So a segment that is sent again
   * starts with another piece each time, and the peer gets all of them in the end.
   *
   * @param mtu Bytes of the largest packet.
   * @param again Whether the segment is sent again.
   * @returns Whether all pieces are written.
   */
  write(
    writer: PacketWriter,
    pacer: Pacer,
    buffer: SendBuffer,
    sn: number,
    ts: number,
    mtu: number,
    again: boolean,
  ): boolean {
    const total = buffer.length(sn);
    const room = mtu - OVERHEAD - PIECE_HEADER;
    // Pieces of equal size: none is larger than it must be.
    const size = Math.ceil(total / Math.ceil(total / room));
    this.packetSize = OVERHEAD + PIECE_HEADER + size;
    if (sn !== this.#sn || size !== this.#size) {
      this.#sn = sn;
      this.#size = size;
      const place = again ? (++this.#turns * SPREAD) % 1 : 0;
      this.#start = Math.floor(place * Math.ceil(total / size)) * size;
      this.#done = 0;
    }
    while (this.#done < total) {
      const offset = (this.#start + this.#done) % total;
      const length = Math.min(size, total - offset);
      writer.close();
      if (!pacer.ready || !writer.reserve(OVERHEAD + PIECE_HEADER + length)) return false;
      const at = writer.dataAt;
      writePieceHeader(writer.view, at, total, offset);
      buffer.copyPart(sn, offset, length, at + PIECE_HEADER);
      writer.write(CMD_PIECE, buffer.frg(sn), ts, sn, PIECE_HEADER + length);
      writer.carriesData = true;
      this.#done += length;
    }
    writer.close();
    this.#size = 0;
    return true;
  }
}
