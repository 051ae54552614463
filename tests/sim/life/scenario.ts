/**
 * What a run of the life campaign consists of, as plain data: everything is drawn from the seed
 * before the run begins.
 *
 * @module
 */
import type { KcpLiveOptions } from "../../../kcp/mod.ts";
import type { LinkOptions } from "../../../transport/link/mod.ts";
import type { EndpointOptions } from "../../../transport/session/mod.ts";

/** One of the two ends. */
export type EndName = "client" | "server";

/** The main subject of a scenario. */
export type Family =
  | "settings"
  | "loss"
  | "outage"
  | "cut"
  | "restart"
  | "rebind"
  | "pause"
  | "freeze"
  | "mtu"
  | "flood"
  | "configure"
  | "death"
  | "datagrams"
  | "memory"
  | "attack";

/** What an application does when, as a moment that a fault can be tied to. */
export type MomentName =
  | "dial"
  | "clientSends"
  | "serverSends"
  | "accept"
  | "firstRead"
  | "halfRead"
  | "responseWritten"
  | "drained"
  | "closeWrite"
  | "close";

/** When a fault happens: at a time in ms, or some ms after a moment. */
export type When = number | { readonly after: MomentName; readonly ms: number };

/** One fault. Times and durations are in ms of the network. */
export type Fault =
  /** The path loses everything in the given directions. `ms` may be Infinity. */
  | {
    readonly kind: "outage";
    readonly when: When;
    readonly ms: number;
    readonly up: boolean;
    readonly down: boolean;
  }
  /** Loses `count` packets of one direction and size class, after `skip` that pass. */
  | {
    readonly kind: "cut";
    readonly from: EndName;
    readonly size: "any" | "small" | "large";
    readonly skip: number;
    readonly count: number;
  }
  /** A process is not run: its timers and packets wait. Its clock goes on, or stops too. */
  | {
    readonly kind: "freeze";
    readonly end: EndName;
    readonly when: When;
    readonly ms: number;
    readonly clock: "runs" | "stops";
    /** Whether the timer comes before the packets that waited. */
    readonly timerFirst: boolean;
  }
  /** The clock of a process jumps forward. */
  | { readonly kind: "jump"; readonly end: EndName; readonly when: When; readonly ms: number }
  /** A process ends, and another takes its place after `down` ms; `Infinity` for never. */
  | {
    readonly kind: "restart";
    readonly end: EndName;
    readonly when: When;
    readonly how: "vanish" | "abort" | "close";
    readonly down: number;
    readonly samePort: boolean;
    readonly sameConv: boolean;
  }
  /** The client is seen under another port. */
  | { readonly kind: "rebind"; readonly when: When }
  /** The path loses packets longer than `mtu` bytes from now on. */
  | {
    readonly kind: "mtu";
    readonly when: When;
    readonly mtu: number;
    /** The applications set the new MTU by hand so many ms later; Infinity for never. */
    readonly byHand: number;
  }
  /** An application changes settings. */
  | {
    readonly kind: "configure";
    readonly end: EndName;
    readonly when: When;
    readonly change: KcpLiveOptions;
  }
  /** Strangers send packets to the server. */
  | {
    readonly kind: "flood";
    readonly when: When;
    readonly what:
      | "hosts"
      | "garbage"
      | "early"
      | "ports"
      | "parity"
      | "far"
      | "ahead"
      | "openings"
      | "questions"
      | "resets";
    readonly count: number;
    readonly gap: number;
  }
  /** An application aborts its connections. Its process goes on. */
  | { readonly kind: "abort"; readonly end: EndName; readonly when: When }
  /** Copies of the next `count` packets of the client reach the server sooner, from elsewhere. */
  | { readonly kind: "eavesdrop"; readonly when: When; readonly count: number };

/** What one application writes. */
export interface WritePlan {
  /** Whether it begins at once, when the peer's first byte was read, or at the peer's end. */
  readonly after: "start" | "firstByte" | "end";
  /** Bytes of each piece or message. */
  readonly sizes: readonly number[];
  /** Pause between two pieces in ms. */
  readonly gap: number;
  /** Whether piece n + 1 waits until n pieces (bytes, in a stream) of the peer were read. */
  readonly lockstep: boolean;
  /** `drained()` is awaited after every so many pieces; 0 for never. */
  readonly drainEvery: number;
  /** What follows the last piece: an end of the stream, a close, a drain and a close, or nothing. */
  readonly then: "closeWrite" | "close" | "drainClose" | "nothing";
}

/** What one application reads. */
export interface ReadPlan {
  /** ms before the first read. */
  readonly delay: number;
  /** Largest read in bytes. */
  readonly chunk: number;
  /** Pauses: after so many bytes, for so many ms. */
  readonly pauses: readonly { readonly after: number; readonly ms: number }[];
}

/** One application. */
export interface Program {
  readonly write: WritePlan;
  readonly read: ReadPlan;
  /** Pipes what it reads back to the peer, by Web Streams, and looks at nothing else. */
  readonly echo: boolean;
  /** Datagrams: how many, and the ms between two. */
  readonly datagrams: { readonly count: number; readonly gap: number; readonly size: number };
  /** Whether it waits until the peer has answered before it does anything. */
  readonly opens?: boolean;
  /** Whether it forgets a connection that failed instead of closing it. */
  readonly forgets: boolean;
}

/** A whole run. */
export interface Scenario {
  readonly seed: number;
  readonly family: Family;
  readonly app: string;
  /** Settings of each end; those of the client are of a session. */
  readonly server: EndpointOptions;
  readonly client: EndpointOptions;
  readonly cipher: "none" | "chacha20-poly1305" | "aes-128-gcm";
  /** Bytes that the server's arena may hold; Infinity for its default. */
  readonly arenaLimit: number;
  readonly up: LinkOptions;
  readonly down: LinkOptions;
  /** When the links stop to lose, delay and reorder; Infinity for never. */
  readonly calmAt: number;
  readonly messages: boolean;
  readonly clientProgram: Program;
  readonly serverProgram: Program;
  /** ms that the server waits before it accepts. */
  readonly acceptDelay: number;
  /** How many clients dial, and the ms between two. */
  readonly clients: number;
  readonly clientGap: number;
  /** How often a client dials again after a connection failed. */
  readonly redials: number;
  readonly faults: readonly Fault[];
  /** Longest one-way delay of either direction in ms, queues included. */
  readonly oneWay: number;
}
