/**
 * The peer of the mux: a Go program around xtaci/smux, on kcp-go and on TCP. `tests/interop/smux`
 * holds its source.
 *
 * @module
 */
import { AssertionError } from "@std/assert";
import { buildGo } from "./go_program.ts";
import { LineProcess } from "./line_process.ts";

/** Settings of a session of smux. What is left out has smux's default. */
export interface SmuxSettings {
  /** 1 or 2. Default: 1. */
  version?: 1 | 2;
  /** ms between keep-alives, or -1 for none. Default: 10,000. */
  keepAlive?: number;
  /** ms of silence after which the session ends. Default: 30,000. */
  keepAliveTimeout?: number;
  /** Bytes of payload in a frame at most. Default: 32,768. */
  maxFrameSize?: number;
  /** Bytes that all streams together hold. Default: 4,194,304. */
  maxReceiveBuffer?: number;
  /** Bytes that a stream of version 2 tells as its window. Default: 65,536. */
  maxStreamBuffer?: number;
}

/** Settings of a session of kcp-go below. */
export interface SmuxKcp {
  /** The password of AES-128, with kcptun's derivation. Default: no encryption. */
  password?: string;
  /** Data and parity shards. Default: no error correction. */
  data?: number;
  parity?: number;
  /** Send and receive window in segments. Default: 1024 each. */
  windows?: [number, number];
  /** The arguments of SetNoDelay. Default: 1, 10, 2, 1. */
  nodelay?: [number, number, number, number];
  /** Whether each write is a message of its own. Default: writes share segments, as in kcptun. */
  message?: boolean;
}

/** What smux runs on, and its settings. */
export interface SmuxEnd {
  over: "tcp" | "kcp";
  kcp?: SmuxKcp;
  smux?: SmuxSettings;
}

/** What the peer does on a stream: one part writes while another part reads. */
export interface StreamPlan {
  /** Writes what arrives, and ends its half when ours has ended. */
  echo?: boolean;
  /** How many bytes of a pattern it writes. The seed of the pattern is `seed` + the stream's id. */
  bytes?: number;
  seed?: number;
  /** Lengths of the writes, used in turn. Default: 65536. */
  writes?: readonly number[];
  /** What it does after the last byte. Default: "closeWrite". */
  end?: "closeWrite" | "close" | "leave";
  /** Whether it writes only after our half has ended. */
  later?: boolean;
  /** Whether it reads nothing. */
  noRead?: boolean;
  /** After how many bytes it reads no more. Default: it reads to the end. */
  limit?: number;
  /** The length of its buffer. Default: 65536. */
  reads?: number;
  /** ms before each read. Default: 0. */
  readPause?: number;
  /** Whether it begins to read after {@linkcode SmuxSession.release}. */
  hold?: boolean;
  /** The seed, without the stream's id, of the pattern that must arrive. */
  expect?: number;
  /** Whether the stream stays open afterwards. By default, it is closed. */
  leave?: boolean;
  /** In ms. Default: 60,000. */
  timeout?: number;
}

/** What happened on a stream of the peer. */
export interface StreamResult {
  stream: number;
  sent: number;
  received: number;
  sha256: string;
  eof: boolean;
  readError?: string;
  writeError?: string;
  openError?: string;
}

interface Answer {
  error?: string;
  handle: number;
  address: string;
  results: StreamResult[];
  ms: number;
  open: number;
  closed: boolean;
  heap: number;
}

type Ask = (command: Record<string, unknown>) => Promise<Answer>;

/** Throws for the first stream with an error. */
export function checkResults(results: readonly StreamResult[]): void {
  for (const { stream, readError, writeError, openError } of results) {
    const error = openError ?? readError ?? writeError;
    if (error) throw new AssertionError(`Stream ${stream} of smux: ${error}`);
  }
}

/** A session of smux. */
export class SmuxSession {
  readonly #ask: Ask;
  readonly #handle: number;

  /** Use {@linkcode SmuxPeer.dial} or {@linkcode SmuxListener.accept}. */
  constructor(ask: Ask, handle: number) {
    this.#ask = ask;
    this.#handle = handle;
  }

  /** Opens streams at once, and carries out a plan on each. */
  async run(streams: number, plan: StreamPlan): Promise<{ results: StreamResult[]; ms: number }> {
    const { results, ms } = await this.#ask({ do: "run", handle: this.#handle, streams, plan });
    return { results, ms };
  }

  /** Waits until so many streams that we opened have ended there. */
  async served(streams: number): Promise<StreamResult[]> {
    return (await this.#ask({ do: "served", handle: this.#handle, streams })).results;
  }

  /** Lets the readers begin that hold. */
  async release(): Promise<void> {
    await this.#ask({ do: "release", handle: this.#handle });
  }

  /** The number of open streams, whether the session has ended, and the heap of the process. */
  async look(): Promise<{ open: number; closed: boolean; heap: number }> {
    const { open, closed, heap } = await this.#ask({ do: "look", handle: this.#handle });
    return { open, closed, heap };
  }

  /** Closes the session and the connection below at once: smux does not wait for anything. */
  async close(): Promise<void> {
    await this.#ask({ do: "close", handle: this.#handle });
  }
}

/** A listener whose sessions are those of smux's servers. */
export class SmuxListener {
  readonly #ask: Ask;
  readonly #handle: number;
  /** The port on 127.0.0.1. */
  readonly port: number;

  /** Use {@linkcode SmuxPeer.listen}. */
  constructor(ask: Ask, handle: number, port: number) {
    this.#ask = ask;
    this.#handle = handle;
    this.port = port;
  }

  /** Waits for the next session. */
  async accept(): Promise<SmuxSession> {
    const { handle } = await this.#ask({ do: "accept", handle: this.#handle });
    return new SmuxSession(this.#ask, handle);
  }

  /** Accepts no more. */
  async close(): Promise<void> {
    await this.#ask({ do: "close", handle: this.#handle });
  }
}

/** A process with listeners and sessions of smux. */
export class SmuxPeer extends LineProcess {
  /** Starts a process. */
  static async start(): Promise<SmuxPeer> {
    return new SmuxPeer(await buildGo("smux"), "control");
  }

  readonly #ask: Ask = async (command) => {
    const id = this.nextId();
    const answer = this.answer(id);
    await this.send({ id, ...command });
    const received = await answer as Answer;
    if (received.error) throw new AssertionError(`smux, ${command.do}: ${received.error}`);
    return received;
  };

  /**
   * Opens a listener on 127.0.0.1.
   *
   * @param plan What happens on each stream that we open. Without a plan, it closes them.
   */
  async listen(end: SmuxEnd, plan?: StreamPlan): Promise<SmuxListener> {
    const { handle, address } = await this.#ask({ do: "listen", ...end, plan });
    return new SmuxListener(this.#ask, handle, Number(address.split(":").at(-1)));
  }

  /**
   * Opens a session in the role of the client.
   *
   * @param plan What happens on each stream that we open. Without a plan, it closes them.
   */
  async dial(port: number, end: SmuxEnd, plan?: StreamPlan): Promise<SmuxSession> {
    const address = `127.0.0.1:${port}`;
    const { handle } = await this.#ask({ do: "dial", address, ...end, plan });
    return new SmuxSession(this.#ask, handle);
  }
}
