import { Arrivals } from "./arrivals.ts";
import { MIN_MTU } from "./options.ts";
import type { PacketWriter } from "./packet_writer.ts";
import { FOREIGN, KNOWN, ProbeRound, sizesBetween, STRANGE, UNKNOWN } from "./probe_round.ts";
import { OVERHEAD, timestamp } from "./segment.ts";

/**
 * Packets of this many bytes or fewer are never suspected of being too large. RFC 791 requires every
 * host to take packets of 576 bytes; this leaves room for any header.
 */
export const MIN_SUSPECT = 256;
/**
 * This many large packets in a row must vanish while smaller ones arrive. At 30 % random loss that
 * happens by chance to one packet in two million.
 */
const NEEDED = 12;
/**
 * At least this many of them are probes or copies, whose arrival the next answer shows. Another packet
 * may have arrived while its acknowledgment was lost.
 */
const MIN_COPIES = 8;
/**
 * After a false alarm, copies are sent only when one more packet was lost than before, at most this
 * many. Losses are an accident on such a path. It is forgotten after a time in ms.
 */
const MAX_PATIENCE = 4;
const ALARM_MEMORY = 10_000;
/** A packet is suspected, too, if it has this part of the suspected size at least. */
const ALIKE = 7 / 8;
/**
 * A suspicion ends when in so many rounds in a row no packet of that size was sent: the segments of
 * one are sent again one by one, say. It could never be decided.
 */
const MAX_UNTESTED = 4;
/** Most probes of a round. */
export const MAX_PROBES = 64;
/** A peer that answered this many rounds, but no CMD_PROBE in them, does not know it. */
export const MIN_UNHEEDED = 4;
/** A search ends when the bounds are this close, in bytes or as a part of the size. */
const PRECISION = 8;
const RELATIVE_PRECISION = 1 / 64;
/** Rounds of a search. Each narrows the bounds to a ninth. */
const MAX_ROUNDS = 5;
/** After this time, in ms, larger packets are tried again. RFC 8899 §5.1.1 has 600 s at most. */
const RAISE_AFTER = 60_000;
/** A peer that is busy, or has just begun, may answer the probes of a search this long apart, in ms. */
const BUSY_TIME = 25;
/**
 * After a search that has found a larger size, but not the largest, the next one begins after this time,
 * in ms: a full queue may have dropped the larger probes.
 */
const AGAIN_AFTER = 500;

/**
 * How many packets of `size` bytes a round may have. Under a rate limit, probes take the place of data,
 * so a round has no more bytes than the rate gives in an RTO. If that is not enough, more rounds follow.
 *
 * @param budget Those bytes.
 */
export function affordable(size: number, budget: number): number {
  return Math.max(1, Math.floor(budget / size));
}

/**
 * Finds out which packets the path takes, as in RFC 8899 (Datagram PLPMTUD), and notices when it
 * takes smaller ones only: large packets vanish then without any notice.
 *
 * A large packet that must be sent again is suspected, if no packet of its size or a larger one
 * arrived that was sent later. A round of probes goes out behind the retransmission. If probes are
 * answered, the large packets that were sent before them are lost. When enough of them are lost and
 * none arrives, that is no accident. The same round has tried smaller sizes, so the new MTU is known.
 * More rounds between the largest size that arrived and the smallest that did not find it closely.
 */
export class PathMtu {
  /** Bytes of the largest packet that is sent. */
  mtu: number;
  /** How often large packets were found to vanish. */
  reductions = 0;
  /** Whether the peer may get a {@linkcode CMD_PROBE}: others drop the packet as an error. */
  probes = true;
  /** Whether the peer knows pieces: it has answered a probe. */
  understood = false;
  /** Rounds in which the peer has answered ordinary segments, but no probe. */
  unheeded = 0;
  /** When the last round that was answered was sent, in ms. */
  answeredAt = -Infinity;
  /** The settings: the MTU, and the largest that may be found. */
  #setBase: number;
  #setMax: number;
  /** The largest packet that the socket takes, where it tells: see {@linkcode PathMtu.limit}. */
  #limit = Infinity;
  /** The largest MTU that may be found. */
  #max: number;
  readonly #arrivals = new Arrivals();

