import type { CongestionController, CongestionState } from "./controller.ts";

/** No limit at all: for `nc` with a `burst` of `Infinity`, on paths that can't be overloaded. */
export class Unlimited implements CongestionController {
  readonly window: number = Infinity;
  readonly segmentWindow: number = Infinity;
  readonly pacingRate: number = Infinity;
  readonly ssthresh: number = Infinity;

  /** It knows nothing of the path. */
  get state(): CongestionState {
    return { algorithm: "none", phase: "", bandwidth: 0, minRtt: 0 };
  }

  /** Does nothing. */
  onSend(): void {}
  /** Does nothing. */
  onAck(): void {}
  /** Does nothing. */
  onLoss(): void {}
  /** Does nothing. */
  onTimeout(): void {}
}
