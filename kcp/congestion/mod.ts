/**
 * Congestion control: one controller a file, behind one interface.
 *
 * @module
 */
import { BbrController } from "./bbr.ts";
import type {
  CongestionContext,
  CongestionController,
  CongestionControllerFactory,
} from "./controller.ts";
import { CubicController } from "./cubic.ts";
import { ReferenceController } from "./reference.ts";
import { Unlimited } from "./unlimited.ts";

export type {
  CongestionContext,
  CongestionController,
  CongestionControllerFactory,
  CongestionState,
  Loss,
  RateSample,
} from "./controller.ts";
export { BbrController, type BbrOptions } from "./bbr.ts";
export { CubicController } from "./cubic.ts";
export { ReferenceController } from "./reference.ts";

/** A controller of this library, by name: see {@linkcode KcpOptions.congestion}. */
export type CongestionAlgorithm = "bbr" | "cubic" | "reference";
/** Which congestion controller a machine has: one of this library, or a factory of others. */
export type Congestion = CongestionAlgorithm | CongestionControllerFactory;

/**
 * The controller while `nc` switches congestion control off: BBR that neither a timeout nor a pause
 * slows down. It still sends no more than the path delivers.
 */
export function uncontrolled(context: CongestionContext): CongestionController {
  if (context.initialWindow === Infinity) return new Unlimited();
  return new BbrController(context, { latency: true });
}

const ALGORITHMS: Readonly<Record<CongestionAlgorithm, CongestionControllerFactory>> = {
  bbr: (context) => new BbrController(context),
  cubic: (context) => new CubicController(context),
  reference: (context) => new ReferenceController(context),
};

/**
 * The factory of a controller.
 *
 * @throws {TypeError} When there is no such controller.
 */
export function factoryOf(congestion: Congestion): CongestionControllerFactory {
  if (typeof congestion === "function") return congestion;
  if (Object.hasOwn(ALGORITHMS, congestion)) return ALGORITHMS[congestion];
  throw new TypeError(
    `Cannot set congestion to ${JSON.stringify(congestion)}: allowed are ${
      Object.keys(ALGORITHMS).map((name) => `"${name}"`).join(", ")
    } and a function`,
  );
}
