import process from "node:process";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { connect, type Connection, listen, turbo } from "../../../mod.ts";
import { Arena, type PacketBatch, PacketBatch as Batch } from "../../../kcp/mod.ts";
import { Libc } from "../../../transport/linux/libc.ts";
import { linux, type LinuxOptions, LinuxSocket } from "../../../transport/linux.ts";
import { pattern } from "../../kcp/harness.ts";
import { readAll, writeAll } from "../harness.ts";

const onLinux = Deno.build.os === "linux";
/** The sanitizers do not know FFI calls, but they know promises and timers. */
const SANITIZED = { ignore: !onLinux, sanitizeOps: true, sanitizeResources: true };

const DEFAULTS = {
  receiveBuffer: 1 << 20,
  sendBuffer: 1 << 20,
  reusePort: false,
  segmentation: true,
  batching: true,
  dscp: 0,
  busyPoll: 0.2,
};

/** The lowest free descriptor. It grows when a test leaves a descriptor open. */
function lowestFree(): number {
  const libc = Libc.acquire();
  const fd = libc.symbols.eventfd(0, 0);
  libc.symbols.close(fd);
  libc.release();
  return fd;
}

/** Sends bytes to a listener, which echoes them. */
async function echo(
  listening: { hostname: string; bind?: ReturnType<typeof linux> },
  dialling: { hostname: string; bind?: ReturnType<typeof linux> },
  size: number,
): Promise<void> {
  const wide = { ...turbo, sndWnd: 1024, rcvWnd: 1024 };
  const listener = await listen({ ...listening, ...wide });
  const { port } = listener.addr;
  const echoing = (async () => {
    const server = await listener.accept();
    await server.readable.pipeTo(server.writable);
    server.close();
  })();
  const sent = pattern(size);
  {
    await using client: Connection = await connect({ ...dialling, port, ...wide });
    const reading = readAll(client);
    await writeAll(client, sent);
    await client.closeWrite();
    assertEquals(await reading, sent);
  }
  await echoing;
  listener.close();
  await listener.closed;
}

for (const hostname of ["127.0.0.1", "::1"]) {
  for (
    const options of [
      {},
      { segmentation: false },
      { batching: false },
      { segmentation: false, batching: false },
    ]
  ) {
    Deno.test({
      name: `linux on ${hostname}, ${
        JSON.stringify(options)
      }: bytes are echoed, and no descriptor stays open`,
      ...SANITIZED,
      async fn() {
        const bind = linux(options);
        const before = lowestFree();
        await echo({ hostname, bind }, { hostname, bind }, 3_000_000);
        assertEquals(lowestFree(), before, "a descriptor stayed open");
      },
    });
  }
}

Deno.test({
  name: "linux: works with Deno's own sockets as listener and as client",
  ...SANITIZED,
  async fn() {
    const hostname = "127.0.0.1";
    await echo({ hostname, bind: linux() }, { hostname }, 200_000);
    await echo({ hostname }, { hostname, bind: linux() }, 200_000);
    await echo({ hostname, bind: linux({ busyPoll: 0 }) }, { hostname, bind: linux() }, 200_000);
  },
});

Deno.test({
  name: "linux: opening and closing a socket a hundred times leaves no descriptor open",
  ...SANITIZED,
  async fn() {
    const before = lowestFree();
    for (let n = 0; n < 100; n++) {
      const socket = new LinuxSocket("127.0.0.1", 0, DEFAULTS);
      if (n % 2) {
        socket.open({
          arena: new Arena(),
          packet: () => {},
          settled: () => {},
          packets: () => {},
          failed: (error) => {
            throw error;
          },
        });
      }
      if (n % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      if (n % 5 === 0) socket.unref();
      socket.close();
      await socket.close();
    }
    assertEquals(lowestFree(), before, "a descriptor stayed open");
  },
});

/** Packets of given sizes to one or more peers. */
function batchOf(packets: readonly [to: string, size: number][]): PacketBatch {
  const arena = new Arena();
  const batch = new Batch({ arena, bytes: 1 << 20, packets: 4096 });
  for (const [i, [to, size]] of packets.entries()) {
    batch.destination = to;
    const at = batch.reserve(size);
    arena.bytes.fill(i, at, at + size);
    batch.commit(at + size);
  }
  return batch;
}

/** Sends packets from one socket to another. Gives the packets that arrived within 2 s. */
async function pass(
  sizes: readonly number[],
  options: LinuxOptions = {},
): Promise<{ sizes: number[]; runs: number; from: Set<string>; address: string }> {
  const sender = new LinuxSocket("127.0.0.1", 0, { ...DEFAULTS, ...options });
  const receiver = new LinuxSocket("127.0.0.1", 0, { ...DEFAULTS, ...options });
  const arrived: number[] = [];
  const from = new Set<string>();
  let runs = 0;
  const arena = new Arena();
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(resolve, 2000);
      receiver.open({
        arena,
        packet: () => reject(new Error("A packet was not received into the arena")),
        settled: () => {},
        packets: (start, end, size, sent) => {
          runs++;
          from.add(sent);
          for (let at = start; at < end; at += size) {
            const length = Math.min(size, end - at);
            const packet = arena.bytes.subarray(at, at + length);
            const index = arrived.length & 255;
            if (packet.some((byte) => byte !== index)) reject(new Error(`Packet ${index} differs`));
            arrived.push(length);
          }
          if (arrived.length === sizes.length) {
            clearTimeout(timer);
            resolve();
          }
        },
        failed: reject,
      });
      const sent = sender.send(batchOf(sizes.map((size) => [receiver.address, size])));
      sent?.catch(reject);
    });
    return { sizes: arrived, runs, from, address: sender.address };
  } finally {
    await sender.close();
    await receiver.close();
  }
}

