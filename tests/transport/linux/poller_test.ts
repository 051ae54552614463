import { assert, assertEquals } from "@std/assert";
import { Arena, PacketBatch } from "../../../kcp/mod.ts";
import { EPOLLIN, EPOLLOUT, Libc } from "../../../transport/linux/libc.ts";
import { resolveLinuxOptions } from "../../../transport/linux/linux_options.ts";
import { Poller } from "../../../transport/linux/poller.ts";
import { LinuxSocket } from "../../../transport/linux.ts";

const SANITIZED = {
  ignore: Deno.build.os !== "linux",
  sanitizeOps: true,
  sanitizeResources: true,
};
/** More than the calls that Deno runs at one time on other threads. */
const MANY = 80;
const OPTIONS = resolveLinuxOptions({ busyPoll: 0 });
const EMPTY = new Uint8Array(8);

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What a promise gives within 2 s; `late` if it gives nothing. */
async function soon<T>(promise: Promise<T>): Promise<T | "late"> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<"late">((resolve) => timer = setTimeout(resolve, 2000, "late"));
  const result = await Promise.race([promise, late]);
  clearTimeout(timer);
  return result;
}

/** Opens sockets that receive, and counts the packets of each. */
function openMany(count: number): { sockets: LinuxSocket[]; arrived: number[] } {
  const arrived: number[] = [];
  const sockets = Array.from({ length: count }, (_, i) => {
    const socket = new LinuxSocket("127.0.0.1", 0, OPTIONS);
    arrived.push(0);
    socket.open({
      arena: new Arena(),
      packet: () => {},
      settled: () => {},
      packets: () => arrived[i]++,
      failed: (error) => {
        throw error;
      },
    });
    return socket;
  });
  return { sockets, arrived };
}

/** One packet of 10 bytes to each socket. */
function batchTo(sockets: readonly LinuxSocket[]): PacketBatch {
  const batch = new PacketBatch({ packets: 256 });
  for (const { address } of sockets) {
    batch.destination = address;
    batch.commit(batch.reserve(10) + 10);
  }
  return batch;
}

Deno.test({
  name: "poller: many idle sockets leave threads for files, and each still receives",
  ...SANITIZED,
  async fn() {
    const { sockets, arrived } = openMany(MANY);
    await pause(20);
    const file = new URL(import.meta.url);
    const text = await soon(Deno.readTextFile(file));
    for (let round = 1; round <= 3; round++) {
      await sockets[0].send(batchTo(sockets));
      for (let tries = 0; arrived.some((n) => n < round) && tries < 400; tries++) await pause(5);
      assertEquals(arrived, Array(MANY).fill(round));
    }
    await Promise.all(sockets.map((socket) => socket.close()));
    assert(text !== "late", "the file was not read while the sockets waited");
  },
});

/** A poller and an eventfd, in place of a socket. */
class Fixture implements AsyncDisposable {
  readonly poller = Poller.acquire();
  readonly fd = this.poller.libc.symbols.eventfd(0, 0o4000);

  constructor() {
    this.poller.add(this.fd);
  }

  /** Makes the descriptor readable. */
  write(): void {
    this.poller.libc.symbols.write(this.fd, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), 8n);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.poller.forget(this.fd);
    this.poller.libc.symbols.close(this.fd);
    await this.poller.release();
  }
}

Deno.test({
  name: "poller: a descriptor that is ready for one kind of event ends only that wait",
  ...SANITIZED,
  async fn() {
    await using fixture = new Fixture();
    const { poller, fd } = fixture;
    let read = false;
    const reading = poller.wait(fd, EPOLLIN).then((ready) => read = ready);
    // An eventfd takes writes at once.
    assertEquals(await soon(poller.wait(fd, EPOLLOUT)), true);
    await pause(20);
    assertEquals(read, false);
    fixture.write();
    assertEquals(await soon(reading), true);
  },
});

Deno.test({
  name: "poller: an event that came before the wait is seen, and one that was not taken again",
  ...SANITIZED,
  async fn() {
    await using fixture = new Fixture();
    const { poller, fd } = fixture;
    fixture.write();
    assertEquals(await soon(poller.wait(fd, EPOLLIN)), true);
    assertEquals(await soon(poller.wait(fd, EPOLLIN)), true);
    poller.libc.symbols.read(fd, EMPTY.slice(), 8n);
    const waiting = poller.wait(fd, EPOLLIN);
    await pause(20);
    fixture.write();
    assertEquals(await soon(waiting), true);
  },
});

