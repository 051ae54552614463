/**
 * Sends files to receive_file.ts, up to eight at once: each has a stream of its own over one
 * connection. Prints the progress and the results.
 *
 * Start receive_file.ts first:
 *
 *     deno run --unstable-net --allow-net --allow-read \
 *       examples/send_file.ts [--host=127.0.0.1] [--port=4001] FILE...
 *
 * @module
 */
import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import { connectMux, type Mux } from "@lowlatency/kcp/mux";
import { StreamInput } from "./stream_input.ts";

const encoder = new TextEncoder();
/** Bytes of a file that are read and written at a time. */
const CHUNK = 65_536;
/** How many files are sent at once. */
const AT_ONCE = 8;
/** ms that an operation of a stream may take. */
const TIMEOUT = 30_000;
/** ms in which the receiver must answer at first. */
const ANSWER_TIMEOUT = 5000;

/** What has been sent of all files. */
const progress = { done: 0, size: 0 };

/**
 * Sends one file.
 *
 * A stream carries a line of JSON, the bytes of the file, and their SHA-256 as a line. Back come the
 * lines "go" and "ok"; any other line says why the receiver refuses.
 */
async function sendFile(mux: Mux, path: string): Promise<number> {
  using file = await Deno.open(path);
  const { size, isFile } = await file.stat();
  if (!isFile) throw new Error("it is not a file");
  progress.size += size;
  const name = path.split("/").at(-1)!;
  using stream = await mux.createBidirectionalStream();
  stream.readTimeout = stream.writeTimeout = TIMEOUT;
  const input = new StreamInput(stream);
  const expect = async (word: string) => {
    const answer = await input.line();
    if (answer !== word) throw new Error(answer);
  };
  await stream.writeAll(encoder.encode(`${JSON.stringify({ name, size })}\n`));
  await expect("go");

  // The receiver may refuse while the file is being sent, for example because its disk is full.
  let refused = false;
  const send = async () => {
    const hash = createHash("sha256");
    const buffer = new Uint8Array(CHUNK);
    for (let done = 0; done < size && !refused;) {
      const count = await file.read(buffer);
      if (count === null) throw new Error("it became shorter while it was sent");
      const chunk = buffer.subarray(0, Math.min(count, size - done));
      hash.update(chunk);
      await stream.writeAll(chunk);
      done += chunk.length;
      progress.done += chunk.length;
    }
    await stream.writeAll(encoder.encode(`${hash.digest("hex")}\n`));
    await stream.closeWrite();
  };
  const sending = send();
  const result = expect("ok").catch((error) => {
    refused = true;
    // The reason of the receiver tells more than that of a write that failed.
    sending.catch(() => {});
    throw error;
  });
  // A file that cannot be read ends both, too.
  await Promise.race([sending.then(() => result), result]);
  return size;
}

const { values, positionals: paths } = parseArgs({
  allowPositionals: true,
  options: {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "4001" },
  },
});
if (paths.length === 0) {
  console.error("Usage: send_file.ts [--host=HOST] [--port=PORT] FILE...");
  Deno.exit(2);
}

const address = { hostname: values.host, port: Number(values.port) };
const mux = await connectMux({ ...address, timeout: ANSWER_TIMEOUT }).catch((error) => {
  console.error(`receive_file.ts can't be reached: ${error.message}`);
  Deno.exit(1);
});
const started = performance.now();
const shown = setInterval(() => {
  const { done, size } = progress;
  const rate = done / (performance.now() - started) / 1000;
  const share = (size === 0 ? 0 : done / size * 100).toFixed(0).padStart(3);
  console.log(`${share} %   ${rate.toFixed(1)} MB/s   ${mux.stats.streams} files at once`);
}, 500);
const queue = paths.values();
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  // The workers share the queue: each takes the next file.
  for (const path of queue) {
    try {
      console.log(`${path}: ${await sendFile(mux, path)} bytes arrived, SHA-256 verified`);
    } catch (error) {
      console.error(`${path} was not sent: ${error instanceof Error ? error.message : error}`);
      Deno.exitCode = 1;
    }
  }
}));
clearInterval(shown);
mux.close();
await mux.closed.catch(() => {});
