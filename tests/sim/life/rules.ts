/**
 * What must hold in every run, whatever was drawn. Each rule has a name, which a failure begins with.
 *
 * | rule | what it says |
 * | --- | --- |
 * | exactness | a reader gets a prefix of what one incarnation of its peer wrote, in order, in its messages |
 * | splice | the same where a process was restarted: nobody gets bytes, or promises, of two incarnations |
 * | once | no two connections that one process accepted give out the same stream |
 * | promise | what was promised as delivered was read, or the reader got an error or was killed later |
 * | end | a peer reads the end of a stream whose delivery was promised, and no error, unless it may have left |
 * | notice | who waits for a peer that is gone gets an error in time |
 * | close | a close is over after `linger` |
 * | live | a peer that is there is not given up |
 * | liveness | what is owed arrives in time once nothing disturbs the path any more |
 * | resume | after an outage, the first packet that is heard brings what is owed |
 * | efficiency | what is not lost is not sent again |
 * | told | who was aborted, or whose peer was restarted, learns it in two round trips |
 * | reset | only a peer that has left, or lost the conversation, ends one |
 * | opened | a server accepts a client in two round trips, whatever strangers send |
 * | followed | with authentication, a session is where its client is, two round trips after the move |
 * | share | datagrams and the stream both get a tenth of a limited rate at least |
 * | correction | parity restores what it can, whatever strangers send |
 * | memory | what has ended holds no memory |
 * | throws | nothing throws but what is documented |
 * | livelock | time goes on |
 * | hang | everybody comes to an end |
 * | hash | the same seed gives the same run |
 *
 * All times are in ms. Bounds are generous where a bound that is close would depend on how the library
 * chooses within what it promises.
 *
 * @module
 */
import type { End, Operation } from "./end.ts";
import type { History } from "./history.ts";
import type { Process } from "./process.ts";
import type { Scenario } from "./scenario.ts";

/** A rule was broken. */
export class Broken extends Error {
  readonly rule: string;
  override readonly name = "Broken";

  constructor(rule: string, what: string) {
    super(`${rule}: ${what}`);
    this.rule = rule;
  }
}

/** A run got into a state about which the rules say nothing; it ends there. */
export class Undecided extends Error {
  override readonly name = "Undecided";
}

/** What the rules look at. */
export interface Facts {
  readonly now: number;
  readonly scenario: Scenario;
  readonly ends: readonly End[];
  readonly servers: readonly Process[];
  /** Whether two processes had the same address, one after the other. */
  readonly addressesReused: boolean;
  /** Whether an incarnation of the client took over the conversation and address of another. */
  readonly reincarnated: boolean;
  /** The longest interval that an end had. */
  interval(end: End): number;
  history(end: End): History | null;
  fail(rule: string, message: string): never;
  /** Counts that a rule was looked at. */
  count(what: string): void;
}

/** Settings that are not given. */
const DEAD_LINK_TIME = 30_000;
const IDLE_TIMEOUT = 300_000;
const LINGER = 5_000;
/** Dialled connections keep themselves alive. */
const KEEP_ALIVE = 15_000;
/** No wait for a retransmission or a window probe is longer. */
const LONGEST_WAIT = 120_000;

/** No wait is longer before a peer is asked again whether its address is real. */
const LONGEST_QUESTION = 5_000;

/** A peer is asked more often than that before it is given up. */
const LOST_QUESTIONS = 4;

/** A search for the path's MTU sends at most so many full packets at once: copies, and smaller sizes. */
const PROBED_PACKETS = 20;

/** The settings of an end that the rules need. */
export function limits(end: End, { client, server, faults }: Scenario) {
  const own = end.name === "client" ? client : server;
  // The lowest rate that the end has at any time: what waits for it may take as long.
  let { pacingRate = Infinity } = own;
  for (const fault of faults) {
    if (fault.kind !== "configure" || fault.end !== end.name) continue;
    pacingRate = Math.min(pacingRate, fault.change.pacingRate ?? Infinity);
  }
  return {
    deadLinkTime: own.deadLinkTime ?? DEAD_LINK_TIME,
    idleTimeout: own.idleTimeout ?? IDLE_TIMEOUT,
    keepAlive: own.keepAlive ?? (end.name === "client" ? KEEP_ALIVE : Infinity),
    linger: own.linger ?? LINGER,
    pacingRate,
    mtu: own.mtu ?? 1400,
  };
}

