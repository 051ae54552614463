/**
 * A small application with timers of its own on a simulated network that fails. It is run by the test
 * runners of Deno, Node.js and Vitest, and says the same in each.
 *
 * @module
 */
import { type Connection, type Listener, turbo } from "../../../mod.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";

const SERVER = "10.0.0.1";
const HERE = { hostname: SERVER, port: 80, ...turbo } as const;

/** Sends back each message with the date. */
async function serve(listener: Listener): Promise<void> {
  const encoder = new TextEncoder();
  for await (const conn of listener) {
    (async () => {
      for await (const message of conn.messages) {
        const text = new TextDecoder().decode(message);
        await conn.sendMessage(encoder.encode(`${text} at ${new Date().toISOString()}`));
      }
    })().catch(() => {});
  }
}

/** Sends a beat each second, until one was not answered within 3 s. */
async function beat(conn: Connection, log: string[]): Promise<void> {
  let count = 0;
  const beats = setInterval(() => {
    conn.sendMessage(new TextEncoder().encode(`beat ${++count}`)).catch(() => {});
  }, 1000);
  try {
    for (;;) {
      const answer = await conn.receiveMessage({ signal: AbortSignal.timeout(3000) });
      log.push(new TextDecoder().decode(answer!));
    }
  } catch (error) {
    log.push(`${(error as Error).name} at ${performance.now()}`);
  } finally {
    clearInterval(beats);
  }
}

/** A connection as `console.log` shows it. */
export function shown(inspect: (value: unknown) => string): string {
  const network = new SimulatedNetwork();
  return inspect(network.connect(HERE)).replaceAll("'", '"');
}

/** Runs the application, and gives what it has seen, with a digest of all packets and their times. */
export async function scenario(): Promise<string> {
  const link = { latency: 20, jitter: 5, loss: 0.1 };
  const network = new SimulatedNetwork({ seed: "runners", link });
  const timers = network.fakeTimers({ date: new Date("2026-01-01T00:00:00Z") });
  const log: string[] = [];
  try {
    await network.run(async () => {
      serve(network.listen(HERE)).catch(() => {});
      setTimeout(() => network.freeze(SERVER, 1500), 2200);
      setTimeout(() => network.crash(SERVER), 8500);
      const conn = network.connect(HERE);
      await beat(conn, log);
      conn.abort();
      serve(network.listen(HERE)).catch(() => {});
      const again = network.connect(HERE);
      await again.sendMessage(new TextEncoder().encode("hello"));
      log.push(new TextDecoder().decode((await again.receiveMessage())!));
    });
  } finally {
    timers.restore();
  }
  return JSON.stringify([...log, network.now, network.hash]);
}
