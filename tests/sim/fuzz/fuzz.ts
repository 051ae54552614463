/**
 * Feeds packets of an attacker into machines while two honest ends talk beside.
 *
 * What must hold: nothing throws; the memory stays bounded; time goes on: after all that is due was done,
 * the next deadline lies ahead, and is a number; and where the attacker can't have the conversation's
 * packets accepted (another conversation, or no key), the honest exchange stays exact and comes to its
 * end.
 *
 * @module
 */
import { createCipher, type PacketCipher } from "../../../crypt/mod.ts";
import { Kcp, PacketBatch } from "../../../kcp/mod.ts";
import { Random } from "../../../transport/link/random.ts";
import {
  ConnectionError,
  Endpoint,
  type EndpointOptions,
  Session,
} from "../../../transport/session/mod.ts";
import { fill, findDifference } from "../life/streams.ts";
import { type Knowledge, PacketMaker } from "./packet_maker.ts";

/** What was covered. */
export class Coverage {
  packets = 0;
  rounds = 0;
  /** Honest bytes that arrived while the attack went on. */
  honest = 0;
  readonly counts = new Map<string, number>();

  count(what: string, by = 1): void {
    if (by > 0) this.counts.set(what, (this.counts.get(what) ?? 0) + by);
  }
}

const SERVER = "10.0.0.1:80";
const CLIENT = "10.0.0.2:5000";
const STREAM = 7;
const STEP = 32;
/** Packets of a round. */
const ROUND = 1024;
const KEY = new Uint8Array(32).fill(9);
const CIPHERS: readonly PacketCipher[] = [
  createCipher("chacha20-poly1305", KEY),
  createCipher("aes-128-gcm", KEY.subarray(0, 16)),
  createCipher("aes-128", KEY.subarray(0, 16)),
  createCipher("none"),
];

/**
 * Feeds `packets` packets, in rounds that each have machines and an attacker of their own.
 *
 * @throws {Error} When a rule is broken; the message says which round to run again.
 */
export function fuzz(
  packets: number,
  seed: number,
  coverage: Coverage = new Coverage(),
): Coverage {
  for (let round = 0; coverage.packets < packets; round++) {
    const name = `${seed}/${round}`;
    try {
      const random = new Random(`fuzz ${name}`);
      if (random.chance(0.35)) attackMachine(random, coverage);
      else new Attack(random, coverage).run();
    } catch (error) {
      const reason = error instanceof Error ? error.stack ?? error.message : String(error);
      throw new Error(`Fuzz round ${name} failed: ${reason}`, { cause: error });
    }
    coverage.rounds++;
  }
  return coverage;
}

function rule(holds: boolean, what: () => string): void {
  if (!holds) throw new Error(what());
}

