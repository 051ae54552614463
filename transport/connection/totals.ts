/**
 * Sums over all connections of a listener, or of the process.
 *
 * @module
 */
import type { KcpStats } from "../../kcp/stats.ts";
import type { DatagramStats } from "../session/datagram_queue.ts";
import { emptyCounters, type Endpoint, type EndpointStats } from "../session/endpoint.ts";
import type { ConnectionErrorKind } from "../session/errors.ts";
import type { FecStats } from "../session/pipeline.ts";
import type { Session } from "../session/session.ts";

/** The sums of the counters of connections: see `Connection.stats`. */
export interface ConnectionTotals extends
  Pick<
    KcpStats,
    | "packetsOut"
    | "packetsIn"
    | "bytesOut"
    | "bytesIn"
    | "segmentsOut"
    | "segmentsIn"
    | "payloadOut"
    | "payloadIn"
    | "timeoutRetransmits"
    | "fastRetransmits"
    | "earlyRetransmits"
    | "tailProbes"
    | "needlessRetransmits"
    | "copies"
    | "copyBytes"
    | "copiesFirst"
    | "rideAlongs"
    | "rideAlongBytes"
    | "rideAlongsFirst"
    | "acknowledged"
    | "lost"
    | "pathMtuReductions"
    | "duplicates"
    | "refused"
    | "noMemory"
    | "foreign"
  > {
  /** Invalid packets that were dropped, by their first error. */
  inputErrors: KcpStats["inputErrors"];
  /** Counters of error correction. */
  fec: Pick<
    FecStats,
    | "dataOut"
    | "parityOut"
    | "dataIn"
    | "parityIn"
    | "recovered"
    | "recoveredInTime"
    | "failures"
    | "complete"
    | "incomplete"
    | "parityBytesOut"
    | "fillersOut"
    | "fillerBytesOut"
  >;
  /** Counters of datagrams. */
  datagrams: DatagramStats;
}

/** How many connections have ended, by the `kind` of the error that tells why. */
export interface EndTotals extends Record<Exclude<ConnectionErrorKind, "timeout">, number> {
  /** Connections that have ended without an error: everything was delivered. */
  delivered: number;
}

/** Sums over all connections of a listener or of the process. Those that have ended stay in the sums. */
export interface Totals {
  /** Connections that this side has opened. */
  dialled: number;
  /** Connections that peers have opened. */
  accepted: number;
  /** Connections that are open at present, those that wait for `accept` among them. */
  open: number;
  /** The largest number of connections that were open at one time. */
  maxOpen: number;
  /** How connections have ended: see `Connection.closed`. */
  ended: EndTotals;
  /** What all connections have counted, since the listener or the process began. */
  connections: ConnectionTotals;
  /** What open connections hold at present, in segments and bytes. */
  present:
    & Pick<
      KcpStats,
      | "sndQueue"
      | "inFlight"
      | "rcvQueue"
      | "rcvBuffer"
      | "bytesHeld"
    >
    & {
      /** Groups of error correction of which a data shard is missing. */
      fecGroups: number;
    };
  /** What the sockets have counted: packets that no connection took are counted only here. */
  sockets: SocketTotals;
}

/** The sums of what sockets have counted: see `Listener.stats`. */
export interface SocketTotals extends
  Pick<
    EndpointStats,
    | "packetsIn"
    | "forged"
    | "replayed"
    | "invalid"
    | "unknown"
    | "afterEnd"
    | "refused"
    | "noMemory"
    | "asked"
    | "accepted"
    | "migrated"
  > {
  /** Reads that have failed. A socket goes on after most errors. */
  readErrors: number;
}

function emptyTotals(): Totals {
  return {
    dialled: 0,
    accepted: 0,
    open: 0,
    maxOpen: 0,
    ended: {
      delivered: 0,
      unreachable: 0,
      idle: 0,
      unconfirmed: 0,
      reset: 0,
      closed: 0,
      socket: 0,
    },
    connections: {
      packetsOut: 0,
      packetsIn: 0,
      bytesOut: 0,
      bytesIn: 0,
      segmentsOut: 0,
      segmentsIn: 0,
      payloadOut: 0,
      payloadIn: 0,
      timeoutRetransmits: 0,
      fastRetransmits: 0,
      earlyRetransmits: 0,
      tailProbes: 0,
      needlessRetransmits: 0,
      copies: 0,
      copyBytes: 0,
      copiesFirst: 0,
      rideAlongs: 0,
      rideAlongBytes: 0,
      rideAlongsFirst: 0,
      acknowledged: 0,
      lost: 0,
      pathMtuReductions: 0,
      duplicates: 0,
      refused: 0,
      noMemory: 0,
      foreign: 0,
      inputErrors: {
        short: 0,
        conv: 0,
        cmd: 0,
        length: 0,
        una: 0,
        ack: 0,
        piece: 0,
      },
      fec: {
        dataOut: 0,
        parityOut: 0,
        dataIn: 0,
        parityIn: 0,
        recovered: 0,
        recoveredInTime: 0,
        failures: 0,
        complete: 0,
        incomplete: 0,
        parityBytesOut: 0,
        fillersOut: 0,
        fillerBytesOut: 0,
      },
      datagrams: {
        sent: 0,
        received: 0,
        droppedOut: 0,
        droppedIn: 0,
      },
    },
    present: {
      sndQueue: 0,
      inFlight: 0,
      rcvQueue: 0,
      rcvBuffer: 0,
      bytesHeld: 0,
      fecGroups: 0,
    },
    sockets: { ...emptyCounters(), readErrors: 0 },
  };
}

