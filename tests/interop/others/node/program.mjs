/**
 * What the two peers on Node.js share: arguments, frames, and the UDP socket. See peer_program.ts
 * for what a peer reads and prints.
 */
import { createSocket } from "node:dgram";
import { argv, exit, stdin, stdout } from "node:process";

/** Prints a frame: the length, then the bytes. */
function print(bytes) {
  const header = Buffer.alloc(4);
  header.writeUInt32LE(bytes.length);
  stdout.write(Buffer.concat([header, bytes]));
}

/**
 * Runs a peer: `serve`, or `dial PORT CONV`.
 *
 * @param open Called as open(conv, output, receive): makes a KCP of its own. `output` sends a
 * packet, and `receive` takes a message. Returns { input(packet), send(message) }.
 */
export function run(open) {
  const [, , role, port, conv] = argv;
  const serve = role === "serve";
  const socket = createSocket("udp4");
  let peer = { port: Number(port), address: "127.0.0.1" };
  let kcp = null;
  const start = (conv) =>
    open(conv, (packet) => socket.send(packet, peer.port, peer.address), (message) => {
      // The end of our stream is an empty message.
      if (message.length === 0) return;
      print(message);
      if (serve) kcp.send(message);
    });
  socket.on("message", (packet, from) => {
    if (packet.length < 24) return;
    if (serve && !kcp) {
      peer = from;
      kcp = start(packet.readUInt32LE(0));
    }
    kcp.input(packet);
  });
  socket.bind(0, "127.0.0.1", () => {
    if (serve) print(Buffer.from(`${socket.address().port}`));
    else kcp = start(Number(conv));
    let held = Buffer.alloc(0);
    stdin.on("data", (piece) => {
      held = Buffer.concat([held, piece]);
      while (held.length >= 4 && held.length >= 4 + held.readUInt32LE(0)) {
        const end = 4 + held.readUInt32LE(0);
        kcp.send(held.subarray(4, end));
        held = held.subarray(end);
      }
    });
    // The end of stdin says that the test has everything.
    stdin.on("end", () => exit(0));
  });
}
