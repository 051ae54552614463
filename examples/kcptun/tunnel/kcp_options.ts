import type { Connection, Listener, SessionOptions } from "@lowlatency/kcp";
import { LinuxSocket } from "@lowlatency/kcp/linux";
import type { MuxOptions } from "@lowlatency/kcp/mux";
import { cipherOf } from "../crypt.ts";
import type { CommonSettings } from "../settings/settings.ts";
import type { Log } from "./log.ts";

/** How long (ms) a peer may be silent before its session ends. Source: smux. */
const DEAD_TIME = 30_000;
/** How long (ms) the end of a session may take to deliver what was written. */
const LINGER = 3000;

/**
 * The options of the KCP sessions.
 *
 * What kcptun can't set is as in kcp-go: fast retransmission without a limit, and no copies of
 * retransmissions unless the mode retransmits early.
 */
export function kcpOptions(settings: CommonSettings): SessionOptions {
  const { datashard, parityshard, nodelay, ratelimit } = settings;
  return {
    crypt: cipherOf(settings.crypt, settings.key),
    mtu: settings.mtu,
    sndWnd: settings.sndwnd,
    rcvWnd: settings.rcvwnd,
    nodelay: nodelay as 0 | 1 | 2,
    interval: settings.interval,
    resend: settings.resend,
    nc: settings.nc !== 0,
    ackNoDelay: settings.acknodelay,
    pacingRate: ratelimit > 0 ? Math.max(ratelimit, settings.mtu) : Infinity,
    fec: datashard === "auto"
      ? "auto"
      : datashard > 0 && parityshard > 0
      ? { dataShards: datashard, parityShards: parityshard }
      : undefined,
    fastlimit: 0,
    copies: nodelay > 0 ? 1 : 0,
    deadLinkTime: DEAD_TIME,
    linger: LINGER,
  };
}

/** The options of the streams. */
export function muxOptions(settings: CommonSettings): MuxOptions {
  return {
    version: settings.smuxver as 1 | 2,
    maxFrameSize: settings.framesize,
    maxReceiveBuffer: settings.smuxbuf,
    maxStreamBuffer: Math.min(settings.streambuf, settings.smuxbuf),
    keepAliveInterval: 1000 * settings.keepalive,
    keepAliveTimeout: DEAD_TIME,
    linger: LINGER,
  };
}

/** Sets the buffers of a UDP socket and the class of its packets, where the system allows it. */
export function configureSocket(
  { socket }: Connection | Listener,
  { dscp, sockbuf }: CommonSettings,
  log: Log,
): void {
  if (socket instanceof LinuxSocket) {
    socket.configure({ dscp, receiveBuffer: sockbuf, sendBuffer: sockbuf });
  } else if (dscp !== 0) {
    log("--dscp has no effect: this kind of socket can't set it");
  }
}
