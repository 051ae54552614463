/**
 * The rules that are looked at when everybody has come to an end: see rules.ts.
 *
 * @module
 */
import type { Application } from "./application.ts";
import type { Correction } from "./correction.ts";
import type { End } from "./end.ts";
import { type Facts, isOrphan, limits, ms, remembers, smallestBurst } from "./rules.ts";
import type { Scenario } from "./scenario.ts";
import type { Incoming, Outgoing } from "./streams.ts";

/**
 * Rule `promise`: what `drained()`, `closeWrite()` or `closed` promised was read by one application; or an
 * application that read the beginning got an error, or stopped to read; or the process that
 * acknowledged it was killed after that.
 */
export function checkPromise(out: Outgoing, facts: Facts): void {
  const { promised, promisedAt, end } = out;
  if (promised === 0) return;
  facts.count("promises");
  const readers = readersOf(out, facts);
  const best = Math.max(0, ...readers.map(({ got }) => got));
  if (best >= promised || out.acknowledgedAtKill >= promised) return;
  // An acknowledgment may have been under way when its sender was killed.
  const killedAfter = promisedAt - facts.scenario.oneWay - end.process.disturbed - 50;
  const processes = end.name === "client" ? facts.servers : readers.map((r) => r.end.process);
  if (processes.some(({ killedAt }) => killedAt < Infinity && killedAt >= killedAfter)) return;
  // The promise may rest on acknowledgments from before the kill.
  const lastWord = end.heardAt - facts.scenario.oneWay - 50;
  if (processes.some(({ killedAt }) => killedAt < Infinity && killedAt >= lastWord)) return;
  if (readers.some((r) => r.left && !isOrphan(r.end) || r.got > 0 && isError(r))) return;
  if (wasEchoed(end, facts)) return;
  // A client that talked with another incarnation, or with another session, took these bytes for its bytes.
  const other = end.name === "server" ? end.peer?.in.from : null;
  if (other && other !== out && !remembers(facts.scenario)) return;
  const seen = readers.map(({ end: { label }, got, outcome }) => `${label} ${got} ${outcome}`);
  facts.fail(
    other && other !== out ? "splice" : "promise",
    `${out.promisedBy} of ${end.label} promised ${promised} bytes at ${
      ms(promisedAt)
    }, read were: ${seen.join(", ") || "none"}`,
  );
}

/** The ends that read a stream, and the one that would have if a byte had come. */
function readersOf(out: Outgoing, facts: Facts): Incoming[] {
  const readers = new Set(out.readers);
  for (const end of facts.ends) if (end.peer === out.end && !end.in.from) readers.add(end.in);
  return [...readers];
}

/**
 * Whether an echo took the stream of a client. It looks at no bytes, so the ends of a conversation that
 * several clients began at one address are known by their number alone.
 */
function wasEchoed(client: End, facts: Facts): boolean {
  if (client.name === "server" || !facts.scenario.serverProgram.echo) return false;
  const { address } = client.process;
  const same = (end: End) => end.conv === client.conv;
  const clients = facts.ends.filter((end) =>
    end.name === "client" && same(end) && end.process.address === address &&
    end.out.promised > 0 && !facts.ends.some(({ name, peer }) => name === "server" && peer === end)
  );
  const echoes = facts.ends.filter((end) =>
    end.name === "server" && same(end) && end.in.left && end.in.from === null &&
    end.peer === null &&
    end.peerProcess?.address === address
  );
  return echoes.length >= clients.length;
}

function isError({ outcome }: Incoming): boolean {
  return outcome !== "" && outcome !== "end";
}

/**
 * Rule `end`: when the end of a stream was promised, no reader that is still there gets an error
 * instead of it.
 */
