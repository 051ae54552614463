import type { MuxMachineStream } from "./machine/stream_face.ts";

/** What streams have sent, as `WebTransport` counts it. */
export interface MuxSendStats {
  /** Bytes that the application has written, and that are sent or wait. */
  bytesWritten: number;
  /** Bytes that the connection below has taken. */
  bytesSent: number;
  /** A lower bound of the bytes that have arrived: always 0, because smux does not tell it. */
  bytesAcknowledged: number;
}

/** Adds what a stream has sent. */
export function addSent(stats: MuxSendStats, { sent, queued }: MuxMachineStream): void {
  stats.bytesWritten += sent + queued;
  stats.bytesSent += sent;
}

/** Counters that are all 0. */
export function noneSent(): MuxSendStats {
  return { bytesWritten: 0, bytesSent: 0, bytesAcknowledged: 0 };
}

/** Tells a group that a stream belongs to it, or has ended. Only this folder needs it. */
export let joinGroup: (group: MuxSendGroup, stream: MuxMachineStream) => void;
export let leaveGroup: (group: MuxSendGroup, stream: MuxMachineStream) => void;

/**
 * A name for a group of streams: {@linkcode Mux.createSendGroup} makes it.
 *
 * @example
 * ```ts
 * import { connectMux } from "@lowlatency/kcp/mux";
 *
 * await using mux = await connectMux({ port: 4000 });
 * const sendGroup = mux.createSendGroup();
 * await mux.createBidirectionalStream({ sendGroup });
 * ```
 */
export class MuxSendGroup {
  static {
    joinGroup = (group, stream) => group.#streams.add(stream);
    leaveGroup = (group, stream) => {
      if (group.#streams.delete(stream)) addSent(group.#ended, stream);
    };
  }
  readonly #streams = new Set<MuxMachineStream>();
  /** What the streams that have ended had sent. */
  readonly #ended = noneSent();

  /**
   * What the streams of the group have sent.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const sendGroup = mux.createSendGroup();
   * const stream = await mux.createBidirectionalStream({ sendGroup });
   * await stream.writeAll(new Uint8Array(1000));
   * console.log((await sendGroup.getStats()).bytesWritten); // 1000
   * ```
   */
  // deno-lint-ignore require-await -- as `WebTransportSendGroup`
  async getStats(): Promise<MuxSendStats> {
    const stats = { ...this.#ended };
    for (const stream of this.#streams) addSent(stats, stream);
    return stats;
  }
}
