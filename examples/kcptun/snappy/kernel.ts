/**
 * The WebAssembly kernel for Snappy blocks. All streams of the process share it: each call leaves
 * nothing behind that a later call needs.
 *
 * @module
 */
import { type OwnMemory, startKernel } from "../../../kcp/kernel.ts";
import { WASM } from "./snappy_wasm.ts";

/** Most bytes of a block before compression. Source: the framing format. */
export const MAX_BLOCK = 65_536;
/** Bytes of the header of a chunk: its type, and the length of its body. */
export const HEADER = 4;
/** Bytes of the checksum at the start of a body. */
export const CHECKSUM = 4;
/**
 * Most bytes of the body of a compressed chunk: the checksum, and what a block of 65,536 bytes that
 * can't be compressed may take.
 */
export const MAX_BODY: number = CHECKSUM + 32 + MAX_BLOCK + Math.floor(MAX_BLOCK / 6);

/** The functions of the kernel, as snappy.as.ts describes them. */
interface Functions extends OwnMemory {
  begin(): void;
  encode(length: number): number;
  check(length: number): number;
  decode(length: number): number;
}

/** Addresses in the memory of the kernel. */
const INPUT = 65_536;
const OUTPUT = 147_456;

/** Starts the kernel. */
function start(): Functions {
  const functions = startKernel<Functions>(WASM);
  if (!functions) throw new Error("Snappy needs WebAssembly with SIMD, which is not there");
  functions.begin();
  return functions;
}

let functions: Functions | undefined;
let memory: Uint8Array<ArrayBuffer>;

function kernel(): Functions {
  if (!functions) {
    functions = start();
    memory = new Uint8Array(functions.memory.buffer as ArrayBuffer);
  }
  return functions;
}

/**
 * Makes a chunk of 1 to 65,536 bytes.
 *
 * @returns The chunk with its header. It is valid until the next call of this module.
 */
export function encodeChunk(block: Uint8Array): Uint8Array {
  const { encode } = kernel();
  memory.set(block, INPUT);
  return memory.subarray(OUTPUT, OUTPUT + encode(block.length));
}

/**
 * Takes the block out of the body of a chunk.
 *
 * @param body The checksum, and a block of at most 65,536 bytes when it is decompressed.
 * @param compressed Whether the block is compressed.
 * @returns The block, which is valid until the next call of this module; or what is wrong.
 */
export function decodeChunk(
  body: Uint8Array,
  compressed: boolean,
): Uint8Array | "corrupt" | "checksum" {
  const { check, decode } = kernel();
  memory.set(body, INPUT);
  const count = compressed ? decode(body.length) : check(body.length);
  if (count < 0) return count === -1 ? "corrupt" : "checksum";
  const at = compressed ? OUTPUT : INPUT + CHECKSUM;
  return memory.subarray(at, at + count);
}
