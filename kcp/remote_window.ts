import { distance } from "./segment.ts";

/** The window until the peer has told it. Source: kcp-go. */
const INITIAL_WINDOW = 32;
/** First wait before a probe, and the longest, in ms. Source: the C reference, kcp-go. */
const PROBE_INIT = 500;
const PROBE_LIMIT = 120_000;

/** The peer's receive window, and when to ask for it while it is closed. */
export class RemoteWindow {
  /** Segments that the peer takes from {@linkcode RemoteWindow.una} on. */
  wnd = INITIAL_WINDOW;
  /** The highest `una` that the peer told; what it told with a lower one is out of date. */
  una: number;
  /** When to ask for the window, Infinity while it is open. */
  probeAt = Infinity;
  #wait = 0;

  constructor(initialSn: number) {
    this.una = initialSn;
  }

  /** Takes what a segment says; a recovered one may be old, and says nothing of the window. */
  hear(una: number, wnd: number, now: number, recovered: boolean): void {
    if (distance(una, this.una) < 0) return;
    this.una = una;
    if (recovered) return;
    this.wnd = wnd;
    if (wnd > 0) {
      this.#wait = 0;
      this.probeAt = Infinity;
    } else if (this.#wait === 0) {
      this.#wait = PROBE_INIT;
      this.probeAt = now + PROBE_INIT;
    }
  }

  /** Notes that the peer is asked now: the next wait is half as long again, up to `longest` ms. */
  probed(now: number, longest: number): void {
    this.#wait = Math.min(PROBE_LIMIT, longest, this.#wait * 1.5);
    this.probeAt = now + this.#wait;
  }
}
