/**
 * Sockets that send and receive in batches of system calls, on Linux.
 *
 * @module
 */
export { linux, type LinuxOptions, LinuxSocket } from "./linux.ts";
