/**
 * The state machine `Kcp` without the rest of the library: two machines, alice and bob, with one
 * UDP socket each. `run` is all the code that a machine needs: it moves packets between the machine
 * and its socket, and sets one timer.
 *
 *     deno run --unstable-net --allow-net=127.0.0.1 examples/run_loop.ts
 *
 * @module
 */
import { Kcp, PacketBatch } from "@lowlatency/kcp/kcp";

/**
 * Runs a machine on a socket.
 *
 * @param onData Is called when data has become readable.
 * @returns A function that sends what is due. Call it after giving data to the machine.
 */
function run(kcp: Kcp, socket: Deno.DatagramConn, peer: Deno.Addr, onData: () => void): () => void {
  const batch = new PacketBatch({ arena: kcp.arena });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const step = () => {
    kcp.tick(performance.now());
    for (batch.clear(); kcp.output(batch) > 0; batch.clear()) {
      // If the system refuses a packet, it counts as lost: the machine sends it again.
      for (const packet of batch) socket.send(packet.slice(), peer).catch(() => {});
    }
    clearTimeout(timer);
    if (kcp.deadline < Infinity) timer = setTimeout(step, kcp.deadline - performance.now());
  };
  (async () => {
    for await (const [packet] of socket) {
      if (kcp.input(packet, performance.now())) onData();
      step();
    }
  })();
  return step;
}

const local = { transport: "udp", hostname: "127.0.0.1", port: 0 } as const;
const alice = new Kcp(1);
const bob = new Kcp(1);
const aliceSocket = Deno.listenDatagram(local);
const bobSocket = Deno.listenDatagram(local);

run(bob, bobSocket, aliceSocket.addr, () => {
  for (let size; (size = bob.peekSize()) >= 0;) {
    const message = new Uint8Array(size);
    bob.recv(message);
    console.log(`bob got "${new TextDecoder().decode(message)}"`);
    bob.send(new TextEncoder().encode("hello, alice"));
  }
});
const flush = run(alice, aliceSocket, bobSocket.addr, () => {
  if (alice.peekSize() < 0) return;
  const message = new Uint8Array(alice.peekSize());
  alice.recv(message);
  console.log(`alice got "${new TextDecoder().decode(message)}"`);
  // Bob still waits for an acknowledgment, so the sockets stay open for a moment.
  setTimeout(() => {
    aliceSocket.close();
    bobSocket.close();
  }, 50);
});
alice.send(new TextEncoder().encode("hello, bob"));
flush();
