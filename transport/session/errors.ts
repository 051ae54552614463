/** The reason why a connection ended, or why an operation on it failed. */
export type ConnectionErrorKind =
  /** The peer did not answer for `deadLinkTime`. */
  | "unreachable"
  /** No packet arrived for `idleTimeout`. */
  | "idle"
  /** A peer opened the connection, but its address never answered: it may be forged. */
  | "unconfirmed"
  /**
   * The peer has ended the connection at once, gave it up, or knows nothing of it any more because it
   * has restarted.
   */
  | "reset"
  /** The connection was closed or aborted on this side. */
  | "closed"
  /** The socket failed. */
  | "socket"
  /** The operation took longer than its `timeout`. The connection goes on. */
  | "timeout";

/** The code of an error of each kind, unless something more precise is known. */
const CODES: Readonly<Record<ConnectionErrorKind, string>> = {
  unreachable: "ETIMEDOUT",
  idle: "ETIMEDOUT",
  unconfirmed: "ETIMEDOUT",
  reset: "ECONNRESET",
  closed: "ECONNABORTED",
  socket: "EIO",
  timeout: "ETIMEDOUT",
};

/** Details of a {@linkcode ConnectionError}. */
export interface ConnectionErrorOptions extends ErrorOptions {
  /** See {@linkcode ConnectionError.code}. Default: that of the cause, or of the kind. */
  code?: string;
  /** See {@linkcode ConnectionError.closeCode}. */
  closeCode?: number;
  /** See {@linkcode ConnectionError.reason}. */
  reason?: string;
}

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
  /**
   * The reason.
   *
   * @example
   * ```ts
   * import { connect, ConnectionError } from "@lowlatency/kcp";
   *
   * try {
   *   await connect({ hostname: "127.0.0.1", port: 4000, timeout: 3000 });
   * } catch (error) {
   *   if (error instanceof ConnectionError && error.kind === "timeout") console.log("nobody is there");
   * }
   * ```
   */
  readonly kind: ConnectionErrorKind;
  /**
   * The name that systems and Node.js have for such an error:
   *
   * - `ETIMEDOUT` for the kinds `unreachable`, `idle`, `unconfirmed` and `timeout`;
   * - `ECONNRESET` for `reset`, `ECONNREFUSED` if the listener accepts nothing more;
   * - `ECONNABORTED` for `closed`, `EPIPE` for a write after the end of the stream;
   * - for `socket`, that of the system's error, which is the `cause`; `EIO` if it has none.
   *
   * @example
   * ```ts
   * import { connect, ConnectionError } from "@lowlatency/kcp";
   *
   * try {
   *   await connect({ hostname: "127.0.0.1", port: 4000, timeout: 3000 });
   * } catch (error) {
   *   if (error instanceof ConnectionError) console.log(error.code); // ETIMEDOUT
   * }
   * ```
   */
  readonly code: string;
  /**
   * The code that the peer gave to its `abort`, 0 to 65535. 0 if it gave none.
   *
   * @example
   * ```ts
   * import { connect, type ConnectionError } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * await conn.closed.catch((error: ConnectionError) => {
   *   if (error.closeCode === 403) console.log("the server has refused us");
   * });
   * ```
   */
  readonly closeCode: number;
  /**
   * The reason that the peer gave to its `abort`. Empty if it gave none.
   *
   * @example
   * ```ts
   * import { connect, type ConnectionError } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * await conn.closed.catch((error: ConnectionError) => console.log(error.reason));
   * ```
   */
  readonly reason: string;
  /**
   * The name of the class.
   *
   * @example
   * ```ts
   * import { ConnectionError } from "@lowlatency/kcp";
   *
   * console.log(new ConnectionError("closed", "The room is empty").name); // ConnectionError
   * ```
   */
  override readonly name: string = "ConnectionError";

  /**
   * Makes an error.
   *
   * @param kind The reason.
   * @param message The reason in words.
   * @param options The cause, and what the peer gave to its `abort`.
   */
  constructor(kind: ConnectionErrorKind, message: string, options: ConnectionErrorOptions = {}) {
    const { closeCode = 0, reason = "", code, ...rest } = options;
    super(message, rest);
    this.kind = kind;
    this.code = code ?? (kind === "socket" ? codeOf(rest.cause) : undefined) ?? CODES[kind];
    this.closeCode = closeCode;
    this.reason = reason;
  }
}

/** The code of an error of the system; undefined if it has none. */
function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
