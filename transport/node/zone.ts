import type * as os from "node:os";
import { zoneOf } from "../session/address.ts";

/** What is asked of `node:os`. */
export type HostNetworks = Pick<typeof os, "networkInterfaces" | "platform">;

/**
 * An address with its zone in the form that Node.js uses: a name, on Windows a number.
 *
 * @param os The module `node:os`.
 * @throws {TypeError} When this host has no such network.
 */
export function withSystemZone(hostname: string, os: HostNetworks): string {
  const zone = zoneOf(hostname);
  if (zone === "") return hostname;
  let networks: ReturnType<HostNetworks["networkInterfaces"]>;
  try {
    networks = os.networkInterfaces();
  } catch {
    // Deno may forbid it. It takes both forms.
    return hostname;
  }
  for (const [name, addresses = []] of Object.entries(networks)) {
    const index = addresses.find(({ scopeid }) => scopeid)?.scopeid;
    if (name !== zone && String(index) !== zone) continue;
    const own = os.platform() === "win32" ? String(index) : name;
    return hostname.replace(`%${zone}`, `%${own}`);
  }
  throw new TypeError(`Cannot use the hostname ${hostname}: there is no network ${zone}`);
}
