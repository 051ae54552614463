/**
 * Runs an endpoint on a socket and a clock. All adapters share this code.
 *
 * @module
 */
import type { Arena } from "../../kcp/arena.ts";
import { PacketBatch, type PacketBatchOptions } from "../../kcp/packet_batch.ts";
import { isPortZero } from "../session/address.ts";
import type { Endpoint } from "../session/endpoint.ts";
import type { Session } from "../session/session.ts";
import { ConnectionError } from "../session/errors.ts";
import { EXITED } from "../session/reset.ts";
import { type Timed, TimerHeap } from "../session/timer_heap.ts";
import { deferred } from "./deferred.ts";
import { beforeExit } from "./exit.ts";
import { Ledger } from "./totals.ts";
import { queueOf, type RateLimit, type RateQueue, type RateWaiter } from "./rate_limit.ts";

/** Receives the packets and errors of a {@linkcode DatagramSocket}. */
export interface DatagramReceiver {
  /** The memory of the endpoint. A socket may receive packets into it. */
  readonly arena: Arena;
  /**
   * Takes a packet that arrived. The bytes are not kept. A packet from port 0 is dropped.
   *
   * @param held Whether the reply waits for `settled()`, as those to `packets()` do. Default: false.
   */
  packet(bytes: Uint8Array, from: string, held?: boolean): void;
  /**
   * Takes several packets that arrived. They lie one after the other in the arena, from offset
   * `start` to before `end`. The bytes are decrypted in place. Replies (acknowledgments) are sent
   * on `settled()`, or earlier together with application data. Packets from port 0 are dropped.
   *
   * @param size Size of each packet in bytes. The last packet may be shorter.
   * @param from The address of the sender.
   */
  packets(start: number, end: number, size: number, from: string): void;
  /**
   * Sends the replies to the packets of earlier `packets()` calls, and of those that are held. A
   * socket must call this after the application had time to answer: the acknowledgments then travel
   * with the answer.
   */
  settled(): void;
  /**
   * Takes the error of a socket that is closed or unusable. The socket delivers nothing more. An
   * error that may pass is no failure: the socket goes on.
   */
  failed(error: unknown): void;
}

/** A UDP socket, or any other kind of datagram socket. It knows nothing of the protocol. */
export interface DatagramSocket {
  /** The kind of socket, as `Connection.adapter` and `Listener.adapter` tell it. Default: "own". */
  readonly adapter?: string;
  /** The socket's own address, in the form that is used for peers. */
  readonly address: string;
  /** The batch size that suits the socket. Default: the defaults of `PacketBatch`. */
  readonly batch?: PacketBatchOptions;
  /**
   * The largest packet in bytes that the socket takes now. It may change at any time: the sessions
   * follow before they make their next packets. Larger ones are lost. Default: `Infinity`, for a socket
   * that does not know.
   */
  readonly maxPacketSize?: number;
  /**
   * The largest packet in bytes that reaches a peer's address without being split into fragments; 0 if
   * the socket does not know. Sessions that send much try such packets if the round trip is below 1 ms,
   * unless the application has set `mtu` or `maxMtu`, or the peer is of another implementation, or has
   * moved. Default: 0.
   *
   * @param peer The address of the peer, in the form in which the socket delivers its packets.
   */
  wholePacketSize?(peer: string): number;
  /** Reads that have failed so far, for the statistics. Default: 0. */
  readonly readErrors?: number;
  /**
   * The address under which the socket delivers the packets of a peer. Default: `10.0.0.1:80` or
   * `[::1]:80`, made of the two parts.
   *
   * @param hostname An IP address. An IPv6 address may have a zone.
   * @throws {TypeError} When the socket can't send there.
   */
  peerAddress?(hostname: string, port: number): string;
  /** Starts to deliver packets. */
  open(receiver: DatagramReceiver): void;
  /**
   * Sends every packet of the batch to its destination. The batch may be used again when the call
   * returns, or when its promise settles. A packet that the network refuses is lost, as any packet
   * may be. The other packets of the batch are sent.
   *
   * @throws {Error} When the socket is closed or unusable; a promise that rejects means the same.
   * All connections of the socket then end.
   */
  send(batch: PacketBatch): void | Promise<void>;
  /**
   * Sends every packet of the batch as far as that is possible without waiting: the process ends.
   * Without this method, peers are not told that the process has ended.
   */
  sendNow?(batch: PacketBatch): void;
  /**
   * Closes the socket. It delivers nothing more. If it returns a promise, the socket is closed when
   * the promise settles.
   */
  close(): void | Promise<void>;
  /** Keeps the process alive while the socket is open. This is the initial state. */
  ref(): void;
  /** Lets the process end while the socket is open. */
  unref(): void;
}

