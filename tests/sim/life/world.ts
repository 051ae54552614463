/**
 * One run: the network, the processes on it, who dials and who accepts, and what the rules know.
 *
 * @module
 */
import { createCipher, type PacketCipher } from "../../../crypt/mod.ts";
import {
  type Connection,
  connectOn,
  type Listener,
  listenOn,
} from "../../../transport/connection/mod.ts";
import { SimulatedNetwork } from "../../../transport/link/mod.ts";
import { Random } from "../../../transport/link/random.ts";
import { resolveFec } from "../../../transport/session/fec_options.ts";
import { ConnectionError } from "../../../transport/session/mod.ts";
import { Application, type Stage } from "./application.ts";
import { Correction } from "./correction.ts";
import { End, type Operation, type OperationName } from "./end.ts";
import { Faults } from "./faults.ts";
import { sentBy } from "./final_rules.ts";
import { History } from "./history.ts";
import { limitedListener } from "./limited.ts";
import { Observer } from "./observer.ts";
import { pairAccepted, pairByBytes } from "./pairing.ts";
import { Process } from "./process.ts";
import {
  Broken,
  checkClosed,
  checkOpened,
  checkOperation,
  checkReset,
  checkVerdict,
  checkWait,
  type Facts,
  followedWithin,
  isOrphan,
  remembers,
  Undecided,
} from "./rules.ts";
import type { EndName, MomentName, Scenario } from "./scenario.ts";
import type { Outgoing } from "./streams.ts";

const SERVER = "10.0.0.1";
const CLIENT = "10.0.0.2";
const PORT = 80;
/** Where the server is. */
export const SERVER_ADDRESS = `${SERVER}:${PORT}`;
const FIRST_PORT = 5000;
/** A key is the same in every run: to make a cipher takes a while. */
const KEY = new Uint8Array(32).fill(7);
const CIPHERS = new Map<string, PacketCipher>();

function cipherOf(name: Scenario["cipher"]): PacketCipher | undefined {
  if (name === "none") return undefined;
  let cipher = CIPHERS.get(name);
  if (!cipher) {
    cipher = createCipher(name, name === "aes-128-gcm" ? KEY.subarray(0, 16) : KEY);
    CIPHERS.set(name, cipher);
  }
  return cipher;
}

/** One incarnation of a client. */
export interface Client {
  readonly slot: number;
  readonly process: Process;
  readonly end: End;
  readonly history: History;
  readonly port: number;
  readonly conv: number;
}

/** One direction of the path. */
type LinkOfNetwork = ReturnType<SimulatedNetwork["link"]>;

/** One run. */
export class World implements Stage, Facts {
  readonly scenario: Scenario;
  readonly log?: (line: string) => void;
  readonly network: SimulatedNetwork;
  readonly ends: End[] = [];
  readonly applications: Application[] = [];
  readonly servers: Process[] = [];
  readonly listeners: Listener[] = [];
  readonly counts = new Map<string, number>();
  readonly histories: History[] = [];
  readonly corrections: Correction[] = [];
  /** The client that faults concern: the first one, in its present incarnation. */
  client: Client | null = null;
  addressesReused = false;
  /** Whether an incarnation of the client took over the conversation and address of another. */
  reincarnated = false;
  outageUntil = Infinity;
  /** When the path's MTU became smaller. A client that dials later has to find it, too. */
  mtuAt = -Infinity;
  /** Whether the applications are done, so that faults have no more to hit. */
  over = false;
  /** What broke a rule. */
  failure: unknown = null;
  readonly faults: Faults;
  readonly #observer = new Observer(this);
  readonly #random: Random;
  readonly #nonces: Random;
  /** Clocks that sessions have drawn. */
  #clocks = 0;
  readonly #streams = new Map<number, Outgoing>();
  readonly #clients = new Map<string, Client>();
  readonly #addresses = new Map<string, Process>();
  readonly #maxIntervals: Record<EndName, number>;
  #redials: number;
  #nextPort = FIRST_PORT;
  /** Applications at work, and those that will be. */
  #busy = 0;
  #idle: (() => void) | null = null;
  #broken!: (error: unknown) => void;
  /** Rejects when a rule is broken. */
  readonly broken: Promise<never>;

