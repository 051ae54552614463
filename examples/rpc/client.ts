/**
 * The calling end: every call has a stream of its own, so a long answer does not delay another.
 *
 * @module
 */
import {
  encode,
  type Failure,
  isStream,
  Kind,
  MessageReader,
  RpcError,
  type RpcErrorCode,
  type StreamConnection,
  type StreamPair,
} from "./messages.ts";

/** How a call is made. */
export interface CallOptions {
  /** Gives the call up. The server's method hears of it by a signal of its own. */
  readonly signal?: AbortSignal;
  /** ms until the call is given up, at both ends. Default: it may take forever. */
  readonly timeout?: number;
}

/** The methods of a service, as a caller sees them: see {@linkcode connectRpc}. */
export type Client<Api> =
  & {
    readonly [Method in keyof Api]: Api[Method] extends (...args: infer Args) => infer Result
      ? (...args: Args) => Result extends AsyncIterable<unknown> ? Result
        : Promise<Awaited<Result>>
      : never;
  }
  & {
    /** The same methods, called with options. */
    with(options: CallOptions): Client<Api>;
  };

/**
 * Makes a client of a service on the other end of a connection.
 *
 * The methods of `Api` take and give values that JSON can hold. One argument may be an
 * `AsyncIterable` of such values, and the result may be one, too.
 *
 * @typeParam Api The methods of the service, such as
 * `{ add(a: number, b: number): number; count(to: number): AsyncIterable<number> }`.
 */
export function connectRpc<Api>(
  connection: StreamConnection,
  options: CallOptions = {},
): Client<Api> {
  return new Proxy({} as Client<Api>, {
    get(_, method) {
      // A client that is returned by an async function must not look like a promise.
      if (typeof method !== "string" || method === "then") return undefined;
      if (method === "with") {
        return (more: CallOptions) => connectRpc(connection, { ...options, ...more });
      }
      return (...args: unknown[]) => new Calling(connection, method, args, options);
    },
  });
}

/** A call. It is a promise of its result, or the stream of its results: the method says which. */
class Calling implements PromiseLike<unknown>, AsyncIterable<unknown> {
  readonly #connection: StreamConnection;
  readonly #method: string;
  readonly #args: unknown[];
  readonly #options: CallOptions;
  #result: Promise<unknown> | undefined;

  constructor(
    connection: StreamConnection,
    method: string,
    args: unknown[],
    options: CallOptions,
  ) {
    this.#connection = connection;
    this.#method = method;
    this.#args = args;
    this.#options = options;
  }

  then<A, B>(
    resolved?: ((value: unknown) => A | PromiseLike<A>) | null,
    rejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#result ??= this.#last();
    return this.#result.then(resolved, rejected);
  }

  catch<B>(rejected?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<unknown> {
    return this.then(null, rejected);
  }

  finally(done?: (() => void) | null): Promise<unknown> {
    this.#result ??= this.#last();
    return this.#result.finally(done);
  }

  async #last(): Promise<unknown> {
    const results = this.#run();
    for (;;) {
      const { value, done } = await results.next();
      if (done) return value;
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<unknown> {
    return this.#run();
  }

  /** Yields the items of the answer, and returns its result. */
  async *#run(): AsyncGenerator<unknown, unknown> {
    const { timeout, signal } = this.#options;
    const signals = [signal, timeout === undefined ? undefined : AbortSignal.timeout(timeout)];
    const until = AbortSignal.any(signals.filter((each) => each !== undefined));
    if (until.aborted) throw errorOf(until.reason);
    const stream = await this.#connection.createBidirectionalStream().catch((cause) => {
      throw new RpcError("disconnected", `no stream: ${messageOf(cause)}`, { cause });
    });
    const reader = new MessageReader(stream.readable);
    const writer = stream.writable.getWriter();
    /** Why there will be no answer. */
    let failure: RpcError | undefined;
    /** Ends both halves before the answer is there: so the server hears that nobody wants it. */
    const giveUp = (reason: RpcError) => {
      if (complete) return;
      failure ??= reason;
      reader.cancel(reason).catch(() => {});
      writer.abort(reason).catch(() => {});
    };
    const onAbort = () => giveUp(errorOf(until.reason));
    until.addEventListener("abort", onAbort);
    // The caller may have given up while the stream was being opened.
    if (until.aborted) onAbort();
    let complete = false;
    try {
      // If an argument fails, so does the call. If the connection fails, the reader tells it.
      this.#send(writer).catch((error) => error instanceof RpcError && giveUp(error));
      for (;;) {
        const message = await reader.read();
        if (message === null) {
          throw new RpcError("disconnected", "the stream ends before the answer");
        }
        if (message.kind === Kind.item) yield message.value;
        else if (message.kind === Kind.end) {
          complete = true;
          return message.value;
        } else if (message.kind === Kind.failure) {
          complete = true;
          const { code, message: text } = message.value as Failure;
          throw new RpcError(code, text);
        } else throw new RpcError("bad-message", `a message of kind ${message.kind}`);
      }
    } catch (error) {
      throw failure ?? errorOf(error);
    } finally {
      until.removeEventListener("abort", onAbort);
      // The answer may come before all arguments are sent. Also, a loop may leave early.
      if (complete) writer.close().catch(() => {});
      else giveUp(new RpcError("cancelled", "the caller has given up"));
    }
  }

  async #send(writer: WritableStreamDefaultWriter<Uint8Array>): Promise<void> {
    const stream = this.#args.findIndex(isStream);
    const { timeout } = this.#options;
    await writer.write(encode(Kind.call, {
      method: this.#method,
      args: this.#args.map((arg, i) => i === stream ? null : arg),
      stream: stream < 0 ? undefined : stream,
      timeout,
    }));
    if (stream < 0) return;
    try {
      for await (const item of this.#args[stream] as AsyncIterable<unknown>) {
        await writer.write(encode(Kind.item, item));
      }
    } catch (cause) {
      throw new RpcError("failed", `an argument: ${messageOf(cause)}`, { cause });
    }
    await writer.write(encode(Kind.end));
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The error of a call that ended for this reason. */
function errorOf(reason: unknown): RpcError {
  if (reason instanceof RpcError) return reason;
  const name = reason instanceof Error ? reason.name : "";
  const code: RpcErrorCode = name === "TimeoutError"
    ? "deadline-exceeded"
    : name === "AbortError"
    ? "cancelled"
    : "disconnected";
  return new RpcError(code, messageOf(reason), { cause: reason });
}

export { RpcError };
export type { RpcErrorCode, StreamConnection, StreamPair };
