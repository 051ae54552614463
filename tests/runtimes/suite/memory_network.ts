/**
 * Datagram sockets in one memory, for runtimes that have none. Packets go through a `MessagePort`, as
 * they would between a page and its worker, or where there is none, through timers.
 *
 * @module
 */
import type { PacketBatch } from "../../../kcp/mod.ts";
import type { DatagramReceiver, DatagramSocket } from "../../../transport/mod.ts";

/** Packets of one sender. */
interface Message {
  readonly from: string;
  readonly packets: readonly Uint8Array<ArrayBuffer>[];
}

/** Passes messages on, later. */
interface Port {
  post(message: Message): void;
  close(): void;
}

function messagePort(take: (message: Message) => void): Port {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }: MessageEvent<Message>) => take(data);
  return {
    // Ports of workerd take no list of buffers to transfer.
    post: (message) => port2.postMessage(message),
    close: () => {
      port1.close();
      port2.close();
    },
  };
}

function timerPort(take: (message: Message) => void): Port {
  return { post: (message) => void setTimeout(() => take(message), 0), close: () => {} };
}

/** The sockets that can reach each other. */
export class MemoryNetwork {
  readonly #sockets = new Map<string, MemorySocket>();
  #hosts = 0;

  /** Opens a socket at an address of its own. */
  bind(): MemorySocket {
    const address = `10.0.0.${++this.#hosts}:1`;
    const socket = new MemorySocket(address, this.#sockets);
    this.#sockets.set(address, socket);
    return socket;
  }
}

/** A socket of a {@linkcode MemoryNetwork}. */
export class MemorySocket implements DatagramSocket {
  readonly adapter = "memory";
  readonly address: string;
  readonly #sockets: Map<string, MemorySocket>;
  readonly #port: Port;
  #receiver: DatagramReceiver | null = null;

  /**
   * @param address The address of the socket.
   * @param sockets All sockets of the network, by address.
   */
  constructor(address: string, sockets: Map<string, MemorySocket>) {
    this.address = address;
    this.#sockets = sockets;
    const take = ({ from, packets }: Message) => {
      for (const packet of packets) this.#receiver?.packet(packet, from, true);
      this.#receiver?.settled();
    };
    this.#port = typeof MessageChannel === "undefined" ? timerPort(take) : messagePort(take);
  }

  /** Starts to deliver packets. */
  open(receiver: DatagramReceiver): void {
    this.#receiver = receiver;
  }

  /** Sends the packets of a batch. A packet to an unknown address is lost. */
  send(batch: PacketBatch): void {
    for (let first = 0; first < batch.count;) {
      const to = batch.to[first];
      const packets: Uint8Array<ArrayBuffer>[] = [];
      for (; first < batch.count && batch.to[first] === to; first++) {
        packets.push(batch.packet(first).slice());
      }
      this.#sockets.get(to)?.deliver({ from: this.address, packets });
    }
  }

  /** Takes packets of another socket. They arrive later. */
  deliver(message: Message): void {
    this.#port.post(message);
  }

  /** Closes the socket. */
  close(): void {
    this.#sockets.delete(this.address);
    this.#receiver = null;
    this.#port.close();
  }

  /** An open port keeps a process alive anyway. */
  ref(): void {}

  /** An open port keeps a process alive anyway. */
  unref(): void {}
}
