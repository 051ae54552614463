/**
 * Control messages: `cmsghdr`, and what it carries.
 *
 * @module
 */
import { IP_PKTINFO, IPV6_PKTINFO, SOL_IP, SOL_IPV6 } from "./libc.ts";

/** Size of `cmsghdr` in bytes on 64-bit systems. */
export const CMSGHDR = 16;
/** Offset of the level in `cmsghdr`. */
export const CMSG_LEVEL = 8;
/** Offset of the type in `cmsghdr`. */
export const CMSG_TYPE = 12;
/** Offset of the value after the start of `cmsghdr`. */
export const CMSG_DATA = CMSGHDR;

/**
 * Makes the control message that chooses the local address of a packet: `in_pktinfo` or
 * `in6_pktinfo`, in a `cmsghdr`.
 *
 * @param address The local address: 4 bytes for an IPv4 socket, 16 for an IPv6 socket.
 */
export function localAddressControl(address: Uint8Array): Uint8Array<ArrayBuffer> {
  const v6 = address.length === 16;
  const control = new Uint8Array(v6 ? 40 : 32);
  const view = new DataView(control.buffer);
  view.setUint32(0, CMSGHDR + (v6 ? 20 : 12), true);
  view.setUint32(CMSG_LEVEL, v6 ? SOL_IPV6 : SOL_IP, true);
  view.setUint32(CMSG_TYPE, v6 ? IPV6_PKTINFO : IP_PKTINFO, true);
  // The index of the interface stays 0: the route decides.
  control.set(address, v6 ? CMSG_DATA : CMSG_DATA + 4);
  return control;
}
