import { assert, assertEquals, assertThrows } from "@std/assert";
import { PacketBatch } from "../../kcp/mod.ts";
import { ACK, decode, encode, End, opened, pattern, PUSH } from "./harness.ts";

/** Hands every packet over. */
function carry(from: End, to: End, now: number): void {
  for (const packet of from.packets(now)) to.kcp.input(packet, now);
}

Deno.test("message: boundaries are kept, empty messages too", () => {
  const a = opened();
  const b = new End();
  const messages = [pattern(10), new Uint8Array(), pattern(1), pattern(3000), new Uint8Array()];
  for (const message of messages) assert(a.kcp.send(message));
  carry(a, b, 0);
  for (const message of messages) {
    assertEquals(b.kcp.peekSize(), message.length);
    assertEquals(b.recv(), message);
  }
  assertEquals(b.kcp.peekSize(), -1);
  assertEquals(b.kcp.recv(new Uint8Array(1)), -1);
});

Deno.test("message: fragments are full but for the last, and frg counts down", () => {
  const a = opened({ mtu: 124 });
  for (
    const [size, frgs] of [[99, [0]], [100, [0]], [101, [1, 0]], [300, [2, 1, 0]]] as const
  ) {
    a.kcp.send(pattern(size));
    const segments = a.segments(0);
    assertEquals(segments.map((s) => s.frg), [...frgs], `message of ${size} bytes`);
    const lengths = segments.map((s) => s.data.length);
    assertEquals(lengths.slice(0, -1), Array(frgs.length - 1).fill(100));
    assertEquals(lengths.reduce((sum, n) => sum + n), size);
  }
});

Deno.test("message: 255 fragments pass, 256 are refused with the limit named", () => {
  const a = opened({ mtu: 74 });
  const b = new End();
  const message = pattern(255 * 50);
  assert(a.kcp.send(message));
  const error = assertThrows(() => a.kcp.send(pattern(255 * 50 + 1)), RangeError);
  assert(String(error).includes("256 fragments"), String(error));
  carry(a, b, 0);
  assertEquals(b.recv(), message);
  assertEquals(a.kcp.stats.sndQueue, 0, "the refused message left nothing behind");
});

Deno.test("message: fragments that arrive in any order are reassembled", () => {
  const a = opened({ mtu: 60 });
  const b = new End({ mtu: 60 });
  const message = pattern(36 * 20);
  a.kcp.send(message);
  const packets = a.packets(0);
  assertEquals(packets.length, 20);
  // 7 and 20 have no common factor, so this is a permutation.
  for (let i = 0; i < 20; i++) {
    assertEquals(b.kcp.peekSize(), -1, `after ${i} fragments`);
    b.kcp.input(packets[i * 7 % 20], 0);
  }
  assertEquals(b.recv(), message);
});

Deno.test("message: an incomplete message can't be read, and waits", () => {
  const b = new End();
  b.input(0, { sn: 0, frg: 2, data: Uint8Array.of(1) }, { sn: 1, frg: 1, data: Uint8Array.of(2) });
  assertEquals(b.kcp.peekSize(), -1);
  assertEquals(b.kcp.recv(new Uint8Array(10)), -1);
  b.input(0, { sn: 2, frg: 0, data: Uint8Array.of(3) });
  assertEquals(b.recv(), Uint8Array.of(1, 2, 3));
});

Deno.test("message: a target that is too small throws, and the message stays", () => {
  const b = new End();
  b.input(0, { sn: 0, data: pattern(10) });
  assertThrows(() => b.kcp.recv(new Uint8Array(9)), RangeError, "10 bytes into 9");
  assertEquals(b.recv(), pattern(10));
});

Deno.test("message: a full send queue refuses the whole message, and takes it later", () => {
  const a = new End({ mtu: 50, sndWnd: 1, sndQueue: 255, nc: true });
  const message = pattern(26 * 100);
  assert(a.kcp.send(message));
  assert(a.kcp.send(message));
  assertEquals(a.kcp.sndRoom, 55);
  assert(!a.kcp.send(message), "100 fragments don't fit in 55");
  assertEquals(a.kcp.sndRoom, 55, "nothing of a refused message is kept");
  assertEquals(a.kcp.stats.sndQueue, 200);
  assert(a.kcp.send(pattern(26 * 55)));
  assertEquals(a.kcp.sndRoom, 0);
  assert(!a.kcp.send(new Uint8Array()), "an empty message takes a place too");
});