/** A machine with one peer, to which packets of both directions are forged. */
function attackMachine(random: Random, coverage: Coverage): void {
  const bare = random.chance(0.5);
  const options = {
    interval: 10,
    nc: random.chance(0.5),
    resend: random.below(3),
    nodelay: random.below(3) as 0 | 1 | 2,
    rcvWnd: 1 + random.below(300),
    sndWnd: 1 + random.below(100),
    mtu: 100 + random.below(1400),
    initialSndSn: random.chance(0.3) ? 2 ** 32 - random.below(100) - 1 : 0,
    initialRcvSn: random.chance(0.3) ? 2 ** 31 - random.below(100) : 0,
  };
  const conv = random.uint32();
  let now = random.chance(0.3) ? 2 ** 32 - random.below(5000) : random.below(1000);
  const fec = random.chance(0.5) ? "auto" as const : { dataShards: 4, parityShards: 2 };
  const session = bare ? null : new Session(conv, SERVER, now, { ...options, fec });
  const kcp = session?.kcp ?? new Kcp(conv, options);
  const machine = session ?? kcp;
  const batch = new PacketBatch({ arena: kcp.arena });
  const maker = new PacketMaker(random.fork("packets"));
  const buffer = new Uint8Array(4096);
  const limit = 65_536 + 65_536 * 3 + 8 * (300 + 255 + 100) * 1500;
  for (let n = 0; n < ROUND; n += STEP) {
    const { sndUna, sndNxt, rcvNxt } = kcp;
    const known = { conv, now, rcvWnd: options.rcvWnd, seqid: n, sndUna, sndNxt, rcvNxt };
    for (let i = 0; i < STEP; i++) {
      const packet = maker.make(known, bare);
      const valid = session
        ? session.input(packet, now)
        : kcp.input(packet, now, random.chance(0.05));
      coverage.count(`${bare ? "kcp" : "session"}: ${valid ? "accepted" : "refused"}`);
    }
    if (random.chance(0.7)) machine.write(buffer.subarray(0, random.below(4096)));
    if (random.chance(0.5)) {
      const size = machine.peekSize();
      if (size >= 0 && size <= 4096) machine.recv(buffer);
      else machine.read(buffer);
    }
    session?.receiveDatagram();
    if (random.chance(0.01)) session?.endWrite();
    if (random.chance(0.005)) session?.close();
    now += random.chance(0.1) ? random.below(5000) : random.below(40);
    serve(machine, batch, now, () => {});
    rule(kcp.arena.used <= limit, () => `${kcp.arena.used} bytes are in use`);
    const { inFlight, rcvQueue, rcvBuffer } = kcp.stats;
    rule(inFlight >= 0 && inFlight <= options.sndWnd, () => `${inFlight} segments in flight`);
    rule(
      rcvQueue + rcvBuffer <= Math.max(256, options.rcvWnd),
      () => `${rcvQueue + rcvBuffer} segments held`,
    );
    coverage.count(`state: ${kcp.dead ? "dead" : session?.state ?? "kcp"}`, STEP);
  }
  for (const [name, count] of Object.entries(kcp.stats.inputErrors)) {
    coverage.count(`kcp error: ${name}`, count);
  }
  coverage.count("kcp: segments refused", kcp.stats.refused);
  coverage.packets += ROUND;
  for (const [name, count] of maker.counts) coverage.count(name, count);
  session?.abort(new ConnectionError("closed", "The round is over"));
  kcp.close();
  rule(kcp.arena.used <= 65_536 + 4096, () => `${kcp.arena.used} bytes are in use after close`);
}

/** Does all that is due; fails when that does not come to an end. */
function serve(
  machine: {
    tick(now: number): void;
    output(batch: PacketBatch): number;
    readonly deadline: number;
  },
  batch: PacketBatch,
  now: number,
  sent: (packet: Uint8Array, to: string) => void,
): void {
  for (let turns = 0;; turns++) {
    machine.tick(now);
    for (batch.clear(); machine.output(batch) > 0; batch.clear()) {
      for (let i = 0; i < batch.count; i++) sent(batch.packet(i), batch.to[i]);
    }
    const { deadline } = machine;
    rule(!Number.isNaN(deadline), () => "The deadline is not a number");
    if (deadline > now) return;
    rule(turns < 100, () => `The deadline stands at ${deadline}, it is ${now}`);
  }
}

/** An endpoint that accepts, an honest client, and an attacker. */
class Attack {
  readonly #random: Random;
  readonly #coverage: Coverage;
  readonly #maker: PacketMaker;
  readonly #server: Endpoint;
  readonly #client: Endpoint;
  readonly #serverBatch: PacketBatch;
  readonly #clientBatch: PacketBatch;
  readonly #session: Session;
  readonly #conv: number;
  readonly #cipher: PacketCipher | undefined;
  /** Whether the attacker has the key. */
  readonly #insider: boolean;
  /** Whether the attacker knows the honest conversation. */
  readonly #aims: boolean;
  /** Whether the honest exchange must stay exact. */
  readonly #exact: boolean;
  #now: number;
  #accepted: Session | null = null;
  #written = 0;
  #got = 0;
  #seqid = 0;
  readonly #buffer = new Uint8Array(4096);
  readonly #sealed = new Uint8Array(2048);