Deno.test({
  name: "linux: packets of all sizes arrive unchanged, alone or joined in messages",
  ...SANITIZED,
  async fn() {
    const sizes = [
      ...Array(70).fill(1400), // more than the kernel cuts one message into
      ...Array(10).fill(9000), // more bytes than a message has
      1400,
      1400,
      700, // a shorter one ends a run
      1400,
      1,
      65_507,
      2,
      2,
      3,
    ];
    for (const segmentation of [true, false]) {
      const { sizes: arrived, from, address, runs } = await pass(sizes, { segmentation });
      assertEquals(arrived, sizes);
      assertEquals([...from], [address]);
      if (!segmentation) assertEquals(runs, sizes.length);
    }
  },
});

Deno.test({
  name: "linux: a packet that is too large is counted and lost, the others are sent",
  ...SANITIZED,
  async fn() {
    for (const segmentation of [true, false]) {
      const sender = new LinuxSocket("127.0.0.1", 0, { ...DEFAULTS, segmentation });
      const receiver = new LinuxSocket("127.0.0.1", 0, DEFAULTS);
      const { send } = sender.segmentation;
      const sizes: number[] = [];
      const arena = new Arena();
      const arrived = new Promise<void>((resolve, reject) => {
        receiver.open({
          arena,
          packet: () => {},
          settled: () => {},
          packets: (start, end, size) => {
            for (let at = start; at < end; at += size) sizes.push(Math.min(size, end - at));
            if (sizes.length === 5) resolve();
          },
          failed: reject,
        });
      });
      const packets = [1400, 1400, 65_508, 1400, 65_600, 10, 20];
      await sender.send(batchOf(packets.map((size) => [receiver.address, size])));
      await arrived;
      assertEquals(sizes, [1400, 1400, 1400, 10, 20]);
      assertEquals([sender.tooLarge, sender.segmentation.send], [2, send]);
      await sender.close();
      await receiver.close();
    }
  },
});

Deno.test({
  name: "linux: packets that may be fragmented are sent alone, in order with the others",
  ...SANITIZED,
  async fn() {
    const sender = new LinuxSocket("::1", 0, DEFAULTS);
    const receiver = new LinuxSocket("::1", 0, DEFAULTS);
    const sizes: number[] = [];
    const arrived = new Promise<void>((resolve, reject) => {
      receiver.open({
        arena: new Arena(),
        packet: () => {},
        settled: () => {},
        packets: (start, end, size) => {
          for (let at = start; at < end; at += size) sizes.push(Math.min(size, end - at));
          if (sizes.length === 9) resolve();
        },
        failed: reject,
      });
    });
    const packets = [9_000, 9_000, 100, 100, 9_000, 9_000, 9_000, 9_000, 50];
    const batch = batchOf(packets.map((size) => [receiver.address, size]));
    for (const index of [0, 4, 5]) batch.fragments[index] = 1;
    await sender.send(batch);
    await arrived;
    assertEquals(sizes, packets);
    await sender.close();
    await receiver.close();
  },
});

Deno.test({
  name: "linux: with segmentation, many packets of one size arrive as few messages",
  ...SANITIZED,
  async fn() {
    const probe = new LinuxSocket("127.0.0.1", 0, DEFAULTS);
    const { send, receive } = probe.segmentation;
    await probe.close();
    const { runs } = await pass(Array(128).fill(1000));
    if (send && receive) assert(runs <= 16, `128 packets came as ${runs} messages`);
  },
});

Deno.test({
  name: "linux: the sender waits while the send buffer is full, and loses no packet",
  ...SANITIZED,
  async fn() {
    // The receive buffer holds all packets, the send buffer only a few.
    const sizes = Array(500).fill(1400);
    const { sizes: arrived } = await pass(sizes, { sendBuffer: 4096, segmentation: false });
    assertEquals(arrived.length, sizes.length);
  },
});

