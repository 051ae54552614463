/**
 * One end of two bare sockets of Deno, in a process of its own: what the runtime can do without any
 * protocol. The last argument is its task, in JSON.
 *
 * @module
 */
import { Counter } from "./counter.ts";

/** The task of an end. */
export interface BareTask {
  role: "server" | "client";
  /**
   * `sink`: the server counts what arrives, and answers each 32nd packet; the client keeps 64 in
   * flight. `echo`: the client sends some packets, and waits until all have come back.
   */
  mode: "sink" | "echo";
  port: number;
  /** Packets that an echo sends at one time. */
  burst: number;
  /** Length of a packet in bytes. */
  packet: number;
  warmup: number;
  seconds: number;
}

/** A client that gets no answer begins again after this time, in ms: packets were lost. */
const GIVE_UP = 50;
/** How many packets of a sink have one answer, and how many are in flight: they fit every buffer. */
const ANSWERED = 32;
const IN_FLIGHT = 64;

const task: BareTask = JSON.parse(Deno.args.at(-1)!);
const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
const to = { transport: "udp", hostname: "127.0.0.1", port: task.port } as const;
const buffer = new Uint8Array(65_536);
const packet = new Uint8Array(task.packet);

async function serve(): Promise<void> {
  console.log(JSON.stringify({ port: (socket.addr as Deno.NetAddr).port }));
  const [first] = await socket.receive(buffer);
  let packets = 0;
  const counter = new Counter(task, () => packets);
  counter.add(first.length);
  while (!counter.result) {
    const [arrived, from] = await socket.receive(buffer);
    packets++;
    counter.add(arrived.length);
    if (task.mode === "echo") await socket.send(arrived, from);
    else if (packets % ANSWERED === 0) await socket.send(arrived.subarray(0, 1), from);
  }
  console.log(JSON.stringify(counter.result));
}

async function dial(): Promise<void> {
  const echo = task.mode === "echo";
  let packets = 0, missing = 0, at = 0;
  const counter = new Counter(task, () => packets);
  const send = async (count: number) => {
    missing = count;
    at = performance.now();
    for (let i = 0; i < count; i++) await socket.send(packet, to);
  };
  setInterval(() => {
    if (performance.now() - at > GIVE_UP) void send(echo ? task.burst : IN_FLIGHT);
  }, GIVE_UP);
  await send(echo ? task.burst : IN_FLIGHT);
  while (!(echo && counter.result)) {
    const [arrived] = await socket.receive(buffer);
    packets++;
    counter.add(arrived.length);
    if (!echo) await send(ANSWERED);
    else if (--missing === 0) await send(task.burst);
  }
  console.log(JSON.stringify(counter.result));
}

await (task.role === "server" ? serve() : dial());
Deno.exit();
