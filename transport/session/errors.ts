/** What ended a connection, or an operation on it. */
export type ConnectionErrorKind =
  /** The peer did not answer: retransmissions or time ran out. */
  | "unreachable"
  /** Nothing was heard for longer than the idle timeout. */
  | "idle"
  /** A conversation that a peer opened was given up, since its address never answered. */
  | "unconfirmed"
  /** The peer has restarted: it knows nothing of this connection any more. */
  | "reset"
  /** The connection was closed on this side. */
  | "closed"
  /** The socket failed. */
  | "socket"
  /** The operation took longer than its timeout; the connection goes on. */
  | "timeout";

/**
 * The error that pending and later reads and writes reject with once a connection has ended.
 *
 * @example
 * ```ts
 * import { connect, ConnectionError } from "@lowlatency/kcp";
 *
 * const conn = await connect({ hostname: "127.0.0.1", port: 4000 });
 * try {
 *   await conn.write(new Uint8Array(10));
 *   await conn.read(new Uint8Array(10));
 * } catch (error) {
 *   if (error instanceof ConnectionError && error.kind === "unreachable") console.log("nobody there");
 * }
 * ```
 */
export class ConnectionError extends Error {
  /** What happened. */
  readonly kind: ConnectionErrorKind;
  /** The name of the class. */
  override readonly name: string = "ConnectionError";

  /**
   * Makes an error.
   *
   * @param kind What happened.
   * @param message The same for a person.
   * @param options The error that was the cause.
   */
  constructor(kind: ConnectionErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
