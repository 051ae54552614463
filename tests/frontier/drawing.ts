import type { Line } from "./report.ts";
export function draw(_lines: readonly Line[]): string {
  return "";
}
