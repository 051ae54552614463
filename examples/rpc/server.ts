/**
 * The answering end.
 *
 * @module
 */
import {
  type Call,
  encode,
  isStream,
  Kind,
  type Message,
  MessageReader,
  RpcError,
  type StreamConnection,
  type StreamPair,
} from "./messages.ts";

/** What a method knows of its call. */
export interface CallContext {
  /** Aborts when the caller gives up, when its time is over, and when the connection ends. */
  readonly signal: AbortSignal;
  /** ms until the caller gives up: for calls to others. `undefined`: it waits forever. */
  readonly timeout: number | undefined;
}

/** The methods of a service, as the server has them: the first argument is the context. */
export type Handlers<Api> = {
  readonly [Method in keyof Api]: Api[Method] extends (...args: infer Args) => infer Result ? (
      context: CallContext,
      ...args: Args
    ) => Result extends AsyncIterable<unknown> ? Result : Result | Promise<Result>
    : never;
};

/** Settings of a server. */
export interface ServeOptions {
  /** How many calls of one connection run at a time. Further ones fail as `busy`. Default: 256. */
  readonly maxCalls?: number;
}

type Handler = (context: CallContext, ...args: unknown[]) => unknown;

/**
 * Answers the calls of a connection, until it ends.
 *
 * @throws What the connection says about its end.
 */
export async function serveRpc<Api>(
  connection: StreamConnection,
  handlers: Handlers<Api>,
  { maxCalls = 256 }: ServeOptions = {},
): Promise<void> {
  let running = 0;
  for await (const stream of connection.incomingBidirectionalStreams) {
    const busy = running >= maxCalls;
    running++;
    answer(stream, handlers, busy).finally(() => running--);
  }
}

async function answer(stream: StreamPair, handlers: object, busy: boolean): Promise<void> {
  const reader = new MessageReader(stream.readable);
  const writer = stream.writable.getWriter();
  const control = new AbortController();
  // A caller that gives up ends both halves.
  writer.closed.catch(() => control.abort(gone()));
  let timer: ReturnType<typeof setTimeout> | undefined;
  let input: Input | undefined;
  try {
    const { method, args, stream, timeout } = callOf(await reader.read());
    input = new Input(reader, control);
    if (busy) throw new RpcError("busy", "the server runs as many calls as it may");
    if (!Object.hasOwn(handlers, method)) {
      throw new RpcError("unknown-method", `there is no method ${JSON.stringify(method)}`);
    }
    if (timeout !== undefined) {
      const over = new RpcError("deadline-exceeded", "the time of the call is over");
      timer = setTimeout(() => control.abort(over), timeout);
    }
    const given = stream === undefined ? args : args.with(stream, input.items);
    const context = { signal: control.signal, timeout };
    const handler = (handlers as Record<string, Handler>)[method];
    const answered = (async () => {
      const result = await handler.call(handlers, context, ...given);
      if (!isStream(result)) return await writer.write(encode(Kind.end, result));
      for await (const item of result) {
        // Leaving the loop ends the method, too: its `finally` blocks run.
        if (control.signal.aborted) return;
        await writer.write(encode(Kind.item, item));
      }
      await writer.write(encode(Kind.end));
    })();
    // A method that ignores the signal must not keep the stream.
    await Promise.race([answered, aborted(control.signal)]);
    await writer.close();
  } catch (error) {
    await fail(writer, error);
  } finally {
    clearTimeout(timer);
    // The caller ends its half when it has the answer.
    await (input?.finish() ?? reader.cancel().catch(() => {}));
  }
}

function gone(): RpcError {
  return new RpcError("cancelled", "the caller has given up");
}

/** Sends the reason, unless the caller has gone. */
async function fail(
  writer: WritableStreamDefaultWriter<Uint8Array>,
  error: unknown,
): Promise<void> {
  const text = error instanceof Error ? error.message : String(error);
  const code = error instanceof RpcError ? error.code : "failed";
  try {
    if (code === "cancelled" || code === "disconnected") await writer.abort(error);
    else {
      await writer.write(encode(Kind.failure, { code, message: text.slice(0, 1000) }));
      await writer.close();
    }
  } catch {
    // The stream has ended.
  }
}

/** Rejects when the call is over before its answer. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** Checks the first message. */
function callOf(message: Message | null): Call {
  if (message === null) throw new RpcError("cancelled", "the stream ends before the call");
  const { method, args, stream, timeout } = (message.value ?? {}) as Partial<Call>;
  const valid = message.kind === Kind.call && typeof method === "string" && Array.isArray(args) &&
    (stream === undefined || Number.isInteger(stream) && stream >= 0 && stream < args.length) &&
    (timeout === undefined || typeof timeout === "number" && timeout >= 0 && timeout < 2 ** 31);
  if (!valid) throw new RpcError("bad-message", "the first message is not a call");
  return { method, args, stream, timeout };
}

/** What the caller sends after the call: items, if an argument is a stream, and their end. */
class Input {
  /** The items. */
  readonly items: ReadableStream<unknown>;
  readonly #reader: MessageReader;
  /** Whether nobody wants the items any more. */
  #unwanted = false;
  /** Lets the next item in. */
  #more = () => {};
  readonly #ended: Promise<void>;

  /** @param control Aborts at the end of the half: a caller leaves it open until it has the answer. */
  constructor(reader: MessageReader, control: AbortController) {
    this.#reader = reader;
    let queue!: ReadableStreamDefaultController<unknown>;
    // One item waits here. The flow control of the stream holds the others back.
    this.items = new ReadableStream({
      start: (controller) => void (queue = controller),
      pull: () => this.#more(),
      cancel: () => this.#discard(),
    }, { highWaterMark: 1 });
    this.#ended = this.#run(queue).catch((error) => {
      if (!this.#unwanted) queue.error(error);
      control.abort(error instanceof RpcError ? error : gone());
    });
  }

  /** Reads the half to its end, even if the method takes nothing: then the call is over. */
  async #run(queue: ReadableStreamDefaultController<unknown>): Promise<never> {
    for (let open = true;;) {
      const message = await this.#reader.read();
      if (message === null) throw gone();
      if (this.#unwanted) continue;
      if (!open || message.kind !== Kind.item && message.kind !== Kind.end) {
        throw new RpcError("bad-message", `a message of kind ${message.kind}`);
      }
      if (message.kind === Kind.end) {
        open = false;
        queue.close();
        continue;
      }
      queue.enqueue(message.value);
      if (queue.desiredSize! <= 0) await new Promise<void>((more) => this.#more = more);
    }
  }

  #discard(): void {
    this.#unwanted = true;
    this.#more();
  }

  /** Waits for the end of the half. What still comes is of no use. */
  async finish(): Promise<void> {
    this.#discard();
    await this.#ended;
  }
}
