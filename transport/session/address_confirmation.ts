import type { Kcp } from "../../kcp/kcp.ts";
import { GRACE, LATE } from "../../kcp/liveness.ts";

/** Bytes that may be sent for each byte from an unconfirmed address. RFC 9000 §8.1. */
const AMPLIFICATION = 3;
/** Payload bytes of an unconfirmed peer that are kept for reading. */
const UNCONFIRMED_BYTES = 65_536;
/** With what is heard, the peer is probed again after this part of an RTO: RTT samples may be missing. */
const HEARD_PACE = 1 / 4;
/** Each wait between two probes is this many times as long as the one before. */
const BACKOFF = 1.5;
/** The longest wait between two probes, in ms, or an eighth of `deadLinkTime` if that is less. */
const MAX_WAIT = 4_000;
const WAITS = 8;
/** An unconfirmed peer is given up after this silence in ms, or after `deadLinkTime` if that is less. */
const MAX_SILENCE = 30_000;

/**
 * Confirms that a peer receives packets at the address from which it sends.
 *
 * The source address of a datagram may be forged. Until the peer echoes something that it can't
 * guess, the session probes it, sends it little data, and keeps little of its data. So a forged
 * address causes little traffic.
 *
 * A window probe of this library draws an echo from its own kind. Other implementations tell their
 * window without an echo. They get a data segment that they know already, and acknowledge it.
 *
 * A probe or its answer may be lost as often as any packet. So the session probes for as long as it
 * hears the peer, and gives up on silence alone.
 */
export class AddressConfirmation {
  readonly #kcp: Kcp;
  /** When the next probe is due, in ms; Infinity once the address is confirmed. */
  #nextProbeAt = Infinity;
  #lastProbeAt = -Infinity;
  #heardAt = -Infinity;
  #wait = 0;
  /** The peer is not given up before, in ms. */
  #graceEnds = -Infinity;
  /** Bytes that arrived before {@linkcode AddressConfirmation.start}. */
  #earlier = 0;
  #asks = false;

  constructor(kcp: Kcp) {
    this.#kcp = kcp;
  }

  /**
   * Starts to probe the peer.
   *
   * @param authenticated Whether the peer has shown that it has the key. It gets as much as it asks for.
   */
  start(now: number, authenticated: boolean): void {
    const kcp = this.#kcp;
    if (!authenticated) {
      kcp.rcvLimit = UNCONFIRMED_BYTES;
      kcp.sndLimit = AMPLIFICATION * this.#earlier;
    }
    this.#begin(now);
  }

  /** Starts to ask a peer that this side has called, until it knows of the conversation. */
  ask(now: number): void {
    this.#asks = true;
    this.#begin(now);
  }

  #begin(now: number): void {
    this.#heardAt = now;
    this.#wait = this.#kcp.rto;
    this.#probe(now);
  }

  /** Whether the peer has not answered yet. */
  get pending(): boolean {
    return this.#nextProbeAt !== Infinity;
  }

  /** Whether this side has called the peer: its address is not in doubt. */
  get asks(): boolean {
    return this.#asks;
  }

  /** When {@linkcode AddressConfirmation.tick} is next due; Infinity once the address is confirmed. */
  get deadline(): number {
    return this.pending ? Math.min(this.#nextProbeAt, this.#silenceEnds) : Infinity;
  }

  get #silenceEnds(): number {
    // A peer that this side has called is not invented.
    const most = this.#asks ? Infinity : MAX_SILENCE;
    const ends = this.#heardAt + Math.min(most, this.#kcp.options.deadLinkTime);
    return Math.max(ends, this.#graceEnds);
  }

  /** Takes note of a valid packet of the peer, after the machine has read it. */
  received(bytes: number, now: number): void {
    if (!this.pending) {
      this.#earlier += bytes;
      return;
    }
    const kcp = this.#kcp;
    // A listener that keeps nothing of this end asks for a proof first: that is no answer.
    // One of this library echoes the question.
    const reported = kcp.reported && !kcp.extended;
    if (kcp.answered || this.#asks && (reported || kcp.linked)) {
      this.#nextProbeAt = Infinity;
      kcp.sndLimit = kcp.rcvLimit = Infinity;
      return;
    }
    this.#heardAt = now;
    kcp.sndLimit += AMPLIFICATION * bytes;
    // Data of the peer costs memory, which has its own limit. A forged address gets none of ours.
    if (kcp.reported) kcp.rcvLimit = Infinity;
    // The peer is there, so the last probe or its answer was lost.
    if (now >= this.#lastProbeAt + HEARD_PACE * kcp.rto) this.#probe(now);
    // It may have been lost before the path was back, and the peer may send nothing more.
    else this.#nextProbeAt = Math.min(this.#nextProbeAt, this.#lastProbeAt + kcp.rto);
  }

  /**
   * Probes the peer again when it is time.
   *
   * @param late Whether anything was due long before `now`.
   * @returns False when the peer was silent for too long and is given up.
   */
  tick(now: number, late: boolean): boolean {
    if (!this.pending) return true;
    // A process that was blocked finds the answers in its socket.
    const ends = this.#silenceEnds;
    if (late ? now >= ends : now > ends + LATE) this.#graceEnds = now + GRACE;
    if (now >= this.#silenceEnds) return false;
    if (now < this.#nextProbeAt) return true;
    const longest = Math.min(MAX_WAIT, this.#kcp.options.deadLinkTime / WAITS);
    this.#wait = Math.min(longest, BACKOFF * this.#wait);
    this.#probe(now);
    return true;
  }

  /** The probes of 24 bytes do not count towards the limit. A lost probe must not be the last. */
  #probe(now: number): void {
    this.#lastProbeAt = now;
    this.#nextProbeAt = now + Math.max(this.#wait, this.#kcp.rto);
    if (this.#kcp.extended === false && !this.#asks) this.#kcp.askEcho();
    else this.#kcp.askWindow();
  }
}
