/**
 * The part of WebTransport that this library uses. The objects of browsers and of Deno have it, and
 * those of libraries that follow https://www.w3.org/TR/webtransport/.
 *
 * @module
 */

/** The datagrams of a {@linkcode WebTransportLike}. */
export interface WebTransportDatagramsLike {
  /** The datagrams that arrive. */
  readonly readable: ReadableStream<Uint8Array>;
  /** Takes the datagrams to send. */
  readonly writable?: WritableStream<Uint8Array>;
  /** Makes a stream that takes the datagrams to send, where `writable` is missing. */
  createWritable?(): WritableStream<Uint8Array>;
  /** Bytes of the largest datagram that can be sent now. It changes while the session runs. */
  readonly maxDatagramSize: number;
}

/** A WebTransport session: an object of the class `WebTransport`, or any other with these members. */
export interface WebTransportLike {
  /** Resolves when the session is there, and rejects if it will never be. */
  readonly ready: Promise<unknown>;
  /** Settles when the session has ended. */
  readonly closed: Promise<unknown>;
  /** Its datagrams. */
  readonly datagrams: WebTransportDatagramsLike;
  /** Ends the session. */
  close(info?: { closeCode?: number; reason?: string }): void;
}

/** Options for the constructor of `WebTransport`. */
export interface WebTransportSettings {
  /**
   * SHA-256 of the certificates that the server may have: for a certificate that no authority has
   * signed. It must have an ECDSA key and be valid for at most 14 days.
   */
  serverCertificateHashes?: {
    algorithm: string;
    value: ArrayBuffer | ArrayBufferView<ArrayBuffer>;
  }[];
  /** What the congestion control of QUIC is tuned for. Default: "low-latency". */
  congestionControl?: "default" | "throughput" | "low-latency";
  /** Whether the session may share a connection with others. Default: false. */
  allowPooling?: boolean;
}
