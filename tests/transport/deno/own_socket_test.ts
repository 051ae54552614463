/**
 * Which sockets `listen` and `connect` open by themselves. The tests run with few permissions, so
 * they replace what Deno says about them. tests/interop/permissions_test.ts has the real flags.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { connect, type Connection, listen, type ListenOptions, turbo } from "../../../mod.ts";
import { mayUseLinux } from "../../../transport/deno/own_socket.ts";
import { deno } from "../../../transport/deno.ts";
import { linux } from "../../../transport/linux.ts";
import { openIfAvailable } from "../../../transport/linux/open_if_available.ts";
import { Libc } from "../../../transport/linux/libc.ts";
import { listen as listenNode } from "../../../transport/node.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { pattern } from "../../kcp/harness.ts";
import { FakeSocket, readExactly, writeAll } from "../harness.ts";

const onLinux = Deno.build.os === "linux";
const V4 = "127.0.0.1";

type Status = { state: string; partial?: boolean };
const GRANTED: Status = { state: "granted" };
const PARTIAL: Status = { state: "granted", partial: true };
const PROMPT: Status = { state: "prompt" };
const DENIED: Status = { state: "denied" };

/** Replaces members of objects until it is disposed. */
class Replaced implements Disposable {
  readonly #restore: (() => void)[] = [];

  set(target: object, name: string, value: unknown): this {
    const before = Object.getOwnPropertyDescriptor(target, name);
    Object.defineProperty(target, name, { value, configurable: true, writable: true });
    this.#restore.push(() => {
      if (before) Object.defineProperty(target, name, before);
      else delete (target as Record<string, unknown>)[name];
    });
    return this;
  }

  [Symbol.dispose](): void {
    for (const restore of this.#restore.splice(0).reverse()) restore();
  }
}

