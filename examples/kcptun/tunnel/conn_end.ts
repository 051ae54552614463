import type { PipeEnd } from "./pipe.ts";

/** A TCP connection or a Unix socket as the end of a pipe. */
export class ConnEnd implements PipeEnd {
  readonly #conn: Deno.Conn;
  #closed = false;

  /** @param conn The connection. It must not be used for anything else. */
  constructor(conn: Deno.Conn) {
    this.#conn = conn;
    // Small packets of one application should not wait for others.
    if (conn.localAddr.transport === "tcp") (conn as Deno.TcpConn).setNoDelay();
  }

  /** The address of this side. */
  get localAddr(): Deno.Addr {
    return this.#conn.localAddr;
  }

  read(p: Uint8Array): Promise<number | null> {
    return this.#conn.read(p);
  }

  write(p: Uint8Array): Promise<number> {
    return this.#conn.write(p);
  }

  async closeWrite(): Promise<void> {
    try {
      await this.#conn.closeWrite();
    } catch (error) {
      // The peer has closed both directions meanwhile: there is nobody to tell.
      if (!(error instanceof Deno.errors.NotConnected)) throw error;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
  }

  abort(): void {
    this.close();
  }
}

/** An address of a connection as a text for the log. */
export function showAddress(address: Deno.Addr): string {
  if (address.transport === "unix" || address.transport === "unixpacket") return address.path;
  if (address.transport !== "tcp" && address.transport !== "udp") return address.transport;
  const { hostname, port } = address;
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}