/** The kind of a socket; `own` for one that does not tell it. */
export function adapterOf({ adapter = "own" }: DatagramSocket): string {
  return adapter;
}

/** A monotonic clock with one timer. */
export interface Clock {
  /** Milliseconds since a fixed time. The number may have a fraction. */
  now(): number;
  /** Calls `callback` once, not before the time `at` (ms). This replaces the pending call. */
  wake(at: number, callback: () => void): void;
  /** Cancels the pending call. */
  stop(): void;
  /** Keeps the process alive while a call is pending. This is the initial state. */
  ref(): void;
  /** Lets the process end while a call is pending. */
  unref(): void;
}

/** Largest number of batches that are sent before the event loop gets a turn. */
const MAX_ROUNDS = 16;

/** Largest number of packets in a batch, unless the socket asks for fewer. */
const MAX_PACKETS = 256;
/**
 * First and largest batch size when building a packet is expensive (encryption, FEC). Each batch is
 * twice as large as the one before, until nothing is left to send. The first batches are small, so
 * the peer can work on them while the next ones are built. The last ones are large, because a large
 * batch costs the system less per packet.
 */
const FIRST_EXPENSIVE_PACKETS = 8;
const MAX_EXPENSIVE_PACKETS = 64;

/** A call that {@linkcode Driver.after} will make. */
interface Call extends Timed {
  readonly run: () => void;
}

/**
 * Connects one endpoint with one socket and one timer. The driver passes packets from the socket to
 * the endpoint, sends the endpoint's packets in batches, and sets the timer to the endpoint's
 * deadline.
 */
export class Driver {
  /** The endpoint. */
  readonly endpoint: Endpoint;
  /** Settles when the socket is closed. */
  readonly closed: Promise<void>;
  /** The socket. */
  readonly socket: DatagramSocket;
  /** The sums over the connections of the socket. */
  readonly ledger: Ledger;
  /** What limits the packets of this socket and of others together. */
  readonly rateLimit: RateLimit | undefined;
  readonly #turns: RateQueue | null;
  readonly #waiter: RateWaiter = {
    wake: (at) => {
      if (at < this.#wakeAt && !this.#isClosed) this.#wake(at);
    },
  };
  readonly #clock: Clock;
  readonly #batch: PacketBatch;
  /** Largest number of packets in a batch. */
  readonly #maxPackets: number;
  /** Number of batches that were sent since the endpoint last had nothing to send. */
  #batchesInRow = 0;
  readonly #calls = new TimerHeap<Call>();
  readonly #resolveClosed: () => void;
  /** Forgets what is done when the process ends. */
  readonly #forgetExit: () => void;
  /** What the socket has told of its packets last. */
  #maxPacketSize = Infinity;
  #wakeAt = Infinity;
  #scheduled = false;
  #sending = false;
  /** Whether the socket has delivered packets, and will call `settled`. */
  #settles = false;
  /** Whether everything waits for that call. */
  #holds = false;
  /** Whether the socket is closed. */
  #isClosed = false;
  /** Whether to close the socket when the last session has ended. */
  #closesWhenIdle = false;
  /** What waits for the end of a session: called after each run. */
  #waitsForOver: (() => void)[] = [];

