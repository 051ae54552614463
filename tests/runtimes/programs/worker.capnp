using Workerd = import "/workerd/workerd.capnp";

# No compatibility flag, and so nothing of Node.js. A date before 2025-08-15 leaves out MessageChannel.
const config :Workerd.Config = (services = [(name = "main", worker = .main)]);

const main :Workerd.Worker = (
  modules = [
    (name = "worker.mjs", esModule = embed "worker.mjs"),
    (name = "memory.mjs", esModule = embed "memory.mjs"),
  ],
  compatibilityDate = "2025-05-05",
);
