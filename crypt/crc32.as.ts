// The CRC-32 of the bytes from `start` to before `end`: see checksum.as.ts.

import { checksum } from "./checksum.as";

export function crc32(start: usize, end: usize): u32 {
  return checksum(start, end - start);
}
