/**
 * Bundles of programs that use a part of the library hold that part only, and nothing that a browser
 * does not have. The bundler is that of Deno, esbuild.
 *
 * @module
 */
import { assert, assertEquals, assertLess } from "@std/assert";
import { WASM as AES } from "../../crypt/aes_wasm.ts";
import { WASM as CHACHA } from "../../crypt/chacha20_poly1305_wasm.ts";
import { WASM as CRC32 } from "../../crypt/crc32_wasm.ts";
import { WASM as SALSA } from "../../crypt/salsa20_wasm.ts";
import { WASM as GALOIS_FIELD } from "../../fec/galois_field_wasm.ts";

const ROOT = new URL("../../", import.meta.url);

/** A part of a kernel that no other has: the end of its code. */
const end = (wasm: string) => wasm.slice(-400, -300);

/** A text in the code of each part of the library, which a bundler does not change. */
const PARTS: Record<string, string> = {
  "AES": end(AES),
  "ChaCha20-Poly1305": end(CHACHA),
  "CRC-32": end(CRC32),
  "Salsa20": end(SALSA),
  "CAST5": "30fb40d4 9fa0ff0b",
  "triple DES": "e4d12fb83a6c5907",
  "Twofish": "817d6f320b59eca4",
  "deriveKey": "kcp-go",
  "Reed-Solomon": end(GALOIS_FIELD),
  "KCP": "Cannot fill a batch of another arena",
  "sockets of Deno": "--unstable-net",
  "sockets of Node.js": "node:dgram",
  "sockets of Linux": "recvmmsg",
  "connections": "Cannot set unsent",
  "simulated network": "Nothing is left to happen",
};

/** Bundles a program for browsers, minified. */
async function bundle(program: string): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "kcp-bundle-" });
  try {
    const path = (name: string) => new URL(name, ROOT).pathname;
    await Deno.writeTextFile(`${folder}/main.ts`, program.replaceAll("ROOT/", path("")));
    const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
      args: [
        "bundle",
        "--quiet",
        "--no-lock",
        "--minify",
        "--platform=browser",
        `--config=${path("deno.json")}`,
        `--import-map=${path("tests/std/import_map.json")}`,
        `${folder}/main.ts`,
      ],
    }).output();
    const text = new TextDecoder();
    assert(success, text.decode(stderr));
    return text.decode(stdout);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function gzippedSize(text: string): Promise<number> {
  const zipped = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return (await new Response(zipped).bytes()).length;
}

function partsOf(text: string): string[] {
  return Object.keys(PARTS).filter((part) => text.includes(PARTS[part])).sort();
}

/** What programs import, the parts that this may bring, and its most kilobytes with gzip. */
const CASES: [imports: string, parts: string[], kilobytes: number][] = [
  ['{ turbo } from "ROOT/mod.ts"', ["connections"], 12],
  ['{ Kcp } from "ROOT/kcp/mod.ts"', ["KCP"], 48],
  ['{ turbo } from "ROOT/kcp/mod.ts"', [], 4],
  ['{ FecEncoder, FecDecoder } from "ROOT/fec/mod.ts"', ["Reed-Solomon"], 16],
  ['{ chacha20Poly1305 } from "ROOT/crypt/mod.ts"', ["ChaCha20-Poly1305"], 16],
  ['{ aesGcm } from "ROOT/crypt/mod.ts"', ["AES"], 14],
  ['{ aesCfb } from "ROOT/crypt/mod.ts"', ["AES", "CRC-32"], 15],
  ['{ salsa20 } from "ROOT/crypt/mod.ts"', ["CRC-32", "Salsa20"], 13],
  ['{ sm4Cfb } from "ROOT/crypt/mod.ts"', ["CRC-32"], 8],
  ['{ cast5Cfb } from "ROOT/crypt/mod.ts"', ["CAST5", "CRC-32"], 20],
  ['{ tripleDesCfb } from "ROOT/crypt/mod.ts"', ["CRC-32", "triple DES"], 8],
  ['{ twofishCfb } from "ROOT/crypt/mod.ts"', ["CRC-32", "Twofish"], 8],
  ['{ deriveKey } from "ROOT/crypt/mod.ts"', ["deriveKey"], 5],
  [
    '{ createCipher } from "ROOT/crypt/mod.ts"',
    ["AES", "CAST5", "CRC-32", "ChaCha20-Poly1305", "Salsa20", "Twofish", "triple DES"],
    56,
  ],
  [
    '{ Session } from "ROOT/transport/mod.ts"',
    ["KCP", "Reed-Solomon", "connections"],
    92,
  ],
  [
    '{ connect, listen } from "ROOT/mod.ts"',
    [
      "KCP",
      "Reed-Solomon",
      "connections",
      "sockets of Deno",
      "sockets of Linux",
      "sockets of Node.js",
    ],
    112,
  ],
];

for (const [imports, parts, kilobytes] of CASES) {
  Deno.test(`bundles: ${imports.replace("ROOT", "")} brings only what it needs`, async () => {
    const names = imports.slice(1, imports.indexOf("}"));
    const text = await bundle(`import ${imports}; console.log(${names});`);
    assertEquals(partsOf(text), [...parts].sort());
    assertLess(await gzippedSize(text), 1000 * kilobytes);
    // A browser can load it: it imports nothing.
    assert(!/(^|[;}\n])import\s*[{*"'(]/.test(text), "it has an import");
    assert(!/\bimport\(/.test(text), "it loads a module later");
  });
}

for (const entry of ["crypt", "fec"]) {
  Deno.test(`bundles: an import of /${entry} that uses nothing runs nothing`, async () => {
    const text = await bundle(`import "ROOT/${entry}/mod.ts";`);
    // A few constants are left, which cost nothing.
    assert(!/\bnew (?!Uint8Array\(0\))|\bclass\b|\bfunction\b|=>/.test(text), text);
    assertLess(text.length, 500, text);
  });
}
