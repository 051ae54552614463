import type { KcpLiveOptions, ResolvedKcpOptions } from "../kcp/options.ts";
import { DEFAULT_BURST } from "../kcp/pacer.ts";

/** The ranges of `mtu`: a KCP packet's, and what UDP over IPv4 can carry. */
const MIN_KCP_MTU = 50;
const MAX_MTU = 65_507;
const DEFAULT_MTU = 1400;

/**
 * What the settings of a session, which count everything above UDP, leave to its KCP machine.
 *
 * @param given The settings.
 * @param overhead Bytes that are added to each of the machine's packets.
 * @param share The machine's share of the packets; the rest is parity.
 * @throws {RangeError} When the MTU has no room for both.
 */
export function kcpOptions(given: KcpLiveOptions, overhead: number, share: number): KcpLiveOptions {
  const inner: KcpLiveOptions = { ...given };
  const { mtu = DEFAULT_MTU, burst = DEFAULT_BURST, pacingRate } = given;
  // What is no number is refused by the machine.
  if (overhead > 0 && typeof mtu === "number") {
    const min = MIN_KCP_MTU + overhead;
    if (!(Number.isInteger(mtu) && mtu >= min && mtu <= MAX_MTU)) {
      throw new RangeError(
        `Cannot set mtu to ${mtu}: with ${overhead} bytes for encryption and error correction, allowed are whole numbers ${min} to ${MAX_MTU}`,
      );
    }
    inner.mtu = mtu - overhead;
  }
  if (share < 1) {
    if (typeof burst === "number" && burst >= 1) {
      inner.burst = burst === Infinity ? burst : Math.max(1, Math.floor(burst * share));
    }
    if (typeof pacingRate === "number") {
      inner.pacingRate = Math.max(Math.min(pacingRate, MIN_PACING), pacingRate * share);
    }
  }
  return inner;
}

/** The lowest rate that KCP takes, of which parity gets no share. */
const MIN_PACING = 24;

/** The settings of a session that are in force, from those of its KCP machine. */
export function wireOptions(
  inner: ResolvedKcpOptions,
  given: KcpLiveOptions,
  overhead: number,
): ResolvedKcpOptions {
  const { burst = DEFAULT_BURST, pacingRate = Infinity } = given;
  return Object.freeze({ ...inner, mtu: inner.mtu + overhead, burst, pacingRate });
}
