import { assertEquals, assertThrows } from "@std/assert";
import { AF_INET, AF_INET6 } from "../../../transport/linux/libc.ts";
import {
  decodeSockaddr,
  encodeSockaddr,
  SockaddrCache,
} from "../../../transport/linux/sockaddr.ts";

const hex = (bytes: Uint8Array) => bytes.toHex();
const decode = (bytes: Uint8Array<ArrayBuffer>) => decodeSockaddr(new DataView(bytes.buffer), 0);

Deno.test("sockaddr: IPv4 is family, then port and address in network byte order", () => {
  assertEquals(
    hex(encodeSockaddr("192.0.2.1", 0x1234, AF_INET)),
    "02001234c0000201" + "00".repeat(8),
  );
});

Deno.test("sockaddr: IPv6 is family, port, flow, address and scope", () => {
  assertEquals(
    hex(encodeSockaddr("2001:db8::1%7", 443, AF_INET6)),
    "0a0001bb" + "00000000" + "20010db8000000000000000000000001" + "07000000",
  );
  assertEquals(
    hex(encodeSockaddr("192.0.2.1", 443, AF_INET6)),
    "0a0001bb" + "00000000" + "00000000000000000000ffffc0000201" + "00000000",
  );
});

Deno.test("sockaddr: decoding gives the short form, and IPv4 for a mapped address", () => {
  // RFC 5952 §4: one group of zeros is not shortened, the longest run is, the first of equal ones.
  for (
    const [given, short] of [
      ["::", "[::]:9"],
      ["::1", "[::1]:9"],
      ["2001:DB8:0:0:0:0:0:1", "[2001:db8::1]:9"],
      ["2001:db8:0:1:1:1:1:1", "[2001:db8:0:1:1:1:1:1]:9"],
      ["2001:0:0:1:0:0:0:1", "[2001:0:0:1::1]:9"],
      ["2001:db8:0:0:1:0:0:1", "[2001:db8::1:0:0:1]:9"],
      ["1:2:3:4:5:6:7:8", "[1:2:3:4:5:6:7:8]:9"],
      ["fe80::1%3", "[fe80::1%3]:9"],
      ["::ffff:192.0.2.1", "192.0.2.1:9"],
      ["192.0.2.1", "192.0.2.1:9"],
    ]
  ) {
    assertEquals(decode(encodeSockaddr(given, 9, AF_INET6)), short, given);
  }
  assertEquals(decode(encodeSockaddr("255.0.7.1", 65_535, AF_INET)), "255.0.7.1:65535");
});

Deno.test("sockaddr: an invalid address is refused", () => {
  for (const bad of ["1.2.3", "1.2.3.256", "a.b.c.d", "::1"]) {
    assertThrows(() => encodeSockaddr(bad, 1, AF_INET), TypeError, bad);
  }
  for (const bad of ["1:2:3", "::g", "1:2:3:4:5:6:7:8:9", "::12345"]) {
    assertThrows(() => encodeSockaddr(bad, 1, AF_INET6), TypeError, bad);
  }
});

Deno.test("sockaddr: the cache converts more addresses than it holds", () => {
  const ipv4 = new SockaddrCache(AF_INET);
  const ipv6 = new SockaddrCache(AF_INET6);
  for (let n = 0; n < 10_000; n++) {
    const address = `10.${n & 255}.${n >> 8}.1:${1 + n}`;
    assertEquals(ipv4.decode(new DataView(ipv4.encode(address)!.name.buffer), 0), address);
    const v6 = `[2001:db8::${(n + 1).toString(16)}]:${1 + n}`;
    assertEquals(ipv6.decode(new DataView(ipv6.encode(v6)!.name.buffer), 0), v6);
  }
  assertEquals(ipv4.encode("[::1]:1"), null);
});
