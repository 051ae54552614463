import { assert, assertEquals } from "@std/assert";
import { connect, type Connection, listen, turbo } from "../../../mod.ts";
import { Arena, PacketBatch } from "../../../kcp/mod.ts";
import { linux, LinuxSocket } from "../../../transport/linux.ts";
import { decode, encode, pattern, PUSH } from "../../kcp/harness.ts";
import { readExactly } from "../harness.ts";

const SANITIZED = {
  ignore: Deno.build.os !== "linux",
  sanitizeOps: true,
  sanitizeResources: true,
};
const OPTIONS = {
  receiveBuffer: 1 << 20,
  sendBuffer: 1 << 20,
  reusePort: false,
  segmentation: true,
  batching: true,
  dscp: 0,
  busyPoll: 0.2,
};

async function end(conn: Connection): Promise<void> {
  conn.abort();
  await conn[Symbol.asyncDispose]();
}

for (
  const [wildcard, targets] of [
    ["0.0.0.0", ["127.0.0.1", "127.0.0.2", "127.5.6.7"]],
    ["::", ["::1", "127.0.0.1", "127.0.0.2"]],
  ] as const
) {
  for (const options of [{}, { batching: false }, { segmentation: false }]) {
    Deno.test({
      name: `linux on ${wildcard}, ${JSON.stringify(options)}: it answers from the address asked`,
      ...SANITIZED,
      async fn() {
        const bind = linux(options);
        await using listener = await listen({ hostname: wildcard, bind, ...turbo });
        const { port } = listener.addr;
        for (const hostname of targets) {
          // A client drops answers from another address than the one that it has asked.
          const client = await connect({ hostname, port, bind, ...turbo });
          await client.write(pattern(5_000));
          const server = await listener.accept();
          assertEquals(await readExactly(server, 5_000), pattern(5_000));
          await server.write(pattern(50_000, 3));
          assertEquals(await readExactly(client, 50_000), pattern(50_000, 3));
          assertEquals(server.remoteAddr, client.localAddr);
          assertEquals(client.remoteAddr, { transport: "udp", hostname, port });
          await end(client);
          await end(server);
        }
      },
    });
  }
}

Deno.test({
  name: "linux: one client port that asks two addresses has a session with each",
  ...SANITIZED,
  async fn() {
    await using listener = await listen({ hostname: "0.0.0.0", bind: linux(), ...turbo });
    const { port } = listener.addr;
    const client = new LinuxSocket("127.0.0.1", 0, OPTIONS);
    /** The address and the data of each answer. */
    const answers = new Map<string, number[]>();
    const arena = new Arena();
    client.open({
      arena,
      packet: () => {},
      settled: () => {},
      packets: (start, end, size, from) => {
        for (let at = start; at < end; at += size) {
          const packet = arena.bytes.slice(at, Math.min(at + size, end));
          for (const { cmd, data } of decode(packet)) {
            if (cmd === PUSH) answers.set(from, [data.length, data[0]]);
          }
        }
      },
      failed: (error) => {
        throw error;
      },
    });
    const batch = new PacketBatch();
    for (const [i, host] of ["127.0.0.2", "127.0.0.3"].entries()) {
      const packet = encode({ conv: 7, ts: 5, data: pattern(4, i) });
      batch.destination = `${host}:${port}`;
      const at = batch.reserve(packet.length);
      batch.arena.bytes.set(packet, at);
      batch.commit(at + packet.length);
    }
    await client.send(batch);
    const conns = [await listener.accept(), await listener.accept()];
    for (const [i, conn] of conns.entries()) {
      assertEquals(await readExactly(conn, 4), pattern(4, i));
      assertEquals(`${conn.remoteAddr.hostname}:${conn.remoteAddr.port}`, client.address);
      await conn.write(pattern(4, 10 + i));
    }
    for (let tries = 0; answers.size < 2 && tries < 200; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assertEquals(
      answers,
      new Map([
        [`127.0.0.2:${port}`, [4, pattern(4, 10)[0]]],
        [`127.0.0.3:${port}`, [4, pattern(4, 11)[0]]],
      ]),
    );
    for (const conn of conns) conn.abort();
    await client.close();
  },
});

Deno.test({
  name: "linux: the local address is told only to a listener on every address",
  ...SANITIZED,
  async fn() {
    for (
      const [hostname, listens, expected] of [
        ["0.0.0.0", true, /^127\.0\.0\.1>127\.0\.0\.1:\d+$/],
        ["0.0.0.0", false, /^127\.0\.0\.1:\d+$/],
        ["127.0.0.1", true, /^127\.0\.0\.1:\d+$/],
      ] as const
    ) {
      const receiver = new LinuxSocket(hostname, 0, OPTIONS, listens);
      const sender = new LinuxSocket("127.0.0.1", 0, OPTIONS);
      const from = new Promise<string>((resolve, reject) => {
        receiver.open({
          arena: new Arena(),
          packet: () => {},
          settled: () => {},
          packets: (_start, _end, _size, from) => resolve(from),
          failed: reject,
        });
      });
      const batch = new PacketBatch();
      batch.destination = `127.0.0.1:${receiver.address.split(":")[1]}`;
      batch.commit(batch.reserve(10) + 10);
      await sender.send(batch);
      const address = await from;
      assert(expected.test(address), address);
      await Promise.all([receiver.close(), sender.close()]);
    }
  },
});
