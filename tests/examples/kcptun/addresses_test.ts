import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  drawPort,
  formatAddress,
  parsePortRange,
  parseStreamAddress,
} from "../../../examples/kcptun/addresses.ts";
import { Random } from "../../../transport/link/random.ts";

const remote = { flag: "--remoteaddr", listens: false };
const local = { flag: "--listen", listens: true };

for (
  const [text, hostname, first, last] of [
    ["example.com:2000", "example.com", 2000, 2000],
    ["example.com:2000-2005", "example.com", 2000, 2005],
    ["0.0.0.0:1-65535", "0.0.0.0", 1, 65_535],
    ["[::1]:29900-29999", "::1", 29_900, 29_999],
    ["[fe80::1%eth0]:1", "fe80::1%eth0", 1, 1],
    ["vps:00080", "vps", 80, 80],
  ] as const
) {
  Deno.test(`addresses: ${text}`, () => {
    assertEquals(parsePortRange(text, remote), { hostname, first, last });
  });
}

Deno.test("addresses: one to listen on may lack the host, and may have port 0", () => {
  assertEquals(parsePortRange(":29900", local), { hostname: "", first: 29_900, last: 29_900 });
  assertEquals(parsePortRange("127.0.0.1:0", local).last, 0);
});

for (
  const [text, reason] of [
    ["example.com", "HOST:PORT"],
    ["", "HOST:PORT"],
    [":29900", "the host is missing"],
    ["example.com:0", "1 to 65535"],
    ["example.com:70000", "1 to 65535"],
    ["example.com:3000-2000", "first port"],
    ["example.com:65534-70000", "1 to 65535"],
    ["example.com:0-9", "1 to 65535"],
    ["example.com:80abc", "HOST:PORT"],
    ["example.com:80-", "HOST:PORT"],
    ["example.com:-80", "HOST:PORT"],
    ["::1:29900", "brackets"],
    ["[::1]", "brackets"],
    ["a]b:1", "brackets"],
  ] as const
) {
  Deno.test(`addresses: ${JSON.stringify(text)} is refused: ${reason}`, () => {
    const error = assertThrows(() => parsePortRange(text, remote), RangeError);
    assert(error.message.startsWith(`Cannot set --remoteaddr to ${text}: `), error.message);
    assert(error.message.includes(reason), error.message);
  });
}

Deno.test("addresses: port 0 is no range", () => {
  assertThrows(() => parsePortRange(":0-5", local), RangeError, "1 to 65535");
});

Deno.test("addresses: TCP and Unix sockets", () => {
  const rules = { flag: "--target", listens: false };
  assertEquals(parseStreamAddress("127.0.0.1:80", rules), {
    transport: "tcp",
    hostname: "127.0.0.1",
    port: 80,
  });
  for (const path of ["/run/target.sock", "target.sock", "./a:b", "/tmp/a:80"]) {
    assertEquals(parseStreamAddress(path, rules), { transport: "unix", path });
  }
  for (const text of ["", "host:http", "host:1-2"]) {
    assertThrows(() => parseStreamAddress(text, rules), RangeError, "Cannot set --target to");
  }
});

Deno.test("addresses: each port of a range is drawn, equally often", () => {
  const random = new Random(5);
  const range = { hostname: "", first: 100, last: 106 };
  const counts = new Map<number, number>();
  for (let i = 0; i < 7000; i++) {
    const port = drawPort(range, () => random.uint32());
    counts.set(port, (counts.get(port) ?? 0) + 1);
  }
  assertEquals([...counts.keys()].sort(), [100, 101, 102, 103, 104, 105, 106]);
  for (const count of counts.values()) assert(count > 850 && count < 1150, `${count}`);
  // 2^32 - 1 is alone in an incomplete run of three: it is not taken.
  const numbers = [2 ** 32 - 1, 8];
  assertEquals(drawPort({ hostname: "", first: 10, last: 12 }, () => numbers.shift()!), 12);
  assertEquals(numbers, []);
});

Deno.test("addresses: as texts", () => {
  assertEquals(formatAddress("::1", 5), "[::1]:5");
  assertEquals(formatAddress("127.0.0.1", 5), "127.0.0.1:5");
});
