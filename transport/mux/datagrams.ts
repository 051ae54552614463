import type { OperationOptions } from "../connection/operation_queue.ts";

/** What sends and receives datagrams: a mux. */
export interface DatagramEnd {
  /** Largest datagram in bytes. */
  readonly maxDatagramSize: number;
  /** Sends a datagram. */
  sendDatagram(data: Uint8Array): Promise<void>;
  /** Receives a datagram. */
  readDatagram(options?: OperationOptions): Promise<Uint8Array<ArrayBuffer>>;
}

/**
 * The datagrams of a mux as a pair of streams: `WebTransport.datagrams`.
 *
 * @example
 * ```ts
 * import { connectMux } from "@lowlatency/kcp/mux";
 *
 * await using mux = await connectMux({ port: 4000 });
 * const writer = mux.datagrams.writable.getWriter();
 * await writer.write(new Uint8Array([1, 2, 3]));
 * ```
 */
export class MuxDatagrams {
  /**
   * The datagrams that arrive. It fails when the mux ends.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * for await (const datagram of mux.datagrams.readable) console.log(datagram);
   * ```
   */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /**
   * The datagrams to send. Closing it closes nothing else.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const writer = mux.datagrams.writable.getWriter();
   * await writer.write(new Uint8Array([1, 2, 3]));
   * ```
   */
  readonly writable: WritableStream<Uint8Array>;
  readonly #end: DatagramEnd;

  /** @ignore A mux makes it. */
  constructor(end: DatagramEnd) {
    this.#end = end;
    this.readable = new ReadableStream({
      pull: async (controller) => controller.enqueue(await end.readDatagram()),
    }, { highWaterMark: 0 });
    this.writable = new WritableStream({ write: (data) => end.sendDatagram(data) });
  }

  /**
   * Largest datagram in bytes; 0 if the connection below has none.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * console.log(mux.datagrams.maxDatagramSize);
   * ```
   */
  get maxDatagramSize(): number {
    return this.#end.maxDatagramSize;
  }
}
