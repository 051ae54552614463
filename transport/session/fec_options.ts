import { checkRatio, type FecRatio } from "../../fec/ratio.ts";
import { shown } from "./shown.ts";

/** Error correction of sent packets: a ratio of data to parity shards. */
export interface FecOptions extends FecRatio {
  /**
   * Adapts the number of parity shards to the losses and the round trip, from 0 to
   * {@linkcode FecOptions.parityShards}. Default: false.
   */
  readonly adaptive?: boolean;
}

/** The `fec` setting, checked. */
export interface ResolvedFec extends Required<FecOptions> {
  /** Whether the size of the groups follows the traffic and the round trip. */
  readonly flexible: boolean;
}

/** `"auto"` begins without groups. The ratio stands for the largest overhead. */
const AUTO: ResolvedFec = /* @__PURE__ */ Object.freeze({
  dataShards: 1,
  parityShards: 1,
  adaptive: true,
  flexible: true,
});

/**
 * Checks the `fec` setting.
 *
 * @returns The setting as a ratio; null for no error correction.
 * @throws {TypeError | RangeError} When a part has the wrong type or is out of its range.
 */
export function resolveFec(fec: FecOptions | "auto" | undefined): ResolvedFec | null {
  if (fec === undefined) return null;
  if (fec === "auto") return AUTO;
  if (typeof fec !== "object" || fec === null) {
    throw new TypeError(
      `Cannot set fec to ${shown(fec)}: it must be "auto" or { dataShards, parityShards }`,
    );
  }
  const { adaptive = false } = fec;
  if (typeof adaptive !== "boolean") {
    throw new TypeError(`Cannot set fec.adaptive to ${shown(adaptive)}: it must be a boolean`);
  }
  return Object.freeze({ ...checkRatio(fec, "fec."), adaptive, flexible: false });
}