export function checkEnd(out: Outgoing, facts: Facts): void {
  if (out.endPromisedAt === Infinity) return;
  // Whether a peer that has ended its own stream is gone with all data or can't be reached, no end can
  // know. So this is judged where packets do get through.
  if (!reachable(facts.scenario)) return;
  facts.count("ends of streams");
  const readers = readersOf(out, facts);
  // Where a client moved, or was forgotten too soon, another connection may have got all of it.
  if (readers.some(({ outcome, left, end }) => outcome === "end" || left && !isOrphan(end))) return;
  for (const reader of readers) {
    const { end } = reader;
    if (isOrphan(end)) continue;
    // A server that was restarted may know a stream only by its later part.
    if (out.end.name === "client" && end.process !== out.end.peerProcess) continue;
    // Whoever began when the promise was on its way has not made it.
    if (out.endPromisedAt < end.process.startedAt + facts.scenario.oneWay) continue;
    if (reader.left || !end.process.alive || end.closedAt < Infinity || reader.outcome === "end") {
      continue;
    }
    if (mayHaveLeft(end, out, facts)) continue;
    facts.fail(
      "end",
      `${out.end.label} was told that its end was delivered, ${end.label} got ${
        reader.outcome || "nothing"
      } after ${reader.got} of ${out.written} bytes`,
    );
  }
}

/** An end that a close could not deliver is sent until the peer was silent for this time, in ms. */
const END_PATIENCE = 30_000;

/**
 * Whether a close may count as delivered though nobody has acknowledged its end: the reader has ended
 * its own stream, and so may have left with all data. Here it gave up its peer before, or nothing reached
 * it any more; or its peer had waited for it as long as the settings say, and resets it after that.
 */
function mayHaveLeft(reader: End, out: Outgoing, facts: Facts): boolean {
  const { outcome, out: own, reachedAt } = reader;
  const { up, down } = facts.scenario;
  const least = Math.min(Number(up.latency ?? 0), Number(down.latency ?? 0));
  // After a reset, nothing is left that was not acknowledged: whether the end was, is not known then.
  const wasTold = (outcome?.at ?? Infinity) + least <= out.endPromisedAt;
  if (out.endAcknowledged && !wasTold || own.endedAt === Infinity) return false;
  if (outcome?.kind === "reset") {
    const { deadLinkTime } = limits(out.end, facts.scenario);
    return outcome.at >= out.end.reachedAt + Math.min(deadLinkTime, END_PATIENCE);
  }
  // One that no setting bounds waits for ever.
  if (outcome && !["idle", "unreachable", "unconfirmed"].includes(outcome.kind ?? "")) return false;
  // Congestion control may hold the end back until what is before it is acknowledged.
  const roundTrip = 2 * facts.scenario.oneWay + facts.interval(reader) + facts.interval(out.end);
  const left = out.endedAt + (out.end.connection.options.nc ? 0 : roundTrip);
  if ((outcome?.at ?? Infinity) <= out.endPromisedAt) return true;
  // The end may have left later, behind data that was sent again. All of it was lost after the last
  // sign of the reader.
  const lostAt = facts.history(reader)?.lastAt ?? -Infinity;
  return reachedAt <= left + facts.scenario.oneWay ||
    reachedAt <= out.end.reachedAt && lostAt >= out.end.reachedAt;
}

/**
 * Whether the path is not very bad, and both ends stay where they are and run. A burst of losses
 * lasts for some packets, however far apart they are: it may take all in which an end is sent.
 */
function reachable({ up, down, faults }: Scenario): boolean {
  const most = up.burstLoss || down.burstLoss ? 0.1 : 0.3;
  return Math.max(Number(up.loss ?? 0), Number(down.loss ?? 0)) < most &&
    !faults.some(({ kind }) => kind === "freeze" || kind === "rebind");
}

/** Packets that the path may lose where retransmissions are counted. */
const MOST_LOST = 4;
/** Packets that leave back to back by default. */
const FIRST_BURST = 64;
/** Large packets that leave first, with their parity, at most. */
const FIRST_PACKETS = 20;
/** Bytes that a listener keeps of a peer whose address is not confirmed, and the header of a segment. */
const UNCONFIRMED_BYTES = 65_536;
const OVERHEAD = 24;
/** The timeout before a round trip is measured, in ms. */
const FIRST_RTO = 200;
/** Segments that a sender may send before the peer has told its window. */
const FIRST_WINDOW = 128;

/**
 * Rule `efficiency`: on a path that loses next to nothing and keeps order, few segments are sent again. Those of
 * the first window may be, several times, if the round trip is longer than the first timeout; and a few
 * are while a reader pauses.
 */