Deno.test("message: more fragments than the receive window still arrive", () => {
  const a = new End({ mtu: 50, nc: true });
  const b = new End({ mtu: 50, rcvWnd: 4, ackNoDelay: true });
  const message = pattern(26 * 200);
  a.kcp.send(message);
  for (let now = 0; now < 20000 && b.kcp.peekSize() < 0; now += 10) {
    carry(a, b, now);
    carry(b, a, now);
  }
  assertEquals(b.recv(), message);
});

Deno.test("message: the caller may overwrite its buffer after send", () => {
  const a = opened();
  const buffer = pattern(100);
  a.kcp.send(buffer);
  buffer.fill(0);
  assertEquals(a.segments(0)[0].data, pattern(100));
});

Deno.test("message: a payload behind acknowledged and empty messages is intact", () => {
  const a = opened();
  a.kcp.send(pattern(100));
  a.kcp.send(new Uint8Array());
  a.kcp.send(new Uint8Array());
  a.segments(0);
  a.input(1, { cmd: 84, una: 1 });
  a.input(1, { cmd: 84, una: 2 });
  const { bytesHeld } = a.kcp.stats;
  a.kcp.send(pattern(1100, 7));
  assertEquals(a.segments(1)[0].data, pattern(1100, 7));
  assert(bytesHeld >= 0 && bytesHeld <= 100, `${bytesHeld} bytes held`);
});

Deno.test("message: a payload behind empty messages survives growth of the send buffer", () => {
  const a = opened({ sndWnd: 3 });
  a.kcp.send(pattern(100));
  a.kcp.send(new Uint8Array());
  a.kcp.send(new Uint8Array());
  a.segments(0);
  a.input(1, { cmd: ACK, sn: 0, una: 1 });
  a.kcp.send(pattern(50, 3));
  a.input(1, { cmd: ACK, sn: 1, una: 2 });
  a.kcp.send(pattern(1300, 5));
  a.kcp.send(pattern(1300, 6));
  const data = a.segments(1).filter((s) => s.cmd === PUSH).map((s) => s.data);
  assertEquals(data, [pattern(50, 3), pattern(1300, 5)]);
});

Deno.test("message: a queued message gets other fragments after a change of the MTU", () => {
  const a = opened({ mtu: 1024 });
  a.kcp.send(pattern(1500));
  a.kcp.configure({ mtu: 524 });
  a.kcp.send(pattern(1500));
  const packets = a.packets(0);
  assertEquals(packets.flatMap(decode).map((s) => [s.frg, s.data.length]), [
    [2, 500],
    [1, 500],
    [0, 500],
    [2, 500],
    [1, 500],
    [0, 500],
  ]);
  assertEquals(Math.max(...packets.map((p) => p.length)), 524);
  const b = new End();
  for (const packet of packets) b.kcp.input(packet, 0);
  assertEquals([b.recv(), b.recv()], [pattern(1500), pattern(1500)]);
});

Deno.test("message: a segment sent under a larger MTU never leaves the batch's memory", () => {
  const a = opened({ mtu: 1024 }, 0);
  const batch = new PacketBatch({ arena: a.kcp.arena, bytes: 1600 });
  a.kcp.send(pattern(2000));
  a.segments(0);
  a.kcp.configure({ mtu: 524 });
  a.kcp.tick(1000);
  assertEquals(a.kcp.output(batch), 1, "1024 bytes of 1600 are taken, the next does not fit");
  batch.clear();
  assertEquals(a.kcp.output(batch), 3, "the other one, and two probes of the path MTU");
});

Deno.test("message: input may be a view of a larger buffer or of the arena", () => {
  const b = new End();
  const packet = encode({ sn: 0, data: pattern(33) });
  const larger = new Uint8Array(packet.length + 20);
  larger.set(packet, 13);
  assert(b.kcp.input(larger.subarray(13, 13 + packet.length), 0));
  const second = encode({ sn: 1, data: pattern(44) });
  const at = b.kcp.arena.alloc(second.length);
  b.kcp.arena.bytes.set(second, at);
  assert(b.kcp.input(b.kcp.arena.bytes.subarray(at, at + second.length), 0));
  assertEquals([b.recv(), b.recv()], [pattern(33), pattern(44)]);
});

Deno.test("message: two machines may share one arena", () => {
  const a = opened();
  const b = new End({}, a.kcp.arena);
  const message = pattern(40_000);
  a.kcp.send(message);
  a.kcp.tick(0);
  for (let n; (a.batch.clear(), n = a.kcp.output(a.batch)) > 0;) {
    for (let i = 0; i < n; i++) {
      b.kcp.inputAt(a.batch.starts[i], a.batch.ends[i], 0);
    }
  }
  assertEquals(b.recv(), message);
});
