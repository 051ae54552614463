/** One end of a pipe: a TCP connection, a Unix socket or a stream. */
export interface PipeEnd {
  /** Reads bytes. Gives their number, or null at the end. */
  read(p: Uint8Array): Promise<number | null>;
  /** Writes bytes. Gives the number of those that were taken. */
  write(p: Uint8Array): Promise<number>;
  /** Ends the direction of this side. */
  closeWrite(): Promise<void>;
  /** Ends both directions, after what was written. It may be called more than once. */
  close(): void;
  /** Ends both directions at once, so that the peer notices that something went wrong. */
  abort(): void;
}

/** How a pipe has ended. */
export interface PipeResult {
  /** Why it ended before both directions did; null if they ended, or time ran out. */
  readonly error: unknown;
}

/** Calls a function after a time in ms. Returns a function that cancels the call. */
export type Later = (delay: number, run: () => void) => () => void;

/** Settings of a pipe. */
export interface PipeOptions {
  /** How long (ms) the second direction may go on when the first has ended; 0: for ever. */
  readonly closeWait: number;
  /** Is told of bytes that were moved: 0 from the first end to the second, 1 the other way. */
  readonly moved?: (direction: 0 | 1, count: number) => void;
  /** Default: a timer of the runtime. */
  readonly later?: Later;
}

/**
 * Buffers begin small, so that idle connections cost little, and grow while they are filled. They are
 * small again when little comes.
 */
const MIN_BUFFER = 512;
const MAX_BUFFER = 65_536;

const timer: Later = (delay, run) => {
  const id = setTimeout(run, delay);
  return () => clearTimeout(id);
};

/**
 * Moves bytes between two ends, in both directions, until both have ended. The end of one direction is
 * passed on, and the other goes on. When one end fails, both are aborted; when time runs out, both are
 * closed.
 */
export async function pipe(
  first: PipeEnd,
  second: PipeEnd,
  { closeWait, moved = () => {}, later = timer }: PipeOptions,
): Promise<PipeResult> {
  let error: unknown = null;
  let over = false;
  let cancel = () => {};
  const stop = (reason: unknown) => {
    if (over) return;
    over = true;
    error = reason;
    for (const end of [first, second]) {
      if (reason === null) end.close();
      else end.abort();
    }
  };
  const copy = async (from: PipeEnd, to: PipeEnd, direction: 0 | 1) => {
    let buffer = new Uint8Array(MIN_BUFFER);
    for (let count; (count = await from.read(buffer)) !== null;) {
      for (let at = 0; at < count;) at += await to.write(buffer.subarray(at, count));
      moved(direction, count);
      if (count === buffer.length && count < MAX_BUFFER) buffer = new Uint8Array(2 * count);
      else if (count < MIN_BUFFER && buffer.length > MIN_BUFFER) {
        buffer = new Uint8Array(MIN_BUFFER);
      }
    }
    await to.closeWrite();
    // The direction that ends first leaves the other one some time.
    if (closeWait > 0) {
      cancel();
      cancel = later(closeWait, () => stop(null));
    }
  };
  const done = Promise.all([copy(first, second, 0), copy(second, first, 1)]);
  await done.catch(stop);
  over = true;
  cancel();
  first.close();
  second.close();
  return { error };
}