  constructor(random: Random, coverage: Coverage) {
    this.#random = random;
    this.#coverage = coverage;
    this.#maker = new PacketMaker(random.fork("packets"));
    this.#now = random.chance(0.2) ? 2 ** 32 - random.below(5000) : 0;
    this.#cipher = random.chance(0.4) ? CIPHERS[random.below(CIPHERS.length)] : undefined;
    const open = this.#cipher === undefined || !this.#cipher.authenticates;
    this.#insider = this.#cipher !== undefined && random.chance(0.5);
    this.#aims = random.chance(0.6);
    // Who has the key, or needs none, and aims at the conversation can write into it.
    this.#exact = !this.#aims || !open && !this.#insider;
    const nonces = random.fork("nonces");
    const entropy = (target: Uint8Array) => void nonces.fill(target);
    const options: EndpointOptions = {
      nodelay: 1,
      interval: 10,
      resend: 2,
      nc: true,
      rcvWnd: 1 + random.below(256),
      crypt: this.#cipher,
      entropy,
      fec: random.chance(0.3)
        ? { dataShards: 5, parityShards: 2 }
        : random.chance(0.2)
        ? "auto"
        : undefined,
      idleTimeout: 60_000,
    };
    const server = {
      ...options,
      backlog: 16,
      maxSessions: 32,
      maxUnconfirmed: 24,
      maxUnconfirmedPerHost: 8,
      migrate: random.chance(0.3),
      timeWait: 1000,
    };
    // With a host of its own, so that floods of others do not count against it.
    this.#server = new Endpoint(server, true);
    this.#client = new Endpoint(options);
    this.#serverBatch = new PacketBatch({ arena: this.#server.arena });
    this.#clientBatch = new PacketBatch({ arena: this.#client.arena });
    this.#conv = random.uint32();
    this.#session = this.#client.open(CLIENT_PEER, this.#conv, this.#now);
  }

