import { assert, assertEquals, assertThrows } from "@std/assert";
import { Access, isPublic } from "../../../examples/kcptun/proxy/access.ts";
import { contains, formatIP, parseIP, parseNetwork } from "../../../examples/kcptun/proxy/ip.ts";
import { Random } from "../../../transport/link/random.ts";

for (
  const [text, hex] of [
    ["0.0.0.0", "00000000"],
    ["255.1.20.3", "ff011403"],
    ["::", "00000000000000000000000000000000"],
    ["::1", "00000000000000000000000000000001"],
    ["1::", "00010000000000000000000000000000"],
    ["2001:DB8::a:b", "20010db80000000000000000000a000b"],
    ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
    ["1:2:3:4:5:6:7::", "00010002000300040005000600070000"],
    ["::ffff:10.0.0.1", "00000000000000000000ffff0a000001"],
    ["64:ff9b::192.0.2.33", "0064ff9b0000000000000000c0000221"],
    ["1:2:3:4:5:6:1.2.3.4", "00010002000300040005000601020304"],
    ["fe80::1%eth0", "fe800000000000000000000000000001"],
  ]
) {
  Deno.test(`IP addresses: ${text}`, () => assertEquals(parseIP(text)?.toHex(), hex));
}

for (
  const text of [
    ..."1.2.3 1.2.3.4.5 01.2.3.4 256.1.1.1 1.2.3.4x 0x7f.0.0.1 127.1 2130706433 1.2.3.".split(" "),
    ..."1:2:3 1:2:3:4:5:6:7:8:9 1::2::3 ::: :1 1: 12345:: ::g ::1.2.3 ::1.2.3.256".split(" "),
    ..."1:2:3:4:5:6:7:8:: 1:2:3:4:5:6:7:1.2.3.4 ::1/64 [::1]".split(" "),
    "",
    " ::1",
    "example.com",
  ]
) {
  Deno.test(`IP addresses: ${JSON.stringify(text)} is none`, () => {
    assertEquals(parseIP(text), null);
  });
}

Deno.test("IP addresses: texts of random addresses are read back, and are the shortest", () => {
  const random = new Random(1);
  for (let i = 0; i < 2000; i++) {
    const bytes = new Uint8Array(random.chance(0.5) ? 16 : 4);
    for (let j = 0; j < bytes.length; j += 2) {
      if (random.chance(0.5)) random.fill(bytes.subarray(j, j + 2));
    }
    const text = formatIP(bytes);
    assertEquals(parseIP(text), bytes, text);
    if (bytes.length === 16) {
      const url = new URL(`http://[${text}]/`).hostname;
      assertEquals(url, `[${text}]`);
    }
  }
});

