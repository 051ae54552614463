/**
 * One session of this module in the simulated network: messages at a steady rate, and what came of
 * them.
 *
 * @module
 */
import { type SessionOptions, turbo } from "../../mod.ts";
import { Random } from "../../transport/link/random.ts";
import { type Attachment, type LinkOptions, SimulatedNetwork } from "../../transport/simulated.ts";
import { Endpoint, type Session } from "../../transport/mod.ts";
import { Delays } from "./delays.ts";

/** A session: its traffic and its network. */
export interface SessionJob {
  readonly seed: number;
  /** Messages a second. */
  readonly rate: number;
  /** Bytes of each message, 4 or more. */
  readonly size: number;
  /**
   * How many messages of each sender are measured. The senders go on until all of them have arrived:
   * otherwise nothing would follow the last ones, and a burst of losses would last for seconds.
   */
  readonly messages: number;
  /** Whether the end that accepts sends, too. It starts within one interval of the acceptance. */
  readonly bothWays: boolean;
  /** What both directions do to packets. */
  readonly link: LinkOptions;
}

/** What came of a session. */
export interface SessionResult {
  /** How many messages had which delay, in steps: see {@linkcode Delays.entries}. */
  readonly delays: readonly (readonly [steps: number, count: number])[];
  /**
   * Bytes of all packets that both ends sent until the last message was read, lost ones included. The
   * headers of UDP and IP are not counted.
   */
  readonly bytes: number;
  /** The packets of these bytes. */
  readonly packets: number;
  /** How many messages were sent in that time, those that are not measured included. */
  readonly sent: number;
}

/**
 * The settings of both ends in every configuration, and of kcp-go's ends. The copies that `turbo` has
 * are redundancy: only configurations that name them have them.
 */
export const SETTINGS: SessionOptions = {
  ...turbo,
  copies: 0,
  sndWnd: 1024,
  rcvWnd: 1024,
  mtu: 1400,
};

/** How long after its last message a session may go on, in ms of virtual time. */
const GRACE = 600_000;
/** How far the virtual time is moved at once, in ms. */
const STRIDE = 1000;

/** Sends messages at their times through a session. */
class Sender {
  readonly network: SimulatedNetwork;
  readonly job: SessionJob;
  readonly session: Session;
  readonly attachment: Attachment;
  readonly start: number;
  #sent = 0;
  #due = 0;
  readonly #message: Uint8Array;
  readonly #view: DataView;

  /**
   * @param start When the first message is due, in ms.
   */
  constructor(
    network: SimulatedNetwork,
    job: SessionJob,
    session: Session,
    attachment: Attachment,
    start: number,
  ) {
    this.network = network;
    this.job = job;
    this.session = session;
    this.attachment = attachment;
    this.start = start;

    this.#message = new Uint8Array(job.size);
    this.#view = new DataView(this.#message.buffer);
    this.#schedule();
  }

  /** When a message is due, in ms. Its delay counts from there, also if it has to wait. */
  dueAt(index: number): number {
    return this.start + index * 1000 / this.job.rate;
  }

  /** How many messages were sent. */
  get sent(): number {
    return this.#sent;
  }

  #schedule(): void {
    this.network.schedule(this.dueAt(this.#due), () => {
      this.#due++;
      this.pump();
      this.#schedule();
    });
  }

  /** Sends what is due, as far as the send queue has room. */
  pump(): void {
    const before = this.#sent;
    while (this.#sent < this.#due) {
      this.#view.setUint32(0, this.#sent, true);
      if (!this.session.send(this.#message)) break;
      this.#sent++;
    }
    if (this.#sent > before) this.attachment.flush();
  }

  /** Whether a message waits for room in the send queue. */
  get waits(): boolean {
    return this.#sent < this.#due;
  }
}

/**
 * Runs a session from its first message until the last one was read.
 *
 * @param options Settings of both ends, in addition to {@linkcode SETTINGS}.
 * @throws {Error} When a message is wrong, or does not arrive within ten minutes of virtual time.
 */
export function runSession(job: SessionJob, options: SessionOptions): SessionResult {
  const random = new Random(job.seed);
  const network = new SimulatedNetwork({ seed: job.seed, link: job.link });
  const entropyRandom = random.fork("entropy");
  const settings: SessionOptions = {
    ...SETTINGS,
    ...options,
    entropy: (target) => entropyRandom.fill(target),
  };
  const delays = new Delays();
  const target = new Uint8Array(job.size + 1);
  const view = new DataView(target.buffer);
  let reading = job.bothWays ? 2 : 1;
  let total: Omit<SessionResult, "delays"> | null = null;

  /** Reads the messages that `sender` sent. */
  const reader = (session: Session, sender: () => Sender | null) => {
    let index = 0;
    return () => {
      while (session.readable) {
        const size = session.peekSize();
        if (size < 0) return;
        if (
          size !== job.size || session.recv(target) !== size || view.getUint32(0, true) !== index
        ) {
          throw new Error(`Message ${index} is wrong: it has ${size} bytes`);
        }
        index++;
        if (index > job.messages) continue;
        delays.add(network.now - sender()!.dueAt(index - 1));
        if (index < job.messages || --reading > 0) continue;
        const { bytes, packets } = network.stats;
        total = { bytes, packets, sent: up.sent + (down?.sent ?? 0) };
      }
    };
  };

  const server = new Endpoint(settings, true);
  const client = new Endpoint(settings);
  const serverSide = network.attach("10.0.0.1:80", server);
  const clientSide = network.attach("10.0.0.2:1000", client);
  const conv = random.fork("conv").uint32();
  const dialled = client.open("10.0.0.1:80", conv, network.now);
  const up = new Sender(network, job, dialled, clientSide, network.now);
  let down: Sender | null = null;
  const readAtClient = reader(dialled, () => down);
  dialled.onChange = () => {
    readAtClient();
    if (up.waits) network.schedule(network.now, () => up.pump());
  };
  server.onAccept = () => {
    const accepted = server.accept()!;
    const readAtServer = reader(accepted, () => up);
    accepted.onChange = () => {
      readAtServer();
      if (down?.waits) network.schedule(network.now, () => down!.pump());
    };
    readAtServer();
    if (!job.bothWays) return;
    const phase = random.fork("phase").next() * 1000 / job.rate;
    down = new Sender(network, job, accepted, serverSide, network.now + phase);
  };
  const limit = job.messages * 1000 / job.rate + GRACE;
  while (!total) {
    if (network.now > limit) {
      throw new Error(`Only ${delays.messages} messages have arrived after ${network.now} ms`);
    }
    network.elapse(STRIDE);
  }
  return { delays: delays.entries(), ...total as Omit<SessionResult, "delays"> };
}
