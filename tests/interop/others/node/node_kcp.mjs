/** The peer around node-kcp. */
import { run } from "./program.mjs";

// Deno checks this file too, and can't resolve the name of a package that only Node.js has.
const load = (name) => import(name);
const { KCP } = (await load("node-kcp/index.js")).default;

run((conv, output, receive) => {
  const kcp = new KCP(conv, {});
  kcp.output((bytes, size) => output(Buffer.from(bytes.subarray(0, size))));
  kcp.wndsize(256, 256);
  kcp.nodelay(1, 10, 2, 1);
  const started = performance.now();
  // node-kcp takes the time as a whole number.
  setInterval(() => kcp.update(Math.floor(performance.now() - started)), 5);
  return {
    input(packet) {
      kcp.input(packet);
      for (let message; (message = kcp.recv());) receive(message);
    },
    send: (message) => kcp.send(message),
  };
});
