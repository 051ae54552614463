/**
 * What both programs do besides the tunnel: the command line, the log, counters, signals.
 *
 * @module
 */
import { processTotals, snmp } from "@lowlatency/kcp";
import config from "../../deno.json" with { type: "json" };
import { parseStreamAddress } from "./addresses.ts";
import { answerMetrics, kcpMetrics } from "./counters/metrics.ts";
import { snmpView } from "./counters/snmp.ts";
import { appendSnmpRow } from "./counters/snmp_log.ts";
import { parseCommandLine } from "./settings/command_line.ts";
import { completionScript, SHELLS } from "./settings/completion.ts";
import { helpText } from "./settings/help.ts";
import { type Resolved, resolveSettings } from "./settings/resolve.ts";
import {
  type CommonSettings,
  SettingsError,
  type SettingsOf,
  type Side,
} from "./settings/settings.ts";
import { type Log, openLog } from "./tunnel/log.ts";
import type { Traffic } from "./tunnel/traffic.ts";

/** The end of the program takes at most so long, in ms. */
const EXIT_WAIT = 4500;
/** Exit code for settings that are wrong. */
const EXIT_USAGE = 2;

/** One end of a tunnel that runs. */
export interface Running {
  readonly traffic: Traffic;
  /** Tells the peers, and ends. */
  close(): Promise<void>;
}

/** What a program is. */
export interface Program<S extends Side> {
  readonly side: S;
  /** Starts it. */
  start(settings: Readonly<SettingsOf<S>>, log: Log): Promise<Running>;
  /** Does something else instead, and returns the exit code; null to start. */
  instead?(settings: Readonly<SettingsOf<S>>): Promise<number> | null;
}

/** Prints what the command line asks for. Returns the exit code; null if it asks for nothing. */
function print(side: Side, asked: ReturnType<typeof parseCommandLine>["print"]): number | null {
  if (asked === null) return null;
  if (asked === "help") console.log(helpText(side).trimEnd());
  else if (asked === "version") console.log(`kcptun version ${config.version} (${config.name})`);
  else {
    const script = completionScript(side, asked.completion);
    if (script === null) {
      console.error(`There is no completion for this shell: allowed are ${SHELLS.join(", ")}`);
      return EXIT_USAGE;
    }
    console.log(script.trimEnd());
  }
  return 0;
}

/** The settings in force, as the log shows them. The key is not shown. */
export function settingLines(settings: object): string[] {
  return Object.entries(settings)
    .filter(([name, value]) => name !== "key" && value !== "")
    .map(([name, value]) => `${name}: ${value}`);
}

/** Appends to the table of counters from time to time. */
function startSnmpLog({ snmplog, snmpperiod }: CommonSettings, log: Log): void {
  if (snmplog === "" || snmpperiod === 0) return;
  setInterval(() => {
    appendSnmpRow(snmplog, new Date(), snmp())
      .catch((error) => log(`snmp logger: ${error.message}`));
  }, 1000 * snmpperiod);
}

/** Serves the metrics. */
function startMetrics({ metrics }: CommonSettings, running: Running, log: Log): void {
  if (metrics === "") return;
  const address = parseStreamAddress(metrics, { flag: "--metrics", listens: true });
  const collect = () => [...kcpMetrics(processTotals()), ...running.traffic.metrics()];
  const handler = (request: Request) => answerMetrics(request, collect);
  const onError = () => new Response("An error\n", { status: 500 });
  if (address.transport === "unix") {
    Deno.serve({ path: address.path, onListen: () => {}, onError }, handler);
  } else {
    const { hostname, port } = address;
    const onListen = ({ port }: Deno.NetAddr) => log(`metrics on port ${port}`);
    Deno.serve({ hostname: hostname || "0.0.0.0", port, onListen, onError }, handler);
  }
}

/** Handles the signals that the system has. */
function listenToSignals(running: Running, log: Log): void {
  let ending = false;
  const end = async (signal: string) => {
    if (ending) Deno.exit(1);
    ending = true;
    log(`${signal}: ending`);
    setTimeout(() => Deno.exit(0), EXIT_WAIT);
    await running.close().catch((error) => log(error.message));
    Deno.exit(0);
  };
  Deno.addSignalListener("SIGINT", () => end("SIGINT"));
  if (Deno.build.os === "windows") return;
  Deno.addSignalListener("SIGTERM", () => end("SIGTERM"));
  Deno.addSignalListener("SIGUSR1", () => log(snmpView(snmp())));
}

/** The settings of the command line. Null, with the reasons on the standard error, if they are wrong. */
function settingsOf<S extends Side>(
  side: S,
  line: ReturnType<typeof parseCommandLine>,
): Resolved<S> | null {
  try {
    return resolveSettings(side, line, {
      env: (name) => Deno.env.get(name),
      readFile: (path) => Deno.readTextFileSync(path),
    });
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    for (const problem of error.problems) console.error(`kcptun-${side}: ${problem}`);
    console.error(`kcptun-${side} --help shows all flags`);
    return null;
  }
}

/**
 * Runs a program until a signal ends it.
 *
 * @param args The arguments of the program, without its name.
 */
export async function run<S extends Side>(program: Program<S>, args: string[]): Promise<void> {
  const { side } = program;
  const line = parseCommandLine(side, args);
  const printed = print(side, line.print);
  if (printed !== null) Deno.exit(printed);
  const resolved = settingsOf(side, line);
  if (!resolved) Deno.exit(EXIT_USAGE);
  const { settings, warnings } = resolved;
  try {
    const code = await program.instead?.(settings);
    if (typeof code === "number") Deno.exit(code);
    const log = openLog(settings.log);
    for (const warning of warnings) log(`WARNING: ${warning}`);
    log(`version: ${config.version}`);
    for (const line of settingLines(settings)) log(line);
    const running = await program.start(settings, log);
    startSnmpLog(settings, log);
    startMetrics(settings, running, log);
    listenToSignals(running, log);
  } catch (error) {
    console.error(`kcptun-${side}: ${(error as Error).message}`);
    Deno.exit(1);
  }
}
