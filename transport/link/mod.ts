/**
 * Bad networks: links that lose, delay, reorder and damage packets, and a network made of them.
 *
 * @module
 */
export * from "./link.ts";
export * from "./link_options.ts";
export { Random } from "./random.ts";
export * from "./simulated_network.ts";
