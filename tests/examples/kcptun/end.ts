/**
 * Ends of pipes, and timers, that a test plays.
 *
 * @module
 */
import type { Later, PipeEnd } from "../../../examples/kcptun/tunnel/pipe.ts";

/** An end of a pipe that a test plays: it pushes what is read, and sees what is written. */
export class End implements PipeEnd {
  readonly written: number[] = [];
  readonly events: string[] = [];
  #queue: (Uint8Array | null | Error)[] = [];
  #wake = () => {};
  writeError: Error | null = null;
  largest = 0;

  push(...items: (Uint8Array | null | Error)[]): void {
    this.#queue.push(...items);
    this.#wake();
  }

  async read(p: Uint8Array): Promise<number | null> {
    this.largest = Math.max(this.largest, p.length);
    while (this.#queue.length === 0) await new Promise<void>((resolve) => this.#wake = resolve);
    const item = this.#queue[0];
    if (item instanceof Error) throw item;
    if (item === null) return null;
    const count = Math.min(p.length, item.length);
    p.set(item.subarray(0, count));
    if (count === item.length) this.#queue.shift();
    else this.#queue[0] = item.subarray(count);
    return count;
  }

  async write(p: Uint8Array): Promise<number> {
    await null;
    if (this.writeError) throw this.writeError;
    // It takes a part only, as TCP connections may do.
    const count = Math.min(p.length, 1000);
    for (let i = 0; i < count; i++) this.written.push(p[i]);
    return count;
  }

  closeWrite(): Promise<void> {
    this.events.push("end");
    return Promise.resolve();
  }

  close(): void {
    this.events.push("close");
    this.push(new Error("closed"));
  }

  abort(): void {
    this.events.push("abort");
    this.push(new Error("aborted"));
  }
}

/** Timers that a test lets run out. */
export class Timers {
  readonly due: { delay: number; run: () => void }[] = [];

  readonly later: Later = (delay, run) => {
    const entry = { delay, run };
    this.due.push(entry);
    return () => {
      const at = this.due.indexOf(entry);
      if (at >= 0) this.due.splice(at, 1);
    };
  };
}

/** Lets everything run that is ready. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 500; i++) await null;
}