/** Adds each number of `sum` that `added` has too, and those of their members. */
function add<T extends object>(sum: T, added: Readonly<T>): void {
  for (const name of Object.keys(sum) as (keyof T)[]) {
    const value = sum[name];
    if (typeof value === "number") sum[name] = value + (added[name] as number) as T[keyof T];
    else add(value as object, added[name] as object);
  }
}

/** What has ended in this process: connections of all sockets, and sockets. */
const ended = emptyTotals();
/** The ledgers of the open sockets. They are not kept from being collected. */
const ledgers = new Set<WeakRef<Ledger>>();
const collected = new FinalizationRegistry<WeakRef<Ledger>>((reference) => {
  ledgers.delete(reference);
});

/** Connections of the process that are open, and the most at one time. */
const openNow = { count: 0, most: 0 };

/** Keeps the sums of one socket. */
export class Ledger {
  /** Connections that this side has opened. */
  dialled = 0;
  readonly #endpoint: Endpoint;
  readonly #socket: { readonly readErrors?: number };
  readonly #open = { count: 0, most: 0 };
  readonly #ends = emptyTotals().ended;
  /** The sums of the connections that have ended; null before the first one. */
  #ended: ConnectionTotals | null = null;
  readonly #reference = new WeakRef(this);

  /**
   * @param endpoint The endpoint of the socket. It has no sessions yet.
   * @param socket The socket.
   */
  constructor(endpoint: Endpoint, socket: { readonly readErrors?: number }) {
    this.#endpoint = endpoint;
    this.#socket = socket;
    endpoint.onBegin = () => {
      for (const open of [this.#open, openNow]) {
        open.count++;
        if (open.count > open.most) open.most = open.count;
      }
    };
    endpoint.onEnd = ({ error }) => {
      this.#open.count--;
      openNow.count--;
      const kind = (error?.kind ?? "delivered") as keyof EndTotals;
      this.#ends[kind]++;
      ended.ended[kind]++;
    };
    endpoint.onRemove = (session: Session) => {
      const { stats } = session;
      add<ConnectionTotals>(this.#ended ??= emptyTotals().connections, stats);
      add<ConnectionTotals>(ended.connections, stats);
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
    add(ended.sockets, this.#sockets);
  }

  /** The sums of this socket. */
  get totals(): Totals {
    const sum = emptyTotals();
    if (this.#ended) add(sum.connections, this.#ended);
    this.addTo(sum);
    sum.maxOpen = this.#open.most;
    add(sum.ended, this.#ends);
    return sum;
  }

  /** Adds what is not among the ended connections of the process. */
  addTo(sum: Totals): void {
    const endpoint = this.#endpoint;
    sum.dialled += this.dialled;
    sum.accepted += endpoint.stats.accepted;
    add(sum.sockets, this.#sockets);
    for (const session of endpoint.sessions) {
      const { stats } = session;
      add<ConnectionTotals>(sum.connections, stats);
      if (session.state === "closed") continue;
      sum.open++;
      const { present } = sum;
      present.sndQueue += stats.sndQueue;
      present.inFlight += stats.inFlight;
      present.rcvQueue += stats.rcvQueue;
      present.rcvBuffer += stats.rcvBuffer;
      present.bytesHeld += stats.bytesHeld;
      present.fecGroups += stats.fec.groups;
    }
  }

  get #sockets(): SocketTotals {
    const stats = this.#endpoint.stats as EndpointStats & SocketTotals;
    stats.readErrors = this.#socket.readErrors ?? 0;
    return stats;
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
  sum.maxOpen = openNow.most;
  add(sum.ended, ended.ended);
  add(sum.connections, ended.connections);
  add(sum.sockets, ended.sockets);
  for (const reference of ledgers) reference.deref()?.addTo(sum);
  return sum;
}
