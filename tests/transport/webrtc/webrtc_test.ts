import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { ConnectionError, turbo } from "../../../mod.ts";
import {
  connect,
  type DataChannelEvent,
  type DataChannelLike,
  DataChannelSocket,
  listen,
} from "../../../transport/webrtc.ts";
import { pattern } from "../../kcp/harness.ts";
import { carry, end, errorOf } from "../carried_pair.ts";

const OPTIONS = { ...turbo, timeWait: 0 };

/** One end of a data channel without a network. */
class FakeChannel extends EventTarget implements DataChannelLike {
  peer!: FakeChannel;
  readonly label = "kcp";
  readyState = "open";
  ordered = false;
  maxRetransmits: number | null = 0;
  maxPacketLifeTime: number | null = null;
  binaryType = "blob";
  bufferedAmount = 0;
  bufferedAmountLowThreshold = 0;
  /** Whether messages wait in the channel. */
  blocked = false;
  /** Bytes of the largest message that the other end takes. */
  maxMessageSize = Infinity;
  readonly sizes: number[] = [];
  readonly refused: string[] = [];
  readonly #waiting: Uint8Array<ArrayBuffer>[] = [];

  send(data: Uint8Array<ArrayBuffer>): void {
    if (this.readyState !== "open") return this.#refuse("InvalidStateError");
    if (data.length > this.maxMessageSize) return this.#refuse("TypeError");
    this.sizes.push(data.length);
    const copy = data.slice();
    if (this.blocked) {
      this.#waiting.push(copy);
      this.bufferedAmount += copy.length;
    } else {
      queueMicrotask(() => this.peer.deliver(copy.buffer));
    }
  }

  #refuse(name: string): never {
    this.refused.push(name);
    throw new DOMException("refused", name);
  }

  /** Lets a message arrive. */
  deliver(data: unknown): void {
    this.tell("message", { data });
  }

  tell(name: string, members: object = {}): void {
    this.dispatchEvent(Object.assign(new Event(name), members));
  }

  /** Lets what waits leave. */
  unblock(): void {
    this.blocked = false;
    for (const data of this.#waiting.splice(0)) this.peer.deliver(data.buffer);
    this.bufferedAmount = 0;
    this.tell("bufferedamountlow");
  }

  /** Closes this end, after an error if there was one. */
  close(error?: unknown): void {
    this.readyState = "closed";
    if (error !== undefined) this.tell("error", { error });
    this.tell("close");
  }

  override addEventListener(name: string, listener: (event: DataChannelEvent) => void): void {
    super.addEventListener(name, listener as unknown as EventListener);
  }

  override removeEventListener(name: string, listener: (event: DataChannelEvent) => void): void {
    super.removeEventListener(name, listener as unknown as EventListener);
  }
}

function channels(): [FakeChannel, FakeChannel] {
  const ends: [FakeChannel, FakeChannel] = [new FakeChannel(), new FakeChannel()];
  [ends[0].peer, ends[1].peer] = [ends[1], ends[0]];
  return ends;
}

async function pair(options = {}) {
  const [a, b] = channels();
  const listener = await listen(b, { ...OPTIONS, ...options });
  const client = await connect(a, { ...OPTIONS, ...options, timeout: 5_000 });
  const server = await listener.accept();
  return { a, b, listener, client, server };
}

Deno.test("WebRTC: bytes both ways, in messages that are one packet of SCTP", async () => {
  const ends = await pair();
  const { a, b, client, server, listener } = ends;
  await Promise.all([carry(client, server, 200_000), carry(server, client, 100_000)]);
  assertEquals(Math.max(...a.sizes, ...b.sizes), 1152);
  assertEquals([a.binaryType, b.binaryType], ["arraybuffer", "arraybuffer"]);
  assertEquals([client.adapter, listener.adapter], ["webrtc", "webrtc"]);
  assertEquals(client.remoteAddr, { transport: "udp", hostname: "webrtc", port: 1 });
  await end(ends);
  assertEquals([a.readyState, b.readyState], ["open", "open"]);
});

Deno.test("WebRTC: an ordered or reliable channel is refused", async () => {
  const cases: [Partial<FakeChannel>, string][] = [
    [{ ordered: true }, "ordered"],
    [{ maxRetransmits: null }, "reliable"],
    [{ maxRetransmits: 3 }, "3 maxRetransmits"],
    [{ maxRetransmits: null, maxPacketLifeTime: 100 }, "100 ms"],
  ];
  for (const [members, words] of cases) {
    for (const call of [connect, listen]) {
      const channel = Object.assign(channels()[0], members);
      const error = await assertRejects(() => call(channel), TypeError, words);
      assert(error.message.includes("{ ordered: false, maxRetransmits: 0 }"), error.message);
      assertEquals(channel.binaryType, "blob");
    }
  }
  await assertRejects(() => connect({} as FakeChannel), TypeError, "cannot send");
  await assertRejects(() => listen(undefined as unknown as FakeChannel), TypeError, "undefined");
});

Deno.test("WebRTC: a full channel makes the connection wait, and no message is lost", async () => {
  const ends = await pair();
  const { a, client, server } = ends;
  await carry(client, server, 10_000);
  a.blocked = true;
  const lost = client.stats.lost;
  const carried = carry(client, server, 300_000);
  await new Promise((resolve) => setTimeout(resolve, 15));
  // What is not in the channel is not built yet: its acknowledgments would become old.
  assertEquals(client.stats.packetsOut, a.sizes.length);
  // A batch of 64 packets may lie on top of what makes the channel full.
  assert(a.bufferedAmount > 16_384, `${a.bufferedAmount} bytes wait`);
  assert(a.bufferedAmount <= 16_384 + 64 * 1152, `${a.bufferedAmount} bytes wait`);
  a.unblock();
  await carried;
  assertEquals(client.stats.lost, lost);
  await end(ends);
});