  constructor(scenario: Scenario, log?: (line: string) => void) {
    this.scenario = scenario;
    this.log = log;

    const { seed, up, down, client, server, calmAt } = scenario;
    this.network = new SimulatedNetwork({ seed });
    this.#random = new Random(seed).fork("world");
    this.#nonces = this.#random.fork("nonces");
    this.#redials = scenario.redials;
    this.broken = new Promise((_, reject) => this.#broken = reject);
    this.broken.catch(() => {});
    this.up.configure(up);
    this.down.configure(down);
    this.#maxIntervals = { client: client.interval ?? 100, server: server.interval ?? 100 };
    this.faults = new Faults(this, this.#random.fork("faults"));
    if (calmAt < Infinity) {
      const calm = { loss: 0, burstLoss: undefined, jitter: 0, reorder: 0, duplicate: 0 };
      this.network.schedule(calmAt, () => {
        const open = { ...calm, bandwidth: Infinity, queuePackets: Infinity };
        this.up.configure(open);
        this.down.configure(open);
      });
    }
  }

  get now(): number {
    return this.network.now;
  }

  get messages(): boolean {
    return this.scenario.messages;
  }

  /** The link to the server, and the one back. */
  get up(): LinkOfNetwork {
    return this.network.link(CLIENT, SERVER);
  }

  get down(): LinkOfNetwork {
    return this.network.link(SERVER, CLIENT);
  }

  /** The present incarnation of the server. */
  get server(): Process {
    return this.servers[this.servers.length - 1];
  }

  get listener(): Listener {
    return this.listeners[this.listeners.length - 1];
  }

  count(what: string, by = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + by);
  }

  fail(rule: string, message: string): never {
    if (rule === "exactness" && !remembers(this.scenario) && this.#acceptedTwice) {
      throw new Undecided("A conversation that the server had forgotten was opened again");
    }
    // Bytes of two incarnations under one conversation and address.
    if (rule === "exactness" && (this.reincarnated || this.servers.length > 1)) rule = "splice";
    throw new Broken(rule, message);
  }

  /** Whether one server accepted the same conversation twice. */
  get #acceptedTwice(): boolean {
    const seen = new Set<number>();
    for (const { name, process, conv } of this.ends) {
      if (name === "client" || process !== this.server) continue;
      if (seen.has(conv)) return true;
      seen.add(conv);
    }
    return false;
  }

