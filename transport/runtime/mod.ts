/**
 * `listen` and `connect` on any runtime, which open a socket of the runtime.
 *
 * @module
 */
export {
  type Bind,
  type BindOptions,
  connect,
  type ConnectOptions,
  listen,
  type ListenOptions,
} from "./listen.ts";
