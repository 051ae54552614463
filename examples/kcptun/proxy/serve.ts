/**
 * Carries out what a client of the proxy asks for: reads the request, looks up the name, checks that
 * the destination is open, and connects to it.
 *
 * @module
 */
import type { Later, PipeEnd } from "../tunnel/pipe.ts";
import type { Access } from "./access.ts";
import { handshakeFor } from "./choose.ts";
import type { Handshake, ProxyRequest, Refusal } from "./handshake.ts";
import { parseIP } from "./ip.ts";

/** A destination that was reached. */
export interface Destination {
  readonly end: PipeEnd;
  /** The IP address and the port of this side. */
  readonly hostname: string;
  readonly port: number;
}

/** What the proxy needs. */
export interface ProxyOptions {
  readonly access: Access;
  /**
   * The IP addresses of a name, the best one first.
   *
   * @throws {Error} When the name has none.
   */
  lookUp(name: string): Promise<string[]>;
  /**
   * Connects to an IP address.
   *
   * @throws {Error} When it can't be reached.
   */
  dial(address: string, port: number): Promise<Destination>;
  /** How long (ms) a client may take for its request. */
  readonly requestTimeout: number;
  /** How long (ms) an attempt to connect may take. */
  readonly dialTimeout: number;
  readonly later: Later;
  /** Begins an association for datagrams. Without it, such requests are refused. */
  associate?(): PipeEnd;
}

/** What a client has asked for, carried out. */
export interface Opened {
  readonly request: ProxyRequest;
  readonly end: PipeEnd;
}

/** Most addresses of a name that are tried. */
const MAX_ADDRESSES = 8;

/** A request that was not carried out, with the answer for it. */
class RefusedError extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal, message: string) {
    super(message);
    this.refusal = refusal;
  }
}

/** Which answer fits an error of the system. */
function refusalFor(error: unknown): Refusal {
  if (error instanceof RefusedError) return error.refusal;
  if (error instanceof Deno.errors.ConnectionRefused) return "connection refused";
  if (error instanceof Deno.errors.TimedOut) return "timeout";
  const { code } = error as { code?: string };
  if (code === "ENETUNREACH") return "network unreachable";
  return code === "EHOSTUNREACH" ? "host unreachable" : "failure";
}

async function writeAll(end: PipeEnd, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await end.write(bytes.subarray(at));
}

/** Reads the request of a client. Null if it has none that can be understood. */
async function readRequest(client: PipeEnd): Promise<Handshake | null> {
  const buffer = new Uint8Array(2048);
  let handshake: Handshake | null = null;
  for (let count; (count = await client.read(buffer)) !== null;) {
    if (count === 0) continue;
    handshake ??= handshakeFor(buffer[0]);
    if (!handshake) return null;
    handshake.input(buffer.subarray(0, count));
    await writeAll(client, handshake.takeOutput());
    if (handshake.request || handshake.failed) return handshake;
  }
  return null;
}

/** The addresses of a destination that are open. */
async function openAddresses(
  { hostname, port }: ProxyRequest,
  { access, lookUp }: ProxyOptions,
): Promise<string[]> {
  let addresses = [hostname];
  if (!parseIP(hostname)) {
    addresses = await lookUp(hostname).catch(() => []);
    if (addresses.length === 0) throw new RefusedError("name not found", "The name has no address");
  }
  const open = addresses.filter((address) => access.permits(address, port));
  if (open.length === 0) throw new RefusedError("not allowed", "The destination is closed");
  return open.slice(0, MAX_ADDRESSES);
}

/** Connects within the time for an attempt. A connection that comes too late is closed. */
function dialInTime(
  address: string,
  port: number,
  { dial, dialTimeout, later }: ProxyOptions,
): Promise<Destination> {
  return new Promise((resolve, reject) => {
    let late = false;
    const cancel = later(dialTimeout, () => {
      late = true;
      reject(new RefusedError("timeout", `No answer within ${dialTimeout} ms`));
    });
    dial(address, port).then((destination) => {
      if (late) destination.end.abort();
      cancel();
      resolve(destination);
    }, (error) => {
      cancel();
      reject(error);
    });
  });
}

/** Connects to the first address that answers. */
async function reach(request: ProxyRequest, options: ProxyOptions): Promise<Destination> {
  const addresses = await openAddresses(request, options);
  let failure: unknown;
  for (const address of addresses) {
    try {
      return await dialInTime(address, request.port, options);
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}

/**
 * Serves the beginning of one connection to the proxy: up to the answer that the destination was
 * reached.
 *
 * @returns Null if the client asked for nothing that can be understood, or carried out here.
 * @throws {Error} When the destination was not reached, or the client is gone. The client has its
 * answer, and is closed.
 */
export async function openDestination(
  client: PipeEnd,
  options: ProxyOptions,
): Promise<Opened | null> {
  let timedOut = false;
  const cancel = options.later(options.requestTimeout, () => {
    timedOut = true;
    client.abort();
  });
  const handshake = await readRequest(client).catch((error) => {
    throw timedOut ? new Error("The client sent no request in time") : error;
  }).finally(cancel);
  const request = handshake?.request;
  if (!handshake || !request) {
    client.close();
    return null;
  }
  if (request.command === "associate") {
    const end = options.associate?.();
    if (end) handshake.accept("0.0.0.0", 0);
    else handshake.refuse("not supported");
    await writeAll(client, handshake.takeOutput());
    if (end) return { request, end };
    client.close();
    return null;
  }
  let destination: Destination;
  try {
    destination = await reach(request, options);
  } catch (error) {
    handshake.refuse(refusalFor(error));
    await writeAll(client, handshake.takeOutput());
    client.close();
    throw error;
  }
  const { end, hostname, port } = destination;
  try {
    handshake.accept(hostname, port);
    await writeAll(client, handshake.takeOutput());
    await writeAll(end, handshake.rest);
  } catch (error) {
    client.abort();
    end.abort();
    throw error;
  }
  return { request, end };
}
