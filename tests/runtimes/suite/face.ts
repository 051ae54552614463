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
   * How the work of WebAssembly kernels is done: by modules that were compiled while the program runs,
   * or before, or without them, because the runtime forbids to compile them.
   */
  readonly kernels: "compiled" | "precompiled" | "portable";
  /** The kind of socket that the root entry finds. Null if the runtime has none. */
  readonly rootAdapter: string | null;
  /**
   * Opens a connection to a listener of another process, on Deno: to one that sends back what it gets,
   * or to one that waits until this process ends. Null where nothing leads there.
   */
  readonly dial: ((name: "echo" | "end", options: SessionOptions) => Promise<Connection>) | null;
  /** Listens on an address of its own. */
  listen(options?: EndpointOptions): Promise<Listener>;
  /** Opens a connection to a listener, which may be closed. It does not wait for an answer. */
  connect(listener: Listener, options?: SessionOptions): Promise<Connection>;
  /** Closes what it holds beside the listeners. */
  close?(): void;
}