Deno.test("WebRTC: a channel that stays full drops packets, and time goes on", async () => {
  const { a, client, server, listener } = await pair();
  a.blocked = true;
  const write = errorOf(client.writeAll(pattern(4_000_000)));
  const error = await errorOf(client.read(new Uint8Array(1), { timeout: 200 }));
  assertInstanceOf(error, ConnectionError);
  assertEquals(error.kind, "timeout");
  assert(a.bufferedAmount <= 16_384 + 64 * 1152, `${a.bufferedAmount} bytes wait`);
  client.abort();
  assertInstanceOf(await write, ConnectionError);
  server.abort();
  listener.close({ timeWait: 0 });
});

Deno.test("WebRTC: what the channel refuses is lost, and the path MTU gets smaller", async () => {
  const ends = await pair({ mtu: 1400 });
  const { a, client, server } = ends;
  await carry(client, server, 20_000);
  a.maxMessageSize = 1000;
  await carry(client, server, 50_000);
  assert(a.refused.length > 0);
  assert(client.stats.pathMtu <= 1000, `MTU ${client.stats.pathMtu}`);
  await end(ends);
});

Deno.test("WebRTC: messages that are no packets are dropped", async () => {
  const ends = await pair();
  ends.b.deliver("a text");
  ends.b.deliver(null);
  ends.b.deliver(new Blob(["x"]));
  ends.b.deliver(new Uint8Array(30).fill(0xee));
  ends.b.deliver(new ArrayBuffer(0));
  await carry(ends.client, ends.server, 10_000);
  const { invalid, unknown } = ends.listener.stats;
  assertEquals(invalid + unknown, 2);
  await end(ends);
});

Deno.test("WebRTC: several connections share a channel", async () => {
  const ends = await pair();
  const second = await connect(ends.a, { ...OPTIONS, timeout: 5_000 });
  const secondServer = await ends.listener.accept();
  await Promise.all([
    carry(ends.client, ends.server, 50_000),
    carry(second, secondServer, 50_000),
    carry(secondServer, second, 50_000),
  ]);
  second.abort();
  await end(ends);
});

Deno.test("WebRTC: a channel that closes ends its connections, with its error as the cause", async () => {
  for (const cause of [undefined, new DOMException("the peer is gone", "OperationError")]) {
    const { a, client, server, listener } = await pair();
    a.close(cause);
    const error = await errorOf(client.closed);
    assertInstanceOf(error, ConnectionError);
    assertEquals(error.kind, "socket");
    if (cause) assertEquals(error.cause, cause);
    else assertEquals((error.cause as Error).message, "The data channel was closed");
    server.abort();
    listener.close({ timeWait: 0 });
  }
});

Deno.test("WebRTC: a channel that is closing takes nothing, without an exception", async () => {
  const { a, client, server, listener } = await pair();
  a.readyState = "closing";
  await client.write(pattern(10_000));
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert(a.refused.length > 0);
  a.close();
  assertInstanceOf(await errorOf(client.closed), ConnectionError);
  server.abort();
  listener.close({ timeWait: 0 });
});

Deno.test("WebRTC: both ends wait until the channel is open", async () => {
  const [a, b] = channels();
  a.readyState = b.readyState = "connecting";
  const listening = listen(b, OPTIONS);
  const connecting = connect(a, { ...OPTIONS, timeout: 5_000 });
  await new Promise((resolve) => setTimeout(resolve, 5));
  a.readyState = b.readyState = "open";
  b.tell("open");
  a.tell("open");
  const listener = await listening;
  const client = await connecting;
  const server = await listener.accept();
  await carry(client, server, 10_000);
  await end({ listener, client, server });
});

Deno.test("WebRTC: connect tells why a channel does not open", async () => {
  const closed = channels()[0];
  closed.readyState = "closed";
  await assertRejects(() => connect(closed), ConnectionError, "The data channel is closed");
  const failing = channels()[0];
  failing.readyState = "connecting";
  const cause = new Error("no route");
  const error = errorOf(connect(failing));
  failing.close(cause);
  const shown = await error;
  assertInstanceOf(shown, ConnectionError);
  assertEquals([shown.kind, shown.cause], ["socket", cause]);
  assertEquals(shown.message, "The data channel is closed: no route");
  const slow = channels()[0];
  slow.readyState = "connecting";
  await assertRejects(() => connect(slow, { timeout: 20 }), ConnectionError, "within 20 ms");
});

Deno.test("WebRTC: a closed socket hears nothing more", async () => {
  const [a] = channels();
  const socket = new DataChannelSocket(a, "alice:1");
  let heard = 0;
  const arena = null as never;
  const count = () => heard++;
  socket.open({ arena, packet: count, packets: count, settled: count, failed: count });
  a.deliver(new ArrayBuffer(30));
  assertEquals([heard, socket.peer], [1, "alice:1"]);
  socket.close();
  socket.close();
  a.deliver(new ArrayBuffer(30));
  a.close(new Error("late"));
  await Promise.resolve();
  assertEquals(heard, 1);
});
