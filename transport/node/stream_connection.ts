/**
 * What a stream of Node.js needs of a connection.
 *
 * @module
 */

/** An address, as connections and streams of a mux have it. */
export interface StreamAddress {
  /** The IP address. */
  readonly hostname: string;
  /** The port. */
  readonly port: number;
}

/**
 * A connection that can become a stream of Node.js: a `Connection`, a `MuxStream`, or any object with
 * these members.
 *
 * @example
 * ```ts
 * import { connect, type StreamConnection, toDuplex } from "@lowlatency/kcp/node";
 *
 * const conn: StreamConnection = await connect({ port: 4000 });
 * toDuplex(conn).end("hello");
 * ```
 */
export interface StreamConnection {
  /** The address of this side. */
  readonly localAddr: StreamAddress;
  /** The address of the peer. */
  readonly remoteAddr: StreamAddress;
  /** Settles when the connection has ended. Rejects with the reason if it has failed. */
  readonly closed: Promise<void>;
  /** Is called when `tryRead` may give something new: bytes, the end, or an error. */
  onReadable: (() => void) | null;
  /** Reads what is there. Gives 0 if nothing is, and null at the end of the peer's stream. */
  tryRead(p: Uint8Array): number | null;
  /** Writes all pieces. They do not change before the promise settles. */
  writev(pieces: readonly Uint8Array[]): Promise<void>;
  /** Copies what can be taken now of the pieces, and gives the number of bytes. */
  tryWritev?(pieces: readonly Uint8Array[]): number;
  /** Ends the stream to the peer, behind all earlier writes. */
  closeWrite(): Promise<void>;
  /** Ends the connection when everything that was written is delivered. */
  close(): void;
  /** Ends the connection at once, and tells the peer the reason. */
  abort(reason?: string | Error): void;
  /** Keeps the process alive. */
  ref(): void;
  /** Lets the process end. */
  unref(): void;
  /** The options in force. */
  readonly options?: { readonly keepAlive: number };
  /** Changes options. Without it, `setNoDelay` and `setKeepAlive` of the stream change nothing. */
  configure?(change: { writeDelay?: boolean; keepAlive?: number }): void;
}
