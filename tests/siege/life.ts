/**
 * How the peers learn of an end that crashes, restarts, ends or is suspended, and of a link that goes
 * down.
 *
 * Each function runs real processes. It returns what it measured, in ms, and throws an AssertionError
 * if something does not hold.
 *
 * @module
 */
import { assert, assertEquals, AssertionError } from "@std/assert";
import type { Adapter, Ended } from "./end.ts";
import {
  adapters,
  hasProgram,
  type Launch,
  type Line,
  startEnd,
  startServer,
} from "./processes.ts";
import type { Program } from "./processes.ts";

/** What a case has shown: a measurement, or what does not hold. Without both, it was not run. */
export interface Outcome {
  readonly name: string;
  readonly value?: number;
  readonly fault?: string;
}

const HOST = "127.0.0.1";
/** Time for a process to start on a busy machine, in ms. */
const START = 20_000;
/** A peer must know within this time, in ms: a round trip and retransmissions on a busy machine. */
const KNOWS = 2_000;
/** `deadLinkTime`, in ms. */
const DEAD_LINK = 30_000;
/** How much later than that an end may give up, in ms. */
const LATE = 5_000;

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits for the end of a connection. */
function end(program: Program, conv: number, timeout: number): Promise<Ended> {
  return program.find<Ended>(
    `end of the connection ${conv}`,
    (line) => line.ended === conv ? line as Ended : undefined,
    timeout,
  );
}

/** Starts a client that talks, and waits until it has an answer. */
async function startTalker(
  launch: Launch,
  adapter: Adapter,
  port: number,
  localPort?: number,
): Promise<{ client: Program; opened: Line }> {
  const client = startEnd(launch, { role: "talker", adapter, hostname: HOST, port, localPort });
  try {
    const opened = await client.find<Line>("connection", (l) => l.opened && l, START);
    await client.find("answer", ({ answered }) => answered, START);
    return { client, opened };
  } catch (error) {
    await client[Symbol.asyncDispose]();
    throw error;
  }
}

/** Checks that a peer was told that its connection is over, and returns how long that took. */
function toldAfter(since: number, { kind, message, at }: Ended): number {
  assertEquals(kind, "reset", message);
  assert(at - since <= KNOWS, `the peer knew after ${at - since} ms`);
  return at - since;
}

/** A listener is killed and starts again on its port: its client is told when it is back. */
export async function listenerRestarts(launch: Launch, adapter: Adapter): Promise<number> {
  const task = { adapter, hostname: HOST };
  const { server, port } = await startServer(launch, { ...task, port: 0 });
  await using first = server;
  const { client, opened } = await startTalker(launch, adapter, port);
  await using _client = client;
  first.kill("SIGKILL");
  await first.ended;
  const { server: second } = await startServer(launch, { ...task, port });
  await using _second = second;
  const since = Date.now();
  return toldAfter(since, await end(client, opened.opened, KNOWS + LATE));
}

/**
 * A client is killed and starts again on its port: the listener's side is told when it is back. If
 * nothing was on the way to the client, a listener that sends nothing asks it only with `keepAlive`.
 */
export async function clientRestarts(launch: Launch, adapter: Adapter): Promise<number> {
  const { server, port } = await startServer(launch, {
    adapter,
    hostname: HOST,
    port: 0,
    tells: true,
    keepAlive: 500,
  });
  await using _server = server;
  const { client: first, opened } = await startTalker(launch, adapter, port);
  await using _first = first;
  first.kill("SIGKILL");
  await first.ended;
  const { client: second, opened: again } = await startTalker(launch, adapter, port, opened.port);
  await using _second = second;
  return toldAfter(again.at, await end(server, opened.opened, KNOWS + LATE));
}

/** A client's process ends in order: the listener's side is told. */
export async function clientExits(launch: Launch, adapter: Adapter): Promise<number> {
  const { server, port } = await startServer(launch, {
    adapter,
    hostname: HOST,
    port: 0,
    tells: true,
  });
  await using _server = server;
  const { client, opened } = await startTalker(launch, adapter, port);
  await using _client = client;
  const since = Date.now();
  await client.tell("exit");
  return toldAfter(since, await end(server, opened.opened, KNOWS + LATE));
}

/** A listener's process ends in order: its client is told. */
export async function listenerExits(launch: Launch, adapter: Adapter): Promise<number> {
  const { server, port } = await startServer(launch, { adapter, hostname: HOST, port: 0 });
  await using _server = server;
  const { client, opened } = await startTalker(launch, adapter, port);
  await using _client = client;
  const since = Date.now();
  await server.tell("exit");
  return toldAfter(since, await end(client, opened.opened, KNOWS + LATE));
}

/** What takes less than a few seconds: tests/interop runs it, too. */
export const SHORT: readonly (readonly [
  name: string,
  run: (launch: Launch, adapter: Adapter) => Promise<number>,
])[] = [
  ["listener-restarts", listenerRestarts],
  ["client-restarts", clientRestarts],
  ["listener-exits", listenerExits],
  ["client-exits", clientExits],
];

/**
 * The listener's process is suspended for less than `deadLinkTime`: nothing is lost. Returns how long
 * after the end of the pause everything was there.
 */
export async function suspended(launch: Launch, adapter: Adapter, pause: number): Promise<number> {
  const { server, port } = await startServer(launch, { adapter, hostname: HOST, port: 0 });
  await using _server = server;
  const { client } = await startTalker(launch, adapter, port);
  await using _client = client;
  server.kill("SIGSTOP");
  await sleep(pause);
  server.kill("SIGCONT");
  const since = Date.now();
  await client.tell("stop");
  const done = await client.find<Line>("end", (line) => line.done && line, DEAD_LINK);
  assert(done.same, `${done.received} of ${done.sent} bytes came back`);
  return Date.now() - since;
}

