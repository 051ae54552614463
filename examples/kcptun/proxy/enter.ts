/**
 * The client's side of a tunnel to a proxy. It speaks SOCKS5 with the application itself, so that the
 * greeting costs no round trip to the server, and it carries datagrams.
 *
 * @module
 */
import type { PipeEnd } from "../tunnel/pipe.ts";
import type { DatagramHub } from "./datagrams.ts";
import type { Handshake } from "./handshake.ts";
import { readRelayed, requestBytes, Socks5Handshake } from "./socks5.ts";
import type { OpenUdp, UdpPort } from "./udp.ts";

/** What the client needs. */
export interface EntryOptions {
  readonly openUdp: OpenUdp;
  /** The IP address of this machine that the application uses, and its own. */
  readonly local: string;
  readonly remote: string;
  /** The id of the stream. */
  readonly id: number;
  readonly hub: DatagramHub;
}

async function writeAll(end: PipeEnd, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await end.write(bytes.subarray(at));
}

/** Reads a number of bytes. Null if the end comes first. */
async function readExactly(end: PipeEnd, length: number): Promise<Uint8Array | null> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await end.read(bytes.subarray(at));
    if (count === null) return null;
    at += count;
  }
  return bytes;
}

/** Opens the socket to which the application sends its datagrams. */
async function openRelay({ openUdp, local, remote, id, hub }: EntryOptions): Promise<UdpPort> {
  /** The port of the application: that of its first datagram. */
  let from = 0;
  const relay = await openUdp(local, (data, hostname, port) => {
    if (hostname !== remote || (from !== 0 && port !== from) || !readRelayed(data)) return;
    from = port;
    hub.send(id, data);
  });
  hub.add(id, (datagram) => {
    if (from !== 0) relay.send(datagram, remote, from);
  });
  return relay;
}

/** Lets the server begin an association, and answers the application. */
async function associate(
  handshake: Handshake,
  app: PipeEnd,
  stream: PipeEnd,
  options: EntryOptions,
): Promise<(() => void) | null> {
  // The method, and a reply with an IPv4 address.
  const reply = await readExactly(stream, 12);
  if (!reply || reply[3] !== 0) {
    handshake.refuse("not supported");
    await writeAll(app, handshake.takeOutput());
    return null;
  }
  const relay = await openRelay(options);
  const leave = () => {
    options.hub.delete(options.id);
    relay.close();
  };
  try {
    handshake.accept(relay.hostname, relay.port);
    await writeAll(app, handshake.takeOutput());
  } catch (error) {
    leave();
    throw error;
  }
  return leave;
}

/**
 * Begins a connection of an application to the proxy at the other end of a stream. Bytes that are not
 * SOCKS5 are passed on as they are.
 *
 * @returns What is to be called when the connection has ended; null if it is over.
 * @throws {Error} When one of the ends has failed.
 */
export async function enterProxy(
  app: PipeEnd,
  stream: PipeEnd,
  options: EntryOptions,
): Promise<(() => void) | null> {
  const handshake = new Socks5Handshake();
  const buffer = new Uint8Array(2048);
  for (let first = true; !handshake.request; first = false) {
    const count = await app.read(buffer);
    if (count === null) return null;
    const bytes = buffer.subarray(0, count);
    if (first && bytes[0] !== 5) {
      await writeAll(stream, bytes);
      return () => {};
    }
    handshake.input(bytes);
    await writeAll(app, handshake.takeOutput());
    if (handshake.failed) return null;
  }
  await writeAll(stream, requestBytes(handshake.request));
  if (handshake.request.command === "associate") {
    return await associate(handshake, app, stream, options);
  }
  await writeAll(stream, handshake.rest);
  // The answer to the greeting, which the application has already. It has the reply next.
  return await readExactly(stream, 2) ? () => {} : null;
}
