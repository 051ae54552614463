/**
 * Which destinations the proxy may reach. Those that are not on the public Internet are closed: who
 * has the key must not get into the network of the server.
 *
 * @module
 */
import { contains, type Network, parseIP, parseNetwork } from "./ip.ts";

function networks(...list: string[]): Network[] {
  return list.map((text) => parseNetwork(text)!);
}

/** Networks that are not public. Source: the registries of IANA of RFC 6890, and their updates. */
const CLOSED = networks(
  "0.0.0.0/8", // this host
  "10.0.0.0/8", // private, RFC 1918
  "100.64.0.0/10", // carrier-grade NAT, RFC 6598
  "127.0.0.0/8", // loopback
  "169.254.0.0/16", // link-local; metadata of clouds
  "172.16.0.0/12", // private
  "192.0.0.0/24", // protocol assignments
  "192.0.2.0/24", // documentation
  "192.88.99.0/24", // relays of 6to4, deprecated
  "192.168.0.0/16", // private
  "198.18.0.0/15", // benchmarks
  "198.51.100.0/24", // documentation
  "203.0.113.0/24", // documentation
  "224.0.0.0/4", // multicast
  "240.0.0.0/4", // reserved, and broadcast
  "2001::/23", // protocol assignments, Teredo among them
  "2001:db8::/32", // documentation
  "3fff::/20", // documentation
);

/** Of IPv6, only these addresses are given to hosts of the Internet. */
const GLOBAL = networks("2000::/3");

/** Networks of IPv6 whose addresses hold one of IPv4, and the byte where it begins. */
const HOLDERS: readonly (readonly [Network, number])[] = [
  [parseNetwork("::ffff:0:0/96")!, 12], // mapped, RFC 4291
  [parseNetwork("64:ff9b::/96")!, 12], // NAT64, RFC 6052
  [parseNetwork("2002::/16")!, 2], // 6to4, RFC 3056
];

/** Whether an address is one of the public Internet. Those that hold an IPv4 address are as it is. */
export function isPublic(address: Uint8Array): boolean {
  for (const [network, at] of HOLDERS) {
    if (contains(network, address)) return isPublic(address.subarray(at, at + 4));
  }
  if (CLOSED.some((network) => contains(network, address))) return false;
  return address.length === 4 || contains(GLOBAL[0], address);
}

/** One rule: a network and ports. */
interface Rule {
  /** Null for all addresses. */
  readonly network: Network | null;
  readonly first: number;
  readonly last: number;
}

/** NETWORK, NETWORK:PORTS, [NETWORK]:PORTS, or with `*` in the place of the network. */
const RULE = /^(?:\[([^\]]+)\]|([^[\]]+?))(?::(\d{1,5})(?:-(\d{1,5}))?)?$/;

function parseRule(text: string): Rule | null {
  // An IPv6 network without brackets has no ports.
  const bare = parseNetwork(text);
  if (bare) return { network: bare, first: 0, last: 65_535 };
  const [, bracketed, plain, low = "0", high = low === "0" ? "65535" : low] = RULE.exec(text) ?? [];
  const name = bracketed ?? plain;
  if (name === undefined) return null;
  const network = name === "*" ? null : parseNetwork(name);
  const [first, last] = [Number(low), Number(high)];
  if ((name !== "*" && !network) || first > last || last > 65_535) return null;
  return { network, first, last };
}

/** @throws {RangeError} When an entry can't be read. */
function parseRules(flag: string, list: string): Rule[] {
  return list.split(",").map((entry) => entry.trim()).filter((entry) => entry !== "").map(
    (entry) => {
      const rule = parseRule(entry);
      if (rule) return rule;
      throw new RangeError(
        `Cannot set ${flag} to ${list}: ${entry} is no network. Allowed are entries such as ` +
          "10.0.0.0/8, 127.0.0.1:8080, [fd00::/8]:443, 192.168.0.0/16:8000-8999 and *:80",
      );
    },
  );
}

/** The rules of a proxy. */
export class Access {
  readonly #allow: readonly Rule[];
  readonly #deny: readonly Rule[];

  /**
   * @param allow Destinations that are open although they are not public, separated by commas.
   * @param deny Destinations that are closed, whatever `allow` says.
   * @throws {RangeError} When one of them can't be read. The message names the flag.
   */
  constructor(allow: string, deny: string) {
    this.#allow = parseRules("--allow", allow);
    this.#deny = parseRules("--deny", deny);
  }

  /**
   * Whether a destination is open.
   *
   * @param address An IP address. A name must be looked up first, and the address that was checked
   * must be the one that is used: otherwise the name may change in between.
   */
  permits(address: string, port: number): boolean {
    const bytes = parseIP(address);
    if (!bytes) return false;
    // An address that holds one of IPv4 is both, so that no rule can be avoided.
    const forms = [bytes];
    for (const [network, at] of HOLDERS) {
      if (contains(network, bytes)) forms.push(bytes.subarray(at, at + 4));
    }
    const matches = ({ network, first, last }: Rule) =>
      port >= first && port <= last &&
      (network === null || forms.some((form) => contains(network, form)));
    if (this.#deny.some(matches)) return false;
    return isPublic(bytes) || this.#allow.some(matches);
  }
}
