/** Options of the sockets that {@linkcode node} or {@linkcode bun} opens. */
export interface NodeOptions {
  /**
   * Size of the socket's receive buffer in bytes, 4096 to 1,073,741,824. The system may give less.
   * Default: 4,194,304 (4 MiB); on Deno that of the system, because Deno takes memory of the size that
   * is set for each packet that it receives.
   */
  receiveBuffer?: number;
  /**
   * Size of the socket's send buffer in bytes, 4096 to 1,073,741,824. The system may give less.
   * Default: 4,194,304 (4 MiB).
   */
  sendBuffer?: number;
}

/** Size in bytes of the socket's receive and send buffers, unless the options say otherwise. */
export const BUFFER_SIZE: number = 4 << 20;

/**
 * Checks the options that are given.
 *
 * @throws {RangeError} When one is out of its range.
 */
export function checkBuffers(options: NodeOptions): void {
  for (const name of ["receiveBuffer", "sendBuffer"] as const) {
    const value = options[name];
    if (value === undefined) continue;
    if (!Number.isInteger(value) || value < 4096 || value > 1 << 30) {
      throw new RangeError(
        `Cannot set ${name} to ${value}: allowed are whole numbers 4096 to ${1 << 30}`,
      );
    }
  }
}