  run(): void {
    const random = this.#random;
    // The honest client comes first, or into the attack.
    const begins = random.chance(0.7) ? 0 : random.below(ROUND / 2);
    for (let n = 0; n < ROUND; n += STEP) {
      if (n >= begins) this.#talk();
      this.#attack();
      this.#exchange();
      this.#look();
      this.#now += random.chance(0.05) ? random.below(3000) : random.below(30);
    }
    if (this.#exact) this.#finish();
    const { stats } = this.#server;
    for (
      const name of [
        "forged",
        "replayed",
        "invalid",
        "unknown",
        "refused",
        "accepted",
        "migrated",
      ] as const
    ) {
      this.#coverage.count(`endpoint: ${name}`, stats[name]);
    }
    this.#coverage.count("exact exchanges", this.#exact ? 1 : 0);
    this.#coverage.honest += this.#got;
    this.#coverage.packets += ROUND;
    for (const [name, count] of this.#maker.counts) this.#coverage.count(name, count);
  }

  /** The honest client writes; what was accepted is read. */
  #talk(): void {
    if (this.#session.state !== "open" || this.#written > 30_000) return;
    const piece = fill(
      this.#buffer.subarray(0, 1 + this.#random.below(1500)),
      STREAM,
      this.#written,
    );
    this.#written += this.#session.write(piece);
  }

  #attack(): void {
    const random = this.#random;
    const sessions = [...this.#server.sessions];
    const target = sessions.length > 0 ? sessions[random.below(sessions.length)] : null;
    const aimed = this.#aims && random.chance(0.7) ? this.#accepted ?? target : target;
    const kcp = aimed?.kcp;
    const known: Knowledge = {
      conv: this.#conv,
      sndUna: kcp?.sndUna ?? 0,
      sndNxt: kcp?.sndNxt ?? 0,
      rcvNxt: kcp?.rcvNxt ?? 0,
      rcvWnd: kcp?.options.rcvWnd ?? 128,
      now: this.#now,
      seqid: this.#seqid,
    };
    if (!this.#aims || aimed?.conv !== this.#conv) {
      known.conv = aimed && aimed.conv !== this.#conv
        ? aimed.conv
        : (this.#conv ^ 0x5a5a5a5a) >>> 0;
    }
    for (let i = 0; i < STEP; i++) {
      let packet = this.#maker.make(known);
      const draw = random.uint32() % 10;
      // An attacker that does not aim sends from addresses of its own.
      const own = this.#aims && draw < 5;
      const from = own ? CLIENT : `${HOSTS[draw]}:${1000 + random.uint32() % 20}`;
      if (this.#insider && random.chance(0.9)) packet = this.#seal(packet);
      const state = aimed ? this.#stateOf(aimed) : "none";
      this.#coverage.count(`state: ${state}`);
      const valid = this.#server.input(packet, this.#now, from);
      this.#coverage.count(valid ? "endpoint: valid" : "endpoint: dropped");
      if (this.#aims && random.chance(0.1)) this.#client.input(packet, this.#now, SERVER);
    }
  }

  #stateOf(session: Session): string {
    return session.state === "open" && session.unconfirmed ? "unconfirmed" : session.state;
  }

  #seal(packet: Uint8Array): Uint8Array {
    const { headroom, tailroom } = this.#cipher!;
    const end = headroom + packet.length + tailroom;
    if (end > this.#sealed.length) return packet;
    this.#random.fill(this.#sealed.subarray(0, 16));
    this.#sealed.set(packet, headroom);
    this.#cipher!.seal(this.#sealed, 0, end);
    return this.#sealed.subarray(0, end);
  }

  /** Lets both endpoints do what is due, and carries the packets of the honest ones. */
  #exchange(): void {
    const toServer: Uint8Array[] = [];
    const toClient: Uint8Array[] = [];
    for (let turn = 0; turn < 4; turn++) {
      serve(this.#client, this.#clientBatch, this.#now, (packet) => {
        this.#record(packet);
        toServer.push(packet.slice());
      });
      for (const packet of toServer.splice(0)) this.#server.input(packet, this.#now, CLIENT);
      serve(this.#server, this.#serverBatch, this.#now, (packet, to) => {
        if (to === CLIENT) toClient.push(packet.slice());
      });
      for (const packet of toClient.splice(0)) this.#client.input(packet, this.#now, SERVER);
      for (let session; (session = this.#server.accept());) {
        if (session.conv === this.#conv && session.peer === CLIENT) this.#accepted ??= session;
        else if (this.#random.chance(0.3)) session.close();
        else session.write(this.#buffer.subarray(0, 500));
      }
      this.#read();
    }
  }

  #record(packet: Uint8Array): void {
    // Replays into the conversation are for those who aim at it.
    if (this.#aims) this.#maker.record(packet);
    if (packet[4] >= 0xf1 && packet[4] <= 0xf2) this.#seqid = packet[0] | packet[1] << 8;
  }

  #read(): void {
    for (const session of this.#server.sessions) {
      if (session === this.#accepted) continue;
      if (this.#random.chance(0.5)) session.read(this.#buffer);
      session.receiveDatagram();
    }
    const session = this.#accepted;
    if (!session) return;
    for (let count; (count = session.read(this.#buffer)) > 0;) {
      if (this.#exact) {
        const at = findDifference(this.#buffer.subarray(0, count), STREAM, this.#got);
        rule(at < 0, () => `Byte ${this.#got + at} of the honest stream is wrong`);
      }
      this.#got += count;
      rule(
        !this.#exact || this.#got <= this.#written,
        () => `${this.#got} bytes of ${this.#written}`,
      );
    }
  }

  #look(): void {
    const { stats, arena } = this.#server;
    rule(stats.sessions <= 32 && stats.unconfirmed <= 24, () => JSON.stringify(stats));
    // A window of usual segments and its tables for each session, and shards of error correction.
    const limit = 1 << 20 | 0;
    const bound = 262_144 + stats.sessions * limit;
    rule(arena.used <= bound, () => `${arena.used} bytes are in use by ${stats.sessions} sessions`);
  }

  /** The attack is over: what the honest client wrote arrives. */
  #finish(): void {
    if (this.#written === 0) return;
    // Waits between two tries may have grown to some seconds.
    const end = this.#now + 200_000;
    while (this.#now < end && this.#got < this.#written) {
      const next = Math.min(this.#client.deadline, this.#server.deadline);
      this.#now = Math.min(Math.max(this.#now + 10, next), this.#now + 5000);
      this.#exchange();
    }
    const { state, error } = this.#session;
    rule(
      this.#got === this.#written,
      () =>
        `${this.#got} of ${this.#written} honest bytes arrived after the attack, the client is ${state}: ${error?.message}`,
    );
  }
}

const CLIENT_PEER = SERVER;
const HOSTS = Array.from({ length: 10 }, (_, i) => `10.0.1.${i}`);