/**
 * Whether the server remembers a conversation for as long as a client may try to open it again: for
 * `timeWait`, or for as long as it would itself wait for the peer. A client that is frozen tries again
 * when it is thawed.
 */
export function remembers({ server, client, faults }: Scenario): boolean {
  const own = Math.max(server.timeWait ?? 30_000, server.deadLinkTime ?? DEAD_LINK_TIME);
  let frozen = 0;
  for (const fault of faults) {
    if (fault.kind === "freeze" && fault.end === "client") frozen += fault.ms;
  }
  return own >= (client.deadLinkTime ?? DEAD_LINK_TIME) + frozen;
}

/** What a wait may take besides what it waits for: round trips, intervals, timers. */
function slack(end: End, facts: Facts): number {
  const peer = end.peer ? facts.interval(end.peer) : 0;
  return 1000 + 2 * end.rto + 2 * (facts.interval(end) + peer) + 4 * facts.scenario.oneWay +
    end.process.disturbed;
}

/**
 * Whether the next incarnation of the server has got the whole stream, so that the client goes on with
 * it: it reads what the client wrote after the one before was killed.
 */
function isFollowed({ out, peer, peerProcess }: End): boolean {
  if (!peer || !peerProcess || peer.process === peerProcess || peer.in.from !== out) return false;
  return peer.in.got > 0 && out.timeOf(peer.in.got - 1) > peerProcess.killedAt;
}

/** Since when the peer of an end is gone; Infinity while it is there. */
export function goneSince(end: End, facts: Facts): number {
  const { peer, peerProcess } = end;
  return Math.min(
    peer ? Infinity : peerProcess?.closesAt ?? Infinity,
    isFollowed(end) ? Infinity : peerProcess?.killedAt ?? Infinity,
    peer?.process.killedAt ?? Infinity,
    peer?.outcome?.at ?? Infinity,
    facts.history(end)?.brokenAt ?? Infinity,
    end.lostPeerAt,
  );
}

/**
 * Rule `notice`: a read gets an error after a keep-alive and `deadLinkTime`, or the idle timeout; what
 * waits for acknowledgments, after `deadLinkTime`. Rule `close`: it takes `linger`.
 */
export function checkOperation(op: Operation, facts: Facts): void {
  const { end, name, since } = op;
  const { now } = facts;
  end.rto = Math.max(end.rto, end.connection.stats.rto);
  const { deadLinkTime, idleTimeout, keepAlive, linger, pacingRate, mtu } = limits(
    end,
    facts.scenario,
  );
  if (name === "closed") {
    const bound = end.closedAt + linger + slack(end, facts);
    if (now > bound) {
      facts.fail("close", `${end.label} was closed for ${ms(now - since)}, linger is ${linger}`);
    }
    return;
  }
  checkTold(op, facts);
  const gone = goneSince(end, facts);
  // An operation that succeeds was answered: another session serves a client that moved.
  if (gone === Infinity || op.succeeded) return;
  // A client that moved may have a new session already, which waits to be accepted, or whose first bytes
  // nobody has read: they tell whose it is.
  const { acceptDelay, serverProgram } = facts.scenario;
  if (end.lostPeerAt < Infinity && now < acceptDelay + serverProgram.read.delay) return;
  const silent = name === "read" ? keepAlive + deadLinkTime : deadLinkTime;
  const patience = Math.min(idleTimeout, keepAlive + deadLinkTime, silent);
  // The probes of sizes share the rate: nothing that asks for an answer may leave for so long.
  const probing = PROBED_PACKETS * mtu / pacingRate * 1000;
  // What is at the peer's address may still be heard where packets are lost: a session in TIME-WAIT
  // answers, and a listener asks before it resets.
  const lostAt = facts.history(end)?.lostAt ?? -Infinity;
  const answers = lostAt > gone && end.peer?.process.alive || facts.servers.length > 1;
  const heard = answers && end.process.disturbed === 0 ? end.heardAt : -Infinity;
  const bound = Math.max(since, gone, heard) + patience + probing +
    (deadLinkTime === Infinity ? 0 : deadLinkTime / 4) + slack(end, facts);
  facts.count("waits for a peer that is gone");
  if (now > bound) {
    facts.fail(
      "notice",
      `${end.label} waited ${ms(now - since)} for ${name}, its peer was gone for ${ms(now - gone)}`,
    );
  }
}

