// The CRC-32 of bytes anywhere in memory: see checksum.as.ts.

import { checksum } from "./checksum.as";

export function crc32(start: usize, end: usize): u32 {
  return checksum(start, end - start);
}
