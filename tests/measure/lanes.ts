/**
 * Workers that run tasks, each one task after the other.
 *
 * @module
 */

/** Runs tasks one after the other, each in the same worker. */
export class Lane<Task, Answer> {
  readonly #worker: Worker;

  /** @param module The module of the worker: it calls {@linkcode serve}. */
  constructor(module: URL) {
    this.#worker = new Worker(module, { type: "module" });
  }

  /** Runs a task. */
  run(task: Task): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#worker.onmessage = ({ data }: MessageEvent<Answer>) => resolve(data);
      this.#worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
      this.#worker.postMessage(task);
    });
  }

  /** Ends the worker. */
  stop(): void {
    this.#worker.terminate();
  }
}

/**
 * Runs all work on `count` lanes: whichever is free takes the next.
 *
 * @param module The module of the workers.
 */
export async function runOnLanes<Task, Answer>(
  count: number,
  module: URL,
  work: readonly ((lane: Lane<Task, Answer>) => Promise<void>)[],
): Promise<void> {
  const lanes = Array.from({ length: count }, () => new Lane<Task, Answer>(module));
  let next = 0;
  await Promise.all(lanes.map(async (lane) => {
    while (next < work.length) await work[next++](lane);
  }));
  for (const lane of lanes) lane.stop();
}

interface WorkerScope {
  onmessage: ((event: { data: unknown }) => void) | null;
  postMessage(answer: unknown): void;
}

/** Answers the tasks of a lane, in the module of a worker. */
export function serve<Task, Answer>(answer: (task: Task) => Answer): void {
  const scope = globalThis as unknown as WorkerScope;
  scope.onmessage = ({ data }) => scope.postMessage(answer(data as Task));
}
