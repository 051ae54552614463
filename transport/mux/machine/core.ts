import { ControlQueue } from "./control_queue.ts";
import { MuxError } from "./errors.ts";
import { ReceiveMemory } from "./memory.ts";
import type { Notices } from "./notices.ts";
import { memoryLimitOf, type ResolvedMuxMachineOptions } from "./options.ts";
import { QueuePool } from "./queue_pool.ts";
import { ReceiveQueue } from "./receive_queue.ts";
import { Scheduler } from "./scheduler.ts";
import { SendQueue } from "./send_queue.ts";
import { newStats } from "./stats.ts";
import type { Stream } from "./stream.ts";
import { WindowPool } from "./window_pool.ts";

/** What the core asks of the machine that it belongs to. */
export interface CoreOwner {
  /** Streams have events, or there may be something new to send. */
  flush(): void;
  /** Received data was read or dropped. */
  afterRead(): void;
}

/** What the parts of a machine share. */
export class Core {
  readonly options: ResolvedMuxMachineOptions;
  readonly memory: ReceiveMemory;
  readonly windows: WindowPool;
  readonly scheduler = new Scheduler();
  readonly control: ControlQueue;
  readonly sendQueues: QueuePool<SendQueue> = new QueuePool(() => new SendQueue());
  readonly receiveQueues: QueuePool<ReceiveQueue> = new QueuePool(() => new ReceiveQueue());
  readonly stats = newStats();
  /** Streams by id, as 32-bit integers. */
  readonly streams = new Map<number, Stream>();
  /** Streams of the peer that wait to be accepted. */
  readonly accepting = new Set<Stream>();
  /** What the handlers do not know yet. */
  readonly notices: Notices;
  /** Streams of the peer that are open. */
  incoming = 0;
  /** Whether the session is closing: what was written is still sent. */
  closing = false;
  /** Whether the session has ended. */
  closed = false;
  /** The time in ms, as the last call gave it. */
  now: number;
  readonly #owner: CoreOwner;

  constructor(options: ResolvedMuxMachineOptions, now: number, owner: CoreOwner, notices: Notices) {
    this.options = options;
    this.memory = new ReceiveMemory(memoryLimitOf(options));
    this.windows = new WindowPool(
      options.maxStreamBuffer,
      options.maxReceiveBuffer,
      options.autoTune,
    );
    this.control = new ControlQueue(options);
    this.now = now;
    this.#owner = owner;
    this.notices = notices;
  }

  /**
   * Takes the time from a caller. It never goes back.
   *
   * @throws {TypeError} If `now` is NaN.
   */
  advance(now: number): void {
    if (now > this.now) this.now = now;
    else if (Number.isNaN(now)) throw new TypeError("Cannot use NaN as the time");
  }

  add(stream: Stream): void {
    this.streams.set(stream.id | 0, stream);
    if (stream.incoming) this.incoming++;
  }

  remove(stream: Stream): void {
    if (!this.streams.delete(stream.id | 0)) return;
    if (stream.incoming) this.incoming--;
    this.accepting.delete(stream);
  }

  flush(): void {
    this.#owner.flush();
  }

  afterRead(): void {
    this.#owner.afterRead();
  }
}

/** The error of a session whose peer broke the protocol. */
export function protocolError(what: string): MuxError {
  return new MuxError("protocol", `The peer broke the protocol of smux: ${what}`);
}
