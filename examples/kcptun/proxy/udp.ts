import type { Socket } from "node:dgram";

/** A UDP socket. */
export interface UdpPort {
  readonly hostname: string;
  readonly port: number;
  /** Sends a datagram. What the system says about it is ignored: datagrams may be lost. */
  send(data: Uint8Array, hostname: string, port: number): void;
  /** Closes it. */
  close(): void;
}

/** Is given each datagram, and where it came from. */
export type Receive = (data: Uint8Array, hostname: string, port: number) => void;

/** Opens a UDP socket at an IP address, and a port that is free. */
export type OpenUdp = (hostname: string, receive: Receive) => Promise<UdpPort>;

/** Opens a UDP socket of the runtime. */
export const openUdp: OpenUdp = async (hostname, receive) => {
  const { createSocket } = await import("node:dgram");
  const socket: Socket = createSocket(hostname.includes(":") ? "udp6" : "udp4");
  socket.on("message", (data, { address, port }) => receive(data, address, port));
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(0, hostname, resolve);
  });
  socket.removeAllListeners("error");
  socket.on("error", () => {});
  const { address, port } = socket.address();
  let closed = false;
  return {
    hostname: address,
    port,
    send: (data, hostname, port) => {
      // Port 0 is no destination: the runtime throws.
      if (!closed && port > 0) socket.send(data, port, hostname, () => {});
    },
    close: () => {
      if (closed) return;
      closed = true;
      socket.close();
    },
  };
};
