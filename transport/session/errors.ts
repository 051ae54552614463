/** The reason why a connection ended, or why an operation on it failed. */
export type ConnectionErrorKind =
  /** The peer did not answer for `deadLinkTime`. */
  | "unreachable"
  /** No packet arrived for `idleTimeout`. */
  | "idle"
  /** A peer opened the connection, but its address never answered: it may be forged. */
  | "unconfirmed"
  /** The peer has restarted: it knows nothing of this connection any more. */
  | "reset"
  /** The connection was closed or aborted on this side. */
  | "closed"
  /** The socket failed. */
  | "socket"
  /** The operation took longer than its `timeout`. The connection goes on. */
  | "timeout";

/**
 * The error of reads and writes that are pending or start after a connection has failed, and of
 * operations that time out.
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
 *   if (error instanceof ConnectionError && error.kind === "unreachable") {
 *     console.log("no answer");
 *   }
 * }
 * ```
 */
export class ConnectionError extends Error {
  /** The reason. */
  readonly kind: ConnectionErrorKind;
  /** The name of the class. */
  override readonly name: string = "ConnectionError";

  /**
   * Makes an error.
   *
   * @param kind The reason.
   * @param message The reason in words.
   * @param options The cause, if there is one.
   */
  constructor(kind: ConnectionErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
