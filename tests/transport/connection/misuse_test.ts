/** Options and arguments of the wrong type: refused at once, with a message that names the value. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { connect, type ConnectOptions, listen, type ListenOptions } from "../../../mod.ts";
import { reasonWords, shown } from "../../../transport/session/shown.ts";
import { DataChannelSocket } from "../../../transport/webrtc.ts";
import * as webTransport from "../../../transport/webtransport.ts";
import { Mux } from "../../../transport/mux.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { withPair } from "./pair.ts";

const HOST = { hostname: "127.0.0.1" };

Deno.test("shown: texts have quotes, objects a class", () => {
  class Channel {}
  const values: [unknown, string][] = [
    ["5", '"5"'],
    [5, "5"],
    [null, "null"],
    [undefined, "undefined"],
    [Symbol("s"), "Symbol(s)"],
    [{}, "a plain object"],
    [Object.create(null), "a plain object"],
    [new Channel(), "an object of the class Channel"],
    [[1], "an object of the class Array"],
    [() => {}, "a function"],
  ];
  for (const [value, text] of values) assertEquals(shown(value), text);
});

Deno.test("reasonWords: the message of an object, and what is no object", () => {
  const reasons: [unknown, string][] = [
    [undefined, ""],
    [null, ""],
    ["", ""],
    ["stop", ": stop"],
    [5, ": 5"],
    [Symbol("s"), ": Symbol(s)"],
    [new Error("full"), ": full"],
    [new Error(""), ""],
    [{ message: "full" }, ": full"],
    [{ closeCode: 5 }, ""],
    [Object.create(null), ""],
  ];
  for (const [reason, words] of reasons) assertEquals(reasonWords(reason), words);
});

Deno.test("writable: an abort with an object without a message tells the peer no rubbish", async () => {
  await withPair(async (client, server) => {
    await client.writable.abort({ code: 5 });
    const { message } = await client.closed.then(() => new Error(), (error) => error);
    assertEquals(message, "The writable stream was aborted");
    const { reason } = await server.closed.then(() => ({ reason: "" }), (error) => error);
    assertEquals(reason, "The writable stream was aborted");
  });
});

const EITHER: [object, string][] = [
  [{ bind: 5 }, "Cannot set bind to 5: it must be a function, such as deno()"],
  [{ signal: {} }, "Cannot set signal to a plain object: it must be an AbortSignal"],
  [
    { signal: new AbortController() },
    "Cannot set signal to an object of the class AbortController",
  ],
  [{ entropy: 3 }, "Cannot set entropy to 3: it must be a function"],
  [{ extensions: "no" }, 'Cannot set extensions to "no": it must be a boolean'],
  [{ linger: "5" }, 'Cannot set linger to "5": it must be a number'],
  [{ fec: "on" }, 'Cannot set fec to "on": it must be "auto"'],
  [{ hostname: {} }, "Cannot use the hostname a plain object: it must be a string"],
];

for (const [wrong, message] of EITHER) {
  const [name] = Object.keys(wrong);
  Deno.test(`listen and connect: ${name}: ${message}`, async () => {
    const dial = { ...HOST, port: 9, ...wrong } as ConnectOptions;
    await assertRejects(() => connect(dial), TypeError, message);
    await assertRejects(() => listen({ ...HOST, ...wrong } as ListenOptions), TypeError, message);
  });
}

const DIAL: [object, typeof TypeError | typeof RangeError, string][] = [
  [{ localPort: 70_000 }, RangeError, "Cannot use the port 70000: allowed are 0 to 65535"],
  [{ localPort: -1 }, RangeError, "Cannot use the port -1: allowed are 0 to 65535"],
  [{ localPort: "9" }, TypeError, 'Cannot use the port "9": it must be a number'],
  [{ timeout: "5" }, TypeError, 'Cannot connect with a timeout of "5": allowed are 0 to Infinity'],
  [{ via: {} }, TypeError, "Cannot connect via a plain object: it must be a Listener"],
];

for (const [wrong, Misuse, message] of DIAL) {
  Deno.test(`connect: ${message}`, async () => {
    await assertRejects(
      () => connect({ ...HOST, port: 9, ...wrong } as ConnectOptions),
      Misuse,
      message,
    );
  });
}

Deno.test("an operation refuses a signal that is none", async () => {
  await withPair(async (client) => {
    const signal = new AbortController() as unknown as AbortSignal;
    await assertRejects(
      () => client.read(new Uint8Array(1), { signal }),
      TypeError,
      "Cannot set signal to an object of the class AbortController: it must be an AbortSignal",
    );
    assertEquals(client.state, "open");
  });
});

Deno.test("what carries no packets is refused, with its class", async () => {
  assertThrows(
    () => new DataChannelSocket({} as never),
    TypeError,
    "Cannot use a plain object as a data channel: it cannot send messages",
  );
  assertThrows(
    () => new Mux(Object.create(null), { client: true }),
    TypeError,
    "Cannot run streams over a plain object: it must be a connection or a pair of streams",
  );
  const error = await webTransport.connect(new Map() as never).catch((error) => error);
  assert(error instanceof TypeError, String(error));
  assertEquals(
    error.message,
    "Cannot use an object of the class Map as a WebTransport session: it has no datagrams",
  );
});

Deno.test("the simulated network refuses the addresses that real sockets refuse", () => {
  const network = new SimulatedNetwork({ seed: 1 });
  const at = { hostname: "10.0.0.1", port: 80 };
  const port = "Cannot use the port 70000: allowed are 0 to 65535";
  assertThrows(() => network.listen({ ...at, port: 70_000 }), RangeError, port);
  assertThrows(() => network.connect({ ...at, port: 70_000 }), RangeError, port);
  assertThrows(() => network.connect({ ...at, localPort: 70_000 }), RangeError, port);
  assertThrows(
    () => network.connect({ ...at, hostname: {} as string }),
    TypeError,
    "Cannot use the hostname a plain object: it must be a string",
  );
});
