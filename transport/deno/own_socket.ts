/**
 * Chooses the kind of socket on Deno where the options have no `bind`.
 *
 * @module
 */
import type { DatagramSocket } from "../connection/driver.ts";
import { checkDenoSockets, deno } from "./deno_socket.ts";

/** What the choice depends on: a part of `Deno`. Imitations of `Deno` may lack it. */
export interface Granting {
  readonly build?: { readonly os: string };
  readonly permissions?: {
    querySync(permission: { name: "ffi" | "net" }): { state: string; partial?: boolean };
  };
}

/**
 * Whether a program may use the sockets of Linux without asking for them: it has `--allow-ffi` and
 * `--allow-net`, both without limits. It never prompts.
 *
 * Deno checks each destination of its own sockets, but no call through FFI. So a program that may
 * reach only some hosts keeps Deno's sockets. With FFI limited to some libraries, Deno would not
 * open the system's libc, but a file of that name in the current folder.
 */
export function mayUseLinux({ build, permissions }: Granting): boolean {
  const whole = (name: "ffi" | "net") => {
    const status = permissions?.querySync({ name });
    return status?.state === "granted" && !status.partial;
  };
  return build?.os === "linux" && whole("ffi") && whole("net");
}

/**
 * Checks that one of the two kinds can be had.
 *
 * @param name The function that needs a socket.
 * @throws {Error} When neither can. The message says what to use instead.
 */
export function checkOwnSockets(name: "connect" | "listen"): void {
  if (typeof Deno === "undefined" || !mayUseLinux(Deno)) checkDenoSockets(name);
}

/**
 * Opens a socket of Linux where the program may use them and the system has them, and otherwise a
 * socket of Deno. The code for the first kind is loaded when it is needed.
 */
export async function bindOwn(
  hostname: string,
  port: number,
  purpose: "listen" | "connect" = "listen",
): Promise<DatagramSocket> {
  if (mayUseLinux(Deno)) {
    // A bundle may lack the module.
    const linux = await import("../linux/open_if_available.ts").catch(() => null);
    const socket = linux?.openIfAvailable(hostname, port, purpose === "listen");
    if (socket) return socket;
  }
  return deno()(hostname, port, purpose);
}
