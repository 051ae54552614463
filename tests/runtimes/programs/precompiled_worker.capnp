using Workerd = import "/workerd/workerd.capnp";

# No compatibility flag, and so nothing of Node.js. From 2025-08-15 on, there is MessageChannel.
const config :Workerd.Config = (services = [(name = "main", worker = .main)]);

const main :Workerd.Worker = (
  modules = [
    (name = "precompiled_worker.mjs", esModule = embed "precompiled_worker.mjs"),
    (name = "memory.mjs", esModule = embed "memory.mjs"),
    (name = "aes_relaxed.wasm", wasm = embed "aes_relaxed.wasm"),
    (name = "chacha20_poly1305_relaxed.wasm", wasm = embed "chacha20_poly1305_relaxed.wasm"),
    (name = "copy.wasm", wasm = embed "copy.wasm"),
    (name = "crc32.wasm", wasm = embed "crc32.wasm"),
    (name = "galois_field_relaxed.wasm", wasm = embed "galois_field_relaxed.wasm"),
    (name = "salsa20.wasm", wasm = embed "salsa20.wasm"),
  ],
  compatibilityDate = "2026-11-01",
);