Deno.test("networks: what they contain", () => {
  const network = parseNetwork("10.16.0.0/12")!;
  const has = (text: string) => contains(network, parseIP(text)!);
  assertEquals(["10.15.255.255", "10.16.0.0", "10.31.255.255", "10.32.0.0"].map(has), [
    false,
    true,
    true,
    false,
  ]);
  assert(!has("::ffff:10.16.0.0"));
  assert(contains(parseNetwork("0.0.0.0/0")!, parseIP("9.9.9.9")!));
  assert(contains(parseNetwork("::1")!, parseIP("::1")!));
  for (const text of ["10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "/8", "x/8"]) {
    assertEquals(parseNetwork(text), null, text);
  }
});

/** Networks that are closed: the first and the last address. Those beside them are open. */
const CLOSED_V4: readonly (readonly [string, string])[] = [
  ["0.0.0.0", "0.255.255.255"],
  ["10.0.0.0", "10.255.255.255"],
  ["100.64.0.0", "100.127.255.255"],
  ["127.0.0.0", "127.255.255.255"],
  ["169.254.0.0", "169.254.255.255"],
  ["172.16.0.0", "172.31.255.255"],
  ["192.0.0.0", "192.0.0.255"],
  ["192.0.2.0", "192.0.2.255"],
  ["192.168.0.0", "192.168.255.255"],
  ["198.18.0.0", "198.19.255.255"],
  ["198.51.100.0", "198.51.100.255"],
  ["203.0.113.0", "203.0.113.255"],
  ["224.0.0.0", "255.255.255.255"],
];

/** An IPv4 address that is so much further. */
function beside(text: string, step: number): string {
  const value = parseIP(text)!.reduce((sum, byte) => sum * 256 + byte, 0) + step;
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

Deno.test("access: networks that are not public are closed, to their last address", () => {
  const open = (text: string) => isPublic(parseIP(text)!);
  for (const [first, last] of CLOSED_V4) {
    for (const text of [first, last, beside(first, 1), beside(last, -1)]) {
      assert(!open(text), text);
      // The same address in the disguises of IPv6.
      const [a, b, c, d] = parseIP(text)!;
      assert(!open(`::ffff:${text}`) && !open(`64:ff9b::${text}`) && !open(`::${text}`), text);
      const hex = (x: number, y: number) => (x << 8 | y).toString(16);
      assert(!open(`2002:${hex(a, b)}:${hex(c, d)}::1`), text);
    }
    if (first !== "0.0.0.0") assert(open(beside(first, -1)), first);
    if (last !== "255.255.255.255") assert(open(beside(last, 1)), last);
  }
});

Deno.test("access: of IPv6, only what is given to hosts of the Internet is open", () => {
  const open = (text: string) => isPublic(parseIP(text)!);
  for (
    const text of [
      ..."::1 :: fe80::1 febf::1 fec0::1 fc00::1 fdff::1 ff02::1 100::1 64:ff9b:1::1".split(" "),
      ..."2001:db8::1 2001::1 2001:2::1 2001:10::1 3fff::1 5f00::1 4000::1 1::1".split(" "),
    ]
  ) assert(!open(text), text);
  for (
    const text of [
      ..."2606:4700::1111 2a00:1450::8a 2001:4860:4860::8888 2001:db9::1 3ffe::1".split(" "),
      ..."::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1 8.8.8.8".split(" "),
    ]
  ) assert(open(text), text);
});

Deno.test("access: with no rules, public addresses are open at every port", () => {
  const access = new Access("", "");
  assert(access.permits("8.8.8.8", 25) && access.permits("2606:4700::1111", 443));
  assert(!access.permits("127.0.0.1", 80));
  // A name is no address: it would be looked up again, and might have changed.
  assert(!access.permits("example.com", 80) && !access.permits("", 80));
});

Deno.test("access: what is allowed is open, and nothing else", () => {
  const access = new Access(
    "10.0.0.0/8, 127.0.0.1:8080,[fd00::/8]:443,fd00::/8:442,192.168.0.0/16:8000-8999,fd12::1",
    "",
  );
  const permits = (...list: [string, number][]) => list.map(([a, p]) => access.permits(a, p));
  assertEquals(
    permits(
      ["10.1.2.3", 22],
      ["127.0.0.1", 8080],
      ["::ffff:127.0.0.1", 8080],
      ["fd01::1", 443],
      ["fd01::1", 442],
      ["192.168.1.1", 8999],
      ["fd12::1", 1],
    ),
    [true, true, true, true, true, true, true],
  );
  assertEquals(
    permits(
      ["127.0.0.1", 8081],
      ["127.0.0.2", 8080],
      ["fd01::1", 444],
      ["192.168.1.1", 9000],
      ["172.16.0.1", 80],
    ),
    [false, false, false, false, false],
  );
});

Deno.test("access: what is denied is closed, in every disguise", () => {
  const access = new Access("*", "8.8.8.0/24,*:25,[2606:4700::/32]:80-90");
  for (
    const [address, port, open] of [
      ["8.8.8.8", 53, false],
      ["::ffff:8.8.8.8", 53, false],
      ["64:ff9b::8.8.8.8", 53, false],
      ["8.8.4.4", 53, true],
      ["9.9.9.9", 25, false],
      ["10.0.0.1", 24, true],
      ["2606:4700::1", 85, false],
      ["2606:4700::1", 91, true],
    ] as const
  ) assertEquals(access.permits(address, port), open, `${address} ${port}`);
});

for (
  const list of [
    "10.0.0.0/40",
    "example.com",
    "10.0.0.1:99999",
    "10.0.0.1:9-8",
    "*:",
    "fd00::/200",
  ]
) {
  Deno.test(`access: ${list} is refused`, () => {
    const error = assertThrows(() => new Access("", `1.1.1.1, ${list}`), RangeError);
    assert(error.message.startsWith(`Cannot set --deny to 1.1.1.1, ${list}: ${list} is`));
  });
}
