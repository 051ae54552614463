import { distance } from "./segment.ts";

/** The window in segments before the first packet of the peer. Source: kcp-go. */
const INITIAL_WINDOW = 32;
/** First wait before a probe, in ms. Source: kcp-go. */
const PROBE_INIT = 500;
/** Longest wait before a probe, in ms. Source: the C reference, kcp-go. */
const PROBE_LIMIT = 120_000;

/** The peer's receive window, and when to probe it while it is closed. */
export class RemoteWindow {
  /** Segments that the peer accepts, counted from {@linkcode RemoteWindow.una}. */
  wnd = INITIAL_WINDOW;
  /**
   * The highest `una` that the peer has sent. A window that comes with a lower one is out of date.
   */
  una: number;
  /** When to probe the window, in ms. Infinity while it is open. */
  probeAt = Infinity;
  #wait = 0;
  #largest = 0;

  constructor(initialSn: number) {
    this.una = initialSn;
  }

  /** The largest window that the peer has announced, in segments, or what is assumed before. */
  get largest(): number {
    return this.#largest || INITIAL_WINDOW;
  }

  /**
   * Takes `una` and `wnd` from a segment.
   *
   * @param recovered Whether error correction restored it. Its window may be old then and is
   * ignored.
   * @param longest Longest wait before a probe, in ms. It matters only for a window of 0.
   */
  update(una: number, wnd: number, now: number, recovered: boolean, longest: number): void {
    if (distance(una, this.una) < 0) return;
    this.una = una;
    if (recovered) return;
    this.wnd = wnd;
    if (wnd > this.#largest) this.#largest = wnd;
    if (wnd > 0) {
      this.#wait = 0;
      this.probeAt = Infinity;
    } else if (this.#wait === 0) {
      this.#wait = Math.min(PROBE_INIT, longest);
      this.probeAt = now + this.#wait;
    }
  }

  /** Notes that a probe is sent now. The next wait is 1.5 times as long, up to `longest` ms. */
  probed(now: number, longest: number): void {
    this.#wait = Math.min(PROBE_LIMIT, longest, this.#wait * 1.5);
    this.probeAt = now + this.#wait;
  }
}
