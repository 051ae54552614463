/**
 * Settings of a UDP socket of Linux that can change while it is open, and what its kernel tells.
 *
 * @module
 */
import {
  AF_INET6,
  IP_TOS,
  IPV6_TCLASS,
  type Libc,
  SO_MEMINFO,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOL_IP,
  SOL_IPV6,
  SOL_SOCKET,
} from "./libc.ts";

/** Index of the dropped packets in what `SO_MEMINFO` gives. Source: linux/sock_diag.h. */
const MEMINFO_DROPS = 8;
/** Numbers of 32 bits that `SO_MEMINFO` gives. */
const MEMINFO_COUNT = 9;

/** Sets an option of the socket; false if the kernel refuses. */
export function setOption(
  libc: Libc,
  fd: number,
  level: number,
  option: number,
  value: number,
): boolean {
  return libc.symbols.setsockopt(fd, level, option, Int32Array.of(value), 4) === 0;
}

/** The value of an option of the socket; -1 if the kernel refuses. */
export function getOption(libc: Libc, fd: number, level: number, option: number): number {
  const value = new Int32Array(1);
  const status = libc.symbols.getsockopt(fd, level, option, value, Int32Array.of(4));
  return status === 0 ? value[0] : -1;
}

/** Sets the size of a buffer, past the system's limit if the process has the right to. */
export function setBuffer(libc: Libc, fd: number, which: "receive" | "send", bytes: number): void {
  const [force, plain] = which === "receive"
    ? [SO_RCVBUFFORCE, SO_RCVBUF]
    : [SO_SNDBUFFORCE, SO_SNDBUF];
  if (!setOption(libc, fd, SOL_SOCKET, force, bytes)) {
    setOption(libc, fd, SOL_SOCKET, plain, bytes);
  }
}

/** The size of a buffer in bytes, as `setBuffer` would name it. */
export function getBuffer(libc: Libc, fd: number, which: "receive" | "send"): number {
  // The kernel doubles the size, to have room for what it notes about each packet (socket(7)).
  return getOption(libc, fd, SOL_SOCKET, which === "receive" ? SO_RCVBUF : SO_SNDBUF) / 2;
}

/**
 * Sets the class of the packets, 0 to 63 (RFC 2474): the upper six bits of the traffic class. The lower
 * two, for congestion marks (RFC 3168), are 0.
 *
 * @throws {Error} When the kernel refuses.
 */
export function setDscp(libc: Libc, fd: number, family: number, dscp: number): void {
  const done = setOption(libc, fd, SOL_IP, IP_TOS, dscp << 2);
  // An IPv6 socket sends IPv4 packets, too.
  const last = family === AF_INET6 ? setOption(libc, fd, SOL_IPV6, IPV6_TCLASS, dscp << 2) : done;
  if (!last) throw libc.error("setsockopt of the traffic class");
}

/** The class of the packets, 0 to 63. */
export function getDscp(libc: Libc, fd: number, family: number): number {
  return family === AF_INET6
    ? getOption(libc, fd, SOL_IPV6, IPV6_TCLASS) >> 2
    : getOption(libc, fd, SOL_IP, IP_TOS) >> 2;
}

/**
 * Packets that the kernel has dropped at the socket, most of them because its receive buffer was full;
 * null if the kernel does not tell (before Linux 4.12).
 */
export function droppedPackets(libc: Libc, fd: number): number | null {
  const info = new Uint32Array(MEMINFO_COUNT);
  const size = Int32Array.of(info.byteLength);
  const status = libc.symbols.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, size);
  return status === 0 && size[0] === info.byteLength ? info[MEMINFO_DROPS] : null;
}
