/**
 * Runs many seeded simulations, and stops at the first that breaks a rule.
 *
 * @module
 */
import { simulate } from "./run.ts";

const USAGE = `Runs seeded simulations of two KCP machines over a bad network.

  --runs N    how many runs, 20000 unless given
  --start N   the first seed, 0 unless given
  --seed N    replays one seed and prints all that happens
  --help      prints this`;

/** Reads the arguments; throws with a message for the user when they make no sense. */
function parse(args: readonly string[]): Map<string, number> {
  const values = new Map<string, number>();
  for (let i = 0; i < args.length; i += 2) {
    const [name, value] = [args[i], args[i + 1]];
    if (!["--runs", "--start", "--seed"].includes(name)) {
      throw new RangeError(`Cannot use ${name}: see --help`);
    }
    if (value === undefined || !/^\d+$/.test(value)) {
      throw new RangeError(`Cannot set ${name} to ${value}: it must be a whole number`);
    }
    values.set(name, Number(value));
  }
  return values;
}

/** Returns the exit code. */
function main(args: readonly string[]): number {
  if (args.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  let values;
  try {
    values = parse(args);
  } catch (error) {
    console.error((error as Error).message);
    return 2;
  }
  const seed = values.get("--seed");
  if (seed !== undefined) return replay(seed);

  const runs = values.get("--runs") ?? 20_000;
  const start = values.get("--start") ?? 0;
  const began = performance.now();
  let [packets, bytes, time, died] = [0, 0, 0, 0];
  for (let n = 0; n < runs; n++) {
    try {
      const result = simulate(start + n);
      packets += result.packets;
      bytes += result.bytes;
      time += result.time;
      if (result.died) died++;
    } catch (error) {
      console.error((error as Error).message);
      console.error(`failing seed: ${start + n}`);
      console.error(`replay: deno task sim --seed ${start + n}`);
      return 1;
    }
    if ((n + 1) % 1000 === 0 || n + 1 === runs) {
      const seconds = (performance.now() - began) / 1000;
      console.log(
        `${n + 1} of ${runs} runs, ${packets} packets, ${bytes} bytes, ${
          (time / 3_600_000).toFixed(1)
        } virtual hours, ${died} dead links, ${seconds.toFixed(1)} s`,
      );
    }
  }
  return 0;
}

function replay(seed: number): number {
  try {
    console.log(simulate(seed, console.log));
    return 0;
  } catch (error) {
    console.error((error as Error).cause);
    console.error((error as Error).message);
    return 1;
  }
}

if (import.meta.main) Deno.exit(main(Deno.args));
