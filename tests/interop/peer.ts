/**
 * The peer: a Go program around kcp-go, built once from `tests/interop/peer`.
 *
 * @module
 */
import { AssertionError } from "@std/assert";

/** With this value a missing Go is a failure, and no reason to leave the tests out. */
const required = Deno.env.get("KCP_INTEROP") === "required";
/** Whether there is a Go to build the peer with. */
export const hasGo = await findGo();

async function findGo(): Promise<boolean> {
  try {
    return (await new Deno.Command("go", { args: ["version"], stdout: "null" }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

if (!hasGo && !required) {
  console.error(
    "The tests against kcp-go are left out: there is no Go on the PATH to build it with",
  );
}

/** A test that needs the peer. */
export function interopTest(name: string, fn: (t: Deno.TestContext) => Promise<void>): void {
  Deno.test({ name: `interop: ${name}`, ignore: !hasGo && !required, fn });
}

let built: Promise<string> | null = null;

/** The path of the program. */
export function buildPeer(): Promise<string> {
  return built ??= (async () => {
    if (!hasGo) {
      throw new AssertionError(
        "Cannot build the peer: KCP_INTEROP asks for it, and no Go is on the PATH",
      );
    }
    const directory = await Deno.makeTempDir({ prefix: "kcp-interop-" });
    globalThis.addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));
    const program = `${directory}/peer${Deno.build.os === "windows" ? ".exe" : ""}`;
    const { success, stderr } = await new Deno.Command("go", {
      args: ["build", "-o", program, "."],
      cwd: new URL("peer", import.meta.url),
    }).output();
    if (!success) {
      throw new AssertionError(`Cannot build the peer: ${new TextDecoder().decode(stderr)}`);
    }
    return program;
  })();
}

/** Settings of a session that both ends have in common. */
export interface PeerSettings {
  /** A name of a cipher; "" for packets without a cipher's header. */
  cipher?: string;
  /** In hexadecimal. */
  key?: string;
  /** Data and parity shards; 0 and 0 for no error correction. */
  data?: number;
  parity?: number;
  /** Send and receive window in segments; 1024 each unless given. */
  windows?: [number, number];
  /** What kcp-go's SetNoDelay takes: nodelay, interval, resend, nc; 1, 10, 2, 1 unless given. */
  nodelay?: [number, number, number, number];
  /** 1400 unless given. */
  mtu?: number;
  /** Whether small writes share segments. */
  stream?: boolean;
  /** Whether small writes wait for the interval. */
  writeDelay?: boolean;
  /** Whether each packet is acknowledged at once. */
  ackNoDelay?: boolean;
}

/** How a listener of theirs is set up. */
export interface PeerListener extends PeerSettings {
  mode?: "echo" | "sink" | "source";
  /** The pattern that a source sends. */
  bytes?: number;
  seed?: number;
}

/** What a session of their server saw. */
export interface ServedSession {
  bytes: number;
  sha256: string;
  datagrams: number;
  /** Packets that the whole process restored by error correction so far. */
  recovered: number;
}

/** What clients of theirs do. */
export interface PeerJob extends PeerSettings {
  /** Of our listener, such as `127.0.0.1:4000`. */
  address: string;
  mode?: "echo" | "datagrams";
  /** How many do it at once, 1 unless given; each has a seed of its own, from `seed` on. */
  clients?: number;
  seed: number;
  /** Bytes that are sent in writes of these lengths, in turn, and expected back. */
  bytes: number;
  writes?: readonly number[];
  /** Lengths of out-of-band packets, each of which is sent until it comes back. */
  datagrams?: number[];
  /** In ms. */
  timeout?: number;
}

/** What a client of theirs saw. */
export interface PeerClient {
  conv: number;
  bytes: number;
  sha256: string;
  datagrams: number;
  error?: string;
}

/** What the clients of a job saw. */
export interface PeerReport {
  clients: PeerClient[];
  /** Packets that the whole process restored by error correction so far. */
  recovered: number;
  /** Closes them. */
  close(): Promise<void>;
}

/** A process of the peer that is asked and answers in lines of JSON. */
class PeerProcess implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #ended: Promise<void>;
  #id = 0;

  protected constructor(process: Deno.ChildProcess) {
    this.#process = process;
    this.#input = process.stdin.getWriter();
    this.#ended = this.#receive();
    this.#ended.catch(() => {});
  }

  protected static async spawn(mode: string): Promise<Deno.ChildProcess> {
    return new Deno.Command(await buildPeer(), { args: [mode], stdin: "piped", stdout: "piped" })
      .spawn();
  }

  /** The answer with id 0 is the one to the first line. */
  protected answer(id: number): Promise<unknown> {
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    return waiting.promise;
  }

  protected send(line: unknown): Promise<void> {
    return this.#input.write(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
  }

  protected nextId(): number {
    return ++this.#id;
  }

  async #receive(): Promise<void> {
    let text = "";
    for await (const piece of this.#process.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (text + piece).split("\n");
      text = lines.pop()!;
      for (const line of lines) {
        const answer = JSON.parse(line);
        const id = answer.id ?? 0;
        this.#waiting.get(id)?.resolve(answer);
        this.#waiting.delete(id);
      }
    }
    for (const { reject } of this.#waiting.values()) {
      reject(new AssertionError("The peer ended before it answered"));
    }
  }

  /** Lets the process end, and waits until it has. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    await this.#ended;
    const { code } = await this.#process.status;
    if (code !== 0) throw new AssertionError(`The peer ended with exit code ${code}`);
  }
}

/** Listeners of kcp-go. */
export class PeerServer extends PeerProcess {
  /** The port of each. */
  readonly ports: number[] = [];

  /** Starts a process with these listeners. */
  static async start(listeners: PeerListener[]): Promise<PeerServer> {
    const server = new PeerServer(await PeerProcess.spawn("serve"));
    const started = server.answer(0);
    await server.send(listeners);
    const { addresses } = await started as { addresses: string[] };
    server.ports.push(...addresses.map((address) => Number(address.split(":").at(-1))));
    return server;
  }

  /** Tells what a session saw so far. */
  look(listener: number, conv: number): Promise<ServedSession> {
    return this.#ask({ listener, conv, close: false });
  }

  /** Tells what a session saw, and closes it. */
  finish(listener: number, conv: number): Promise<ServedSession> {
    return this.#ask({ listener, conv, close: true });
  }

  async #ask(command: { listener: number; conv: number; close: boolean }): Promise<ServedSession> {
    const id = this.nextId();
    const answer = this.answer(id);
    await this.send({ id, ...command });
    const { error, ...session } = await answer as ServedSession & { error?: string };
    if (error) throw new AssertionError(`The peer's server: ${error}`);
    return session;
  }
}

/** Clients of kcp-go. */
export class PeerDialer extends PeerProcess {
  /** Starts a process. */
  static async start(): Promise<PeerDialer> {
    return new PeerDialer(await PeerProcess.spawn("dial"));
  }

  /**
   * Lets clients do something.
   *
   * kcp-go's clients do not wait on their own until the peer has everything: whoever is done with them closes them.
   */
  async run(job: PeerJob): Promise<PeerReport> {
    const id = this.nextId();
    const answer = this.answer(id);
    await this.send({ ...job, id });
    const { clients, recovered } = await answer as PeerReport;
    for (const [i, { error }] of clients.entries()) {
      if (error) throw new AssertionError(`Client ${i} of the peer: ${error}`);
    }
    return { clients, recovered, close: () => this.send({ close: id }) };
  }
}
