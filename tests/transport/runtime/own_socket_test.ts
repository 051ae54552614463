import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { connect, listen } from "../../../mod.ts";
import { connect as connectDeno, deno, listen as listenDeno } from "../../../transport/deno.ts";
import { connectMux } from "../../../transport/mux.ts";
import { NodeSocket } from "../../../transport/node.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";

/** Calls `call` while globals have other values: those of another runtime. */
async function under<T>(globals: Record<string, unknown>, call: () => Promise<T>): Promise<T> {
  const before = Object.keys(globals).map((name) =>
    [name, Object.getOwnPropertyDescriptor(globalThis, name)!] as const
  );
  for (const [name, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  try {
    return await call();
  } finally {
    for (const [name, descriptor] of before) Object.defineProperty(globalThis, name, descriptor);
  }
}

const { process } = globalThis as unknown as {
  process: { getBuiltinModule(name: string): unknown };
};
/** Without its own global, Deno has what Node.js has. */
const NODE = { Deno: undefined };
const BROWSER = { Deno: undefined, process: undefined };
/** A page whose bundler imitates `process`. */
const POLYFILLED = { Deno: undefined, process: { versions: {}, browser: true, env: {} } };
const WORKERD = {
  Deno: undefined,
  process: { getBuiltinModule: process.getBuiltinModule, versions: { node: "22.23.4" } },
  navigator: { userAgent: "Cloudflare-Workers" },
};

Deno.test("runtime: Node.js: the root entry opens sockets of node:dgram", async () => {
  const listener = await under(NODE, () => listen({ hostname: "127.0.0.1" }));
  const { port } = listener.addr;
  const conn = await under(NODE, () => connect({ hostname: "localhost", port }));
  for (const end of [listener, conn]) {
    assertEquals(end.adapter, "node");
    assertInstanceOf(end.socket, NodeSocket, "the class of /node");
  }
  await conn.write(new TextEncoder().encode("hello"));
  const server = await listener.accept();
  assertEquals(await server.read(new Uint8Array(10)), 5);
  for (const end of [server, conn]) end.abort();
  listener.close();
  await Promise.allSettled([server.closed, conn.closed, listener.closed]);
});

Deno.test("runtime: Node.js: names are looked up", async () => {
  const asked: unknown[] = [];
  const lookup = (...args: unknown[]) => {
    asked.push(args);
    return Promise.resolve([{ address: "127.0.0.1", family: 4 }]);
  };
  const getBuiltinModule = (name: string) =>
    name === "node:dns/promises" ? { lookup } : process.getBuiltinModule(name);
  const globals = { Deno: undefined, process: { versions: { node: "22.3.0" }, getBuiltinModule } };
  const conn = await under(globals, () => connect({ hostname: "example.com", port: 1 }));
  assertEquals(asked, [["example.com", { all: true }]]);
  assertEquals(conn.remoteAddr.hostname, "127.0.0.1");
  assertEquals(conn.adapter, "node");
  conn.abort();
});

for (
  const [name, globals] of Object.entries({
    "a page": BROWSER,
    "a page with an imitation of process": POLYFILLED,
    "a worker of Cloudflare": WORKERD,
  })
) {
  Deno.test(`runtime: ${name}: the error says what to import`, async () => {
    const dials: (() => Promise<unknown>)[] = [
      () => connect({ port: 1 }),
      () => connectMux({ port: 1 }),
    ];
    for (const dial of dials) {
      const error = await assertRejects(() => under(globals, dial), Error, "Cannot connect:");
      for (const entry of ["/webtransport", "/webrtc", "/transport"]) {
        assert(error.message.includes(`"@lowlatency/kcp${entry}"`), error.message);
      }
    }
    await assertRejects(
      () => under(globals, () => listen()),
      Error,
      'Cannot listen: this runtime has no UDP sockets; use "@lowlatency/kcp/webrtc", or listenOn of',
    );
  });
}

Deno.test("runtime: where names can't be looked up, addresses and `bind` still work", async () => {
  const network = new SimulatedNetwork();
  const peer = network.listen({ hostname: "10.0.0.1", port: 80 });
  const bind = () => peer.socket;
  await assertRejects(
    () => under(BROWSER, () => connect({ hostname: "example.com", port: 1, bind })),
    Error,
    "Cannot look up example.com",
  );
  const conn = await under(BROWSER, () => connect({ hostname: "10.0.0.2", port: 1, bind }));
  assertEquals(conn.remoteAddr.hostname, "10.0.0.2");
  conn.abort();
  peer.close();
});

Deno.test("runtime: a Node.js that is too old gets the entry for it", async () => {
  const old = { Deno: undefined, process: { versions: { node: "20.10.0" } } };
  const opens: (() => Promise<unknown>)[] = [() => connect({ port: 1 }), () => listen()];
  for (const open of opens) {
    const error = await assertRejects(() => under(old, open), Error, "needs Node.js 20.16, 22.3");
    assert(error.message.includes('"@lowlatency/kcp/node"'), error.message);
  }
});

Deno.test("runtime: the entry of Deno names the right one elsewhere", async () => {
  const expected = "this runtime is not Deno; import { listen } from";
  await assertRejects(() => under(NODE, () => listenDeno()), Error, expected);
  await assertRejects(() => under(NODE, () => listen({ bind: deno() })), Error, expected);
  await assertRejects(
    () => under(BROWSER, () => connectDeno({ port: 1 })),
    Error,
    'import { connect } from "@lowlatency/kcp"',
  );
});

Deno.test("runtime: Deno: nothing of Node.js is used for an address", async () => {
  const listener = await under({ process: undefined }, () => listen({ hostname: "127.0.0.1" }));
  assert(["deno", "linux"].includes(listener.adapter), listener.adapter);
  listener.close();
  await listener.closed;
});

Deno.test("runtime: Deno without --unstable-net: the error names the flag", async () => {
  const globals = { Deno: { version: Deno.version } };
  const opens: (() => Promise<unknown>)[] = [() => connect({ port: 1 }), () => listen()];
  for (const open of opens) {
    await assertRejects(() => under(globals, open), Error, "--unstable-net");
  }
});
