import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import { Arena, PacketBatch } from "../../../kcp/mod.ts";
import { Libc } from "../../../transport/linux/libc.ts";
import { LinuxSocket } from "../../../transport/linux.ts";

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
// Numbers of errors. Source: errno.h of Linux.
const EPERM = 1, EINTR = 4, EIO = 5, EBADF = 9, EAGAIN = 11, ENOMEM = 12, EFAULT = 14, EINVAL = 22;
const ENOTSOCK = 88, ENETUNREACH = 101, ENOBUFS = 105, ECONNREFUSED = 111;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** The replacement of a system call. It gives its result, an error, or null for the real call. */
type Call = (block: Uint8Array<ArrayBuffer>, count: number) => number | { errno: number } | null;

/** Replaces system calls while a test runs. */
class Faults implements Disposable {
  readonly #libc = Libc.acquire();
  readonly #real = this.#libc.symbols;

  constructor(calls: { readonly sendmmsg?: Call; readonly recvmmsg?: Call }) {
    const libc = this.#libc;
    const real = this.#real as unknown as Record<string, (...args: unknown[]) => number>;
    const faulty = { ...real };
    let errno: number | null = null;
    for (const name of ["sendmmsg", "recvmmsg"] as const) {
      const call = calls[name];
      if (!call) continue;
      faulty[name] = (fd, block, count, ...rest) => {
        const result = call(block as Uint8Array<ArrayBuffer>, count as number);
        errno = result !== null && typeof result === "object" ? result.errno : null;
        if (errno !== null) return -1;
        return result === null ? real[name](fd, block, count, ...rest) : result as number;
      };
    }
    const { get } = Object.getOwnPropertyDescriptor(Libc.prototype, "errno")!;
    Object.defineProperty(libc, "symbols", { value: faulty, configurable: true });
    Object.defineProperty(libc, "errno", {
      get: () => errno ?? get!.call(libc),
      configurable: true,
    });
  }

