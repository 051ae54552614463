/** Options of the Linux transport that can change while a socket is open. */
export interface LinuxLiveOptions {
  /**
   * Size of the socket's receive buffer in bytes, 4096 to 1,073,741,824. Default: 4,194,304 (4
   * MiB). The kernel gives at most `net.core.rmem_max`, unless the process has the capability
   * `CAP_NET_ADMIN`.
   */
  receiveBuffer?: number;
  /**
   * Size of the socket's send buffer in bytes, 4096 to 1,073,741,824. Default: 4,194,304 (4 MiB).
   * The kernel gives at most `net.core.wmem_max`, unless the process has the capability
   * `CAP_NET_ADMIN`.
   */
  sendBuffer?: number;
  /**
   * The class of the packets for routers that tell classes apart (DSCP, RFC 2474), 0 to 63. For
   * example 46 for voice (expedited forwarding, RFC 3246), or 8 for what may wait. Most of the
   * Internet ignores it. Default: 0.
   */
  dscp?: number;
}

/** Options of the Linux transport. */
export interface LinuxOptions extends LinuxLiveOptions {
  /**
   * Whether several sockets may bind the same port (`SO_REUSEPORT`). The kernel then distributes
   * the packets among them. Default: false.
   */
  reusePort?: boolean;
  /**
   * Busy polling: how long (ms) after a packet the socket polls for the next one before it sleeps,
   * 0 to 1000. 0 turns polling off. Default: 0.2.
   *
   * The socket polls between turns of the event loop. It finds a packet sooner than a sleeping
   * socket wakes up. If packets keep arriving soon after the socket has fallen asleep, it polls up
   * to five times as long. A packet that arrives alone costs this much processor time. An idle
   * socket costs nothing. In each turn, whoever waits for the processor gets it (`sched_yield`), and
   * while others need much of it, the socket does not poll.
   */
  busyPoll?: number;
  /**
   * Whether the kernel may split one large message into packets (GSO, `UDP_SEGMENT`) and join
   * packets into one message (GRO, `UDP_GRO`). Default: true.
   */
  segmentation?: boolean;
  /** Whether one system call may carry many messages (`sendmmsg`, `recvmmsg`). Default: true. */
  batching?: boolean;
}

const DEFAULT_BUFFER = 4 << 20;
const DEFAULT_BUSY_POLL = 0.2;

/**
 * Checks options and adds the defaults.
 *
 * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range.
 */
export function resolveLinuxOptions(options: LinuxOptions): Required<LinuxOptions> {
  const {
    receiveBuffer = DEFAULT_BUFFER,
    sendBuffer = DEFAULT_BUFFER,
    dscp = 0,
    reusePort = false,
    segmentation = true,
    batching = true,
    busyPoll = DEFAULT_BUSY_POLL,
  } = options;
  checkLinuxOptions({ receiveBuffer, sendBuffer, dscp });
  if (typeof busyPoll !== "number" || !(busyPoll >= 0 && busyPoll <= 1000)) {
    throw new RangeError(`Cannot set busyPoll to ${String(busyPoll)}: allowed are 0 to 1000`);
  }
  for (const [name, value] of Object.entries({ reusePort, segmentation, batching })) {
    if (typeof value !== "boolean") {
      throw new TypeError(`Cannot set ${name} to ${String(value)}: it must be a boolean`);
    }
  }
  return { receiveBuffer, sendBuffer, dscp, reusePort, segmentation, batching, busyPoll };
}

/** The ranges of the options that can change while a socket is open. */
const RANGES = {
  receiveBuffer: [4096, 1 << 30],
  sendBuffer: [4096, 1 << 30],
  dscp: [0, 63],
} as const;

/**
 * Checks options that can change while a socket is open.
 *
 * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range.
 */
export function checkLinuxOptions(options: LinuxLiveOptions): void {
  for (const name of Object.keys(RANGES) as (keyof typeof RANGES)[]) {
    const value = options[name];
    if (value === undefined) continue;
    const [low, high] = RANGES[name];
    if (!Number.isInteger(value) || value < low || value > high) {
      throw new RangeError(
        `Cannot set ${name} to ${value}: allowed are whole numbers ${low} to ${high}`,
      );
    }
  }
}
