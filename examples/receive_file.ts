/**
 * Receives files from send_file.ts into a folder. It never overwrites a file. It keeps a file only
 * if its SHA-256 equals that of the sender.
 *
 * The folder must exist. The default port is 4001:
 *
 *     deno run --unstable-net --allow-net --allow-read=FOLDER --allow-write=FOLDER \
 *       examples/receive_file.ts FOLDER [port]
 *
 * @module
 */
import { createHash } from "node:crypto";
import { type Connection, listen } from "@lowlatency/kcp";

/** The first message of a sender, as JSON. */
interface Header {
  name: string;
  size: number;
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** How long (ms) to wait for the next message of a sender. */
const TIMEOUT = 15_000;

async function receive(conn: Connection): Promise<Uint8Array<ArrayBuffer>> {
  const message = await conn.receiveMessage({ timeout: TIMEOUT });
  if (!message) throw new Error("the sender closed the connection before the end of the file");
  return message;
}

/** Parses the first message. A file name from the network must not lead out of the folder. */
function parseHeader(message: Uint8Array): Header {
  const { name, size } = JSON.parse(decoder.decode(message)) as Partial<Header>;
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

/** Receives one file. Returns its path. */
async function receiveFile(conn: Connection, folder: string): Promise<string> {
  const { name, size } = parseHeader(await receive(conn));
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
    await conn.sendMessage(encoder.encode("go"));
    for (let done = 0; done < size;) {
      const chunk = await receive(conn);
      hash.update(chunk);
      for (let at = 0; at < chunk.length;) at += await file.write(chunk.subarray(at));
      done += chunk.length;
      if (done > size) throw new Error(`more than the announced ${size} bytes arrived`);
    }
    const wanted = decoder.decode(await receive(conn));
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

async function serve(conn: Connection, folder: string): Promise<void> {
  const { hostname, port } = conn.remoteAddr;
  try {
    const path = await receiveFile(conn, folder);
    console.log(`${hostname}:${port}: received ${path}`);
    await conn.sendMessage(encoder.encode("ok"));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    console.error(`${hostname}:${port}: ${reason}`);
    // This fails if the sender has disconnected.
    await conn.sendMessage(encoder.encode(`refused: ${reason}`)).catch(() => {});
  }
  conn.close();
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
const listener = await listen({ port: Number(port) });
console.log(`receiving into ${folder} on UDP port ${listener.addr.port}`);
for await (const conn of listener) serve(conn, folder);