export function checkEfficiency(end: End, facts: Facts): void {
  const { scenario } = facts;
  const history = facts.history(end);
  const { peer } = end;
  if (!history || !peer || history.others > 0 || history.mtuAt > -Infinity) return;
  if (history.lost > MOST_LOST) return;
  // A process that is gone, or not there yet, acknowledges nothing; one with other settings, otherwise.
  if (scenario.faults.some(({ kind }) => kind === "restart" || kind === "configure")) return;
  if (end.outcome?.kind !== null || peer.outcome?.kind !== null) return;
  if (end.process.disturbed + peer.process.disturbed > 0 || !isSteady(end, facts)) return;
  // A peer that has read all and left acknowledges nothing more. It may have left before anybody read the
  // first bytes, which tell whose peer it was.
  if (!end.sentToPeer) return;
  const { again, segmentsOut } = end.sentToPeer;
  const { sndWnd } = end.connection.stats;
  const window = Math.min(sndWnd, 128);
  const roundTrip = 2 * scenario.oneWay + facts.interval(end) + facts.interval(peer);
  const firstTimeouts = roundTrip < 150 ? 0 : Math.ceil(Math.log2(roundTrip / 100) + 1);
  const paused = peer.paused + scenario.acceptDelay;
  const { rcvWnd, mtu } = peer.connection.options;
  // A listener keeps little of a peer whose address is not confirmed. The rest of its first burst comes again.
  const kept = UNCONFIRMED_BYTES / (end.connection.options.mtu - OVERHEAD);
  const refused = end.name === "client"
    ? Math.max(0, Math.ceil(Math.min(window, FIRST_BURST) - kept))
    : 0;
  // What the first window, which nobody has told, has more than the peer takes comes again.
  const overflows = rcvWnd < FIRST_WINDOW || end.connection.options.mtu > mtu;
  const pauses = 4 * paused / 1000 +
    (overflows ? window * Math.log2(2 + paused / 30) : 0);
  // Nothing is acknowledged before the first segment of a conversation: a burst may have followed it. If
  // that of the client is lost, both ends have the same timeout: the burst of the server comes too
  // early once more. A server that has measured a short round trip has shorter timeouts, which double.
  let bursts = Math.min(history.lost, 2);
  if (end.name === "server" && history.lost > 0) {
    const shorter = Math.log2((FIRST_RTO + facts.interval(peer)) / roundTrip);
    bursts += history.firstLost ? Math.max(1, Math.ceil(shorter)) : 1;
  }
  const losses = (8 + Math.min(window, FIRST_BURST)) * bursts;
  // The copy of an acknowledgment that arrives sooner shows a round trip that is too short. When the copies
  // end, what is in flight is sent again once.
  const copies = scenario.faults.some(({ kind }) => kind === "eavesdrop") ? window : 0;
  const allowed = 16 + 0.1 * segmentsOut + window * firstTimeouts + pauses + losses + copies +
    refused;
  facts.count("ends whose retransmissions were counted");
  if (again > allowed) {
    facts.fail(
      "efficiency",
      `${end.label} sent ${again} of ${segmentsOut} segments again, ${history.lost} packets were lost, at most ${
        Math.ceil(allowed)
      } were expected`,
    );
  }
}

/** Segments that an end has sent again, and all that it has sent. */
export function sentBy({ connection: { stats } }: End): { again: number; segmentsOut: number } {
  const { timeoutRetransmits, fastRetransmits, earlyRetransmits, segmentsOut } = stats;
  return { again: timeoutRetransmits + fastRetransmits + earlyRetransmits, segmentsOut };
}

/** Whether acknowledgments come as steadily as the sender's timeout expects them. */
function isSteady(end: End, facts: Facts): boolean {
  const { up, down } = facts.scenario;
  for (const link of [up, down]) {
    if (link.jitter || link.reorder || link.bandwidth || link.duplicate) return false;
  }
  const { interval, ackNoDelay } = end.peer!.connection.options;
  return (ackNoDelay || interval <= facts.interval(end)) &&
    facts.interval(end.peer!) <= facts.interval(end);
}

/**
 * Rule `share`: under a rate limit, a stream and datagrams that both have something to send get a tenth of
 * the rate each at least; without one, datagrams at a moderate rate are not held back.
 */
