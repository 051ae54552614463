import {
  DEFAULT_MTU,
  type KcpLiveOptions,
  MAX_MTU,
  MIN_MTU,
  type ResolvedKcpOptions,
} from "../../kcp/options.ts";
import { DEFAULT_BURST } from "../../kcp/pacer.ts";

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
  const { mtu = DEFAULT_MTU, burst = DEFAULT_BURST } = given;
  // What is no number is refused by the machine.
  if (overhead > 0 && typeof mtu === "number") {
    const min = MIN_MTU + overhead;
    if (!(Number.isInteger(mtu) && mtu >= min && mtu <= MAX_MTU)) {
      throw new RangeError(
        `Cannot set mtu to ${mtu}: with ${overhead} bytes for encryption and error correction, allowed are whole numbers ${min} to ${MAX_MTU}`,
      );
    }
    inner.mtu = mtu - overhead;
  }
  // Always named: a share that was smaller before is not to stay.
  inner.burst = burst;
  if (share < 1 && burst >= 1 && burst < Infinity) {
    inner.burst = Math.max(1, Math.floor(burst * share));
  }
  return inner;
}

/** The settings of a session that are in force, from those of its KCP machine. */
export function wireOptions(
  inner: ResolvedKcpOptions,
  given: KcpLiveOptions,
  overhead: number,
): ResolvedKcpOptions {
  const { burst = DEFAULT_BURST } = given;
  return Object.freeze({ ...inner, mtu: inner.mtu + overhead, burst });
}
