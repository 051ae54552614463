import type * as dgram from "node:dgram";
import type * as diagnosticsChannel from "node:diagnostics_channel";
import type * as dns from "node:dns/promises";
import type * as os from "node:os";

/** Modules that Node.js has built in. Deno and Bun have them, too. */
export interface BuiltinModules {
  /** UDP sockets. */
  readonly "node:dgram": typeof dgram;
  /** Channels for tools that watch a process. */
  readonly "node:diagnostics_channel": typeof diagnosticsChannel;
  /** Addresses of names. */
  readonly "node:dns/promises": typeof dns;
  /** The networks of this host. */
  readonly "node:os": typeof os;
}

/**
 * A built-in module of Node.js. It is not imported: bundles for browsers can't resolve such an
 * import, even if it never runs.
 *
 * @returns Undefined where the runtime has no such module, and in Node.js before 20.16 and 22.3.
 */
export function builtinModule<Name extends keyof BuiltinModules>(
  name: Name,
): BuiltinModules[Name] | undefined {
  const { process } = globalThis as unknown as {
    process?: {
      getBuiltinModule?<Name extends keyof BuiltinModules>(name: Name): BuiltinModules[Name];
    };
  };
  return process?.getBuiltinModule?.(name);
}

/**
 * Finds the IP addresses of a name as the system does, the best one first.
 *
 * @throws {Error} When there is no such name, or the runtime can't look up names.
 */
export async function lookUp(name: string): Promise<string[]> {
  const resolver = builtinModule("node:dns/promises");
  if (!resolver) throw new Error(`Cannot look up ${name}: this runtime can't; use an IP address`);
  return (await resolver.lookup(name, { all: true })).map(({ address }) => address);
}