  /** Packets of this size and larger are known to vanish. */
  #bad = Infinity;

  /** The size of the suspected packets. 0 if none is. */
  #suspect = 0;
  /** When the first of them was sent. */
  #suspectedAt = 0;
  /** How many of them were lost for certain. */
  #lost = 0;
  /** How many were sent since the last round. */
  #tested = 0;
  /** How many copies of them were sent. */
  #copied = 0;
  /** How many rounds in a row followed no such packet. */
  #untested = 0;

  /** How many packets must be lost before copies are sent. */
  #patience = 0;
  #alarmAt = -Infinity;

  /** Whether a round is due. */
  #wanted = false;
  /** When a round is due that waits, in ms; Infinity if none does. */
  #wantedAt = Infinity;
  /** Whether the last round was not answered. */
  #unanswered = false;
  /** The bounds of a search: the largest size that arrived and the smallest that did not. */
  #low = 0;
  #high = 0;
  #roundsLeft = 0;
  /** The MTU when the last search for larger packets began. */
  #searchFrom = Infinity;
  /** When packets of this size and larger were last found to vanish, in ms. */
  #reducedAt = -Infinity;
  /** When larger packets are tried again, in ms. */
  #raiseAt = Infinity;

  readonly #round = new ProbeRound();
  /** The suspected packets that were sent before it. */
  #roundTested = 0;
  /** Whether data waits for the end of the round. */
  #holds = false;

  constructor(mtu: number, max: number) {
    this.mtu = this.#setBase = mtu;
    this.#max = this.#setMax = max;
    if (max > mtu) this.#raiseAt = -Infinity;
  }

