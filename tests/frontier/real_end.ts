/**
 * One end of many sessions of this module in real time: a process that real.ts started. Its argument is
 * a task in JSON. It prints one JSON object a line: first its port if it accepts sessions, then the
 * delays of the messages that each session received. It then goes on until stdin is closed.
 *
 * @module
 */
import { connect, type Connection, listen, type SessionOptions } from "../../mod.ts";
import { deno } from "../../transport/deno.ts";
import { linux } from "../../transport/linux.ts";
import { Delays } from "./delays.ts";
import { SETTINGS } from "./session.ts";

/** What a process does. The Go program takes the same members, and its own for the options. */
export interface EndTask {
  readonly role: "serve" | "dial";
  /** Where a client sends to. */
  readonly port?: number;
  /** How many sessions there are at once. */
  readonly sessions: number;
  /** Messages a second. */
  readonly rate: number;
  /** Bytes of each message, 12 or more. */
  readonly size: number;
  /** How many messages each sender sends. */
  readonly messages: number;
  readonly bothWays: boolean;
  /** Settings of both ends, in addition to {@linkcode SETTINGS}. */
  readonly options: SessionOptions;
  /** Whether to use the sockets of `/linux`. Otherwise it uses those of Deno. */
  readonly linux: boolean;
}

const task: EndTask = JSON.parse(Deno.args[0]);
const settings = { ...SETTINGS, ...task.options, bind: task.linux ? linux() : deno() };
/** The delays of each session, by its conversation id. */
const found: Record<number, Record<string, number>> = {};
const works: Promise<void>[] = [];

/** The longest time in ms that a timer of 10 ms was late: the process did not run, or was busy. */
let stall = 0;
let ticked = performance.now();
setInterval(() => {
  const at = performance.now();
  stall = Math.max(stall, at - ticked - 10);
  ticked = at;
}, 10);

/** The time in ms since 1970: the same in each process of a machine. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

function wait(until: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, until - performance.now())));
}

/** Sends messages at their times. Each begins with its number and the time of its write. */
async function send(connection: Connection): Promise<void> {
  const message = new Uint8Array(task.size);
  const view = new DataView(message.buffer);
  const start = performance.now();
  for (let i = 0; i < task.messages; i++) {
    const due = start + i * 1000 / task.rate;
    if (due > performance.now()) await wait(due);
    view.setUint32(0, i, true);
    view.setFloat64(4, now(), true);
    await connection.sendMessage(message);
  }
}

async function receive(connection: Connection): Promise<void> {
  const delays = new Delays();
  for (let i = 0; i < task.messages; i++) {
    const message = await connection.receiveMessage();
    if (message?.length !== task.size) throw new Error(`Message ${i} has ${message?.length} bytes`);
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
    if (view.getUint32(0, true) !== i) throw new Error(`Message ${i} is another one`);
    delays.add(now() - view.getFloat64(4, true));
  }
  found[connection.conv] = Object.fromEntries(delays.entries());
}

function print(value: unknown): void {
  console.log(JSON.stringify(value));
}

/** The connections are kept: one that nobody holds could be collected. */
const connections: Connection[] = [];
if (task.role === "serve") {
  const listener = await listen({ hostname: "127.0.0.1", ...settings });
  print({ port: listener.addr.port });
  while (connections.length < task.sessions) {
    const connection = await listener.accept();
    connections.push(connection);
    works.push(receive(connection));
    if (task.bothWays) send(connection);
  }
} else {
  // The sessions begin one after the other within one interval, so that they are out of step.
  const start = performance.now();
  while (connections.length < task.sessions) {
    const due = start + connections.length * 1000 / task.rate / task.sessions;
    if (due > performance.now()) await wait(due);
    const connection = await connect({ hostname: "127.0.0.1", port: task.port!, ...settings });
    connections.push(connection);
    if (task.bothWays) works.push(receive(connection));
    works.push(send(connection));
  }
}
await Promise.all(works);
print({ delays: found, stall });
for await (const _ of Deno.stdin.readable);
Deno.exit();
