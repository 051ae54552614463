/**
 * Sessions, endpoints, connections and listeners over datagrams of any kind.
 *
 * @module
 */
export * from "./connection/mod.ts";
export * from "./session/mod.ts";