Deno.test({
  name: "poller: cancel and forget end the waits of their descriptor, and of no other",
  ...SANITIZED,
  async fn() {
    await using fixture = new Fixture();
    await using other = new Fixture();
    const { poller, fd } = fixture;
    let ended = false;
    const waiting = other.poller.wait(other.fd, EPOLLIN).then(() => ended = true);
    for (const end of ["cancel", "forget"] as const) {
      const cancelled = poller.wait(fd, EPOLLIN);
      poller[end](fd);
      assertEquals(await soon(cancelled), true, end);
    }
    poller.add(fd);
    await pause(20);
    assertEquals(ended, false);
    other.write();
    assertEquals(await soon(waiting), true);
  },
});

Deno.test({
  name: "poller: a socket that keeps no process alive waits on, with others and alone",
  ...SANITIZED,
  async fn() {
    await using fixture = new Fixture();
    await using other = new Fixture();
    const { poller, fd } = fixture;
    const strong = other.poller.wait(other.fd, EPOLLIN);
    const weak = () => {
      const waiting = poller.wait(fd, EPOLLIN);
      poller.setReferenced(fd, false);
      return waiting;
    };
    for (const alone of [false, true]) {
      if (alone) {
        other.write();
        assertEquals(await soon(strong), true);
      }
      const waiting = weak();
      await pause(20);
      fixture.write();
      assertEquals(await soon(waiting), true, `alone: ${alone}`);
      poller.libc.symbols.read(fd, EMPTY.slice(), 8n);
      poller.setReferenced(fd, true);
    }
    // It may change while it waits.
    const waiting = weak();
    poller.setReferenced(fd, true);
    fixture.write();
    assertEquals(await soon(waiting), true);
  },
});

Deno.test({
  name: "poller: sockets that keep no process alive share one timer",
  ...SANITIZED,
  async fn() {
    const { sockets, arrived } = openMany(MANY);
    const { setInterval: set } = globalThis;
    let timers = 0;
    globalThis.setInterval = ((call: () => void, delay?: number) => {
      timers++;
      return set(call, delay);
    }) as typeof set;
    for (const socket of sockets) socket.unref();
    await pause(50);
    await sockets[0].send(batchTo(sockets));
    for (let tries = 0; arrived.some((n) => n < 1) && tries < 400; tries++) await pause(5);
    globalThis.setInterval = set;
    assertEquals(arrived, Array(MANY).fill(1));
    assert(timers >= 1 && timers < 10, `${timers} timers`);
    await Promise.all(sockets.map((socket) => socket.close()));
  },
});

Deno.test({
  name: "poller: a wait that the kernel refuses fails, and the next one works",
  ...SANITIZED,
  async fn() {
    await using fixture = new Fixture();
    const { poller, fd } = fixture;
    const { libc } = poller;
    const real = libc.symbols;
    for (const name of ["epoll_ctl", "epoll_wait"] as const) {
      const refused = { ...real, [name]: () => name === "epoll_ctl" ? -1 : Promise.resolve(-1) };
      Object.defineProperty(libc, "symbols", { value: refused, configurable: true });
      const failed = poller.wait(fd, EPOLLIN);
      Object.defineProperty(libc, "symbols", { value: real, configurable: true });
      assertEquals(await soon(failed), false, name);
    }
    const waiting = poller.wait(fd, EPOLLIN);
    fixture.write();
    assertEquals(await soon(waiting), true);
  },
});

Deno.test({
  name: "poller: the last socket that closes closes libc, and the next one opens it again",
  ...SANITIZED,
  async fn() {
    for (let round = 0; round < 3; round++) {
      const { sockets } = openMany(3);
      await pause(5);
      const libc = Libc.acquire();
      libc.release();
      await Promise.all(sockets.map((socket) => socket.close()));
      const later = Libc.acquire();
      later.release();
      assert(libc !== later, "libc stayed open");
    }
  },
});
