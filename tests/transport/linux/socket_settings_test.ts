/**
 * Settings of sockets of Linux: buffers, the class of packets, and dropped packets.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { listen, turbo } from "../../../mod.ts";
import { PacketBatch } from "../../../kcp/mod.ts";
import { linux, LinuxSocket } from "../../../transport/linux.ts";
import { resolveLinuxOptions } from "../../../transport/linux/linux_options.ts";
import type { DatagramReceiver } from "../../../transport/mod.ts";

const ignore = Deno.build.os !== "linux";

/** Opens a socket whose packets are not joined, so that each is counted. */
function open(hostname: string, options = {}): LinuxSocket {
  return new LinuxSocket(hostname, 0, resolveLinuxOptions({ segmentation: false, ...options }));
}

/** Sends `count` packets of `size` bytes. */
async function send(socket: LinuxSocket, to: string, count: number, size: number): Promise<void> {
  const batch = new PacketBatch({ bytes: 1 << 17, packets: 64 });
  for (let sent = 0; sent < count;) {
    batch.clear();
    for (let i = 0; i < 64 && sent < count; i++, sent++) {
      batch.destination = to;
      const at = batch.place(size);
      batch.arena.bytes.fill(i, at, at + size);
      batch.append(at + size);
    }
    await socket.send(batch);
  }
}

/** Sees the IPv4 packets of UDP that arrive at a port of this host; null without the right. */
class Wiretap implements Disposable {
  readonly #libc = Deno.dlopen("libc.so.6", {
    socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
    recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
    close: { parameters: ["i32"], result: "i32" },
  });
  /** AF_INET, SOCK_RAW, IPPROTO_UDP: a packet comes with its IP header. */
  readonly #fd = this.#libc.symbols.socket(2, 3, 17);

  get open(): boolean {
    return this.#fd >= 0;
  }

  /** The traffic classes of the packets to a port that have arrived: the second byte (RFC 791). */
  classesTo(port: number): number[] {
    const packet = new Uint8Array(65_536);
    const classes: number[] = [];
    const MSG_DONTWAIT = 0x40;
    while (Number(this.#libc.symbols.recv(this.#fd, packet, 65_536n, MSG_DONTWAIT)) > 0) {
      const header = 4 * (packet[0] & 15);
      if ((packet[header + 2] << 8 | packet[header + 3]) === port) classes.push(packet[1]);
    }
    return classes;
  }

  [Symbol.dispose](): void {
    if (this.open) this.#libc.symbols.close(this.#fd);
    this.#libc.close();
  }
}

Deno.test({
  name: "linux: dscp is the upper six bits of the second byte of each packet, and can change",
  ignore,
  async fn() {
    using wire = new Wiretap();
    if (!wire.open) return;
    const to = open("127.0.0.1");
    const port = Number(to.address.split(":")[1]);
    const plain = open("127.0.0.1"), marked = open("127.0.0.1", { dscp: 46 });
    await send(plain, to.address, 1, 10);
    await send(marked, to.address, 2, 10);
    marked.configure({ dscp: 8 });
    await send(marked, to.address, 1, 10);
    marked.configure({ dscp: 0 });
    await send(marked, to.address, 1, 10);
    // A socket on :: sends IPv4 packets, too.
    const both = open("::", { dscp: 63 });
    await send(both, to.address, 1, 10);
    assertEquals(wire.classesTo(port), [0, 46 << 2, 46 << 2, 8 << 2, 0, 63 << 2]);
    await Promise.all([to, plain, marked, both].map((socket) => socket.close()));
  },
});

Deno.test({
  name: "linux: settings tells what is in force, and configure changes only what it names",
  ignore,
  async fn() {
    for (const hostname of ["127.0.0.1", "::1"]) {
      const options = { receiveBuffer: 65_536, sendBuffer: 32_768, dscp: 10 };
      const socket = open(hostname, options);
      assertEquals(socket.settings, options);
      socket.configure({ sendBuffer: 16_384 });
      assertEquals(socket.settings, { ...options, sendBuffer: 16_384 });
      socket.configure({ dscp: 46, receiveBuffer: 100_000 });
      const now = { receiveBuffer: 100_000, sendBuffer: 16_384, dscp: 46 };
      assertEquals(socket.settings, now);
      for (const wrong of [{ dscp: 64 }, { dscp: -1 }, { dscp: 1.5 }, { receiveBuffer: 1 }]) {
        assertThrows(() => socket.configure({ sendBuffer: 8192, ...wrong }), RangeError, "Cannot");
      }
      assertEquals(socket.settings, now, "a refused change changes nothing");
      await socket.close();
      assertThrows(() => socket.settings, Error, "is closed");
      assertThrows(() => socket.configure({ dscp: 1 }), Error, "is closed");
      assertEquals(socket.dropped, null);
    }
    assertThrows(() => linux({ dscp: 64 }), RangeError, "dscp");
  },
});

Deno.test({
  name: "linux: dropped counts the packets that a full receive buffer lost",
  ignore,
  async fn() {
    const from = open("127.0.0.1"), to = open("127.0.0.1", { receiveBuffer: 65_536 });
    const COUNT = 1000;
    await send(from, to.address, COUNT, 1000);
    const dropped = to.dropped!;
    assert(dropped > 0 && dropped < COUNT, `${dropped} dropped`);
    // What was not dropped is there.
    let arrived = 0;
    const { arena } = new PacketBatch({ bytes: 1 << 20 });
    const receiver: DatagramReceiver = {
      arena,
      packet: () => arrived++,
      packets: (start, end, size) => arrived += Math.ceil((end - start) / size),
      settled: () => {},
      failed: () => {},
    };
    to.open(receiver);
    const limit = performance.now() + 10_000;
    while (arrived < COUNT - dropped && performance.now() < limit) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assertEquals([arrived, to.dropped], [COUNT - dropped, dropped]);
    await Promise.all([from.close(), to.close()]);
  },
});

Deno.test({
  name: "linux: a listener gives access to its socket",
  ignore,
  async fn() {
    const listener = await listen({ hostname: "127.0.0.1", bind: linux({ dscp: 34 }), ...turbo });
    const { socket } = listener;
    assert(socket instanceof LinuxSocket);
    assertEquals([socket.settings.dscp, socket.dropped], [34, 0]);
    listener.close();
    await listener.closed;
  },
});
