import { assert, assertEquals } from "@std/assert";
import { CONV, decode, encode, End, pattern } from "./harness.ts";

const hex = (bytes: Uint8Array) =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
const unhex = (text: string) => Uint8Array.from(text.trim().split(/\s+/), (h) => parseInt(h, 16));

Deno.test("wire: a data segment is 24 bytes of little-endian header, then the data", () => {
  const end = new End({ initialSndSn: 0xa1b2c3d4, initialRcvSn: 0x01020304, rcvWnd: 0x0506 });
  end.kcp.send(Uint8Array.of(0xde, 0xad, 0xbe, 0xef));
  const [packet] = end.packets(0x0a0b0c0d);
  assertEquals(
    hex(packet),
    "44 33 22 11 51 00 06 05 0d 0c 0b 0a d4 c3 b2 a1 04 03 02 01 04 00 00 00 de ad be ef",
  );
});

Deno.test("wire: an ACK is cmd 82, echoes sn and ts, and has the receiver's una and wnd", () => {
  const end = new End({ rcvWnd: 256 });
  assert(end.kcp.input(
    unhex("44 33 22 11 51 00 80 00 78 56 34 12 00 00 00 00 00 00 00 00 02 00 00 00 aa bb"),
    5,
  ));
  const [packet] = end.packets(5);
  assertEquals(
    hex(packet),
    "44 33 22 11 52 00 ff 00 78 56 34 12 00 00 00 00 01 00 00 00 00 00 00 00",
  );
  assertEquals(end.recv(), Uint8Array.of(0xaa, 0xbb));
});

Deno.test("wire: a probe is cmd 83 with no data, its answer cmd 84 with the window", () => {
  const end = new End({ rcvWnd: 0x1234 });
  end.kcp.askWindow();
  assertEquals(
    hex(end.packets(7)[0]),
    "44 33 22 11 53 00 34 12 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
  );
  end.kcp.input(
    unhex("44 33 22 11 53 00 80 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"),
    8,
  );
  assertEquals(
    hex(end.packets(8)[0]),
    "44 33 22 11 54 00 34 12 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
  );
});

Deno.test("wire: the fragments of a message count frg down to 0", () => {
  const end = new End({ mtu: 50, rcvWnd: 1 });
  end.kcp.send(pattern(60));
  const packets = end.packets(0);
  assertEquals(packets.length, 1, "cwnd 1 lets one segment out");
  assertEquals(packets[0].length, 50, "a full segment fills the MTU");
  assertEquals(packets[0][5], 2, "frg of the first of three fragments");
});

Deno.test("wire: acknowledgment, probe, answer and data share one packet, in this order", () => {
  const end = new End({ nc: true });
  end.kcp.askWindow();
  end.input(1, { sn: 0, ts: 9, data: Uint8Array.of(1) }, { cmd: 83 });
  end.kcp.send(Uint8Array.of(2));
  end.kcp.send(Uint8Array.of(3));
  const packets = end.packets(1);
  assertEquals(packets.length, 1);
  assertEquals(decode(packets[0]).map((s) => s.cmd), [82, 83, 84, 81, 81]);
  assertEquals(packets[0].length, 5 * 24 + 2);
});

Deno.test("wire: every segment of a packet is handled", () => {
  const end = new End();
  const packet = encode(
    { sn: 1, data: Uint8Array.of(2) },
    { sn: 0, data: Uint8Array.of(1) },
    { sn: 2, data: new Uint8Array() },
  );
  assert(end.kcp.input(packet, 0));
  assertEquals([end.recv(), end.recv(), end.recv(), end.recv()], [
    Uint8Array.of(1),
    Uint8Array.of(2),
    new Uint8Array(),
    null,
  ]);
});

Deno.test("wire: trailing bytes shorter than a header are ignored, as in the reference", () => {
  const end = new End();
  const packet = new Uint8Array([...encode({ sn: 0, data: Uint8Array.of(7) }), ...pattern(23)]);
  assert(end.kcp.input(packet, 0));
  assertEquals(end.recv(), Uint8Array.of(7));
});

Deno.test("wire: no packet is longer than the MTU, and each is as full as possible", () => {
  const end = new End({ nc: true, mtu: 100, rcvWnd: 500, sndWnd: 500, burst: Infinity });
  end.input(0, { cmd: 84, wnd: 1000 });
  for (let i = 0; i < 20; i++) end.kcp.send(pattern(26));
  const packets = end.packets(0);
  assertEquals(packets.map((p) => p.length), Array(10).fill(100));
  assertEquals(packets.flatMap(decode).map((s) => s.sn), Array.from({ length: 20 }, (_, i) => i));
  assert(packets.flatMap(decode).every((s) => s.conv === CONV));
});