/** Two round trips, and what waits for an interval. */
function twoRounds(end: End, facts: Facts): number {
  const peer = end.name === "client" ? "server" : "client";
  const { client, server } = facts.scenario;
  const other = (peer === "client" ? client : server).interval ?? 100;
  return 100 + 4 * facts.scenario.oneWay + 2 * (facts.interval(end) + other);
}

/** Whether nothing has hindered the packets between an end and its peer, or the two processes. */
function isUndisturbed(end: End, facts: Facts): boolean {
  const history = facts.history(end);
  if (!history || history.lastAt > -Infinity || history.mtuAt > -Infinity) return false;
  if (facts.scenario.acceptDelay > 0 || facts.scenario.arenaLimit < Infinity) return false;
  return end.process.disturbed === 0 && facts.servers.every(({ disturbed }) => disturbed === 0);
}

/** Rule `told`. */
function checkTold({ end, name, since }: Operation, facts: Facts): void {
  const left = Math.max(since, leftAt(end, facts));
  if (left === Infinity || !end.process.alive || !isUndisturbed(end, facts)) return;
  facts.count("ends that were told");
  if (facts.now > left + twoRounds(end, facts)) {
    facts.fail(
      "told",
      `${end.label} waited ${ms(facts.now - left)} for ${name}, its peer had left`,
    );
  }
}

/** Since when the peer has left, and can tell so: it was aborted, or heard by the next process. */
function leftAt(end: End, facts: Facts): number {
  const { peer, peerProcess, name, process } = end;
  // It can tell what it has heard.
  if (peer && peer.abortedAt < Infinity && peer.process.alive) {
    return peer.reachedAt < peer.abortedAt && peer.reachedAt > -Infinity
      ? peer.abortedAt
      : Infinity;
  }
  const next = facts.servers.at(-1)!;
  if (name === "server" || facts.scenario.cipher !== "none" || !next.alive) return Infinity;
  if (!peerProcess || peerProcess === next || peerProcess.killedAt > next.startedAt) {
    return Infinity;
  }
  if (next.closesAt < Infinity || facts.reincarnated || facts.addressesReused) return Infinity;
  // The next process may have got all from the beginning.
  if (facts.ends.some((each) => each.process === next && each.conv === end.conv)) return Infinity;
  return next.quotableAt.get(process.address) ?? Infinity;
}

/** Rule `reset`. */
export function checkReset(end: End, facts: Facts): void {
  const { peer, outcome } = end;
  if (outcome?.kind !== "reset" || !end.process.alive) return;
  if (!peer) {
    // A client that is not accepted yet may be refused, but not where strangers alone disturb it.
    const { faults } = facts.scenario;
    if (!faults.some((fault) => fault.kind === "flood" && fault.what === "resets")) return;
    facts.fail("reset", `${end.label} was reset before it was accepted: ${outcome.message}`);
  }
  if (facts.reincarnated || facts.addressesReused || isOrphan(end) || isOrphan(peer)) return;
  if (peer.isOver || goneSince(end, facts) < Infinity || end.peerProcess?.closesAt !== Infinity) {
    return;
  }
  if (facts.history(end)?.movedAt !== -Infinity) return;
  // A session before, which has given up, answers what was on its way to it.
  const { process } = peer;
  const before = (each: End) => each !== peer && each.process === process && each.isOver;
  if (facts.ends.some((each) => each.conv === end.conv && before(each))) return;
  // The next process of the server may lack what the one before has acknowledged.
  if (end.name === "client" && facts.servers.some(({ killedAt }) => killedAt < facts.now)) return;
  facts.fail("reset", `${end.label} was reset though its peer is there: ${outcome.message}`);
}

/** A part of rule `close`: where nothing hinders it, a close delivers the end to a peer that is there. */
export function checkClosed(end: End, facts: Facts): void {
  const { peer, outcome, out } = end;
  if (outcome?.kind !== "closed" || end.abortedAt < Infinity || !peer?.process.runs) return;
  if (!isUndisturbed(end, facts) || goneSince(end, facts) < Infinity || peer.isOver) return;
  if (peer.in.from !== out || peer.in.got < out.written) return;
  // The last segments may have to wait for many windows, and for the rate.
  const { linger, pacingRate } = limits(end, facts.scenario);
  // Parity takes its share of the rate: that of large packets for seconds.
  if (pacingRate < Infinity && facts.scenario[end.name].fec) return;
  const windows = windowsOfQueue(end, peer) *
    (2 * facts.scenario.oneWay + facts.interval(end) + facts.interval(peer));
  const pacing = out.written / pacingRate * 1000;
  // A reader that pauses closes its window, and it may be probed late after that.
  const paused = 1.5 * peer.paused;
  if (linger < twoRounds(end, facts) + 2 * end.rto + windows + pacing + paused) return;
  // An abort has the same kind, but no linger.
  if (!outcome.message.startsWith("Closed with")) return;
  facts.fail("close", `${end.label} did not deliver its end: ${outcome.message}`);
}

