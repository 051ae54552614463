/**
 * What the suite needs to know about a runtime and its sockets.
 *
 * @module
 */
import type {
  Connection,
  EndpointOptions,
  Listener,
  SessionOptions,
} from "../../../transport/mod.ts";

/** A runtime, seen through one of its adapters. */
export interface Face {
  /** The kind of socket, as `Connection.adapter` tells it. */
  readonly adapter: string;
  /**
   * How WebAssembly kernels come: compiled while the program runs, compiled before, or not at all,
   * because the runtime forbids it.
   */
  readonly kernels: "compiled" | "precompiled" | "none";
  /** Listens on an address of its own. */
  listen(options?: EndpointOptions): Promise<Listener>;
  /** Opens a connection to a listener, which may be closed. It does not wait for an answer. */
  connect(listener: Listener, options?: SessionOptions): Promise<Connection>;
}