Deno.test({
  name: "linux: packets to invalid or unreachable addresses are lost, all others are sent",
  ...SANITIZED,
  async fn() {
    const sender = new LinuxSocket("127.0.0.1", 0, DEFAULTS);
    const receiver = new LinuxSocket("127.0.0.1", 0, DEFAULTS);
    let count = 0;
    receiver.open({
      arena: new Arena(),
      packet: () => {},
      settled: () => {},
      packets: (start, end, size) => count += Math.ceil((end - start) / size),
      failed: (error) => {
        throw error;
      },
    });
    const to = receiver.address;
    await sender.send(
      batchOf([["[::1]:9", 10], [to, 10], ["nowhere:9", 10], [to, 10], ["255.255.255.255:9", 10], [
        to,
        10,
      ], ["[::1]:9", 10]]),
    );
    for (let tries = 0; count < 3 && tries < 200; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assertEquals(count, 3);
    await sender.close();
    await receiver.close();
  },
});

Deno.test({
  name: "linux: a socket receives after unref, and after ref again",
  ...SANITIZED,
  async fn() {
    const bind = linux();
    const listener = await listen({ hostname: "127.0.0.1", bind, ...turbo });
    const client = await connect({ port: listener.addr.port, bind, ...turbo });
    const buffer = new Uint8Array(10);
    // Nothing else keeps the process alive.
    const alive = setInterval(() => {}, 1000);
    listener.unref();
    client.unref();
    await client.write(pattern(3));
    const server = await listener.accept();
    assertEquals(await server.read(buffer), 3);
    listener.ref();
    client.ref();
    await server.write(pattern(4));
    assertEquals(await client.read(buffer), 4);
    client.close();
    server.close();
    listener.close();
    await listener.closed;
    await client[Symbol.asyncDispose]();
    clearInterval(alive);
  },
});

Deno.test({
  name: "linux: an idle socket uses no processor time",
  ...SANITIZED,
  async fn() {
    const socket = new LinuxSocket("127.0.0.1", 0, { ...DEFAULTS, busyPoll: 20 });
    const other = new LinuxSocket("127.0.0.1", 0, DEFAULTS);
    let arrived = 0;
    socket.open({
      arena: new Arena(),
      packet: () => {},
      settled: () => {},
      packets: () => arrived++,
      failed: (error) => {
        throw error;
      },
    });
    other.send(batchOf([[socket.address, 10]]));
    for (let tries = 0; arrived === 0 && tries < 200; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assertEquals(arrived, 1);
    // Wait until busy polling has ended.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const { user, system } = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { user: userAfter, system: systemAfter } = process.cpuUsage();
    const spent = (userAfter + systemAfter - user - system) / 1000;
    assert(spent < 150, `${spent} ms of processor time in 300 ms without a packet`);
    await socket.close();
    await other.close();
  },
});

Deno.test({
  name: "linux: several sockets share a port if all set reusePort",
  ...SANITIZED,
  fn() {
    const first = new LinuxSocket("127.0.0.1", 0, { ...DEFAULTS, reusePort: true });
    const port = Number(first.address.split(":")[1]);
    new LinuxSocket("127.0.0.1", port, { ...DEFAULTS, reusePort: true }).close();
    assertThrows(() => new LinuxSocket("127.0.0.1", port, DEFAULTS), Error, "bind of 127.0.0.1");
    first.close();
  },
});

Deno.test({
  name: "linux: invalid options and addresses are refused, and no descriptor stays open",
  ...SANITIZED,
  async fn() {
    const before = lowestFree();
    assertThrows(() => linux({ receiveBuffer: 1 }), RangeError, "4096");
    assertThrows(() => linux({ busyPoll: -1 }), RangeError, "busyPoll");
    assertThrows(() => linux({ reusePort: 1 as unknown as boolean }), TypeError, "reusePort");
    const bind = linux();
    await assertRejects(() => listen({ hostname: "192.0.2.1", bind }), Error, "bind of 192.0.2.1");
    await assertRejects(() => listen({ hostname: "nonsense", bind }), Error, "nonsense");
    await assertRejects(() => listen({ hostname: "127.0.0.1", bind, mtu: 1 }), RangeError, "mtu");
    assertEquals(lowestFree(), before, "a descriptor stayed open");
  },
});

Deno.test({
  name: "linux: without --allow-ffi the error names the flag and the plain adapter",
  ignore: !onLinux,
  permissions: { ffi: false, net: "inherit", read: "inherit" },
  async fn() {
    const error = await assertRejects(
      () => listen({ hostname: "127.0.0.1", bind: linux() }),
      Error,
    );
    assert(/--allow-ffi/.test(error.message), error.message);
    assert(/plain adapter/.test(error.message), error.message);
  },
});

Deno.test({
  name: "linux: in a sandbox without sendmmsg or recvmmsg, each call carries one message",
  ...SANITIZED,
  ignore: SANITIZED.ignore || Deno.build.arch !== "x86_64",
  async fn() {
    for (const [call, number] of [["sendmmsg", 307], ["recvmmsg", 299]] as const) {
      // The filter can't be removed from a thread, so a worker of its own sets it.
      const url = new URL("linux_sandbox_worker.ts", import.meta.url);
      const worker = new Worker(url, { type: "module" });
      const answer = await new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = (event) => reject(new Error(event.message));
        worker.postMessage(number);
      });
      worker.terminate();
      assertEquals(answer, { filtered: true, batching: false, arrived: 40 }, call);
    }
  },
});
