/**
 * What sockets of Node.js and their connections do beside streams, told once for Deno, Node.js and
 * Bun. Each scenario fails by an exception.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { createSocket } from "node:dgram";
import { channel, subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import process from "node:process";
import {
  connect,
  type DiagnosticsChannels,
  listen,
  node,
  NodeSocket,
} from "../../../transport/node.ts";

const HERE = { hostname: "127.0.0.1" };

/** The messages on all channels, in their order. */
function record(): { seen: [string, Record<string, unknown>][]; stop(): void } {
  const seen: [string, Record<string, unknown>][] = [];
  const names: (keyof DiagnosticsChannels)[] = [
    "kcp:connection:open",
    "kcp:connection:close",
    "kcp:connection:migrate",
    "kcp:listener:open",
    "kcp:listener:close",
    "kcp:socket:error",
  ];
  const receive = (message: unknown, name: string | symbol) => {
    seen.push([String(name), message as Record<string, unknown>]);
  };
  for (const name of names) subscribe(name, receive);
  return { seen, stop: () => names.forEach((name) => unsubscribe(name, receive)) };
}

async function channels(): Promise<void> {
  const { seen, stop } = record();
  const listener = await listen(HERE);
  const client = await connect({ ...HERE, port: listener.addr.port });
  assertEquals(seen, [
    ["kcp:listener:open", { listener }],
    ["kcp:connection:open", { connection: client, dialled: true }],
  ]);
  const [server] = await Promise.all([listener.accept(), client.opened]);
  assertEquals(seen.slice(2), [["kcp:connection:open", { connection: server, dialled: false }]]);
  client.abort("That was it", 7);
  const error = await assertRejects(() => server.closed, Error, "That was it");
  await client.closed.catch(() => {});
  listener.close({ timeWait: 0 });
  await listener.closed;
  await Promise.resolve();
  const ends = seen.slice(3).map(([name, message]) => [
    name,
    message.connection ?? message.listener,
    (message.error as { kind: string } | null)?.kind,
  ]);
  assertEquals(ends.length, 3);
  assertEquals(ends.find(([, object]) => object === client), [
    "kcp:connection:close",
    client,
    "closed",
  ]);
  assertEquals(ends.find(([, object]) => object === server), [
    "kcp:connection:close",
    server,
    "reset",
  ]);
  assertEquals(ends[2], ["kcp:listener:close", listener, undefined]);
  assertStrictEquals(
    seen.find(([, { connection }]) => connection === server)?.[1].error,
    undefined,
  );
  assert(seen.some(([, message]) => message.error === error));
  stop();
  const count = seen.length;
  assertEquals(channel("kcp:connection:open").hasSubscribers, false);
  const late = await connect({ ...HERE, port: 1 });
  late.close();
  await late.closed;
  assertEquals(seen.length, count, "nobody is told after the end of the subscription");
}

async function delivered(): Promise<void> {
  const { seen, stop } = record();
  const listener = await listen(HERE);
  const client = await connect({ ...HERE, port: listener.addr.port });
  await client.write(new Uint8Array(10));
  const server = await listener.accept();
  client.close();
  server.close();
  await Promise.all([client.closed, server.closed]);
  listener.close({ timeWait: 0 });
  await listener.closed;
  await Promise.resolve();
  stop();
  const errors = seen.filter(([name]) => name.endsWith(":close")).map(([, { error }]) => error);
  assertEquals(errors, [null, null, null]);
}

async function socketFails(): Promise<void> {
  const { seen, stop } = record();
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const own = new NodeSocket(socket, { lent: true });
  const listener = await listen({ bind: () => own });
  const error = new Error("Nobody is there");
  socket.emit("error", error);
  assertEquals(seen[1], ["kcp:socket:error", { socket: own, error }]);
  assertEquals(own.readErrors, 1);
  socket.close();
  await listener.closed;
  await Promise.resolve();
  stop();
  const [name, message] = seen.at(-1)!;
  assertEquals([name, message.listener], ["kcp:listener:close", listener]);
  assertEquals((message.error as { kind: string }).kind, "socket");
}

