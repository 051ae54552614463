/**
 * IP addresses and networks as bytes.
 *
 * @module
 */

/** Bytes of an IPv4 address; null if the text is none. Only four decimal parts are one. */
function parseIPv4(text: string): number[] | null {
  if (!/^(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})$/.test(text)) return null;
  const bytes = text.split(".").map(Number);
  return bytes.every((byte) => byte < 256) ? bytes : null;
}

/** Bytes of groups with colons between them; null if they are not hexadecimal. */
function groupBytes(text: string): number[] | null {
  if (text === "") return [];
  const bytes: number[] = [];
  for (const group of text.split(":")) {
    if (!/^[0-9a-f]{1,4}$/i.test(group)) return null;
    const value = parseInt(group, 16);
    bytes.push(value >> 8, value & 255);
  }
  return bytes;
}

/** Bytes of an IPv6 address; null if the text is none. A zone (`%eth0`) is left out. */
function parseIPv6(text: string): number[] | null {
  let [address] = text.split("%", 1);
  const dotted = /(?<=:)[\d.]+$/.exec(address)?.[0];
  if (dotted?.includes(".")) {
    const v4 = parseIPv4(dotted);
    if (!v4) return null;
    const [a, b, c, d] = v4.map((byte) => byte.toString(16).padStart(2, "0"));
    address = `${address.slice(0, -dotted.length)}${a}${b}:${c}${d}`;
  }
  const halves = address.split("::");
  if (halves.length > 2) return null;
  const [head, tail = null] = halves.map(groupBytes);
  if (!head || (halves.length === 2 && !tail)) return null;
  const zeros = 16 - head.length - (tail?.length ?? 0);
  if (halves.length === 1) return zeros === 0 ? head : null;
  return zeros >= 2 ? [...head, ...new Array<number>(zeros).fill(0), ...tail!] : null;
}

/** The bytes of an IP address, 4 or 16; null if the text is none. */
export function parseIP(text: string): Uint8Array | null {
  const bytes = text.includes(":") ? parseIPv6(text) : parseIPv4(text);
  return bytes && Uint8Array.from(bytes);
}

/** An IP address as a text: IPv6 in the form of RFC 5952, but without dots. */
export function formatIP(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i] << 8 | bytes[2 * i + 1]));
  // The longest run of zeros, of two groups or more, the first of several.
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > length) {
      start = i;
      length = end - i;
    }
    i = Math.max(i, end - 1);
  }
  const text = (part: number[]) => part.map((group) => group.toString(16)).join(":");
  if (start < 0) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

/** A network: all addresses that begin with the same bits. */
export interface Network {
  readonly address: Uint8Array;
  /** How many bits. */
  readonly bits: number;
}

/** Reads `ADDRESS/BITS`, or an address alone; null if the text is neither. */
export function parseNetwork(text: string): Network | null {
  const parts = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text);
  const address = parts && parseIP(parts[1]);
  if (!address) return null;
  const bits = parts[2] === undefined ? 8 * address.length : Number(parts[2]);
  return bits <= 8 * address.length ? { address, bits } : null;
}

/** Whether a network has an address. */
export function contains({ address, bits }: Network, other: Uint8Array): boolean {
  if (address.length !== other.length) return false;
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) if (address[i] !== other[i]) return false;
  const rest = bits & 7;
  return rest === 0 || (address[whole] ^ other[whole]) >> (8 - rest) === 0;
}