  /** Keeps what broke the run, and ends it. */
  #break(error: unknown): void {
    this.failure ??= error;
    this.#broken(error);
  }

  threw(error: unknown): void {
    this.#break(
      error instanceof Broken || error instanceof Undecided
        ? error
        : new Broken("throws", error instanceof Error ? error.stack ?? error.message : `${error}`),
    );
  }

  /** Runs what may break a rule. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.threw(error);
    }
  }

  // --- who is there ---

  /** Starts a server, which accepts from then on. */
  startServer(): void {
    const process = new Process(this.#observer, SERVER, PORT);
    this.servers.push(process);
    const { server, arenaLimit } = this.scenario;
    const options = { ...server, ...this.#protection() };
    const listener = arenaLimit === Infinity
      ? listenOn(process.socket, process.clock, options)
      : limitedListener(process.socket, process.clock, options, arenaLimit);
    this.listeners.push(listener);
    this.#acceptAll(process, listener).catch((error) => this.threw(error));
  }

  #protection() {
    const crypt = cipherOf(this.scenario.cipher);
    return { crypt, entropy: (target: Uint8Array<ArrayBuffer>) => this.#fill(target) };
  }

  /**
   * Fills `target` with randomness. The clocks that sessions draw are far apart: one in 6,000 would go on
   * where an earlier one with the same address and id has ended, and nobody could tell the two apart.
   */
  #fill(target: Uint8Array<ArrayBuffer>): void {
    this.#nonces.fill(target);
    if (target.length !== 4) return;
    const view = new DataView(target.buffer, target.byteOffset, 4);
    // Multiples of the golden ratio: no two of the first thousand are near.
    view.setUint32(0, Math.imul(++this.#clocks, 0x9e3779b1) + view.getUint16(0), true);
  }

  async #acceptAll(process: Process, listener: Listener): Promise<void> {
    await process.sleep(this.scenario.acceptDelay);
    for (;;) {
      let connection;
      try {
        connection = await listener.accept();
      } catch (error) {
        if (error instanceof ConnectionError && error.kind === "closed") return;
        throw error;
      }
      if (!process.alive) return;
      this.#accept(process, connection);
    }
  }

  #accept(process: Process, connection: Connection): void {
    this.moment("accept");
    const { conv } = connection;
    const candidates = this.ends.filter((end) => end.name === "client" && end.conv === conv);
    if (candidates.length === 0) {
      this.count("connections of strangers");
      readToTheEnd(connection).catch((error) => this.threw(error));
      return;
    }
    const { hostname, port } = connection.remoteAddr;
    const from = this.#addresses.get(`${hostname}:${port}`) ?? null;
    const end = this.#makeEnd("server", process, connection, conv, from);
    // A client that moved meanwhile hears no more of it.
    if (from && from.address !== `${hostname}:${port}` && !this.scenario.server.migrate) {
      end.lostPeerAt = this.#clients.get(`${hostname}:${port}`)!.history.movedAt;
    }
    end.heardAt = process.heardAt.get(`${hostname}:${port}`) ?? -Infinity;
    if (candidates.length === 1) pairAccepted(end, candidates[0]);
    if (candidates.length === 1) this.#guard(() => checkOpened(candidates[0], this));
    this.#start(end);
  }

  /** A client dials. */
  dial(slot: number, port = this.#nextPort++, conv = this.#random.uint32()): void {
    const address = `${CLIENT}:${port}`;
    if (this.#addresses.has(address)) this.addressesReused = true;
    // A server that follows its peers knows a conversation by its number alone.
    if (this.ends.some((end) => end.conv === conv)) this.reincarnated = true;
    const process = new Process(this.#observer, CLIENT, port);
    this.#addresses.set(address, process);
    const options = { ...this.scenario.client, ...this.#protection() };
    const connection = connectOn(
      process.socket,
      process.clock,
      SERVER_ADDRESS,
      conv,
      options,
    );
    const server = this.server?.alive ? this.server : null;
    const end = this.#makeEnd("client", process, connection, conv, server);
    const history = new History();
    history.mtuAt = this.mtuAt;
    this.histories.push(history);
    const client = { slot, process, end, history, port, conv };
    this.#clients.set(address, client);
    if (slot === 0) this.client = client;
    this.moment("dial");
    const { fec } = this.scenario.client;
    if (typeof fec === "object" && !fec.adaptive && this.scenario.cipher === "none") {
      const assumed = resolveFec(this.scenario.server.fec);
      const guess = assumed && !assumed.flexible ? assumed : undefined;
      this.corrections.push(new Correction(process, address, fec, guess));
    }
    this.#start(end, () => this.#afterClient(client));
  }

  #makeEnd(
    name: EndName,
    process: Process,
    connection: Connection,
    conv: number,
    peer: Process | null,
  ): End {
    const key = this.#streams.size + 1;
    if (key > 255) this.fail("harness", "more than 255 streams");
    const end = new End(name, process, connection, conv, key, peer, this.now);
    this.ends.push(end);
    this.#streams.set(key, end.out);
    connection.closed.then(
      () => this.#ended(end, null),
      (error) => this.#ended(end, error),
    );
    return end;
  }

  #ended(end: End, error: unknown): void {
    if (!end.process.alive) return;
    this.#guard(() => {
      if (error !== null && !(error instanceof ConnectionError)) throw error;
      const kind = error?.kind ?? null;
      end.outcome = { at: this.now, kind, message: error?.message ?? "" };
      if (end.peer) end.peer.sentToPeer = sentBy(end.peer);
      this.count(`${end.name} ended: ${kind ?? "delivered"}`);
      this.log?.(`${this.now} ${end.label} ended: ${error?.message ?? "delivered"}`);
      if (kind === "socket") throw error;
      checkVerdict(end, this);
      checkReset(end, this);
      checkClosed(end, this);
    });
  }

  #start(end: End, then: () => void = () => {}): void {
    const { scenario } = this;
    const program = end.name === "client" ? scenario.clientProgram : scenario.serverProgram;
    const application = new Application(this, end, program);
    this.applications.push(application);
    const release = this.hold();
    const { leaves } = end.process;
    const leave = () => {
      leaves.delete(leave);
      release();
    };
    leaves.add(leave);
    application.run().then(() => {
      then();
      if (leaves.has(leave)) leave();
    }).catch((error) => this.threw(error));
  }

  /** The run goes on at least until what this returns is called. */
  hold(): () => void {
    this.#busy++;
    return () => {
      if (--this.#busy === 0) this.#idle?.();
    };
  }

  get isIdle(): boolean {
    return this.#busy === 0;
  }

  /** Settles when no application is at work. */
  idle(): Promise<void> {
    return this.#busy === 0
      ? Promise.resolve()
      : new Promise((resolve) => this.#idle = () => resolve());
  }

  #afterClient(client: Client): void {
    // A connection that is left when the run is over is aborted.
    if (this.over) return;
    if (!client.end.outcome?.kind || this.#redials === 0 || client.process.leaving) return;
    client.process.leaving = true;
    this.#redials--;
    const release = this.hold();
    const samePort = this.#random.chance(0.5);
    this.network.schedule(this.now + 10 + this.#random.below(500), () => {
      client.process.kill();
      this.count("clients dialled again");
      this.dial(client.slot, samePort ? client.port : undefined);
      release();
    });
  }

  // --- faults ---

  moment(name: MomentName): void {
    this.faults.moment(name);
  }

  // --- the applications' stage ---

  stream(key: number): Outgoing | undefined {
    return this.#streams.get(key);
  }

  /**
   * A message must fit the receiver's window, in whole segments of the sender, however large these are:
   * the receiver counts usual ones. One segment always fits.
   */
  largestMessage(end: End): number {
    const { client, server, faults } = this.scenario;
    const { maxMessageSize } = end.connection;
    const [own, other] = end.name === "client" ? [client, server] : [server, client];
    if ((own.mtu ?? 1400) <= 1500) return maxMessageSize;
    let { rcvWnd = 256 } = other;
    for (const fault of faults) {
      if (fault.kind === "configure") rcvWnd = Math.min(rcvWnd, fault.change.rcvWnd ?? Infinity);
    }
    const segment = maxMessageSize / 255;
    return Math.min(255, Math.max(1, Math.floor(rcvWnd * 1400 / segment))) * segment;
  }

  peerOf({ end }: Application): Application | null {
    return end.peer ? this.applications.find((app) => app.end === end.peer) ?? null : null;
  }

  /**
   * Several servers may have got the first segment of a client, and no byte of an echo shows which of
   * them has sent it.
   */
  echoLeft(end: End): boolean {
    if (end.peer?.closedAt !== Infinity) return true;
    return this.ends.some(({ name, conv, closedAt }) =>
      name === "server" && conv === end.conv && closedAt < Infinity
    );
  }

  async operate<T>(end: End, name: OperationName, run: () => Promise<T>): Promise<T> {
    const operation: Operation = { name, end, since: this.now, succeeded: false };
    end.pending.add(operation);
    try {
      const result = await run();
      operation.succeeded = true;
      return result;
    } finally {
      end.pending.delete(operation);
      if (end.process.alive && this.now > operation.since) this.check(operation);
    }
  }

  /** Looks at an operation that ended, or that waits when the run is over. */
  check(operation: Operation): void {
    this.#guard(() => {
      checkOperation(operation, this);
      checkWait(operation, this);
    });
  }

  recognised(end: End): void {
    pairByBytes(end, this);
  }

  // --- what faults and rules know ---

  /** The client that is, or was, at an address. */
  clientAt(address: string): Client | undefined {
    return this.#clients.get(address);
  }

  /** Lets a client be seen under another port. */
  move(client: Client): void {
    client.history.movedTo = this.#nextPort;
    const next = `${CLIENT}:${this.#nextPort++}`;
    this.network.rebind(client.process.address, next);
    this.#addresses.set(next, client.process);
    this.#clients.set(next, client);
  }

  /** A client has sent something from its new address: see rule `followed`. */
  expectMove(client: Client): void {
    const { end, history } = client;
    const { movedTo } = history;
    const bound = followedWithin(end, this);
    if (bound === Infinity) return;
    this.network.schedule(this.now + bound, () => {
      const { peer } = end;
      if (this.over || end.isOver || !end.process.runs || !peer?.process.runs) return;
      if (peer.isOver || peer.peer !== end || history.movedTo !== movedTo || history.lost > 0) {
        return;
      }
      this.count("moves that were looked at");
      const { port } = peer.connection.remoteAddr;
      if (port === movedTo) return;
      this.#guard(() => this.fail("followed", `${peer.label} is still at port ${port}`));
    });
  }

  /** Notes an interval that an end has from now on. */
  noteInterval(name: EndName, interval: number): void {
    this.#maxIntervals[name] = Math.max(this.#maxIntervals[name], interval);
  }

  isOrphan(end: End): boolean {
    return isOrphan(end);
  }

  interval(end: End): number {
    return this.#maxIntervals[end.name];
  }

  history(end: End): History | null {
    const process = end.name === "client" ? end.process : end.peer?.process ?? end.peerProcess;
    for (const { process: own, history } of this.#clients.values()) {
      if (own === process) return history;
    }
    return null;
  }
}

/** What a server does with the connection of a stranger. */
async function readToTheEnd(connection: Connection): Promise<void> {
  const buffer = new Uint8Array(2048);
  try {
    while (await connection.read(buffer) !== null);
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
  }
  connection.close();
}
