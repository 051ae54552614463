import type { MuxMachine } from "./machine/machine.ts";
import { OutputBatch } from "./machine/output_batch.ts";

/**
 * What a session of streams needs of the connection below: it moves bytes between a machine and
 * that connection, and knows the time.
 */
export interface Carrier {
  /** Settles when the connection below has ended; rejects with the reason if it has failed. */
  readonly closed: Promise<void>;
  /** Settles when the peer has answered. */
  readonly opened: Promise<void>;
  /** The address of this side; null if it is unknown. */
  readonly localAddr: MuxAddress | null;
  /** The address of the peer; null if it is unknown. */
  readonly remoteAddr: MuxAddress | null;
  /**
   * Whether everything that was written, and the end, was given to a connection below that does not
   * tell what becomes of it. Only the end of the peer is missing then.
   */
  readonly outputEnded: boolean;
  /** The time in ms. */
  now(): number;
  /** Calls `run` after `delay` ms. Returns a function that cancels the call. */
  after(delay: number, run: () => void): () => void;
  /**
   * Starts to move bytes.
   *
   * @param received Is called after the machine was given bytes: its deadline may have changed.
   */
  start(machine: MuxMachine, received: () => void): void;
  /** The machine may have something to send. */
  flush(): void;
  /** The machine takes bytes again, after it had not taken all. */
  resume(): void;
  /** Ends the connection when the machine has nothing more to send. */
  finish(): void;
  /** Ends the connection at once. */
  abort(reason: Error): void;
  /**
   * Waits until nothing of the connection below is left, such as its socket. It must have ended.
   */
  dispose(): Promise<void>;
  /** Keeps the process alive. */
  ref(): void;
  /** Lets the process end. */
  unref(): void;
}

/** An address of the connection below. */
export interface MuxAddress {
  /** The protocol of the connection below: "udp" for KCP. */
  readonly transport: "udp" | "tcp";
  /** The IP address. */
  readonly hostname: string;
  /** The port. */
  readonly port: number;
}

/** A batch that nobody uses now. It is large, and needed for a moment only. */
let spare: OutputBatch | null = null;

/** Takes an empty batch. */
export function takeBatch(): OutputBatch {
  const batch = spare ?? new OutputBatch();
  spare = null;
  return batch;
}

/** Gives an empty batch back. */
export function giveBatch(batch: OutputBatch): void {
  spare = batch;
}