/** How many windows the send queue may take at most, in round trips. */
function windowsOfQueue(end: End, peer: End): number {
  const { out, connection } = end;
  const { sndWnd, sndQueue, mtu } = connection.options;
  const all = out.sizes.length + Math.ceil(out.written / (mtu - 60)) + 1;
  return windowsOf(Math.min(all, sndWnd + sndQueue), end, peer);
}

/** Packets of a burst at least: the machine finds no smaller size than 8. */
export function smallestBurst(burst: number | "auto"): number {
  return burst === "auto" ? 8 : burst;
}

/** How many windows that many segments take at most. */
function windowsOf(segments: number, sender: End, reader: End): number {
  const { sndWnd, nc, burst, interval } = sender.connection.options;
  const { rcvWnd, ackNoDelay, interval: wait } = reader.connection.options;
  const windows = segments / Math.min(sndWnd, smallestBurst(burst), rcvWnd);
  if (nc) return Math.ceil(windows);
  // The timeout of a sender allows for its own interval. If that of the reader is longer, timeouts may
  // come too early, and each makes the window of congestion control one segment again.
  const small = !ackNoDelay && wait > interval;
  return Math.ceil(Math.max(windows, small ? segments : 4 + 2 * Math.sqrt(segments)));
}

/** Rule `opened`, when a server accepts the client, or at the end. */
export function checkOpened(client: End, facts: Facts): void {
  const { client: own, server } = facts.scenario;
  const { opens, write } = facts.scenario.clientProgram;
  const speaks = opens || write.after === "start" && write.sizes.length > 0;
  if (facts.scenario.family !== "attack" || !speaks || !isUndisturbed(client, facts)) return;
  if (facts.scenario.faults.some(({ kind }) => kind === "restart")) return;
  facts.count("clients that were accepted");
  const bound = 4 * facts.scenario.oneWay + 100 + (own.interval ?? 100) + (server.interval ?? 100);
  if (facts.now > client.createdAt + bound) {
    facts.fail(
      "opened",
      `${client.label} was not accepted for ${ms(facts.now - client.createdAt)}`,
    );
  }
}

/** Rule `followed`: how long a move may take; Infinity where that is not known. */
export function followedWithin(client: End, facts: Facts): number {
  const { cipher, server, faults } = facts.scenario;
  if (cipher === "none" || !server.migrate || !client.peer) return Infinity;
  if (faults.some(({ kind }) => kind !== "rebind" && kind !== "eavesdrop")) return Infinity;
  if (facts.history(client)!.lost > 0) return Infinity;
  return twoRounds(client, facts) + client.rto;
}

/**
 * Whether an end on the server's side is none that can ever read anything: another end took the
 * beginning of the stream, in a process before this one or before the client's address changed.
 */
export function isOrphan(end: End): boolean {
  const { peer } = end;
  if (end.name === "client" || end.in.from !== null || peer === null) return false;
  if (peer.out.readers.some((reader) => reader.end.name === "server")) return true;
  // An end that was accepted after the move, under the address before it, belongs to the beginning.
  const first = peer.peerProcess === end.process &&
    (end.createdAt < peer.movedAt || end.lostPeerAt === peer.movedAt);
  return !first && (peer.peerProcess !== end.process || peer.movedAt > -Infinity) &&
    peer.connection.stats.acknowledged > 0;
}

/**
 * Rule `live`: a verdict needs silence for as long as the settings say; and when nothing was lost in
 * that time, and both processes ran, there was no reason to be silent.
 */
