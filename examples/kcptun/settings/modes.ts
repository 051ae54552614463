import type { CommonSettings } from "./settings.ts";

/** The four numbers of a mode. */
type Numbers = Pick<CommonSettings, "nodelay" | "interval" | "resend" | "nc">;

/** The modes of kcptun. Its `normal` is another one than that of the KCP reference. */
const MODES: Readonly<Record<string, Numbers>> = {
  normal: { nodelay: 0, interval: 40, resend: 2, nc: 1 },
  fast: { nodelay: 0, interval: 30, resend: 2, nc: 1 },
  fast2: { nodelay: 1, interval: 20, resend: 2, nc: 1 },
  fast3: { nodelay: 1, interval: 10, resend: 2, nc: 1 },
};

/** The settings with the numbers of their mode. The mode `manual` leaves them as they are. */
export function applyMode<T extends CommonSettings>(settings: T): T {
  return Object.hasOwn(MODES, settings.mode) ? { ...settings, ...MODES[settings.mode] } : settings;
}