async function signals(): Promise<void> {
  const listener = await listen(HERE);
  const { port } = listener.addr;
  const silent = createSocket("udp4").bind(0, "127.0.0.1");
  await once(silent, "listening");
  const reason = new Error("The user has left");
  const aborted = AbortSignal.abort(reason);
  const soon = () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 5);
    return controller.signal;
  };
  const isRejected = async (start: (signal: AbortSignal) => Promise<unknown>) => {
    for (const signal of [aborted, soon()]) {
      assertStrictEquals(await assertRejects(() => start(signal), Error), reason);
    }
  };
  await isRejected((signal) => listener.accept({ signal }));
  assertStrictEquals(await assertRejects(() => listen({ ...HERE, signal: aborted })), reason);
  const nobody = silent.address().port;
  await isRejected((signal) => connect({ ...HERE, port: nobody, signal }));
  silent.close();
  const client = await connect({ ...HERE, port, signal: new AbortController().signal });
  const server = await listener.accept();
  const buffer = new Uint8Array(10);
  await isRejected((signal) => client.read(buffer, { signal }));
  await isRejected((signal) => client.receiveMessage({ signal }));
  await isRejected((signal) => client.receiveDatagram({ signal }));
  const large = new Uint8Array(10_000_000);
  await isRejected((signal) => client.writeAll(large, { signal }));
  await isRejected((signal) => client.writev([large], { signal }));
  await isRejected((signal) => client.drained({ signal }));
  // What was withdrawn leaves no trace, and what comes later is done.
  const reading = client.read(buffer);
  await server.write(new Uint8Array([1, 2, 3]));
  assertEquals(await reading, 3);
  client.abort();
  await client.closed.catch(() => {});
  listener.close({ connections: "abort", timeWait: 0 });
  await listener.closed;
}

async function listenSignal(): Promise<void> {
  const controller = new AbortController();
  const { signal } = controller;
  const listener = await listen({ ...HERE, signal });
  const client = await connect({ ...HERE, port: listener.addr.port });
  const [server] = await Promise.all([listener.accept(), client.opened]);
  const waiting = assertRejects(() => listener.accept(), Error, "The listener was closed");
  controller.abort();
  await waiting;
  // The connection goes on.
  await client.write(new Uint8Array([1, 2, 3]));
  assertEquals(await server.read(new Uint8Array(10)), 3);
  for (const end of [client, server]) end.abort();
  await listener.closed;
  // Aborted while the socket is being opened: the socket does not stay.
  const late = new AbortController();
  let closed = false;
  const opening = listen({
    ...HERE,
    signal: late.signal,
    bind: async (hostname, port) => {
      const socket = await node()(hostname, port);
      late.abort(new Error("Too late"));
      const close = socket.close.bind(socket);
      socket.close = () => {
        closed = true;
        return close();
      };
      return socket;
    },
  });
  await assertRejects(() => opening, Error, "Too late");
  assert(closed);
}

async function buffers(): Promise<void> {
  const bind = node({ receiveBuffer: 65_536, sendBuffer: 32_768 });
  const listener = await listen({ ...HERE, bind });
  const { socket } = listener;
  assert(socket instanceof NodeSocket);
  // Linux tells twice the size (socket(7)).
  const factor = process.platform === "linux" ? 2 : 1;
  assertEquals(socket.settings, { receiveBuffer: factor * 65_536, sendBuffer: factor * 32_768 });
  socket.configure({ receiveBuffer: 100_000 });
  assertEquals(socket.settings, { receiveBuffer: factor * 100_000, sendBuffer: factor * 32_768 });
  assertThrows(() => socket.configure({ receiveBuffer: 1 }), RangeError, "Cannot set");
  listener.close();
  await listener.closed;
  assertThrows(() => socket.settings, Error, "is closed");
  const whole = await listen({ ...HERE, bind: node() });
  assert(whole.socket instanceof NodeSocket);
  // The system may give less than 4 MiB.
  assert(whole.socket.settings.receiveBuffer >= 65_536);
  whole.close();
  await whole.closed;
}

/** All scenarios, by what they show. */
export const scenarios: Readonly<Record<string, () => Promise<void>>> = {
  "channels tell of listeners and connections, and why they have ended": channels,
  "channels: what is delivered ends without an error": delivered,
  "channels tell of errors of a socket": socketFails,
  "signals end waits of accept, connect, reads and writes": signals,
  "a signal closes a listener, and its connections go on": listenSignal,
  "buffers have the sizes of the options": buffers,
};
