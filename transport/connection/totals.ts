/**
 * Sums over all connections of a listener, or of the process.
 *
 * @module
 */
import type { KcpStats } from "../../kcp/stats.ts";
import type { DatagramStats } from "../session/datagram_queue.ts";
import type { Endpoint, EndpointStats } from "../session/endpoint.ts";
import type { FecStats } from "../session/pipeline.ts";
import type { Session } from "../session/session.ts";

/** The counters of a connection that can be added up. */
const COUNTERS = [
  "packetsOut",
  "packetsIn",
  "bytesOut",
  "bytesIn",
  "segmentsOut",
  "segmentsIn",
  "payloadOut",
  "payloadIn",
  "timeoutRetransmits",
  "fastRetransmits",
  "earlyRetransmits",
  "tailProbes",
  "needlessRetransmits",
  "copies",
  "copyBytes",
  "copiesFirst",
  "rideAlongs",
  "rideAlongBytes",
  "rideAlongsFirst",
  "acknowledged",
  "lost",
  "pathMtuReductions",
  "duplicates",
  "refused",
  "foreign",
] as const satisfies readonly (keyof KcpStats)[];
const ERRORS = ["short", "conv", "cmd", "length", "una", "ack", "piece"] as const;
const FEC = [
  "dataOut",
  "parityOut",
  "dataIn",
  "parityIn",
  "recovered",
  "recoveredInTime",
  "failures",
  "incomplete",
  "parityBytesOut",
  "fillersOut",
  "fillerBytesOut",
] as const satisfies readonly (keyof FecStats)[];
const DATAGRAMS = ["sent", "received", "dropped"] as const;
/** What connections hold at present. */
const PRESENT = ["sndQueue", "inFlight", "rcvQueue", "rcvBuffer", "bytesHeld"] as const;
const SOCKETS = [
  "packetsIn",
  "forged",
  "replayed",
  "invalid",
  "unknown",
  "afterEnd",
  "refused",
  "asked",
  "accepted",
  "migrated",
] as const satisfies readonly (keyof EndpointStats)[];

/** The sums of the counters of connections: see `Connection.stats`. */
export interface ConnectionTotals extends Pick<KcpStats, typeof COUNTERS[number]> {
  /** Invalid packets that were dropped, by their first error. */
  inputErrors: KcpStats["inputErrors"];
  /** Counters of error correction. */
  fec: Pick<FecStats, typeof FEC[number]>;
  /** Counters of datagrams. */
  datagrams: DatagramStats;
}

/** Sums over all connections of a listener or of the process. Those that have ended stay in the sums. */
export interface Totals {
  /** Connections that this side has opened. */
  dialled: number;
  /** Connections that peers have opened. */
  accepted: number;
  /** Connections that are open at present, those that wait for `accept` among them. */
  open: number;
  /** What all connections have counted, since the listener or the process began. */
  connections: ConnectionTotals;
  /** What open connections hold at present, in segments and bytes. */
  present: Pick<KcpStats, typeof PRESENT[number]>;
  /** What the sockets have counted: packets that no connection took are counted only here. */
  sockets: Pick<EndpointStats, typeof SOCKETS[number]>;
}

function zeros<K extends string>(names: readonly K[]): Record<K, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<K, number>;
}

function add<K extends string>(
  sum: Record<K, number>,
  added: Readonly<Record<K, number>>,
  names: readonly K[],
): void {
  for (const name of names) sum[name] += added[name];
}

function emptyTotals(): Totals {
  return {
    dialled: 0,
    accepted: 0,
    open: 0,
    connections: {
      ...zeros(COUNTERS),
      inputErrors: zeros(ERRORS),
      fec: zeros(FEC),
      datagrams: zeros(DATAGRAMS),
    },
    present: zeros(PRESENT),
    sockets: zeros(SOCKETS),
  };
}

function addSession(sum: ConnectionTotals, stats: Readonly<ConnectionTotals>): void {
  add(sum, stats, COUNTERS);
  add(sum.inputErrors, stats.inputErrors, ERRORS);
  add(sum.fec, stats.fec, FEC);
  add(sum.datagrams, stats.datagrams, DATAGRAMS);
}

/** What has ended in this process: connections of all sockets, and sockets. */
const ended = emptyTotals();
/** The ledgers of the open sockets. They are not kept from being collected. */
const ledgers = new Set<WeakRef<Ledger>>();
const collected = new FinalizationRegistry<WeakRef<Ledger>>((reference) => {
  ledgers.delete(reference);
});

/** Keeps the sums of one socket. */
export class Ledger {
  /** Connections that this side has opened. */
  dialled = 0;
  readonly #endpoint: Endpoint;
  /** The sums of the connections that have ended; null before the first one. */
  #ended: ConnectionTotals | null = null;
  readonly #reference = new WeakRef(this);

  /** @param endpoint The endpoint of the socket. */
  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
    endpoint.onRemove = (session: Session) => {
      const { stats } = session;
      addSession(this.#ended ??= emptyTotals().connections, stats);
      addSession(ended.connections, stats);
    };
    ledgers.add(this.#reference);
    collected.register(this, this.#reference, this);
  }

  /** Adds the counters of the socket to those of the process, since it is closed. */
  close(): void {
    if (!ledgers.delete(this.#reference)) return;
    collected.unregister(this);
    const { stats } = this.#endpoint;
    ended.dialled += this.dialled;
    ended.accepted += stats.accepted;
    add(ended.sockets, stats, SOCKETS);
  }

  /** The sums of this socket. */
  get totals(): Totals {
    const sum = emptyTotals();
    if (this.#ended) addSession(sum.connections, this.#ended);
    this.addTo(sum);
    return sum;
  }

  /** Adds what is not among the ended connections of the process. */
  addTo(sum: Totals): void {
    const endpoint = this.#endpoint;
    const { stats } = endpoint;
    sum.dialled += this.dialled;
    sum.accepted += stats.accepted;
    add(sum.sockets, stats, SOCKETS);
    for (const session of endpoint.sessions) {
      const { stats } = session;
      addSession(sum.connections, stats);
      if (session.state === "closed") continue;
      sum.open++;
      add(sum.present, stats, PRESENT);
    }
  }
}

/**
 * Sums over all connections of this process, those that have ended among them: kcp-go's `DefaultSnmp`.
 * A snapshot, which costs time for each open connection. `listener.totals` are those of one listener.
 *
 * @example
 * ```ts
 * import { processTotals } from "@lowlatency/kcp";
 *
 * const { open, connections } = processTotals();
 * console.log(`${open} connections, ${connections.bytesOut} bytes sent`);
 * ```
 */
export function processTotals(): Totals {
  const sum = emptyTotals();
  sum.dialled = ended.dialled;
  sum.accepted = ended.accepted;
  addSession(sum.connections, ended.connections);
  add(sum.sockets, ended.sockets, SOCKETS);
  for (const reference of ledgers) reference.deref()?.addTo(sum);
  return sum;
}
