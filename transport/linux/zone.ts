import { zoneOf } from "../session/address.ts";
import type { Libc } from "./libc.ts";

/** Size of the name of a network interface with its final 0. Source: `IFNAMSIZ` of Linux. */
const NAME_SIZE = 16;

/**
 * An address whose zone is a number, as the kernel uses it. `fe80::1%eth0` becomes `fe80::1%2`.
 *
 * @throws {TypeError} When this host has no such network interface.
 */
export function withNumericZone({ symbols }: Libc, hostname: string): string {
  const zone = zoneOf(hostname);
  if (zone === "") return hostname;
  const isNumber = /^\d+$/.test(zone);
  const name = new TextEncoder().encode(`${zone}\0`);
  const index = isNumber
    ? Number(zone)
    : name.length <= NAME_SIZE
    ? symbols.if_nametoindex(name)
    : 0;
  const exists = index > 0 && index < 2 ** 31 &&
    (!isNumber || symbols.if_indextoname(index, new Uint8Array(NAME_SIZE)) !== null);
  if (!exists) {
    throw new TypeError(`Cannot use the hostname ${hostname}: there is no network ${zone}`);
  }
  return `${hostname.slice(0, hostname.indexOf("%"))}%${index}`;
}
