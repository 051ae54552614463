/**
 * Packets with any source port, from a raw socket. Needs Linux, the right to open raw sockets, and
 * `--allow-ffi`.
 *
 * @module
 */
const AF_INET = 2;
const SOCK_RAW = 3;
const IPPROTO_UDP = 17;

const SYMBOLS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

/** Sends UDP packets from 127.0.0.1 and a source port of the caller's choice. */
export class RawSocket implements Disposable {
  readonly #libc: Deno.DynamicLibrary<typeof SYMBOLS>;
  readonly #fd: number;

  private constructor(libc: Deno.DynamicLibrary<typeof SYMBOLS>, fd: number) {
    this.#libc = libc;
    this.#fd = fd;
  }

  /** Opens a raw socket; null where it can't be had. */
  static open(): RawSocket | null {
    if (Deno.build.os !== "linux") return null;
    let libc;
    try {
      libc = Deno.dlopen("libc.so.6", SYMBOLS);
    } catch {
      return null;
    }
    const fd = libc.symbols.socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
    if (fd >= 0) return new RawSocket(libc, fd);
    libc.close();
    return null;
  }

  /** Sends one packet from 127.0.0.1. Gives whether the kernel took it. */
  send(packet: Uint8Array, sourcePort: number, port: number): boolean {
    const datagram = new Uint8Array(8 + packet.length);
    const view = new DataView(datagram.buffer);
    view.setUint16(0, sourcePort);
    view.setUint16(2, port);
    view.setUint16(4, datagram.length);
    // The checksum 0 stands for no checksum (RFC 768).
    datagram.set(packet, 8);
    const to = Uint8Array.of(AF_INET, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    const sent = this.#libc.symbols.sendto(
      this.#fd,
      datagram,
      BigInt(datagram.length),
      0,
      to,
      to.length,
    );
    return Number(sent) === datagram.length;
  }

  [Symbol.dispose](): void {
    this.#libc.symbols.close(this.#fd);
    this.#libc.close();
  }
}
