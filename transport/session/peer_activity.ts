import type { Kcp } from "../../kcp/kcp.ts";
import { GRACE, LATE } from "../../kcp/liveness.ts";
import type { SessionTimes } from "./session_options.ts";

/** Counts packets from an address for all sessions with it. */
export interface InvalidPackets {
  /** Packets that were not valid, and that belong to no session. */
  readonly invalid: number;
}

/**
 * When the peer of a session was last heard, and what follows from its silence: the idle timeout,
 * the keep-alive probes, and a guess at the reason that error messages show.
 */
export class PeerActivity {
  readonly #kcp: Kcp;
  readonly #createdAt: number;
  readonly #times: SessionTimes;
  readonly #encrypted: boolean;
  #lastDatagramAt = -Infinity;
  /** Whether nothing was sent yet. */
  #silent = true;
  /** When the last probe was sent, or when the session began; Infinity before the first packet. */
  #lastProbeAt: number;
  /** The idle timeout does not end before, in ms. */
  #graceEnds = -Infinity;
  /** Invalid packets that this session has counted alone. */
  #invalidPackets = 0;
  /** Counts those that the sessions with this address share; null: this session is the only one. */
  #shared: InvalidPackets | null = null;

  /**
   * @param kcp The machine of the session.
   * @param now When the session was created, in ms.
   * @param times The times of the session, which may change.
   * @param encrypted Whether the session encrypts.
   */
  constructor(kcp: Kcp, now: number, times: SessionTimes, encrypted: boolean) {
    this.#kcp = kcp;
    this.#createdAt = this.#lastProbeAt = now;
    this.#times = times;
    this.#encrypted = encrypted;
  }

  /** Counts a packet from the peer's address that was not valid. */
  countInvalid(): void {
    this.#invalidPackets++;
  }

  /** Adds the packets that are counted there from now on; null: this session counts them alone. */
  shareInvalid(packets: InvalidPackets | null): void {
    this.#invalidPackets += (this.#shared?.invalid ?? 0) - (packets?.invalid ?? 0);
    this.#shared = packets;
  }

  /** Notes that a datagram arrived. The KCP machine sees only the other packets. */
  receivedDatagram(now: number): void {
    this.#lastDatagramAt = now;
  }

  /** Whether a valid packet has arrived. */
  get heard(): boolean {
    return this.#kcp.heardAt !== -Infinity || this.#lastDatagramAt !== -Infinity;
  }

  /** When the peer was last heard; when the session was created if it never was. */
  get heardAt(): number {
    return Math.max(this.#kcp.heardAt, this.#lastDatagramAt, this.#createdAt);
  }

  /** When the idle timeout ends, if the peer stays silent. */
  get idleAt(): number {
    return Math.max(this.heardAt + this.#times.idleTimeout, this.#graceEnds);
  }

  /**
   * Puts the end of the idle timeout off if the session was not run when it was due: the process was
   * blocked or suspended, and what the peer has sent meanwhile may wait in the socket.
   *
   * @param late Whether anything was due long before `now`.
   */
  excuse(now: number, late: boolean): void {
    const { idleAt } = this;
    if (late ? now >= idleAt : now > idleAt + LATE) this.#graceEnds = now + GRACE;
  }

  /** When the next keep-alive probe is due, if the peer stays silent; Infinity for never. */
  get keepAliveAt(): number {
    return Math.max(this.heardAt, this.#lastProbeAt) + this.#times.keepAlive;
  }

  /**
   * Sends no keep-alive probe before the first packet: a peer that knows nothing of the session does
   * not answer.
   */
  delayKeepAlive(): void {
    this.#lastProbeAt = Infinity;
  }

  /** Notes that packets leave. */
  sent(now: number): void {
    this.#silent = false;
    if (this.#lastProbeAt === Infinity) this.#lastProbeAt = now;
  }

  /** Sends a keep-alive probe. */
  probe(now: number): void {
    this.#lastProbeAt = now;
    this.#kcp.askWindow();
  }

  /**
   * The likely reason why no valid packet ever arrived, as the end of an error message that begins
   * with "; ". Empty if a valid packet arrived.
   */
  get diagnosis(): string {
    if (this.heard) return "";
    const count = this.#invalidPackets + (this.#shared?.invalid ?? 0);
    if (count > 0) {
      const packets = count === 1 ? "1 packet" : `${count} packets`;
      return this.#encrypted
        ? `; ${packets} came from there, but none passed the check of the cipher: ` +
          "does the peer use another key or cipher, or none?"
        : `; ${packets} came from there, but none was a KCP packet of this conversation: ` +
          "does the peer encrypt?";
    }
    if (this.#silent) return "; nothing was sent to the peer yet, so it knows of no connection";
    return this.#encrypted
      ? "; nothing came from there: no peer runs there, " +
        "or the peer has another key or cipher and drops our packets"
      : "; nothing came from there: no peer runs there, or the peer expects encrypted packets";
  }
}
