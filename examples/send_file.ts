/**
 * Sends a file to receive_file.ts. Prints the progress and the result.
 *
 * Start receive_file.ts first. The default address is 127.0.0.1, port 4001:
 *
 *     deno run --unstable-net --allow-net --allow-read=FILE \
 *       examples/send_file.ts FILE [host] [port]
 *
 * @module
 */
import { createHash } from "node:crypto";
import { connect, type Connection } from "@lowlatency/kcp";

const decoder = new TextDecoder();
const encoder = new TextEncoder();
/** Bytes of the file in one message. */
const CHUNK = 32_768;

/** Waits for an answer of the receiver. Any answer other than `word` says why it refused. */
async function expect(conn: Connection, word: string): Promise<void> {
  const message = await conn.receiveMessage({ timeout: 30_000 });
  if (!message) throw new Error("the receiver closed the connection");
  const answer = decoder.decode(message);
  if (answer !== word) throw new Error(answer);
}

async function sendFile(conn: Connection, path: string): Promise<void> {
  using file = await Deno.open(path);
  const { size, isFile } = await file.stat();
  if (!isFile) throw new Error(`${path} is not a file`);
  const name = path.split("/").at(-1)!;
  await conn.sendMessage(encoder.encode(JSON.stringify({ name, size })));
  await expect(conn, "go");

  // The receiver may refuse while the file is being sent, for example because its disk is full.
  const result = expect(conn, "ok");
  let refused = false;
  result.catch(() => refused = true);

  const hash = createHash("sha256");
  const buffer = new Uint8Array(CHUNK);
  const started = performance.now();
  let shown = started;
  for (let done = 0; done < size && !refused;) {
    const count = await file.read(buffer);
    if (count === null) throw new Error(`${path} became shorter while it was sent`);
    const chunk = buffer.subarray(0, Math.min(count, size - done));
    hash.update(chunk);
    await conn.sendMessage(chunk);
    done += chunk.length;
    const now = performance.now();
    if (now - shown >= 500 || done === size) {
      shown = now;
      const rate = done / (now - started) / 1000;
      console.log(
        `${(done / size * 100).toFixed(0).padStart(3)} %   ${rate.toFixed(1)} MB/s   RTT ${
          conn.rtt.toFixed(0)
        } ms`,
      );
    }
  }
  if (!refused) await conn.sendMessage(encoder.encode(hash.digest("hex")));
  await result;
  console.log(`${name}: ${size} bytes arrived, SHA-256 verified`);
}

const [path, hostname = "127.0.0.1", port = "4001"] = Deno.args;
if (!path) {
  console.error("Usage: send_file.ts FILE [host] [port]");
  Deno.exit(2);
}
const conn = await connect({ hostname, port: Number(port) });
try {
  await sendFile(conn, path);
  conn.close();
} catch (error) {
  console.error(`${path} was not sent: ${error instanceof Error ? error.message : error}`);
  Deno.exitCode = 1;
  conn.abort();
}
await conn.closed.catch(() => {});
