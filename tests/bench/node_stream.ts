/**
 * Both ends of a measurement over streams of `node:stream`, as an application of Node.js has them:
 * `end.ts` for `toDuplex`.
 *
 * @module
 */
import { once } from "node:events";
import { connect, listen, toDuplex } from "../../transport/node.ts";
import { type Counted, Counter } from "./counter.ts";
import type { EndTask } from "./end.ts";

const HERE = { hostname: "127.0.0.1" };

/** Waits for the result of a count. */
function resultOf(counter: Counter): Promise<Counted> {
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (!counter.result) return;
      clearInterval(timer);
      resolve(counter.result);
    }, 10);
  });
}

/** The server: it counts what arrives, or sends it back. */
export async function serveStream(task: EndTask): Promise<void> {
  const listener = await listen({ ...HERE, port: task.port });
  console.log(JSON.stringify({ port: listener.addr.port }));
  const stream = toDuplex(await listener.accept());
  stream.on("error", () => {});
  if (task.mode !== "sink") {
    stream.pipe(stream);
    await once(stream, "close");
    return;
  }
  const counter = new Counter(task, () => listener.stats.packetsIn);
  stream.on("data", (bytes) => counter.add(bytes.length));
  console.log(JSON.stringify(await resultOf(counter)));
}

/** The client: it writes as fast as the stream takes it, or waits for each echo. */
export async function dialStream(task: EndTask): Promise<void> {
  const conn = await connect({ ...HERE, port: task.port });
  const stream = toDuplex(conn);
  stream.on("error", () => {});
  const bytes = new Uint8Array(task.size);
  const counter = new Counter(task, () => conn.stats.packetsIn);
  const echoes = task.mode === "echo";
  let got = 0;
  stream.on("data", ({ length }) => {
    counter.add(length);
    got += length;
    if (!echoes || got < task.size) return;
    got = 0;
    stream.write(bytes);
  });
  const writeOn = () => {
    while (stream.write(bytes));
  };
  if (echoes) {
    stream.write(bytes);
  } else {
    stream.on("drain", writeOn);
    writeOn();
  }
  if (task.mode !== "sink") console.log(JSON.stringify(await resultOf(counter)));
}
