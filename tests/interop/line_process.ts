/**
 * Programs that the tests ask by lines of JSON.
 *
 * @module
 */
import { AssertionError } from "@std/assert";

/** A running program. Requests and answers are lines of JSON. */
export class LineProcess implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #ended: Promise<void>;
  #id = 0;
  #over = false;

  /** Starts a program. */
  protected constructor(program: string, ...args: string[]) {
    this.#process = new Deno.Command(program, { args, stdin: "piped", stdout: "piped" }).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#ended = this.#receive();
    this.#ended.catch(() => {});
  }

  /** The answer with this id. The answer to the first line of a server has the id 0. */
  protected answer(id: number): Promise<unknown> {
    const waiting = Promise.withResolvers<unknown>();
    if (this.#over) waiting.reject(new AssertionError("The peer has ended"));
    else this.#waiting.set(id, waiting);
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
    this.#over = true;
    for (const { reject } of this.#waiting.values()) {
      reject(new AssertionError("The peer ended before it answered"));
    }
  }

  /** Closes stdin, and waits until the process ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    await this.#ended;
    const { code } = await this.#process.status;
    if (code !== 0) throw new AssertionError(`The peer ended with exit code ${code}`);
  }
}
