import { assert, assertEquals, assertRejects } from "@std/assert";
import { Access } from "../../../examples/kcptun/proxy/access.ts";
import { openDestination, type ProxyOptions } from "../../../examples/kcptun/proxy/serve.ts";
import { End, settle, Timers } from "./end.ts";

const GREETING = "050100";
/** A request for a name. */
const ask = (name: string, port = 80) =>
  `05010003${name.length.toString(16).padStart(2, "0")}${new TextEncoder().encode(name).toHex()}` +
  port.toString(16).padStart(4, "0");
const bytes = (hex: string) => Uint8Array.fromHex(hex);

/** A proxy in a network that a test plays. */
class World {
  readonly timers = new Timers();
  readonly dialled: string[] = [];
  readonly client = new End();
  readonly far = new End();
  readonly options: ProxyOptions;

  constructor(more: Partial<ProxyOptions> = {}) {
    this.options = {
      access: new Access("", ""),
      lookUp: (name) =>
        name === "example.com"
          ? Promise.resolve(["2606:4700::1", "93.184.215.14"])
          : name === "mixed"
          ? Promise.resolve(["10.0.0.1", "93.184.215.14", "::1"])
          : name === "inside"
          ? Promise.resolve(["127.0.0.1", "fd00::1"])
          : Promise.reject(new Error("no such name")),
      dial: (address, port) => {
        this.dialled.push(`${address} ${port}`);
        return Promise.resolve({ end: this.far, hostname: "192.0.2.1", port: 1000 });
      },
      requestTimeout: 30_000,
      dialTimeout: 10_000,
      later: this.timers.later,
      ...more,
    };
  }

  open() {
    return openDestination(this.client, this.options);
  }

  /** What the client was told, in hexadecimal. */
  get told(): string {
    return Uint8Array.from(this.client.written).toHex();
  }
}

Deno.test("proxy: a name is looked up, and its address is used", async () => {
  const world = new World();
  world.client.push(bytes(GREETING), bytes(ask("example.com", 443)));
  const opened = await world.open();
  assertEquals(opened?.end, world.far);
  assertEquals(opened?.request.hostname, "example.com");
  assertEquals(world.dialled, ["2606:4700::1 443"]);
  assertEquals(world.told, "0500" + "050000" + "01c0000201" + "03e8");
  assertEquals(world.timers.due, []);
});

Deno.test("proxy: data behind the request goes to the destination", async () => {
  const world = new World();
  world.client.push(
    new TextEncoder().encode("CONNECT example.com:443 HTTP/1.1\r\n\r\nhello"),
  );
  await world.open();
  assertEquals(new TextDecoder().decode(Uint8Array.from(world.far.written)), "hello");
  assert(
    new TextDecoder().decode(Uint8Array.from(world.client.written)).startsWith("HTTP/1.1 200 "),
  );
});

Deno.test("proxy: of several addresses, only those that are open are tried", async () => {
  const world = new World();
  world.client.push(bytes(GREETING), bytes(ask("mixed")));
  await world.open();
  assertEquals(world.dialled, ["93.184.215.14 80"]);
});

for (
  const [name, code] of [
    ["inside", 2],
    ["127.0.0.1", 2],
    ["::1", 2],
    ["169.254.169.254", 2],
    ["::ffff:10.0.0.1", 2],
    // What no address is, is a name, even if the system would take it for 127.0.0.1.
    ["2130706433", 4],
    ["nowhere", 4],
  ] as const
) {
  Deno.test(`proxy: ${name} is not reached`, async () => {
    const world = new World();
    world.client.push(bytes(GREETING), bytes(ask(name)));
    await assertRejects(() => world.open(), Error);
    assertEquals(world.told, `0500${`050${code}0001000000000000`}`);
    assertEquals(world.dialled, []);
    assertEquals(world.client.events, ["close"]);
  });
}

Deno.test("proxy: a destination inside that is allowed is reached", async () => {
  const world = new World({ access: new Access("127.0.0.1:80", "") });
  world.client.push(bytes(GREETING), bytes(ask("inside")));
  await world.open();
  assertEquals(world.dialled, ["127.0.0.1 80"]);
});

Deno.test("proxy: the next address is tried when one fails or does not answer", async () => {
  const world: World = new World({
    dial: (address) => {
      world.dialled.push(address);
      if (world.dialled.length === 1) return new Promise(() => {});
      return Promise.resolve({ end: world.far, hostname: "::1", port: 1 });
    },
  });
  world.client.push(bytes(GREETING), bytes(ask("example.com")));
  const opening = world.open();
  await settle();
  assertEquals(world.timers.due.map(({ delay }) => delay), [10_000]);
  world.timers.due[0].run();
  await opening;
  assertEquals(world.dialled, ["2606:4700::1", "93.184.215.14"]);
});

for (
  const [error, code] of [
    [new Deno.errors.ConnectionRefused("refused"), 5],
    [new Deno.errors.TimedOut("slow"), 6],
    [Object.assign(new Error("no route"), { code: "ENETUNREACH" }), 3],
    [Object.assign(new Error("no host"), { code: "EHOSTUNREACH" }), 4],
    [new Error("something else"), 1],
  ] as const
) {
  Deno.test(`proxy: the client is told about "${error.message}"`, async () => {
    const world = new World({ dial: () => Promise.reject(error) });
    world.client.push(bytes(GREETING), bytes(ask("example.com")));
    await assertRejects(() => world.open(), Error, error.message);
    assertEquals(world.told.slice(4, 8), `050${code}`);
  });
}

Deno.test("proxy: a connection that comes too late is closed", async () => {
  let arrive: () => void = () => {};
  const world: World = new World({
    lookUp: () => Promise.resolve(["93.184.215.14"]),
    dial: () =>
      new Promise((resolve) => {
        arrive = () => resolve({ end: world.far, hostname: "::1", port: 1 });
      }),
  });
  world.client.push(bytes(GREETING), bytes(ask("example.com")));
  const opening = assertRejects(() => world.open(), Error, "10000 ms");
  await settle();
  world.timers.due[0].run();
  await opening;
  assertEquals(world.told.slice(4, 8), "0506");
  arrive();
  await settle();
  assertEquals(world.far.events, ["abort"]);
});

Deno.test("proxy: a client that sends no request in time is gone", async () => {
  const world = new World();
  world.client.push(bytes(GREETING));
  const opening = assertRejects(() => world.open(), Error, "no request in time");
  await settle();
  assertEquals(world.timers.due.map(({ delay }) => delay), [30_000]);
  world.timers.due[0].run();
  await opening;
});

Deno.test("proxy: clients that ask for nothing are closed", async () => {
  for (
    const [input, told] of [
      ["160301", ""],
      ["05010203", "05ff"],
      ["", ""],
      [`${GREETING}05030001000000000000`, "050005070001000000000000"],
    ]
  ) {
    const world = new World();
    world.client.push(bytes(input), null);
    assertEquals(await world.open(), null);
    assertEquals(world.told, told);
    assertEquals(world.client.events, ["close"]);
    assertEquals(world.timers.due, []);
  }
});

Deno.test("proxy: when the client is gone, the destination is let go", async () => {
  const world = new World();
  world.client.push(bytes(GREETING), bytes(ask("example.com")));
  let dialled = false;
  const { dial } = world.options;
  const options = {
    ...world.options,
    dial: (address: string, port: number) => {
      dialled = true;
      world.client.writeError = new Error("gone");
      return dial(address, port);
    },
  };
  await assertRejects(() => openDestination(world.client, options), Error, "gone");
  assert(dialled);
  assertEquals(world.far.events, ["abort"]);
});
