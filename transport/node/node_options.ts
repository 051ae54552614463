/** Options of the sockets that {@linkcode node} opens. */
export interface NodeOptions {
  /**
   * Size of the socket's receive buffer in bytes, 4096 to 1,073,741,824. The system may give less.
   * Default: 4,194,304 (4 MiB).
   */
  receiveBuffer?: number;
  /**
   * Size of the socket's send buffer in bytes, 4096 to 1,073,741,824. The system may give less.
   * Default: 4,194,304 (4 MiB).
   */
  sendBuffer?: number;
}

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
