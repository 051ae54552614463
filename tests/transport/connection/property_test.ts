import { assert, assertEquals } from "@std/assert";
import { concat, equals as equal } from "@std/bytes";
import { type Connection, fast, normal, turbo } from "../../../mod.ts";
import type { LinkOptions } from "../../../transport/link/mod.ts";
import { Random } from "../../../transport/link/random.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { readAll } from "../harness.ts";

const SERVER = { hostname: "10.0.0.1", port: 80 } as const;
const SEEDS = 150;

/** A whole number from `min` to `max`. */
function integer(random: Random, min: number, max: number): number {
  return min + random.below(max - min + 1);
}

/** What one seed asks of the network and of the application. */
function plan(random: Random) {
  const chance = (probability: number) => random.chance(probability);
  const link = (): LinkOptions => ({
    latency: integer(random, 0, 80),
    jitter: chance(0.5) ? integer(random, 0, 40) : 0,
    loss: chance(0.7) ? 0.25 * random.next() : 0,
    reorder: chance(0.5) ? 0.2 * random.next() : 0,
    duplicate: chance(0.5) ? 0.1 * random.next() : 0,
    bandwidth: chance(0.3) ? integer(random, 50_000, 500_000) : Infinity,
    queuePackets: chance(0.3) ? integer(random, 20, 100) : Infinity,
  });
  const side = () => ({
    ...[normal, fast, turbo][integer(random, 0, 2)],
    mtu: integer(random, 200, 1500),
    sndWnd: integer(random, 8, 300),
    rcvWnd: integer(random, 32, 300),
    ackNoDelay: chance(0.3),
    writeDelay: chance(0.3),
  });
  const bytes = () =>
    random.fill(new Uint8Array(integer(random, 0, chance(0.3) ? 120_000 : 5_000)));
  return { up: link(), down: link(), client: side(), server: side(), bytes, chance };
}

/** Writes in pieces of any size, with pauses, then ends the stream. */
async function talk(
  conn: Connection,
  bytes: Uint8Array,
  random: Random,
  network: SimulatedNetwork,
) {
  for (let done = 0; done < bytes.length;) {
    const piece = bytes.subarray(done, done + integer(random, 1, 10_000));
    done += await conn.write(piece);
    if (random.chance(0.1)) await network.delay(integer(random, 1, 300));
  }
  await conn.closeWrite();
}

/** Does the same without a promise for each write, whenever there is room. */
async function talkAtOnce(conn: Connection, bytes: Uint8Array, random: Random) {
  let done = 0;
  if (random.chance(0.5)) conn.unsentLowWater = integer(random, 1, 20_000);
  const byDesire = random.chance(0.5);
  await new Promise<void>((resolve) => {
    conn.onWritable = () => {
      while (done < bytes.length) {
        const most = byDesire ? conn.desiredSize : integer(random, 1, 30_000);
        if (most === 0) break;
        const end = Math.min(bytes.length, done + most);
        const middle = integer(random, done, end);
        const pieces = [bytes.subarray(done, middle), bytes.subarray(middle, end)];
        const all = end - done;
        const count = random.chance(0.5)
          ? conn.tryWritev(pieces)
          : conn.tryWrite(bytes.subarray(done, end));
        done += count;
        // It is called again when there is room.
        if (count < all) break;
      }
      if (done === bytes.length) resolve();
    };
    if (bytes.length === 0) resolve();
  });
  conn.onWritable = null;
  await conn.closeWrite();
}

/** Reads to the end of the stream without a promise for each read. */
function readAllAtOnce(conn: Connection): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const buffer = new Uint8Array(5000);
  return new Promise((resolve, reject) => {
    conn.onReadable = () => {
      try {
        for (let count; (count = conn.tryRead(buffer)) !== 0;) {
          if (count === null) return resolve(concat(pieces));
          pieces.push(buffer.slice(0, count));
        }
      } catch (error) {
        reject(error);
      }
    };
  });
}

/** One run: both sides talk, listen to the end and close. */
async function run(seed: number): Promise<SimulatedNetwork> {
  const random = new Random(`property ${seed}`);
  const plans = plan(random);
  const { up, down, chance } = plans;
  const network = new SimulatedNetwork({ seed });
  network.link("10.0.0.2", "10.0.0.1").configure(up);
  network.link("10.0.0.1", "10.0.0.2").configure(down);
  // An outage that a connection survives, at some time.
  if (chance(0.3)) {
    const at = integer(random, 0, 2000);
    network.schedule(at, () => network.partition("10.0.0.1", "10.0.0.2"));
    network.schedule(at + integer(random, 1, 3000), () => {
      network.partition("10.0.0.1", "10.0.0.2", false);
    });
  }
  const patient = {
    linger: 300_000,
    deadLinkTime: 600_000,
    timeWait: 120_000,
  };
  const listener = network.listen({ ...SERVER, ...plans.server, ...patient });
  await network.run(async () => {
    const ends: Connection[] = [];
    const tasks: Promise<void>[] = [];
    const said = new Map<string, Uint8Array>();
    const heard = new Map<string, Uint8Array>();
    /** Talks and listens; `me` and `you` name the two sides of the conversation. */
    const converse = (conn: Connection, me: string, you: string) => {
      const bytes = plans.bytes();
      ends.push(conn);
      said.set(`${conn.conv} from ${me}`, bytes);
      const own = random.fork(`${conn.conv} ${me}`);
      tasks.push(own.chance(0.5) ? talk(conn, bytes, own, network) : talkAtOnce(conn, bytes, own));
      tasks.push(
        (own.chance(0.5) ? readAll(conn) : readAllAtOnce(conn)).then((bytes) =>
          void heard.set(`${conn.conv} from ${you}`, bytes)
        ),
      );
    };
    const count = integer(random, 1, 3);
    for (let i = 0; i < count; i++) {
      converse(network.connect({ ...SERVER, ...plans.client, ...patient }), "client", "server");
    }
    for (let i = 0; i < count; i++) converse(await listener.accept(), "server", "client");
    await Promise.all(tasks);
    assertEquals(heard.size, 2 * count);
    for (const [name, bytes] of said) {
      assert(equal(heard.get(name)!, bytes), `what ${name} was heard is not what was said`);
    }
    for (const conn of ends) {
      conn.close();
      if (chance(0.5)) await network.delay(integer(random, 0, 500));
    }
    await Promise.all(ends.map(({ closed }) => closed));
    listener.close();
    await listener.closed;
    assertEquals(listener.stats.sessions, 0, "a session still exists");
  });
  // What is on its way still may arrive; then nothing may happen any more.
  await network.advance(60_000);
  const { packets } = network.stats;
  await network.advance(3_600_000);
  assertEquals(network.stats.packets, packets, "a packet was sent after the end");
  return network;
}

Deno.test(`property: ${SEEDS} seeds of random traffic deliver every byte, and end`, async () => {
  for (let seed = 0; seed < SEEDS; seed++) {
    try {
      await run(seed);
    } catch (error) {
      throw new Error(`Seed ${seed} fails: ${(error as Error).message.slice(0, 500)}`, {
        cause: error,
      });
    }
  }
});

Deno.test("property: the same seed gives the same packets again", async () => {
  for (const seed of [1, 2]) assertEquals((await run(seed)).hash, (await run(seed)).hash);
});