/**
 * The listener's process is suspended for longer than `deadLinkTime`: the client gives up, its
 * process ends, and the listener's side ends when it runs again. Returns how long that took.
 */
export async function suspendedForLong(
  launch: Launch,
  adapter: Adapter,
  pause: number,
): Promise<number> {
  const { server, port } = await startServer(launch, {
    adapter,
    hostname: HOST,
    port: 0,
    tells: true,
  });
  await using _server = server;
  const { client, opened } = await startTalker(launch, adapter, port);
  await using _client = client;
  const began = Date.now();
  server.kill("SIGSTOP");
  const here = await end(client, opened.opened, DEAD_LINK + LATE);
  assertEquals(here.kind, "unreachable", here.message);
  assert(here.at - began >= DEAD_LINK - 1_000, `the client gave up after ${here.at - began} ms`);
  await Promise.race([
    client.ended,
    sleep(LATE).then(() => {
      throw new AssertionError("the client's process hangs");
    }),
  ]);
  await sleep(Math.max(0, began + pause - Date.now()));
  server.kill("SIGCONT");
  const since = Date.now();
  const there = await end(server, opened.opened, DEAD_LINK + LATE);
  assert(there.kind !== null, "the listener's side believes that everything was delivered");
  return there.at - since;
}

async function ip(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("ip", { args }).output();
  if (!success) {
    throw new AssertionError(`ip ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
  }
}

/** Whether this process may make network namespaces. */
export async function canMakeNamespaces(): Promise<boolean> {
  const name = `kcp-${Deno.pid}`;
  if (!await hasProgram("ip", "netns", "add", name)) return false;
  await ip("netns", "delete", name);
  return true;
}

/**
 * The link between two network namespaces goes down for a while during a transfer, then up: the
 * transfer goes on, and nothing is lost. Returns how long after that bytes arrived again.
 */
export async function linkDown(launch: Launch, adapter: Adapter, pause: number): Promise<number> {
  // A name of a device has at most 15 characters.
  const id = `${Deno.pid}${adapter[0]}`;
  const ends = [`kcpa${id}`, `kcpb${id}`];
  const hosts = ["10.213.0.1", "10.213.0.2"];
  try {
    for (const name of ends) await ip("netns", "add", name);
    const [a, b] = ends;
    await ip("link", "add", a, "netns", a, "type", "veth", "peer", "name", b, "netns", b);
    for (const [i, name] of ends.entries()) {
      await ip("-n", name, "address", "add", `${hosts[i]}/24`, "dev", name);
      await ip("-n", name, "link", "set", name, "up");
    }
    const task = { adapter, hostname: hosts[0], port: 0 };
    const { server, port } = await startServer(launch, task, ["ip", "netns", "exec", a]);
    await using _server = server;
    await using client = startEnd(launch, { ...task, port, role: "transfer" }, [
      "ip",
      "netns",
      "exec",
      b,
    ]);
    const more = (than: number, what: string) =>
      client.find<Line>(what, (line) => line.bytes > than ? line : undefined, START);
    const bytes = () => client.lines.findLast((line) => line.bytes !== undefined)?.bytes ?? 0;
    await more(1_000_000, "transfer");
    await ip("-n", a, "link", "set", a, "down");
    await sleep(pause / 2);
    const before = bytes();
    await sleep(pause / 2);
    assertEquals(bytes(), before, "bytes arrive though the link is down");
    await ip("-n", a, "link", "set", a, "up");
    const since = Date.now();
    const { at } = await more(before, "transfer after the outage");
    await sleep(500);
    await client.tell("stop");
    const done = await client.find<Line>("end", (line) => line.done && line, DEAD_LINK);
    assert(done.same, `${done.receivedBytes} of ${done.sentBytes} bytes came back: ${done.error}`);
    return at - since;
  } finally {
    for (const name of ends) await ip("netns", "delete", name).catch(() => {});
  }
}

async function outcome(name: string, run: () => Promise<number>): Promise<Outcome> {
  try {
    return { name, value: await run() };
  } catch (error) {
    return { name, fault: error instanceof Error ? error.message.split("\n")[0] : String(error) };
  }
}

/**
 * Runs every case on every adapter.
 *
 * @param long Whether to suspend a process for 60 s, too.
 */
export async function runLife(launch: Launch, long: boolean): Promise<Outcome[]> {
  const all = adapters(launch);
  const outcomes: Outcome[] = [];
  // The short ones measure times: they run one by one.
  for (const adapter of all) {
    for (const [name, run] of SHORT) {
      outcomes.push(await outcome(`${adapter}/${name}`, () => run(launch, adapter)));
    }
  }
  const namespaces = await canMakeNamespaces();
  outcomes.push(
    ...await Promise.all(all.flatMap((adapter) => [
      outcome(`${adapter}/suspended-20s`, () => suspended(launch, adapter, 20_000)),
      namespaces
        ? outcome(`${adapter}/link-down-5s`, () => linkDown(launch, adapter, 5_000))
        : { name: `${adapter}/link-down-5s` },
      ...long
        ? [outcome(`${adapter}/suspended-60s`, () => suspendedForLong(launch, adapter, 60_000))]
        : [],
    ])),
  );
  return outcomes;
}
