/**
 * Runs an endpoint on a socket and a clock: what every adapter would otherwise write again.
 *
 * @module
 */
import type { Arena } from "../../kcp/arena.ts";
import { PacketBatch, type PacketBatchOptions } from "../../kcp/packet_batch.ts";
import type { Endpoint } from "../session/endpoint.ts";
import { deferred } from "./deferred.ts";
import { ConnectionError } from "../session/errors.ts";
import { TimerHeap } from "../session/timer_heap.ts";

/** What a {@linkcode DatagramSocket} tells. */
export interface DatagramReceiver {
  /** The machine's memory, for sockets that receive into it. */
  readonly arena: Arena;
  /** A packet arrived. It is not kept. */
  packet(bytes: Uint8Array, from: string): void;
  /**
   * Packets arrived, and lie one behind the other in the arena, from `start` to before `end`. They are changed. What they
   * call for leaves once `settled` is called, unless the application has something to send before.
   *
   * @param size Bytes of each but the last, which may be shorter.
   */
  packets(start: number, end: number, size: number, from: string): void;
  /**
   * The application has had a turn, if a short one, since the last packets came: what they call for may leave. If they were
   * answered, the answer has taken their acknowledgments along. A socket that delivers packets so has to call it.
   */
  settled(): void;
  /** The socket failed, and delivers nothing more. */
  failed(error: unknown): void;
}

/** A UDP socket, as an adapter offers it to a {@linkcode Driver}. It knows nothing of the protocol. */
export interface DatagramSocket {
  /** Its own address, as peers are named. */
  readonly address: string;
  /** How large a batch it likes; as large as they are by default unless given. */
  readonly batch?: PacketBatchOptions;
  /** Starts to deliver packets. */
  open(receiver: DatagramReceiver): void;
  /**
   * Sends every packet of the batch to its destination, and returns when the batch may be used again. A
   * packet that the network refuses is lost, as any packet may be.
   */
  send(batch: PacketBatch): void | Promise<void>;
  /** Closes the socket; nothing is delivered afterwards. It is closed when the promise settles, if it gives one. */
  close(): void | Promise<void>;
  /** Lets the process live while the socket is open. */
  ref(): void;
  /** Lets the process end although the socket is open. */
  unref(): void;
}

/** A monotonic clock with one timer. */
export interface Clock {
  /** Milliseconds since some fixed point. */
  now(): number;
  /** Calls `callback` once, not before `at`; it replaces the call that was asked for before. */
  wake(at: number, callback: () => void): void;
  /** Forgets the call. */
  stop(): void;
  /** Lets the process live while a call is pending. */
  ref(): void;
  /** Lets the process end although a call is pending. */
  unref(): void;
}

/** Rounds of output between two turns of the event loop. */
const MAX_ROUNDS = 16;

/** Packets of a batch, unless the socket likes fewer. */
const DEFAULT_PACKETS = 256;
/**
 * The same for packets that take longer to make than to send, first and at most. Each batch has twice as many as the one
 * before, until there is nothing more to send: the peer works on the first ones while the next are made, and of a long run
 * most leave in a few large batches, which cost the system less.
 */
const FIRST_ELABORATE_PACKETS = 8;
const ELABORATE_PACKETS = 64;

/** A call that was asked for with {@linkcode Driver.after}. */
interface Call {
  run: (() => void) | null;
}

/**
 * One endpoint, one socket, one timer. Packets go from the socket into the endpoint, what is due goes out
 * in batches, and the timer wakes it at the endpoint's deadline.
 */
export class Driver {
  /** The machine. */
  readonly endpoint: Endpoint;
  /** Settles when the socket is closed. */
  readonly closed: Promise<void>;
  readonly socket: DatagramSocket;
  readonly #clock: Clock;
  readonly #batch: PacketBatch;
  /** Packets that it has at most. */
  readonly #most: number;
  /** Batches that left since there was nothing more to send. */
  #full = 0;
  readonly #calls = new TimerHeap<Call>();
  readonly #resolveClosed: () => void;
  /** Calls in the heap that were taken back. */
  #cancelled = 0;
  #wakeAt = Infinity;
  #scheduled = false;
  #sending = false;
  #done = false;
  /** Closes the socket when the last session is over. */
  #closing = false;

