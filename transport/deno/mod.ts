/**
 * `listen` and `connect` on Deno, which choose the kind of socket, and sockets of Deno.
 *
 * @module
 */
export { deno, DenoSocket } from "./deno_socket.ts";
export { connect, listen } from "./listen.ts";
