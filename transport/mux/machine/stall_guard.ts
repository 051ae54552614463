import type { Core } from "./core.ts";
import { MuxError } from "./errors.ts";
import { CODE_STALLED } from "./note.ts";
import type { Stream } from "./stream.ts";

/** Streams are cut until at most this part of the memory is in use. */
const ENOUGH = 7 / 8;
/** A stream with less than this part of an equal share of the data is not cut. */
const SMALL = 1 / 2;

/** Cuts streams that nobody reads, when the receive buffer of the session is full of their data. */
export class StallGuard {
  /** When it should look next, in ms, if the buffer is still full then. */
  deadline: number;
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
    this.deadline = core.options.stallGrace === Infinity ? Infinity : -Infinity;
  }

  /**
   * The receive buffer is full. Streams that were not read for the grace period are cut, the
   * largest first, until something is free; but not those with little data, which fill no buffer.
   */
  check(now: number): void {
    const { options, streams, memory } = this.#core;
    if (now < this.deadline) return;
    const stalled: Stream[] = [];
    let [earliest, total, holders] = [Infinity, 0, 0];
    for (const stream of streams.values()) {
      if (stream.readable === 0) continue;
      total += stream.readable;
      holders++;
      if (stream.touched) {
        stream.touched = false;
        stream.untouchedSince = now;
      }
      const due = stream.untouchedSince + options.stallGrace;
      if (due <= now) stalled.push(stream);
      else if (due < earliest) earliest = due;
    }
    const little = SMALL * total / holders;
    stalled.sort((a, b) => b.readable - a.readable || a.id - b.id);
    for (const stream of stalled) {
      if (stream.readable < little || memory.used <= ENOUGH * memory.limit && memory.room > 0) {
        break;
      }
      this.#cut(stream);
    }
    // If nobody is left, it looks as soon as the buffer is full again.
    this.deadline = earliest === Infinity ? now : earliest;
  }

  #cut(stream: Stream): void {
    const core = this.#core;
    core.stats.stalled++;
    core.accepting.delete(stream);
    const message = `Nobody has read stream ${stream.id}, and the receive buffer was full`;
    stream.abandon(new MuxError("stalled", message), CODE_STALLED);
  }
}
