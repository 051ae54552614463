// Shared: the common functions of Salsa20 and ChaCha20 in AssemblyScript. A vector holds one word
// of each of four blocks.

// @ts-ignore: decorator
@inline
export function rotate(x: v128, n: i32): v128 {
  return v128.or(i32x4.shl(x, n), i32x4.shr_u(x, 32 - n));
}

// Transposes four vectors (each holds one word of four blocks) into four consecutive words of each
// block. XORs these with the memory at `at`, where a block has 64 bytes.
// @ts-ignore: decorator
@inline
export function put(at: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const ef = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const gh = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  add(at, v128.shuffle<i64>(ab, cd, 0, 2));
  add(at + 64, v128.shuffle<i64>(ab, cd, 1, 3));
  add(at + 128, v128.shuffle<i64>(ef, gh, 0, 2));
  add(at + 192, v128.shuffle<i64>(ef, gh, 1, 3));
}

// @ts-ignore: decorator
@inline
export function add(at: usize, stream: v128): void {
  v128.store(at, v128.xor(v128.load(at), stream));
}
