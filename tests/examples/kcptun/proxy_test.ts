import { assert, assertEquals } from "@std/assert";
import { handshakeFor } from "../../../examples/kcptun/proxy/choose.ts";
import type { Refusal } from "../../../examples/kcptun/proxy/handshake.ts";
import { HttpHandshake } from "../../../examples/kcptun/proxy/http_connect.ts";
import { readRelayed, relayed, Socks5Handshake } from "../../../examples/kcptun/proxy/socks5.ts";
import { Random } from "../../../transport/link/random.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (hex: string) => Uint8Array.fromHex(hex.replaceAll(" ", ""));

/** A greeting, and a request for example.com, port 443. */
const GREETING = bytes("05 02 00 02");
const REQUEST = bytes("05 01 00 03 0b 6578616d706c652e636f6d 01bb");
const WANTED = { command: "connect", hostname: "example.com", port: 443 } as const;

Deno.test("SOCKS5: a client greets, asks, and is answered", () => {
  const handshake = new Socks5Handshake();
  handshake.input(GREETING);
  assertEquals(handshake.takeOutput(), bytes("05 00"));
  assertEquals(handshake.request, null);
  handshake.input(REQUEST);
  assertEquals<unknown>(handshake.request, WANTED);
  assertEquals(handshake.takeOutput().length, 0);
  handshake.accept("192.0.2.7", 1080);
  assertEquals(handshake.takeOutput(), bytes("05 00 00 01 c0000207 0438"));
  assert(!handshake.failed);
});

Deno.test("SOCKS5: bytes may come in any pieces, and data behind the request is kept", () => {
  const all = Uint8Array.of(...GREETING, ...REQUEST, ...encode("GET /"));
  for (let size = 1; size <= all.length; size++) {
    const handshake = new Socks5Handshake();
    let output = "";
    for (let at = 0; at < all.length; at += size) {
      handshake.input(all.subarray(at, at + size));
      output += handshake.takeOutput().toHex();
    }
    assertEquals(output, "0500");
    assertEquals<unknown>(handshake.request, WANTED);
    assertEquals(decode(handshake.rest), "GET /");
  }
});

for (
  const [name, request, hostname, command] of [
    ["IPv4", "05 01 00 01 7f000001 01bb", "127.0.0.1", "connect"],
    ["IPv6", "05 01 00 04 20010db8000000000000000000000001 01bb", "2001:db8::1", "connect"],
    ["datagrams", "05 03 00 01 00000000 01bb", "0.0.0.0", "associate"],
    ["a name of Unicode", "05 01 00 03 04 c3bc2e78 01bb", "ü.x", "connect"],
  ] as const
) {
  Deno.test(`SOCKS5: a request for ${name}`, () => {
    const handshake = new Socks5Handshake();
    handshake.input(GREETING);
    handshake.input(bytes(request));
    assertEquals<unknown>(handshake.request, { command, hostname, port: 443 });
  });
}

for (
  const [name, input, output] of [
    ["no method that is known", "05 01 02", "05 ff"],
    ["no method at all", "05 00", "05 ff"],
    ["BIND", "05 01 00 05 02 00 01 7f000001 01bb", "0500 05 07 00 01 00000000 0000"],
    ["an unknown command", "05 01 00 05 09 00 01 7f000001 01bb", "0500 05 07 00 01 00000000 0000"],
    ["an unknown address", "05 01 00 05 01 00 05 7f000001 01bb", "0500 05 08 00 01 00000000 0000"],
    ["an empty name", "05 01 00 05 01 00 03 00 01bb", "0500 05 01 00 01 00000000 0000"],
    ["a name with a zero", "05 01 00 05 01 00 03 02 6100 01bb", "0500 05 01 00 01 00000000 0000"],
    ["no UTF-8", "05 01 00 05 01 00 03 02 61ff 01bb", "0500 05 01 00 01 00000000 0000"],
    [
      "another version later",
      "05 01 00 04 01 00 01 7f000001 01bb",
      "0500 05 01 00 01 00000000 0000",
    ],
    ["SOCKS4", "04 01 0050 7f000001 00", ""],
  ] as const
) {
  Deno.test(`SOCKS5: ${name} is refused`, () => {
    const handshake = new Socks5Handshake();
    handshake.input(bytes(input));
    assert(handshake.failed);
    assertEquals(handshake.request, null);
    assertEquals(handshake.takeOutput().toHex(), output.replaceAll(" ", ""));
    handshake.input(REQUEST);
    assertEquals(handshake.takeOutput().length, 0);
  });
}

for (
  const [reason, code, status] of [
    ["not allowed", 2, 403],
    ["network unreachable", 3, 502],
    ["host unreachable", 4, 502],
    ["name not found", 4, 502],
    ["connection refused", 5, 502],
    ["timeout", 6, 504],
    ["not supported", 7, 501],
    ["failure", 1, 502],
  ] as const satisfies [Refusal, number, number][]
) {
  Deno.test(`proxy: a request that ends with "${reason}" is answered so`, () => {
    const socks = new Socks5Handshake();
    socks.input(GREETING);
    socks.input(REQUEST);
    socks.takeOutput();
    socks.refuse(reason);
    assertEquals(socks.takeOutput(), Uint8Array.of(5, code, 0, 1, 0, 0, 0, 0, 0, 0));
    assert(socks.failed);
    const http = new HttpHandshake();
    http.input(encode("CONNECT example.com:443 HTTP/1.1\r\n\r\n"));
    http.refuse(reason);
    const [head, body] = decode(http.takeOutput()).split("\r\n\r\n");
    assert(head.startsWith(`HTTP/1.1 ${status} `), head);
    assert(head.includes(`content-length: ${body.length}`) && body.includes(reason));
    assert(http.failed);
  });
}

