import type { MuxMachine } from "./machine/machine.ts";
import type { MuxMachineStats } from "./machine/stats.ts";

/** The sums of the counters of machines, and the number of their streams. */
export function addStats(machines: readonly MuxMachine[]): MuxMachineStats & { streams: number } {
  const sum = { ...machines[0].stats, streams: machines[0].streams };
  for (const { stats, streams } of machines.slice(1)) {
    sum.streams += streams;
    for (const name of Object.keys(stats) as (keyof MuxMachineStats)[]) sum[name] += stats[name];
  }
  return sum;
}
