// Compiled from copy.as.ts by `deno task kernels`. Do not edit.

/** A WebAssembly module, in base64. */
export const WASM: string =
  "AGFzbQEAAAABBwFgA39/fwACDwEDZW52Bm1lbW9yeQIAAAMCAQAHEQIEY29weQAABm1lbW9yeQIACg4BDAAgACAB" +
  "IAL8CgAACwAmCmtjcC5rZXJuZWxjb3B5L3BsYWluL2MzYTc2NTM4NWM4NjIyZmE=";