/** Lets Deno say what is granted. */
function grant(states: { ffi: Status; net: Status }): Replaced {
  const querySync = ({ name }: { name: "ffi" | "net" }) => states[name] ?? PROMPT;
  return new Replaced().set(Deno.permissions, "querySync", querySync);
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const grantAll = () => grant({ ffi: GRANTED, net: GRANTED });

/** Sends bytes to a listener and back, and tells the kinds of both sockets. */
async function echo(
  listening: ListenOptions,
  dialling: { hostname?: string; bind?: ListenOptions["bind"] } = {},
  size = 100_000,
): Promise<string[]> {
  const hostname = listening.hostname ?? V4;
  await using listener = await listen({ hostname, ...turbo, ...listening });
  const { port } = listener.addr;
  await using client = await connect({ hostname, ...turbo, ...dialling, port });
  const sending = writeAll(client, pattern(size));
  const server = await listener.accept();
  assertEquals(await readExactly(server, size), pattern(size));
  await sending;
  await server.write(pattern(9, 3));
  assertEquals(await readExactly(client, 9), pattern(9, 3));
  const adapters = [listener.adapter, server.adapter, client.adapter];
  client.abort();
  server.abort();
  return adapters;
}

/** The kinds of sockets that `listen` and `connect` open. Nothing is sent. */
async function opened(
  listening: ListenOptions = {},
  dialling: { bind?: ListenOptions["bind"] } = {},
): Promise<string[]> {
  await using listener = await listen({ hostname: V4, ...listening });
  await using client = await connect({ port: listener.addr.port, ...dialling });
  client.abort();
  return [listener.adapter, client.adapter];
}

/** A test that fails when it leaves a socket, a timer or an operation behind. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, ignore: !onLinux, sanitizeOps: true, sanitizeResources: true });
}

Deno.test("own socket: FFI and the net must both be granted, without limits, on Linux", () => {
  const states = [GRANTED, PARTIAL, PROMPT, DENIED];
  for (const os of ["linux", "darwin", "windows", "android", "freebsd"]) {
    for (const ffi of states) {
      for (const net of states) {
        const asked: string[] = [];
        const querySync = ({ name }: { name: "ffi" | "net" }) => {
          asked.push(name);
          return { ffi, net }[name];
        };
        const expected = os === "linux" && ffi === GRANTED && net === GRANTED;
        const text = `${os} ${JSON.stringify([ffi, net])}`;
        assertEquals(mayUseLinux({ build: { os }, permissions: { querySync } }), expected, text);
        if (expected) assertEquals(asked.sort(), ["ffi", "net"]);
      }
    }
  }
  assertEquals(mayUseLinux({}), false);
  assertEquals(mayUseLinux({ build: { os: "linux" } }), false);
});

for (const hostname of [V4, "::1", "localhost"]) {
  test(`own socket: with everything granted it is one of Linux, on ${hostname}`, async () => {
    using _ = grantAll();
    assertEquals(await echo({ hostname }), ["linux", "linux", "linux"]);
  });
}

test("own socket: with everything granted, fifty connections have one listener", async () => {
  using _ = grantAll();
  await using listener = await listen({ hostname: V4, ...turbo });
  const { port } = listener.addr;
  const clients = await Promise.all(
    Array.from({ length: 50 }, () => connect({ port, ...turbo })),
  );
  for (const [i, client] of clients.entries()) await client.write(pattern(1000, i));
  const servers: Connection[] = [];
  while (servers.length < 50) servers.push(await listener.accept());
  for (const server of servers) await server.write(await readExactly(server, 1000));
  for (const [i, client] of clients.entries()) {
    assertEquals(await readExactly(client, 1000), pattern(1000, i));
  }
  for (const conn of [...clients, ...servers]) conn.abort();
  await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
});

for (
  const [what, states] of Object.entries({
    "FFI is not granted": { ffi: PROMPT, net: GRANTED },
    "FFI is denied": { ffi: DENIED, net: GRANTED },
    "FFI is granted for some libraries": { ffi: PARTIAL, net: GRANTED },
    "the net is granted for some hosts": { ffi: GRANTED, net: PROMPT },
    "the net is granted but for some hosts": { ffi: GRANTED, net: PARTIAL },
  })
) {
  test(`own socket: it is Deno's, and FFI is not touched, when ${what}`, async () => {
    using replaced = grant(states);
    const forbidden = (name: string) => () => {
      throw new Error(`${name} was called`);
    };
    replaced.set(Deno, "dlopen", forbidden("Deno.dlopen"));
    for (const name of ["request", "requestSync"]) {
      replaced.set(Deno.permissions, name, forbidden(name));
    }
    assertEquals(await opened(), ["deno", "deno"]);
  });
}

test("own socket: what Deno really grants here is limited to the loopback, so it is Deno's", async () => {
  const { state, partial } = Deno.permissions.querySync({ name: "net" });
  if (state === "granted" && !partial) return; // The tests run with more than their task gives.
  assertEquals(await opened(), ["deno", "deno"]);
});

test("own socket: `bind` chooses, whatever is granted", async () => {
  const all = grantAll();
  assertEquals(await opened({ bind: deno() }, { bind: deno() }), ["deno", "deno"]);
  assertEquals(await opened({ bind: deno() }), ["deno", "linux"]);
  assertEquals(await echo({}, { bind: deno() }), ["linux", "linux", "deno"]);
  all[Symbol.dispose]();
  using _ = grant({ ffi: PROMPT, net: PROMPT });
  assertEquals(await opened({ bind: linux() }), ["linux", "deno"]);
});

Deno.test("adapter: it tells the kind of every other socket, too", async () => {
  const own = await listen({ bind: () => new FakeSocket() });
  const node = await listenNode({ hostname: V4 });
  const simulated = new SimulatedNetwork({ seed: 1 }).listen({ hostname: "10.0.0.1", port: 80 });
  assertEquals([own, node, simulated].map(({ adapter }) => adapter), ["own", "node", "simulated"]);
  for (const listener of [own, node, simulated]) listener.close();
  await node.closed;
});

// --- where the system calls can't be had ---

/** `Deno.dlopen` whose libraries lack what some functions do. */
function dlopenWith(functions: Record<string, () => unknown>): typeof Deno.dlopen {
  const real = Deno.dlopen;
  return ((path: string, symbols: Record<string, Deno.ForeignFunction>) => {
    const library = real(path, symbols);
    return { symbols: { ...library.symbols, ...functions }, close: () => library.close() };
  }) as unknown as typeof Deno.dlopen;
}

/** The lowest free descriptor. It grows when a test leaves a descriptor open. */
function lowestFree(): number {
  const libc = Libc.acquire();
  const fd = libc.symbols.eventfd(0, 0);
  libc.symbols.close(fd);
  libc.release();
  return fd;
}

test("own socket: it is Deno's, without a word, where libc can't be opened", async () => {
  using replaced = grantAll();
  replaced.set(Deno, "dlopen", () => {
    throw new Error("Could not open library: libc.so.6: cannot open shared object file");
  });
  assertEquals(await opened(), ["deno", "deno"]);
});

for (const name of ["epoll_create1", "eventfd", "epoll_ctl"]) {
  test(`own socket: it is Deno's, and nothing stays open, where ${name} fails`, async () => {
    using replaced = grantAll();
    const before = lowestFree();
    replaced.set(Deno, "dlopen", dlopenWith({ [name]: () => -1 }));
    assertEquals(openIfAvailable(V4, 0, true), null);
    {
      await using listener = await listen({ hostname: V4 });
      assertEquals(listener.adapter, "deno");
    }
    replaced[Symbol.dispose]();
    // Deno may close its own socket a little later.
    for (let tries = 0; lowestFree() > before && tries < 100; tries++) await pause(5);
    assertEquals(lowestFree(), before, "a descriptor stayed open");
  });
}

test("own socket: it is Deno's on another architecture", async () => {
  using replaced = grantAll();
  replaced.set(Deno, "build", { ...Deno.build, arch: "riscv64" });
  assertEquals(await opened(), ["deno", "deno"]);
});

test("own socket: with everything granted, --unstable-net is not needed", async () => {
  using replaced = grantAll();
  replaced.set(Deno, "listenDatagram", undefined);
  assertEquals(await echo({}), ["linux", "linux", "linux"]);
  // Where the system calls can't be had, the error names the flag.
  replaced.set(Deno, "dlopen", () => {
    throw new Error("Could not open library");
  });
  for (const open of [() => listen({ hostname: V4 }), () => connect({ port: 9 })]) {
    const error = await assertRejects(open, Error);
    assert(error.message.includes("--unstable-net"), error.message);
  }
});

// --- errors ---

/** The class and the code of what an attempt rejects with. */
async function errorOf(attempt: () => Promise<unknown>): Promise<[unknown, unknown]> {
  const error = await assertRejects(attempt, Error);
  return [error.constructor, (error as { code?: string }).code];
}

test("own socket: its errors have the class and the code that Deno's sockets give", async () => {
  await using listener = await listen({ hostname: V4 });
  const { port } = listener.addr;
  const { errors } = Deno;
  for (
    const [expected, attempt] of [
      [[errors.AddrInUse, "EADDRINUSE"], { hostname: V4, port }],
      // An address of TEST-NET-1 (RFC 5737) is no host's, and neither is one of 2001:db8::/32.
      [[errors.AddrNotAvailable, "EADDRNOTAVAIL"], { hostname: "192.0.2.1" }],
      [[errors.AddrNotAvailable, "EADDRNOTAVAIL"], { hostname: "2001:db8::1" }],
    ] as const
  ) {
    for (const bind of [linux(), undefined]) {
      using _ = grantAll();
      assertEquals(await errorOf(() => listen({ ...attempt, bind })), [...expected]);
      const { hostname: localHostname, port: localPort } = { port: 0, ...attempt };
      const hostname = localHostname.includes(":") ? "::1" : V4;
      const options = { hostname, port: 9, localHostname, localPort, bind };
      assertEquals(await errorOf(() => connect(options)), [...expected]);
    }
  }
  // Of Deno's errors, this one shows itself with the permissions of these tests.
  const attempt = () => listen({ hostname: V4, port, bind: deno() });
  assertEquals(await errorOf(attempt), [errors.AddrInUse, "EADDRINUSE"]);
});

test("own socket: a name without an address is the same error for both kinds", async () => {
  const attempt = () => listen({ hostname: "no-such-host.invalid" });
  const plain = await errorOf(attempt);
  using _ = grantAll();
  assertEquals(await errorOf(attempt), plain);
});
