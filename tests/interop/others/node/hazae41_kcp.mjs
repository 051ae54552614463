/** The peer around @hazae41/kcp. A message is one segment, and there is no send window. */
import { run } from "./program.mjs";

// Deno checks this file too, and can't resolve the name of a package that only Node.js has.
const load = (name) => import(name);
const { Opaque, Writable } = await load("@hazae41/binary");
const { KcpDuplex } = await load("@hazae41/kcp");

/** Messages sent in a row. Without a send window, more would overflow the buffers of sockets. */
const BURST = 16;
/** ms between two bursts. */
const PAUSE = 5;

/** ms between two transmissions of a segment. */
const RETRY = 100;
/** ms after which a segment is not sent again. The default, 3000, is too short with this loss. */
const GIVE_UP = 60_000;

run((conversation, output, receive) => {
  const kcp = new KcpDuplex({ conversation, lowDelay: RETRY, highDelay: GIVE_UP });
  const packets = kcp.inner.writable.getWriter();
  const messages = kcp.outer.writable.getWriter();
  const queue = [];
  setInterval(() => {
    for (const message of queue.splice(0, BURST)) messages.write(new Opaque(message));
  }, PAUSE);
  pump(kcp.inner.readable, (packet) => output(Writable.writeToBytesOrThrow(packet)));
  pump(kcp.outer.readable, (message) => receive(Buffer.from(message.bytes)));
  return {
    input: (packet) => packets.write(new Opaque(new Uint8Array(packet))),
    send: (message) => queue.push(new Uint8Array(message)),
  };
});

async function pump(readable, take) {
  for await (const value of readable) take(value);
}
