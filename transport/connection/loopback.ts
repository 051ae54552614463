import { hostOf } from "../session/address.ts";

/**
 * Bytes of a packet over the loopback. With what Linux adds, a packet takes 8 KiB of its memory, so that
 * a receive buffer of the default size holds more payload than with smaller packets, and than with
 * larger ones. The loopback of macOS takes packets of up to 9216 bytes unless the system is set
 * otherwise.
 */
const LOOPBACK_PACKET = 7_800;

/**
 * The largest packet in bytes that reaches a peer without being split, where the address tells it: that
 * of a peer on the loopback. 0 for all others.
 */
export function wholeOverLoopback(peer: string): number {
  const host = hostOf(peer);
  return host.startsWith("127.") || host === "[::1]" ? LOOPBACK_PACKET : 0;
}
