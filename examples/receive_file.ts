/**
 * Receives files from send_file.ts into a folder, any number at once. It never overwrites a file. It
 * keeps a file only if its SHA-256 equals that of the sender.
 *
 * The folder must exist. The default port is 4001:
 *
 *     deno run --unstable-net --allow-net --allow-read=FOLDER --allow-write=FOLDER \
 *       examples/receive_file.ts FOLDER [port]
 *
 * @module
 */
import { createHash } from "node:crypto";
import { listenMux, type Mux, type MuxStream } from "@lowlatency/kcp/mux";
import { StreamInput } from "./stream_input.ts";

/** The first line of a stream, as JSON. */
interface Header {
  name: string;
  size: number;
}

const encoder = new TextEncoder();

/** How long (ms) to wait for the next bytes of a sender. */
const TIMEOUT = 15_000;

/** Parses the first line. A file name from the network must not lead out of the folder. */
function parseHeader(line: string): Header {
  const { name, size } = JSON.parse(line) as Partial<Header>;
  if (typeof name !== "string" || !/^[^/\\\0]+$/.test(name) || name === "." || name === "..") {
    throw new Error(`the file name ${JSON.stringify(name)} is not a plain name`);
  }
  if (!Number.isSafeInteger(size) || size! < 0) throw new Error(`the size ${size} is not a size`);
  return { name, size: size! };
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function say(stream: MuxStream, line: string): Promise<void> {
  return stream.writeAll(encoder.encode(`${line}\n`));
}

/** Receives one file. Returns its path. send_file.ts describes what a stream carries. */
async function receiveFile(stream: MuxStream, folder: string): Promise<string> {
  const input = new StreamInput(stream);
  const { name, size } = parseHeader(await input.line());
  const path = `${folder}/${name}`;
  if (await exists(path)) throw new Error(`${name} exists already`);
  const part = `${path}.part`;
  // With createNew, two senders of the same name cannot write into one file.
  const file = await Deno.open(part, { write: true, createNew: true }).catch((error) => {
    if (error instanceof Deno.errors.AlreadyExists) {
      throw new Error(`${name} is being received already`);
    }
    throw error;
  });
  try {
    const hash = createHash("sha256");
    await say(stream, "go");
    for (let done = 0; done < size;) {
      const chunk = await input.bytes(size - done);
      hash.update(chunk);
      for (let at = 0; at < chunk.length;) at += await file.write(chunk.subarray(at));
      done += chunk.length;
    }
    const wanted = await input.line();
    const got = hash.digest("hex");
    if (got !== wanted) throw new Error(`the SHA-256 is ${got}, but the sender has ${wanted}`);
    await file.sync();
  } catch (error) {
    file.close();
    await Deno.remove(part);
    throw error;
  }
  file.close();
  // Unlike a rename, a link fails if a file of this name was created in the meantime.
  try {
    await Deno.link(part, path);
  } finally {
    await Deno.remove(part);
  }
  return path;
}

/** Receives the file of a stream, and answers. */
async function receive(stream: MuxStream, folder: string, from: string): Promise<void> {
  stream.readTimeout = stream.writeTimeout = TIMEOUT;
  try {
    const path = await receiveFile(stream, folder);
    console.log(`${from}: received ${path}`);
    await say(stream, "ok");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    console.error(`${from}: ${reason}`);
    // This fails if the sender has disconnected.
    await say(stream, `refused: ${reason.replaceAll("\n", " ")}`).catch(() => {});
  }
  // The answer is still sent. What the sender still writes is dropped.
  stream.close();
}

async function serve(mux: Mux, folder: string): Promise<void> {
  const { hostname, port } = mux.remoteAddr;
  for await (const stream of mux) receive(stream, folder, `${hostname}:${port}`);
}

const [folder, port = "4001"] = Deno.args;
if (!folder) {
  console.error("Usage: receive_file.ts FOLDER [port]");
  Deno.exit(2);
}
try {
  if (!(await Deno.stat(folder)).isDirectory) throw new Error("not a folder");
} catch (error) {
  console.error(`Cannot receive into ${folder}: ${error instanceof Error ? error.message : error}`);
  Deno.exit(1);
}
const listener = await listenMux({ port: Number(port) });
console.log(`receiving into ${folder} on UDP port ${listener.addr.port}`);
for await (const incoming of listener) {
  // A sender that disconnects ends its mux with an error; its files have failed already.
  serve(await incoming.accept(), folder).catch(() => {});
}