  constructor(endpoint: Endpoint, socket: DatagramSocket, clock: Clock, rateLimit?: RateLimit) {
    this.endpoint = endpoint;
    this.socket = socket;
    this.ledger = new Ledger(endpoint, socket);
    this.rateLimit = rateLimit;
    this.#turns = rateLimit ? queueOf(rateLimit) : null;
    this.#clock = clock;
    const { packets = Infinity, ...rest } = socket.batch ?? {};
    this.#maxPackets = Math.min(
      packets,
      endpoint.expensivePackets ? MAX_EXPENSIVE_PACKETS : MAX_PACKETS,
    );
    this.#batch = new PacketBatch({ ...rest, packets: this.#maxPackets, arena: endpoint.arena });
    const { promise, resolve } = deferred<void>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    endpoint.onWake = () => this.schedule();
    if (socket.wholePacketSize) endpoint.wholePacketSize = (peer) => socket.wholePacketSize!(peer);
    this.#forgetExit = socket.sendNow ? beforeExit(() => this.#sendResets()) : () => {};
    socket.open({
      arena: endpoint.arena,
      packets: (start, end, size, from) => {
        if (this.#isClosed || isPortZero(from)) return;
        this.#settles = true;
        endpoint.inputRun(start, end, size, clock.now(), from);
      },
      settled: () => {
        this.#settles = this.#holds = false;
        this.schedule();
      },
      packet: (bytes, from, held = false) => {
        // Nobody can be answered at port 0: the packet is forged.
        if (this.#isClosed || isPortZero(from)) return;
        if (held) this.#settles = true;
        endpoint.input(bytes, clock.now(), from);
        if (!held) this.schedule();
      },
      failed: (error) => this.#fail(error),
    });
    this.#limitPath();
  }

  /** The time of the clock, in ms. */
  now(): number {
    return this.#clock.now();
  }

  /** Whether a connection of the socket has not ended. */
  get busy(): boolean {
    for (const { state } of this.endpoint.sessions) if (state !== "closed") return true;
    return false;
  }

  /** Keeps the process alive while the socket is open. This is the initial state. */
  ref(): void {
    this.socket.ref();
    this.#clock.ref();
  }

  /** Lets the process end while the socket is open. */
  unref(): void {
    this.socket.unref();
    this.#clock.unref();
  }

  /**
   * Waits until a session neither sends nor answers anything more. After the last one, waits until the
   * socket is closed, if it is to be.
   */
  async over(session: Session): Promise<void> {
    while (!session.over && !this.#isClosed) {
      await new Promise<void>((resolve) => this.#waitsForOver.push(resolve));
    }
    if (this.#closesWhenIdle && this.endpoint.size === 0) await this.closed;
  }

  /** Closes the socket when the last session has ended. */
  closeWhenIdle(): void {
    this.#closesWhenIdle = true;
    this.schedule();
  }

  /** Calls `run` after `delay` ms. Returns a function that cancels the call. */
  after(delay: number, run: () => void): () => void {
    if (delay === Infinity || this.#isClosed) return () => {};
    const call: Call = { run, place: -1 };
    this.#calls.push(this.#clock.now() + delay, call);
    this.#arm();
    return () => this.#calls.remove(call);
  }

  /**
   * Lets what the application sends wait until it had time to answer all packets that have arrived, if the
   * socket tells when that is. Many small answers then share packets. A single one would only be later.
   */
  holdAnswers(): void {
    this.#holds = this.#settles;
  }

  /** Runs the endpoint soon. Several calls before that run it once. */
  schedule(): void {
    if (this.#scheduled || this.#holds || this.#isClosed) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (!this.#holds) this.#run();
    });
  }

  #run(): void {
    if (this.#isClosed || this.#sending) return;
    const { endpoint } = this;
    const batch = this.#batch;
    const now = this.#clock.now();
    for (let call; (call = this.#calls.popDue(now)) !== undefined;) call.run();
    this.#limitPath();
    endpoint.tick(now);
    for (let round = 0;; round++) {
      batch.clear();
      if (endpoint.expensivePackets) {
        batch.limit = Math.min(FIRST_EXPENSIVE_PACKETS << this.#batchesInRow, this.#maxPackets);
      }
      if (this.#turns && !this.#takeTurn(this.#turns, now)) return;
      if (endpoint.output(batch) === 0) {
        this.#batchesInRow = 0;
        this.#turns?.leave(this.#waiter);
        break;
      }
      this.#turns?.spend(bytesOf(batch));
      this.#batchesInRow = Math.min(this.#batchesInRow + 1, MAX_ROUNDS);
      let sent: void | Promise<void>;
      try {
        sent = this.socket.send(batch);
      } catch (error) {
        this.#fail(error);
        return;
      }
      if (sent) {
        this.#sending = true;
        sent.then(() => {
          this.#sending = false;
          this.schedule();
        }, (error) => this.#fail(error));
        return;
      }
      if (round === MAX_ROUNDS) {
        this.#wake(now);
        return;
      }
    }
    if (this.#closesWhenIdle && endpoint.size === 0) this.#close();
    else this.#arm();
    if (this.#waitsForOver.length > 0) this.#tellOver();
  }

  #tellOver(): void {
    for (const resolve of this.#waitsForOver.splice(0)) resolve();
  }

  /**
   * Sets the limit of the batch to what the shared rate allows. False when this driver must wait for
   * its turn: it is woken then.
   */
  #takeTurn(turns: RateQueue, now: number): boolean {
    // Who has nothing to send takes no turn.
    if (this.endpoint.deadline > now) return true;
    const packets = turns.ask(this.#waiter, now);
    if (packets === 0) {
      if (this.#calls.deadline < this.#wakeAt) this.#wake(this.#calls.deadline);
      return false;
    }
    const most = this.endpoint.expensivePackets ? this.#batch.limit : this.#maxPackets;
    this.#batch.limit = Math.min(most, packets);
    return true;
  }

  /** Tells the endpoint the largest packet that the socket takes, if that has changed. */
  #limitPath(): void {
    const { maxPacketSize = Infinity } = this.socket;
    if (maxPacketSize === this.#maxPacketSize) return;
    this.#maxPacketSize = maxPacketSize;
    this.endpoint.limitPath(maxPacketSize);
  }

  /** Re-arms the timer if it would fire too late. */
  #arm(): void {
    const at = Math.min(this.endpoint.deadline, this.#calls.deadline);
    if (at < this.#wakeAt) this.#wake(at);
  }

  #wake(at: number): void {
    this.#wakeAt = at;
    this.#clock.wake(at, () => {
      this.#wakeAt = Infinity;
      this.#run();
    });
  }

  /** Tells all peers that the process ends. */
  #sendResets(): void {
    if (this.#isClosed) return;
    const { endpoint } = this;
    const batch = this.#batch;
    endpoint.tick(this.#clock.now());
    endpoint.resetAll(new ConnectionError("closed", "The process ended"), EXITED);
    do {
      // Packets that are being sent stay in the batch, and leave a second time.
      if (!this.#sending) batch.clear();
      if (endpoint.output(batch) === 0) return;
      this.socket.sendNow!(batch);
    } while (!this.#sending);
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    const reason = error instanceof Error ? error.message : String(error);
    this.endpoint.abort(
      new ConnectionError("socket", `The socket failed: ${reason}`, { cause: error }),
    );
    this.#close();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#forgetExit();
    this.#clock.stop();
    this.#calls.clear();
    this.#turns?.leave(this.#waiter);
    this.ledger.close();
    this.#tellOver();
    const closing = this.socket.close();
    if (closing) closing.then(this.#resolveClosed);
    else this.#resolveClosed();
  }
}

/** Bytes of all packets in a batch. */
function bytesOf({ starts, ends, count }: PacketBatch): number {
  let bytes = 0;
  for (let i = 0; i < count; i++) bytes += ends[i] - starts[i];
  return bytes;
}
