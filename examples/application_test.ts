/**
 * How to test an application without sockets and without waiting. The application is a small chat
 * room. The network loses and reorders packets and fails for a time, under virtual time.
 *
 *     deno test examples/application_test.ts
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { Connection, Listener } from "@lowlatency/kcp";
import { SimulatedNetwork } from "@lowlatency/kcp/simulated";

/** The application: a line from one member goes to all other members. */
async function serveRoom(listener: Listener): Promise<void> {
  const members = new Set<Connection>();
  for await (const conn of listener) {
    members.add(conn);
    (async () => {
      for (let line; (line = await conn.receiveMessage()) !== null;) {
        for (const other of members) if (other !== conn) await other.sendMessage(line);
      }
    })().catch(() => {}).finally(() => {
      members.delete(conn);
      conn.close();
    });
  }
}

const say = (conn: Connection, text: string) => conn.sendMessage(new TextEncoder().encode(text));
const hear = async (conn: Connection) =>
  new TextDecoder().decode(await conn.receiveMessage() ?? new Uint8Array());

/** Opens a room with two members, ann and ben. Each of them has sent a line. */
async function openRoom(network: SimulatedNetwork) {
  const listener = network.listen({ hostname: "room", port: 80 });
  serveRoom(listener);
  const join = (localHostname: string) =>
    network.connect({ hostname: "room", port: 80, localHostname });
  const ann = join("ann");
  const ben = join("ben");
  await say(ann, "ann is here");
  await network.delay(1000);
  await say(ben, "ben is here");
  assertEquals(await hear(ann), "ben is here");
  return { listener, ann, ben };
}

Deno.test("every line arrives in order despite 20 % loss, reordering and duplicates", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const network = new SimulatedNetwork({
      seed,
      link: { latency: 40, jitter: 20, loss: 0.2, reorder: 0.1, duplicate: 0.05 },
    });
    await network.run(async () => {
      const { ann, ben } = await openRoom(network);
      for (let n = 0; n < 100; n++) await say(ann, `line ${n}`);
      for (let n = 0; n < 100; n++) assertEquals(await hear(ben), `line ${n}`, `seed ${seed}`);
    });
  }
});

Deno.test("a line arrives after twenty seconds without network", async () => {
  const network = new SimulatedNetwork({ seed: 7, link: { latency: 20 } });
  await network.run(async () => {
    const { ann, ben } = await openRoom(network);
    network.partition("ann", "room");
    await say(ann, "can you hear me?");
    await network.delay(20_000);
    network.partition("ann", "room", false);
    assertEquals(await hear(ben), "can you hear me?");
  });
});
