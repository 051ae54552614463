import type { PacketBatch, PacketBatchOptions } from "../../kcp/packet_batch.ts";
import type { DatagramReceiver, DatagramSocket } from "../connection/driver.ts";
import { settlesWithin } from "../connection/timed_wait.ts";
import type { WebTransportDatagramsLike, WebTransportLike } from "./transport.ts";

/** Most packets of a batch. */
const MAX_PACKETS = 64;
/** Most packets that the outgoing queue of the session holds. With more, the round trip gets longer. */
const MAX_QUEUED = 8;
/** Most packets that arrived and wait to be read. */
const MAX_WAITING = 2048;
/**
 * How long (ms) a packet may wait in the session. Without this, Chromium drops what waits for little more
 * than a round trip: three times as many packets are lost.
 */
const MAX_AGE = 1_000;
/** So many packets that wait for a place in that queue are few: nobody waits for them. */
const FEW = 8;
/** How long (ms) a batch waits for room in the outgoing queue before it is lost. */
const MAX_WAIT = 50;
/** How long (ms) the end of the session may take to be told, once nothing can be read any more. */
const END_TIME = 1_000;
/** How long (ms) a close waits until the last packets have left. */
const FLUSH_TIME = 100;
/** Bytes of a datagram that every session takes, for one that does not tell. */
const SAFE_SIZE = 1024;

/**
 * Sends and receives packets as datagrams of a WebTransport session, for `listenOn` and `connectOn`.
 *
 * The largest packet follows `datagrams.maxDatagramSize`. A packet that the session refuses is lost. When
 * the outgoing queue is full, the connections wait for up to 50 ms: what they have to send stays in their
 * own queues. After that, packets are lost.
 *
 * @example
 * ```ts no-eval
 * import { connectOn, SystemClock, systemEntropy } from "@lowlatency/kcp/transport";
 * import { WebTransportSocket } from "@lowlatency/kcp/webtransport";
 *
 * const transport = new WebTransport("https://example.com:4433/");
 * await transport.ready;
 * const socket = new WebTransportSocket(transport);
 * const [conv] = crypto.getRandomValues(new Uint32Array(1));
 * const options = { mtu: 1452, entropy: systemEntropy };
 * const conn = connectOn(socket, new SystemClock(), socket.peer, conv, options);
 * await conn.write(new TextEncoder().encode("hello"));
 * ```
 */
export class WebTransportSocket implements DatagramSocket {
  /** The kind of socket. */
  readonly adapter = "webtransport";
  /** A name for this end: a session has no address. */
  readonly address = "webtransport:1";
  /** The batch size that suits the session. */
  readonly batch: PacketBatchOptions = { packets: MAX_PACKETS };
  /**
   * The address from which all packets come.
   *
   * @example
   * ```ts no-eval
   * import { WebTransportSocket } from "@lowlatency/kcp/webtransport";
   *
   * const transport = new WebTransport("https://example.com:4433/");
   * const socket = new WebTransportSocket(transport, "example.com:4433");
   * console.log(socket.peer); // example.com:4433
   * ```
   */
  readonly peer: string;
  readonly #transport: WebTransportLike;
  readonly #datagrams: WebTransportDatagramsLike;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #lastWrite: Promise<void> = Promise.resolve();
  #closed = false;

  /**
   * Wraps a session. Nothing else may read or write its datagrams until the socket is closed; its streams
   * belong to the application. The socket does not close the session.
   *
   * @param transport The session.
   * @param peer The address from which all packets come, such as `10.0.0.1:80`.
   */
  constructor(transport: WebTransportLike, peer = "webtransport:1") {
    this.#transport = transport;
    this.peer = peer;
    const { datagrams } = transport;
    this.#datagrams = datagrams;
    // The specification has renamed two of them.
    trySet(datagrams, "incomingHighWaterMark", MAX_WAITING);
    trySet(datagrams, "incomingMaxBufferedDatagrams", MAX_WAITING);
    trySet(datagrams, "outgoingHighWaterMark", MAX_QUEUED);
    trySet(datagrams, "outgoingMaxBufferedDatagrams", MAX_QUEUED);
    trySet(datagrams, "outgoingMaxAge", MAX_AGE);
    const writable = datagrams.writable ?? datagrams.createWritable!();
    this.#writer = writable.getWriter();
    this.#writer.closed.catch(() => {});
    this.#reader = datagrams.readable.getReader();
    this.#reader.closed.catch(() => {});
  }