  constructor(endpoint: Endpoint, socket: DatagramSocket, clock: Clock) {
    this.endpoint = endpoint;
    this.socket = socket;
    this.#clock = clock;
    const { packets = Infinity, ...rest } = socket.batch ?? {};
    this.#most = Math.min(packets, endpoint.expensivePackets ? ELABORATE_PACKETS : DEFAULT_PACKETS);
    this.#batch = new PacketBatch({ ...rest, packets: this.#most, arena: endpoint.arena });
    const { promise, resolve } = deferred<void>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    endpoint.onWake = () => this.schedule();
    socket.open({
      arena: endpoint.arena,
      packets: (start, end, size, from) => {
        if (this.#done) return;
        endpoint.inputRun(start, end, size, clock.now(), from);
      },
      settled: () => this.schedule(),
      packet: (bytes, from) => {
        if (this.#done) return;
        endpoint.input(bytes, clock.now(), from);
        this.schedule();
      },
      failed: (error) => this.#fail(error),
    });
  }

  /** The time. */
  now(): number {
    return this.#clock.now();
  }

  /** Lets the process live while the socket is open. */
  ref(): void {
    this.socket.ref();
    this.#clock.ref();
  }

  /** Lets the process end although the socket is open. */
  unref(): void {
    this.socket.unref();
    this.#clock.unref();
  }

  /** Closes the socket as soon as no session is left. */
  closeWhenIdle(): void {
    this.#closing = true;
    this.schedule();
  }

  /** Calls `run` after `delay` ms, and returns what takes that back. */
  after(delay: number, run: () => void): () => void {
    if (delay === Infinity || this.#done) return () => {};
    const call: Call = { run };
    this.#calls.push(this.#clock.now() + delay, call);
    this.#arm();
    return () => {
      if (!call.run) return;
      call.run = null;
      this.#cancelled++;
      if (this.#cancelled > 64 && this.#cancelled > this.#calls.size / 2) this.#sweep();
    };
  }

  /** Drops the calls that were taken back. */
  #sweep(): void {
    this.#calls.retain(({ run }) => run !== null);
    this.#cancelled = 0;
  }

  /** Lets the endpoint have its turn soon, once, however often this is called before. */
  schedule(): void {
    if (this.#scheduled || this.#done) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#run();
    });
  }

  #run(): void {
    if (this.#done || this.#sending) return;
    const { endpoint } = this;
    const batch = this.#batch;
    const now = this.#clock.now();
    for (let call; (call = this.#calls.popDue(now)) !== undefined;) {
      const { run } = call;
      if (run) {
        call.run = null;
        run();
      } else {
        this.#cancelled--;
      }
    }
    endpoint.tick(now);
    for (let round = 0;; round++) {
      batch.clear();
      if (endpoint.expensivePackets) {
        batch.limit = Math.min(FIRST_ELABORATE_PACKETS << this.#full, this.#most);
      }
      if (endpoint.output(batch) === 0) {
        this.#full = 0;
        break;
      }
      this.#full = Math.min(this.#full + 1, MAX_ROUNDS);
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
    if (this.#closing && endpoint.size === 0) this.#close();
    else this.#arm();
  }

  /** Sets the timer if it stands too late. */
  #arm(): void {
    // Calls that were taken back are worth no wake-up.
    while (this.#calls.peek()?.run === null) {
      this.#calls.pop();
      this.#cancelled--;
    }
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

  #fail(error: unknown): void {
    if (this.#done) return;
    const reason = error instanceof Error ? error.message : String(error);
    this.endpoint.abort(
      new ConnectionError("socket", `The socket failed: ${reason}`, { cause: error }),
    );
    this.#close();
  }

  #close(): void {
    if (this.#done) return;
    this.#done = true;
    this.#clock.stop();
    this.#calls.clear();
    const closing = this.socket.close();
    if (closing) closing.then(this.#resolveClosed);
    else this.#resolveClosed();
  }
}