export function checkShare(app: Application, facts: Facts): void {
  const { end, share, program: { datagrams } } = app;
  const { peer } = end;
  const history = facts.history(end);
  // Before a connection is accepted, only the newest datagrams are kept.
  if (facts.scenario.acceptDelay > 0) return;
  if (!share || !peer || !history || history.lastAt > -Infinity || history.mtuAt > -Infinity) {
    return;
  }
  const time = share.to - share.from;
  // The last datagrams are still on their way then.
  const lastAt = share.to + facts.scenario.oneWay;
  if (time < 1000 || Math.min(peer.closedAt, peer.outcome?.at ?? Infinity) < lastAt) return;
  // Nobody takes datagrams between two incarnations of the peer.
  if (facts.scenario.faults.some((f) => f.kind === "restart" && f.end === peer.name)) return;
  const { pacingRate, mtu } = limits(end, facts.scenario);
  // The first packets leave in a burst, and parity follows it. If they are large, the rate that they have
  // taken in advance is all of that time.
  if (FIRST_PACKETS * mtu / pacingRate * 1000 > time) return;
  const offered = datagrams.size / datagrams.gap;
  const least = 0.1 * Math.min(pacingRate / 1000, offered) * time - 5000;
  facts.count("shares of datagrams");
  if (pacingRate < Infinity) {
    if (
      // A reader that pauses closes the window of the stream.
      share.streamBusy && peer.paused === 0 && fillsRate(end, facts) &&
      share.streamBytes < 0.1 * pacingRate / 1000 * time - 5000
    ) {
      facts.fail(
        "share",
        `the stream of ${end.label} got ${share.streamBytes} bytes in ${ms(time)} beside datagrams`,
      );
    }
    if (share.received * datagrams.size < least) {
      facts.fail("share", `${share.received} datagrams of ${end.label} arrived in ${ms(time)}`);
    }
  } else if (share.received < 0.8 * share.offered - 20) {
    facts.fail(
      "share",
      `${share.received} of ${share.offered} datagrams of ${end.label} arrived in ${ms(time)}`,
    );
  }
}

/** Whether the windows let a stream fill the rate limit. */
function fillsRate(end: End, facts: Facts): boolean {
  const { sndWnd, burst, mtu, pacingRate, nc } = end.connection.options;
  const peer = end.peer!;
  const window = Math.min(sndWnd, smallestBurst(burst), peer.connection.options.rcvWnd) *
    (mtu - 60);
  const roundTrip = 2 * facts.scenario.oneWay + facts.interval(end) + facts.interval(peer);
  return nc && !facts.scenario.messages && window / roundTrip >= pacingRate / 1000;
}

/** Rule `correction`: half of what parity can restore is restored, whatever strangers send. */
export function checkCorrection(facts: Facts, correction: Correction): void {
  const { recoverable, from } = correction;
  if (facts.scenario.faults.some(({ kind }) => kind === "restart")) return;
  const reader = facts.ends.find((end) => end.peer?.process === from && end.in.from);
  if (!reader || recoverable < 8 || facts.history(reader)?.movedAt !== -Infinity) return;
  // A decoder keeps no more than the window may hold, and what comes late is sent again before.
  const { server, faults, up } = facts.scenario;
  const windows = faults.map((fault) =>
    fault.kind === "configure" && fault.end === "server" ? fault.change.rcvWnd : undefined
  );
  if ([server.rcvWnd, ...windows].some((each = 256) => each < 128) || up.reorder) return;
  const { recovered } = reader.connection.stats.fec;
  facts.count("streams whose corrections were counted");
  if (recovered < recoverable / 2) {
    facts.fail(
      "correction",
      `${reader.label} restored ${recovered} packets, parity could restore ${recoverable}`,
    );
  }
}

/**
 * A part of rule `memory`: where nothing but the memory is short, and one client comes after the other,
 * each is served. The first one of a run with a flood may meet a server whose memory is full.
 */
export function checkServed(end: End, facts: Facts): void {
  const { arenaLimit, faults } = facts.scenario;
  if (
    arenaLimit === Infinity || end.name === "server" || faults.length > 0 && end.createdAt === 0
  ) {
    return;
  }
  facts.count("clients of a server with little memory");
  if (end.outcome?.kind !== null && end.in.outcome !== "end") {
    facts.fail(
      "memory",
      `${end.label} was not served by a server with ${arenaLimit} bytes: ${
        end.outcome?.message ?? "it still waits"
      }`,
    );
  }
}
