import {
  DEFAULT_MTU,
  type KcpLiveOptions,
  MAX_MTU,
  MIN_MTU,
  type ResolvedKcpOptions,
} from "../../kcp/options.ts";
import { DEFAULT_BURST } from "../../kcp/congestion/pacer.ts";

/**
 * The settings of the KCP machine of a session. The settings of a session count every byte above
 * UDP and every packet. The machine gets what encryption and parity leave.
 *
 * @param given The settings of the session.
 * @param overhead Bytes that encryption and error correction add to each packet of the machine.
 * @param share The machine's share of the packets, 0 to 1. The rest is parity.
 * @throws {RangeError} When the MTU has no room for a segment and the overhead.
 */
export function kcpOptions(given: KcpLiveOptions, overhead: number, share: number): KcpLiveOptions {
  const inner: KcpLiveOptions = { ...given };
  const { mtu = DEFAULT_MTU, maxMtu, burst = DEFAULT_BURST } = given;
  // The machine refuses an MTU that is not a number.
  if (overhead > 0 && typeof mtu === "number") {
    const min = MIN_MTU + overhead;
    if (!(Number.isInteger(mtu) && mtu >= min && mtu <= MAX_MTU)) {
      throw new RangeError(
        `Cannot set mtu to ${mtu}: with ${overhead} bytes for encryption and error correction, ` +
          `allowed are whole numbers ${min} to ${MAX_MTU}`,
      );
    }
    inner.mtu = mtu - overhead;
    if (typeof maxMtu === "number") inner.maxMtu = Math.max(inner.mtu, maxMtu - overhead);
  }
  // It is always set: otherwise the burst of an earlier, smaller share would stay.
  inner.burst = burst;
  if (share < 1 && burst >= 1 && burst < Infinity) {
    inner.burst = Math.max(1, Math.floor(burst * share));
  }
  return inner;
}

/** The settings of a session that are in force, given those of its KCP machine. */
export function wireOptions(
  inner: ResolvedKcpOptions,
  given: KcpLiveOptions,
  overhead: number,
): ResolvedKcpOptions {
  const { burst = DEFAULT_BURST } = given;
  const { mtu, maxMtu } = inner;
  return Object.freeze({ ...inner, mtu: mtu + overhead, maxMtu: maxMtu + overhead, burst });
}
