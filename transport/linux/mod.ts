/**
 * Sockets that send and receive in batches of system calls, on Linux.
 *
 * @module
 */
export type { LinuxLiveOptions, LinuxOptions } from "./linux_options.ts";
export { linux, LinuxSocket } from "./linux_socket.ts";
