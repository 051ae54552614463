import { assert, assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import { connect, listen, turbo } from "../../../mod.ts";
import { type Bind, connectUdp, listenUdp } from "../../../transport/connection/udp.ts";
import { linux } from "../../../transport/linux.ts";
import { connect as connectNode, listen as listenNode } from "../../../transport/node.ts";
import {
  AddressBook,
  canonical,
  formatAddress,
  hostOf,
  isPortZero,
  localOf,
  normalize,
  parseAddress,
  withLocal,
} from "../../../transport/session/address.ts";
import { ConnectionError } from "../../../transport/session/errors.ts";
import { decode, encode, pattern, WASK, WINS } from "../../kcp/harness.ts";
import { FakeSocket, readExactly } from "../harness.ts";

// --- the forms of an address ---

Deno.test("address: an IP address has one form", () => {
  for (
    const [given, form] of [
      ["127.0.0.1", "127.0.0.1"],
      ["[::1]", "::1"],
      ["0:0:0:0:0:0:0:1", "::1"],
      ["2001:DB8::0:1", "2001:db8::1"],
      ["::ffff:10.0.0.1", "10.0.0.1"],
      ["::FFFF:0a00:1", "10.0.0.1"],
      ["[::ffff:10.0.0.1]", "10.0.0.1"],
      ["FE80::1%eth0", "fe80::1%eth0"],
      ["[fe80::1%4]", "fe80::1%4"],
      ["::", "::"],
      ["0.0.0.0", "0.0.0.0"],
      ["example.com", "example.com"],
      ["127.1", "127.1"], // The resolver decides.
    ]
  ) assertEquals(normalize(given), form, given);
  for (
    const bad of ["1.2.3.256", "01.2.3.4", "::g", "1:2:3", "fe80::1%", "[::1", "1.2.3.4:80", ":"]
  ) assertThrows(() => normalize(bad), TypeError, bad);
});

Deno.test("address: a wildcard stands for the loopback as a destination", () => {
  assertEquals(["0.0.0.0", "::", "::ffff:0.0.0.0", "[::]"].map(canonical), [
    "127.0.0.1",
    "::1",
    "127.0.0.1",
    "::1",
  ]);
});

Deno.test("address: the local address stands in front, and is no part of the peer's", () => {
  for (const local of ["127.0.0.2", "2001:db8::5"]) {
    for (const [hostname, port] of [["10.0.0.1", 80], ["::1", 9], ["fe80::1%4", 65_535]] as const) {
      const address = withLocal(local, formatAddress(hostname, port));
      assertEquals(parseAddress(address), { hostname, port });
      assertEquals(localOf(address), local);
      assertEquals(hostOf(address), hostOf(formatAddress(hostname, port)));
    }
  }
  assertEquals(localOf("10.0.0.1:80"), "");
  assert(isPortZero(withLocal("127.0.0.2", "10.0.0.1:0")));
  assert(!isPortZero("10.0.0.1:10"));
});

Deno.test("address book: an IPv6 socket reports and takes IPv4 peers in the mapped form", () => {
  const book = new AddressBook("::");
  assertEquals(book.peer("::ffff:10.0.0.1", 80), "10.0.0.1:80");
  assertEquals(book.get("10.0.0.1:80").hostname, "::ffff:10.0.0.1");
  assertEquals(book.get("[2001:db8::1]:80").hostname, "2001:db8::1");
  assertEquals(new AddressBook("0.0.0.0").get("10.0.0.1:80").hostname, "10.0.0.1");
});

Deno.test("address book: it adds the zone that the runtime does not tell", () => {
  const book = new AddressBook("::");
  book.zone = "eth0";
  assertEquals(book.peer("fe80::1", 80), "[fe80::1%eth0]:80");
  assertEquals(book.peer("fe80::2%eth1", 80), "[fe80::2%eth1]:80");
  assertEquals(book.peer("2001:db8::1", 80), "[2001:db8::1]:80");
  assertEquals(book.get("[fe80::1%eth0]:80").hostname, "fe80::1%eth0");
});

Deno.test("address book: it converts more addresses than it holds", () => {
  const book = new AddressBook("::");
  for (let n = 0; n < 10_000; n++) {
    const host = `2001:db8::${(n + 1).toString(16)}`;
    assertEquals(book.peer(host, 1 + n), `[${host}]:${1 + n}`);
    assertEquals(book.get(`[${host}]:${1 + n}`).port, 1 + n);
  }
});

// --- connect and listen on a fake socket ---

/** Names that have addresses. */
const NAMES: Record<string, string[]> = {
  both: ["2001:db8::1", "2001:db8::2", "10.0.0.1"],
  v4first: ["10.0.0.1", "10.0.0.2", "2001:db8::1"],
  v4: ["10.0.0.1"],
};

function lookUp(name: string): Promise<string[]> {
  return NAMES[name] ? Promise.resolve(NAMES[name]) : Promise.reject(new Error(`no ${name}`));
}

/** Connects on fake sockets, and gives the addresses that were bound and that the peer has. */
async function dial(
  options: { hostname: string; localHostname?: string; timeout?: number },
  refuse: (host: string) => boolean = () => false,
  silent: (peer: string) => boolean = () => false,
) {
  const bound: string[] = [];
  const sockets: FakeSocket[] = [];
  const bind: Bind = (host, port) => {
    bound.push(host);
    if (refuse(host)) throw new Error(`cannot bind ${host}`);
    const socket = new FakeSocket(formatAddress(host, port));
    sockets.push(socket);
    // The peer answers a question.
    socket.onSend = () => {
      for (const { to, packet } of socket.sent.splice(0)) {
        const [{ cmd, conv }] = decode(packet);
        if (cmd !== WASK || silent(to)) continue;
        queueMicrotask(() => socket.receiver!.packet(encode({ conv, cmd: WINS }), to));
      }
    };
    return socket;
  };
  const conn = await connectUdp({ port: 80, ...options }, bind, lookUp);
  const { hostname } = conn.remoteAddr;
  conn.abort();
  await conn[Symbol.asyncDispose]();
  return { bound, peer: hostname };
}

Deno.test("connect: the local socket has the family of the target", async () => {
  for (
    const [hostname, local, peer] of [
      ["10.0.0.1", "0.0.0.0", "10.0.0.1"],
      ["2001:db8::1", "::", "2001:db8::1"],
      ["[2001:db8::1]", "::", "2001:db8::1"],
      ["::ffff:10.0.0.1", "0.0.0.0", "10.0.0.1"],
      ["[::1]", "::1", "::1"],
      ["127.9.9.9", "127.0.0.1", "127.9.9.9"],
      ["::", "::1", "::1"],
      ["fe80::1%eth0", "::", "fe80::1%eth0"],
      ["localhost", "127.0.0.1", "127.0.0.1"],
      ["both", "::", "2001:db8::1"],
      ["v4first", "0.0.0.0", "10.0.0.1"],
    ]
  ) assertEquals(await dial({ hostname }), { bound: [local], peer }, hostname);
});

Deno.test("connect: an IPv6 wildcard reaches IPv4, and a name has an address of the local family", async () => {
  for (
    const [hostname, localHostname, local, peer] of [
      ["10.0.0.1", "::", "::", "10.0.0.1"],
      ["both", "0.0.0.0", "0.0.0.0", "10.0.0.1"],
      ["v4first", "2001:db8::9", "2001:db8::9", "2001:db8::1"],
      ["both", "[2001:db8::9]", "2001:db8::9", "2001:db8::1"],
      ["::1", "localhost", "::1", "::1"],
      ["127.0.0.1", "localhost", "127.0.0.1", "127.0.0.1"],
      ["fe80::1", "fe80::2%eth0", "fe80::2%eth0", "fe80::1%eth0"],
    ]
  ) {
    assertEquals(
      await dial({ hostname, localHostname }),
      { bound: [local], peer },
      `${hostname} from ${localHostname}`,
    );
  }
});

Deno.test("connect: a family that can't be bound is passed over", async () => {
  const noIpv6 = (host: string) => host.includes(":");
  assertEquals(await dial({ hostname: "both" }, noIpv6), {
    bound: ["::", "0.0.0.0"],
    peer: "10.0.0.1",
  });
  await assertRejects(() => dial({ hostname: "both" }, () => true), Error, "cannot bind ::");
  await assertRejects(() => dial({ hostname: "::1" }, noIpv6), Error, "cannot bind ::1");
});

Deno.test("connect: the addresses of a name are asked in turn until one answers", async () => {
  const from = performance.now();
  const silent = (peer: string) => peer.startsWith("[");
  const { bound, peer } = await dial({ hostname: "both" }, undefined, silent);
  assertEquals([bound, peer], [["::", "0.0.0.0"], "10.0.0.1"]);
  const ms = performance.now() - from;
  assert(ms >= 240 && ms < 2000, `${ms} ms`);
  const error = await assertRejects(
    () => dial({ hostname: "both", timeout: 700 }, undefined, () => true),
    ConnectionError,
    "No address of both answered",
  );
  assertEquals(error.kind, "timeout");
});

Deno.test("connect: addresses that can't work are refused at once, with what is wrong", async () => {
  for (
    const [options, text] of [
      [{ hostname: "" }, "empty"],
      [{ hostname: "10.0.0.1", localHostname: "" }, "empty"],
      [{ hostname: "1.2.3.256" }, "1.2.3.256"],
      [{ hostname: "fe80::1" }, "zone"],
      [{ hostname: "10.0.0.1", localHostname: "::1" }, "Cannot reach 10.0.0.1 from ::1"],
      [{ hostname: "::1", localHostname: "127.0.0.1" }, "Cannot reach ::1 from 127.0.0.1"],
      [{ hostname: "v4", localHostname: "2001:db8::9" }, "Cannot reach 10.0.0.1"],
    ] as const
  ) await assertRejects(() => dial(options), TypeError, text);
  await assertRejects(() => dial({ hostname: "nowhere" }), Error, "no nowhere");
});

Deno.test("connect: a socket of the application in the wrong family is closed", async () => {
  for (const [own, hostname] of [["10.0.0.9:9", "::1"], ["[::1]:9", "10.0.0.1"]]) {
    const socket = new FakeSocket(own);
    await assertRejects(
      () => connectUdp({ hostname, port: 80 }, () => socket, lookUp),
      TypeError,
      "Cannot reach",
    );
    assert(socket.closed);
  }
});

Deno.test("listen: names and all forms of an address are bound", async () => {
  for (
    const [hostname, expected] of [
      ["[::1]", ["::1"]],
      ["::ffff:10.0.0.1", ["10.0.0.1"]],
      ["localhost", ["127.0.0.1"]],
      ["both", ["2001:db8::1", "10.0.0.1"]],
      ["fe80::1%eth0", ["fe80::1%eth0"]],
    ] as const
  ) {
    const bound: string[] = [];
    const bind: Bind = (host, port, purpose) => {
      assertEquals(purpose, "listen");
      bound.push(host);
      if (host === "2001:db8::1") throw new Error("not an address of this host");
      return new FakeSocket(formatAddress(host, port));
    };
    const listener = await listenUdp({ hostname }, bind, lookUp);
    listener.close();
    await listener.closed;
    assertEquals(bound, [...expected]);
  }
  const bind: Bind = () => new FakeSocket();
  await assertRejects(() => listenUdp({ hostname: "" }, bind, lookUp), TypeError, "empty");
  await assertRejects(() => listenUdp({ hostname: "fe80::1" }, bind, lookUp), TypeError, "zone");
});

// --- connect and listen on real sockets ---

for (
  const [name, open] of [
    ["Deno", { connect, listen, bind: undefined }],
    ["node:dgram", { connect: connectNode, listen: listenNode, bind: undefined }],
    ["linux", { connect, listen, bind: linux() }],
  ] as const
) {
  const ignore = name === "linux" && Deno.build.os !== "linux";

  Deno.test({
    name: `addresses on ${name}: other forms of the loopback address work`,
    ignore,
    sanitizeOps: true,
    sanitizeResources: true,
    async fn() {
      for (
        const [own, target, seen] of [
          ["127.0.0.1", "::ffff:127.0.0.1", "127.0.0.1"],
          ["localhost", "127.0.0.1", "127.0.0.1"],
          ["[::1]", "0:0::1", "::1"],
          ["::1", "[::1]", "::1"],
        ]
      ) {
        const { bind } = open;
        const listener = await open.listen({ hostname: own, bind, ...turbo });
        const { port } = listener.addr;
        const conn = await open.connect({ hostname: target, port, bind, ...turbo });
        assertEquals(conn.remoteAddr.hostname, seen);
        await conn.write(pattern(9));
        const server = await listener.accept();
        await server.write(await readExactly(server, 9));
        assertEquals(await readExactly(conn, 9), pattern(9));
        for (const it of [conn, server]) it.abort();
        await conn[Symbol.asyncDispose]();
        listener.close();
        await listener.closed;
      }
    },
  });

  Deno.test({
    name: `addresses on ${name}: what can't work is refused within a second`,
    ignore,
    sanitizeOps: true,
    sanitizeResources: true,
    async fn() {
      const start = performance.now();
      const { bind } = open;
      for (
        const options of [
          { hostname: "" },
          { hostname: "127.0.0.1", localHostname: "::1" },
          { hostname: "::1", localHostname: "127.0.0.1" },
          { hostname: "fe80::1" },
          { hostname: "::g" },
        ]
      ) {
        await assertRejects(() => open.connect({ ...options, port: 9, bind }), TypeError);
        if (!options.localHostname) {
          await assertRejects(() => open.listen({ ...options, bind }), TypeError);
        }
      }
      assertLess(performance.now() - start, 1000);
    },
  });
}

Deno.test({
  name: "addresses on linux: a zone is a network of this host, by name or number",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const bind = linux();
    for (const zone of ["nope", "999999", "a-name-that-is-too-long", "99999999999999"]) {
      const hostname = `fe80::1%${zone}`;
      await assertRejects(() => connect({ hostname, port: 9, bind }), TypeError, zone);
      await assertRejects(() => listen({ hostname, bind }), TypeError, zone);
    }
    for (const zone of ["lo", "1"]) {
      const conn = await connect({ hostname: `fe80::1%${zone}`, port: 9, bind });
      assertEquals(conn.remoteAddr.hostname, "fe80::1%1");
      conn.abort();
      await conn[Symbol.asyncDispose]();
    }
  },
});

Deno.test({
  name: "addresses on linux: a socket on :: reaches IPv4, and hears it under the same address",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const bind = linux();
    await using listener = await listen({ hostname: "::", bind, ...turbo });
    const { port } = listener.addr;
    const conn = await connect({
      hostname: "127.0.0.1",
      localHostname: "::",
      port,
      bind,
      ...turbo,
    });
    await conn.write(pattern(9));
    const server = await listener.accept();
    assertEquals(server.remoteAddr.hostname, "127.0.0.1");
    await server.write(await readExactly(server, 9));
    assertEquals(await readExactly(conn, 9), pattern(9));
    for (const it of [conn, server]) it.abort();
    await conn[Symbol.asyncDispose]();
  },
});
