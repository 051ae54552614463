import { assert, assertEquals } from "@std/assert";
import { createCipher } from "../../../crypt/mod.ts";
import { turbo } from "../../../kcp/mod.ts";
import { type Connection, type DatagramSocket, listenOn } from "../../../transport/mod.ts";
import { Random } from "../../../transport/link/random.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { pattern } from "../../kcp/harness.ts";

const CLIENT = "10.0.0.2:5000";
const MOVED = "10.0.0.3:6000";
const ATTACKER = "10.6.6.6:666";
const key = pattern(32);
const crypt = () => createCipher("chacha20-poly1305", key);

/** A listener that echoes, behind a socket that an attacker sees. */
class Server {
  readonly network: SimulatedNetwork;
  readonly socket: DatagramSocket;
  readonly connections: Connection[] = [];
  readonly moves: string[] = [];
  /** What the attacker does with a packet of the client before it arrives. */
  copies = (_packet: Uint8Array): boolean => false;
  /** Whether the attacker passes on to the client what the server sends to him. */
  forwards = false;
  readonly sentTo = new Map<string, number>();

  constructor(network: SimulatedNetwork) {
    this.network = network;

    const raw = network.socket("10.0.0.1", 80);
    this.socket = {
      address: raw.address,
      open: (receiver) =>
        raw.open({
          arena: receiver.arena,
          packet: (bytes, from) => {
            const copy = bytes.slice();
            if (this.copies(copy)) receiver.packet(bytes.slice(), ATTACKER);
            receiver.packet(copy, from);
          },
          packets: (start, end, size, from) => receiver.packets(start, end, size, from),
          settled: () => receiver.settled(),
          failed: (error) => receiver.failed(error),
        }),
      send: (batch) => {
        for (let i = 0; i < batch.count; i++) {
          const to = batch.to[i];
          this.sentTo.set(to, (this.sentTo.get(to) ?? 0) + 1);
          if (to === ATTACKER && this.forwards) batch.to[i] = CLIENT;
        }
        return raw.send(batch);
      },
      close: () => raw.close(),
      ref: () => {},
      unref: () => {},
    };
  }

  listen(cipher: boolean): void {
    const { network } = this;
    const random = new Random(1);
    const entropy = (target: Uint8Array) => random.fill(target);
    const protection = cipher ? { crypt: crypt() } : {};
    const listener = listenOn(this.socket, network.clock(), {
      ...turbo,
      ...protection,
      entropy,
      migrate: true,
    });
    (async () => {
      for await (const conn of listener) {
        this.connections.push(conn);
        conn.onMigrate = (from) =>
          this.moves.push(`${from.hostname} to ${conn.remoteAddr.hostname} at ${network.now}`);
        conn.readable.pipeTo(conn.writable).catch(() => {});
      }
    })().catch(() => {});
  }
}

/** Runs a client that sends a message each 20 ms, and reads the echo. */
async function run(
  test: (server: Server, client: Connection, network: SimulatedNetwork) => Promise<void>,
  latency = 25,
): Promise<Server> {
  const network = new SimulatedNetwork({ seed: 1, link: { latency } });
  const server = new Server(network);
  await network.run(async () => {
    server.listen(true);
    const client = network.connect({
      hostname: "10.0.0.1",
      port: 80,
      localHostname: "10.0.0.2",
      localPort: 5000,
      ...turbo,
      crypt: crypt(),
    });
    await echo(client, network, 5);
    await test(server, client, network);
    client.close();
    await client.closed;
  });
  return server;
}

/** Sends messages, and checks that the echo of each arrives. Returns the longest wait in ms. */
async function echo(client: Connection, network: SimulatedNetwork, count: number): Promise<number> {
  let longest = 0;
  for (let i = 0; i < count; i++) {
    const message = pattern(100, i);
    const sentAt = network.now;
    await client.write(message);
    const reply = new Uint8Array(100);
    for (let got = 0; got < 100;) {
      got += (await client.read(reply.subarray(got), { timeout: 5_000 }))!;
    }
    assertEquals(reply, message);
    longest = Math.max(longest, network.now - sentAt);
    await network.delay(20);
  }
  return longest;
}

Deno.test("roaming: an encrypted session moves after one round trip, and the connection tells", async () => {
  let longest = 0;
  const { moves } = await run(async (server, client, network) => {
    network.rebind(CLIENT, MOVED);
    longest = await echo(client, network, 10);
    assertEquals(server.connections[0].remoteAddr.hostname, "10.0.0.3");
  });
  assertEquals(moves.length, 1);
  assert(longest <= 150, `an echo took ${longest} ms`);
});

Deno.test("roaming: a client that moves before it was answered is followed at its next packet", async () => {
  const network = new SimulatedNetwork({ seed: 1, link: { latency: 25 } });
  const server = new Server(network);
  await network.run(async () => {
    server.listen(true);
    const client = network.connect({
      hostname: "10.0.0.1",
      port: 80,
      localHostname: "10.0.0.2",
      localPort: 5000,
      ...turbo,
      crypt: crypt(),
    });
    await client.write(pattern(1000));
    await network.delay(30);
    network.rebind(CLIENT, MOVED);
    // It is sent again after the first timeout. A question and its answer follow.
    await network.delay(200 + 3 * 25);
    assertEquals(server.connections[0].remoteAddr.hostname, "10.0.0.3");
    client.close();
    await client.closed;
  });
});

Deno.test("roaming: datagrams alone move an encrypted session", async () => {
  const { moves } = await run(async (server, client, network) => {
    network.rebind(CLIENT, MOVED);
    for (let i = 0; i < 5; i++) {
      client.sendDatagram(pattern(50));
      await network.delay(30);
    }
    assertEquals(server.connections[0].remoteAddr.hostname, "10.0.0.3");
    let datagrams = 0;
    while (await server.connections[0].receiveDatagram({ timeout: 1 }).catch(() => null)) {
      datagrams++;
    }
    assertEquals(datagrams, 5);
  });
  assertEquals(moves.length, 1);
});

for (const forwards of [false, true]) {
  const name = forwards ? "sees and forwards packets" : "only sees packets";
  Deno.test(`roaming: an attacker who ${name} can't take a session`, async () => {
    let longest = 0;
    const server = await run(async (server, client, network) => {
      server.copies = () => true;
      server.forwards = forwards;
      longest = await echo(client, network, 100);
      assertEquals(server.connections[0].remoteAddr.hostname, "10.0.0.2");
    });
    assert(longest <= 150, `an echo took ${longest} ms`);
    const stolen = server.sentTo.get(ATTACKER) ?? 0;
    assert(stolen <= 40, `${stolen} packets went to the attacker`);
  });
}

Deno.test("roaming: a session follows its peer though a copy of each packet arrives sooner", async () => {
  let longest = 0;
  const { moves } = await run(async (server, client, network) => {
    server.copies = () => true;
    await echo(client, network, 5);
    network.rebind(CLIENT, MOVED);
    longest = await echo(client, network, 10);
    assertEquals(server.connections[0].remoteAddr.hostname, "10.0.0.3");
  });
  assertEquals(moves.length, 1);
  assert(longest <= 500, `an echo took ${longest} ms`);
});

Deno.test("roaming: after an attack that ends, the session still follows its peer", async () => {
  const { moves } = await run(async (server, client, network) => {
    let copies = 0;
    server.copies = () => copies++ < 13;
    await echo(client, network, 20);
    network.rebind(CLIENT, MOVED);
    await echo(client, network, 5);
    assertEquals(server.connections[0].remoteAddr.hostname, "10.0.0.3");
  });
  assertEquals(moves.length, 1);
});
