// Computed by `deno task kernels`. Do not edit.

/** The digests in the custom sections of the kernels: one for each variant. */
export const DIGESTS = {
  aes: { plain: "5ed7f6bf30badc11", relaxed: "e9457ecaa81cdb04" },
  chacha20Poly1305: { plain: "54b578faed3fc0c8", relaxed: "c20b31f1be48f863" },
  copy: { plain: "c3a765385c8622fa" },
  crc32: { plain: "6e9f01734d37bac7" },
  galoisField: { plain: "5bbb627c4ede843b", relaxed: "98b8be6cd8e651b0" },
  salsa20: { plain: "24a67d489bb3f983" },
} as const;
