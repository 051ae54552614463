import { checkRatio, type FecRatio } from "../../fec/ratio.ts";

/** Error correction of sent packets: a ratio of data to parity shards. */
export interface FecOptions extends FecRatio {
  /**
   * Adapts the number of parity shards to the loss rate, from 0 to
   * {@linkcode FecOptions.parityShards}. Default: false.
   */
  readonly adaptive?: boolean;
}

/** The meaning of `"auto"`: small groups, so that parity comes soon, and at most 50 % parity. */
const AUTO: FecOptions = Object.freeze({ dataShards: 5, parityShards: 5, adaptive: true });

/**
 * Checks the `fec` setting.
 *
 * @returns The setting as a ratio; null for no error correction.
 * @throws {TypeError | RangeError} When a part has the wrong type or is out of its range.
 */
export function resolveFec(fec: FecOptions | "auto" | undefined): FecOptions | null {
  if (fec === undefined) return null;
  if (fec === "auto") return AUTO;
  if (typeof fec !== "object" || fec === null) {
    throw new TypeError(
      `Cannot set fec to ${String(fec)}: it must be "auto" or { dataShards, parityShards }`,
    );
  }
  const { adaptive = false } = fec;
  if (typeof adaptive !== "boolean") {
    throw new TypeError(`Cannot set fec.adaptive to ${String(adaptive)}: it must be a boolean`);
  }
  return Object.freeze({ ...checkRatio(fec, "fec."), adaptive });
}
