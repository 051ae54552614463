// Salsa20 in AssemblyScript, for WebAssembly with SIMD: the key stream of four blocks at once, one in each
// lane of a vector. D. Bernstein, "Salsa20 specification", 2005.
//
// The 16 words of the state lie at 0, with the block counter of the first block in words 8 and 9; the data
// lies at DATA. It is XORed with the key stream in place, in steps of 256 bytes: what lies behind it is
// overwritten up to the next multiple.

const DATA: usize = 4096;

// @ts-ignore: decorator
@inline
function rotate(x: v128, n: i32): v128 {
  return v128.or(i32x4.shl(x, n), i32x4.shr_u(x, 32 - n));
}

// @ts-ignore: decorator
@inline
function mix(x: v128, a: v128, b: v128, n: i32): v128 {
  return v128.xor(x, rotate(i32x4.add(a, b), n));
}

// Turns the same four words of four blocks into four consecutive words of each block, and XORs them there.
// @ts-ignore: decorator
@inline
function put(at: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const ef = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const gh = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  store(at, v128.shuffle<i64>(ab, cd, 0, 2));
  store(at + 64, v128.shuffle<i64>(ab, cd, 1, 3));
  store(at + 128, v128.shuffle<i64>(ef, gh, 0, 2));
  store(at + 192, v128.shuffle<i64>(ef, gh, 1, 3));
}

// @ts-ignore: decorator
@inline
function store(at: usize, stream: v128): void {
  v128.store(at, v128.xor(v128.load(at), stream));
}

export function xor(length: i32): void {
  const s0 = v128.load32_splat(0), s1 = v128.load32_splat(4);
  const s2 = v128.load32_splat(8), s3 = v128.load32_splat(12);
  const s4 = v128.load32_splat(16), s5 = v128.load32_splat(20);
  const s6 = v128.load32_splat(24), s7 = v128.load32_splat(28);
  // A packet has less than 2^32 blocks, so the upper word of the counter stays.
  let s8 = i32x4.add(v128.load32_splat(32), i32x4(0, 1, 2, 3));
  const s9 = v128.load32_splat(36);
  const s10 = v128.load32_splat(40), s11 = v128.load32_splat(44);
  const s12 = v128.load32_splat(48), s13 = v128.load32_splat(52);
  const s14 = v128.load32_splat(56), s15 = v128.load32_splat(60);
  for (let at: usize = DATA; at < DATA + length; at += 256) {
    let x0 = s0, x1 = s1, x2 = s2, x3 = s3, x4 = s4, x5 = s5, x6 = s6, x7 = s7;
    let x8 = s8, x9 = s9, x10 = s10, x11 = s11, x12 = s12, x13 = s13, x14 = s14, x15 = s15;
    for (let i = 0; i < 10; i++) {
      x4 = mix(x4, x0, x12, 7);
      x9 = mix(x9, x5, x1, 7);
      x14 = mix(x14, x10, x6, 7);
      x3 = mix(x3, x15, x11, 7);
      x8 = mix(x8, x4, x0, 9);
      x13 = mix(x13, x9, x5, 9);
      x2 = mix(x2, x14, x10, 9);
      x7 = mix(x7, x3, x15, 9);
      x12 = mix(x12, x8, x4, 13);
      x1 = mix(x1, x13, x9, 13);
      x6 = mix(x6, x2, x14, 13);
      x11 = mix(x11, x7, x3, 13);
      x0 = mix(x0, x12, x8, 18);
      x5 = mix(x5, x1, x13, 18);
      x10 = mix(x10, x6, x2, 18);
      x15 = mix(x15, x11, x7, 18);

      x1 = mix(x1, x0, x3, 7);
      x6 = mix(x6, x5, x4, 7);
      x11 = mix(x11, x10, x9, 7);
      x12 = mix(x12, x15, x14, 7);
      x2 = mix(x2, x1, x0, 9);
      x7 = mix(x7, x6, x5, 9);
      x8 = mix(x8, x11, x10, 9);
      x13 = mix(x13, x12, x15, 9);
      x3 = mix(x3, x2, x1, 13);
      x4 = mix(x4, x7, x6, 13);
      x9 = mix(x9, x8, x11, 13);
      x14 = mix(x14, x13, x12, 13);
      x0 = mix(x0, x3, x2, 18);
      x5 = mix(x5, x4, x7, 18);
      x10 = mix(x10, x9, x8, 18);
      x15 = mix(x15, x14, x13, 18);
    }
    put(at, i32x4.add(x0, s0), i32x4.add(x1, s1), i32x4.add(x2, s2), i32x4.add(x3, s3));
    put(at + 16, i32x4.add(x4, s4), i32x4.add(x5, s5), i32x4.add(x6, s6), i32x4.add(x7, s7));
    put(at + 32, i32x4.add(x8, s8), i32x4.add(x9, s9), i32x4.add(x10, s10), i32x4.add(x11, s11));
    put(at + 48, i32x4.add(x12, s12), i32x4.add(x13, s13), i32x4.add(x14, s14), i32x4.add(x15, s15));
    s8 = i32x4.add(s8, i32x4.splat(4));
  }
}
