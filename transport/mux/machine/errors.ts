import { CODE_FLOW, CODE_REFUSED, CODE_STALLED } from "./note.ts";

/** The reason why a stream or a session of streams ended, or why it cannot be used. */
export type MuxErrorKind =
  /** The peer broke the protocol. The session ends. */
  | "protocol"
  /** Nothing arrived for the keep-alive timeout. The session ends. */
  | "unreachable"
  /** The operation took longer than its `timeout`. The stream goes on. */
  | "timeout"
  /** The peer has reset the stream, stopped reading it, or closed the session with a code. */
  | "reset"
  /** The stream or the session was closed on this side, or the stream's end was already sent. */
  | "closed"
  /** The peer refused the stream: too many wait to be accepted, or are open. */
  | "refused"
  /** The stream was cut: nobody read it, and its data filled the session's receive buffer. */
  | "stalled"
  /**
   * The stream was cut: more data came than its window allowed, or a window update was impossible.
   */
  | "flow"
  /** Every stream id of this side was used. */
  | "exhausted"
  /** The connection below ended or failed; the error says why in its `cause`. */
  | "connection"
  /** The wire or the connection below has no such thing. */
  | "unsupported";

/** The name that systems have for an error of each kind. */
const CODES: Readonly<Record<MuxErrorKind, string>> = {
  protocol: "EPROTO",
  unreachable: "ETIMEDOUT",
  timeout: "ETIMEDOUT",
  reset: "ECONNRESET",
  closed: "EPIPE",
  refused: "ECONNREFUSED",
  stalled: "ECONNABORTED",
  flow: "ECONNABORTED",
  exhausted: "EADDRNOTAVAIL",
  connection: "ECONNRESET",
  unsupported: "ENOTSUP",
};

/** Details of a {@linkcode MuxError}. */
export interface MuxErrorOptions extends ErrorOptions {
  /** See {@linkcode MuxError.closeCode}. */
  closeCode?: number;
  /** See {@linkcode MuxError.reason}. */
  reason?: string;
}

/**
 * The error of streams, and of sessions of streams.
 *
 * @example
 * ```ts
 * import { connectMux, MuxError } from "@lowlatency/kcp/mux";
 *
 * await using mux = await connectMux({ port: 4000 });
 * try {
 *   await (await mux.accept({ timeout: 1000 })).read(new Uint8Array(1));
 * } catch (error) {
 *   if (error instanceof MuxError) console.log(error.kind, error.message);
 * }
 * ```
 */
export class MuxError extends Error {
  /**
   * The reason.
   *
   * @example
   * ```ts
   * import { connectMux, MuxError } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * try {
   *   await (await mux.accept({ timeout: 1000 })).read(new Uint8Array(1));
   * } catch (error) {
   *   if (error instanceof MuxError) console.log(error.kind);
   * }
   * ```
   */
  readonly kind: MuxErrorKind;
  /**
   * The name that systems and Node.js have for such an error, such as `ECONNRESET`.
   *
   * @example
   * ```ts
   * import { connectMux, MuxError } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * try {
   *   await (await mux.accept({ timeout: 1000 })).read(new Uint8Array(1));
   * } catch (error) {
   *   if (error instanceof MuxError) console.log(error.code);
   * }
   * ```
   */
  readonly code: string;
  /**
   * The code that the peer gave, 0 to 2^32 - 257. 0 if it gave none.
   *
   * @example
   * ```ts
   * import { connectMux, MuxError } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * try {
   *   await (await mux.accept({ timeout: 1000 })).read(new Uint8Array(1));
   * } catch (error) {
   *   if (error instanceof MuxError) console.log(error.closeCode);
   * }
   * ```
   */
  readonly closeCode: number;
  /**
   * The reason that the peer gave when it closed the session. Empty if it gave none.
   *
   * @example
   * ```ts
   * import { connectMux, MuxError } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * try {
   *   await (await mux.accept({ timeout: 1000 })).read(new Uint8Array(1));
   * } catch (error) {
   *   if (error instanceof MuxError) console.log(error.reason);
   * }
   * ```
   */
  readonly reason: string;
  /**
   * The name of the class.
   *
   * @example
   * ```ts
   * import { connectMux, MuxError } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * try {
   *   await (await mux.accept({ timeout: 1000 })).read(new Uint8Array(1));
   * } catch (error) {
   *   if (error instanceof MuxError) console.log(error.name);
   * }
   * ```
   */
  override readonly name: string = "MuxError";

  /**
   * Makes an error.
   *
   * @param kind The reason.
   * @param message The reason in words.
   * @param options The cause, and what the peer gave.
   */
  constructor(kind: MuxErrorKind, message: string, options: MuxErrorOptions = {}) {
    const { closeCode = 0, reason = "", ...rest } = options;
    super(message, rest);
    this.kind = kind;
    this.code = CODES[kind];
    this.closeCode = closeCode;
    this.reason = reason;
  }
}

/** The error of a stream that the peer reset, or does not read any more, with a code. */
export function errorOfCode(code: number, doing: string): MuxError {
  if (code === CODE_REFUSED) return new MuxError("refused", "The peer refused the stream");
  if (code === CODE_STALLED) {
    return new MuxError("stalled", "The peer cut the stream: nobody there reads it");
  }
  if (code === CODE_FLOW) {
    return new MuxError("flow", "The peer cut the stream: its window was not respected");
  }
  return new MuxError("reset", `The peer ${doing} with code ${code}`, { closeCode: code });
}