const HEAD = "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\nX: y\r\n\r\n";

Deno.test("HTTP: bytes may come in any pieces, and data behind the head is kept", () => {
  const all = encode(`${HEAD}\x16\x03\x01`);
  for (let size = 1; size <= all.length; size++) {
    const handshake = new HttpHandshake();
    for (let at = 0; at < all.length; at += size) handshake.input(all.subarray(at, at + size));
    assertEquals<unknown>(handshake.request, WANTED);
    assertEquals(decode(handshake.rest), "\x16\x03\x01");
    assertEquals(handshake.takeOutput().length, 0);
    handshake.accept();
    assertEquals(
      decode(handshake.takeOutput()),
      "HTTP/1.1 200 Connection established\r\n\r\n",
    );
  }
});

for (
  const [head, hostname, port] of [
    ["CONNECT [2001:db8::1]:8443 HTTP/1.1\r\n\r\n", "2001:db8::1", 8443],
    ["CONNECT 127.0.0.1:80 HTTP/1.0\r\n\r\n", "127.0.0.1", 80],
    ["CONNECT a:1 HTTP/1.1\n\n", "a", 1],
  ] as const
) {
  Deno.test(`HTTP: ${JSON.stringify(head)}`, () => {
    const handshake = new HttpHandshake();
    handshake.input(encode(head));
    assertEquals<unknown>(handshake.request, { command: "connect", hostname, port });
  });
}

for (
  const [head, status] of [
    ["GET http://example.com/ HTTP/1.1\r\n\r\n", 405],
    ["CONNECT example.com HTTP/1.1\r\n\r\n", 400],
    ["CONNECT example.com:0 HTTP/1.1\r\n\r\n", 400],
    ["CONNECT example.com:65536 HTTP/1.1\r\n\r\n", 400],
    ["CONNECT :80 HTTP/1.1\r\n\r\n", 400],
    ["CONNECT 2001:db8::1:80 HTTP/1.1\r\n\r\n", 400],
    ["CONNECT a/b:80 HTTP/1.1\r\n\r\n", 400],
    ["CONNECT a:80 HTTP/2\r\n\r\n", 400],
    ["CONNECT  a:80 HTTP/1.1\r\n\r\n", 400],
    ["\r\n\r\n", 400],
    [`CONNECT a:80 HTTP/1.1\r\nx: ${"y".repeat(17_000)}\r\n\r\n`, 431],
    [`CONNECT ${"y".repeat(17_000)}`, 431],
  ] as const
) {
  Deno.test(`HTTP: ${JSON.stringify(head).slice(0, 50)} is refused`, () => {
    const handshake = new HttpHandshake();
    handshake.input(encode(head));
    const output = decode(handshake.takeOutput());
    assert(output.startsWith(`HTTP/1.1 ${status} `), output);
    assertEquals(output.includes("allow: CONNECT"), status === 405);
    assert(handshake.failed && !handshake.request);
  });
}

Deno.test("proxy: the first byte tells the protocol", () => {
  assert(handshakeFor(5) instanceof Socks5Handshake);
  assert(handshakeFor(encode("CONNECT")[0]) instanceof HttpHandshake);
  for (const byte of [0, 4, 0x16, 0x40, 0x5b, 0xff]) assertEquals(handshakeFor(byte), null);
});

Deno.test("proxy: random bytes never throw", () => {
  const random = new Random(2);
  for (let run = 0; run < 3000; run++) {
    const input = random.fill(new Uint8Array(1 + random.below(40)));
    // Near the protocols, so that the deeper rules are reached.
    if (random.chance(0.8)) {
      input.set([5, 1, 0, 5, 1 + random.below(3), 0, 1 + random.below(5)].slice(0, input.length));
    }
    for (const handshake of [new Socks5Handshake(), new HttpHandshake()]) {
      for (let at = 0; at < input.length;) {
        const end = at + 1 + random.below(10);
        handshake.input(input.subarray(at, end));
        at = end;
      }
      assert(handshake.takeOutput().length <= 400);
    }
    readRelayed(input);
  }
});

Deno.test("SOCKS5: the header of datagrams", () => {
  const payload = encode("ping");
  const datagram = relayed({ hostname: "192.0.2.1", port: 53, payload });
  assertEquals(datagram, bytes("000000 01 c0000201 0035 70696e67"));
  assertEquals(readRelayed(datagram), { hostname: "192.0.2.1", port: 53, payload });
  const v6 = relayed({ hostname: "2001:db8::1", port: 53, payload: new Uint8Array() });
  assertEquals(readRelayed(v6)?.hostname, "2001:db8::1");
  const named = bytes("000000 03 01 78 0035 00");
  assertEquals(readRelayed(named)?.hostname, "x");
  // A fragment, reserved bytes, an unknown type, and datagrams that end too early.
  for (
    const hex of ["000001 01 c0000201 0035", "010000 01 c0000201 0035", "000000 02 c0000201 0035"]
  ) {
    assertEquals(readRelayed(bytes(hex)), null, hex);
  }
  for (let end = 0; end < 10; end++) assertEquals(readRelayed(datagram.subarray(0, end)), null);
});
