/** Settings of a {@linkcode MuxMachine}. */
export interface MuxMachineOptions {
  /** Whether this side is the client, which opens streams of odd ids. The server's are even. */
  readonly client: boolean;
  /**
   * Version of smux's protocol. Both sides must use the same. Version 1 has no credit: a stream
   * that is not read delays all others when the receive buffer is full, and an application that
   * reads only what it has answered may stop the session. Default: 2.
   */
  readonly version?: 1 | 2;
  /** Most payload bytes of a frame that is sent. 1 to 65535. Default: 32768, as smux. */
  readonly maxFrameSize?: number;
  /**
   * Memory for data of all streams that was not read yet, in bytes. 1 to 2147483647; above 2^29 it
   * counts as 2^29. Default: 4194304, as smux.
   *
   * In version 1, it is a limit. In version 2, receive windows are made so that what peers send
   * fits; but each new stream may bring 262144 bytes before its sender is told of less, and many
   * streams may be used at once: so the limit is 4 times as much and 1 MiB. See {@linkcode
   * MuxMachine.memoryLimit}.
   *
   * At the limit, nothing more is taken from the connection below. That ends when something is
   * read, or, after {@linkcode MuxMachineOptions.stallGrace}, when a stream that nobody reads is
   * cut.
   */
  readonly maxReceiveBuffer?: number;
  /**
   * The receive window of a stream in bytes, told to peers of version 2. 1 to `maxReceiveBuffer`.
   * Default: 65536, as smux. Every sender assumes 262144 until it was told something else.
   */
  readonly maxStreamBuffer?: number;
  /**
   * Whether receive windows grow with what is read in a round trip, to more than `maxStreamBuffer`:
   * up to 3/4 of `maxReceiveBuffer` each, and twice `maxReceiveBuffer` all together. Default: true.
   */
  readonly autoTune?: boolean;
  /**
   * A NOP is sent when nothing else was sent for this time, in ms. `Infinity`: never. Default:
   * 10000.
   */
  readonly keepAliveInterval?: number;
  /**
   * The session ends when nothing arrived for this time, in ms. `Infinity`: never. It must not be
   * below a finite `keepAliveInterval`. Default: 30000; `Infinity` if `keepAliveInterval` is so.
   */
  readonly keepAliveTimeout?: number;
  /**
   * When the receive buffer of the session is at its limit, a stream is cut if nobody has read it
   * for this time, in ms. Until then the peer waits with all streams. `Infinity`: never. Default:
   * 5000.
   */
  readonly stallGrace?: number;
  /** Most streams of the peer that wait to be accepted. Further ones are refused. Default: 1024. */
  readonly acceptBacklog?: number;
  /** Most streams of the peer that are open. Further ones are refused. Default: 65536. */
  readonly maxIncomingStreams?: number;
  /**
   * Whether resets and closes carry codes, in NOP frames with stream ids. smux ignores those ids. A
   * port of smux that does not needs `false`. Default: true.
   */
  readonly resetCodes?: boolean;
  /** Id of the first stream that this side opens. For tests. Default: 3 for a client, else 2. */
  readonly firstId?: number;
}

/** The settings of a {@linkcode MuxMachine} that are in force. */
export type ResolvedMuxMachineOptions = Required<MuxMachineOptions>;

/** Largest receive buffer in bytes: the machine's memory is one block of at most 1 GiB. */
const MAX_RECEIVE_BUFFER = 2 ** 29;
/** In version 2, the memory is at its limit at so many times the receive buffer, and a MiB. */
const MEMORY_FACTOR = 4;

/** Most memory for received data, in bytes. */
export function memoryLimitOf({ version, maxReceiveBuffer }: ResolvedMuxMachineOptions): number {
  if (version === 1) return maxReceiveBuffer;
  return Math.min(MEMORY_FACTOR * maxReceiveBuffer + 2 ** 20, MAX_RECEIVE_BUFFER + 2 ** 20);
}

/**
 * Checks settings, and fills in the defaults.
 *
 * @throws {TypeError} If a setting has the wrong type.
 * @throws {RangeError} If a setting is out of its range.
 */
export function resolveMuxOptions(options: MuxMachineOptions): ResolvedMuxMachineOptions {
  const {
    client,
    version = 2,
    maxFrameSize = 32_768,
    maxReceiveBuffer = 4_194_304,
    maxStreamBuffer = Math.min(65_536, maxReceiveBuffer),
    autoTune = true,
    keepAliveInterval = 10_000,
    keepAliveTimeout = keepAliveInterval === Infinity
      ? Infinity
      : Math.max(30_000, keepAliveInterval),
    stallGrace = 5000,
    acceptBacklog = 1024,
    maxIncomingStreams = 65_536,
    resetCodes = true,
    firstId = client ? 3 : 2,
  } = options;
  checkBoolean("client", client);
  checkBoolean("autoTune", autoTune);
  checkBoolean("resetCodes", resetCodes);
  if (version !== 1 && version !== 2) {
    throw new RangeError(`Cannot speak version ${version} of smux: there are 1 and 2`);
  }
  checkInteger("maxFrameSize", maxFrameSize, 1, 65_535);
  checkInteger("maxReceiveBuffer", maxReceiveBuffer, 1, 2 ** 31 - 1);
  checkInteger("maxStreamBuffer", maxStreamBuffer, 1, maxReceiveBuffer);
  checkTime("keepAliveInterval", keepAliveInterval, Number.MIN_VALUE);
  checkTime(
    "keepAliveTimeout",
    keepAliveTimeout,
    keepAliveInterval === Infinity ? Number.MIN_VALUE : keepAliveInterval,
  );
  checkTime("stallGrace", stallGrace, 0);
  checkInteger("acceptBacklog", acceptBacklog, 1, 65_536);
  checkInteger("maxIncomingStreams", maxIncomingStreams, 1, 2 ** 24);
  checkInteger("firstId", firstId, 1, 2 ** 32 - 1);
  if ((firstId & 1) !== (client ? 1 : 0)) {
    throw new RangeError(
      `Cannot set firstId to ${firstId}: ids of a ${client ? "client are odd" : "server are even"}`,
    );
  }
  const receive = Math.min(maxReceiveBuffer, MAX_RECEIVE_BUFFER);
  return {
    client,
    version,
    maxFrameSize,
    maxReceiveBuffer: receive,
    maxStreamBuffer: Math.min(maxStreamBuffer, receive),
    autoTune,
    keepAliveInterval,
    keepAliveTimeout,
    stallGrace,
    acceptBacklog,
    maxIncomingStreams,
    resetCodes,
    firstId,
  };
}

function checkBoolean(name: string, value: unknown): void {
  if (typeof value !== "boolean") {
    throw new TypeError(`Cannot set ${name} to ${value}: it must be true or false`);
  }
}

/** Checks that a setting is an integer in a range. */
export function checkInteger(name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`Cannot set ${name} to ${value}: allowed are ${min} to ${max}`);
  }
}

function checkTime(name: string, value: number, min: number): void {
  if (typeof value !== "number" || !(value >= min)) {
    const least = min === Number.MIN_VALUE ? "it must be more than 0 ms" : `at least ${min} ms`;
    throw new RangeError(`Cannot set ${name} to ${value}: ${least}`);
  }
}