export function checkVerdict(end: End, facts: Facts): void {
  const { outcome, process } = end;
  const { scenario } = facts;
  const kind = outcome?.kind;
  if (kind !== "unreachable" && kind !== "unconfirmed" && kind !== "idle") return;
  if (!process.alive || isOrphan(end)) return;
  if (scenario.arenaLimit < Infinity) return;
  // Its peer may have to refuse it until the one before is forgotten.
  if (facts.reincarnated) return;
  const history = facts.history(end);
  const peer = end.peer?.process ?? end.peerProcess;
  if (!history || !peer) return;
  if (goneSince(end, facts) < facts.now) return;
  // Nobody knows whether a session that was not accepted yet goes on.
  if (end.peer === null && scenario.acceptDelay > 0) return;
  if (facts.addressesReused && scenario.cipher !== "none") return;
  const { deadLinkTime, idleTimeout, keepAlive } = limits(end, scenario);
  // A peer that may be invented is not waited for longer than one with the usual settings.
  const most = kind === "unconfirmed" ? DEAD_LINK_TIME : Infinity;
  const limit = kind === "idle" ? idleTimeout : Math.min(deadLinkTime, most);
  const local = process.localTime;
  // A session that ended in the backlog is seen only when it is accepted.
  if (end.name === "server" && scenario.acceptDelay > 0 && end.createdLocal >= local - 1) return;
  const heard = end.waits ? local : end.heardAt > -Infinity ? end.heardAt : end.createdLocal;
  // Copies and parity may not count as heard.
  const tolerance = 200 + 2 * scenario.oneWay;
  const silence = local - heard;
  facts.count(`verdicts looked at: ${kind}`);
  const parity = scenario.cipher !== "none" && (scenario.client.fec || scenario.server.fec);
  if (!parity && silence < limit - tolerance) {
    facts.fail("live", `${end.label} ended as ${kind} after a silence of ${ms(silence)}`);
  }
  // An idle peer is silent with reason, unless it has to be asked.
  if (kind === "idle" && keepAlive > idleTimeout / 3) return;
  // An answer may wait in the queues of the path for as long as that.
  if (2 * scenario.oneWay >= limit) return;
  const window = facts.now - Math.min(limit, facts.now) - tolerance;
  // The server learns of a new address when the client sends something from there.
  if (history.movedAt > history.spokeAt) return;
  if (peer.frozen || peer.thawedAt > window) return;
  if (process.thawedAt > window || process.jumpedAt > window) return;
  if (peer.startedAt > end.createdAt) return;
  // A peer is asked several times in that time, and each time a question or its answer was lost.
  const lost = history.lost - end.lostBefore;
  const asked = kind === "unreachable" && deadLinkTime >= 16 * Math.max(end.rto, scenario.oneWay);
  if (asked && history.others === 0 && history.mtuAt === -Infinity && lost < LOST_QUESTIONS) {
    facts.fail("live", `${end.label} ended as ${kind} though only ${lost} packets were lost`);
  }
  if (history.lastAt > window) return;
  facts.fail("live", `${end.label} ended as ${kind} though nothing was lost for ${ms(limit)}`);
}

/**
 * How long what is owed may take, once nothing disturbs the path: some round trips and intervals, the
 * pacing, and the longest wait that a sender may have come to while it was disturbed. Waits grow with
 * each timeout, by doubling at most, so that the next one is no longer than all before it together; an
 * eighth of `deadLinkTime` bounds them, unless the RTO is longer.
 */
function patience(sender: End, reader: End, facts: Facts, history: History): number {
  const { scenario } = facts;
  const { pacingRate, mtu, deadLinkTime } = limits(sender, scenario);
  sender.rto = Math.max(sender.rto, sender.connection.stats.rto);
  const { rto } = sender;
  const datagrams = scenario.clientProgram.datagrams.count + scenario.serverProgram.datagrams.count;
  const packets = datagrams > 0 ? 40 : 4;
  const path = 6 * scenario.oneWay + 2 * (facts.interval(sender) + facts.interval(reader));
  const message = scenario.messages ? 3 * Math.max(0, ...sender.out.sizes) : 0;
  const pacing = (packets * mtu + message) / pacingRate * 1000;
  let wait = 1.5 * rto;
  const paused = reader.paused + scenario.acceptDelay;
  if (history.lastAt > -Infinity || paused > 0) {
    const span = Math.max(0, history.lastAt - history.firstAt);
    const grown = span + 2 * rto + (paused > 0 ? 500 + 1.5 * paused : 0);
    // It may be the reader's end that has to try again: to acknowledge, or to answer.
    const time = Math.max(deadLinkTime, limits(reader, scenario).deadLinkTime);
    const first = reader.in.got === 0 ? LONGEST_QUESTION : 0;
    const cap = Math.max(rto, reader.rto, time / 8, first);
    wait = Math.max(wait, Math.min(LONGEST_WAIT, cap, grown));
    // Who opened takes data only after an echo, for which it may have to send again.
    if (reader.in.got === 0) wait += 1.5 * Math.max(reader.rto, reader.connection.stats.rto);
  }
  // A packet that vanished because of its size is noticed after some timeouts, size by size.
  if (history.mtuAt > -Infinity) wait += 40 * rto;
  // The probes of sizes share the rate.
  const probing = 40 * mtu / pacingRate * 1000;
  const rounds = scenario.messages ? roundsOfMessage(sender, reader, facts.scenario) : 0;
  return 100 + path + pacing + probing + (rounds > 1 ? 2 : 1) * wait +
    rounds * (2 * scenario.oneWay + facts.interval(sender) + facts.interval(reader));
}