  /** Bytes of the largest packet that the session sends now. */
  get maxPacketSize(): number {
    const { maxDatagramSize } = this.#datagrams;
    return typeof maxDatagramSize === "number" ? maxDatagramSize : SAFE_SIZE;
  }

  /** Starts to deliver packets. */
  open(receiver: DatagramReceiver): void {
    const ended = this.#transport.closed.then(
      (info) => this.#fail(receiver, endOf(info)),
      (error) => this.#fail(receiver, error),
    );
    this.#receive(receiver, ended);
  }

  async #receive(receiver: DatagramReceiver, ended: Promise<void>): Promise<void> {
    try {
      for (let next; !this.#closed && !(next = await this.#reader.read()).done;) {
        if (this.#closed) return;
        receiver.packet(next.value, this.peer);
      }
    } catch (error) {
      // The end of the session tells why.
      await settlesWithin(ended, END_TIME);
      this.#fail(receiver, error);
      return;
    }
    await settlesWithin(ended, END_TIME);
    this.#fail(receiver, endOf(undefined));
  }

  #fail(receiver: DatagramReceiver, error: unknown): void {
    if (!this.#closed) receiver.failed(error);
  }

  /** Sends the packets of a batch. A packet that the session refuses is lost. */
  send(batch: PacketBatch): void | Promise<void> {
    if (!this.#isFull) return this.#write(batch);
    return this.#ready().then((ready) => {
      if (ready && !this.#closed) return this.#write(batch);
    });
  }

  /** Whether the outgoing queue is full, and more than a few packets wait for a place. */
  get #isFull(): boolean {
    const { desiredSize } = this.#writer;
    return desiredSize !== null && desiredSize < 1 - FEW;
  }

  #ready(): Promise<boolean> {
    return settlesWithin(this.#writer.ready, MAX_WAIT);
  }

  #write({ arena, starts, ends, count }: PacketBatch): void | Promise<void> {
    // The memory of a batch is used again, and moves when the arena grows. A session may read a packet
    // later, so it gets a copy.
    const first = starts[0];
    const copy = arena.bytes.slice(first, ends[count - 1]);
    for (let i = 0; i < count; i++) {
      this.#lastWrite = this.#writer.write(copy.subarray(starts[i] - first, ends[i] - first));
      // A session that has ended tells it by itself.
      this.#lastWrite.catch(ignore);
    }
    if (this.#isFull) return this.#ready().then(ignore);
  }

  /** Gives the datagrams of the session back, when the last packets have left. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await settlesWithin(this.#lastWrite, FLUSH_TIME);
    release(this.#reader);
    release(this.#writer);
  }

  /** Does nothing: the runtime decides whether a session keeps the process alive. */
  ref(): void {}

  /** Does nothing: see {@linkcode WebTransportSocket.ref}. */
  unref(): void {}
}

function ignore(): void {}

/** Sets a property that not every implementation has. */
function trySet(target: object, name: string, value: number): void {
  try {
    // In Deno 2.9, the setters throw.
    if (name in target) Object.assign(target, { [name]: value });
  } catch {
    // The default of the implementation holds.
  }
}

function release(lock: { releaseLock(): void }): void {
  try {
    lock.releaseLock();
  } catch {
    // Older implementations keep a reader that waits.
  }
}

/** The reason for the end of the connections when the session was closed in order. */
function endOf(info: unknown): Error {
  const { closeCode = 0, reason = "" } = (info ?? {}) as { closeCode?: number; reason?: string };
  const details = `${closeCode === 0 ? "" : ` with the code ${closeCode}`}${
    reason && `: ${reason}`
  }`;
  return new Error(`The WebTransport session was closed${details}`, { cause: info });
}
