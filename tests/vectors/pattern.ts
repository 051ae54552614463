/**
 * The first bytes of a pseudorandom stream: the words of Marsaglia's xorshift32, little-endian. The
 * kcp-go peer has the same generator.
 *
 * @param seed 0 to 4294967295.
 * @param length Number of bytes.
 */
export function pattern(seed: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.ceil(length / 4) * 4);
  const view = new DataView(bytes.buffer);
  let state = (Math.imul(seed, 0x9e3779b1) + 0x7f4a7c15) | 0 || 1;
  for (let at = 0; at < length; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    view.setInt32(at, state, true);
  }
  return bytes.subarray(0, length);
}
