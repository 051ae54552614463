/**
 * Examines the way to a server: `--check`.
 *
 * @module
 */
import { connect, type Connection, ConnectionError } from "@lowlatency/kcp";
import { formatAddress, parsePortRange } from "../addresses.ts";
import type { ClientSettings } from "../settings/settings.ts";
import { kcpOptions } from "./kcp_options.ts";
import { TunnelSession } from "./session.ts";

/** How long the steps may take, in ms. */
export interface DoctorTimes {
  /** Until the server answers a packet. */
  readonly packets: number;
  /** Until a stream answers: a server of kcptun gives a sign of life each 10 s. */
  readonly streams: number;
}

const TIMES: DoctorTimes = { packets: 5000, streams: 12_000 };
/** How many round trips are measured. */
const PINGS = 30;
/** A rate for which windows are suggested, in bytes per second: 100 Mbit/s. */
const RATE = 12_500_000;

/** Round trips of a path. */
export interface PathFigures {
  /** The shortest one in ms. */
  readonly shortest: number;
  /** The one in the middle. */
  readonly middle: number;
  /** The longest one. */
  readonly longest: number;
  /** The share of questions that got no answer. */
  readonly lost: number;
}

/** Asks the server several times. A question without an answer for two round trips is lost. */
async function measure(connection: Connection): Promise<PathFigures> {
  const trips: number[] = [await connection.ping({ timeout: 5000 })];
  for (let i = 1; i < PINGS; i++) {
    const timeout = 2 * Math.max(...trips) + 50;
    try {
      trips.push(await connection.ping({ timeout }));
    } catch (error) {
      if (!(error instanceof ConnectionError && error.kind === "timeout")) throw error;
    }
  }
  trips.sort((a, b) => a - b);
  return {
    shortest: trips[0],
    middle: trips[trips.length >> 1],
    longest: trips.at(-1)!,
    lost: 1 - trips.length / PINGS,
  };
}

/** Flags that fit a path better than those that are set. */
export function suggestions(
  settings: ClientSettings,
  { middle, lost }: PathFigures,
  pathMtu: number,
): string[] {
  const found: string[] = [];
  const { mtu, sndwnd, rcvwnd, datashard, parityshard } = settings;
  if (pathMtu < mtu) found.push(`--mtu ${pathMtu}: larger packets do not arrive`);
  const packets = Math.ceil(RATE * middle / 1000 / Math.min(mtu, pathMtu));
  const window = Math.min(65_535, 2 ** Math.ceil(Math.log2(Math.max(packets, 1))));
  if (rcvwnd < packets) {
    found.push(
      `--rcvwnd ${window}, and --sndwnd ${window} at the server: 100 Mbit/s from the server need ` +
        `${packets} packets on the way, and ${rcvwnd} are allowed`,
    );
  }
  if (sndwnd < packets) {
    found.push(
      `--sndwnd ${window}, and --rcvwnd ${window} at the server: the same to the server, where ` +
        `${sndwnd} are allowed`,
    );
  }
  const corrects = datashard === "auto" || datashard > 0 && parityshard > 0;
  if (lost > 0.02 && !corrects) {
    found.push("--datashard auto: packets are lost, and correction spares their retransmission");
  } else if (lost === 0 && corrects && datashard !== "auto") {
    found.push("--datashard auto: no packet was lost, and correction that is fixed costs bytes");
  }
  return found;
}

/** Waits until the streams have given a sign of life. Null if all is well; or what is wrong. */
async function tryStreams(session: TunnelSession, timeout: number): Promise<string | null> {
  const { mux } = session;
  const stream = await mux.createBidirectionalStream();
  const failure = mux.closed.then(
    () => "the server has closed the session",
    (error: Error) => error.message,
  );
  await stream.closeWrite();
  const end = performance.now() + timeout;
  while (mux.stats.framesReceived === 0) {
    const rest = end - performance.now();
    if (rest <= 0) {
      return "the server says nothing";
    }
    const pause = new Promise<null>((resolve) => setTimeout(resolve, Math.min(rest, 20), null));
    const wrong = await Promise.race([pause, failure]);
    if (wrong !== null) return wrong;
  }
  return null;
}

/**
 * Examines the way to the server, step by step, and says what it finds.
 *
 * @param say Takes the lines of the report.
 * @returns The exit code of the program: 0 if a tunnel would work.
 */
export async function examine(
  settings: ClientSettings,
  say: (line: string) => void,
  times: DoctorTimes = TIMES,
): Promise<number> {
  const { hostname, first: port } = parsePortRange(settings.remoteaddr, {
    flag: "--remoteaddr",
    listens: false,
  });
  const server = formatAddress(hostname, port);
  let connection: Connection;
  try {
    connection = await connect({ hostname, port, ...kcpOptions(settings) });
  } catch (error) {
    say(`✗ ${server} can't be reached: ${(error as Error).message}`);
    return 1;
  }
  try {
    await connection.open({ timeout: times.packets });
  } catch (error) {
    connection.abort();
    say(`✗ ${server} does not answer: ${(error as Error).message}`);
    say("  Is the server running, and is its UDP port open in the firewall?");
    say("  Are --key and --crypt the same at both ends? A packet with another key has no answer.");
    return 1;
  }
  const { hostname: ip, port: to } = connection.remoteAddr;
  say(`✓ ${server} answers at ${formatAddress(ip, to)}: the port, the key and the cipher fit`);
  const session = new TunnelSession(connection, settings, true);
  try {
    const wrong = await tryStreams(session, times.streams);
    if (wrong !== null) {
      say(`✗ Streams do not work: ${wrong}`);
      say("  Are --smuxver and --nocomp the same at both ends?");
      return 1;
    }
    say("✓ Streams work: their version and the compression fit");
    const figures = await measure(connection);
    const ms = (value: number) => value.toFixed(1);
    say(
      `✓ Round trip: ${ms(figures.middle)} ms, from ${ms(figures.shortest)} to ` +
        `${ms(figures.longest)} ms; ${(100 * figures.lost).toFixed(0)} % of ${PINGS} had no answer`,
    );
    const { pathMtu } = connection.stats;
    say(`✓ Packets of ${pathMtu} bytes are in use`);
    const advice = suggestions(settings, figures, pathMtu);
    if (advice.length === 0) say("Nothing to suggest");
    for (const line of advice) say(`→ ${line}`);
    return 0;
  } finally {
    session.close();
    await connection.closed.catch(() => {});
  }
}
