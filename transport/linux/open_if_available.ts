import { resolveLinuxOptions } from "./linux_options.ts";
import { LinuxSocket } from "./linux_socket.ts";
import { Poller } from "./poller.ts";

/**
 * Opens a socket with the default options, or returns null where the system calls can't be had:
 * another architecture, a system without glibc, a sandbox.
 *
 * @param listens Whether the socket answers each peer from the address that the peer has sent to.
 * @throws {Error} When the address can't be bound.
 */
export function openIfAvailable(
  hostname: string,
  port: number,
  listens: boolean,
): LinuxSocket | null {
  let poller: Poller;
  try {
    poller = Poller.acquire();
  } catch {
    return null;
  }
  try {
    return new LinuxSocket(hostname, port, resolveLinuxOptions({}), listens);
  } finally {
    poller.release();
  }
}
