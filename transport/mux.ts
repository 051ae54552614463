/**
 * Streams over one connection, on the wire of smux, versions 1 and 2.
 *
 * {@linkcode MuxMachine} is a state machine without I/O, over any ordered stream of bytes.
 *
 * @module
 */
export * from "./mux/machine/mod.ts";
