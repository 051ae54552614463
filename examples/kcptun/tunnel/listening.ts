/**
 * Listens for the connections of applications.
 *
 * @module
 */
import type { StreamAddress } from "../addresses.ts";
import type { Log } from "./log.ts";

/** The host to listen on for every address of this machine. Windows needs one for each family. */
export const EVERY_ADDRESS: string = Deno.build.os === "windows" ? "0.0.0.0" : "::";

/** Whether an error says that this machine has no IPv6. */
export function lacksIPv6(error: unknown): boolean {
  const { code } = error as { code?: string };
  return code === "EAFNOSUPPORT" || code === "EADDRNOTAVAIL" ||
    error instanceof Deno.errors.AddrNotAvailable;
}

/** Whether somebody listens at a Unix socket. */
async function isAnswered(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.ConnectionRefused);
  }
}

/** Listens at a Unix socket. One that an earlier process has left behind is removed. */
async function listenUnix(path: string): Promise<Deno.Listener> {
  try {
    return Deno.listen({ transport: "unix", path });
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse) || await isAnswered(path)) throw error;
    await Deno.remove(path);
    return Deno.listen({ transport: "unix", path });
  }
}

/**
 * Listens for TCP connections, or at a Unix socket.
 *
 * @throws {Error} When that is not possible.
 */
export async function listenStreams(address: StreamAddress): Promise<Deno.Listener> {
  if (address.transport === "unix") return await listenUnix(address.path);
  const { hostname, port } = address;
  try {
    return Deno.listen({ hostname: hostname || EVERY_ADDRESS, port });
  } catch (error) {
    if (hostname !== "" || !lacksIPv6(error)) throw error;
    return Deno.listen({ hostname: "0.0.0.0", port });
  }
}

/** How long (ms) to wait after an `accept` that failed, for example because of too many files. */
const PAUSE = 100;

/** Gives every connection to a function, until the listener is closed. */
export async function acceptAll(
  listener: Deno.Listener,
  take: (conn: Deno.Conn) => void,
  log: Log,
): Promise<void> {
  for (;;) {
    try {
      take(await listener.accept());
    } catch (error) {
      if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) {
        return;
      }
      log(`cannot accept a connection: ${(error as Error).message}`);
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }
}