  /** Takes over the settings. A change of the MTU ends what was found out. */
  configure(mtu: number, max: number): void {
    if (mtu === this.#setBase && max === this.#setMax) return;
    this.#setBase = mtu;
    this.#setMax = max;
    this.#restart();
  }

  /**
   * Takes over what the socket tells of its packets: none may be larger. Less holds at once, and more
   * as well, since the socket has tried it: what was found out before is forgotten then.
   *
   * @param size Bytes; Infinity for a socket that does not tell.
   */
  limit(size: number): void {
    const before = this.#limit;
    if (size === before) return;
    this.#limit = size;
    if (size > before) {
      this.#restart();
      return;
    }
    this.#max = Math.min(this.#setMax, size);
    if (this.#suspect > size || this.#high > size + 1) this.stop();
    if (size < this.#setMax) this.#bad = Math.min(this.#bad, size + 1);
    this.mtu = Math.min(this.mtu, size);
  }

  /** Forgets what was found out, and begins with what the settings and the socket allow. */
  #restart(): void {
    this.mtu = Math.min(this.#setBase, this.#limit);
    this.#max = Math.min(this.#setMax, this.#limit);
    this.#bad = this.#limit < this.#setMax ? this.#limit + 1 : Infinity;
    this.stop();
    this.#raiseAt = this.#max > this.mtu ? -Infinity : Infinity;
  }

  /** Ends what is being tried. */
  stop(): void {
    this.#suspect = this.#high = 0;
    this.#wanted = this.#holds = false;
    this.#wantedAt = Infinity;
    this.#round.stop();
  }

  // --- what was sent, and what arrived ---

  /** Notes that a segment is sent again whose packet had `size` bytes and was sent at `sentAt`. */
  resent(size: number, sentAt: number, now: number): void {
    if (this.#suspect > 0) {
      if (size > MIN_SUSPECT && size < this.#bad) this.#resentOther(size);
      // The answer to the last round is lost, or there is none.
      if (now >= this.#round.endsAt || this.#round.endsAt === Infinity) this.#want(sentAt, now);
    } else if (size >= this.#bad) {
      // No more evidence is needed, but the peer may know pieces.
      if (!this.understood) this.ask();
    } else if (size > MIN_SUSPECT && !this.#arrivals.has(size, sentAt)) {
      this.#suspect = size;
      this.#suspectedAt = sentAt;
      if (now > this.#alarmAt + ALARM_MEMORY) this.#patience = 0;
      this.#lost =
        this.#tested =
        this.#copied =
        this.#untested =
          0;
      this.#high = 0;
      this.#want(sentAt, now);
    }
  }

  /**
   * Asks for a round behind the data that is sent again now. A queue on the path may drop the last
   * packets of each burst. So after a round without an answer, the next one leaves alone, midway to
   * the next timeout.
   */
  #want(sentAt: number, now: number): void {
    if (!this.#unanswered) this.#wanted = true;
    else if (this.#wantedAt === Infinity) this.#wantedAt = now + (now - sentAt) / 2;
  }

  /**
   * A packet is lost, too, that is a little smaller than the suspected ones: their data is sent without
   * the acknowledgments that they carried. The suspicion goes over to it, or its losses would not count.
   *
   * A peer that knows {@linkcode CMD_PROBE} gets probes of the suspected size instead. For it, the
   * suspicion goes over to larger packets: smaller ones may have arrived. A peer acknowledges nothing
   * before it has the first segment.
   */
  #resentOther(size: number): void {
    const counts = this.understood
      ? size > this.#suspect && this.#copied === 0
      : size < this.#suspect && size >= this.#suspect * ALIKE;
    if (counts && !this.#arrivals.has(size, this.#suspectedAt)) this.#suspect = size;
  }

  /**
   * The size from which on packets count. A suspicion that does not go over to a little smaller packets
   * counts them: probes of the suspected size decide then.
   */
  get #leastTested(): number {
    return this.understood ? this.#suspect * ALIKE : this.#suspect;
  }

  /** Notes that a packet with data is sent. */
  sent(size: number): void {
    // The probes of a round are counted before.
    if (this.#round.unwritten) return;
    if (this.#suspect > 0 && size >= this.#leastTested) this.#tested++;
  }

  /** Notes that a packet arrived that was sent at `sentAt`. */
  arrived(size: number, sentAt: number, now: number): void {
    this.#arrivals.note(size, sentAt);
    if (size >= this.#bad && sentAt >= this.#reducedAt) {
      this.#bad = Math.min(size, this.#limit) + 1;
    }
    if (this.#suspect > 0 && size >= this.#suspect && sentAt >= this.#suspectedAt) {
      this.#suspect = 0;
      // Data need not wait for the round: it has nothing to show any more.
      this.#holds = false;
      if (this.#copied > 0) {
        this.#patience = Math.min(MAX_PATIENCE, this.#patience + 1);
        this.#alarmAt = now;
      }
    }
    if (size > this.mtu && size <= this.#max && sentAt >= this.#reducedAt) this.mtu = size;
    if (this.#raiseAt === -Infinity) this.#raiseAt = now;
  }

  /** Whether packets of some size are known to vanish. */
  get isSmall(): boolean {
    return this.#bad < Infinity;
  }

  /** Whether packets of this size are known to vanish. */
  vanishes(size: number): boolean {
    return size > this.mtu && size >= this.#bad;
  }

  // --- rounds ---

  /** Whether data waits, since a round is running. */
  get holds(): boolean {
    return this.#holds;
  }

  /** When {@linkcode PathMtu.tick} is next due, in ms. */
  get deadline(): number {
    return Math.min(this.#round.endsAt, this.#wantedAt);
  }

  /** Whether probes are due. */
  get due(): boolean {
    return this.#wanted || this.#round.unwritten;
  }

  /** Whether a new round is due. */
  get starts(): boolean {
    return this.#wanted && !this.#round.unwritten;
  }

  /** Asks the peer for an answer at the next output. */
  ask(): void {
    if (this.#round.endsAt === Infinity) this.#wanted = true;
  }

  /** Starts to try larger packets when it is time. */
  raiseIfDue(now: number): void {
    if (this.mtu >= this.#max || now < this.#raiseAt || this.#raiseAt === -Infinity) return;
    if (this.#suspect > 0 || this.#high > 0) return;
    if (!this.understood && this.unheeded < MIN_UNHEEDED) {
      // Probes tell more to a peer that knows them.
      this.ask();
      return;
    }
    this.#low = this.#searchFrom = this.mtu;
    this.#high = this.#max + 1;
    this.#roundsLeft = MAX_ROUNDS;
    this.#wanted = true;
  }

  /**
   * How many suspected packets must be sent before the next round. A peer that knows
   * {@linkcode CMD_PROBE} gets probes of that size with the round instead.
   */
  get copies(): number {
    return this.#wanted && !this.understood ? this.#missing : 0;
  }

  /** Notes that such a packet was sent. */
  copied(): void {
    this.#copied++;
  }

  /** How many more suspected packets must be sent until their loss is no accident. */
  get #missing(): number {
    const seen = this.#lost + this.#tested;
    const enough = this.#lost > this.#patience || (this.#patience === 0 && seen >= NEEDED);
    if (this.#suspect === 0 || !enough) return 0;
    return Math.max(0, NEEDED - seen, MIN_COPIES - this.#copied);
  }

  /** The size of the suspected packets. 0 if none is. */
  get suspect(): number {
    return this.#suspect;
  }

  /**
   * Writes the probes of a round. False when the batch is full: the next call goes on.
   *
   * @param sn The sequence number before `una`. The peer has acknowledged it.
   * @param firstSn The sequence number of the first segment.
   * @param tsOffset The `ts` at the time 0.
   * @param rto The retransmission timeout in ms: a round without an answer ends after it.
   * @param budget Bytes that a round may have: see {@linkcode affordable}.
   */
  write(
    writer: PacketWriter,
    sn: number,
    firstSn: number,
    tsOffset: number,
    now: number,
    rto: number,
    budget: number,
  ): boolean {
    const round = this.#round;
    if (this.#wanted && !round.unwritten) {
      this.#startRound(sn, firstSn, (timestamp(now) + tsOffset) | 0, now, writer.largest, budget);
    }
    if (!round.write(writer)) return false;
    round.endsAt = now + rto;
    return true;
  }

  #startRound(
    sn: number,
    firstSn: number,
    ts: number,
    now: number,
    largest: number,
    budget: number,
  ): void {
    this.#wanted = false;
    this.#wantedAt = Infinity;
    const suspect = this.#suspect;
    const kind = this.understood
      ? KNOWN
      : !this.probes
      ? STRANGE
      : this.unheeded > 0
      ? FOREIGN
      : UNKNOWN;
    const sizes: number[] = [];
    if (this.understood) {
      const most = affordable(suspect, budget);
      // After a false alarm, copies wait for another loss, but no such packet may be sent any more.
      if (suspect > 0 && this.#lost > 0 && this.#tested === 0 && this.#missing === 0) {
        sizes.push(suspect);
        this.#tested++;
      }
      for (let left = Math.min(this.#missing, most); left > 0; left--) {
        sizes.push(suspect);
        this.#tested++;
        this.#copied++;
      }
    }
    sizes.push(OVERHEAD);
    const train = suspect > 0
      ? this.#copied >= MIN_COPIES && this.#lost + this.#tested >= NEEDED
      : this.#high > 0;
    if (train) {
      const high = suspect > 0 ? suspect : this.#high;
      const most = affordable(high, budget);
      sizes.push(...sizesBetween(suspect > 0 ? MIN_MTU : this.#low, high, most));
      if (high > this.#max && sizes.at(-1) !== this.#max) sizes.push(this.#max);
    }
    if (sizes.length === 1 && kind !== KNOWN) sizes.push(OVERHEAD);
    this.#round.start(kind, sizes.filter((size) => size <= largest), sn, firstSn, ts, now);
    this.#untested = this.#tested > 0 ? 0 : this.#untested + 1;
    this.#roundTested = this.#tested;
    this.#tested = 0;
    // An acknowledgment of data that follows would hide those of the probes.
    this.#holds = train && !this.understood;
  }

  /**
   * Handles an acknowledgment of a segment before `una`, or the answer to a probe.
   *
   * @param heeded Whether it is the answer to a {@linkcode CMD_PROBE}.
   * @param srtt The smoothed round-trip time in ms, or less than 0.
   */
  answered(sn: number, ts: number, heeded: boolean, now: number, srtt: number): void {
    const round = this.#round;
    const first = !round.answered;
    const size = round.take(sn, ts, heeded);
    if (size === 0) return;
    if (heeded) this.understood = true;
    this.answeredAt = round.at;
    if (first) {
      // The packets that were sent before the round had arrived before it, or are lost.
      this.#lost += this.#roundTested;
    }
    // More answers follow, on a slow path one by one. Acknowledgments may wait for an interval of
    // the peer.
    const goesOn = first || round.endsAt < Infinity;
    if (goesOn && (heeded || this.unheeded === 0)) {
      const delayed = Math.max(1, Math.max(srtt, now - round.at) / 8);
      // No data waits for a mere search.
      const searches = this.#suspect === 0 && !this.#holds;
      round.endsAt = now + (searches ? Math.max(delayed, BUSY_TIME) : delayed);
    }
    if (round.settled) round.endsAt = now;
    this.arrived(size, round.at, now);
  }

  /**
   * Draws the conclusions from a packet that arrived, after {@linkcode PathMtu.answered} and
   * {@linkcode PathMtu.arrived} have taken what it shows.
   */
  conclude(now: number): void {
    const round = this.#round;
    if (round.endsAt === Infinity) return;
    const suspected = this.#suspect > 0 && this.#lost >= NEEDED;
    if (suspected && round.triesSizes && round.showsSizes) this.#reduce(now);
    this.tick(now);
  }

  /** Goes on with what arrived of the last round: large packets vanish. */
  #reduce(now: number): void {
    this.reductions++;
    this.#bad = this.#suspect;
    this.#suspect = 0;
    this.mtu = Math.min(this.mtu, Math.max(MIN_MTU, this.#round.best));
    this.#low = this.mtu;
    this.#high = this.mtu < this.#max ? Math.min(this.#bad, this.#max + 1) : 0;
    this.#reducedAt = this.#round.at;
    this.#arrivals.clear();
    this.#searchFrom = Infinity;
    this.#roundsLeft = MAX_ROUNDS;
    this.#raiseAt = now + RAISE_AFTER;
    this.#holds = true;
  }

  /** Ends a round when its time is over, and starts one that waits. */
  tick(now: number): void {
    const round = this.#round;
    if (now >= this.#wantedAt) {
      this.#wantedAt = Infinity;
      this.#wanted ||= this.#suspect > 0;
    }
    if (now < round.endsAt) return;
    round.endsAt = Infinity;
    this.#unanswered = !round.answered;
    this.#holds = false;
    if (round.answered && !round.heeded) this.unheeded++;
    if (this.#suspect > 0) {
      // The next round has more to count, or shows the sizes. Else the next timeout starts it.
      this.#wanted = round.answered && (this.#roundTested > 0 || !round.showsSizes);
      const undecided = this.#lost === 0 || this.#untested >= MAX_UNTESTED;
      if (round.answered && undecided) this.#suspect = 0;
    } else if (this.#high > 0) {
      this.#narrow(now);
    }
  }

  #narrow(now: number): void {
    const round = this.#round;
    this.#low = Math.max(this.#low, this.mtu);
    // A larger packet may have arrived since the search began.
    if (round.showsSizes && this.#low < this.#high) {
      const next = round.above(this.#low);
      if (next < this.#high) this.#high = next;
      if (this.#bad < Infinity) this.#bad = Math.min(this.#bad, this.#high);
    }
    const precision = Math.max(PRECISION, this.#low * RELATIVE_PRECISION);
    if (--this.#roundsLeft > 0 && this.#high - this.#low > precision) {
      this.#wanted = true;
    } else {
      this.#high = 0;
      const later = this.mtu > this.#searchFrom + precision ? AGAIN_AFTER : RAISE_AFTER;
      this.#raiseAt = this.mtu < this.#max ? now + later : Infinity;
    }
  }
}
