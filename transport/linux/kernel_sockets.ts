/**
 * What the kernel of Linux knows of the UDP sockets of Deno: the sizes of their buffers, and how many
 * packets it has dropped.
 *
 * @module
 */
import type { DenoDatagramConn } from "../connection/deno_datagram_conn.ts";
import type { UdpAddress } from "../connection/udp_address.ts";
import { Libc, SO_TYPE, SOCK_DGRAM, SOL_SOCKET } from "./libc.ts";
import { decodeSockaddr, SOCKADDR_SIZE } from "./sockaddr.ts";
import { droppedPackets, getOption, setBuffer } from "./socket_settings.ts";
import { parseAddress } from "../session/address.ts";

/** Size in bytes of both buffers of a socket. The kernel may give less. */
const BUFFER_SIZE = 4 << 20;
/** Descriptors are searched up to this one. */
const MAX_DESCRIPTORS = 65_536;

/** Sockets of Deno that are open, and what the kernel has dropped at them and at earlier ones. */
export class KernelSockets {
  /** libc; null without the permission for FFI, or where there is none. Undefined before its use. */
  #libc: Libc | null | undefined;
  /** The descriptor of each socket; -1 if it was not found. */
  readonly #descriptors = new Map<DenoDatagramConn, number>();
  /** Packets that were dropped at sockets that are closed. */
  #past = 0;
  #unknown = false;

  /** Gives a socket large buffers, where it can be done, and watches it. */
  add(socket: DenoDatagramConn): void {
    const libc = this.#libc === undefined ? this.#libc = acquireLibc() : this.#libc;
    const fd = libc ? findDescriptor(libc, socket.addr as UdpAddress) : -1;
    this.#descriptors.set(socket, fd);
    if (!libc || fd < 0) return;
    setBuffer(libc, fd, "receive", BUFFER_SIZE);
    setBuffer(libc, fd, "send", BUFFER_SIZE);
  }

  /** Takes the count of a socket that will be closed next. */
  remove(socket: DenoDatagramConn): void {
    const count = this.#droppedAt(socket, null);
    this.#descriptors.delete(socket);
    if (count === null) this.#unknown = true;
    else this.#past += count;
  }

  /** Packets that the kernel has dropped at all sockets since they were opened. */
  get dropped(): number | "unknown" {
    if (this.#unknown) return "unknown";
    const table = [...this.#descriptors.values()].includes(-1) ? readTable() : null;
    let sum = this.#past;
    for (const socket of this.#descriptors.keys()) {
      const count = this.#droppedAt(socket, table);
      if (count === null) return "unknown";
      sum += count;
    }
    return sum;
  }

  /** Ends the use of libc. All sockets must have been removed. */
  close(): void {
    this.#libc?.release();
    this.#libc = null;
  }

  #droppedAt(socket: DenoDatagramConn, table: Map<string, number> | null): number | null {
    const fd = this.#descriptors.get(socket)!;
    if (this.#libc && fd >= 0) return droppedPackets(this.#libc, fd);
    const { hostname, port } = socket.addr as UdpAddress;
    return (table ?? readTable())?.get(tableKey(hostname, port)) ?? null;
  }
}

/** Opens libc if FFI is granted without limits. It never prompts. */
function acquireLibc(): Libc | null {
  try {
    const ffi = Deno.permissions.querySync({ name: "ffi" });
    return ffi.state === "granted" && !ffi.partial ? Libc.acquire() : null;
  } catch {
    // Another system, or one without glibc.
    return null;
  }
}

/** The descriptor of the UDP socket of this process that is bound to an address; -1 if none is. */
function findDescriptor(libc: Libc, { hostname, port }: UdpAddress): number {
  const own = new Uint8Array(SOCKADDR_SIZE);
  const view = new DataView(own.buffer);
  for (let fd = 0; fd < MAX_DESCRIPTORS; fd++) {
    if (libc.symbols.getsockname(fd, own, Int32Array.of(SOCKADDR_SIZE)) !== 0) continue;
    if (view.getUint16(2) !== port) continue;
    // A TCP socket may have the same address.
    if (getOption(libc, fd, SOL_SOCKET, SO_TYPE) !== SOCK_DGRAM) continue;
    const bound = parseAddress(decodeSockaddr(view, 0)).hostname;
    if (withoutZone(bound) === withoutZone(hostname)) return fd;
  }
  return -1;
}

function withoutZone(hostname: string): string {
  return hostname.split("%")[0];
}

/**
 * The dropped packets of all UDP sockets of this host, by the address in the kernel's form. Null where
 * the tables can't be read: Deno wants all permissions for files in /proc.
 */
function readTable(): Map<string, number> | null {
  const dropped = new Map<string, number>();
  try {
    for (const file of ["/proc/net/udp", "/proc/net/udp6"]) {
      if (Deno.permissions.querySync({ name: "read", path: file }).state !== "granted") return null;
      for (const line of Deno.readTextFileSync(file).split("\n").slice(1)) {
        const columns = line.trim().split(/\s+/);
        if (columns.length >= 13) dropped.set(columns[1], Number(columns[12]));
      }
    }
  } catch {
    return null;
  }
  return dropped;
}

/** An address in the form of /proc/net/udp: 127.0.0.1 port 80 is `0100007F:0050`. Exported for tests. */
export function tableKey(hostname: string, port: number): string {
  const v6 = hostname.includes(":");
  const bytes = v6 ? ipv6Bytes(withoutZone(hostname)) : hostname.split(".").map(Number);
  let text = "";
  // Each word of four bytes is printed as a number of the machine, which is little-endian.
  for (let i = 0; i < bytes.length; i += 4) {
    for (let k = 3; k >= 0; k--) text += bytes[i + k].toString(16).padStart(2, "0");
  }
  return `${text}:${port.toString(16).padStart(4, "0")}`.toUpperCase();
}

/** The 16 bytes of an IPv6 address in the short form. */
function ipv6Bytes(hostname: string): number[] {
  const [head, tail] = hostname.split("::");
  const groups = (text: string | undefined) => text ? text.split(":") : [];
  const front = groups(head), back = groups(tail);
  const zeros = Array(8 - front.length - back.length).fill("0");
  return [...front, ...zeros, ...back].flatMap((group) => {
    const value = parseInt(group, 16);
    return [value >> 8, value & 255];
  });
}
