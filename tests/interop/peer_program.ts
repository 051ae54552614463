/**
 * A process of a peer other than kcp-go.
 *
 * The peer reads and prints frames: the length of a message as 4 bytes, little-endian, then the
 * message. `serve` prints its port, in digits, as the first message, and sends every message back.
 * `dial PORT CONV` sends the messages that it reads. Both print the messages that they receive. The
 * end of stdin ends the process: until then it answers retransmissions.
 *
 * @module
 */
import { AssertionError } from "@std/assert";

/** ms after which a peer is killed, so that a test that waits for it fails. */
const DEADLINE = 60_000;

/** A running peer. */
export class PeerProgram implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: AsyncGenerator<Uint8Array<ArrayBuffer>>;
  readonly #timer: ReturnType<typeof setTimeout>;

  /** Starts a command with further arguments. */
  constructor([program, ...args]: string[], ...more: string[]) {
    this.#process = new Deno.Command(program, {
      args: [...args, ...more],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#output = frames(this.#process.stdout);
    this.#timer = setTimeout(() => this.#process.kill("SIGKILL"), DEADLINE);
  }

  /** Writes a message to the process. */
  async write(message: Uint8Array): Promise<void> {
    const frame = new Uint8Array(4 + message.length);
    new DataView(frame.buffer).setUint32(0, message.length, true);
    frame.set(message, 4);
    await this.#input.write(frame);
  }

  /** Reads the next message that the process prints. */
  async read(): Promise<Uint8Array<ArrayBuffer>> {
    const { value, done } = await this.#output.next();
    if (done) {
      const { code } = await this.#process.status;
      throw new AssertionError(`The peer ended too early, with exit code ${code}`);
    }
    return value;
  }

  /** Closes stdin, and waits until the process ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    // Reads the rest: an open stream would keep this process alive.
    while (!(await this.#output.next()).done);
    await this.#process.status;
    clearTimeout(this.#timer);
  }
}

async function* frames(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let held = new Uint8Array();
  for await (const piece of stream) {
    const both = new Uint8Array(held.length + piece.length);
    both.set(held);
    both.set(piece, held.length);
    let at = 0;
    const view = new DataView(both.buffer);
    while (both.length - at >= 4) {
      const end = at + 4 + view.getUint32(at, true);
      if (end > both.length) break;
      yield both.slice(at + 4, end);
      at = end;
    }
    held = both.slice(at);
  }
}
