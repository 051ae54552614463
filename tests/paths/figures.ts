/**
 * The figures of a row: what they mean, and how they are printed.
 *
 * @module
 */

/** How a figure is printed and drawn. */
export interface FigureKind {
  /** What it is. */
  readonly title: string;
  /** The word in tables. */
  readonly short: string;
  readonly unit: "%" | "ms" | "x" | "BDP" | "RTT" | "";
}

/** All figures. A row has those that make sense for it. */
export const FIGURES = {
  rate: { title: "rate, of what the link can carry", short: "rate", unit: "%" },
  possible: { title: "rate, of what losses leave", short: "of possible", unit: "%" },
  sent: { title: "bytes sent for each useful byte", short: "sent", unit: "x" },
  lost: { title: "packets lost or dropped", short: "lost", unit: "%" },
  queue: { title: "queue, median", short: "queue", unit: "ms" },
  queue95: { title: "queue, 95th percentile", short: "p95", unit: "ms" },
  queueProducts: { title: "queue, median", short: "queue", unit: "BDP" },
  queue95Products: { title: "queue, 95th percentile", short: "p95", unit: "BDP" },
  rounds: { title: "round trips until 90 % of the rate", short: "ramp", unit: "RTT" },
  recovery: { title: "until 90 % of the rate again", short: "recovery", unit: "RTT" },
  narrowRate: { title: "rate while the link is slow", short: "slow rate", unit: "%" },
  narrowQueue: { title: "queue while the link is slow, median", short: "slow queue", unit: "ms" },
  narrowPeak: { title: "longest queue while the link is slow", short: "peak", unit: "ms" },
  narrowDrain: {
    title: "until the queue is a quarter of the slow link's product",
    short: "drained",
    unit: "RTT",
  },
  first: { title: "share of the first flow", short: "first", unit: "%" },
  jain: { title: "Jain's index", short: "Jain", unit: "" },
  least: { title: "smallest share, of a fair one", short: "least", unit: "%" },
  most: { title: "largest share, of a fair one", short: "most", unit: "%" },
  late50: { title: "game, beyond one way, median", short: "late p50", unit: "ms" },
  late99: { title: "game, beyond one way, 99th percentile", short: "late p99", unit: "ms" },
  time50: { title: "request, median", short: "p50", unit: "ms" },
  time95: { title: "request, 95th percentile", short: "p95", unit: "ms" },
  time50Rounds: { title: "request, median", short: "p50", unit: "RTT" },
  time95Rounds: { title: "request, 95th percentile", short: "p95", unit: "RTT" },
} as const satisfies Record<string, FigureKind>;

/** The name of a figure. */
export type FigureName = keyof typeof FIGURES;

/** Figures of a row. Shares are 0 to 1, times in ms, and others as their unit says. */
export type Figures = Partial<Record<FigureName, number>>;

/** A figure as text, such as `95.5 %`. */
export function format(name: FigureName, value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return "-";
  if (value === Infinity) return "never";
  const { unit }: FigureKind = FIGURES[name];
  switch (unit) {
    case "%":
      return `${(100 * value).toFixed(1)} %`;
    case "x":
    case "BDP":
    case "":
      return value.toFixed(2);
    case "RTT":
      return value.toFixed(1);
    case "ms":
      return value.toFixed(value < 10 ? 1 : 0);
  }
}
