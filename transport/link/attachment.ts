/**
 * Runs a machine without I/O on a socket and a clock.
 *
 * @module
 */

import type { Arena } from "../../kcp/arena.ts";
import { PacketBatch } from "../../kcp/packet_batch.ts";
import type { Clock, DatagramSocket } from "../connection/driver.ts";

/** A machine without I/O that has one peer: a `Kcp` or a `Session`. */
export interface PeerMachine {
  /** Processes a packet that arrived at `now`, in ms. */
  input(packet: Uint8Array, now: number): unknown;
  /** Processes the time `now`, in ms: acknowledges, retransmits, sends what the window allows. */
  tick(now: number): void;
  /** Adds packets that are due to the batch. Returns how many. */
  output(batch: PacketBatch): number;
  /** When `tick` is due next, in ms. `Infinity` if nothing is pending. */
  readonly deadline: number;
  /** The memory that holds its packets. */
  readonly arena: Arena;
}

/** A machine without I/O that has many peers: an `Endpoint`. */
export interface EndpointMachine extends Omit<PeerMachine, "input"> {
  /** Processes a packet that arrived at `now`, in ms, from the address `from`. */
  input(packet: Uint8Array, now: number, from: string): unknown;
}

/** A machine on a simulated network. */
export interface Attachment {
  /** Lets the machine send what is due now. Call it after giving data to the machine. */
  flush(): void;
  /** Takes the machine off the network. */
  detach(): void;
}

/**
 * Runs a machine on a socket and a clock.
 *
 * @param machine The machine.
 * @param socket A socket that delivers one packet at a time, and has sent a batch when `send`
 * returns.
 * @param clock A clock for this machine alone.
 * @param peer The address of the peer of a machine that has one. `undefined` for an endpoint.
 */
export function attachMachine(
  machine: PeerMachine | EndpointMachine,
  socket: DatagramSocket,
  clock: Clock,
  peer: string | undefined,
): Attachment {
  const batch = new PacketBatch({ arena: machine.arena });
  let failed = false;
  const flush = () => {
    machine.tick(clock.now());
    for (batch.clear(); machine.output(batch) > 0; batch.clear()) {
      if (peer !== undefined) batch.to.fill(peer, 0, batch.count);
      socket.send(batch);
    }
    if (!failed) clock.wake(machine.deadline, flush);
  };
  socket.open({
    arena: machine.arena,
    packet: (packet, from) => {
      if (peer === undefined) (machine as EndpointMachine).input(packet, clock.now(), from);
      else (machine as PeerMachine).input(packet, clock.now());
      flush();
    },
    // The socket calls only `packet`.
    packets: () => {},
    settled: () => {},
    failed: () => {
      failed = true;
      clock.stop();
    },
  });
  return {
    flush,
    detach: () => {
      clock.stop();
      socket.close();
    },
  };
}