/** Round trips that the largest message takes: a window each, or what congestion control allows. */
function roundsOfMessage(sender: End, reader: End, scenario: Scenario): number {
  const largest = Math.max(0, ...sender.out.sizes);
  // A message that was cut before the MTU became larger stays as it is.
  const mtu = Math.min(sender.connection.options.mtu, limits(sender, scenario).mtu);
  const segments = Math.ceil(largest / (mtu - 60)) + 1;
  return windowsOf(segments, sender, reader);
}

/**
 * Rules `liveness` and `resume`: a reader that waits for a byte, or for the end, that was written gets it
 * in time, counted from when all that hindered it is over.
 */
export function checkWait(op: Operation, facts: Facts): void {
  const { end: reader, since } = op;
  const sender = reader.in.from?.end ?? reader.peer;
  if (op.name !== "read" || !sender || reader.isOver || sender.outcome !== null) return;
  // While others hold all memory, a session waits for it.
  if (facts.scenario.arenaLimit < Infinity) return;
  if (facts.scenario.serverProgram.echo || isOrphan(reader) || facts.reincarnated) return;
  if (!reader.process.runs || !sender.process.runs) return;
  const history = facts.history(reader);
  // The server learns of a new address when the client sends something from there.
  if (!history || history.movedAt > history.spokeAt) return;
  if (goneSince(reader, facts) < Infinity) return;
  const { out } = sender;
  const written = reader.in.got < out.written ? out.timeOf(reader.in.got) : out.endedAt;
  if (written === Infinity) return;
  const start = Math.max(since, written, reader.createdAt, reader.process.thawedAt);
  const { now } = facts;
  if (now - start < 50) return;
  const base = Math.max(
    start,
    history.lastAt,
    history.mtuAt,
    sender.process.thawedAt,
    sender.process.jumpedAt,
    reader.process.jumpedAt,
  );
  facts.count("waits of readers");
  const bound = patience(sender, reader, facts, history);
  if (now - base > bound) {
    facts.fail(
      "liveness",
      `${reader.label} waited ${
        ms(now - base)
      } for byte ${reader.in.got} of ${sender.label}, at most ${ms(bound)} were expected`,
    );
  }
  checkResume(op, sender, start, history, facts);
}

function checkResume(op: Operation, sender: End, start: number, history: History, facts: Facts) {
  const { outage } = history;
  const { end: reader } = op;
  if (!outage || !history.onlyOutage || start > outage.to || outage.to - outage.from < 500) return;
  if (sender.heardAgainAt === Infinity || sender.process.disturbed > 0) return;
  // What is owed may be too large for the path: that is found out after the outage.
  if (history.mtuAt > -Infinity) return;
  const { pacingRate, mtu } = limits(sender, facts.scenario);
  const intervals = facts.interval(sender) + facts.interval(reader);
  const rounds = facts.scenario.messages ? roundsOfMessage(sender, reader, facts.scenario) : 0;
  // A message that was under way is sent again, in part, and is read when all of it is there.
  const message = facts.scenario.messages ? 2 * Math.max(0, ...sender.out.sizes) : 0;
  const pacing = (4 * mtu + message) / pacingRate * 1000;
  const bound = 200 + 6 * facts.scenario.oneWay + pacing + 2 * intervals +
    1.5 * sender.connection.stats.rto + rounds * (2 * facts.scenario.oneWay + intervals);
  facts.count("resumptions after an outage");
  const waited = facts.now - Math.max(outage.to, sender.heardAgainAt);
  if (waited > bound) {
    facts.fail(
      "resume",
      `${reader.label} got byte ${reader.in.got} ${
        ms(waited)
      } after ${sender.label} heard its peer again, at most ${ms(bound)} were expected`,
    );
  }
}

/** A duration for a message. */
export function ms(value: number): string {
  return value === Infinity ? "for ever" : `${Math.round(value)} ms`;
}