  [Symbol.dispose](): void {
    Object.defineProperty(this.#libc, "symbols", { value: this.#real, configurable: true });
    delete (this.#libc as { errno?: number }).errno;
    this.#libc.release();
  }
}

/** A message in the headers that `sendmmsg` gets. */
interface Message {
  readonly port: number;
  readonly bytes: number;
  /** Whether the kernel must split it. */
  readonly joined: boolean;
}

/** Reads the headers of `sendmmsg` on an IPv4 socket. */
function messagesOf(block: Uint8Array<ArrayBuffer>, count: number): Message[] {
  const view = new DataView(block.buffer);
  const base = Deno.UnsafePointer.value(Deno.UnsafePointer.of(block));
  const pointer = (at: number) => Number(view.getBigUint64(at, true) - base);
  return Array.from({ length: count }, (_, i) => ({
    port: view.getUint16(pointer(64 * i) + 2),
    bytes: view.getUint32(pointer(64 * i + 16) + 8, true),
    joined: view.getUint32(64 * i + 40, true) > 0,
  }));
}

/** `sendmmsg` of a kernel that refuses some messages. All others count as sent. */
class FakeKernel {
  refuse: (message: Message) => number;
  readonly sent: Message[] = [];
  calls = 0;

  /** @param refuse Gives the error of a message; 0 to send it. */
  constructor(refuse: (message: Message) => number) {
    this.refuse = refuse;
  }

  readonly sendmmsg: Call = (block, count) => {
    // Opening a socket asks whether the call exists.
    if (count === 0) return 0;
    const messages = messagesOf(block, count);
    this.calls++;
    for (const [i, message] of messages.entries()) {
      const errno = this.refuse(message);
      if (errno !== 0) return i > 0 ? i : { errno };
      this.sent.push(message);
    }
    return count;
  };

  /** The port and the size of each message since the last call. */
  take(): [port: number, bytes: number][] {
    return this.sent.splice(0).map(({ port, bytes }) => [port, bytes]);
  }
}

/** `each` packets of 100 bytes to each port. */
function batchTo(ports: readonly number[], each: number): PacketBatch {
  const batch = new PacketBatch({ packets: 64 });
  for (const port of ports) {
    batch.destination = `127.0.0.1:${port}`;
    for (let i = 0; i < each; i++) batch.commit(batch.reserve(100) + 100);
  }
  return batch;
}

function openSocket(): LinuxSocket {
  return new LinuxSocket("127.0.0.1", 0, OPTIONS);
}

function portOf(socket: LinuxSocket): number {
  return Number(socket.address.split(":")[1]);
}

/** A receiver that counts. */
class Receiver {
  readonly arena = new Arena();
  packetsIn = 0;
  readonly errors: unknown[] = [];
  packet(): void {}
  settled(): void {}
  packets(start: number, end: number, size: number): void {
    this.packetsIn += Math.ceil((end - start) / size);
  }
  failed(error: unknown): void {
    this.errors.push(error);
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition() && tries < 400; tries++) await pause(5);
  assert(condition());
}

// --- sending ---

Deno.test({
  name: "linux errors: a destination whose device can't split gets single packets, others do not",
  ...SANITIZED,
  async fn() {
    for (const error of [EIO, EINVAL]) {
      const kernel = new FakeKernel(({ port, joined }) => port === 1 && joined ? error : 0);
      using _ = new Faults(kernel);
      const socket = openSocket();
      await socket.send(batchTo([1, 2], 3));
      assertEquals(kernel.take(), [[1, 100], [1, 100], [1, 100], [2, 300]]);
      kernel.calls = 0;
      await socket.send(batchTo([2, 1], 3));
      assertEquals(kernel.take(), [[2, 300], [1, 100], [1, 100], [1, 100]]);
      assertEquals([kernel.calls, socket.segmentation.send], [1, true]);
      await socket.close();
    }
  },
});

Deno.test({
  name: "linux errors: GSO stays on for a destination to which no single packet passes either",
  ...SANITIZED,
  async fn() {
    for (const error of [EIO, EINVAL, EPERM, ENETUNREACH, ENOMEM, EFAULT]) {
      const kernel = new FakeKernel(({ port }) => port === 1 ? error : 0);
      using _ = new Faults(kernel);
      const socket = openSocket();
      await socket.send(batchTo([2, 1, 3], 3));
      assertEquals(kernel.take(), [[2, 300], [3, 300]], `errno ${error}`);
      kernel.refuse = () => 0;
      await socket.send(batchTo([1, 2], 3));
      assertEquals(kernel.take(), [[1, 300], [2, 300]], `errno ${error}`);
      await socket.close();
    }
  },
});

Deno.test({
  name: "linux errors: when the kernel lacks memory for a message, its packets leave one by one",
  ...SANITIZED,
  async fn() {
    const kernel = new FakeKernel(({ joined }) => joined ? ENOMEM : 0);
    using _ = new Faults(kernel);
    const socket = openSocket();
    await socket.send(batchTo([1], 3));
    assertEquals(kernel.take(), [[1, 100], [1, 100], [1, 100]]);
    kernel.refuse = () => 0;
    await socket.send(batchTo([1], 3));
    assertEquals(kernel.take(), [[1, 300]]);
    await socket.close();
  },
});

Deno.test({
  name: "linux errors: a destination that never has room holds the others up for a moment only",
  ...SANITIZED,
  async fn() {
    for (const error of [EAGAIN, ENOBUFS]) {
      for (const unref of [false, true]) {
        const kernel = new FakeKernel(({ port }) => port === 1 ? error : 0);
        using _ = new Faults(kernel);
        const socket = openSocket();
        const alive = setInterval(() => {}, 1000);
        if (unref) socket.unref();
        const start = performance.now();
        await socket.send(batchTo([2, 1, 3], 3));
        assertEquals(kernel.take(), [[2, 300], [3, 300]]);
        assertLess(performance.now() - start, 500);
        assertLess(kernel.calls, 20);
        kernel.refuse = () => 0;
        await socket.send(batchTo([1, 2], 3));
        assertEquals(kernel.take(), [[1, 300], [2, 300]]);
        clearInterval(alive);
        await socket.close();
      }
    }
  },
});

Deno.test({
  name: "linux errors: a packet to port 0 never reaches the kernel",
  ...SANITIZED,
  async fn() {
    const kernel = new FakeKernel(() => 0);
    using _ = new Faults(kernel);
    const socket = openSocket();
    await socket.send(batchTo([0, 2, 0], 3));
    assertEquals(kernel.take(), [[2, 300]]);
    await socket.close();
  },
});

Deno.test({
  name: "linux errors: send throws only when the socket is closed",
  ...SANITIZED,
  async fn() {
    for (const error of [EBADF, ENOTSOCK]) {
      const kernel = new FakeKernel(() => error);
      using _ = new Faults(kernel);
      const socket = openSocket();
      assertThrows(() => socket.send(batchTo([1], 3)), Error, "sendmmsg");
      await socket.close();
    }
  },
});

// --- receiving ---

Deno.test({
  name: "linux errors: a socket receives again after every error that may pass",
  ...SANITIZED,
  async fn() {
    const errors = [ECONNREFUSED, EINTR, EINVAL, EFAULT, ENOMEM, EPERM, EIO, ENOBUFS];
    const left = [...errors];
    const receiver = new Receiver();
    const socket = openSocket();
    using _ = new Faults({
      recvmmsg: () => left.length > 0 ? { errno: left.shift()! } : null,
    });
    socket.open(receiver);
    await until(() => left.length === 0);
    const sender = openSocket();
    await sender.send(batchTo([portOf(socket)], 3));
    await until(() => receiver.packetsIn === 3);
    assertEquals(receiver.errors, []);
    await Promise.all([socket.close(), sender.close()]);
  },
});

Deno.test({
  name: "linux errors: an error that repeats is met with longer and longer pauses",
  ...SANITIZED,
  async fn() {
    let calls = 0;
    const receiver = new Receiver();
    const socket = openSocket();
    using _ = new Faults({
      recvmmsg: () => {
        calls++;
        return { errno: ENOMEM };
      },
    });
    socket.open(receiver);
    await pause(300);
    assertLess(calls, 14);
    assert(calls > 5, `${calls} calls`);
    assertEquals(receiver.errors, []);
    // The close ends the pause.
    await socket.close();
  },
});

Deno.test({
  name: "linux errors: a socket that is closed by other code fails once",
  ...SANITIZED,
  async fn() {
    const receiver = new Receiver();
    const socket = openSocket();
    using _ = new Faults({ recvmmsg: () => ({ errno: EBADF }) });
    socket.open(receiver);
    await until(() => receiver.errors.length > 0);
    await socket.close();
    assertEquals(receiver.errors.map(String), ["Error: recvmmsg failed: Bad file descriptor"]);
  },
});

Deno.test({
  name: "linux errors: after unref, a socket receives on while its sends wait for room",
  ...SANITIZED,
  async fn() {
    let full = true;
    const kernel = new FakeKernel(() => full ? EAGAIN : 0);
    using _ = new Faults(kernel);
    const receiver = new Receiver();
    const socket = openSocket();
    const alive = setInterval(() => {}, 1000);
    socket.open(receiver);
    socket.unref();
    for (let round = 0; round < 5; round++) {
      const sending = socket.send(batchTo([1], 1));
      await pause(7);
      full = false;
      await sending;
      full = true;
    }
    const port = portOf(socket);
    const plain = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    await plain.send(new Uint8Array(9), { transport: "udp", hostname: "127.0.0.1", port });
    await until(() => receiver.packetsIn === 1);
    plain.close();
    clearInterval(alive);
    await socket.close();
  },
});

Deno.test("linux: another runtime than Deno is told what to do instead", () => {
  const runtime = globalThis as { Deno?: unknown };
  const own = Object.getOwnPropertyDescriptor(runtime, "Deno")!;
  delete runtime.Deno;
  try {
    assertThrows(
      () => new LinuxSocket("127.0.0.1", 0, OPTIONS),
      Error,
      "this is not Deno on Linux; use the plain adapter: call listen and connect without `bind`",
    );
  } finally {
    Object.defineProperty(runtime, "Deno", own);
  }
});
