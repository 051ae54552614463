/**
 * A UDP socket on a simulated network.
 *
 * @module
 */

import type { PacketBatch } from "../../kcp/packet_batch.ts";
import type { DatagramReceiver, DatagramSocket } from "../connection/driver.ts";

/** A socket that hands its packets to a function, and gets the packets of others at `receiver`. */
export class SimulatedSocket implements DatagramSocket {
  /** Its own address. The network may change it. */
  address: string;
  readonly #transmit: (packet: Uint8Array, from: string, to: string) => void;
  readonly #unbind: (socket: SimulatedSocket) => void;
  /** The kind of socket. */
  readonly adapter = "simulated";
  /** Gets the packets that arrive. It is `null` while the socket is not open. */
  receiver: DatagramReceiver | null = null;
  #crashed = false;

  /**
   * Makes a socket that is not open yet.
   *
   * @param address Its own address. The network may change it.
   * @param transmit Sends a packet.
   * @param unbind Frees the address. It is called once the socket closes.
   */
  constructor(
    address: string,
    transmit: (packet: Uint8Array, from: string, to: string) => void,
    unbind: (socket: SimulatedSocket) => void,
  ) {
    this.address = address;
    this.#transmit = transmit;
    this.#unbind = unbind;
  }

  /** Starts to deliver packets. */
  open(receiver: DatagramReceiver): void {
    this.receiver = receiver;
  }

  /** Sends every packet of the batch. */
  send(batch: PacketBatch): void {
    for (let i = 0; i < batch.count && !this.#crashed; i++) {
      this.#transmit(batch.packet(i), this.address, batch.to[i]);
    }
  }

  /** Closes the socket. Later packets to its address are undeliverable. */
  close(): void {
    this.receiver = null;
    this.#unbind(this);
  }

  /** Ends the socket as a crash of its process does: nothing leaves any more. */
  crash(error: Error): void {
    const { receiver } = this;
    this.#crashed = true;
    this.close();
    receiver?.failed(error);
  }

  /** Does nothing: virtual time keeps no process alive. */
  ref(): void {}

  /** Does nothing: virtual time keeps no process alive. */
  unref(): void {}
}
