// Shared: the layout of the memory that several kernels share. Each kernel owns an area. The data
// begins after the areas. A kernel may overwrite bytes around its data while it runs, but restores
// them.

/** ChaCha20-Poly1305. */
export const CHACHA: usize = 0;
/** CRC-32: the crc32 and salsa20 kernels use it. */
export const CHECKSUM: usize = 2048;
/** Salsa20. */
export const SALSA: usize = 19_456;
// The data begins at 20,480: see kernel.ts.
