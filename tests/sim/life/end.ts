/**
 * One end of one connection, with all that the rules want to know about it.
 *
 * @module
 */
import type { Connection } from "../../../transport/connection/mod.ts";
import type { ConnectionErrorKind } from "../../../transport/session/mod.ts";
import type { Process } from "./process.ts";
import type { EndName } from "./scenario.ts";
import { Incoming, Outgoing } from "./streams.ts";

/** What an application waits for. */
export type OperationName = "opened" | "read" | "write" | "drained" | "closeWrite" | "closed";

/** Something that an application waits for. */
export interface Operation {
  readonly name: OperationName;
  readonly end: End;
  /** When it began, in ms of the network. */
  readonly since: number;
  /** Whether it ended without an error. */
  succeeded: boolean;
}

/** How a connection ended. */
export interface Outcome {
  /** In ms of the network. */
  readonly at: number;
  /** null if it ended by a close that delivered everything. */
  readonly kind: ConnectionErrorKind | null;
  readonly message: string;
}

/** One end of one connection. */
export class End {
  readonly name: EndName;
  readonly process: Process;
  readonly connection: Connection;
  readonly conv: number;
  readonly out: Outgoing;
  readonly in: Incoming = new Incoming(this);
  /** When it was made, in ms of the network and by the clock of its process. */
  readonly createdAt: number;
  readonly createdLocal: number;
  /** How it ended; null while it goes on. */
  outcome: Outcome | null = null;
  /** When the application called `close` or `abort`. */
  closedAt = Infinity;
  /** When the application called `abort`, though the peer was there. */
  abortedAt = Infinity;
  /** The end that it talks to, as soon as that is known. */
  peer: End | null = null;
  /** The process of the peer, known sooner. */
  peerProcess: Process | null;
  /** When the address of the client changed, and since when the two can't reach each other for that. */
  movedAt = -Infinity;
  lostPeerAt = Infinity;
  /** When a packet of this conversation last reached it, by the clock of its process. */
  heardAt = -Infinity;
  /** The same, in ms of the network, and how many packets the path had lost by then. */
  reachedAt = -Infinity;
  lostBefore = 0;
  /** When one reached it for the first time after the outage was over. */
  heardAgainAt = Infinity;
  /** What it had sent when its peer was over; null before. */
  sentToPeer: { readonly again: number; readonly segmentsOut: number } | null = null;
  /** A packet of this conversation waits in the socket of its frozen process. */
  waits = false;
  /** The longest retransmission timeout that was seen. */
  rto = 200;
  /** ms that the application spent between two reads. */
  paused = 0;
  readonly pending = new Set<Operation>();

  constructor(
    name: EndName,
    process: Process,
    connection: Connection,
    conv: number,
    key: number,
    peerProcess: Process | null,
    now: number,
  ) {
    this.name = name;
    this.process = process;
    this.connection = connection;
    this.conv = conv;

    this.out = new Outgoing(key, this);
    this.peerProcess = peerProcess;
    this.createdAt = now;
    this.createdLocal = process.localTime;
  }

  /** What it is called in messages. */
  get label(): string {
    return `${this.name} ${this.out.key}`;
  }

  /** Whether the application has closed it, or it ended. */
  get isOver(): boolean {
    return this.closedAt < Infinity || this.outcome !== null;
  }
}
