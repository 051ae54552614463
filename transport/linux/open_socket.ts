/**
 * Opens a UDP socket of Linux and finds out what the kernel can do.
 *
 * @module
 */
import {
  AF_INET,
  AF_INET6,
  IP_MTU_DISCOVER,
  IP_PKTINFO,
  IP_PMTUDISC_DONT,
  IP_PMTUDISC_PROBE,
  IPV6_MTU_DISCOVER,
  IPV6_RECVPKTINFO,
  IPV6_V6ONLY,
  type Libc,
  MSG_DONTWAIT,
  SO_REUSEPORT,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_IP,
  SOL_IPV6,
  SOL_SOCKET,
  SOL_UDP,
  UDP_GRO,
  UDP_SEGMENT,
} from "./libc.ts";
import type { LinuxOptions } from "./linux_options.ts";
import { setBuffer, setDscp, setOption } from "./socket_settings.ts";
import { withNumericZone } from "./zone.ts";
import { decodeSockaddr, encodeSockaddr, SOCKADDR_SIZE } from "./sockaddr.ts";

/** A bound socket, and what its kernel can do. */
export interface OpenSocket {
  /** The descriptor of the socket. */
  readonly fd: number;
  /** `AF_INET` or `AF_INET6`. */
  readonly family: number;
  /** The address that the socket is bound to. */
  readonly address: string;
  /** Whether the kernel splits a message into packets (`UDP_SEGMENT`). */
  readonly gso: boolean;
  /** Whether the kernel joins packets into a message (`UDP_GRO`). */
  readonly gro: boolean;
  /** Whether one call may carry many messages (`sendmmsg`, `recvmmsg`). */
  readonly batching: boolean;
  /** Whether the kernel tells the local address that a packet was sent to. */
  readonly tellsLocal: boolean;
}

/**
 * Opens a socket and binds it.
 *
 * @param hostname The IP address to bind. An IPv6 socket on `::` also takes IPv4 packets.
 * @param port The port; 0 lets the kernel choose a free one.
 * @param listens Whether any peer may send to the socket. If it is bound to every address, the
 * kernel then tells for each packet which of them the peer has used.
 * @throws {TypeError} When the hostname is not an IP address.
 * @throws {Error} When a system call fails, for example because the port is in use. Nothing stays
 * open.
 */
export function openSocket(
  libc: Libc,
  hostname: string,
  port: number,
  options: Required<LinuxOptions>,
  listens: boolean,
): OpenSocket {
  const { symbols } = libc;
  const family = hostname.includes(":") ? AF_INET6 : AF_INET;
  const name = encodeSockaddr(withNumericZone(libc, hostname), port, family);
  let fd = -1;
  try {
    fd = symbols.socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) throw libc.error("socket");
    if (family === AF_INET6) setOption(libc, fd, SOL_IPV6, IPV6_V6ONLY, 0);
    // No packet is fragmented (RFC 8899 §3): a packet that is too large vanishes, and the session
    // finds out what the path takes. An IPv6 socket may send over IPv4, too.
    allowFragments(libc, fd, family, false);
    if (options.reusePort && !setOption(libc, fd, SOL_SOCKET, SO_REUSEPORT, 1)) {
      throw libc.error("setsockopt of SO_REUSEPORT");
    }
    setBuffer(libc, fd, "receive", options.receiveBuffer);
    setBuffer(libc, fd, "send", options.sendBuffer);
    if (options.dscp > 0) setDscp(libc, fd, family, options.dscp);
    // An older kernel refuses an option that it does not know.
    const gso = options.segmentation && setOption(libc, fd, SOL_UDP, UDP_SEGMENT, 0);
    const gro = options.segmentation && setOption(libc, fd, SOL_UDP, UDP_GRO, 1);
    const tellsLocal = listens && isWildcard(name, family);
    if (tellsLocal) {
      if (family === AF_INET) setOption(libc, fd, SOL_IP, IP_PKTINFO, 1);
      else setOption(libc, fd, SOL_IPV6, IPV6_RECVPKTINFO, 1);
    }
    const batching = options.batching && canBatch(libc, fd);
    if (symbols.bind(fd, name, name.length) < 0) {
      throw libc.error(`bind of ${hostname} port ${port}`);
    }
    const own = new Uint8Array(SOCKADDR_SIZE);
    if (symbols.getsockname(fd, own, Int32Array.of(SOCKADDR_SIZE)) < 0) {
      throw libc.error("getsockname");
    }
    const address = decodeSockaddr(new DataView(own.buffer), 0);
    return { fd, family, address, gso, gro, batching, tellsLocal };
  } catch (error) {
    if (fd >= 0) symbols.close(fd);
    throw error;
  }
}

/**
 * The local address from which the kernel sends to a peer: a `sockaddr` with port 0 that says it; null
 * if there is no route.
 */
export function localAddressTo(
  { symbols }: Libc,
  peer: Uint8Array<ArrayBuffer>,
  family: number,
): Uint8Array<ArrayBuffer> | null {
  // A connected UDP socket sends nothing, but has the address of its route.
  const fd = symbols.socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return null;
  const own = new Uint8Array(SOCKADDR_SIZE);
  const known = symbols.connect(fd, peer, peer.length) === 0 &&
    symbols.getsockname(fd, own, Int32Array.of(SOCKADDR_SIZE)) === 0;
  symbols.close(fd);
  return known ? own : null;
}

/** Whether a `sockaddr` stands for every address of this host. */
function isWildcard(name: Uint8Array, family: number): boolean {
  const address = family === AF_INET ? name.subarray(4, 8) : name.subarray(8, 24);
  return address.every((byte) => byte === 0);
}

/** Decides whether the network may fragment the packets of a socket. */
export function allowFragments(libc: Libc, fd: number, family: number, allow: boolean): void {
  const value = allow ? IP_PMTUDISC_DONT : IP_PMTUDISC_PROBE;
  setOption(libc, fd, SOL_IP, IP_MTU_DISCOVER, value);
  if (family === AF_INET6) setOption(libc, fd, SOL_IPV6, IPV6_MTU_DISCOVER, value);
}

/** Whether the kernel and the sandbox allow `sendmmsg` and `recvmmsg`. */
function canBatch({ symbols }: Libc, fd: number): boolean {
  // A call with no messages fails, too, where the call is missing or forbidden.
  const none = new Uint8Array(8);
  return symbols.sendmmsg(fd, none, 0, 0) === 0 &&
    symbols.recvmmsg(fd, none, 0, MSG_DONTWAIT, null) === 0;
}
