// Shared: who has what of the memory that kernels share. Data begins behind it, and no kernel alters what is around the data that
// it is told of, but for its time.

/** ChaCha20-Poly1305. */
export const CHACHA: usize = 0;
/** CRC-32, whichever kernel computes it. */
export const CHECKSUM: usize = 2048;
/** Salsa20. */
export const SALSA: usize = 19_456;
// Behind 20,480 begins the data: see kernel.ts.
