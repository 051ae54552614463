/**
 * `listen` and `connect` on Deno, which choose the kind of socket.
 *
 * @module
 */
export { connect, listen } from "./listen.ts";
